"""Bombs, broken bodies and noise over real connections, while good agents report: they notice nothing of it."""

from __future__ import annotations

import gzip
import itertools
import json
import random
import secrets
import socket
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
from collector.conftest import STORES
from collector.ingest.samples import recorded
from faults.clients import Load
from faults.collector import FULL, Collector, prepared, sized
from faults.test_killed import require_balance
from load.fleet import Member
from sqlalchemy import URL

ENROLLED = 4  # hostile devices, each with a connection at a time
STRANGERS = 4
ROUNDS = sized(4, 40)  # of every kind, by each of them
GOOD_DEVICES = 396
MEANWHILE = sized(200, 2000)  # reports of good agents
MEMORY_BYTES = 250 * 1024 * 1024
BOMB_BYTES = 64 * 1024 * 1024  # of zeros: eight times what a report may be, in 64 kB
LARGE_BYTES = 3 * 1024 * 1024  # three times what a body may be
HOST = "Host: 127.0.0.1\r\n"
JSON_GZIP = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n"
# No answer is 0: a connection may be reset while what nobody wants is still being sent, or ends with what was sent.
TO_ENROLLED = {0, 200, 400, 403, 413, 429}
TO_STRANGERS = {0, 400, 401, 413}  # 400 to what is no HTTP


Seen = Counter[tuple[str, int]]  # by kind and status


class Shot(NamedTuple):
    """What is sent on one connection; `whole` if it is a request, whatever is in its body."""

    kind: str
    data: bytes
    whole: bool = True


def posted(token: str | None, body: bytes, *heads: str, length: int | None = None) -> bytes:
    """Return a report's request; `length` where it claims another one than its body has, -1 for none."""
    lines = [
        "POST /api/v1/reports HTTP/1.1\r\nConnection: close\r\n",
        HOST,
        *((f"Authorization: Bearer {token}\r\n",) if token else ()),
        *heads,
        "" if length == -1 else f"Content-Length: {len(body) if length is None else length}\r\n",
        "\r\n",
    ]
    return "".join(lines).encode() + body


class Arsenal:
    """What all of them send, made once: a bomb takes half a second to make."""

    def __init__(self) -> None:
        self.bomb = gzip.compress(bytes(BOMB_BYTES), 9)
        self.nested = gzip.compress(self.bomb, 9)
        self.report = recorded("full")

    def shots(self, dice: random.Random, member: Member, token: str | None) -> list[Shot]:
        """Return one of every kind, in the name of a device."""
        good = json.dumps({**self.report, "device_id": member.device_id}).encode()
        packed = gzip.compress(good, 6)
        changed = bytearray(good)
        for _ in range(3):
            changed[dice.randrange(len(good))] = dice.randrange(256)
        noise, cut = dice.randbytes(dice.randrange(1, 2000)), dice.randrange(1, len(packed))
        chunked = "Transfer-Encoding: chunked\r\n"
        return [
            Shot("bomb", posted(token, self.bomb, JSON_GZIP)),
            Shot("nested", posted(token, self.nested, JSON_GZIP)),
            Shot("bomb behind a report", posted(token, packed + self.bomb, JSON_GZIP)),
            Shot("cut", posted(token, packed[:cut], JSON_GZIP)),
            Shot("random gzip", posted(token, noise, JSON_GZIP)),
            Shot("random", posted(token, noise)),
            Shot("changed", posted(token, bytes(changed))),
            Shot("large", posted(token, dice.randbytes(LARGE_BYTES))),
            Shot("broken chunks", posted(token, b"ffz\r\n" + noise, chunked, length=-1), whole=False),
            Shot("large chunk", posted(token, b"7fffffff\r\n" + noise, chunked, length=-1), whole=False),
            Shot("too short", posted(token, packed[:cut], JSON_GZIP, length=len(packed)), whole=False),
            Shot("too long", posted(token, packed + noise, JSON_GZIP, length=len(packed)), whole=False),
            Shot("no length", posted(token, good, length=-1), whole=False),
            Shot("two lengths", posted(token, good, "Content-Length: 7\r\n"), whole=False),
            Shot("negative", posted(token, good, "Content-Length: -1\r\n", length=-1), whole=False),
            Shot("noise", noise, whole=False),
            Shot("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + noise, whole=False),
        ]


def answered(port: int, shot: Shot) -> int:
    """Send it on a connection of its own and return the status it is answered, 0 for none."""
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        try:
            connection.sendall(shot.data)
            if not shot.whole:  # nothing more will come, or it would be waited for
                connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65_536):
                said += part
        except (ConnectionResetError, BrokenPipeError):
            pass
    return int(said[9:12]) if said.startswith(b"HTTP/1.1 ") else 0


def attack(
    port: int,
    arsenal: Arsenal,
    member: Member,
    token: Callable[[], str | None],
    seed: int,
    enough: threading.Event,
) -> Seen:
    """Send every kind in every order, ROUNDS times and until it is enough; return how often each was answered what."""
    dice, seen = random.Random(seed), Seen()  # noqa: S311 - the same shots each time
    for number in itertools.count():
        if number >= ROUNDS and enough.is_set():
            break
        shots = arsenal.shots(dice, member, token())
        dice.shuffle(shots)
        seen.update((shot.kind, answered(port, shot)) for shot in shots)
    return seen


def made_up_token() -> str | None:
    """Return what somebody makes up: nothing, or a token of the right form."""
    made_up = f"rw1_{secrets.token_hex(8)}_{secrets.token_urlsafe(32)}"
    return secrets.choice((None, "rw1_", made_up))


def attacks(collector: Collector, hostile: list[Member], enough: threading.Event) -> list[Callable[[], Seen]]:
    """Return what enrolled devices do, and after them what strangers do in the name of a good one."""
    arsenal, port, good = Arsenal(), collector.port, collector.fleet[0]

    def enrolled(number: int) -> Callable[[], Seen]:
        member = hostile[number]
        return lambda: attack(port, arsenal, member, lambda: member.token, number, enough)

    def stranger(number: int) -> Callable[[], Seen]:
        return lambda: attack(port, arsenal, good, made_up_token, 100 + number, enough)

    return [*map(enrolled, range(ENROLLED)), *map(stranger, range(STRANGERS))]


def require_answers(seen: Seen, usual: set[int], **sure: int) -> None:
    """Compare what was answered with what may be; `sure` are kinds that were answered this as well."""
    assert {status for _, status in seen} <= usual, seen
    for kind, status in sure.items():
        assert seen[kind, status], (kind, seen)


@pytest.mark.parametrize("store", STORES if FULL else STORES[:1], indirect=True)
def test_good_agents_are_served_while_others_send_bombs_and_noise(tmp_path: Path, store: URL | None) -> None:
    enough = threading.Event()
    with prepared(tmp_path, store, devices=GOOD_DEVICES + ENROLLED) as collector:
        hostile = collector.fleet[GOOD_DEVICES:]
        del collector.fleet[GOOD_DEVICES:]
        with Load(collector) as load, ThreadPoolExecutor(ENROLLED + STRANGERS) as pool:
            process = collector.start()
            load.wait_more(100)
            before = process.memory_info().rss
            try:
                running = [pool.submit(one) for one in attacks(collector, hostile, enough)]
                load.wait_more(MEANWHILE)
            finally:
                enough.set()
            found = [one.result() for one in running]
            assert process.memory_info().rss < before + MEMORY_BYTES
            load.wait_more(100)
            collector.wait_ready()
            assert collector.page().status == 200
            require_balance(collector, load, least=MEANWHILE + 200)
        said = collector.said()
        assert "Traceback" not in said
        assert (
            1 <= said.count("Invalid HTTP request") <= 3
        )  # one line a minute: any stranger could fill the log
        by_devices, by_strangers = (sum(some, Seen()) for some in (found[:ENROLLED], found[ENROLLED:]))
        require_answers(by_devices, TO_ENROLLED, bomb=413, nested=400, cut=400, random=400, noise=400)
        require_answers(by_strangers, TO_STRANGERS, bomb=401, nested=401, cut=401, random=401, noise=400)
