"""The grid's carbon intensity: asked only where it is switched on, of answers as recorded, and shown as now or not at all."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from support import free_port
from support.estates import NOW, Estate
from support.people import Person
from support.web import client_of

from roadworthy_collector.carbon import intensity, settings_edition
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.metrics import intensity as gauge
from roadworthy_collector.store.engine import write_transaction

ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
START = int(NOW) // 1800 * 1800


def stamp(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(at))


def period(start: int = START, **told: Any) -> dict[str, Any]:
    figures = {"forecast": 266, "actual": 263, "index": "moderate"} | told
    return {"from": stamp(start), "to": stamp(start + 1800), "intensity": figures}


# As the source's documentation shows them, with the comma its regional example lacks.
def national(*periods: dict[str, Any]) -> dict[str, Any]:
    return {"data": list(periods)}


def regional() -> dict[str, Any]:
    one = period() | {"intensity": {"forecast": 190, "index": "low"}}
    mix = [{"fuel": "gas", "perc": 43.6}, {"fuel": "wind", "perc": 12.1}]
    names = {"regionid": 13, "dnoregion": "UKPN London", "shortname": "London"}
    return {"data": [names | {"data": [one | {"generationmix": mix}]}]}


class Source:
    """A server that answers what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status, self.body, self.pause = 200, b"", threading.Event()
        self.slow = False
        source = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                source.asked.append(self.path)
                self.send_response(source.status)
                self.end_headers()
                self.wfile.write(source.body)
                while source.slow and not source.pause.wait(0.02):
                    self.wfile.write(b" ")

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def tells(self, content: Any, status: int = 200) -> None:
        self.status, self.body = status, json.dumps(content).encode()

    def close(self) -> None:
        self.pause.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def source() -> Iterator[Source]:
    found = Source()
    yield found
    found.close()


def switch(estate: Estate, text: str = "[grid_intensity]\nfetch = true") -> None:
    with write_transaction(estate.engine) as connection:
        settings_edition.save(connection, text, actor="pam", now=int(NOW))


def refresh(estate: Estate, source: Source, now: float = NOW, **values: Any) -> int:
    work = Work(estate.engine, estate.settings(), clock=lambda: now, rests=False)
    return intensity.refresh(work, address=source.address, **values)


def told(estate: Estate, now: float = NOW) -> dict[str, Any]:
    with estate.engine.connect() as connection:
        return intensity.told(connection, now)


def test_it_is_off_until_the_settings_say_otherwise(estate: Estate, source: Source) -> None:
    source.tells(national(period()))
    assert refresh(estate, source) == 0
    assert source.asked == []
    assert "switched off" in told(estate)["why"]
    switch(estate)
    assert told(estate)["why"] == "not asked yet"
    assert refresh(estate, source) == 1
    assert source.asked == ["/intensity"]
    found = told(estate)
    assert (found["gco2_per_kwh"], found["forecast"], found["place"]) == (263, False, "Great Britain")
    assert "CC BY 4.0" in found["credit"]
    assert refresh(estate, source) == 0  # once a half-hour
    assert source.asked == ["/intensity"]
    with estate.engine.connect() as connection:
        text = gauge.render(gauge.read(connection, NOW))
        assert 'roadworthy_grid_intensity_kgco2_per_kwh{place="Great Britain"} 0.263' in text
        assert gauge.render(gauge.read(connection, NOW + 7200)) == ""  # over: no sample, never an old one
    assert "is over" in told(estate, NOW + 7200)["why"]
    switch(estate, "[grid_intensity]\nfetch = false")
    assert refresh(estate, source, NOW + 3600) == 0
    assert "switched off" in told(estate)["why"]
    switch(estate)
    assert told(estate)["why"] == "not asked yet"  # what was held went with it


def test_a_period_without_an_actual_figure_is_a_forecast(estate: Estate, source: Source) -> None:
    switch(estate)
    source.tells(national(period(START - 1800, actual=250), period(actual=None)))
    refresh(estate, source)
    found = told(estate)
    assert (found["gco2_per_kwh"], found["forecast"], found["since"]) == (266, True, START)


@ONE_STORE
def test_a_region_is_asked_for_by_its_number(estate: Estate, source: Source) -> None:
    switch(estate, "[grid_intensity]\nfetch = true\nregion = 13")
    source.tells(regional())
    refresh(estate, source)
    assert source.asked == ["/regional/regionid/13"]
    found = told(estate)
    assert (found["gco2_per_kwh"], found["forecast"], found["place"], found["index"]) == (
        190,
        True,
        "London",
        "low",
    )


@ONE_STORE
@pytest.mark.parametrize(
    ("content", "status", "says"),
    [
        ({"error": {"code": "400 Bad Request", "message": "a bad date"}}, 400, "answered 400: a bad date"),
        ("nothing", 503, "answered 503"),
        ("nothing", 200, "not of the shape"),
        ({"data": []}, 200, "nothing of this half-hour"),
        (national(period(START - 86_400)), 200, "nothing of this half-hour"),
        (national(period(forecast=None, actual=None)), 200, "neither an actual figure nor a forecast"),
        (national(period(actual=90_000)), 200, "which no grid emits"),
        (national(period(actual="263")), 200, "not of the shape"),
        (national(period() | {"to": "soon"}), 200, "not of the shape"),
        (national(period() | {"to": stamp(START + 86_400)}), 200, "no half-hour"),
        ({"data": [], "rest": "x" * 70_000}, 200, "more than 65,536 bytes"),
        ("", 302, "answered 302"),
    ],
)
def test_what_cannot_be_had_leaves_no_figure_and_its_reason(
    estate: Estate, source: Source, content: Any, status: int, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    switch(estate)
    source.tells(content, status)
    with caplog.at_level(logging.INFO):
        assert refresh(estate, source) == 0
        assert refresh(estate, source, NOW + 300) == 0  # not asked again so soon
        assert refresh(estate, source, NOW + 901) == 0
    assert len(source.asked) == 2
    found = told(estate)
    assert found["gco2_per_kwh"] is None
    assert says in found["why"]
    assert sum("cannot be had" in record.message for record in caplog.records) == 1  # said once
    source.tells(national(period()))
    with caplog.at_level(logging.INFO):
        assert refresh(estate, source, NOW + 1803) == 1
    assert "told again" in caplog.text


@ONE_STORE
def test_without_a_way_out_it_is_no_failed_job(estate: Estate, source: Source) -> None:
    switch(estate)
    work = Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False)
    assert intensity.refresh(work, address=f"http://127.0.0.1:{free_port()}") == 0
    assert "ConnectError" in told(estate)["why"]


@ONE_STORE
def test_an_answer_that_drips_ends(estate: Estate, source: Source) -> None:
    switch(estate)
    source.tells(national(period()))
    source.slow = True
    clock = iter(range(0, 100_000, 4))
    assert refresh(estate, source, monotonic=lambda: float(next(clock))) == 0
    assert "took longer than 15 s" in told(estate)["why"]


@ONE_STORE
def test_the_about_page_and_the_api_show_it_with_its_credit(estate: Estate, source: Source) -> None:
    vera = Person(estate.engine, "vera", "viewer")
    client = client_of(estate.engine, estate.path.parent, NOW)
    assert "The grid now" not in client.get("/about", **vera.cookie).text
    switch(estate)
    source.tells(national(period()))
    refresh(estate, source)
    page = client.get("/about", **vera.cookie).text
    assert "263 gCO2 per kWh (actual, moderate), Great Britain" in page
    assert "CC BY 4.0" in page
    assert client.get("/api/v1/carbon/intensity", **vera.bearer).json()["gco2_per_kwh"] == 263
    client.close()
