"""SNMP by pysnmp, which is imported here and nowhere else.

One engine serves the whole process: making one costs more than a hundred polls, and it belongs to the event loop it
was made in. Only where two devices know one v3 user by different keys is there a second engine, because an engine
holds one set of keys a name. OIDs stay numbers: no MIB is ever loaded. Of pysnmp's high-level interface only the
configuration of credentials is used: it would keep a row in an SNMP table for each device and each community, and each
new row has the engine read the whole table again, which for a thousand is most of a minute of processor time
(docs/decisions/0032).

Datagrams are only looked at where they come from a device that is being asked at that moment. What such a device was
sent and sent itself is remembered until its request ends: so one that sends what is no answer, and one that answers too
late, are told apart from one that is silent.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Collection, Mapping, Sequence
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
from pysnmp.proto.secmod.rfc2576 import SnmpV1SecurityModel, SnmpV2cSecurityModel

from roadworthy_collector.snmp.exchange import Exchange, Place, bad_answer, late, silent, untaken
from roadworthy_collector.snmp.port import (
    Community,
    DeniedError,
    NoAnswerError,
    Oid,
    Session,
    SnmpError,
    Target,
    User,
    Value,
)
from roadworthy_collector.snmp.repetitions import Repetitions
from roadworthy_collector.snmp.session import Answered, AskingSession, Kind

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
_MISSING = (NoSuchObject, NoSuchInstance, EndOfMibView)
_COMMANDS: Mapping[Kind, Callable[[], Any]] = {
    "get": cmdgen.GetCommandGenerator,
    "next": cmdgen.NextCommandGeneratorSingleRun,
    "bulk": cmdgen.BulkCommandGeneratorSingleRun,
}
_STRANGER = "stranger"
_UNUSED_SECONDS = (
    7_200.0  # no target is polled less often than hourly: an engine idle for longer holds a former key
)
_FAMILIES = {socket.AF_INET: hlapi.UdpTransportTarget, socket.AF_INET6: hlapi.Udp6TransportTarget}


@dataclass
class _Engine:
    """An engine, the users whose keys it holds, and when it was last asked through."""

    engine: Any
    used_at: float = 0.0
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

    def keep(self, places: Collection[tuple[str, int]]) -> None:
        """Drop what is remembered of devices at any other host and port."""
        self._addresses = {key: known for key, known in self._addresses.items() if key[:2] in places}
        self._asked = {place: lock for place, lock in self._asked.items() if lock.locked()}
        self.repetitions.keep(places)
        # What an engine remembers of its tables is made again for each request: nobody's stays that is asked no more.
        for one in self._engines:
            for context, names in (
                ("getTargetAddr", "nameToTargetMap"),
                ("getTargetParams", "nameToParamsMap"),
            ):
                (one.engine.get_user_context(context) or {}).get(names, {}).clear()

    def engine(self, target: Target) -> _Engine:
        """Return the engine that may hold the target's keys."""
        user = target.credentials if isinstance(target.credentials, User) else None
        now = self._monotonic()
        for one in self._engines:
            if user is None or one.users.setdefault(user.name, user) == user:
                one.used_at = now
                return one
        for one in [one for one in self._engines if now - one.used_at > _UNUSED_SECONDS]:
            self._engines.remove(one)
            one.engine.close_dispatcher()
        made = _Engine(hlapi.SnmpEngine(), now)
        for model in (_V1(), _V2c()):
            made.engine.security_models[model.SECURITY_MODEL_ID] = model
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
            try:
                found = await asyncio.get_running_loop().getaddrinfo(
                    target.host, target.port, type=socket.SOCK_DGRAM
                )
                # Of a name with addresses of both kinds the one of version 4: old cards know no other.
                family, _, _, _, place = min(found, key=lambda one: list(_FAMILIES).index(one[0]))
                known = await _FAMILIES[family].create(
                    (_scoped(target.host, place), target.port),
                    timeout=target.timeout_seconds,
                    retries=target.retries,
                )
            except (OSError, UnicodeError, PySnmpError) as error:
                raise NoAnswerError(f"{target.name}: {target.host} is no known address: {error}") from error
            self._addresses[key] = known
        return known

    def lock(self, place: Place) -> asyncio.Lock:
        """Return what keeps requests to one device one after another, under whatever names it is polled."""
        return self._asked.setdefault(place, asyncio.Lock())

    def forget_address(self, target: Target) -> None:
        """Look the target's name up again next time: what does not answer may have moved."""
        for key in [key for key in self._addresses if key[:2] == (target.host, target.port)]:
            del self._addresses[key]

    def addressed(self, engine: _Engine, target: Target, address: Any) -> str:
        """Make the engine know where the target is and by which credentials it is asked; return the name it has there.

        The first target of each user, and of each version without users, is a row in the engine's tables; others, and
        every community, only stand in what it remembers of the tables, which is as good for asking and costs nothing.
        """
        given = target.credentials
        kind = Community(given.version, "any") if isinstance(given, Community) else given
        auth = self._credentials.get(kind)
        if auth is None:
            auth = self._credentials[kind] = _credentials(kind)
        row = engine.rows.setdefault((kind, address.TRANSPORT_DOMAIN), address)
        base, _ = engine.configurator.configure(engine.engine, auth, row, _context(given))
        domain, _, _, _, parameters = config.get_target_address(engine.engine, base)
        place = address.transport_address
        name = f"{base} {place} {address.timeout:g} {address.retries}"
        if isinstance(given, Community):
            version, model, _, level = config.get_target_parameters(engine.engine, parameters)
            asked_by = OctetString(given.community)
            parameters, name = f"{parameters} {given.community}", f"{name} {given.community}"
            remembered = engine.engine.get_user_context("getTargetParams")["nameToParamsMap"]
            remembered[parameters] = (version, model, asked_by, level)
        where = engine.engine.transport_dispatcher.get_transport(domain).ADDRESS_TYPE(place)
        remembered = engine.engine.get_user_context("getTargetAddr")["nameToTargetMap"]
        remembered[name] = (domain, where, address.timeout * 100, address.retries, parameters)
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


class _NoTable:
    """A security model that takes the security name for the community: no table says which is whose.

    An answer in another community than it was asked by is none, as RFC 3584, section 5.2, has it.
    """

    def _sec2com(self, _engine: Any, name: Any, _context_engine: Any, _context: Any) -> Any:
        return name

    def _com2sec(self, engine: Any, community: Any, _where: Any) -> tuple[Any, Any, Any]:
        return community, engine.snmpEngineID, b""


class _V1(_NoTable, SnmpV1SecurityModel):  # type: ignore[misc] # pysnmp has no types
    """Version 1."""


class _V2c(_NoTable, SnmpV2cSecurityModel):  # type: ignore[misc] # pysnmp has no types
    """Version 2c."""


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


class _PysnmpSession(AskingSession):
    """One poll of one target."""

    def __init__(self, port: PysnmpPort, target: Target, monotonic: Callable[[], float]) -> None:
        super().__init__(target, port.repetitions)
        self._port = port
        self._monotonic = monotonic
        self._ends = monotonic() + target.deadline_seconds

    async def ask(self, kind: Kind, oids: Sequence[Oid], repetitions: int = 0) -> Answered:
        """Send one request and return what came; SnmpError where nothing usable did."""
        target = self._target
        address = await self._port.address(target)
        place = address.transport_address[:2]
        async with self._port.lock(place):
            left = self._ends - self._monotonic()
            if left <= 0:
                raise late(target, self.requests)
            self.requests += 1
            exchange = self._port.exchange(place)
            try:
                request = self._sent(kind, address, oids, repetitions)
                indication, status, index, rows = await asyncio.wait_for(request, left)
            except TimeoutError:
                raise late(target, self.requests) from None
            except PySnmpError as error:
                raise bad_answer(target, str(error)) from error
            finally:
                self._port.end(place)
        if indication is not None:
            raise self._indicated(indication, exchange)
        return Answered(int(status), int(index), [(tuple(oid), _value(value)) for oid, value in rows])

    def _sent(
        self, kind: Kind, address: Any, oids: Sequence[Oid], repetitions: int
    ) -> asyncio.Future[tuple[Any, Any, Any, Any]]:
        """Send a request and return what will be (indication, error status, index, rows)."""
        future = asyncio.get_running_loop().create_future()

        def answered(_engine: Any, _handle: Any, *answer: Any) -> None:
            if not future.done():
                future.set_result(answer[:4])

        engine = self._port.engine(self._target)
        name = self._port.addressed(engine, self._target, address)
        context, binds = _context(self._target.credentials), [_bind(oid) for oid in oids]
        before = (0, repetitions) if kind == "bulk" else ()
        _COMMANDS[kind]().send_varbinds(engine.engine, name, None, context, *before, binds, answered)
        return future

    def _indicated(self, indication: Any, exchange: Exchange) -> SnmpError:
        """Return what went wrong below the answer, in our words."""
        target = self._target
        if isinstance(indication, errind.RequestTimedOut):
            if exchange.heard is not None:
                return untaken(target, exchange)
            self._port.forget_address(target)
            return silent(target)
        if isinstance(indication, _DENIED):
            return DeniedError(f"{target.name} ({target.host}): it refuses these credentials ({indication})")
        return bad_answer(target, str(indication))


def _scoped(host: str, place: Sequence[Any]) -> str:
    """Return the address with the interface it was given with, which a look-up turns into a number."""
    _, percent, interface = host.partition("%")
    return str(place[0]) if not percent or "%" in str(place[0]) else f"{place[0]}%{interface}"


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


def _value(value: Any) -> Value | None:
    """Return a value of pysnmp as number, bytes or OID; None where it says that there is none."""
    if isinstance(value, _MISSING):
        return None
    if isinstance(value, ObjectIdentifier):
        return tuple(value)
    return bytes(value) if isinstance(value, OctetString) else int(value)
