"""What went to a device and came back for one request: why an answer that came was none.

Only as much of BER (ITU-T X.690) is read as tells which request a message answers (RFC 1157, 3416 and 3412).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from roadworthy_collector.snmp.port import (
    BadAnswerError,
    DeadlineError,
    DeniedError,
    EndlessError,
    NoAnswerError,
    Oid,
    SnmpError,
    Target,
    oid_text,
)

Place: TypeAlias = tuple[str, int]  # address and port, as the socket tells a datagram's sender

_NO_ACCESS, _AUTHORIZATION = 6, 16
_LONG_FORM, _SEQUENCE, _REPORT = 0x80, 0x30, 0xA8  # X.690, 8.1.3.5 and 8.9


@dataclass(slots=True)
class Exchange:
    """What was sent to a device for one request, its repetitions included, and the last that came back.

    Datagrams hold the community, so they are left out of `repr`.
    """

    sent: list[bytes] = field(default_factory=list, repr=False)
    heard: bytes | None = field(default=None, repr=False)


def silent(target: Target) -> SnmpError:
    """Return what to say of a device from which nothing came."""
    tries, seconds = target.retries + 1, target.timeout_seconds
    return NoAnswerError(
        f"{_where(target)}: no answer to {tries} tries of {seconds:g} s: it is off, not reachable, or does not know "
        "this community, user or priv_key"
    )


def late(target: Target, requests: int) -> SnmpError:
    """Return what to say of a device that answers, but is not through by its deadline."""
    return DeadlineError(
        f"{target.name} ({target.host}): not through after {target.deadline_seconds:g} s and {requests} requests; raise "
        "its deadline_seconds or ask it less often"
    )


def bad_answer(target: Target, what: str) -> SnmpError:
    """Return what to say of a device whose answer is none: `what`."""
    return BadAnswerError(f"{target.name} ({target.host}): {what}")


def endless(target: Target, most_rows: int, prefix: Oid) -> SnmpError:
    """Return what to say of a table that does not end."""
    return EndlessError(f"{target.name} ({target.host}): more than {most_rows} rows below {oid_text(prefix)}")


def refused(target: Target, status: int, asked: Oid) -> SnmpError:
    """Return what to say of a device that answers with an error status (RFC 3416, section 3)."""
    if status in {_NO_ACCESS, _AUTHORIZATION}:
        return DeniedError(f"{target.name} ({target.host}): these credentials may not read {oid_text(asked)}")
    return bad_answer(target, f"error status {status} when asked for {oid_text(asked)}")


def untaken(target: Target, exchange: Exchange) -> SnmpError:
    """Return what to say of a device that sent something soon after a try, but nothing that was taken."""
    where, seconds = _where(target), target.timeout_seconds
    heard = exchange.heard or b""
    number = _number(heard)
    if number is None:
        return BadAnswerError(f"{where}: its answer of {len(heard)} octets is no whole SNMP message")
    if _is_report(heard):
        # An agent that cannot read a request says who it is when asked for that, and then nothing.
        return DeniedError(
            f"{where}: it says who it is, but nothing to this user: most often a wrong priv_key"
        )
    asked = [message for message in exchange.sent if _number(message) == number]
    if asked and _asked_as(heard) not in map(_asked_as, asked):
        return BadAnswerError(f"{where}: it answers in another version or community than it was asked in")
    if asked:
        return DeadlineError(f"{where}: it answers later than after {seconds:g} s; raise its timeout_seconds")
    return BadAnswerError(f"{where}: it answers another request than it was asked")


def _where(target: Target) -> str:
    return f"{target.name} ({target.host}:{target.port})"


def _number(message: bytes) -> bytes | None:
    """Return what ties an answer to its request (request-id, of v3 msgID), None where it is no whole message."""
    try:
        tag, begin, end = _element(message, 0)
        if tag != _SEQUENCE or end != len(message):
            return None
        _, _, end = _element(message, begin)  # the version
        tag, begin, end = _element(message, end)
        if tag != _SEQUENCE:  # a community; v3 has its header here
            _, begin, _ = _element(message, end)
        _, begin, end = _element(message, begin)
    except IndexError:
        return None
    return message[begin:end]


def _asked_as(message: bytes) -> tuple[bytes, bytes]:
    """Return version and community of a whole message (`_number`); of v3, which has none, the version alone."""
    _, begin, _ = _element(message, 0)
    _, begin, end = _element(message, begin)
    tag, first, last = _element(message, end)
    return message[begin:end], b"" if tag == _SEQUENCE else message[first:last]


def _is_report(message: bytes) -> bool:
    """Return whether a whole message is a plain report of v3 (RFC 3412, section 6; RFC 3416, section 3)."""
    try:
        _, begin, _ = _element(message, 0)
        _, _, end = _element(message, begin)
        header, _, end = _element(message, end)
        if header != _SEQUENCE:
            return False
        _, _, end = _element(message, end)  # what the security model says
        scoped, begin, _ = _element(message, end)
        if scoped != _SEQUENCE:  # encrypted
            return False
        for _ in ("engine", "context"):
            _, _, begin = _element(message, begin)
        return _element(message, begin)[0] == _REPORT
    except IndexError:
        return False


def _element(message: bytes, at: int) -> tuple[int, int, int]:
    """Return the tag of the element there, and where its content begins and ends; IndexError beyond the message."""
    size, begin = message[at + 1], at + 2
    if size >= _LONG_FORM:
        begin += size - _LONG_FORM
        size = int.from_bytes(message[at + 2 : begin])
    if begin + size > len(message):
        raise IndexError("the element ends behind the message")
    return message[at], begin, begin + size
