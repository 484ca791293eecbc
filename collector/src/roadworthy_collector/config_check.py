"""Looks over the settings: every fault at once, each with where it was set, and no secret shown."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_settings import SettingsError as UnreadableVariableError
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from roadworthy_collector.errors import RoadworthyError, SettingsError
from roadworthy_collector.security.redact import HIDDEN, redact, shown_setting
from roadworthy_collector.settings import Settings
from roadworthy_collector.settings_sources import Fault, Sources, read_sources

# Certificates of authorities, which are only read by whoever needs them: a wrong one shows when it is too late.
_AUTHORITIES = ("tls_client_ca", "upstream_ca", "remote_write_ca")
_PAIR = ("tls_certificate", "tls_key")


class Checked(NamedTuple):
    """The settings as far as they could be read, None if not at all, and what is wrong with them."""

    settings: Settings | None
    faults: list[Fault]

    def as_json(self) -> dict[str, Any]:
        """Return both for programs, without secrets."""
        return {
            "settings": None if self.settings is None else shown_values(self.settings),
            "faults": [fault._asdict() for fault in self.faults],
        }


def check(path: Path | None = None, *, connect: bool = False, **options: Any) -> Checked:
    """Return all that is wrong with the settings in `path`, the variables and `options`.

    The files they name are looked at, and with `connect` the database is asked.
    """
    try:
        sources = read_sources(path, options)
    except SettingsError as error:
        where = str(path or os.environ.get("ROADWORTHY_CONFIG"))
        return Checked(None, [Fault(where, None, str(error).removeprefix(f"{where}: "))])
    settings, faults = _read(sources)
    if settings is None:
        return Checked(None, faults)
    known = {fault.setting for fault in faults}
    for fault in (*check_settings(settings, sources), *(_database(settings, sources) if connect else ())):
        if fault.setting not in known and fault not in faults:
            faults.append(fault)
    return Checked(settings, faults)


def _read(sources: Sources) -> tuple[Settings | None, list[Fault]]:
    """Return the settings without those that are wrong, so that the others can be looked at, and the faults."""
    try:
        return sources.settings(), []
    except (ValidationError, UnreadableVariableError) as error:
        faults = sources.faults_of(error)
    names = {str(fault.setting).partition(".")[0] for fault in faults}
    try:
        return sources.settings(without=names), faults
    except (ValidationError, UnreadableVariableError) as error:
        more = [fault for fault in sources.faults_of(error) if fault not in faults]
        return None, faults + more


def check_settings(settings: Settings, sources: Sources | None = None) -> Iterator[Fault]:
    """Yield what is wrong with settings that are well formed: files, what does not fit together, the data folder."""
    sources = sources or Sources()
    for name in _AUTHORITIES:
        yield from _authority(name, getattr(settings, name), sources)
    for name in _PAIR:
        if _missing(path := getattr(settings, name)):
            yield sources.fault(name, f"{path} is missing or may not be read")
    yield from _targets(settings.poll_targets_file, sources)
    looks: tuple[Callable[[Settings], object], ...] = (
        _password,
        _tls,
        _listening,
        _receiver,
        _upstream,
        _data,
    )
    for look in looks:
        try:
            look(settings)
        except SettingsError as error:
            yield _fault_in(str(error), sources)
        except RoadworthyError as error:
            yield sources.fault(_ABOUT.get(look, ""), str(error))


def shown_values(settings: Settings) -> dict[str, Any]:
    """Return every setting by name as JSON has it, secrets as ***."""
    return {name: _shown(name, value) for name, value in settings.model_dump(mode="json").items()}


def toml_lines(settings: Settings) -> Iterator[str]:
    """Yield every setting as a line of a TOML file, secrets as ***; what nobody set and has no value is a comment.

    JSON's numbers, truth values, lists and texts are TOML's too, but for one letter: TOML wants U+007F escaped.
    """
    for name, value in shown_values(settings).items():
        if value is None:
            yield f"# {name} ="
        else:
            yield f"{name} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")


def _shown(name: str, value: object) -> object:
    if shown_setting(name, value) == HIDDEN:
        return HIDDEN
    if isinstance(value, list):
        return [_shown(name, one) for one in value]
    # Paths stay as they are: one may well have a folder called `token=1`.
    return redact(value) if isinstance(value, str) and "://" in value else value


def _fault_in(text: str, sources: Sources) -> Fault:
    """Return the fault a SettingsError tells of: its text begins with the names of settings."""
    names, _, message = text.partition(": ")
    first = names.split(",")[0]
    if first not in Settings.model_fields:
        return Fault(None, None, text)
    return sources.fault(first, message, part=None if names == first else names)


def _authority(name: str, path: Path | None, sources: Sources) -> Iterator[Fault]:
    if path is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:  # itself an OSError
        yield sources.fault(name, f"{path} is no PEM file of certificates")
    except OSError as error:
        yield sources.fault(name, f"{path}: cannot be read: {error.strerror or error}")


def _targets(path: Path | None, sources: Sources) -> Iterator[Fault]:
    """Yield what is wrong with the targets file, and the credentials it names that cannot be read."""
    if path is None:
        return
    from roadworthy_collector.snmp.profile_file import shipped_profiles
    from roadworthy_collector.snmp.targets import TargetsError, read_targets

    try:
        targets = read_targets(path)
    except TargetsError as error:
        yield sources.fault("poll_targets_file", str(error))
        return
    known = {one.name for one in shipped_profiles()}
    said = set()
    for one in targets:
        try:
            _ = one.account() if one.protocol == "redfish" else one.target()
        except SettingsError as error:
            said.add(str(error))
        if one.profile is not None and one.profile not in known:
            said.add(
                f"{one.name}: profile: there is none called {one.profile}; see `roadworthy snmp profiles`"
            )
    for text in sorted(said):
        yield sources.fault("poll_targets_file", f"{path}: {text}")


def _password(settings: Settings) -> None:
    if settings.database_password_file is not None and settings.database_url is None:
        raise SettingsError("database_password_file: there is no database_url to go with it")
    _ = settings.database  # reads the file


def _tls(settings: Settings) -> None:
    from roadworthy_collector.security.client_certificates import server_context

    files = (settings.tls_certificate, settings.tls_key, settings.tls_client_ca)
    if settings.tls_certificate is None or not any(map(_missing, files)):  # else it is said already
        server_context(settings)


def _missing(path: Path | None) -> bool:
    return path is not None and not os.access(path, os.R_OK)


def _listening(settings: Settings) -> None:
    if not settings.loopback and settings.tls_certificate is None and not settings.behind_tls_proxy:
        raise SettingsError(
            "host: plain http is for loopback only; set tls_certificate and tls_key, "
            "or behind_tls_proxy if a proxy in front ends TLS"
        )


def _receiver(settings: Settings) -> None:
    from roadworthy_collector.remote_write.target import read_target

    read_target(settings)


def _upstream(settings: Settings) -> None:
    from roadworthy_collector.relay.keys import read_keys

    if settings.upstream_enrolment_key_file is not None:
        read_keys(settings.upstream_enrolment_key_file)


def _data(settings: Settings) -> None:
    """Look whether the data folder can be written, or made."""
    folder = settings.data.absolute()
    there = next(one for one in (folder, *folder.parents) if one.exists())
    if not there.is_dir():
        raise SettingsError(f"data: {there} is no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        said = "cannot be written" if there == folder else f"cannot be made: {there} cannot be written"
        raise SettingsError(f"data: {folder} {said} by this account")


_ABOUT: Mapping[Callable[[Settings], object], str] = {_upstream: "upstream_enrolment_key_file"}


def _database(settings: Settings, sources: Sources) -> Iterator[Fault]:
    """Ask the database; a SQLite file that is not there yet is made by the first start, an older one upgraded."""
    from roadworthy_collector.store.engine import open_engine
    from roadworthy_collector.store.upgrade import current_revision, make_ready

    name = "data" if settings.database_url is None else "database_url"
    try:
        database = settings.database
    except SettingsError:
        return  # said already, of its password file
    try:
        if isinstance(database, URL):
            make_ready(database)  # of a server it only looks
        elif database.exists():
            engine = open_engine(database, read_only=True)
            current_revision(engine)
            engine.dispose()
    except RoadworthyError as error:
        yield sources.fault(name, redact(str(error)))
    except SQLAlchemyError as error:
        said = (str(error.__cause__ or error).splitlines() or [""])[0]
        yield sources.fault(name, f"{database}: the database cannot be read: {said}")
