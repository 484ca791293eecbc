"""Support, Windows 11 and ageing of every record: dates loaded and overridden, what was bought, counts and lists."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select
from support.estates import NOW, Estate

from roadworthy_collector.books import (
    lifecycle_bought,
    lifecycle_dates,
    lifecycle_editions,
    lifecycle_fetch,
    lifecycle_lists,
    lifecycle_run,
    rating,
    reconciling,
)
from roadworthy_collector.books.lifecycle_fetch import fetch
from roadworthy_collector.books.lifecycle_lists import Wanted
from roadworthy_collector.books.lifecycle_read import Reader
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.books_schema import (
    batches,
    book_figures,
    mdm_devices,
    ratings,
    register_devices,
    register_items,
    systems,
)
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries import audit

TODAY = dt.datetime.fromtimestamp(NOW, dt.UTC).date()
W10 = {
    "family": "windows",
    "id": "windows",
    "name": "Windows 10 Enterprise",
    "version": "22H2",
    "build": "19045",
}
W10 |= {"edition": "Enterprise", "installation_type": "client"}
W11 = W10 | {"name": "Windows 11 Enterprise", "version": "25H2", "build": "26200"}
DEBIAN = {"family": "linux", "id": "debian", "name": "Debian GNU/Linux", "version": "12"}
CPU_8TH = {"vendor": "GenuineIntel", "family": 6, "model_number": 142, "stepping": 10, "cores": 4}
CPU_6TH = {"vendor": "GenuineIntel", "family": 6, "model_number": 94, "stepping": 3, "cores": 4}


def hardware(cpu: dict[str, Any], **values: Any) -> dict[str, Any]:
    told = {"cpu": cpu, "memory": {"total_bytes": 8 << 30}, "tpm_version": "2.0", "secure_boot": True}
    return told | {"boot_mode": "uefi"} | values


def facts(os: dict[str, Any], cpu: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"os": os}
    if cpu is not None:
        told["hardware"] = hardware(cpu, **values)
        told["storage"] = [{"name": "disk0", "size_bytes": 256 * 10**9, "holds_system": True}]
    return told


def work_of(estate: Estate) -> Work:
    return Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False)


def item(estate: Estate, tag: str, device: int | None = None, **values: Any) -> int:
    row = {
        "tag": tag,
        "kind": "laptop",
        "lifecycle_state": "deployed",
        "usage_profile": "unknown",
        "updated_at": int(NOW),
        **values,
    }
    with write_transaction(estate.engine) as connection:
        made = insert(register_items).values(**row).returning(register_items.c.id)
        found = int(connection.execute(made).scalar_one())
        if device is not None:
            link = {
                "item": found,
                "device": device,
                "valid_from": "2026-01-01",
                "matched_on": ["serial", "tag"],
            }
            connection.execute(insert(register_devices).values(**link))
    return found


def rows(estate: Estate, wanted: Wanted = Wanted(), **values: Any) -> list[dict[str, Any]]:  # noqa: B008 - it is a constant
    with estate.engine.connect() as connection:
        reader = Reader(connection, TODAY)
        return lifecycle_lists.list_page(connection, reader, wanted, **values).rows


def counted(estate: Estate, scope: frozenset[int] | None = None) -> dict[str, Any]:
    with estate.engine.connect() as connection:
        return lifecycle_lists.counts(connection, scope).content


def dump(*releases: dict[str, Any], product: str = "windows", day: str = "2026-12-01") -> bytes:
    told = {"name": product, "category": "os", "releases": list(releases)}
    return json.dumps(
        {"schema_version": "1.2.1", "generated_at": f"{day}T00:00:00+00:00", "result": [told]}
    ).encode()


def release(name: str, eol: str | None, **values: Any) -> dict[str, Any]:
    return {"name": name, "eolFrom": eol, "isEol": False, "latest": {"name": "10.0.19045"}, **values}


def test_every_record_has_its_support_windows_11_and_ageing(estate: Estate) -> None:
    bought = (TODAY - dt.timedelta(days=5 * 365)).isoformat()
    old = estate.device(device_class="laptop", facts=facts(W10, CPU_6TH), serial="S1")
    item(estate, "FP1", old, purchased=bought)
    new = estate.device(device_class="laptop", facts=facts(W10, CPU_8TH))
    runs = estate.device(device_class="laptop", facts=facts(W11, CPU_6TH))
    linux = estate.device(device_class="desktop", facts=facts(DEBIAN))
    silent = estate.device(device_class="laptop")
    estate.device(device_class="laptop", site="Hidden", restricted=True, facts=facts(W10, CPU_6TH))
    item(estate, "MON1", kind="monitor", purchased=bought)
    item(estate, "FP9", os_name="Windows 10 Pro", os_version="22H2")
    item(estate, "GONE", lifecycle_state="disposed")
    found = lifecycle_run.work_out(work_of(estate))
    assert found["records"] == 8
    assert found["restricted"] == 1
    assert (
        found["status"]["ended"] == 4
    )  # three of agents, one of them restricted, and what the register says
    assert found["status"]["not_applicable"] == 1
    assert found["windows11"] == {"runs": 1, "meets": 1, "does_not": 2, "unknown": 2, "not_applicable": 2}
    assert found["band"]["past"] == 1
    assert found["band"]["unknown_age"] == 6
    assert found["extension"]["unknown"] == 5  # Debian has paid updates too
    told = {row["device_id"] or row["tag"]: row for row in rows(estate)}
    assert len(told) == 7
    one = told[estate.device_id(old)]
    assert one["status"] == "ended"
    assert one["ends"] == "2025-10-14"
    assert one["source"].startswith("https://")
    assert one["extension"] == "unknown"
    assert one["extension_source"].startswith("https://")
    assert one["windows11"] == "does_not"
    assert one["windows11_against"]
    assert (one["tag"], one["band"], one["since_from"]) == ("FP1", "past", "bought")
    assert told[estate.device_id(new)]["windows11"] == "meets"
    assert told[estate.device_id(runs)]["windows11"] == "runs"
    assert told[estate.device_id(linux)]["windows11"] == "not_applicable"
    assert told[estate.device_id(silent)]["windows11"] == "unknown"
    assert told[estate.device_id(silent)]["why_unknown"]
    assert told["MON1"]["status"] == "not_applicable"
    assert [row["tag"] for row in rows(estate, Wanted(band="past", kind="register"))] == []
    assert {row["tag"] for row in rows(estate, Wanted(status="ended"))} == {"FP1", None, "FP9"}
    assert [row["device_id"] for row in rows(estate, Wanted(windows11="meets"))] == [estate.device_id(new)]
    assert {row["kind"] for row in rows(estate, Wanted(product="windows-10", version="22H2"))} == {
        "agent",
        "register",
    }


def test_pages_follow_each_other_and_stay_within_a_scope(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle_run, "ROWS_AT_ONCE", 3)
    for number in range(8):
        estate.device(device_class="laptop", facts=facts(W10), unit="A" if number % 2 else "B")
    item(estate, "X1")
    lifecycle_run.work_out(work_of(estate))
    lifecycle_run.work_out(work_of(estate))
    with estate.engine.connect() as connection:
        reader, seen, after = Reader(connection, TODAY), [], 0
        while True:
            page = lifecycle_lists.list_page(connection, reader, Wanted(), after=after, limit=2)
            seen += [row["number"] for row in page.rows]
            if page.next is None:
                break
            after = page.next
        names = list(connection.scalars(select(book_figures.c.name)))
    assert len(seen) == len(set(seen)) == 9
    assert sum(name.startswith("lifecycle.rows.") for name in names) == 3
    only = frozenset({estate.unit("A")})
    assert counted(estate, only)["status"]["ended"] == 4
    assert len(rows(estate, Wanted(status="ended"), scope=only)) == 4
    assert len(rows(estate, Wanted(unit="A"))) == 4
    assert rows(estate, Wanted(unit="nowhere")) == []


def test_what_was_bought_keeps_devices_covered_and_the_rating_knows(estate: Estate) -> None:
    covered = estate.device(device_class="laptop", facts=facts(W10), unit="Custody")
    named = estate.device(device_class="laptop", facts=facts(W10), unit="IT", serial="SER9")
    refused = estate.device(device_class="laptop", facts=facts(W10), unit="IT")
    text = """
[[entry]]
product = "windows-10"
bought = true
until = 2027-10-12
units = ["Custody"]
[[entry]]
product = "windows-10"
versions = ["22H2"]
bought = true
devices = ["ser9"]
evidence = "order 7"
[[entry]]
product = "windows-10"
bought = false
"""
    with write_transaction(estate.engine) as connection:
        lifecycle_bought.save_bought(connection, text, now=int(NOW), actor="alice")
    lifecycle_run.work_out(work_of(estate))
    found = {row["device_id"]: row for row in rows(estate)}
    assert found[estate.device_id(covered)]["status"] == "extended"
    assert found[estate.device_id(covered)]["covered_until"] == "2027-10-12"
    assert found[estate.device_id(named)]["covered_until"] == "2028-10-10"
    assert (found[estate.device_id(refused)]["status"], found[estate.device_id(refused)]["extension"]) == (
        "ended",
        "not_bought",
    )
    rating.rate_now(work_of(estate))
    with estate.engine.connect() as connection:
        met = {
            row.device: {one["rule"] for one in row.reasons} for row in connection.execute(select(ratings))
        }
        entries = list(audit.read(connection))
    assert "support-ended" in met[refused]
    assert "support-ended" not in met[covered]
    assert any(row["action"] == "lifecycle.support_bought.save" for row in entries)
    with write_transaction(estate.engine) as connection:
        lifecycle_editions.undo(connection, "support_bought", now=int(NOW), actor="alice")
    assert {row["extension"] for row in rows(estate)} == {"unknown"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", "only [[entry]]"),
        ('[[entry]]\nproduct = "windows-10"', "bought is missing"),
        ('[[entry]]\nproduct = "windows-99"\nbought = true', "is no product"),
        ('[[entry]]\nproduct = "macos"\nbought = true', "no paid updates"),
        ('[[entry]]\nproduct = "windows-10"\nbought = true\nunits = ["Nowhere"]', "there is no unit Nowhere"),
        ('[[entry]]\nproduct = "windows-10"\nbought = "yes"', "line 3: bought: true or false"),
        ('[[entry]]\nproduct = "windows-10"\nbought = true\nuntil = "soon"', "line 4: until: a day"),
        ('[[entry]]\nproduct = "windows-10"\nbought = false\nuntil = 2027-01-01', "line 4: until"),
        ('[[entry]]\nproduct = "windows-10"\nbought = true\ndevices = []', "is empty"),
        ("[[entry", "what was bought: "),
    ],
)
def test_a_wrong_file_of_what_was_bought_says_where(estate: Estate, text: str, said: str) -> None:
    with write_transaction(estate.engine) as connection, pytest.raises(RoadworthyError) as caught:
        lifecycle_bought.save_bought(connection, text, now=1, actor="alice")
    assert said in str(caught.value)


def test_a_newer_dump_is_tried_loaded_and_undone(estate: Estate) -> None:
    device = estate.device(device_class="laptop", facts=facts(W10))
    body = dump(
        release("10-22h2", "2030-01-01", eoesFrom="2033-01-01"),
        release("11-99h9-w", "2040-01-01", latest={"name": "10.0.99999"}),
    )
    with write_transaction(estate.engine) as connection:
        tried = lifecycle_dates.try_dump(connection, body)
        assert [(one.product, one.version) for one in tried.added] == [("windows-11", "99H9")]
        moved = {
            (one.version, one.edition, one.what): (str(one.before), str(one.after)) for one in tried.moved
        }
        assert moved["22H2", "enterprise_education", "support"] == ("2025-10-14", "2030-01-01")
        assert not tried.gone
        assert lifecycle_editions.editions(connection) == []
        lifecycle_dates.load_dump(connection, body, source="dump.json", now=int(NOW), actor="alice")
    only = rows_of(estate, device)
    assert (only["ends"], only["source"], only["source_as_of"]) == (
        "2030-01-01",
        "https://endoflife.date/windows",
        "2026-12-01",
    )
    with write_transaction(estate.engine) as connection:
        assert not lifecycle_dates.try_dump(connection, body).changes
        with pytest.raises(RoadworthyError, match="holds already"):
            lifecycle_dates.load_dump(connection, body, source="dump.json", now=int(NOW), actor="alice")
        older = dump(release("10-22h2", "2025-01-01"), day="2020-01-01")
        assert not lifecycle_dates.try_dump(connection, older).changes
        lifecycle_dates.load_dump(
            connection,
            dump(release("13", "2030-06-30"), product="debian"),
            source="d",
            now=int(NOW),
            actor="a",
        )
    assert rows_of(estate, device)["ends"] == "2030-01-01"  # one product more takes nothing away
    with write_transaction(estate.engine) as connection:
        first = lifecycle_editions.editions(connection)[-1]["id"]
        lifecycle_editions.undo(connection, "support_dates", now=int(NOW), actor="alice", to=first)
        with pytest.raises(NotFoundError):
            lifecycle_editions.undo(connection, "support_dates", now=int(NOW), actor="alice", to=999)
        with pytest.raises(NotFoundError):
            lifecycle_editions.undo(connection, "support_override", now=int(NOW), actor="alice")
    assert rows_of(estate, device)["ends"] == "2030-01-01"
    assert rows_of(estate, device)["status"] == "supported"


def rows_of(estate: Estate, device: int) -> dict[str, Any]:
    lifecycle_run.work_out(work_of(estate))
    return next(row for row in rows(estate) if row["device_id"] == estate.device_id(device))


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"schema_version": "1.2"}', dump(product="x"), b"\xff{"]
)
def test_what_is_no_dump_is_refused(estate: Estate, body: bytes) -> None:
    with estate.engine.connect() as connection, pytest.raises(RoadworthyError, match="the dump"):
        lifecycle_dates.try_dump(connection, body)


def test_an_override_goes_before_everything_and_names_its_source(estate: Estate) -> None:
    device = estate.device(device_class="laptop", facts=facts(W10))
    text = """
[[date]]
product = "windows-10"
version = "22H2"
edition = "enterprise_education"
kind = "mainstream"
end_of_support = 2031-05-05
source = "https://example.org/letter"
as_of = 2026-01-01
"""
    with write_transaction(estate.engine) as connection:
        lifecycle_dates.load_dump(
            connection, dump(release("10-22h2", "2030-01-01")), source="d", now=int(NOW), actor="a"
        )
        found = lifecycle_dates.save_override(connection, text, source="o.toml", now=int(NOW), actor="a")
        assert [str(one.after) for one in found.moved] == ["2031-05-05"]
        listed = lifecycle_dates.listed(lifecycle_dates.in_force(connection), "windows-10")
    origins = {(row["version"], row["edition"], row["kind"]): row["origin"] for row in listed}
    assert origins["22H2", "enterprise_education", "mainstream"] == "override"
    assert origins["22H2", "home_pro", "mainstream"] == "loaded"
    assert origins["1507", "home_pro", "mainstream"] == "shipped"
    one = rows_of(estate, device)
    assert (one["ends"], one["source"]) == ("2031-05-05", "https://example.org/letter")


_NOT_HTTPS = """[[date]]
product = "x"
version = "1"
kind = "paid"
end_of_support = 2030-01-01
source = "http://x"
as_of = 2026-01-01
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[dates]]", "line 1: dates"),
        ('[[date]]\nproduct = "x"', "line 1: version is missing"),
        ('[[date]]\nproduct = "x"\nwrong = 1', "line 3: wrong is none of"),
        (
            _NOT_HTTPS,
            "no public https address",
        ),
    ],
)
def test_a_wrong_override_says_where(estate: Estate, text: str, said: str) -> None:
    with estate.engine.connect() as connection, pytest.raises(RoadworthyError) as caught:
        lifecycle_dates.try_override(connection, text, "o.toml", now=NOW)
    assert said in str(caught.value)


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_an_override_of_what_nobody_knows_is_taken_with_a_hint_and_of_tomorrow_refused(
    estate: Estate,
) -> None:
    row = """
[[date]]
product = "{}"
version = "{}"
edition = "enterprise_education"
kind = "mainstream"
end_of_support = 2031-05-05
source = "https://example.org/letter"
as_of = 2026-01-01
"""
    text = (
        row.format("windows-10", "22H2") + row.format("windows-10", "22H3") + row.format("widnows-10", "22H2")
    )
    with estate.engine.connect() as connection:
        found = lifecycle_dates.try_override(connection, text, now=NOW)
        assert found.told()["hints"] == [
            "widnows-10: no such product is known; did you mean 'windows-10'?",
            "windows-10 22H3: no such release is known; did you mean '22H2'?",
        ]
        later = text.replace("as_of = 2026-01-01", "as_of = 2999-01-01")
        with pytest.raises(RoadworthyError, match="windows-10 22H2: as_of 2999-01-01 is still to come"):
            lifecycle_dates.try_override(connection, later, now=NOW)


def test_records_of_an_mdm_export_count_by_what_it_says(estate: Estate) -> None:
    with write_transaction(estate.engine) as connection:
        batch = insert(batches).values(
            kind="mdm", format="intune", made_at=int(NOW), made_by="a", rows_read=1, rows_good=1, rows_bad=0
        )
        number = connection.execute(batch.returning(batches.c.id)).scalar_one()
        common = {"batch": number, "os_name": "Windows 10 Enterprise", "os_version": "10.0.19045.1"}
        rows_ = [
            {"mdm_id": "m1", "serial": "GHOST1", "upgrade_eligibility": "2", **common},
            {"mdm_id": "m2", "serial": "REG2X", "upgrade_eligibility": "3", **common},
        ]
        connection.execute(insert(mdm_devices), rows_)
    item(estate, "R2", serial="REG2X", uuid="4c4c4544-0042-3510-8054-b7c04f4a4a31")
    reconciling.reconcile_now(work_of(estate))
    found = lifecycle_run.work_out(work_of(estate))
    assert found["kinds"]["mdm"]["ended"] >= 1
    told = rows(estate, Wanted(kind="mdm"))
    assert told[0]["serial"] == "GHOST1"
    assert (told[0]["windows11"], told[0]["windows11_basis"]) == ("does_not", "intune")


def test_systems_of_devices_are_told(estate: Estate) -> None:
    estate.put(systems, name="Custody records", kind="application")
    device = estate.device(device_class="laptop", facts=facts(W10))
    with estate.engine.connect() as connection:
        system = connection.scalar(select(systems.c.id))
    item(estate, "FP1", device, system=system)
    lifecycle_run.work_out(work_of(estate))
    assert rows(estate, Wanted(system="custody records"))[0]["system"] == "Custody records"
    assert rows(estate, Wanted(system="another")) == []


def answers(**pages: Any) -> httpx.Client:
    def answer(request: httpx.Request) -> httpx.Response:
        return pages[request.url.path.strip("/")]  # type: ignore[no-any-return] # a response

    return httpx.Client(transport=httpx.MockTransport(answer), follow_redirects=False)


def test_a_dump_is_fetched_by_https_alone_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    good = httpx.Response(200, content=b"{}")
    moved = httpx.Response(301, headers={"Location": "/full"})
    assert fetch("https://eol.test/moved", answers(moved=moved, full=good)) == b"{}"
    for address, said, pages in (
        ("http://eol.test/full", "only https", {"full": good}),
        (
            "https://eol.test/down",
            "only https",
            {"down": httpx.Response(302, headers={"Location": "http://x/full"})},
        ),
        ("https://eol.test/loop", "sends on", {"loop": httpx.Response(302, headers={"Location": "/loop"})}),
        ("https://eol.test/gone", "answered 404", {"gone": httpx.Response(404, content=b"<html>")}),
        ("https://eol.test:port/", "no address", {}),
    ):
        with pytest.raises(RoadworthyError, match=said):
            fetch(address, answers(**pages))
    monkeypatch.setattr(lifecycle_fetch, "LARGEST_DUMP_BYTES", 1)
    with pytest.raises(RoadworthyError, match="more than"):
        fetch("https://eol.test/full", answers(full=good))
