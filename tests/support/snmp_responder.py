"""A network of SNMP v2c agents in one thread: fast enough for load, and able to answer as no honest agent would.

One UDP socket answers for all of 127.0.0.0/8 (Linux): each agent has an address of its own there, and its answers come
from that address. Messages are read and made by hand (BER, RFC 3416 and 3417) from rows that are made once.

    python -m support.snmp_responder RECORDING --devices 1000 --dead 50

answers as so many devices from 127.1.0.0 on, the last ones dead, and prints its port.
"""

from __future__ import annotations

import argparse
import heapq
import ipaddress
import socket
import struct
import sys
import threading
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from roadworthy_collector.snmp.port import Oid, Value
from roadworthy_collector.snmp.recording import read_recording

Manner = Literal[
    "honest",
    "dead",
    "truncated",
    "other_request",
    "backwards",
    "endless",
    "garbage",
    "refuses",
    "elsewhere",  # answers from another address than it was asked at
]

_IP_PKTINFO = 8  # Linux; the socket module names it from Python 3.12 on
_GET, _NEXT, _RESPONSE, _BULK = 0xA0, 0xA1, 0xA2, 0xA5
_NO_SUCH_INSTANCE, _END_OF_VIEW = b"\x81\x00", b"\x82\x00"
_TOO_BIG, _NO_ACCESS = 1, 6
_MOST_BYTES = 65_000


@dataclass(frozen=True, slots=True)
class Agent:
    """One device. `most_rows`: beyond it a bulk request is not answered (`silent`) or told to be too big."""

    values: Mapping[Oid, Value]
    manner: Manner = "honest"
    delay_seconds: float = 0.0
    community: bytes = b"public"
    most_rows: int | None = None
    silent: bool = True
    most_oids: int | None = None  # of one GET, beyond which it is too big


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came: `tag` is the kind of PDU; `second` and `third` what it says behind its number."""

    tag: int
    number: bytes
    second: int
    third: int
    oids: tuple[bytes, ...]


def tlv(tag: int, content: bytes) -> bytes:
    """Return one element of BER."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(octets))) + octets + content


def oid_octets(oid: Oid) -> bytes:
    """Return the content of an OBJECT IDENTIFIER."""
    octets = bytearray()
    for arc in (oid[0] * 40 + oid[1], *oid[2:]):
        some = [arc & 0x7F]
        while arc := arc >> 7:
            some.append(arc & 0x7F | 0x80)
        octets += bytes(reversed(some))
    return bytes(octets)


def value_octets(value: Value) -> bytes:
    """Return a value as an element: INTEGER where it fits, Gauge32 or Counter64 where it does not."""
    if isinstance(value, bytes):
        return tlv(0x04, value)
    if isinstance(value, tuple):
        return tlv(0x06, oid_octets(value))
    tag = 0x02 if value < 1 << 31 else 0x42 if value < 1 << 32 else 0x46
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, signed=True))


def parsed_oid(octets: bytes) -> Oid:
    """Return what `oid_octets` was given."""
    arcs, arc = [], 0
    for octet in octets:
        arc = arc << 7 | octet & 0x7F
        if octet < 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return (first, arcs[0] - 40 * first, *arcs[1:])


class _Rows:
    """The rows of one device, ready to be sent."""

    def __init__(self, values: Mapping[Oid, Value]) -> None:
        self.oids = sorted(values)
        self.octets = [oid_octets(oid) for oid in self.oids]
        self.binds = [
            _bind(octets, value_octets(values[oid]))
            for oid, octets in zip(self.oids, self.octets, strict=True)
        ]
        self.places = {octets: place for place, octets in enumerate(self.octets)}

    def after(self, octets: bytes) -> int:
        """Return the place of the first row behind an OID."""
        place = self.places.get(octets)
        return bisect_right(self.oids, parsed_oid(octets)) if place is None else place + 1

    def get(self, octets: bytes) -> bytes:
        """Return the row of an OID, as a response has it."""
        place = self.places.get(octets)
        return _bind(octets, _NO_SUCH_INSTANCE) if place is None else self.binds[place]


def _bind(octets: bytes, value: bytes) -> bytes:
    return tlv(0x30, tlv(0x06, octets) + value)


class Responder:
    """Answers until it is left. `requests` counts by host; `most_at_once` is how many of a host were unanswered."""

    def __init__(self, agents: Mapping[str, Agent], *, port: int = 0) -> None:
        self.agents = dict(agents)
        self.requests: Counter[str] = Counter()
        self.most_at_once: Counter[str] = Counter()
        self.asked: list[tuple[str, Asked]] = []
        self._at_once: Counter[str] = Counter()
        self._rows: dict[int, _Rows] = {}
        self._late: list[tuple[float, int, bytes, str, tuple[str, int]]] = []
        self._order = 0
        self._stop = threading.Event()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.bind(("0.0.0.0", port))  # noqa: S104 - it must hear all of 127.0.0.0/8, and answers nobody else
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self.run, name="responder", daemon=True)
        for agent in self.agents.values():
            self._rows_of(agent)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()

    def run(self) -> None:
        """Answer until stopped."""
        while not self._stop.is_set():
            due = self._late[0][0] - time.monotonic() if self._late else 0.1
            self._socket.settimeout(min(max(due, 0.001), 0.1))
            try:
                data, extra, _, sender = self._socket.recvmsg(_MOST_BYTES, 64)
            except TimeoutError:
                pass
            else:
                self._heard(data, socket.inet_ntoa(extra[0][2][8:12]), sender)
            while self._late and self._late[0][0] <= time.monotonic():
                _, _, answer, host, to = heapq.heappop(self._late)
                self._at_once[host] -= 1
                self._send(answer, host, to)

    def _heard(self, data: bytes, host: str, sender: tuple[str, int]) -> None:
        agent = self.agents.get(host)
        if agent is None:
            return
        community, asked = parsed(data)
        if community != agent.community:
            return
        self.requests[host] += 1
        self.asked.append((host, asked))
        self._at_once[host] += 1
        self.most_at_once[host] = max(self.most_at_once[host], self._at_once[host])
        answer = self._answer(agent, asked)
        if answer is not None and agent.delay_seconds:
            self._order += 1
            due = time.monotonic() + agent.delay_seconds
            heapq.heappush(self._late, (due, self._order, answer, host, sender))
            return
        self._at_once[host] -= 1
        if answer is not None:
            self._send(answer, host, sender)

    def _send(self, answer: bytes, host: str, to: tuple[str, int]) -> None:
        if self.agents[host].manner == "elsewhere":
            host = "127.9.9.9"
        source = struct.pack("@i4s4s", 0, socket.inet_aton(host), bytes(4))
        self._socket.sendmsg([answer], [(socket.IPPROTO_IP, _IP_PKTINFO, source)], 0, to)

    def _rows_of(self, agent: Agent) -> _Rows:
        # Devices of one kind share their values, and so their rows.
        key = id(agent.values)
        if key not in self._rows:
            self._rows[key] = _Rows(agent.values)
        return self._rows[key]

    def _answer(self, agent: Agent, asked: Asked) -> bytes | None:
        if agent.manner == "dead":
            return None
        if agent.manner == "garbage":
            return bytes(range(7, 200, 3))
        wide = asked.tag == _BULK and agent.most_rows is not None and asked.third > agent.most_rows
        many = asked.tag == _GET and agent.most_oids is not None and len(asked.oids) > agent.most_oids
        if wide and agent.silent:
            return None
        status = _NO_ACCESS if agent.manner == "refuses" else _TOO_BIG if wide or many else 0
        echoed = [_bind(octets, b"\x05\x00") for octets in asked.oids]
        binds = echoed if status else list(self._binds(agent, asked))
        number = asked.number
        if agent.manner == "other_request":
            number = (int.from_bytes(number) ^ 0x55).to_bytes(len(number))
        answer = response(agent.community, number, status, binds)
        return answer[: len(answer) // 2] if agent.manner == "truncated" else answer

    def _binds(self, agent: Agent, asked: Asked) -> Iterator[bytes]:
        rows = self._rows_of(agent)
        if asked.tag == _GET:
            yield from map(rows.get, asked.oids)
            return
        count = asked.third if asked.tag == _BULK else 1
        for octets in asked.oids:
            if agent.manner == "endless":
                yield from _endless(octets, count)
                continue
            place = rows.after(octets)
            some = rows.binds[place : place + count]
            yield from reversed(some) if agent.manner == "backwards" else some
            if len(some) < count:
                yield _bind(rows.octets[-1] if some else octets, _END_OF_VIEW)


def _endless(octets: bytes, count: int) -> Iterator[bytes]:
    oid = parsed_oid(octets)
    for _ in range(count):
        oid = (*oid, 1) if len(oid) < 20 else (*oid[:-1], oid[-1] + 1)
        yield _bind(oid_octets(oid), value_octets(7))


def response(community: bytes, number: bytes, status: int, binds: Sequence[bytes]) -> bytes:
    """Return a message of version 2c with a response to request `number`."""
    head = tlv(0x02, number) + tlv(0x02, bytes((status,))) + tlv(0x02, bytes((1 if status else 0,)))
    pdu = tlv(_RESPONSE, head + tlv(0x30, b"".join(binds)))
    return tlv(0x30, b"\x02\x01\x01" + tlv(0x04, community) + pdu)


def parsed(data: bytes) -> tuple[bytes, Asked]:
    """Return the community and the request of a message."""
    _, at, _ = _element(data, 0)
    _, _, at = _element(data, at)
    _, begin, end = _element(data, at)
    community = data[begin:end]
    tag, at, _ = _element(data, end)
    numbers = []
    for _ in range(3):
        _, begin, at = _element(data, at)
        numbers.append(data[begin:at])
    _, at, whole = _element(data, at)
    oids = []
    while at < whole:
        _, inner, at = _element(data, at)
        _, begin, end = _element(data, inner)
        oids.append(data[begin:end])
    number, second, third = numbers
    return community, Asked(tag, number, int.from_bytes(second), int.from_bytes(third), tuple(oids))


def _element(data: bytes, at: int) -> tuple[int, int, int]:
    """Return the tag at a place, and where its content begins and ends."""
    size, begin = data[at + 1], at + 2
    if size & 0x80:
        begin += size & 0x7F
        size = int.from_bytes(data[at + 2 : begin])
    return data[at], begin, begin + size


def hosts(count: int, *, first: str = "127.1.0.1") -> list[str]:
    """Return so many addresses of loopback in a row."""
    begin = int(ipaddress.IPv4Address(first))
    return [str(ipaddress.IPv4Address(begin + number)) for number in range(count)]


def main() -> None:
    """Answer from a recording as many devices until killed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--dead", type=int, default=0)
    parser.add_argument(
        "--own-communities", action="store_true", help="each device's community is its address"
    )
    given = parser.parse_args()
    values = read_recording(given.recording)
    alive = given.devices - given.dead
    manners: list[Manner] = ["honest"] * alive + ["dead"] * given.dead
    agents = {
        host: Agent(values, manner, community=host.encode() if given.own_communities else b"public")
        for host, manner in zip(hosts(given.devices), manners, strict=True)
    }
    responder = Responder(agents)
    sys.stdout.write(f"{responder.port}\n")
    sys.stdout.flush()
    responder.run()


if __name__ == "__main__":
    main()
