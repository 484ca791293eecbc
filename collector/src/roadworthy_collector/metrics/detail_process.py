"""The process that holds and renders the device detail: `python -m roadworthy_collector.metrics.detail_process`.

`serve` starts it (metrics/detail.py) and speaks with it in lines of JSON over its standard input and output: first
where the database is, then a request a line; each answer is a line that says how many bytes follow. It ends when its
input does, in the middle of work too: that is how it goes down with a parent that was killed outright.
"""

from __future__ import annotations

import gc
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import cramjam
import msgspec
from sqlalchemy import Engine, make_url
from sqlalchemy.exc import SQLAlchemyError

from roadworthy_collector.errors import StoreError
from roadworthy_collector.metrics.shards import Shards
from roadworthy_collector.store.engine import Database, open_engine
from roadworthy_collector.store.queries.console import is_simulated

SIMULATED_MARK = b"# SIMULATED IT ESTATE: every device and figure here is made up\n"
# Looking at every device takes a fifth of a second for 100,000, so it is done at most this share of the time: a
# small IT estate is looked at for each scrape, a large one every few seconds.
_LOOKING_RATIO = 0.05
LOOK_SECONDS = 15.0


class Hello(msgspec.Struct):
    """The first line: `database` is a path, or a URL with its password, which is why it is no argument."""

    database: str
    is_url: bool
    interval_seconds: int


class Wanted(msgspec.Struct):
    """A request: one shard at `now` (UTC epoch seconds), of the units in `scope` if it names any."""

    shard: int
    shards: int
    now: float
    gzip: bool = False
    scope: frozenset[int] | None = None


class Told(msgspec.Struct):
    """The line before an answer's bytes; with `error` there are none."""

    body_bytes: int = 0
    plain_bytes: int = 0  # before compression
    seconds: float = 0.0  # worked on this answer
    age_seconds: float = 0.0  # since the devices were last looked at
    cpu_seconds: float = 0.0  # of the process, since its start
    resident_bytes: int | None = None
    error: str | None = None


class Detail:
    """Answers requests from `engine`'s database."""

    def __init__(
        self, engine: Engine, *, interval_seconds: int, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._shards = Shards(engine, interval_seconds=interval_seconds)
        self._monotonic = monotonic
        self._simulated = False
        self._looked: float | None = None
        self._look_seconds = 0.0

    def answer(self, wanted: Wanted) -> tuple[Told, list[bytes]]:
        """Return the answer's pieces and what is told of them; raises SQLAlchemyError."""
        began = self._monotonic()
        self._look(wanted.now)
        pieces = self._shards.render(wanted.shard, wanted.shards, now=wanted.now, scope=wanted.scope)
        if self._simulated:
            pieces.insert(0, SIMULATED_MARK)
        plain_bytes = sum(map(len, pieces))
        if wanted.gzip:
            pieces = compressed(pieces)
        ended = self._monotonic()
        return Told(
            body_bytes=sum(map(len, pieces)),
            plain_bytes=plain_bytes,
            seconds=ended - began,
            age_seconds=ended - (began if self._looked is None else self._looked),
            cpu_seconds=time.process_time(),
            resident_bytes=resident_bytes(),
        ), pieces

    def _look(self, now: float) -> None:
        """Look at the devices, unless that was lately."""
        began = self._monotonic()
        enough = min(LOOK_SECONDS, self._look_seconds / _LOOKING_RATIO)
        if self._looked is not None and began - self._looked < enough:
            return
        with self._engine.connect() as connection:
            self._simulated = is_simulated(connection)
        self._shards.look(now)
        self._looked = began
        self._look_seconds = self._monotonic() - began


def compressed(pieces: list[bytes]) -> list[bytes]:
    """Return `pieces` as one gzip file, fast rather than small; twice as fast as the standard library's level 1."""
    gzip = cramjam.gzip.Compressor(level=1)
    for piece in pieces:
        gzip.compress(piece)
    return [bytes(gzip.finish())]


def resident_bytes() -> int | None:
    """Return how much memory this process holds, None where the system has no /proc."""
    if sys.platform == "win32":
        return None
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def run(incoming: BinaryIO, outgoing: BinaryIO) -> None:
    """Answer requests until `incoming` ends, and then end the process."""
    hello = msgspec.json.decode(incoming.readline(), type=Hello)
    requests: queue.SimpleQueue[Wanted] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(incoming, requests), daemon=True).start()
    detail: Detail | None = None
    while True:
        wanted = requests.get()
        try:
            if detail is None:
                engine = open_engine(_database(hello), read_only=True)
                detail = Detail(engine, interval_seconds=hello.interval_seconds)
            told, pieces = detail.answer(wanted)
        except (SQLAlchemyError, StoreError) as error:
            told, pieces = Told(error=f"{type(error).__name__}: {error}".splitlines()[0]), []
        outgoing.writelines((msgspec.json.encode(told), b"\n", *pieces))
        outgoing.flush()
        if told.age_seconds <= told.seconds:
            # A million lines of text take half a second to be searched for cycles, and are in none: after a look
            # what is new is searched, and all that is left then no more.
            gc.collect()
            gc.freeze()


def _receive(incoming: BinaryIO, requests: queue.SimpleQueue[Wanted]) -> None:
    """Hand on what is asked; at its end nobody is there any more who could be answered."""
    for line in incoming:
        requests.put(msgspec.json.decode(line, type=Wanted))
    os._exit(0)


def _database(hello: Hello) -> Database:
    return make_url(hello.database) if hello.is_url else Path(hello.database)


def main() -> None:
    """Speak over standard input and output; whatever else is printed goes to the log."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # a terminal's Ctrl-C is for the parent, which then ends this one
    gc.disable()
    with os.fdopen(os.dup(1), "wb") as outgoing:
        os.dup2(2, 1)
        try:
            run(sys.stdin.buffer, outgoing)
        except BrokenPipeError:
            os._exit(0)  # the parent is gone


if __name__ == "__main__":
    main()
