"""The command line: roadworthy-agent run | once | enrol | status | explain | record | check-config | service."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from roadworthy_agent import __version__
from roadworthy_agent.errors import AgentError, AnswerError, SettingsError
from roadworthy_agent.report import one_line

if TYPE_CHECKING:
    import argparse

    from roadworthy_agent.probe import Context
    from roadworthy_agent.settings import Settings

EXAMPLES = """
examples:
  roadworthy-agent once                    measure now and show it
  roadworthy-agent explain                 what is collected here, and what never is
  roadworthy-agent enrol --key-file KEY    make this device known to the collector
  roadworthy-agent run                     measure and report until stopped
  roadworthy-agent status                  how it is doing
  roadworthy-agent record DIR              what a bug report needs, without names and serial numbers
  roadworthy-agent service install         run it with the system
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 0 done, 1 it could not be done, 2 it was asked for wrongly."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _plain_run(given) or parser().parse_args(given)
    command: Callable[[Any], int] = options.command
    try:
        code = command(options)
        sys.stdout.flush()
    except SettingsError as error:
        return _failed(error, 2)
    except AnswerError as error:
        return _failed(f"the collector refused: {error} ({error.code})", 1)
    except AgentError as error:
        return _failed(error, 1)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output went away (`| head`). What is still to be flushed goes nowhere, so that
        # Python does not complain at exit (https://docs.python.org/3/library/signal.html#note-on-sigpipe).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _plain_run(given: list[str]) -> SimpleNamespace | None:
    """Return the options of `[--config FILE] run`, else None.

    That is how services start the agent, which then stays for months: argparse would stay with it, 1.3 MB for nothing.
    """
    match given:
        case ["run"]:
            return SimpleNamespace(config=None, command=_run, service=False)
        case ["--config", file, "run"]:
            return SimpleNamespace(config=Path(file), command=_run, service=False)
    return None


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    import argparse

    top = _parser(
        argparse.ArgumentParser,
        prog="roadworthy-agent",
        description="Measures how this device starts and works, and reports it to a collector.",
        epilog=EXAMPLES,
    )
    top.add_argument("--version", action="version", version=f"roadworthy-agent {__version__}")
    top.add_argument("--config", type=Path, metavar="FILE", help="settings file (TOML)")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for name, what, examples, command, options in COMMANDS:
        one = _parser(commands.add_parser, name, help=what, description=what, epilog=f"examples:\n{examples}")
        for flags, settings in options:
            one.add_argument(*flags, **settings)
        one.set_defaults(command=command)
    return top


def _parser(
    make: Callable[..., argparse.ArgumentParser], *names: str, **settings: Any
) -> argparse.ArgumentParser:
    import argparse

    return make(*names, formatter_class=argparse.RawDescriptionHelpFormatter, **settings)


def _settings(options: argparse.Namespace) -> Settings:
    from roadworthy_agent import settings

    return settings.load(options.config)


def _run(options: argparse.Namespace) -> int:
    settings = _settings(options)
    if options.service and sys.platform == "win32":
        from roadworthy_agent.service.windows_run import log_file, run_as_service

        _log_to(log_file(settings.state_dir))
        return run_as_service(lambda: _agent(settings))
    _log_to(logging.StreamHandler())
    return _agent(settings)


def _agent(settings: Settings) -> int:
    from roadworthy_agent.agent import Agent
    from roadworthy_agent.probe import Context
    from roadworthy_agent.probes import PROBES, SAMPLERS

    agent = Agent(settings, Context(allow=frozenset(settings.allow)), PROBES, SAMPLERS)
    try:
        agent.run()
    finally:
        agent.close()
    return 0


def _log_to(handler: logging.Handler) -> None:
    handler.setFormatter(_OneLine("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class _OneLine(logging.Formatter):
    """Keeps what a collector or a proxy answers from writing lines of its own into the log."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the standard library's name
        """Return the record as one printable line."""
        return one_line(super().formatMessage(record))


def _once(options: argparse.Namespace) -> int:
    settings = _settings(options)
    from roadworthy_agent import once, show

    context = _context(options, settings)
    wire = once.measure(settings, context, warn=_say)
    if options.json:
        _out(json.dumps(wire, indent=2))
    else:
        _out(show.report(wire, show.Style.of(sys.stdout)))
    return 0


def _context(options: argparse.Namespace, settings: Settings) -> Context:
    """Return where to look: this machine with what the settings allow, or a recorded tree."""
    from dataclasses import replace

    from roadworthy_agent.once import context_of

    context = context_of(options.root)
    return replace(context, allow=frozenset(settings.allow)) if context.live else context


def _enrol(options: argparse.Namespace) -> int:
    settings = _settings(options)
    from roadworthy_agent import identity, once

    if settings.server is None:
        raise SettingsError(
            'no server is set: put server = "https://..." into the settings, or set ROADWORTHY_AGENT_SERVER'
        )
    key_file = options.key_file or settings.enrolment_key_file
    if key_file is not None and str(key_file) != "-":
        key = identity.read_key(key_file)
    elif key_file is None and sys.stdin.isatty():
        raise SettingsError("no enrolment key: name a file with --key-file, or pipe the key in")
    else:
        key = identity.read_key_stream(sys.stdin)
    enrolled = once.enrol(settings, key)
    _out(f"Enrolled with {enrolled.server} as {enrolled.device_id}.")
    _out("Reports are sent while the agent runs: roadworthy-agent run")
    return 0


def _status(options: argparse.Namespace) -> int:
    settings = _settings(options)
    from roadworthy_agent import show, status

    found = status.read(settings)
    _out(json.dumps(found, indent=2) if options.json else status.text(found, show.Style.of(sys.stdout)))
    return 0


def _explain(options: argparse.Namespace) -> int:
    from roadworthy_agent import explain, show
    from roadworthy_agent.probes import PROBES

    context, style = _context(options, _settings(options)), show.Style.of(sys.stdout)
    if options.probe is None:
        _out(explain.explain(PROBES, context, style))
        return 0
    if options.probe not in PROBES:
        return _failed(f"no probe is called {options.probe!r}; there are {', '.join(PROBES)}", 2)
    _out("\n".join(explain.explain_probe(PROBES[options.probe], context, style)))
    return 0


def _check_config(options: argparse.Namespace) -> int:
    settings = _settings(options)
    from roadworthy_agent.settings import SETTINGS

    for setting in SETTINGS:
        value = getattr(settings, setting.name)
        shown = ", ".join(value) if isinstance(value, tuple) else value
        _out(f"{setting.name} = {'(not set)' if shown in {None, ''} else shown}")
    if settings.enrolment_key_file is not None:
        from roadworthy_agent.identity import read_key

        read_key(settings.enrolment_key_file)  # its text is never printed
    if settings.server is not None and settings.server.startswith("https:"):
        from roadworthy_agent.delivery import connection_to

        connection_to(settings).check()
    return 0


def _record(options: argparse.Namespace) -> int:
    settings = _settings(options)
    from roadworthy_agent.probe import Context
    from roadworthy_agent.recording import record
    from roadworthy_agent.recording.show import text

    if options.probe is not None and options.probe not in record.names():
        return _failed(f"no probe is called {options.probe!r}; there are {', '.join(record.names())}", 2)
    context = Context(allow=frozenset(settings.allow))
    made = record.record(options.folder, context, settings.suppress, options.probe)
    _out(json.dumps(made.as_json(), indent=2) if options.json else text(made))
    return 0


def _service(options: argparse.Namespace) -> int:
    from roadworthy_agent.service.command import service

    return service(options, _settings(options), _out)


def _out(text: str) -> None:
    """Print a text; what the output's encoding does not know becomes `?` (a pipe on Windows, an old locale)."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding) + "\n")


def _say(message: str) -> None:
    sys.stderr.write(f"roadworthy-agent: {one_line(message)}\n")


def _failed(message: object, code: int) -> int:
    _say(str(message))
    return code


_ROOT = (
    ("--root",),
    {"type": Path, "metavar": "DIR", "help": "read a recorded tree instead of this machine"},
)
_JSON = (("--json",), {"action": "store_true", "help": "print JSON"})
_KEY_FILE = (
    ("--key-file",),
    {"type": Path, "metavar": "FILE", "help": "file with the enrolment key, mode 0600; - for standard input"},
)
_PROBE = (("probe",), {"nargs": "?", "metavar": "PROBE", "help": "only this probe"})
_ONLY_PROBE = (("--probe",), {"metavar": "NAME", "help": "record only what this probe reads"})
_FOLDER = (("folder",), {"type": Path, "metavar": "DIR", "help": "a folder that is empty or not there yet"})
_AS_SERVICE = (
    ("--service",),
    {"action": "store_true", "help": "as the service manager of Windows starts it; elsewhere no difference"},
)
_SERVICE = (
    (("action",), {"choices": ("install", "remove", "status"), "help": "what to do"}),
    (("--dry-run",), {"action": "store_true", "help": "only say what would be done"}),
    (("--server",), {"metavar": "URL", "help": "install: write this collector into the settings"}),
    (
        ("--key-file",),
        {"type": Path, "metavar": "FILE", "help": "install: copy this enrolment key; - for standard input"},
    ),
    (("--purge",), {"action": "store_true", "help": "remove: also remove state, settings and key"}),
    _JSON,
)

COMMANDS: tuple[
    tuple[str, str, str, Callable[[argparse.Namespace], int], tuple[tuple[Any, Any], ...]], ...
] = (
    (
        "run",
        "Measure, and report to the collector, until stopped by SIGTERM or Ctrl-C.",
        "  roadworthy-agent run\n  ROADWORTHY_AGENT_SERVER=http://127.0.0.1:8470 roadworthy-agent run",
        _run,
        (_AS_SERVICE,),
    ),
    (
        "once",
        "Measure once, for about a second, and show it. Sends nothing, keeps nothing.",
        "  roadworthy-agent once\n  roadworthy-agent once --json\n  roadworthy-agent once --root recorded/laptop",
        _once,
        (_JSON, _ROOT),
    ),
    (
        "enrol",
        "Make this device known to the collector. The key comes from a file or standard input, never as an argument.",
        "  roadworthy-agent enrol --key-file /etc/roadworthy/enrolment.key\n  pass roadworthy | roadworthy-agent enrol",
        _enrol,
        (_KEY_FILE,),
    ),
    (
        "status",
        "Show enrolment, last contact, spool, quarantine, clock and probes of the agent on this machine.",
        "  roadworthy-agent status\n  roadworthy-agent status --json",
        _status,
        (_JSON,),
    ),
    (
        "explain",
        "Say what is collected, what never is, and what cannot be read on this machine and why.",
        "  roadworthy-agent explain\n  roadworthy-agent explain startup",
        _explain,
        (_PROBE, _ROOT),
    ),
    (
        "record",
        "Write what the probes read into a folder, with stand-ins for names and serial numbers: for a bug report.",
        "  roadworthy-agent record recorded\n  roadworthy-agent record recorded --probe power",
        _record,
        (_FOLDER, _ONLY_PROBE, _JSON),
    ),
    (
        "service",
        "Install, remove or look at the service that runs the agent with the system.",
        (
            "  roadworthy-agent service install --dry-run\n"
            "  roadworthy-agent service install --server https://roadworthy.example.org --key-file enrolment.key\n"
            "  roadworthy-agent service status\n  roadworthy-agent service remove --purge"
        ),
        _service,
        _SERVICE,
    ),
    (
        "check-config",
        "Read the settings and the enrolment key, and say what is wrong with them or what they are.",
        "  roadworthy-agent check-config\n  roadworthy-agent --config agent.toml check-config",
        _check_config,
        (),
    ),
)
