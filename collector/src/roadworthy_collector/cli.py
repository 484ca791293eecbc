"""The `roadworthy` command: run the collector, and look after it.

`app` is all of it. What runs the collector is loaded without the rest, which takes as long again.
"""

from __future__ import annotations

import gc
import json
import sys
import threading
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer

from roadworthy_collector import __version__, logs, running
from roadworthy_collector.command_support import Format
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.redact import redact
from roadworthy_collector.settings import Settings, load
from roadworthy_collector.supervisor import stop_on_signals

_app = typer.Typer(
    name="roadworthy",
    help="Is your IT roadworthy? Collect what the agents measure, and show it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_ALONE = frozenset({"serve", "jobs", "up", "demo", "demo-live", "check-config", "--version"})
_SELDOM = 50_000  # things made before Python looks which of them are garbage, 700 as it comes
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", help="Settings file (TOML). Also $ROADWORTHY_CONFIG; ROADWORTHY_* variables win over it."
    ),
]
Host = Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 if not said.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 8470 if not said.")]
Data = Annotated[Path | None, typer.Option(help="Folder of the database and secrets; ./data if not said.")]


def _settings(config: Path | None, **options: object) -> Settings:
    """Return the settings of a command that keeps running, and log as they say."""
    settings = load(config, **{name: value for name, value in options.items() if value is not None})
    logs.configure(settings.log_format, settings.log_level)
    return settings


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - Typer calls it so
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@_app.callback()
def roadworthy(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Is your IT roadworthy? Collect what the agents measure, and show it."""


@_app.command(epilog="Example: roadworthy serve --port 9000 --data /var/lib/roadworthy")
def serve(
    config: ConfigFile = None,
    host: Host = None,
    port: Port = None,
    data: Data = None,
    *,
    simulated: Annotated[
        bool, typer.Option("--simulated", hidden=True, help="Serve a simulated IT estate.")
    ] = False,
) -> None:
    """Answer agents, Prometheus and people. Runs beside `roadworthy jobs`."""
    running.serve(_settings(config, host=host, port=port, data=data), simulated=simulated)


@_app.command(epilog="Example: roadworthy jobs --data /var/lib/roadworthy")
def jobs(config: ConfigFile = None, data: Data = None) -> None:
    """Do the background work: daily totals, roll-ups, charts, pruning."""
    stop = threading.Event()
    stop_on_signals(stop)
    running.jobs(_settings(config, data=data), stop)


@_app.command(epilog="Example: roadworthy up --with-agent")
def up(
    config: ConfigFile = None,
    host: Host = None,
    port: Port = None,
    data: Data = None,
    *,
    with_agent: Annotated[
        bool, typer.Option("--with-agent", help="Enrol and run an agent on this machine too.")
    ] = False,
) -> None:
    """Run `serve` and `jobs` under one parent until Ctrl-C, which ends both within two seconds."""
    running.up(_settings(config, host=host, port=port, data=data), with_agent=with_agent)


@_app.command(epilog="Example: roadworthy demo --devices 200 --port 9000")
def demo(
    config: ConfigFile = None,
    host: Host = None,
    port: Port = None,
    data: Data = None,
    *,
    devices: Annotated[int, typer.Option(min=1, max=20000, help="How many devices to simulate.")] = 1000,
    seed: Annotated[int, typer.Option(help="Another seed, another estate.")] = 2012,
    files: Annotated[
        Path | None,
        typer.Option(help="Only write the files the simulated organisation would export to this folder."),
    ] = None,
) -> None:
    """Run the collector with a simulated IT estate in a data folder of its own."""
    if files is not None:
        running.demo_files(
            _settings(config, host=host, port=port, data=data), files, devices=devices, seed=seed
        )
        return
    running.demo(_settings(config, host=host, port=port, data=data), devices=devices, seed=seed)


@_app.command("demo-live", hidden=True)
def demo_live(config: ConfigFile = None, data: Data = None) -> None:
    """Keep the simulated estate reporting; `demo` runs this."""
    stop = threading.Event()
    stop_on_signals(stop)
    running.demo_live(_settings(config, data=data), stop)


@_app.command(
    "check-config", epilog="Example: roadworthy check-config --config /etc/roadworthy/collector.toml"
)
def check_config(
    config: ConfigFile = None,
    *,
    connect: Annotated[bool, typer.Option("--connect", help="Ask the database too.")] = False,
    output: Format = "table",
) -> None:
    """Read the settings, say what they are (as TOML) and all that is wrong with them; end with 2 if anything is."""
    from roadworthy_collector.config_check import check, toml_lines

    found = check(config, connect=connect)
    if output == "json":
        typer.echo(json.dumps(found.as_json(), indent=2))
    else:
        for line in toml_lines(found.settings) if found.settings else ():
            typer.echo(line)
        for fault in found.faults:
            typer.echo(f"roadworthy: {redact(fault.text())}", err=True)
    if found.faults:
        raise typer.Exit(2)


@cache
def _whole() -> typer.Typer:
    """Return the command with all that looks after a collector."""
    from roadworthy_collector import admin
    from roadworthy_collector.relay.cli import app as relay_commands
    from roadworthy_collector.snmp.cli import app as snmp_commands

    admin.add_to(_app)
    _app.add_typer(relay_commands, name="relay")
    _app.add_typer(snmp_commands, name="snmp")
    return _app


def __getattr__(name: str) -> typer.Typer:
    """Return `app`, made when first asked for."""
    if name == "app":
        return _whole()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _add_extensions(app: typer.Typer, arguments: list[str]) -> None:
    """Take in the commands other distributions register under `roadworthy.commands`.

    One is loaded only where it is called or the list of commands is shown: they may be heavy.
    """
    listing = not arguments or arguments[0].startswith("-")
    for point in entry_points(group="roadworthy.commands"):
        if listing or point.name == arguments[0]:
            app.add_typer(point.load(), name=point.name)


def main() -> None:
    """Run the command line; a RoadworthyError is one line on stderr and exit code 2."""
    arguments = sys.argv[1:]
    alone = bool(arguments) and arguments[0] in _ALONE
    if not alone:  # soon over, and a fifth of its time is looking for garbage among modules
        gc.set_threshold(_SELDOM)
    app = _app if alone else _whole()
    _add_extensions(app, arguments)
    try:
        app()
    except RoadworthyError as error:
        logs.say_fatal(str(error))
        sys.exit(2)
