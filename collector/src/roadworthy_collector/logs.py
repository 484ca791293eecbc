"""What the collector's processes log, and how: lines for people, or JSON, one object a line, for programs.

A failure is logged when it begins and when it ends, never in between (`Failing`). Secrets are taken out of every line;
host names of devices are never logged, their random ids only where something is wrong.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import typer

from roadworthy_collector.security.redact import HIDDEN, RedactingFormatter, redact, shown_setting
from roadworthy_collector.settings import LogFormat, LogLevel

# What somebody sends must not pass for a line of ours, nor colour a terminal.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# They repeat every run of every job, every look at the schema, every request: noise where nothing happened.
_NOISY = ("apscheduler", "alembic", "httpx", "httpcore", "asyncio", "multipart")
# A look at a failure that goes on is said again after this long where nothing tells when it ends.
AGAIN_SECONDS = 60.0

_log = logging.getLogger("roadworthy_collector")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time` (UTC, RFC 3339), `level`, `logger`, `message`, and where there are any `fields`.

    `fields` holds what the caller gave as `extra={"fields": {...}}`; `error` the traceback of a fault. No secret is in it.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of `record`."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        if fields := getattr(record, "fields", None):
            line["fields"] = {name: _shown(name, value) for name, value in fields.items()}
        if record.exc_info:
            line["error"] = redact(self.formatException(record.exc_info))
        return json.dumps(line, default=str)  # all ASCII: more than a newline ends a line somewhere


class TextFormatter(RedactingFormatter):
    """A line for people: time, level, logger, message, and the fields as name=value."""

    def __init__(self) -> None:
        super().__init__(_TEXT)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the standard library's name
        """Return the line of `record` without a traceback."""
        line = super().formatMessage(record)
        if fields := getattr(record, "fields", None):
            line += "".join(f" {name}={_shown(name, value)}" for name, value in fields.items())
        return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", line)


class Failing:
    """Something that can fail: said once when it begins to, and once when it works again.

    Not locked: one thread, or one lock of its owner's, uses it.
    """

    def __init__(
        self,
        log: logging.Logger,
        begins: str,
        ends: str,
        *,
        level: int = logging.ERROR,
        ends_level: int | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._begins = begins
        self._ends = ends
        self._level = level
        self._ends_level = level if ends_level is None else ends_level
        self._monotonic = monotonic
        self._since: float | None = None

    @property
    def active(self) -> bool:
        """Whether it fails now."""
        return self._since is not None

    def begin(self, why: object, *, error: BaseException | None = None, **fields: object) -> bool:
        """Note that it failed because of `why`; log it, with the traceback of `error`, if it did not fail before.

        Returns whether this was the beginning.
        """
        if self._since is not None:
            return False
        self._since = self._monotonic()
        more = {"fields": {"failure": "begins", **fields}}
        # A library's further lines hold its statement and the values in it.
        said = (str(why).splitlines() or [""])[0]
        self._log.log(self._level, "%s: %s", self._begins, said, exc_info=error, extra=more)
        return True

    def heal(self, **fields: object) -> bool:
        """Note that it worked; log it if it failed before. Returns whether this was the end of a failure."""
        if self._since is None:
            return False
        seconds = round(self._monotonic() - self._since, 1)
        self._since = None
        more = {"fields": {"failure": "ends", "failed_seconds": seconds, **fields}}
        self._log.log(self._ends_level, "%s", self._ends, extra=more)
        return True


class Seldom:
    """A failure nothing tells the end of: said when it happens, then not again before AGAIN_SECONDS have passed."""

    def __init__(self, log: logging.Logger, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._monotonic = monotonic
        self._said_at: float | None = None
        self._unsaid = 0

    def warn(self, message: str, **fields: object) -> None:
        """Log `message`, with how often it happened unsaid since; or only count it."""
        now = self._monotonic()
        if self._said_at is not None and now - self._said_at < AGAIN_SECONDS:
            self._unsaid += 1
            return
        self._said_at = now
        self._log.warning("%s", message, extra={"fields": {**fields, "unsaid": self._unsaid}})
        self._unsaid = 0


# As uvicorn says it.
_OTHER_PROTOCOLS = ("Unsupported upgrade request.", "No supported WebSocket library detected.")


class _NoHttp(logging.Filter):
    """Lets through one line in AGAIN_SECONDS about connections that speak no HTTP: any stranger can open as many.

    Nothing is said of a request to speak another protocol, such as WebSocket's: it is answered as if it had not asked,
    and uvicorn's advice to install something for it would mislead.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._said_at = -AGAIN_SECONDS

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is logged."""
        if str(record.msg).startswith(_OTHER_PROTOCOLS):
            return False
        if record.msg != "Invalid HTTP request received.":  # as uvicorn says it
            return True
        now = self._monotonic()
        if now - self._said_at < AGAIN_SECONDS:
            return False
        self._said_at = now
        return True


def configure(form: LogFormat = "text", level: LogLevel = "info") -> None:
    """Send what this process and its libraries log to standard error, in `form`, from `level` on."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=getattr(logging, level.upper()), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_NoHttp())


def speaker(form: LogFormat) -> Callable[[str], None]:
    """Return what a command that keeps running says its few sentences with: a line for people, or a line of the log."""
    return _log.info if form == "json" else typer.echo


def say_fatal(text: str) -> None:
    """Say why a command ends: one line on standard error, as JSON where this process logs that."""
    handlers = logging.getLogger().handlers
    if any(isinstance(handler.formatter, JsonFormatter) for handler in handlers):
        _log.critical("%s", text)
    else:
        typer.echo(f"roadworthy: {redact(text)}", err=True)


def _shown(name: str, value: object) -> object:
    """Return a field's value without a secret, as JSON takes it."""
    if shown_setting(name, value) == HIDDEN:
        return HIDDEN
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _shown(str(key), one) for key, one in value.items()}
    return redact(str(value))
