"""Readings of smart plugs: imported, laid over the ledger, taught to siblings, shown, undone and erased."""

from __future__ import annotations

import datetime as dt
import importlib.util
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from support.estates import Estate
from support.people import Person
from support.web import Client, client_of
from typer.testing import CliRunner

from roadworthy_collector.books import batches as book_batches
from roadworthy_collector.carbon import (
    energy,
    energy_day_shown,
    pack_files,
    pack_verify,
    plug_fits,
    plug_import,
    plug_store,
)
from roadworthy_collector.carbon import estate as ledger
from roadworthy_collector.carbon.energy_day_shown import Asked
from roadworthy_collector.carbon.estate import parse_period
from roadworthy_collector.cli import app
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.security import erasure
from roadworthy_collector.store import schema
from roadworthy_collector.store.carbon_schema import energy_devices
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.upgrade import make_ready
from roadworthy_inventory.calendar import local_day
from roadworthy_inventory.carbon.ledger import QUALITIES
from roadworthy_inventory.carbon.plug_file import How

ZONE = "Europe/London"
NOW = dt.datetime(2026, 6, 10, 12, tzinfo=dt.UTC).timestamp()
TODAY = dt.date(2026, 6, 10)
KWH = 3_600_000
ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
V1 = "/api/v1/carbon/calibration"
PAGE = Path(__file__).parents[3] / "docs" / "reports" / "energy.md"


def device(held: Estate, name: str, **values: Any) -> int:
    enrolled = int(dt.datetime(2026, 5, 1, tzinfo=dt.UTC).timestamp())
    told: dict[str, Any] = {
        "device_class": "desktop",
        "model": "OptiPlex",
        "hostname": name,
        "enrolled_at": enrolled,
    }
    return held.device(**told | values)


def told(held: Estate, device: int, day: dt.date, in_use_hours: int) -> None:
    """Put a local day: some hours in use, the rest off."""
    span = local_day(day, ZONE)
    spent = in_use_hours * 3600
    held.put(
        schema.local_days,
        date=day.isoformat(),
        start=span.start,
        half_hours=span.periods,
        device=device,
        site=held.site("HQ"),
        unit=held.unit("IT"),
        periods=span.periods,
        startups=0,
        observed_seconds=spent,
        in_use_seconds=spent,
        idle_seconds=0,
        locked_seconds=0,
        asleep_seconds=0,
        off_seconds=span.seconds - spent,
        unobserved_seconds=0,
    )


def bring(
    held: Estate, text: str, *, dry_run: bool = False, later: int = 0, **how: Any
) -> plug_import.Outcome:
    choices = plug_import.Choices(how=How(**how), dry_run=dry_run)
    stream = io.BytesIO(text.encode())
    return plug_import.import_file(
        held.engine, stream, "plugs.csv", choices, actor="sue", now=int(NOW) + later, on=TODAY
    )


def make(held: Estate, later: int = 60) -> None:
    work = Work(held.engine, held.settings(), clock=lambda: NOW + later, rests=False)
    while energy.refresh(work):
        pass


def of_devices(held: Estate) -> dict[int, Any]:
    with held.engine.connect() as connection:
        query = select(energy_devices).where(energy_devices.c.month == "2026-05-01")
        return {row.device: row for row in connection.execute(query)}


def ledger_total(held: Estate) -> Any:
    with held.engine.connect() as connection:
        return ledger.read(connection, parse_period("2026-05")).total


def held_days(held: Estate) -> dict[int, plug_store.Days]:
    with held.engine.connect() as connection:
        return plug_store.read(connection)


def test_a_metered_day_replaces_the_model_even_where_the_agent_was_silent(estate: Estate) -> None:
    one, other = device(estate, "pc-1"), device(estate, "pc-2")
    for number in (one, other):
        told(estate, number, dt.date(2026, 5, 1), 8)
        told(estate, number, dt.date(2026, 5, 2), 8)
    make(estate)
    before = of_devices(estate)
    tried = bring(estate, "Host name,Date,kWh\nPC-1,2026-05-01,0.5\nPC-1,2026-05-09,0.25\n", dry_run=True)
    assert (tried.batch, tried.new, held_days(estate)) == (None, 2, {})
    done = bring(
        estate, "Host name,Date,kWh\nPC-1,2026-05-01,0.5\nPC-1,2026-05-09,0.25\nPC-9,2026-05-01,1\n", later=90
    )
    assert (done.devices, done.new, done.joules) == (1, 2, 0.75 * KWH)
    assert done.corrections is not None
    assert "PC-9" in done.corrections
    make(estate, 120)
    after = of_devices(estate)
    assert after[one].metered_joules == 0.75 * KWH
    assert after[one].modelled_joules == before[one].modelled_joules // 2
    assert after[one].days == before[one].days + 1
    assert after[one].unknown_seconds == before[one].unknown_seconds - 86_400
    assert after[other] == before[other]
    with estate.engine.connect() as connection:
        whole = ledger.read(connection, parse_period("2026-05")).total
    assert whole.kwh_of("metered") == 0.75
    assert whole.days == 5


def test_a_later_file_gives_way_again_when_it_is_undone(estate: Estate) -> None:
    one = device(estate, "pc-1")
    told(estate, one, dt.date(2026, 5, 1), 8)
    first = bring(estate, "Host,Date,kWh\npc-1,2026-05-01,0.5\n")
    assert bring(estate, "Host,Date,kWh\npc-1,2026-05-01,0.5\n").already == first.batch
    second = bring(estate, "Host,Date,kWh\npc-1,2026-05-01,0.7\npc-1,2026-05-02,0.1\n")
    assert (second.new, second.changed) == (1, 1)
    assert held_days(estate)[one][dt.date(2026, 5, 1)] == 0.7 * KWH
    assert second.batch is not None
    with pytest.raises(book_batches.BatchError, match="calibration undo"):
        book_batches.undo(estate.engine, second.batch, actor="sue", now=NOW)
    undone = plug_import.undo(estate.engine, second.batch, actor="sue", now=int(NOW))
    assert (undone.devices, undone.days) == (1, 2)
    assert held_days(estate) == {one: {dt.date(2026, 5, 1): KWH // 2}}
    with pytest.raises(book_batches.BatchError):
        plug_import.undo(estate.engine, second.batch, actor="sue", now=int(NOW))
    with pytest.raises(NotFoundError):
        plug_import.undo(estate.engine, 999, actor="sue", now=int(NOW))
    assert first.batch is not None
    plug_import.undo(estate.engine, first.batch, actor="sue", now=int(NOW))
    assert held_days(estate) == {}


def test_what_a_plug_told_goes_with_its_device(estate: Estate) -> None:
    one, other = device(estate, "pc-1"), device(estate, "pc-2")
    bring(estate, "Host,Date,kWh\npc-1,2026-05-01,0.5\npc-2,2026-05-01,0.5\n")
    with write_transaction(estate.engine) as connection:
        name = connection.scalar(select(schema.devices.c.device_id).where(schema.devices.c.id == one))
        assert name is not None
        erasure.begin(connection, name, reason="a request", now=int(NOW))
    assert bring(estate, "Host,Date,kWh\npc-1,2026-05-02,0.5\n").new == 1  # known of, and not written
    with write_transaction(estate.engine) as connection:
        assert erasure.finish(connection, one, now=NOW + 60, zone=ZONE)
    assert list(held_days(estate)) == [other]


def example(held: Estate, first: dt.date = dt.date(2026, 5, 1)) -> tuple[list[int], int]:
    """Three desktops with a plug over eight days, a fourth without; a plug sees 80 % of the model and 6 W more."""
    taught = [device(held, f"pc-{number}") for number in range(3)]
    sibling = device(held, "pc-9")
    rows = []
    for at in range(8):
        day = first + dt.timedelta(days=at)
        for number, one in enumerate(taught):
            told(held, one, day, 4 + at % 5)
            watts = (33 * (4 + at % 5) + 1 * (20 - at % 5)) / 24  # as the model says
            rows.append(f"pc-{number},{day},{(6 + 0.8 * watts + (number - 1)) * 24 / 1000:.6f}")
        told(held, sibling, day, 6)
    assert bring(held, "\n".join(["Host,Date,kWh", *rows])).new == 24
    return taught, sibling


@ONE_STORE
def test_a_line_from_three_devices_corrects_their_sibling_as_the_docs_say(estate: Estate) -> None:
    _, sibling = example(estate)
    with write_transaction(estate.engine) as connection:  # as if nobody had metered
        hidden = connection.execute(update(schema.sites).values(restricted=True))
        assert hidden.rowcount
    make(estate)
    before = of_devices(estate)[sibling]
    with write_transaction(estate.engine) as connection:
        connection.execute(update(schema.sites).values(restricted=False))
    make(estate, 120)
    after = of_devices(estate)[sibling]
    with estate.engine.connect() as connection:
        found = plug_fits.held(connection)
    assert found is not None
    (line,) = [one for one in found[2] if one["used"]]
    assert (line["model"], line["devices"], line["days"]) == ("OptiPlex", 3, 24)
    assert line["slope"] == pytest.approx(0.8, abs=0.001)
    assert line["intercept_watts"] == pytest.approx(6, abs=0.01)

    def shown(row: Any) -> str:
        return (
            f"{row.modelled_joules / KWH:.2f} kWh ({row.low_joules / KWH:.2f} to {row.high_joules / KWH:.2f})"
        )

    # A day and its half-hours go the same way, and say so; the sibling's days add up to its month.
    work = Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False)
    who = energy_day_shown.Who("ann", may_read_history=True)
    one_day = energy_day_shown.day(work, Asked(dt.date(2026, 5, 3), reason="a fault is looked for"), who)
    (shown_line,) = one_day["plug_lines"]
    assert (shown_line["model"], shown_line["devices"]) == ("OptiPlex", 1)
    assert shown_line["kwh"] == pytest.approx(after.modelled_joules / KWH / 8, abs=0.001)
    assert shown_line["residual_watts"] == pytest.approx(line["residual_watts"], abs=0.01)
    assert sum(row["corrected_kwh"] for row in one_day["rows"]) == pytest.approx(shown_line["kwh"], abs=0.03)
    assert sum(row["joules"] for row in one_day["rows"]) == pytest.approx(one_day["kwh"] * KWH, abs=KWH / 500)
    sums = [row["kwh"] or 0 for row in energy_day_shown.days(work, parse_period("2026-05"))]
    assert sum(sums) == pytest.approx(float(ledger_total(estate).kwh), abs=0.01)

    said = " ".join(PAGE.read_text("utf-8").split())
    assert f"`metered = {line['intercept_watts']:.1f} W + {line['slope']:.2f} x modelled`" in said
    assert f"leaves {line['residual_watts']:.2f} W over" in said
    assert f"from {shown(before)} to {shown(after)}" in said


@ONE_STORE
def test_an_evidence_pack_works_metered_days_and_lines_out_again(estate: Estate) -> None:
    spec = importlib.util.spec_from_file_location("test_reports", Path(__file__).with_name("test_reports.py"))
    assert spec is not None
    assert spec.loader is not None
    reports = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reports)
    example(estate, dt.date(2025, 5, 1))
    bring(estate, "Host,Date,kWh\npc-9,2025-06-20,0.5\n")  # its agent told nothing that day
    make(estate)
    path = reports.pack_of(estate, reports.published(estate, "carbon", "2025/26"))
    found = pack_verify.verify(path)
    assert found.differences == []
    with zipfile.ZipFile(path) as pack:
        told = json.loads(pack.read(next(one for one in pack.namelist() if one.endswith(pack_files.RESTS))))
    assert list(told["plug_lines"]["2025-05"]) == ["states:OptiPlex"]
    with estate.engine.connect() as connection:
        whole = ledger.read(connection, parse_period("2025/26")).total
    assert told["recomputed"]["days"] == 33
    joules = dict(zip(QUALITIES, whole.joules, strict=True))
    assert told["recomputed"]["joules"] == joules


@pytest.fixture
def client(estate: Estate, tmp_path: Path) -> Iterator[Client]:
    client = client_of(estate.engine, tmp_path, NOW)
    yield client
    client.close()


@ONE_STORE
def test_the_page_and_the_api_try_import_show_and_undo(estate: Estate, client: Client) -> None:
    example(estate)
    make(estate)
    sue = Person(estate.engine, "sue", "sustainability_preparer", now=NOW)
    vi = Person(estate.engine, "vi", "viewer", now=NOW)
    text = b"Host,Date,kWh\npc-1,2026-05-20,0.5\npc-1,2026-05-21,-1\n"

    def send(body: bytes, **fields: str) -> Any:
        form = {"csrf": sue.csrf, "dry_run": "yes"} | fields
        files = {"file": ("p.csv", body)}
        return client.post("/carbon/calibration/import", data=form, files=files, **sue.cookie)

    tried = send(text).text
    assert "Nothing was written" in tried
    assert "is below nought" in tried
    corrections = tried.split('href="/imports/')[1].split('"')[0]
    assert "2026-05-21" in client.get(f"/imports/{corrections}", **sue.cookie).text
    assert "In as batch" in send(text, dry_run="no").text
    assert send(b"x,y\n1,2").status_code == 422
    page = client.get("/carbon/calibration", **vi.cookie).text
    assert "OptiPlex" in page
    assert "Send the file" not in page
    found = client.get(V1, **vi.bearer).json()
    assert (found["devices"], found["days"], found["fits"][0]["used"]) == (3, 25, True)
    again = client.post(f"{V1}/import?name=p.csv", content=text, **sue.bearer).json()
    assert again["already"] == found["batches"][0]["id"]
    new = client.post(
        f"{V1}/import?name=q.csv", content=text.replace(b"20,0.5", b"22,0.5"), **sue.bearer
    ).json()
    assert (new["new"], new["first_problems"][0]["line"]) == (1, 3)
    assert client.post(f"{V1}/batches/{new['batch']}/undo", **sue.bearer).json()["days"] == 1
    undo = f"/carbon/calibration/batches/{again['already']}/undo"
    assert client.post(undo, data={"csrf": "x"}, **sue.cookie).status_code == 403
    assert client.post(undo, data={"csrf": sue.csrf}, **sue.cookie).status_code == 303
    assert client.post(undo, data={"csrf": sue.csrf}, **sue.cookie).status_code == 409


def test_commands_import_show_and_undo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADWORTHY_DATA", str(tmp_path))
    make_ready(tmp_path / "roadworthy.db")
    engine = open_engine(tmp_path / "roadworthy.db")
    try:
        Estate(engine, tmp_path / "roadworthy.db").device(hostname="pc-1")
    finally:
        engine.dispose()
    (tmp_path / "p.csv").write_text("Host,Date,kWh\npc-1,2026-05-20,0.5\npc-1,2026-05-21,-1\n")

    def well(*words: str) -> str:
        found = CliRunner().invoke(app, ["carbon", "calibration", *words])
        assert found.exit_code == 0, found.exception
        return found.stdout

    file, bad = str(tmp_path / "p.csv"), tmp_path / "bad.csv"
    assert "nothing was written: a dry run" in well("import", file, "--dry-run")
    said = well("import", file, "--corrections", str(bad))
    assert "line 3: kWh is below nought (-1)" in said
    assert "2026-05-21" in bad.read_text("utf-8-sig")
    assert "is in already" in well("import", file)
    assert "1 devices with a plug, 1 days from 2026-05-20" in well("show")
    batch = json.loads(well("show", "--format", "json"))["batches"][0]["id"]
    assert "1 days of 1 devices" in well("undo", str(batch))
