"""Whom to poll, as a TOML file says it (and CSV files it names), and with which credentials.

Secrets never stand in the file: it names a 0600 file or an environment variable for each. Whatever is wrong is said
with file, line and key before anything is polled.
"""

from __future__ import annotations

import csv
import io
import os
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from roadworthy_collector.errors import SettingsError
from roadworthy_collector.settings import read_secret
from roadworthy_collector.snmp import target_checks
from roadworthy_collector.snmp.port import AuthProtocol, Community, PrivProtocol, Target, User
from roadworthy_inventory.toml_lines import TomlLines

Protocol = Literal["snmp", "redfish"]
NOTHING_KNOWN = target_checks.NOTHING_KNOWN
_PLACE = re.compile(r" - at `\$\.?([^`]*)`$")
_STEP = re.compile(r"([A-Za-z0-9_]+)|\[(\d+)\]")
_CSV_COLUMNS = (
    *("name", "host", "port", "protocol", "credentials"),
    *("site", "unit", "every_seconds", "asset_tag"),
)
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_SECRETS = ("community", "auth_key", "priv_key", "password")
_LEAST_KEY = 8  # characters of a v3 key (RFC 3414, section 11.2)


class TargetsError(SettingsError):
    """The targets file is wrong; the text says where and what to do."""


class Login(Struct, forbid_unknown_fields=True, frozen=True):
    """`[credentials.NAME]`: how devices are asked. Names of files and variables, never a secret."""

    version: Literal["1", "2c", "3"] | None = None
    community_file: str | None = None
    community_env: str | None = None
    user: str | None = None
    auth_protocol: AuthProtocol = "sha256"
    auth_key_file: str | None = None
    auth_key_env: str | None = None
    priv_protocol: PrivProtocol = "aes128"
    priv_key_file: str | None = None
    priv_key_env: str | None = None
    context: str = ""
    password_file: str | None = None  # Redfish
    password_env: str | None = None


class _Common(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What targets and their defaults have in common."""

    protocol: Protocol | None = None
    port: int | None = None
    credentials: str | None = None
    site: str | None = None
    unit: str | None = None
    every_seconds: float | None = None
    timeout_seconds: float | None = None
    retries: int | None = None
    deadline_seconds: float | None = None
    max_repetitions: int | None = None
    ca_file: str | None = None  # Redfish: what its certificate must be signed by


class _Row(_Common, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`[[target]]`."""

    name: str
    host: str
    asset_tag: str | None = None
    profile: str | None = None
    feeds: dict[str, str | tuple[str, ...]] = {}


class _File(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    defaults: _Common = _Common()
    credentials: dict[str, dict[str, Any]] = {}
    include: tuple[str, ...] = ()
    target: tuple[_Row, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """One device to poll. `asset_tag` as its register item has it. `feeds`: what hangs on each outlet ("" all of it), as tags, serials, host names or ids."""

    name: str
    host: str
    protocol: Protocol
    port: int
    login: Login
    login_name: str
    site: str = "unassigned"
    unit: str = "unassigned"
    every_seconds: float = 300.0
    timeout_seconds: float = 2.0
    retries: int = 1
    deadline_seconds: float = 30.0
    max_repetitions: int = 20
    asset_tag: str | None = None
    profile: str | None = None
    ca_file: Path | None = None
    feeds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def target(self, environment: Mapping[str, str] = os.environ) -> Target:
        """Return whom SNMP asks, with the secrets read now; TargetsError where one cannot be read."""
        return Target(
            name=self.name,
            host=self.host,
            credentials=credentials(self.login_name, self.login, environment),
            port=self.port,
            timeout_seconds=self.timeout_seconds,
            retries=self.retries,
            deadline_seconds=self.deadline_seconds,
            max_repetitions=self.max_repetitions,
        )

    def account(self, environment: Mapping[str, str] = os.environ) -> tuple[str, str]:
        """Return user and password for Redfish; TargetsError where there is none."""
        where = f"credentials.{self.login_name}"
        if self.login.user is None:
            raise TargetsError(
                f"{where}: user is missing: Redfish wants a read-only account and its password_file"
            )
        password = _secret(where, "password", self.login.password_file, self.login.password_env, environment)
        if password is None:
            raise TargetsError(f"{where}: password_file or password_env is missing")
        return self.login.user, password


def credentials(name: str, login: Login, environment: Mapping[str, str] = os.environ) -> Community | User:
    """Return credentials with their secrets read; TargetsError saying which cannot be."""
    where = f"credentials.{name}"
    version = login.version or ("3" if login.user is not None else "2c")
    if version == "3":
        if login.user is None:
            raise TargetsError(f"{where}: user is missing: SNMP version 3 asks in a user's name")
        auth = _secret(where, "auth_key", login.auth_key_file, login.auth_key_env, environment)
        priv = _secret(where, "priv_key", login.priv_key_file, login.priv_key_env, environment)
        for what, key in (("auth_key", auth), ("priv_key", priv)):
            if key is not None and len(key) < _LEAST_KEY:
                raise TargetsError(f"{where}: the {what} has fewer than {_LEAST_KEY} characters")
        if priv is not None and auth is None:
            raise TargetsError(f"{where}: a priv_key needs an auth_key beside it")
        return User(login.user, login.auth_protocol, auth, login.priv_protocol, priv, login.context)
    community = _secret(where, "community", login.community_file, login.community_env, environment)
    if community is None:
        raise TargetsError(f"{where}: community_file or community_env is missing")
    return Community(version, community)


def read_targets(path: Path) -> tuple[Polled, ...]:
    """Return what the file and the CSV files it names say; TargetsError naming file, line and key."""
    text = _text(path)
    try:
        whole = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TargetsError(f"{path}: no TOML: {error}") from None
    lines = TomlLines(text)
    found = _converted(path, lines, whole, _File)
    logins = {
        name: _converted(path, lines, login, Login, ("credentials", name))
        for name, login in found.credentials.items()
    }
    for name, login in logins.items():
        said = target_checks.wrong_login(login.version, found.credentials[name])
        if said is not None:
            raise TargetsError(f"{path}: line {lines.of(('credentials', name))}: credentials.{name}: {said}")
    rows = [(f"{path}: line {lines.of(('target', number))}", row) for number, row in enumerate(found.target)]
    for name in found.include:
        rows += _csv_rows(path.parent / name)
    polled = tuple(_polled(where, row, found.defaults, logins) for where, row in rows)
    names = Counter(one.name for one in polled)
    for (where, _), one in zip(rows, polled, strict=True):
        if names[one.name] > 1:
            raise TargetsError(f"{where}: {one.name} is there twice; names tell targets apart")
    _refuse_one_device_twice([(where, one) for (where, _), one in zip(rows, polled, strict=True)])
    return polled


def files_of(path: Path) -> tuple[Path, ...]:
    """Return the targets file and the CSV files it names, as far as it can be read: a change of these changes targets."""
    try:
        included = tomllib.loads(_text(path)).get("include")
    except (TargetsError, tomllib.TOMLDecodeError):
        included = None  # `read_targets` says what is wrong
    names = included if isinstance(included, list) else []
    return (path, *(path.parent / name for name in names if isinstance(name, str)))


def _refuse_one_device_twice(found: Iterable[tuple[str, Polled]]) -> None:
    """Raise where two targets are one address: what it draws would count as often as it is named.

    Asked with other credentials it may be another device: a proxy tells them apart by community or context.
    """
    held: dict[tuple[str, int, str, str], tuple[str, str]] = {}
    for where, one in found:
        key = (target_checks.one_spelling(one.host), one.port, one.protocol, one.login_name)
        if key in held:
            other, name = held[key]
            raise TargetsError(
                f"{where}: {one.name}: {one.host}, port {one.port}, is asked as {name} too ({other}); "
                "leave one of the two out, or its energy counts twice"
            )
        held[key] = (where, one.name)


def _polled(where: str, row: _Row, defaults: _Common, logins: Mapping[str, Login]) -> Polled:
    """Return one target with the defaults filled in."""
    given = {
        name: value
        for name in _Common.__struct_fields__
        if (value := getattr(row, name)) is not None or (value := getattr(defaults, name)) is not None
    }
    login_name = given.pop("credentials", None)
    if login_name is None:
        raise TargetsError(f"{where}: {row.name}: it names no credentials, and neither do the defaults")
    if login_name not in logins:
        raise TargetsError(f"{where}: {row.name}: there is no [credentials.{login_name}] in the file")
    if not row.name.strip():
        raise TargetsError(f"{where}: name: is empty")
    _refuse_unprintable(where, row, given)
    if (said := target_checks.wrong_host(row.host)) is not None:
        raise TargetsError(f"{where}: {row.name}: host: {said}")
    protocol: Protocol = given.pop("protocol", "snmp")
    port = given.pop("port", 443 if protocol == "redfish" else 161)
    ca_file = given.pop("ca_file", None)
    feeds = {
        "" if outlet == target_checks.WHOLE else outlet: (named,) if isinstance(named, str) else named
        for outlet, named in row.feeds.items()
    }
    if (said := target_checks.wrong_feeds(feeds, row.name)) is not None:
        raise TargetsError(f"{where}: {row.name}: feeds: {said}")
    one = Polled(
        name=row.name,
        host=row.host,
        protocol=protocol,
        port=port,
        login=logins[login_name],
        login_name=login_name,
        asset_tag=row.asset_tag.strip() or None if row.asset_tag is not None else None,
        profile=row.profile,
        feeds=feeds,
        ca_file=None if ca_file is None else Path(ca_file),
    )
    one = replace(one, **given)
    for name, low, high in _BOUNDS:
        if not low <= getattr(one, name) <= high:
            raise TargetsError(f"{where}: {row.name}: {name}: must lie between {low:g} and {high:g}")
    return one


def _refuse_unprintable(where: str, row: _Row, given: Mapping[str, Any]) -> None:
    """Raise for a text that no database or page can keep: too long, or with characters nobody sees."""
    texts = [(key, getattr(row, key) or "", most) for key, most in _LONGEST.items() if hasattr(row, key)]
    texts += [(key, str(given.get(key, "")), _LONGEST[key]) for key in ("site", "unit")]
    for outlet, named in row.feeds.items():
        texts.append(("feeds: outlet", outlet, _LONGEST_OUTLET))
        texts += [("feeds", one, _LONGEST_NAME) for one in ((named,) if isinstance(named, str) else named)]
    for key, text, most in texts:
        if len(text) > most or not text.isprintable():
            said = f"{row.name}: {key}" if key != "name" and row.name.isprintable() else key
            raise TargetsError(f"{where}: {said}: at most {most} characters, all of them printable")
    if "" in row.feeds:
        raise TargetsError(
            f"{where}: {row.name}: feeds: an outlet without a name; say `{target_checks.WHOLE}` of the whole"
        )


_LONGEST = {"name": 128, "host": 255, "site": 128, "unit": 128, "asset_tag": 256}
_LONGEST_OUTLET, _LONGEST_NAME = 64, 256
_BOUNDS = (
    ("port", 1, 65535),
    ("every_seconds", 30, 3600),
    ("timeout_seconds", 0.1, 60),
    ("retries", 0, 10),
    ("deadline_seconds", 1, 600),
    ("max_repetitions", 1, 100),
)


def _csv_rows(path: Path) -> Iterator[tuple[str, _Row]]:
    """Yield (where, row) of a CSV file with a header of known columns."""
    reader = csv.DictReader(io.StringIO(_text(path)), strict=True)
    try:
        columns = reader.fieldnames or []
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise TargetsError(f"{path}: line {reader.reader.line_num}: no CSV: {error}") from None
    unknown = [place for place, name in enumerate(columns, 1) if name not in _CSV_COLUMNS]
    if unknown or not {"name", "host"} <= set(columns) or len(set(columns)) < len(columns):
        # What stands there is not repeated: a file named by mistake may be one of secrets.
        what = (
            f"column {unknown[0]} is none of those known"
            if unknown
            else "name and host are needed, each once"
        )
        raise TargetsError(f"{path}: line 1: {what}; columns are {', '.join(_CSV_COLUMNS)}")
    for line, row in rows:
        where = f"{path}: line {line}"
        if None in row or None in row.values():
            raise TargetsError(f"{where}: has another number of columns than the header")
        given = {name: value.strip() for name, value in row.items() if value.strip()}
        try:
            yield where, msgspec.convert(given, _Row, strict=False)
        except msgspec.ValidationError as error:
            raise TargetsError(f"{where}: {_PLACE.sub('', str(error))}") from None


_Converted = TypeVar("_Converted")


def _converted(
    path: Path, lines: TomlLines, given: Any, kind: type[_Converted], above: tuple[str | int, ...] = ()
) -> _Converted:
    """Return `given` as a struct; TargetsError with the line and key that is wrong."""
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        match = _PLACE.search(str(error))
        steps = _STEP.findall(match[1]) if match is not None else ()
        place = (*above, *(int(number) if number.isdigit() else name for name, number in steps))
        key = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).lstrip(".")
        said = _PLACE.sub("", str(error))
        for secret in _SECRETS:
            if said.endswith(f"unknown field `{secret}`"):
                said = f"{secret}: no secret stands in this file; name {secret}_file or {secret}_env"
        raise TargetsError(f"{path}: line {lines.of(place)}: {key + ': ' if key else ''}{said}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TargetsError(f"{path}: cannot be read: {error}") from None


def _secret(
    where: str, what: str, file: str | None, variable: str | None, environment: Mapping[str, str]
) -> str | None:
    """Return a secret from its 0600 file or variable, None where the file names neither."""
    if file is not None and variable is not None:
        raise TargetsError(f"{where}: {what}_file and {what}_env say it twice; leave one out")
    if file is not None:
        return read_secret(f"{where}: {what}_file", Path(file))
    if variable is None:
        return None
    if not (value := environment.get(variable, "")):
        # What is not written like a variable's name may be the secret itself, and is not repeated.
        called = (
            variable if _VARIABLE.fullmatch(variable) else "it names (no name is shown: it may be a secret)"
        )
        raise TargetsError(f"{where}: {what}_env: the variable {called} is not set")
    return value


def as_json(polled: Polled) -> dict[str, Any]:
    """Return what may be shown of a target: everything but secrets, which it does not hold."""
    return {
        "name": polled.name,
        "host": polled.host,
        "port": polled.port,
        "protocol": polled.protocol,
        "credentials": polled.login_name,
        "site": polled.site,
        "unit": polled.unit,
        "every_seconds": polled.every_seconds,
        "asset_tag": polled.asset_tag,
        "profile": polled.profile,
        "feeds": {outlet or target_checks.WHOLE: list(named) for outlet, named in polled.feeds.items()},
    }
