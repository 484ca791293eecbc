"""What the rest of the collector knows of SNMP: targets, values, errors as types, and a port of three methods.

Whoever stands behind `Port` speaks the protocol (`pysnmp_port.py`; `dictionary_port.py` answers from a recording).
OIDs are tuples of whole numbers, never names. What an agent does not have is not in the answer; nothing is made up.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from roadworthy_collector.errors import RoadworthyError

Oid: TypeAlias = tuple[int, ...]
# INTEGER, counters, gauges and ticks as int; OCTET STRING, Opaque and IpAddress as bytes; OBJECT IDENTIFIER as tuple.
Value: TypeAlias = int | bytes | Oid

AuthProtocol = Literal["sha", "sha224", "sha256", "sha384", "sha512", "md5"]
PrivProtocol = Literal["aes128", "aes192", "aes256", "des"]


@dataclass(frozen=True, slots=True)
class Community:
    """SNMP v1 or v2c. The community never appears in text: it is left out of `repr`."""

    version: Literal["1", "2c"]
    community: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class User:
    """SNMP v3 with the user security model; without `auth_key` noAuthNoPriv, without `priv_key` authNoPriv."""

    name: str
    auth_protocol: AuthProtocol = "sha256"
    auth_key: str | None = field(default=None, repr=False)
    priv_protocol: PrivProtocol = "aes128"
    priv_key: str | None = field(default=None, repr=False)
    context: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to ask and how patiently. `name` is what people call it, and what errors say."""

    name: str
    host: str
    credentials: Community | User
    port: int = 161
    timeout_seconds: float = 2.0  # for each try of each request
    retries: int = 1  # beyond the first try
    deadline_seconds: float = 30.0  # for everything asked of the device in one poll
    max_repetitions: int = 20  # of the first bulk request; fewer after an answer that did not come


class SnmpError(RoadworthyError):
    """A device could not be asked; the text names it and says what to do. `outcome` is the word metrics count by."""

    outcome = "error"


class NoAnswerError(SnmpError):
    """Nothing came back in time: switched off, not reachable, or a wrong community (which is not answered)."""

    outcome = "no_answer"


class DeniedError(SnmpError):
    """The device answered that these credentials may not ask (v3 report, authorisationError, noAccess)."""

    outcome = "denied"


class DeadlineError(SnmpError):
    """The device answers, but too slowly for its deadline."""

    outcome = "too_slow"


class BadAnswerError(SnmpError):
    """What came is no answer to what was asked: truncated, of another request, or going backwards."""

    outcome = "bad_answer"


class EndlessError(BadAnswerError):
    """A table that has more rows than any: the device makes them up."""


class Port(Protocol):
    """SNMP as the poller needs it. All methods raise SnmpError and no other error for what a device does.

    One request at a time is in flight for a target; a poll's requests together keep `deadline_seconds`, counted from
    `begin`.
    """

    def begin(self, target: Target) -> Session:
        """Return a session for one poll of the target; its deadline starts now."""
        ...

    def keep(self, places: Collection[tuple[str, int]]) -> None:
        """Drop what is remembered of devices at any other host and port."""
        ...

    async def close(self) -> None:
        """End sockets and tasks."""
        ...


class Session(Protocol):
    """One poll of one target."""

    @property
    def target(self) -> Target:
        """Return who is asked."""
        ...

    @property
    def requests(self) -> int:
        """Return how many requests were sent so far, repeated ones included."""
        ...

    async def get(self, oids: Sequence[Oid]) -> Mapping[Oid, Value]:
        """Return what the device has of `oids`, asked in as many requests as it takes; missing ones are left out."""
        ...

    async def walk(self, prefix: Oid, *, most_rows: int = 2000) -> Mapping[Oid, Value]:
        """Return what stands below `prefix`, in the device's order; EndlessError beyond `most_rows` rows."""
        ...


def parse_oid(text: str) -> Oid:
    """Return `1.3.6.1` or `.1.3.6.1` as a tuple; ValueError where it is no OID."""
    parts = text.removeprefix(".").split(".")
    if len(parts) < 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError(f"{text!r} is no OID: numbers with dots between them")
    return tuple(int(part) for part in parts)


def oid_text(oid: Oid) -> str:
    """Return an OID as people write it."""
    return ".".join(str(part) for part in oid)
