"""Charts: asked for by hash, drawn by the jobs process, safe whatever a device calls itself."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select
from support.console_sample import HOSTILE, NOW, device_id
from support.people import Person
from support.web import Client

from roadworthy_collector.console import chart_style, charts, drawing
from roadworthy_collector.console.charts import Board, label, phases_data, spec_hash
from roadworthy_collector.jobs.charts import draw_pending
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import write_transaction

SVG = "{http://www.w3.org/2000/svg}"
PHASES = [
    {"name": "firmware", "seconds": 1391.0, "counted": False},
    {"name": "kernel", "seconds": 3.0},
    {"name": "userspace", "seconds": 40.0},
]
DATA: dict[str, dict[str, Any]] = {
    "phases": phases_data([("HQ-1", "43 s", PHASES), (HOSTILE, "43 s", PHASES[1:])]),
    "bins": {
        "title": "number of start-ups",
        "rows": [{"label": "under 15 s", "count": 3}, {"label": "over", "count": 0}],
    },
    "bands": {"series": [{"name": "Processor", "counts": [1] * 10}, {"name": "Memory", "counts": [0] * 10}]},
    "half_hours": {
        "title": "half-hours in Europe/London",
        "since": 1_795_000_200,
        "until": 1_795_100_000,
        "ticks": [(1_795_003_200, "18:00"), (1_795_046_400, "19 Nov")],
        "rows": [
            {"start": 1_795_003_200, "cpu": 0.5, "cpu_p95": None, "memory": 0.25, "open": False},
            {"start": 1_795_005_000, "cpu": None, "cpu_p95": None, "memory": None, "open": False},
            {"start": 1_795_006_800, "cpu": 0.1, "cpu_p95": 0.2, "memory": 0.25, "open": True},
        ],
    },
    "energy_months": {
        "rows": [
            {"label": "2026-04", "kwh": [0.0, 12.5, 90.25, 7.0]},
            {"label": "2026-05", "kwh": [1.0, 0.0, 101.0, 0.0]},
        ]
    },
    "spread": {"rows": [{"label": label(HOSTILE), "total": "1 min, 2 min", "p50": 60.0, "p90": 120.0}]},
}


def _draw(kind: str, width: int = charts.FULL, data: dict[str, Any] | None = None) -> str:
    return drawing.draw({"kind": kind, "width": width, "data": data or DATA[kind]})


def _texts(svg: str) -> list[str]:
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314 - ours


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_few_devices_are_counted_in_whole_numbers(most: int) -> None:
    few = {"series": [{"name": "Processor", "counts": [most] + [0] * 9}]}
    texts = _texts(_draw("bands", data=few))
    assert [text for text in texts if text.isdigit()] == [str(number) for number in range(most + 1)]


@pytest.mark.parametrize("width", [charts.FULL, charts.HALF, charts.NARROW])
@pytest.mark.parametrize("kind", sorted(drawing.KINDS))
def test_every_kind_is_drawn_as_wide_as_asked_for(kind: str, width: int) -> None:
    root = ET.fromstring(_draw(kind, width))  # noqa: S314 - ours
    box = [float(part) for part in root.attrib["viewBox"].split()]
    assert box[2] == pytest.approx(width, abs=1)
    assert box[3] > 40


def test_what_a_device_calls_itself_is_text_and_nothing_else() -> None:
    for kind in ("phases", "spread"):
        svg = _draw(kind)
        tags = {element.tag.removeprefix(SVG) for element in ET.fromstring(svg).iter()}  # noqa: S314 - ours
        assert tags <= {"svg", "style", "defs", "pattern", "rect", "g", "path", "line", "text", "clipPath"}
        assert not any(name.startswith("on") or name.endswith("href") for name in _attributes(svg))
        assert "<img" not in svg
        assert any(text.startswith("<img src=x onerror=alert(1)>") for text in _texts(svg))


@pytest.mark.parametrize("kind", sorted(drawing.KINDS))
def test_the_policy_allows_the_one_style_of_a_chart_and_no_other(kind: str) -> None:
    for width in (charts.FULL, charts.NARROW):
        svg = _draw(kind, width)
        (style,) = re.findall(r"<style>(.*?)</style>", svg)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"style-src 'sha256-{digest}';" in chart_style.POLICY
        assert "style" not in _attributes(svg), "no hash allows a style attribute"


def _attributes(svg: str) -> set[str]:
    return {name.lower() for element in ET.fromstring(svg).iter() for name in element.attrib}  # noqa: S314 - ours


@given(st.text(max_size=200))
def test_any_name_is_drawable(name: str) -> None:
    clean = label(name)
    assert len(clean) <= charts.LABEL_LENGTH
    assert not any(ord(letter) < 32 for letter in clean)
    ET.fromstring(f"<t>{clean.replace('&', '').replace('<', '')}</t>")  # noqa: S314 - ours


def test_suspect_phases_are_hatched_and_do_not_set_the_scale() -> None:
    svg = _draw("phases")
    assert 'fill="url(#hatch)"' in svg
    assert drawing.NOT_COUNTED in _texts(svg)
    numbers = [float(text) for text in _texts(svg) if text.replace(".", "").isdigit()]
    assert max(numbers) < 60, "1,391 suspect seconds must not flatten 43 counted ones"
    assert "url(#hatch)" not in _draw("phases", data=phases_data([("HQ-1", "43 s", PHASES[1:])]))


def test_the_open_half_hour_is_hatched() -> None:
    assert 'fill="url(#hatch)"' in _draw("half_hours")
    closed = {**DATA["half_hours"], "rows": DATA["half_hours"]["rows"][:1]}
    assert "url(#hatch)" not in _draw("half_hours", data=closed).partition("</defs>")[2]


def test_time_marks_are_drawn_as_given() -> None:
    assert {"18:00", "19 Nov"} <= set(_texts(_draw("half_hours")))


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    brighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_of_charts(scheme: str) -> None:
    def seen(colour: str) -> str:
        return chart_style.DARK[colour] if scheme == "dark" else colour

    for text in (chart_style.TEXT, chart_style.MUTED):
        assert _contrast(seen(text), seen(chart_style.CARD)) >= 4.5
    for bar in drawing.PHASE_COLOURS.values():
        assert _contrast(seen(bar), seen(chart_style.CARD)) >= 3.0


def test_the_dark_scheme_covers_every_colour_drawn() -> None:
    for kind in drawing.KINDS:
        drawn = ET.fromstring(_draw(kind))  # noqa: S314 - ours
        colours = {
            value.lower()
            for element in drawn.iter()
            for name, value in element.attrib.items()
            if name in {"fill", "stroke"} and value.startswith("#")
        }
        assert colours <= set(chart_style.DARK), kind


def test_the_hash_is_of_all_it_is_drawn_from() -> None:
    spec = {"drawing": 1, "kind": "bins", "width": 520, "data": {"b": 1, "a": [1, 2]}}
    assert spec_hash(spec) == spec_hash(json.loads(json.dumps(dict(reversed(spec.items())))))
    assert spec_hash(spec) != spec_hash({**spec, "width": 330})


def test_asking_twice_is_asking_once(engine: Engine) -> None:
    def ask(now: float) -> str:
        board = Board()
        figure = board.add("bins", DATA["bins"])
        board.ask(engine, now)
        return figure.wide

    first = ask(1000)
    assert ask(1010) == first
    ask(9000)
    with engine.connect() as connection:
        rows = connection.execute(select(schema.charts.c.asked_at, schema.charts.c.drawn_at)).all()
    assert [tuple(row) for row in rows] == [
        (9000, None)
    ] * 2  # asked for again: not pruned while somebody looks


def test_a_chart_is_drawn_served_and_kept(client: Client, engine: Engine) -> None:
    page = client.get("/startups").text
    address = next(part for part in page.split('"') if part.startswith("/charts/"))
    assert draw_pending(engine) > 0
    assert draw_pending(engine) == 0
    answer = client.get(address)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/svg+xml"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-security-policy"] == chart_style.POLICY
    assert "sandbox" in chart_style.POLICY
    assert answer.text.startswith("<svg")


def test_a_chart_that_cannot_be_drawn_is_tried_once(client: Client, engine: Engine) -> None:
    board = Board()
    figure = board.add("nonsense", {})
    board.ask(engine, 1000)
    assert draw_pending(engine) == 2
    assert draw_pending(engine) == 0
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).where(schema.charts.c.error.like("KeyError%"))) == 2
    assert client.get(figure.wide).status_code == 500


def test_an_undrawn_chart_asks_to_come_back(
    client: Client, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roadworthy_collector.console.routes.CHART_WAIT_SECONDS", 0.0)
    board = Board()
    figure = board.add("bins", DATA["bins"])
    board.ask(engine, 1000)
    answer = client.get(figure.wide)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.headers["cache-control"] == "no-store"
    with write_transaction(engine) as connection:
        connection.execute(schema.charts.update().values(svg="<svg/>", drawn_at=1))
    assert client.get(figure.wide).text == "<svg/>"


@pytest.mark.parametrize("name", ["x.svg", "../../etc/passwd", "0" * 64 + ".png", "0" * 64 + ".svg"])
def test_only_charts_somebody_asked_for_are_served(client: Client, name: str) -> None:
    assert client.get(f"/charts/{name}").status_code == 404


def test_the_serving_process_never_loads_the_drawing_library() -> None:
    code = (
        "import sys, roadworthy_collector.app, roadworthy_collector.jobs.charts;"
        "print([name for name in ('altair', 'vl_convert', 'narwhals', 'swagger_ui') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_chart_of_one_devices_history_is_for_who_may_read_it(client: Client, engine: Engine) -> None:
    """Whoever knows its address, from somebody else's page or the database, is told there is none."""
    board = Board()
    of_one = board.add("half_hours", DATA["half_hours"], device=device_id(0)).wide
    of_all = board.add("bins", DATA["bins"]).wide
    board.ask(engine, NOW)
    with write_transaction(engine) as connection:
        connection.execute(schema.charts.update().values(svg="<svg/>", drawn_at=int(NOW)))
        for name in ("Here", "Elsewhere"):
            connection.execute(schema.units.insert().values(name=name, valid_from=0))
        here = select(schema.units.c.id).where(schema.units.c.name == "Here").scalar_subquery()
        of_it = schema.devices.c.device_id == device_id(0)
        connection.execute(schema.devices.update().where(of_it).values(unit=here))
    readers = {
        name: Person(engine, name, role, units, NOW)
        for name, role, units in (
            ("viewer", "viewer", None),
            ("desk", "service_desk", None),
            ("desk-here", "service_desk", ["Here"]),
            ("desk-elsewhere", "service_desk", ["Elsewhere"]),
        )
    }
    told = {name: client.get(of_one, **one.cookie).status_code for name, one in readers.items()}
    assert told == {"viewer": 404, "desk": 200, "desk-here": 200, "desk-elsewhere": 404}
    assert {client.get(of_all, **one.cookie).status_code for one in readers.values()} == {200}
