"""Carbon reports: from open to published, the evidence pack that recomputes itself, restating, and who may do what."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import hashlib
import io
import json
import re
import shutil
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader
from sqlalchemy import select, update
from support.estates import Estate
from support.modules import beside
from support.people import Person
from support.web import Client, client_of

from roadworthy_collector.carbon import (
    pack,
    pack_files,
    pack_verify,
    report_doors,
    report_newest,
    report_reading,
    report_render,
)
from roadworthy_collector.carbon.lifecycle import ReportError
from roadworthy_collector.carbon.pack_files import PackError
from roadworthy_collector.carbon.report_doors import Door
from roadworthy_collector.carbon.report_shown import Frame
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.roles import RIGHTS, Reader, Role
from roadworthy_collector.store import schema
from roadworthy_collector.store.carbon_schema import carbon_reports
from roadworthy_collector.store.engine import open_engine, write_transaction

NOW = dt.datetime(2026, 6, 10, 12, tzinfo=dt.UTC).timestamp()
YEAR = "2025/26"
KWH = 3_600_000


ledger = beside(__file__, "test_energy")


def fill(estate: Estate) -> None:
    """Put devices of several kinds and places into 2024/25 and 2025/26, one of them at a restricted site."""
    enrolled = int(dt.datetime(2025, 1, 1, tzinfo=dt.UTC).timestamp())
    estate.site("Cells", restricted=True)
    one = estate.device(device_class="desktop", model="OptiPlex", enrolled_at=enrolled)
    two = estate.device(device_class="laptop", model="Latitude & Co", enrolled_at=enrolled, unit="CID")
    three = estate.device(
        device_class="desktop", model="OptiPlex", enrolled_at=enrolled, site="Cells", unit="Custody"
    )
    ledger.told(estate, one, "2024-04-02", joules={"cpu": {"sensor": KWH // 5}})  # the year before is whole
    for day in ("2025-02-03", "2025-06-10", "2025-06-11", "2025-11-04", "2026-01-20"):
        ledger.told(estate, one, day, joules={"cpu": {"sensor": KWH // 5}})
        ledger.told(estate, two, day, unit="CID", joules={"machine": {"sensor": KWH // 3}})
        ledger.told(estate, three, day, site="Cells", unit="Custody")
    ledger.made(estate, NOW)


@pytest.fixture
def full(filled_once: Callable[..., Estate]) -> Estate:
    return filled_once(fill)


def door(estate: Estate, name: str, role: Role = Role.SUSTAINABILITY_PREPARER, now: float = NOW) -> Door:
    reader = Reader(name, role, "", signed_in=True, rights=RIGHTS[role])
    return Door(estate.engine, estate.settings(), reader, now)


def closed(estate: Estate, kind: str = "carbon", year: str = YEAR) -> int:
    number = report_doors.prepare(door(estate, "ann"), kind, year)
    report_doors.take(door(estate, "ben"), number, "review")
    report_doors.take(door(estate, "ann"), number, "close")
    return number


def published(estate: Estate, kind: str = "carbon", year: str = YEAR) -> int:
    number = closed(estate, kind, year)
    report_doors.take(door(estate, "cat", Role.APPROVER), number, "approve")
    report_doors.take(door(estate, "ann"), number, "publish")
    return number


def content_of(estate: Estate, number: int) -> dict[str, Any]:
    with estate.engine.connect() as connection:
        return dict(report_reading.find(connection, number).content)


def row(estate: Estate, number: int) -> dict[str, Any]:
    with estate.engine.connect() as connection:
        return next(one for one in report_reading.listed(connection) if one["number"] == number)


def pack_of(estate: Estate, number: int) -> Path:
    with estate.engine.connect() as connection:
        return report_doors.pack_path(connection, estate.settings(), number)


def live(estate: Estate, kind: str = "carbon", year: str = YEAR) -> dict[str, Any]:
    with estate.engine.connect() as connection:
        content, _ = report_newest.newest(connection, estate.settings(), kind, year, now=NOW, live=True)  # type: ignore[arg-type]  # kind is one of the three
    return dict(content)


@pytest.mark.usefixtures("full")
def test_a_report_goes_from_open_to_published_by_three_people(estate: Estate) -> None:
    number = published(estate)
    found = row(estate, number)
    assert found["state"] == "published"
    assert [step["state"] for step in found["steps"]] == [
        "open",
        "provisional",
        "closed",
        "approved",
        "published",
    ]
    with estate.engine.connect() as connection:
        actions = list(
            connection.scalars(
                select(schema.audit.c.action)
                .where(schema.audit.c.action.like("report.%"))
                .order_by(schema.audit.c.id)
            )
        )
    assert actions == ["report.prepare", "report.review", "report.close", "report.approve", "report.publish"]
    verified = pack_verify.verify(pack_of(estate, number), known_sha256=found["pack_sha256"])
    assert verified.differences == []
    content = content_of(estate, number)
    total = next(one for one in content["sums"] if one["name"] == "total")
    assert verified.totals["total"] == round(float(Fraction(total["tonnes"])), 3)
    assert verified.days == 8  # two devices, four days of the year; the restricted site has no daily rows
    assert any("restricted" in text for text in verified.remarks)
    assert not pack.collected_folder(estate.settings(), number).exists()
    check_daily_rows(pack_of(estate, number))


def check_daily_rows(path: Path) -> None:
    """Check that daily rows come to what the ledger has, and that nothing of a restricted site is in them."""
    found = pack_verify.verify(path)
    assert any("+0.000 kWh apart" in text for text in found.remarks), found.remarks
    with zipfile.ZipFile(path) as archive:
        daily = list(csv.DictReader(io.StringIO(gzip.decompress(archive.read("days.csv.gz")).decode())))
        names = [archive.read(name) for name in archive.namelist() if not name.endswith((".gz", ".pdf"))]
        assert "Cells" not in gzip.decompress(archive.read("devices.csv.gz")).decode()
        assert "Cells" not in gzip.decompress(archive.read("groups.csv.gz")).decode()
    assert not any(b"Cells" in body for body in names)
    assert {one["device"] for one in daily} == {"1", "2"}


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
class TestWho:
    @pytest.mark.usefixtures("full")
    def test_nobody_does_two_of_the_three(self, estate: Estate) -> None:
        number = report_doors.prepare(door(estate, "ann"), "carbon", YEAR)
        with pytest.raises(ReportError, match="not yours"):
            report_doors.take(door(estate, "ANN "), number, "review")
        report_doors.take(door(estate, "ben"), number, "review")
        report_doors.take(door(estate, "ann"), number, "close")
        for name, role in (
            ("ann", Role.APPROVER),
            ("Ben", Role.APPROVER),
            ("cat", Role.SUSTAINABILITY_PREPARER),
        ):
            with pytest.raises(ReportError, match="not yours"):
                report_doors.take(door(estate, name, role), number, "approve")
        with pytest.raises(ReportError, match="has to be approved"):
            report_doors.take(door(estate, "ann"), number, "publish")
        report_doors.take(door(estate, "cat", Role.APPROVER), number, "approve")

    @pytest.mark.usefixtures("full")
    def test_who_entered_a_journal_does_not_review(self, estate: Estate) -> None:
        number = report_doors.prepare(door(estate, "ann"), "carbon", YEAR)
        report_doors.journal(door(estate, "dan"), number, "force", "12.5", "kit without agents")
        with pytest.raises(ReportError, match="not yours"):
            report_doors.take(door(estate, "dan"), number, "review")

    def test_a_viewer_prepares_nothing(self, estate: Estate) -> None:
        with pytest.raises(ReportError, match="whole IT estate"):
            report_doors.prepare(door(estate, "vic", Role.VIEWER), "carbon", YEAR)


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
class TestSteps:
    @pytest.mark.usefixtures("full")
    def test_a_journal_moves_the_total_exactly_and_asks_for_another_review(self, estate: Estate) -> None:
        before = live(estate)
        number = report_doors.prepare(door(estate, "ann"), "carbon", YEAR)
        report_doors.take(door(estate, "ben"), number, "review")
        report_doors.journal(door(estate, "ann"), number, "force", "1,000", "kit without agents")
        assert row(estate, number)["state"] == "open"
        report_doors.take(door(estate, "ben"), number, "review")
        report_doors.take(door(estate, "ann"), number, "close")
        tonnes = [Fraction(one["sums"][0]["tonnes"]) for one in (before, content_of(estate, number))]
        assert tonnes[1] - tonnes[0] == Fraction("0.177")  # 1,000 kWh by the set of 2025
        with pytest.raises(ReportError, match="before it is closed"):
            report_doors.journal(door(estate, "ann"), number, "force", "1", "too late by now")

    @pytest.mark.parametrize(
        ("line", "kwh", "reason", "said"),
        [
            ("roof", "1", "some reason", "is none of"),
            ("force", "0", "some reason", "not nought"),
            ("force", "1.2345", "some reason", "three decimals"),
            ("force", "1e9", "some reason", "no number"),
            ("force", "nan", "some reason", "no number"),
            ("force", "1/0", "some reason", "no number"),
            ("force", "1", "no", "one line"),
        ],
    )
    @pytest.mark.usefixtures("full")
    def test_a_wrong_journal_says_what_is_wrong(
        self, estate: Estate, line: str, kwh: str, reason: str, said: str
    ) -> None:
        number = report_doors.prepare(door(estate, "ann"), "carbon", YEAR)
        with pytest.raises(ReportError, match=said):
            report_doors.journal(door(estate, "ann"), number, line, kwh, reason)

    @pytest.mark.usefixtures("full")
    def test_a_running_year_is_not_closed(self, estate: Estate) -> None:
        number = report_doors.prepare(door(estate, "ann"), "carbon", "2026/27")
        report_doors.take(door(estate, "ben"), number, "review")
        with pytest.raises(ReportError, match="not over"):
            report_doors.take(door(estate, "ann"), number, "close")

    @pytest.mark.usefixtures("full")
    def test_a_closed_report_can_be_taken_back_and_stays_frozen_else(self, estate: Estate) -> None:
        number = closed(estate)
        frozen = content_of(estate, number)
        ledger.told(estate, 1, "2026-02-02")
        with estate.engine.connect() as connection:
            shown, _ = report_newest.newest(connection, estate.settings(), "carbon", YEAR, now=NOW)
        assert shown == frozen
        assert report_doors.prepare(door(estate, "ann"), "carbon", YEAR) == number
        assert row(estate, number)["state"] == "open"

    @pytest.mark.usefixtures("full")
    def test_days_rolled_up_after_closing_are_listed(self, estate: Estate) -> None:
        number = closed(estate)
        day = int(dt.datetime(2026, 2, 2, tzinfo=dt.UTC).timestamp())
        estate.put(schema.site_dirty, day=day, marks=1, rolled_at=int(NOW) + 60)
        with estate.engine.connect() as connection:
            found = report_reading.late(connection, report_reading.find(connection, number), "Europe/London")
        assert found == [{"what": "a day of devices was rolled up", "day": "2026-02-02", "at": int(NOW) + 60}]

    @pytest.mark.usefixtures("full")
    def test_restating_keeps_both_and_says_what_changed(self, estate: Estate) -> None:
        first = published(estate)
        with pytest.raises(ReportError, match="restate it"):
            report_doors.prepare(door(estate, "ann"), "carbon", YEAR)
        second = report_doors.restate(door(estate, "ann"), first, "a site was left out")
        report_doors.journal(door(estate, "ann"), second, "force", "500", "the site that was left out")
        assert row(estate, first)["state"] == "published"
        report_doors.take(door(estate, "ben"), second, "review")
        report_doors.take(door(estate, "ann"), second, "close")
        report_doors.take(door(estate, "cat", Role.APPROVER), second, "approve")
        report_doors.take(door(estate, "ann"), second, "publish")
        assert row(estate, first)["state"] == "restated"
        with estate.engine.connect() as connection:
            told = report_doors.told(connection, estate.settings(), second, now=NOW)
        changed = {
            one["what"]: one["after"] - one["before"] for one in told["changes"] if one["before"] is not None
        }
        assert changed["Line own sites, adjustments, kWh"] == 500
        assert pack_verify.verify(pack_of(estate, first)).ok
        assert pack_verify.verify(pack_of(estate, second)).ok

    @pytest.mark.usefixtures("full")
    def test_simulated_data_are_watermarked_and_never_issued(self, estate: Estate) -> None:
        with write_transaction(estate.engine) as connection:
            connection.execute(
                update(schema.estate).where(schema.estate.c.name == "simulated").values(value="true")
            )
        number = closed(estate)
        report_doors.take(door(estate, "cat", Role.APPROVER), number, "approve")
        with pytest.raises(ReportError, match="simulated"):
            report_doors.take(door(estate, "ann"), number, "publish")
        assert (
            json.loads(report_render.rendered(content_of(estate, number), Frame(), "json"))["watermark"]
            == "SIMULATED"
        )

    @pytest.mark.usefixtures("full")
    def test_a_provisional_factor_stops_the_issue(self, estate: Estate) -> None:
        number = closed(estate)
        report_doors.take(door(estate, "cat", Role.APPROVER), number, "approve")
        content = content_of(estate, number) | {"provisional": ["2026 revised"]}
        table = carbon_reports
        with write_transaction(estate.engine) as connection:
            connection.execute(update(table).where(table.c.id == number).values(content=content))
        with pytest.raises(ReportError, match="provisional factor set"):
            report_doors.take(door(estate, "ann"), number, "publish")


def rezipped(source: Path, target: Path, change: dict[str, bytes | None], **more: bytes) -> Path:
    """Write a pack again with files replaced, left out (None) or put in."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            body = change.get(name, old.read(name))
            if body is not None:
                new.writestr(name, body)
        for name, body in more.items():
            new.writestr(name, body)
    return target


@pytest.fixture(scope="module")
def issued(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One issued pack for all who look at it and change nothing of it."""
    folder = tmp_path_factory.mktemp("issued")
    shutil.copy(empty_database, folder / "roadworthy.db")
    estate = Estate(open_engine(folder / "roadworthy.db"), folder / "roadworthy.db")
    fill(estate)
    path = pack_of(estate, published(estate))
    estate.engine.dispose()
    return path


class TestPack:
    def test_any_changed_byte_is_noticed(self, issued: Path, tmp_path: Path) -> None:
        whole = issued.read_bytes()
        bad = tmp_path / "bad.zip"
        # Every 97th byte, and those at both ends: contents, headers, the directory.
        for at in {*range(0, len(whole), max(1, len(whole) // 20)), 4, 10, len(whole) - 1, len(whole) - 12}:
            changed = bytearray(whole)
            changed[at] ^= 0x01
            bad.write_bytes(bytes(changed))
            try:
                assert not pack_verify.verify(bad).ok, at
            except PackError:
                continue

    @pytest.mark.parametrize("name", pack_files.NAMES)
    def test_the_file_that_was_changed_is_named(self, issued: Path, tmp_path: Path, name: str) -> None:
        with zipfile.ZipFile(issued) as archive:
            body = archive.read(name)
        found = pack_verify.verify(rezipped(issued, tmp_path / "bad.zip", {name: body[:-1] + b"~"}))
        assert any(name in text for text in found.differences)

    def test_a_forged_total_is_recomputed_away(self, issued: Path, tmp_path: Path) -> None:
        """With every hash made anew the figures still do not fit, nor does the hash noted elsewhere."""
        with zipfile.ZipFile(issued) as archive:
            content = json.loads(archive.read("report.json"))
            manifest = json.loads(archive.read("manifest.json"))
            held = {name: archive.read(name) for name in archive.namelist()}
        content["sums"][0]["tonnes"] = "1/7"
        held["report.json"] = json.dumps(content).encode()
        manifest["files"]["report.json"]["sha256"] = hashlib.sha256(held["report.json"]).hexdigest()
        held["manifest.json"] = json.dumps(manifest).encode()
        held["manifest.sha256"] = (
            f"{hashlib.sha256(held['manifest.json']).hexdigest()}  manifest.json\n".encode()
        )
        forged = tmp_path / "forged.zip"
        with forged.open("wb") as target:
            pack_files.write_zip(
                pack_files.Hashed(target), ((name, [held[name]]) for name in pack_files.NAMES)
            )
        found = pack_verify.verify(forged, known_sha256=pack_files.file_digest(issued))
        assert any("not the one that is known" in text for text in found.differences)
        assert any("the report says" in text for text in found.differences)

    def test_tricks_are_refused(self, issued: Path, tmp_path: Path) -> None:
        with pytest.raises(PackError, match="no file of a pack"):
            pack_verify.verify(
                rezipped(issued, tmp_path / "path.zip", {"report.pdf": None}, **{"../../etc/passwd": b"x"})
            )
        with pytest.raises(PackError, match="is missing"):
            pack_verify.verify(rezipped(issued, tmp_path / "less.zip", {"manifest.json": None}))
        packed = tmp_path / "packed.zip"
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("report.json", b"0" * 10_000_000)
        with pytest.raises(PackError, match="stores its files plain"):
            pack_verify.verify(packed)
        (tmp_path / "text.zip").write_bytes(b"no zip at all")
        with pytest.raises(PackError, match="cannot be read"):
            pack_verify.verify(tmp_path / "text.zip")
        with pytest.raises(PackError, match="no such file"):
            pack_verify.verify(tmp_path / "nothing.zip")

    def test_a_bomb_of_rows_is_not_unpacked(self, issued: Path, tmp_path: Path) -> None:
        line = b",".join([b"0" * 40] * len(pack_files.COLUMNS["days.csv.gz"])) + b"\n"
        head = ",".join(pack_files.COLUMNS["days.csv.gz"]).encode() + b"\n"
        bomb = gzip.compress(head + line * 60_000)
        target = tmp_path / "bomb.zip"
        with zipfile.ZipFile(rezipped(issued, target, {"days.csv.gz": bomb})) as archive:
            assert archive.getinfo("days.csv.gz").file_size < 1_000_000
        with pack_files.Unzipped(target) as opened, pytest.raises(PackError, match="more than it can hold"):
            for _ in opened.rows("days.csv.gz"):
                pass


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("full")
def test_rows_that_are_gone_stop_the_issue(estate: Estate) -> None:
    number = closed(estate)
    report_doors.take(door(estate, "cat", Role.APPROVER), number, "approve")
    (pack.collected_folder(estate.settings(), number) / "days.csv.gz").unlink()
    with pytest.raises(RoadworthyError, match=r"days\.csv\.gz"):
        report_doors.take(door(estate, "ann"), number, "publish")


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
class TestPagesAndApi:
    @pytest.fixture
    def people(self, full: Estate) -> dict[str, Person]:
        roles = {
            "ann": "sustainability_preparer",
            "ben": "sustainability_preparer",
            "cat": "approver",
            "vic": "viewer",
        }
        return {name: Person(full.engine, name, role, now=NOW) for name, role in roles.items()}

    @pytest.fixture
    def client(self, estate: Estate) -> Any:
        client = client_of(estate.engine, estate.path.parent, NOW)
        yield client
        client.close()

    def test_the_page_takes_a_report_all_the_way(self, client: Client, people: dict[str, Person]) -> None:
        def send(name: str, path: str, **fields: str) -> Any:
            return client.post(path, data={"csrf": people[name].csrf, **fields}, **people[name].cookie)

        answer = send("ann", "/reports", kind="carbon", year=YEAR)
        assert answer.status_code == 303, answer.text
        assert send("ann", "/reports/1/journals", line="force", kwh="x", reason="a reason").status_code == 422
        assert send("ann", "/reports/1/review").status_code == 403
        assert send("vic", "/reports/1/review").status_code == 403
        for name, step in (("ben", "review"), ("ann", "close"), ("cat", "approve"), ("ann", "publish")):
            page = client.get("/reports/1", **people[name].cookie)
            assert f'action="/reports/1/{step}"' in page.text
            assert ("by account alone" in page.text) == (step == "publish")
            assert send(name, f"/reports/1/{step}").status_code == 303
        page = client.get("/reports", **people["vic"].cookie).text
        assert "published" in page
        assert "/reports/1/pack" not in page
        assert client.get("/reports/1/pack", **people["vic"].cookie).status_code == 403
        assert client.get("/reports/1/pack", **people["ann"].cookie).content[:2] == b"PK"

    def test_a_form_without_its_token_is_refused(self, client: Client, people: dict[str, Person]) -> None:
        for path in ("/reports", "/reports/1/review", "/reports/1/journals", "/reports/1/restate"):
            answer = client.post(path, data={"kind": "carbon", "year": YEAR}, **people["ann"].cookie)
            assert answer.status_code == 403, path

    def test_the_api_does_the_same(self, client: Client, people: dict[str, Person]) -> None:
        def ask(name: str, method: str, path: str, **arguments: Any) -> Any:
            return client.request(method, f"/api/v1{path}", **people[name].bearer, **arguments)

        made = ask("ann", "POST", "/carbon-reports", json={"kind": "carbon", "year": YEAR})
        assert made.json() == {"number": 1, "state": "open"}
        wrong = ask("ann", "POST", "/carbon-reports/1/review")
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (403, "not_allowed")
        for name, step in (("ben", "review"), ("ann", "close"), ("cat", "approve"), ("ann", "publish")):
            taken = ask(name, "POST", f"/carbon-reports/1/{step}")
            assert taken.status_code == 200, step
            assert ("by account alone" in str(taken.json()["warning"])) == (step == "publish")
        assert ask("cat", "POST", "/carbon-reports/1/verify").json()["ok"] is True
        assert ask("vic", "GET", "/carbon-reports/1/pack").status_code == 403
        assert ask("vic", "GET", "/carbon-reports").json()["rows"][0]["state"] == "published"
        assert ask("vic", "GET", f"/carbon-reports/figures/secr?year={YEAR}&as=json").json()["kind"] == "secr"
        assert ask("vic", "GET", f"/carbon-reports/figures/crc?year={YEAR}").status_code == 422
        restated = ask("ann", "POST", "/carbon-reports/1/restate", json={"reason": "a meter was read late"})
        assert restated.json() == {"number": 2, "state": "open"}
        assert ask("vic", "GET", "/carbon-reports/2").json()["restates"] == 1


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
class TestForms:
    @pytest.mark.usefixtures("full")
    def test_every_form_carries_marking_watermark_and_total(self, estate: Estate) -> None:
        content, frame = live(estate), Frame("OFFICIAL-SENSITIVE")
        pdf = PdfReader(io.BytesIO(report_render.rendered(content, frame, "pdf")))
        assert pdf.trailer["/Root"]["/MarkInfo"]["/Marked"]
        assert pdf.trailer["/Root"]["/Lang"] == "en-GB"
        assert pdf.metadata is not None
        assert "2025/26" in str(pdf.metadata.title)
        texts = [page.extract_text() for page in pdf.pages]
        assert all("OFFICIAL-SENSITIVE" in text for text in texts)
        figure = content["figures"][1]
        assert f"{figure['value']:,.{figure['places']}f}" in texts[0]
        assert "electricity factor" in texts[0]
        named = content | {"sentences": [*content["sentences"], "Latitude & Co"]}
        html = report_render.rendered(named, frame, "html").decode()
        for text in ("OFFICIAL-SENSITIVE", "DRAFT", 'lang="en-GB"', "Latitude &amp; Co"):
            assert text in html
        assert "http-equiv" not in html
        assert "<script" not in html
        csv_text = report_render.rendered(content, frame, "csv").decode("utf-8-sig")
        assert csv_text.startswith("Protective marking: OFFICIAL-SENSITIVE")
        assert "Cells" not in html + csv_text

    @pytest.mark.usefixtures("full")
    def test_the_workbook_works_itself_out(self, estate: Estate) -> None:
        body = report_render.rendered(live(estate), Frame("OFFICIAL"), "xlsx")
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            sheets = [
                archive.read(name).decode() for name in archive.namelist() if "worksheets/sheet" in name
            ]
        formulas = [text for sheet in sheets for text in re.findall(r"<f>([^<]*)</f>", sheet)]
        assert any(text.startswith("ROUND(SUM(Terms!$G$") for text in formulas)
        assert "SUM(Lines!$F$5:$F$5)" in formulas
        assert any(re.fullmatch(r"SUM\(B5:B\d+\)", text) for text in formulas)
        assert any(re.fullmatch(r"B\d+\*Factors!\$C\$5/1000", text) for text in formulas)
