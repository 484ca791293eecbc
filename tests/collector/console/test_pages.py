"""What the pages say, asked over HTTP from the whole collector."""

from __future__ import annotations

import html
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, update
from support.console_sample import EVERYTHING, HOSTILE, MACHINES, NOW, RESTRICTED_HOST, device_id
from support.web import Client, client_of

from roadworthy_collector.console.figures import rank_factors
from roadworthy_collector.console.present import visible
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import open_engine, require_estate, write_transaction
from roadworthy_collector.store.slots import pack_state, unpack_state
from roadworthy_collector.store.upgrade import upgrade

PAGES = ("/", "/devices", f"/devices/{device_id(0)}", "/startups", "/about", "/docs", "/nothing-here")
HOSTILE_NUMBER = next(number for number, machine in enumerate(MACHINES) if machine.hostname == HOSTILE)


def _text(page: str) -> str:
    """Return what a person reads: no mark-up, single spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def _section(page: str, title: str) -> str:
    """Return the text of the section headed `title`."""
    sections = [_text(part) for part in page.split("<section")]
    return next(
        part
        for part in sections
        if f"> {title}" in part or part.startswith(title) or f" {title} " in part[:200]
    )


@pytest.mark.parametrize("path", PAGES)
def test_no_page_carries_script_of_its_own_or_style_in_its_mark_up(client: Client, path: str) -> None:
    page = client.get(path).text
    for tag in re.findall(r"<script[^>]*>", page):
        assert path == "/docs"
        assert 'src="/static/' in tag
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", re.sub(r"&lt;.*?&gt;", "", page))
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


@pytest.mark.parametrize("path", [*PAGES, "/metrics", "/sd/devices", "/healthz", "/api/v1/enrol"])
def test_head_is_get_without_a_body(client: Client, path: str) -> None:
    whole, head = client.get(path), client.head(path)
    assert head.status_code == whole.status_code
    assert head.content == b""
    assert head.headers["content-type"] == whole.headers["content-type"]


def test_the_api_page_says_what_each_operation_does(client: Client) -> None:
    text = _text(client.get("/docs").text)
    for path, said in (
        ("/healthz", "Is the process alive?"),
        ("/readyz", "Can reports be taken?"),
        ("/metrics", "Roll-ups and own health, for Prometheus"),
        ("/metrics/devices", "Detail per device, for Prometheus"),
        ("/sd/devices", "Targets for Prometheus' service discovery"),
    ):
        assert f"GET {path} {said}" in text


def test_a_device_leads_to_its_board_where_it_is_said_where_grafana_is(
    engine: Engine, tmp_path: Path
) -> None:
    """From what a search finds and from its page; without the setting no page names a Grafana."""
    wanted = f'href="https://grafana.example/it/d/roadworthy-device?var-device_id={device_id(0)}"'
    pages = (f"/devices?q={MACHINES[0].hostname[:3]}", f"/devices/{device_id(0)}")
    with closing(client_of(engine, tmp_path, NOW, grafana_url="https://grafana.example/it/")) as client:
        assert all(wanted in client.get(page).text for page in pages)
    with closing(client_of(engine, tmp_path, NOW)) as client:
        assert not any("grafana" in client.get(page).text.lower() for page in pages)


def test_the_first_page_counts_devices_by_state(client: Client) -> None:
    text = _text(client.get("/").text)
    # 9 reported and one is at a restricted site; of them one fell silent and one is retired; one never reported.
    assert "10 devices in service, 1 retired" in text
    for state, number in (("Reporting", 8), ("Late", 0), ("Missing", 2), ("Retired", 1)):
        assert f"{state} {number} " in text


def test_the_first_page_counts_blanks_with_their_reasons(client: Client) -> None:
    page = client.get("/").text
    text = _text(page)
    assert (
        "Electricity 0 of 10 9: not supported on this device no RAPL, no battery and no meter on this device (9 devices) 1: no status sent"
        in text
    )
    assert "1: no permission /sys/firmware/dmi/tables/DMI may be read by root only (1 device)" in text
    assert "Battery 0 of 10 10: no status sent" in text
    unknown = text[text.index("Not known Devices in service") :]
    assert "1 have never reported" in unknown
    assert "2 have no known model" in unknown
    assert "have no site" not in unknown


def test_start_ups_on_the_first_page_have_a_spread_and_their_blanks(client: Client) -> None:
    text = _text(client.get("/").text)
    assert re.search(r"Half are faster than \d+ (s|min)", text)
    assert "No data 1 device without one start-up of known length" in text
    assert (
        "How long 99 start-ups took" in text
    )  # 9 devices of 11 each: the wake from sleep is apart, the retired is out


@pytest.mark.parametrize("asked", ["site=unknown", "site=other", "model=other", "site=unknown&state=missing"])
def test_what_a_board_folds_together_is_explained_and_not_called_empty(client: Client, asked: str) -> None:
    page = client.get(f"/devices?{asked}").text
    assert "No device matches" not in page
    assert "This is no single site or model." in page
    assert 'href="/lifecycle/records"' in page


def test_restricted_sites_are_counted_and_never_named(client: Client) -> None:
    for path in ("/", "/devices", "/startups", f"/devices?q={RESTRICTED_HOST}", "/devices?site=Covert+unit"):
        # What was searched for stands in the field, and in the addresses the list is exported from.
        page = client.get(path).text.replace(f'value="{RESTRICTED_HOST}"', "")
        page = re.sub(r'href="/export/[^"]*"', "", page)
        assert "covert" not in page.lower(), path
    assert client.get(f"/devices/{device_id(90)}").status_code == 404
    assert "1 device at restricted sites is counted in totals only" in _text(client.get("/devices").text)


@pytest.mark.parametrize("path", ["/", "/devices", "/startups", f"/devices/{device_id(HOSTILE_NUMBER)}"])
def test_what_a_device_calls_itself_is_shown_as_text(client: Client, path: str) -> None:
    page = client.get(path).text
    assert "<img src=x" not in page
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert "49" not in re.findall(r"\{\{7\*7\}\}|>49<", page)
    assert html.escape(visible(HOSTILE), quote=False).split("&quot;")[0][:20] in page


@pytest.mark.parametrize(
    "query", ["HQ-PC-0001", "hq-pc-0001", "4QX8ZR2", "4qx8zr2", "MP000118", "%20MP000118%20", device_id(0)]
)
def test_a_search_that_names_one_device_goes_straight_to_it(client: Client, query: str) -> None:
    answer = client.get(f"/devices?q={query}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/devices/{device_id(0)}")


def _names(client: Client, query: str) -> list[str]:
    answer = client.get(f"/devices?{query}")
    assert answer.status_code == 200
    return [
        html.unescape(name) for name in re.findall(r'role="rowheader"><a [^>]*><bdi>(.*?)</bdi>', answer.text)
    ]


def test_a_search_that_names_several_lists_them(client: Client) -> None:
    assert _names(client, "q=hq-pc") == ["HQ-PC-0001", "HQ-PC-0002", "HQ-PC-0003"]
    assert _names(client, "q=100%25") == []
    assert _names(client, "q=HQ_PC") == []  # a wildcard of the database is a letter here


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("state=missing", ["CU-PC-0007", device_id(91)]),
        ("state=retired", ["ST-LAP-0102"]),
        ("state=nonsense&model=OptiPlex+3050", ["HQ-PC-0001", "HQ-PC-0002"]),
        ("site=Custody+suite", ["CU-PC-0007", "CU-PC-0008"]),
        ("class=server", ["HQ-SRV-0001"]),
        ("site=Custody+suite&order=desc", ["CU-PC-0008", "CU-PC-0007"]),
        ("site=Custody+suite&page=99", []),
        ("site=Custody+suite&page=x&sort=nonsense", ["CU-PC-0007", "CU-PC-0008"]),
        ("q=HQ-PC-0001&site=Custody+suite", []),
    ],
)
def test_the_list_can_be_narrowed_and_sorted(client: Client, query: str, names: list[str]) -> None:
    assert _names(client, query) == names


def test_heads_of_columns_sort_and_say_so(client: Client) -> None:
    page = client.get("/devices?sort=cpu&order=desc").text
    assert re.search(r'aria-sort="descending" class="num"><a href="/devices\?sort=cpu">', page)
    assert page.count("aria-sort") == 1


def test_a_long_list_has_pages(engine: Engine, client: Client) -> None:
    with write_transaction(engine) as connection:
        site = connection.scalar(select(schema.sites.c.id).where(schema.sites.c.name == "Headquarters"))
        rows = [
            {
                "device_id": f"rwd_{number:032x}",
                "site": site,
                "unit": 1,
                "enrolled_at": 1,
                "hostname": f"MANY-{number}",
            }
            for number in range(1000, 1120)
        ]
        connection.execute(schema.devices.insert(), rows)
    first, last = _names(client, "q=MANY"), _names(client, "q=MANY&page=3")
    assert (len(first), len(last)) == (50, 20)
    page = client.get("/devices?q=MANY&page=2&sort=report").text
    assert "120 devices match, 51 to 100 shown" in _text(page)
    assert 'href="/devices?q=MANY&amp;sort=report" rel="prev"' in page or 'page=1" rel="prev"' in page
    assert "page=3" in page


def test_a_device_page_shows_facts_with_source_and_how_known(client: Client) -> None:
    text = _text(client.get(f"/devices/{device_id(0)}").text)
    assert "Serial number 4QX8ZR2 read on the device smbios" in text
    assert "Class desktop worked out by the collector" in text
    assert "Memory 15.5 GiB" in text
    assert "sda WDC WD10EZEX 1 TB hard disk sata yes" in text
    assert "DIMM A 8 GiB DDR4 2,666 MT/s Samsung" in text
    assert "source psutil, psutil.virtual_memory" in text


def test_a_device_page_explains_its_blanks(client: Client) -> None:
    text = _text(client.get(f"/devices/{device_id(8)}").text)
    assert "Model no data : /sys/firmware/dmi/tables/DMI may be read by root only not known" in text
    assert "Make and model not known" not in text  # the make is known
    assert "Electricity not supported on this device no RAPL, no battery and no meter on this device" in text
    assert "Sign-ins no status sent this agent does not measure it" in text
    assert "sku" not in text


def test_a_device_that_never_reported_has_a_page_of_reasons(client: Client) -> None:
    page = client.get(f"/devices/{device_id(91)}")
    text = _text(page.text)
    assert page.status_code == 200
    assert "Last report never" in text
    assert text.count("no data") > 10
    assert "<img" not in page.text


def test_suspect_phases_are_shown_and_not_counted(client: Client) -> None:
    text = _text(client.get(f"/devices/{device_id(0)}").text)
    assert "Firmware 23 min 11 s (not counted: longer than the device was off)" in text
    assert "20 Nov 2026, 10:20 GMT" in text


def test_the_open_half_hour_is_marked_provisional(client: Client) -> None:
    text = _text(client.get(f"/devices/{device_id(0)}").text)
    assert re.search(
        r"20 Nov 2026, 18:30 GMT [\d.]+% [\d.]+% [\d.]+% 10 min not closed yet, provisional", text
    )
    assert text.count("not closed yet, provisional") == 1
    for hours in ("24", "168", "720", "nonsense", "-1"):
        assert client.get(f"/devices/{device_id(0)}?hours={hours}").status_code == 200


def test_device_states_and_gaps(client: Client) -> None:
    text = _text(client.get(f"/devices/{device_id(0)}").text)
    assert re.search(r"In use 9 h 33.3% Idle 0 s 0.0% .* Unobserved 18 h 66.7%", text)
    assert "3 h 59 min off the device had started anew" in text


def test_a_state_nobody_watched_is_no_data_and_not_zero(client: Client, engine: Engine) -> None:
    with write_transaction(engine) as connection:
        for row in connection.execute(select(schema.state_slots)).all():
            nothing = b"".join(pack_state(slot, (0,) * 6) for slot, _ in unpack_state(row.slots))
            mine = (schema.state_slots.c.day == row.day, schema.state_slots.c.device == row.device)
            connection.execute(update(schema.state_slots).where(*mine).values(slots=nothing))
    section = _text(client.get(f"/devices/{device_id(0)}").text)
    assert "Locked" not in section
    assert "54 half-hours, unobserved throughout" in section


def test_contributing_factors_are_ranked_by_devices_then_seconds() -> None:
    wire = [
        (
            1,
            [
                {"kind": "unit", "name": "a", "seconds": 5.0},
                {"kind": "driver", "name": "b", "degradation_seconds": 1.0},
            ],
        ),
        (2, [{"kind": "unit", "name": "a", "seconds": 9.0}, {"kind": "device", "name": "c"}]),
        (3, [{"kind": "unit", "name": "a", "seconds": 7.0}, {"kind": "unit", "name": "d", "seconds": 60.0}]),
    ]
    ranked = rank_factors(wire)
    assert [(row["name"], row["count"], row["median"], row["longest"]) for row in ranked] == [
        ("a", 3, 7.0, 9.0),
        ("d", 1, 60.0, 60.0),
        ("b", 1, 1.0, 1.0),
        ("c", 1, None, None),
    ]


def test_start_ups_by_model_site_and_device(client: Client) -> None:
    text = _text(client.get("/startups").text)
    assert re.search(r"OptiPlex 3050 1 min 48 s 2 min 2 s 2 min 7 s 22 2 0", text)
    assert re.search(r"Brixton station .* 22 2 1", text)  # one device there has no data
    assert "NetworkManager-wait-online.service systemd unit 8" in text
    assert "1 device without one such start-up" in text
    resumes = _text(client.get("/startups?kind=resume&days=7").text)
    assert "the median of 9 start-ups" in resumes
    assert "wake from sleep" in resumes
    assert client.get("/startups?kind=nonsense&days=999999").status_code == 200


def test_a_spread_counts_restricted_sites_and_no_group_does(client: Client) -> None:
    text = _text(client.get("/startups").text)
    assert "the median of 99 start-ups" in text  # 9 devices, one of them restricted
    by_site = text[text.index("By site") : text.index("Contributing factors")]
    assert sum(int(number) for number in re.findall(r" s (\d+) \d+ \d+", by_site)) <= 88


def test_opening_a_device_on_an_open_collector_goes_on_the_record(client: Client, engine: Engine) -> None:
    for _ in range(2):
        assert client.get(f"/devices/{device_id(0)}").status_code == 200
    client.get(f"/devices/{device_id(1)}")
    client.get("/devices/nobody")
    assert _audit(engine) == [("local", "device.open", device_id(0)), ("local", "device.open", device_id(1))]


def _audit(engine: Engine) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        rows = connection.execute(select(schema.audit.c.actor, schema.audit.c.action, schema.audit.c.subject))
        return [tuple(row) for row in rows]


def test_errors_are_pages_for_people_and_json_for_machines(client: Client) -> None:
    person = client.get("/nothing-here")
    assert (person.status_code, "Not found" in person.text) == (404, True)
    assert person.headers["content-type"].startswith("text/html")
    machine = client.get("/nothing-here", headers={"Accept": "application/json"})
    assert machine.json()["error"]["code"] == "not_found"
    assert client.get("/api/v1/nothing").headers["content-type"] == "application/json"


def test_static_files_are_kept_by_browsers_for_good(client: Client) -> None:
    address = re.findall(r'href="(/static/style.css\?v=[0-9a-f]+)"', client.get("/").text)[0]
    answer = client.get(address)
    assert "immutable" in answer.headers["cache-control"]
    assert client.get("/static/style.css").headers["cache-control"] == "no-cache"
    again = client.get("/static/style.css", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.text) == (304, "")
    for name in ("nothing.css", "..%2fview.py", "swagger-editor.js"):
        assert client.get(f"/static/{name}").status_code == 404


def test_an_empty_collector_says_how_to_enrol(tmp_path: Path) -> None:
    upgrade(tmp_path / "roadworthy.db")
    engine = open_engine(tmp_path / "roadworthy.db")
    require_estate(engine, simulated=False)
    client = client_of(engine, tmp_path, NOW)
    try:
        first = client.get("/").text
        assert "No device has been enrolled yet" in first
        assert "<img" not in first
        assert "SIMULATED" not in first
        for path in ("/devices", "/startups", "/about"):
            assert client.get(path).status_code == 200
    finally:
        client.close()
        engine.dispose()


@pytest.mark.parametrize("path", PAGES)
def test_a_simulated_estate_says_so_on_every_page(engine: Engine, tmp_path: Path, path: str) -> None:
    with write_transaction(engine) as connection:
        connection.execute(
            update(schema.estate).where(schema.estate.c.name == "simulated").values(value="true")
        )
    client = client_of(engine, tmp_path, NOW)
    try:
        page = client.get(path).text
        assert "SIMULATED IT ESTATE" in page
        assert "(simulated)</title>" in page
    finally:
        client.close()


def test_the_api_page_lists_operations_without_javascript(client: Client) -> None:
    text = _text(client.get("/docs").text)
    for operation in ("POST /api/v1/enrol", "POST /api/v1/reports", "GET /metrics", "GET /sd/devices"):
        assert operation in text


def test_a_device_that_tells_by_the_day_shows_its_days_and_not_its_half_hours(client: Client) -> None:
    page = client.get(f"/devices/{device_id(EVERYTHING)}").text
    states = _section(page, "Device state")
    assert "3 whole days" in states
    assert "In use 18 h 25.0%" in states
    electricity = _section(page, "Electricity")
    assert (
        "Processor 240.0 Wh 1 d 10.0 W sensor (read on the device), within 5.0%, rapl:package-0"
        in electricity
    )


def test_batteries_disks_displays_and_sign_ins_are_shown_in_words(client: Client) -> None:
    page = client.get(f"/devices/{device_id(EVERYTHING)}").text
    assert "BAT0 LGC 5B10W13930 50.0 Wh 31.2 Wh 62.4% 812" in _section(page, "Batteries")
    assert "says it is well, 83% of its rated life used, 4 replaced sectors, 21,044 hours on" in _section(
        page, "Disks"
    )
    facts = _section(page, "Facts")
    for said in (
        "TPM 2.0",
        "Secure Boot on",
        "DEL DELL U2419H (2019)",
        "EnterpriseS, client, long-term servicing",
    ):
        assert said in facts
    signins = _section(page, "Sign-ins")
    assert "first on this device, on Wi-Fi" in signins
    assert "GPClient 12 s" in signins
    assert not re.search(r"\d\d:\d\d", signins)  # a day, never a time


def test_a_device_that_tells_none_of_it_says_why(client: Client) -> None:
    page = client.get(f"/devices/{device_id(0)}").text
    for title in ("Batteries", "Sign-ins"):
        assert "no data" in _section(page, title)


def test_figures_nobody_has_compared_yet_are_marked_beside_their_headings(
    client: Client, engine: Engine
) -> None:
    """As the agent marks them: in the source of the probe's status."""
    words_of_mark = "ot field-verified on this system yet"
    path = f"/devices/{device_id(EVERYTHING)}"
    assert words_of_mark not in _text(client.get(path).text)
    sections = {
        "startup": "startups", "signin": "signins", "utilisation": "use", "state": "states", "power": "electricity",
        "storage": "disks", "battery": "batteries", "hardware": "modules",
    }  # fmt: skip
    table = schema.probe_status
    for probe, place in sections.items():
        with write_transaction(engine) as connection:
            device = connection.scalar(
                select(schema.devices.c.id).where(schema.devices.c.device_id == device_id(EVERYTHING))
            )
            connection.execute(table.delete().where(table.c.device == device))
            connection.execute(
                table.insert().values(
                    device=device,
                    probe=probe,
                    status="ok",
                    source="x (not field-verified)",
                    since=int(NOW),
                    updated_at=int(NOW),
                )
            )
        page = client.get(path).text
        marked = {
            part.split('"')[0]
            for part in page.split('<section class="card" id="')[1:]
            if words_of_mark in part
        }
        assert marked == {place} | ({"facts"} if probe == "hardware" else set()), probe
