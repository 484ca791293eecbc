"""SNMP by pysnmp, which is imported here and nowhere else.

One engine serves the whole process: making one costs more than a hundred polls, and it belongs to the event loop it
was made in. Only where two devices know one v3 user by different keys is there a second engine, because an engine
holds one set of keys a name. OIDs stay numbers: no MIB is ever loaded. Of pysnmp's high-level interface only the
configuration of credentials is used: it would keep a row in an SNMP table for each device, and each new row has the
engine read the whole table again, which for a thousand devices is half a minute of processor time (docs/decisions/0032).

Datagrams are only looked at where they come from a device that is being asked at that moment. What such a device was
sent and sent itself is remembered until its request ends: so one that sends what is no answer, and one that answers too
late, are told apart from one that is silent.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pyasn1.type.univ import ObjectIdentifier, OctetString
from pysnmp.carrier.asyncio.dispatch import AsyncioDispatcher
from pysnmp.entity.rfc3413 import cmdgen, config
from pysnmp.error import PySnmpError
from pysnmp.hlapi.v3arch import asyncio as hlapi
from pysnmp.hlapi.v3arch.asyncio.lcd import CommandGeneratorLcdConfigurator
from pysnmp.proto import errind
from pysnmp.proto.api import v2c
from pysnmp.proto.rfc1905 import EndOfMibView, NoSuchInstance, NoSuchObject

from roadworthy_collector.snmp.exchange import Exchange, Place, untaken
from roadworthy_collector.snmp.port import (
    BadAnswerError,
    Community,
    DeadlineError,
    DeniedError,
    NoAnswerError,
    Oid,
    Session,
    SnmpError,
    Target,
    User,
    Value,
    oid_text,
)
from roadworthy_collector.snmp.repetitions import Repetitions

_AUTH = {
    "md5": hlapi.USM_AUTH_HMAC96_MD5,
    "sha": hlapi.USM_AUTH_HMAC96_SHA,
    "sha224": hlapi.USM_AUTH_HMAC128_SHA224,
    "sha256": hlapi.USM_AUTH_HMAC192_SHA256,
    "sha384": hlapi.USM_AUTH_HMAC256_SHA384,
    "sha512": hlapi.USM_AUTH_HMAC384_SHA512,
}
_PRIV = {
    "des": hlapi.USM_PRIV_CBC56_DES,
    "aes128": hlapi.USM_PRIV_CFB128_AES,
    "aes192": hlapi.USM_PRIV_CFB192_AES_BLUMENTHAL,
    "aes256": hlapi.USM_PRIV_CFB256_AES_BLUMENTHAL,
}
_DENIED = (
    errind.UnknownUserName,
    errind.WrongDigest,
    errind.AuthenticationFailure,
    errind.AuthenticationError,
    errind.DecryptionError,
    errind.UnsupportedSecurityLevel,
    errind.UnsupportedAuthProtocol,
    errind.UnsupportedPrivProtocol,
    errind.UnknownSecurityName,
    errind.UnknownCommunityName,
    errind.NoSuchContext,
    errind.NotInTimeWindow,
)
# Error status of a PDU (RFC 3416, section 3).
_TOO_BIG, _NO_SUCH_NAME, _NO_ACCESS, _AUTHORIZATION = 1, 2, 6, 16
_MISSING = (NoSuchObject, NoSuchInstance, EndOfMibView)
# OIDs of one GET: an answer of twenty numbers fits into what every agent can send.
MOST_OIDS = 20
_STRANGER = "stranger"

Found = list[tuple[Oid, Any]]


@dataclass
class _Engine:
    """An engine and the users whose keys it holds."""

    engine: Any
    users: dict[str, User] = field(default_factory=dict)
    rows: dict[tuple[Community | User, Oid], Any] = field(default_factory=dict)  # who stands in its table
    configurator: Any = field(default_factory=CommandGeneratorLcdConfigurator)


class PysnmpPort:
    """`Port` by pysnmp; to be used within one event loop."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._engines: list[_Engine] = []
        self._addresses: dict[tuple[str, int, float, int], Any] = {}
        self._credentials: dict[Community | User, Any] = {}
        self._asked: dict[tuple[str, int], asyncio.Lock] = {}
        self.repetitions = Repetitions(monotonic)
        self._exchanges: dict[Place, Exchange] = {}  # with those who are being asked

    def begin(self, target: Target) -> Session:
        """Return a session for one poll of the target; its deadline starts now."""
        return _PysnmpSession(self, target, self._monotonic)

    async def close(self) -> None:
        """End the sockets."""
        for one in self._engines:
            one.engine.close_dispatcher()
        self._engines.clear()

    def engine(self, target: Target) -> _Engine:
        """Return the engine that may hold the target's keys."""
        user = target.credentials if isinstance(target.credentials, User) else None
        for one in self._engines:
            if user is None or one.users.setdefault(user.name, user) == user:
                return one
        made = _Engine(hlapi.SnmpEngine())
        dispatcher = _Dispatcher(self._exchanges)
        dispatcher.register_routing_callback(self._route)
        dispatcher.register_recv_callback(_dropped, _STRANGER)
        made.engine.register_transport_dispatcher(dispatcher)
        if user is not None:
            made.users[user.name] = user
        self._engines.append(made)
        return made

    async def address(self, target: Target) -> Any:
        """Return where the target is, looked up once; NoAnswerError where the name is unknown."""
        key = (target.host, target.port, target.timeout_seconds, target.retries)
        if (known := self._addresses.get(key)) is None:
            kind = hlapi.Udp6TransportTarget if _is_ipv6(target.host) else hlapi.UdpTransportTarget
            try:
                known = await kind.create(
                    (target.host, target.port), timeout=target.timeout_seconds, retries=target.retries
                )
            except PySnmpError as error:
                raise NoAnswerError(f"{target.name}: {target.host} is no known address: {error}") from error
            self._addresses[key] = known
        return known

    def lock(self, target: Target) -> asyncio.Lock:
        """Return what keeps requests to one device one after another."""
        return self._asked.setdefault((target.host, target.port), asyncio.Lock())

    def forget_address(self, target: Target) -> None:
        """Look the target's name up again next time: what does not answer may have moved."""
        for key in [key for key in self._addresses if key[:2] == (target.host, target.port)]:
            del self._addresses[key]

    def addressed(self, engine: _Engine, target: Target, address: Any) -> str:
        """Make the engine know where the target is and by which credentials it is asked; return the name it has there.

        The first target of each credentials is a row in the engine's table; the others only stand in what it remembers
        of the table, which is as good for asking and costs nothing.
        """
        auth = self._credentials.get(target.credentials)
        if auth is None:
            auth = self._credentials[target.credentials] = _credentials(target.credentials)
        row = engine.rows.setdefault((target.credentials, address.TRANSPORT_DOMAIN), address)
        context = _context(target.credentials)
        base, _ = engine.configurator.configure(engine.engine, auth, row, context)
        domain, _, _, _, parameters = config.get_target_address(engine.engine, base)
        kind = engine.engine.transport_dispatcher.get_transport(domain).ADDRESS_TYPE
        place = address.transport_address
        name = f"{base} {place} {address.timeout:g} {address.retries}"
        remembered = engine.engine.get_user_context("getTargetAddr")["nameToTargetMap"]
        remembered[name] = (domain, kind(place), address.timeout * 100, address.retries, parameters)
        return name

    def exchange(self, place: Place) -> Exchange:
        """Look at what comes from there until `end` is called."""
        return self._exchanges.setdefault(place, Exchange())

    def end(self, place: Place) -> None:
        """Drop what still comes from there."""
        self._exchanges.pop(place, None)

    def _route(self, _domain: object, address: Any, message: bytes) -> str | None:
        """Say who gets a datagram: the engine, or nobody."""
        known = self._exchanges.get((address[0], address[1]))
        if known is None:
            return _STRANGER
        known.heard = message
        return None


class _Dispatcher(AsyncioDispatcher):  # type: ignore[misc] # pysnmp has no types
    """Sends datagrams, and notes them with those who are being asked."""

    def __init__(self, exchanges: Mapping[Place, Exchange]) -> None:
        super().__init__()
        self._exchanges = exchanges

    def send_message(self, message: bytes, domain: Any, address: Any) -> None:
        """Send a datagram."""
        known = self._exchanges.get((address[0], address[1]))
        if known is not None:
            known.sent.append(message)
        super().send_message(message, domain, address)


def _dropped(*_: object) -> None:
    """Look away: the datagram comes from where nothing was asked."""


class _PysnmpSession:
    """One poll of one target."""

    def __init__(self, port: PysnmpPort, target: Target, monotonic: Callable[[], float]) -> None:
        self._port = port
        self._target = target
        self._monotonic = monotonic
        self._ends = monotonic() + target.deadline_seconds
        self.requests = 0

    async def get(self, oids: Sequence[Oid]) -> Mapping[Oid, Value]:
        """Return what the device has of `oids`."""
        found: dict[Oid, Value] = {}
        waiting = [list(oids[place : place + MOST_OIDS]) for place in range(0, len(oids), MOST_OIDS)]
        while waiting:
            some = waiting.pop()
            status, index, rows = await self._ask(cmdgen.GetCommandGenerator, some)
            if status == _NO_SUCH_NAME and 1 <= index <= len(some):
                # v1 refuses the whole for one that is missing.
                waiting.append([oid for place, oid in enumerate(some, 1) if place != index])
            elif status == _TOO_BIG and len(some) > 1:
                waiting += [some[: len(some) // 2], some[len(some) // 2 :]]
            elif status:
                raise self._refused(status, some)
            else:
                found |= {oid: _value(value) for oid, value in rows if not isinstance(value, _MISSING)}
        return {oid: found[oid] for oid in oids if oid in found}

    async def walk(self, prefix: Oid, *, most_rows: int = 2000) -> Mapping[Oid, Value]:
        """Return what stands below `prefix`."""
        found: dict[Oid, Value] = {}
        last = prefix
        while True:
            rows = await self._next(last)
            for oid, value in rows:
                if isinstance(value, EndOfMibView) or oid[: len(prefix)] != prefix:
                    return found
                if oid <= last:
                    raise self._bad(f"a walk of {oid_text(prefix)} goes backwards at {oid_text(oid)}")
                if len(found) >= most_rows:
                    raise self._bad(f"more than {most_rows} rows below {oid_text(prefix)}")
                found[oid] = _value(value)
                last = oid
            if not rows:
                return found

    async def _next(self, last: Oid) -> Found:
        """Return the next rows after an OID, none at the end; fewer at once where an answer is too big or does not come."""
        if isinstance(self._target.credentials, Community) and self._target.credentials.version == "1":
            status, _, rows = await self._ask(cmdgen.NextCommandGeneratorSingleRun, [last])
            if status == _NO_SUCH_NAME:
                return []
            if status:
                raise self._refused(status, [last])
            return rows
        repetitions = at_first = self._port.repetitions.of(self._target)
        while True:
            try:
                status, _, rows = await self._ask(
                    cmdgen.BulkCommandGeneratorSingleRun, [last], 0, repetitions
                )
            except NoAnswerError:
                if repetitions == 1:
                    raise
                repetitions //= 2
                continue
            if status == _TOO_BIG and repetitions > 1:
                repetitions //= 2
                continue
            if status:
                raise self._refused(status, [last])
            if repetitions < at_first:
                self._port.repetitions.remember(self._target, repetitions)
            return rows

    async def _ask(
        self, command: Callable[[], Any], oids: Sequence[Oid], *before: int
    ) -> tuple[int, int, Found]:
        """Send one request and return (error status, index, rows); SnmpError where nothing usable came."""
        target = self._target
        async with self._port.lock(target):
            left = self._ends - self._monotonic()
            if left <= 0:
                raise self._late()
            address = await self._port.address(target)
            self.requests += 1
            place = address.transport_address[:2]
            exchange = self._port.exchange(place)
            try:
                request = self._sent(command(), address, oids, before)
                indication, status, index, rows = await asyncio.wait_for(request, left)
            except TimeoutError:
                raise self._late() from None
            except PySnmpError as error:
                raise self._bad(str(error)) from error
            finally:
                self._port.end(place)
        if indication is not None:
            raise self._indicated(indication, exchange)
        return int(status), int(index), [(tuple(oid), value) for oid, value in rows]

    def _sent(
        self, command: Any, address: Any, oids: Sequence[Oid], before: Sequence[int]
    ) -> asyncio.Future[tuple[Any, Any, Any, Any]]:
        """Send a request and return what will be (indication, error status, index, rows)."""
        future = asyncio.get_running_loop().create_future()

        def answered(_engine: Any, _handle: Any, *answer: Any) -> None:
            if not future.done():
                future.set_result(answer[:4])

        engine = self._port.engine(self._target)
        name = self._port.addressed(engine, self._target, address)
        context, binds = _context(self._target.credentials), [_bind(oid) for oid in oids]
        command.send_varbinds(engine.engine, name, None, context, *before, binds, answered)
        return future

    def _indicated(self, indication: Any, exchange: Exchange) -> SnmpError:
        """Return what went wrong below the answer, in our words."""
        where = f"{self._target.name} ({self._target.host}:{self._target.port})"
        if isinstance(indication, errind.RequestTimedOut):
            tries, seconds = self._target.retries + 1, self._target.timeout_seconds
            if exchange.heard is not None:
                return untaken(where, exchange, seconds)
            self._port.forget_address(self._target)
            return NoAnswerError(
                f"{where}: no answer to {tries} tries of {seconds:g} s: it is off, not reachable, or does not know "
                "this community, user or priv_key"
            )
        if isinstance(indication, _DENIED):
            return DeniedError(f"{where}: it refuses these credentials: {indication}")
        return BadAnswerError(f"{where}: {indication}")

    def _refused(self, status: int, oids: Sequence[Oid]) -> SnmpError:
        where, asked = f"{self._target.name} ({self._target.host})", oid_text(oids[0])
        if status in {_NO_ACCESS, _AUTHORIZATION}:
            return DeniedError(f"{where}: these credentials may not read {asked}")
        return BadAnswerError(f"{where}: error status {status} when asked for {asked}")

    def _bad(self, what: str) -> BadAnswerError:
        return BadAnswerError(f"{self._target.name} ({self._target.host}): {what}")

    def _late(self) -> DeadlineError:
        return DeadlineError(
            f"{self._target.name} ({self._target.host}): not through after {self._target.deadline_seconds:g} s and "
            f"{self.requests} requests; raise its deadline_seconds or ask it less often"
        )


def _is_ipv6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).version == 6
    except ValueError:
        return False


def _credentials(given: Community | User) -> Any:
    if isinstance(given, Community):
        return hlapi.CommunityData(given.community, mpModel=0 if given.version == "1" else 1)
    return hlapi.UsmUserData(
        given.name,
        authKey=given.auth_key,
        privKey=given.priv_key,
        authProtocol=None if given.auth_key is None else _AUTH[given.auth_protocol],
        privProtocol=None if given.priv_key is None else _PRIV[given.priv_protocol],
    )


def _context(given: Community | User) -> bytes:
    return given.context.encode() if isinstance(given, User) else b""


@lru_cache(maxsize=2048)
def _bind(oid: Oid) -> Any:
    """Return an OID as pysnmp sends it; the same objects serve every request, which only reads them."""
    return v2c.ObjectIdentifier(oid), v2c.Null("")


def _value(value: Any) -> Value:
    """Return a value of pysnmp as number, bytes or OID."""
    if isinstance(value, ObjectIdentifier):
        return tuple(value)
    return bytes(value) if isinstance(value, OctetString) else int(value)
