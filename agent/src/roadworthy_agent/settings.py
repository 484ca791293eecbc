"""The agent's settings: one typed object, read once, from a TOML file and ROADWORTHY_AGENT_* variables.

A variable wins over the file, the file over the default. The rows of `SETTINGS` are the only list of them:
reading, `check-config` and the help walk it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadworthy_agent.errors import SettingsError
from roadworthy_agent.policy import AUTO, CHOICES

PREFIX = "ROADWORTHY_AGENT_"
ALLOWED = ("ipmi", "smart", "application_names")
LOOPBACK = re.compile(r"^(localhost|127(\.\d{1,3}){3}|::1)$")


# A year of what is remembered, so that nothing is made twice, takes most of a megabyte.
LEAST_SPOOL_BYTES = 2_097_152


@dataclass(frozen=True, slots=True)
class Settings:
    """All an agent can be told."""

    server: str | None
    state_dir: Path
    enrolment_key_file: Path | None
    ca_file: Path | None
    sample_interval_seconds: int
    spool_max_bytes: int
    suppress: tuple[str, ...]
    allow: tuple[str, ...] = ()
    collection_policy: str = AUTO
    proxy: str | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its name, what it means, its default in words, and how a value is checked.

    `check` takes a value from TOML, or a string from the environment, and returns it typed; it raises
    ValueError with what is wrong and what to write instead.
    """

    name: str
    meaning: str
    default: Callable[[], Any]
    check: Callable[[Any], Any]


def load(
    path: Path | None = None, environment: Mapping[str, str] = os.environ, *, default: bool = True
) -> Settings:
    """Read the settings from `path`, else $ROADWORTHY_AGENT_CONFIG, else the default file if there is one.

    Without `default` the default file does not count.
    Raises SettingsError naming the file and line (or the variable), the setting and what is wrong.
    """
    if path is None and (named := environment.get(f"{PREFIX}CONFIG")):
        path = Path(named)
    if path is None and default and default_config().is_file():
        path = default_config()
    given: dict[str, Any] = {} if path is None else _from_file(path)
    given |= _from_environment(environment)
    settings = Settings(
        **{row.name: given[row.name] if row.name in given else row.default() for row in SETTINGS},
    )
    _check_together(settings, path)
    return settings


def _check_together(settings: Settings, path: Path | None) -> None:
    """Raise SettingsError where two settings do not go together."""
    if settings.client_key is not None and settings.client_certificate is None:
        where = "the variables" if path is None else str(path)
        raise SettingsError(
            f"{where}: client_key is of no use without client_certificate; name the certificate as well"
        )


def default_config() -> Path:
    """Return where the settings file is looked for when none is named."""
    if sys.platform == "win32":
        return Path(os.environ.get("ProgramData", r"C:\ProgramData")) / "Roadworthy" / "agent.toml"  # noqa: SIM112 - Windows spells it so
    if sys.platform == "darwin":
        return Path("/Library/Application Support/roadworthy-agent/agent.toml")
    return Path("/etc/roadworthy/agent.toml")


def default_state_dir() -> Path:
    """Return where the agent keeps its state when nobody says: the system's place, or the user's own."""
    if sys.platform == "win32":
        return Path(os.environ.get("ProgramData", r"C:\ProgramData")) / "Roadworthy" / "agent"  # noqa: SIM112 - Windows spells it so
    if sys.platform == "darwin":
        return Path("/Library/Application Support/roadworthy-agent")
    if os.geteuid() == 0:
        return Path("/var/lib/roadworthy-agent")
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local/state") / "roadworthy-agent"


def is_loopback(host: str) -> bool:
    """Return whether only this machine can answer at `host`."""
    return LOOPBACK.match(host.casefold()) is not None


def _from_file(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: cannot read the settings: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 text: byte {error.start} cannot be read") from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from error
    return {name: _checked(name, value, f"{path}:{_line_of(name, text)}") for name, value in values.items()}


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    return {
        name.removeprefix(PREFIX).lower(): _checked(name.removeprefix(PREFIX).lower(), value, name)
        for name, value in environment.items()
        if name.startswith(PREFIX) and name != f"{PREFIX}CONFIG"
    }


def _checked(name: str, value: Any, where: str) -> Any:
    setting = next((setting for setting in SETTINGS if setting.name == name), None)
    if setting is None:
        raise SettingsError(f"{where}: unknown setting {name!r}{_nearest(name)}")
    try:
        return setting.check(value)
    except ValueError as error:
        raise SettingsError(f"{where}: {name}: {error}") from None


def _nearest(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, [setting.name for setting in SETTINGS], n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return "; known are " + ", ".join(setting.name for setting in SETTINGS)


def _line_of(name: str, text: str) -> int:
    for number, line in enumerate(text.splitlines(), start=1):
        if re.match(rf"\s*\[*\s*[\"']?{re.escape(name)}[\"']?\s*[=.\]]", line):
            return number
    return 1


def _server(value: Any) -> str:
    from urllib.parse import urlsplit

    if not isinstance(value, str) or not value:
        raise ValueError("must be an address such as https://roadworthy.example.org")
    try:
        parts = urlsplit(value)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(
            f"{value!r} is not an address; write one such as https://roadworthy.example.org"
        ) from None
    # urlsplit drops line ends in silence, and what is given to `service install` is written between quotes.
    if not value.isprintable() or '"' in value or "\\" in value:
        raise ValueError(f"{value!r} is not an address: no address holds line ends, quotes or backslashes")
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError(f"{value!r} is not an address; write one such as https://roadworthy.example.org")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must hold no user, password, query or fragment; the agent has a token of its own")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError(f"plain http goes only to this machine, and {host} may be another one; use https")
    return value.rstrip("/")


def _path(value: Any) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError("must be a path in quotes")
    path = Path(value)
    if not path.is_absolute():
        raise ValueError(
            f"{value!r} must be an absolute path: a service has no folder of its own to start from"
        )
    return path


def _between(low: int, high: int, unit: str) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        number = value
        if isinstance(value, str) and re.fullmatch(r"\d{1,18}", value):
            number = int(value)
        if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
            raise ValueError(f"{value!r} must be a whole number of {unit} from {low} to {high}")
        return number

    return check


def _names(value: Any, example: str = '["vpn.service"]') -> tuple[str, ...]:
    names = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"must be a list of names such as {example}")
    return tuple(name for name in names if name)


def _allowed(value: Any) -> tuple[str, ...]:
    names = _names(value, '["ipmi", "smart"]')
    for name in names:
        if name not in ALLOWED:
            raise ValueError(f"{name!r} is nothing that can be allowed; there are {', '.join(ALLOWED)}")
    return tuple(name for name in ALLOWED if name in names)


def _policy(value: Any) -> str:
    if not isinstance(value, str) or value not in CHOICES:
        raise ValueError(f"{value!r} must be one of {', '.join(CHOICES)}")
    return value


def _proxy(value: Any) -> str:
    from roadworthy_agent.proxy import DIRECT, EXAMPLE, proxy_fault

    if not isinstance(value, str) or not value:
        raise ValueError(f"must be an address such as {EXAMPLE}, or {DIRECT!r}")
    if value == DIRECT:
        return value
    if "@" in value:
        raise ValueError("must hold no user or password; put such an address into the variable HTTPS_PROXY")
    if fault := proxy_fault(value):
        raise ValueError(fault)
    return value.rstrip("/")


SETTINGS = (
    Setting(
        "server", "Address of the collector. Without one the agent measures and keeps.", lambda: None, _server
    ),
    Setting("state_dir", "Folder of identity and spool, mode 0700.", default_state_dir, _path),
    Setting("enrolment_key_file", "File with the enrolment key, mode 0600.", lambda: None, _path),
    Setting(
        "ca_file", "PEM file of the authority that signed the collector's certificate.", lambda: None, _path
    ),
    Setting("sample_interval_seconds", "How often to sample.", lambda: 58, _between(5, 58, "seconds")),
    Setting(
        "spool_max_bytes",
        "How large the spool may grow before the oldest detail goes.",
        lambda: 33_554_432,
        _between(LEAST_SPOOL_BYTES, 10_737_418_240, "bytes"),
    ),
    Setting("suppress", "Names never sent as contributing factors, nor recorded.", tuple, _names),
    Setting(
        "allow",
        "What is read beyond the usual: ipmi (power by the BMC), smart (wear by the disk), application_names.",
        tuple,
        _allowed,
    ),
    Setting(
        "collection_policy",
        "How device state and energy are told: off, daily, half-hourly; auto: daily for portable devices.",
        lambda: AUTO,
        _policy,
    ),
    Setting(
        "proxy",
        "Proxy before the collector; `none`: go there directly. Without it HTTPS_PROXY and NO_PROXY count.",
        lambda: None,
        _proxy,
    ),
    Setting("client_certificate", "PEM file of this device's certificate.", lambda: None, _path),
    Setting("client_key", "PEM file of that certificate's key, mode 0600.", lambda: None, _path),
)
