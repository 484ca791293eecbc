"""What is made ready beforehand: after the process answers, off the event loop, and never silently in vain."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import wait_until
from support.estates import Estate

from roadworthy_collector import app
from roadworthy_collector.app import create_app
from roadworthy_collector.console.view import templates
from roadworthy_collector.settings import Settings
from roadworthy_collector.warming import Warming


def test_the_loop_answers_while_a_piece_is_made() -> None:
    going, done = threading.Event(), threading.Event()

    def pieces() -> Iterator[float]:
        going.set()
        assert done.wait(30)  # set by the loop, which a piece in the loop would never let come to it
        yield 0.0

    async def serve() -> None:
        warming = Warming(pieces, first_seconds=0)
        warming.begin()
        await asyncio.to_thread(going.wait, 30)
        done.set()
        await warming.end()

    asyncio.run(serve())


def test_the_end_makes_no_other_piece() -> None:
    made: list[int] = []
    first = threading.Event()

    def pieces() -> Iterator[float]:
        for number in range(1000):
            made.append(number)
            first.set()
            yield 0.0

    async def serve() -> None:
        # The rest after a piece is as long as it took: an hour by this clock.
        clock = iter(range(0, 10_000_000, 3600))
        warming = Warming(pieces, first_seconds=0, monotonic=lambda: float(next(clock)))
        warming.begin()
        await asyncio.to_thread(first.wait, 30)
        await warming.end()

    asyncio.run(serve())
    assert made == [0]


def test_a_piece_says_how_long_to_rest_at_least() -> None:
    made: list[str] = []
    first = threading.Event()

    def pieces() -> Iterator[float]:
        made.append("templates")
        first.set()
        yield 3600.0
        made.append("document")
        yield 0.0

    async def serve() -> None:
        warming = Warming(pieces, first_seconds=0)
        warming.begin()
        await asyncio.to_thread(first.wait, 30)
        await warming.end()

    asyncio.run(serve())
    assert made == ["templates"]


def test_a_failure_is_said(caplog: pytest.LogCaptureFixture) -> None:
    failing = threading.Event()

    def pieces() -> Iterator[float]:
        yield 0.0
        failing.set()
        message = "a template is gone"
        raise OSError(message)

    async def serve() -> None:
        warming = Warming(pieces, first_seconds=0)
        warming.begin()
        await asyncio.to_thread(failing.wait, 30)
        await warming.end()

    with caplog.at_level(logging.ERROR):
        asyncio.run(asyncio.wait_for(serve(), 30))
    (record,) = caplog.records
    assert "a template is gone" in record.getMessage()
    assert record.exc_info is not None


def test_one_that_never_began_ends() -> None:
    asyncio.run(Warming(lambda: ()).end())


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_a_collector_makes_its_templates_and_its_document(
    estate: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "DOCUMENT_AFTER_SECONDS", 0.0)
    collector = create_app(Settings(data=tmp_path), estate.engine)
    api = collector._app._app._rest  # type: ignore[attr-defined] # as no request reaches it
    templates.cache_clear()

    async def serve() -> None:
        collector.warming.begin()
        await asyncio.to_thread(wait_until, lambda: api.openapi_schema is not None, timeout=60)
        await collector.warming.end()

    asyncio.run(serve())
    environment = templates()
    assert environment.cache is not None
    assert {name for _, name in environment.cache} == set(environment.list_templates())  # type: ignore[misc] # pairs
