"""Enrols a relay's devices with the main collector, each once, with the key of its site."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, select, update

from roadworthy_collector.jobs.work import Work
from roadworthy_collector.relay import outbox, state
from roadworthy_collector.relay.admission import MOST_RELAYS, relays_of
from roadworthy_collector.relay.delivery import Identity
from roadworthy_collector.relay.errors import RefusalError
from roadworthy_collector.relay.keys import key_for, read_keys
from roadworthy_collector.relay.sealing import Seal
from roadworthy_collector.relay.upstream import Upstream
from roadworthy_collector.security.tokens import parse
from roadworthy_collector.store.schema import devices, relay_devices, sites

RE_ENROL_SECONDS = 3600.0
_NO_KEY_SECONDS = 60.0  # until a device without a key that works is looked at again
_RATE_SECONDS = 5.0
_BLOCKED_SECONDS = 3600.0  # until a refused key is tried again
_BLOCKED = "blocked_"  # in `relay_state`, with the key's id

_log = logging.getLogger(__name__)


class Local(NamedTuple):
    """A device as the relay knows it."""

    device: int
    device_id: str
    site: str
    restricted: bool
    platform: str | None
    agent_version: str | None
    hostname: str | None
    fingerprint: dict[str, str] | None
    relayed_by: str | None


class Stopped(Exception):  # noqa: N818 - how an attempt ended, caught one level up
    """Nothing of a device is forwarded until somebody resumes it; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Waits(Exception):  # noqa: N818 - how an attempt ended, caught one level up
    """A device cannot be forwarded before `until` (epoch seconds)."""

    def __init__(self, until: float, why: str) -> None:
        super().__init__(why)
        self.until = until
        self.why = why


def read_local(connection: Connection, ids: Sequence[int]) -> dict[int, Local]:
    """Return what the relay knows of some devices, by row id."""
    query = (
        select(
            devices.c.id,
            devices.c.device_id,
            sites.c.name,
            sites.c.restricted,
            devices.c.platform,
            devices.c.agent_version,
            devices.c.hostname,
            devices.c.fingerprint,
            devices.c.relayed_by,
        )
        .join(sites, sites.c.id == devices.c.site)
        .where(devices.c.id.in_(ids))
    )
    return {row[0]: Local(*row) for row in connection.execute(query)}


class Enroller:
    """Gives each device its identity at the main collector; for one run."""

    def __init__(
        self, work: Work, upstream: Upstream, seal: Seal, jitter: Callable[[], float] = random.random
    ) -> None:
        self._work = work
        self._upstream = upstream
        self._seal = seal
        self._jitter = jitter
        self._keys: dict[str | None, str] | None = None
        self._own_id: str | None = None
        with work.engine.connect() as connection:
            self._held = state.read(connection)

    def identity(self, row: Any, local: Local) -> Identity:
        """Return who the device of a row of `relay_devices` is; enrol it if it is nobody yet.

        Raises Stopped, Waits, RefusalError, UnreachableError or SecretError.
        """
        if row.upstream_device_id is not None and row.token is not None:
            if local.restricted and not row.restricted:
                # It was enrolled in the open; what its site is now must not show there.
                raise Stopped("site_restricted")
            newer = None if row.next_token is None else self._seal.open(row.next_token, row.device)
            return Identity(row.upstream_device_id, self._seal.open(row.token, row.device), newer)
        now = self._work.clock()
        if row.enrolled_at is not None and now < row.enrolled_at + RE_ENROL_SECONDS:
            raise Waits(row.enrolled_at + RE_ENROL_SECONDS, "enrolled less than an hour ago; waiting first")
        return self._enrol(local, now)

    def settle(self) -> None:
        """Say that enrolling works again once no device waits for it any more."""
        if state.ENROL_FAULT not in self._held:
            return
        with self._work.engine.connect() as connection:
            if outbox.is_anybody_nobody(connection):
                return
        with self._work.write() as connection:
            state.write(connection, {state.ENROL_FAULT: None})
        _log.warning("every device that waited is enrolled with the main collector")

    def _enrol(self, local: Local, now: float) -> Identity:
        """Enrol a device and keep who it is at once: an identity nobody remembers would be a second device."""
        if now < (until := float(self._held.get(state.ENROL_UNTIL, 0))):
            raise Waits(until, "the main collector asked for patience with enrolments")
        key = self._key(local, now)
        try:
            answer = self._upstream.enrol(msgspec.json.encode(self._request(local, key)))
        except RefusalError as error:
            if error.status == 429:
                until = now + max(error.retry_after_seconds or 0.0, _RATE_SECONDS) * (
                    1 + 0.2 * self._jitter()
                )
                self._remember({state.ENROL_UNTIL: f"{until:.3f}"})
                raise Waits(until, str(error)) from error
            if error.status != 403:
                raise
            if not error.code.startswith("key_"):
                self._say(f"{error} ({error.code})")
                raise Stopped(error.code) from error
            self._block(key, now, f"{error} ({error.code})")
            raise Waits(now + _NO_KEY_SECONDS, f"{error} ({error.code})") from error
        identity = Identity(answer.device_id, answer.token)
        values = {
            "upstream_device_id": answer.device_id,
            "token": self._seal.seal(answer.token, local.device),
            "next_token": None,
            "enrolled_at": int(now),
            "restricted": answer.restricted,
        }
        with self._work.write() as connection:
            mine = relay_devices.c.device == local.device
            connection.execute(update(relay_devices).where(mine).values(values))
        if local.restricted and not answer.restricted:  # a main collector from before there were relays
            raise Stopped("site_not_restricted")
        return identity

    def _request(self, local: Local, key: str) -> dict[str, Any]:
        """Return what the main collector is asked; of a restricted device it learns no name before it agreed."""
        if self._own_id is None:
            with self._work.write() as connection:
                self._own_id = state.own_id(connection)
        relays = [*relays_of(local.relayed_by), self._own_id]
        if len(relays) > MOST_RELAYS:
            raise Stopped("relay_loop")
        told = {} if local.restricted else {"hostname": local.hostname, "fingerprint": local.fingerprint}
        return {
            "schema_version": "1.0",
            "enrolment_key": key,
            "platform": local.platform or "other",
            "agent_version": local.agent_version or "unknown",
            "relay": relays,
            "restricted": local.restricted,
            **{name: value for name, value in told.items() if value is not None},
        }

    def _key(self, local: Local, now: float) -> str:
        """Return the key a device enrols with; raise Waits where there is none that works."""
        if self._keys is None:
            path = self._work.settings.upstream_enrolment_key_file
            self._keys = {} if path is None else read_keys(path)
        key = key_for(self._keys, local.site)
        if key is None:
            why = "upstream_enrolment_key_file has no key for a site here, and none for every other site"
            self._say(why)
            raise Waits(now + _NO_KEY_SECONDS, why)
        if now < float(self._held.get(_BLOCKED + _id_of(key), 0)):
            raise Waits(now + _NO_KEY_SECONDS, "the main collector refused the enrolment key")
        return key

    def _block(self, key: str, now: float, why: str) -> None:
        """Leave a refused key alone for an hour; a new one in the file is tried at once."""
        self._remember({_BLOCKED + _id_of(key): f"{now + _BLOCKED_SECONDS:.0f}"})
        self._say(why)

    def _remember(self, values: dict[str, str]) -> None:
        """Keep what other devices and runs need to know as well."""
        self._held |= values
        with self._work.write() as connection:
            state.write(connection, values)

    def _say(self, why: str) -> None:
        """Say once why devices cannot be enrolled."""
        if self._held.get(state.ENROL_FAULT) == why[:500]:
            return
        self._remember({state.ENROL_FAULT: why[:500]})
        _log.warning("devices cannot be enrolled with the main collector: %s", why)


def _id_of(key: str) -> str:
    """Return the part of a key that is no secret."""
    parsed = parse(key)
    return "" if parsed is None else parsed.id
