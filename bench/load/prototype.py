"""The least that takes reports durably: what the goals of ingest were measured with, to be run beside the product.

    python bench/load/prototype.py PORT DATABASE FLEET

FastAPI with the raw body, SHA-256 of the token, msgspec, and one thread that commits whatever waits into SQLite in WAL
mode with synchronous=FULL. It checks no item, keeps no facts, start-ups, sign-ins, states or sources, rates nobody,
knows no clones, rolls up nothing.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import queue
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from fastapi import FastAPI, Request, Response

ANSWER = b'{"received":0,"accepted":0,"rejected":[],"next_call":900,"server_time":1790000000.0}'
_TABLES = """
PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
CREATE TABLE now (device TEXT PRIMARY KEY, at REAL, content BLOB);
CREATE TABLE periods (device TEXT, start INTEGER, content BLOB, PRIMARY KEY (device, start));
"""
_waiting: queue.SimpleQueue[tuple[dict[str, Any], asyncio.Future[None]]] = queue.SimpleQueue()


def write(database: str, loop: asyncio.AbstractEventLoop) -> None:
    """Commit what waits, again and again."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.executescript(_TABLES)
    while True:
        group = [_waiting.get()]
        while not _waiting.empty() and len(group) < 256:
            group.append(_waiting.get_nowait())
        encode = msgspec.json.encode
        nows = [(one["device_id"], one["sent_at"], encode(one.get("now"))) for one, _ in group]
        periods = [
            (one["device_id"], p["start"], encode(p)) for one, _ in group for p in one.get("periods", ())
        ]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT OR REPLACE INTO now VALUES (?, ?, ?)", nows)
        connection.executemany("INSERT OR IGNORE INTO periods VALUES (?, ?, ?)", periods)
        connection.execute("COMMIT")
        loop.call_soon_threadsafe(lambda done=[f for _, f in group]: [f.set_result(None) for f in done])  # type: ignore[misc] # a list for its effects


def application(database: str, tokens: dict[str, str]) -> FastAPI:
    """Return the application; `tokens` is {SHA-256 of a token: device id}."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        threading.Thread(target=write, args=(database, loop), daemon=True).start()
        yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/api/v1/reports")
    async def take(request: Request) -> Response:
        token = request.headers["authorization"].removeprefix("Bearer ")
        device_id = tokens[hashlib.sha256(token.encode()).hexdigest()]
        report = msgspec.json.decode(gzip.decompress(await request.body()))
        assert report["device_id"] == device_id
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        _waiting.put((report, done))
        await done
        return Response(ANSWER, media_type="application/json")

    return app


if __name__ == "__main__":
    members = [line.split() for line in Path(sys.argv[3]).read_text("ascii").splitlines()]
    known = {hashlib.sha256(token.encode()).hexdigest(): device_id for device_id, token in members}
    uvicorn.run(application(sys.argv[2], known), port=int(sys.argv[1]), log_level="warning", access_log=False)
