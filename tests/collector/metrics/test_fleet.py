from __future__ import annotations

import subprocess
from collections import Counter, defaultdict
from collections.abc import Collection
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert, update
from support.estates import Estate

from roadworthy_collector import __version__
from roadworthy_collector.metrics import fleet
from roadworthy_collector.metrics.catalogue import MAX_MEMBERS, OTHER, metric
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import write_transaction

Held = Counter[tuple[str, float]]
BOUNDS = (5.0, 30.0, 60.0, float("inf"))


def parsed(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Read an exposition: {series: {label values in the catalogue's order: value}}; each series once."""
    found: dict[str, dict[tuple[str, ...], float]] = defaultdict(dict)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = tuple(sample.labels.values())
            assert key not in found[sample.name]
            found[sample.name][key] = sample.value
    return found


def rendered(
    estate: Estate, now: float, members: dict[str, list[str]] | None = None
) -> dict[str, dict[tuple[str, ...], float]]:
    read = fleet.read(estate.engine, now=now, interval_seconds=900)
    text = fleet.render(read, fleet.admitted(members or {}, read.histograms))
    return parsed(text)


def book(
    estate: Estate,
    grouping: str,
    member: str,
    counts: dict[float, int],
    total: float,
    measure: str = "startup",
) -> None:
    for bound, count in counts.items():
        row = {"grouping": grouping, "member": member, "bucket": bound, "count": count}
        held = total if bound == max(counts) else 0.0
        estate.put(schema.histograms, metric=f"{measure}_seconds", sum=held, **row)


def test_an_empty_estate_has_zero_devices_and_no_means(estate: Estate, now: float) -> None:
    found = rendered(estate, now)
    assert found["roadworthy_estate_devices"] == {(state,): 0 for state in fleet.STATES}
    assert found["roadworthy_estate_info"] == {("false", __version__): 1}
    assert "roadworthy_estate_cpu_ratio" not in found
    assert "roadworthy_devices" not in found


def test_states_follow_the_silence(estate: Estate, now: float) -> None:
    for silence in (0, 1125, 1126, 2700, 2701):
        estate.device(last_report_at=int(now) - silence)
    estate.device(last_report_at=int(now) - 121, next_call_seconds=60)
    estate.device(last_report_at=None, enrolled_at=int(now))
    estate.device(retired_at=int(now))
    assert rendered(estate, now)["roadworthy_devices"] == {
        ("HQ", "reporting"): 3,
        ("HQ", "late"): 3,
        ("HQ", "missing"): 1,
        ("HQ", "retired"): 1,
    }


def test_restricted_sites_are_counted_in_totals_only(estate: Estate, now: float) -> None:
    for _ in range(5):
        estate.device(model="A", now={"cpu_ratio": 0.2})
    hidden = estate.device(
        site="Safe house", unit="Secret", model="B", os_name="C", restricted=True, now={"cpu_ratio": 0.8}
    )
    book(estate, "site", "Safe house", {5.0: 1}, 3.0)
    book(estate, "site", "HQ", {5.0: 1}, 3.0)
    found = rendered(estate, now)
    names = {value for values in found.values() for key in values for value in key}
    assert names.isdisjoint({"Safe house", "Secret", "B", "C"})
    assert found["roadworthy_estate_devices"]["reporting",] == 6
    assert found["roadworthy_class_devices"] == {("unknown",): 6}
    assert found["roadworthy_estate_cpu_ratio"] == {(): pytest.approx(0.3)}
    # The whole less HQ would be the one that is hidden.
    assert "roadworthy_site_cpu_ratio" not in found
    retire(estate, hidden, now)
    assert rendered(estate, now)["roadworthy_site_cpu_ratio"] == {("HQ",): pytest.approx(0.2)}


def test_what_is_not_said_is_unknown_and_no_mean_is_over_it(estate: Estate, now: float) -> None:
    for _ in range(5):
        estate.device(now={"cpu_ratio": 0.5, "memory_ratio": None})
        estate.device(site="Home", last_report_at=int(now) - 90_000, now={"cpu_ratio": 1.0})
    estate.device(os_name="Debian GNU/Linux", os_version="12", now={"cpu_ratio": None})
    found = rendered(estate, now)
    assert found["roadworthy_model_devices"] == {("unknown",): 11}
    assert found["roadworthy_os_devices"] == {("unknown",): 10, ("Debian GNU/Linux 12",): 1}
    assert found["roadworthy_site_cpu_ratio"] == {("HQ",): 0.5}
    assert found["roadworthy_site_cpu_devices"] == {("HQ",): 5, ("Home",): 0}
    assert "roadworthy_site_memory_ratio" not in found


def retire(estate: Estate, device: int, now: float) -> None:
    with write_transaction(estate.engine) as connection:
        query = update(schema.devices).where(schema.devices.c.id == device)
        connection.execute(query.values(retired_at=int(now)))


def test_how_busy_devices_are_is_told_of_no_few_people(estate: Estate, now: float) -> None:
    """It says when somebody was at work; nor may a device's coming and going, or a difference, say so."""
    silent = {"last_report_at": int(now) - 90_000}
    for _ in range(6):
        estate.device(site="HQ", device_class="desktop", now={"cpu_ratio": 0.5})
        estate.device(site="Depot", device_class="desktop", now={"cpu_ratio": 0.2})
        estate.device(site="Depot", device_class="desktop", now={"cpu_ratio": 0.2})
    estate.device(site="Machine room", device_class="server", now={"cpu_ratio": 0.9})
    there = {("Depot",): 12, ("HQ",): 6, ("Machine room",): 1}
    assert rendered(estate, now)["roadworthy_site_cpu_devices"] == there
    lone = estate.device(site="Home", device_class="laptop", now={"cpu_ratio": 0.9}, **silent)
    # Alone it is too few, and the smallest site that is not goes along, whether it is heard or not.
    folded = {("Depot",): 12, (OTHER,): 6, ("Machine room",): 1}
    assert rendered(estate, now)["roadworthy_site_cpu_devices"] == folded
    retire(estate, lone, now)
    lone = estate.device(site="Home", device_class="laptop", now={"cpu_ratio": 0.9})
    found = rendered(estate, now)
    assert found["roadworthy_site_cpu_devices"] == folded | {(OTHER,): 7}
    assert found["roadworthy_site_cpu_ratio"] == {
        ("Depot",): pytest.approx(0.2), ("Machine room",): 0.9, (OTHER,): pytest.approx(3.9 / 7),
    }  # fmt: skip
    # In the evening few are on at a large site.
    for _ in range(5):
        estate.device(site="Library", device_class="desktop", now={"cpu_ratio": 0.9}, **silent)
    estate.device(site="Library", device_class="desktop", now={"cpu_ratio": 0.9})
    assert rendered(estate, now)["roadworthy_site_cpu_devices"] == folded | {(OTHER,): 8}


def test_probes_say_what_is_not_measured(estate: Estate, now: float) -> None:
    for status in ("ok", "no_permission", "ok"):
        row = {"probe": "storage", "status": status, "since": 0, "updated_at": 0}
        estate.put(schema.probe_status, device=estate.device(), **row)
    gone = estate.device(retired_at=int(now))
    estate.put(schema.probe_status, device=gone, probe="storage", status="ok", since=0, updated_at=0)
    assert rendered(estate, now)["roadworthy_probe_devices"] == {
        ("storage", "ok"): 2,
        ("storage", "no_permission"): 1,
    }


def test_histograms_are_cumulative(estate: Estate, now: float) -> None:
    book(estate, "model", "A", {5.0: 2, 30.0: 1, float("inf"): 1}, 4000.0)
    found = rendered(estate, now)
    name = "roadworthy_model_startup_seconds"
    assert found[f"{name}_bucket"] == {("A", "5.0"): 2, ("A", "30.0"): 3, ("A", "+Inf"): 4}
    assert found[f"{name}_sum"] == {("A",): 4000.0}
    assert found[f"{name}_count"] == {("A",): 4}


def test_sign_ins_have_histograms_of_their_own(estate: Estate, now: float) -> None:
    for _ in range(5):
        estate.device()
    book(estate, "unit", "IT", {1.0: 2, 3.0: 1}, 5.5, "signin")
    book(estate, "unit", "IT", {60.0: 1}, 50.0)
    book(estate, "unit", OTHER, {3.0: 4}, 8.0, "signin")
    found = rendered(estate, now)
    name = "roadworthy_unit_signin_seconds"
    assert found[f"{name}_bucket"] == {("IT", "1.0"): 2, ("IT", "3.0"): 3, (OTHER, "3.0"): 4}
    assert found[f"{name}_sum"] == {("IT",): 5.5, (OTHER,): 8.0}
    assert found["roadworthy_unit_startup_seconds_count"] == {("IT",): 1}
    assert "roadworthy_site_signin_seconds_count" not in found


def test_under_five_devices_nothing_is_told_of_sign_ins(estate: Estate, now: float) -> None:
    for _ in range(4):
        estate.device()
    estate.device(retired_at=int(now))
    book(estate, "unit", OTHER, {1.0: 2}, 1.5, "signin")
    assert "roadworthy_unit_signin_seconds_count" not in rendered(estate, now)
    estate.device()
    assert rendered(estate, now)["roadworthy_unit_signin_seconds_count"] == {(OTHER,): 2}


def probe(estate: Estate, device: int, name: str, status: str) -> None:
    estate.put(schema.probe_status, device=device, probe=name, status=status, since=0, updated_at=0)


def test_a_devices_worst_battery_counts_and_none_is_no_battery(estate: Estate, now: float) -> None:
    for ratios in ((1.02,), (0.8, None), (0.79,), (0.6, 0.95), (0.59, 0.9), (None,)):
        device = estate.device()
        probe(estate, device, "battery", "ok")
        for number, ratio in enumerate(ratios):
            estate.put(schema.batteries, device=device, name=f"BAT{number}", health_ratio=ratio)
    for status in ("ok", "no_permission", "error", "virtual_machine", "container"):
        probe(estate, estate.device(), "battery", status)
    estate.device()  # has said nothing at all
    gone = estate.device(retired_at=int(now))
    estate.put(schema.batteries, device=gone, name="BAT0", health_ratio=0.9)
    hidden = estate.device(site="Safe house", restricted=True)
    estate.put(schema.batteries, device=hidden, name="BAT0", health_ratio=0.1)
    assert rendered(estate, now)["roadworthy_battery_devices"] == {
        ("good",): 2,
        ("worn",): 2,
        ("weak",): 2,
        ("unknown",): 3,
    }


def test_the_disk_that_holds_the_system_counts(estate: Estate, now: float) -> None:
    system = {"medium": "nvme", "holds_system": True}
    for found in (
        [{**system, "wear_ratio": 0.79}],
        [{**system, "failing": False}],  # a hard disk knows no wear
        [{**system, "wear_ratio": 0.8, "failing": False}],
        [{**system, "wear_ratio": 0.1}, {**system, "wear_ratio": 1.2}],
        [{**system, "wear_ratio": 0.9, "failing": True}],
        [{**system, "failing": False}, {**system, "failing": True}],
        [system, {"medium": "hdd", "holds_system": False, "failing": True, "wear_ratio": 0.9}],
        [{"medium": "ssd", "failing": True}],  # which disk holds the system is not known
        [{"medium": "virtual", "holds_system": True}],
    ):
        device = estate.device()
        probe(estate, device, "storage", "ok")
        for number, disk in enumerate(found):
            estate.put(schema.disks, device=device, name=f"disk{number}", **disk)
    for status in ("no_permission", "container", "ok"):
        probe(estate, estate.device(), "storage", status)
    assert rendered(estate, now)["roadworthy_disk_devices"] == {
        ("good",): 2,
        ("worn",): 2,
        ("failing",): 2,
        ("unknown",): 3,
    }


STATES = ("in_use", "idle", "locked", "asleep", "off", "unobserved")


def book_day(estate: Estate, site: str, day: int, *seconds: int, restricted: bool = False) -> None:
    """Book a day's states of a new device of `site`, in the order of STATES."""
    device = estate.device(site=site, restricted=restricted)
    states = {f"{name}_seconds": value for name, value in zip(STATES, seconds, strict=True)}
    row = {"device": device, "day": day, "site": estate.site(site), "unit": estate.unit("IT")}
    estate.put(schema.days, **row, **states, periods=48, observed_seconds=0, startups=0)


def test_yesterdays_states_are_told_of_sites_of_five_devices(estate: Estate, now: float) -> None:
    yesterday = int(now) // 86400 * 86400 - 86400
    for _ in range(5):
        book_day(estate, "HQ", yesterday, 43200, 21600, 0, 0, 0, 21600)
        book_day(estate, "Safe house", yesterday, 86400, 0, 0, 0, 0, 0, restricted=True)
    book_day(estate, "HQ", yesterday - 86400, 0, 0, 0, 0, 0, 86400)
    book_day(estate, "HQ", yesterday + 86400, 0, 0, 0, 0, 0, 86400)
    book_day(estate, "HQ", yesterday, 0, 0, 0, 0, 0, 0)  # start-ups alone; of its state nothing is known
    for site, devices in (("Depot", 4), ("Farm", 0)):
        estate.device(site=site)
        for _ in range(devices):
            book_day(estate, site, yesterday, 0, 0, 86400, 0, 0, 0)
    found = rendered(estate, now)
    hq = dict(zip(STATES, (0.5, 0.25, 0, 0, 0, 0.25), strict=True))
    assert found["roadworthy_site_state_ratio"] == {("HQ", state): ratio for state, ratio in hq.items()}
    assert found["roadworthy_site_state_devices"] == {("HQ",): 5}
    book_day(estate, "Farm", yesterday, 86400, 0, 0, 0, 0, 0)
    found = rendered(estate, now)
    assert found["roadworthy_site_state_devices"] == {("HQ",): 5, (OTHER,): 5}
    assert found["roadworthy_site_state_ratio"][OTHER, "locked"] == 0.8
    assert found["roadworthy_site_state_ratio"][OTHER, "in_use"] == 0.2


state_days = st.lists(
    st.tuples(st.integers(0, 3), st.tuples(*[st.integers(0, 14400)] * len(STATES))), max_size=25
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(state_days)
def test_shares_add_up_and_the_sums_close(
    estate: Estate, now: float, booked: list[tuple[int, tuple[int, ...]]]
) -> None:
    """Each site's states make a whole; weighted by their devices the sites are those that may be told."""
    estate.clear()
    for site, seconds in booked:
        book_day(estate, f"Site {site}", int(now) // 86400 * 86400 - 86400, *seconds)
    found = rendered(estate, now)
    over = found.get("roadworthy_site_state_devices", {})
    told = Counter(site for site, seconds in booked if sum(seconds))
    folded = sum(count for count in told.values() if count < 5)
    assert over == {(f"Site {site}",): count for site, count in told.items() if count >= 5} | (
        {(OTHER,): folded} if folded >= 5 else {}
    )
    ratios = found.get("roadworthy_site_state_ratio", {})
    assert {(site,) for site, _ in ratios} == set(over)
    for (site,) in over:
        assert sum(ratios[site, state] for state in STATES) == pytest.approx(1)


places = st.sampled_from([f"site {number}" for number in range(6)])
device_rows = st.lists(
    st.fixed_dictionaries(
        {
            "site": places,
            "model": st.sampled_from([None, "", OTHER, "A", "B"]),
            "device_class": st.sampled_from(["laptop", "laptop", "unknown", "server"]),
            "silence": st.integers(0, 4000),
            "retired": st.booleans(),
            "cpu": st.one_of(st.none(), st.floats(0, 1)),
        }
    ),
    max_size=40,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=device_rows, hidden=places, limit=st.integers(1, 8))
def test_sums_close(estate: Estate, now: float, rows: list[dict[str, Any]], hidden: str, limit: int) -> None:
    """Estate = sum of sites + restricted ones; every grouping adds up to the devices in service it covers."""
    estate.clear()
    for row in rows:
        estate.device(
            site=row["site"],
            restricted=row["site"] == hidden,
            model=row["model"],
            device_class=row["device_class"],
            last_report_at=int(now) - row["silence"],
            retired_at=int(now) if row["retired"] else None,
            now={"cpu_ratio": row["cpu"]},
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fleet, "MAX_MEMBERS", limit)
        found = rendered(estate, now)
    shown = [row for row in rows if row["site"] != hidden]
    total = found["roadworthy_estate_devices"]
    for state in fleet.STATES:
        by_site = sum(count for key, count in found["roadworthy_devices"].items() if key[1] == state)
        restricted = sum(1 for row in rows if row["site"] == hidden and _state(row) == state)
        assert total[state,] == by_site + restricted
    assert sum(total.values()) == len(rows)
    assert sum(found["roadworthy_model_devices"].values()) == sum(not row["retired"] for row in shown)
    assert len({site for site, _ in found["roadworthy_devices"]}) <= limit + 1
    _check_use(found, rows, hidden)


def _check_use(found: dict[str, Any], rows: list[dict[str, Any]], hidden: str) -> None:
    """Check means told by name, and that none tells of few people, nor what is missing of the whole."""
    heard = [row for row in rows if _state(row) in {"reporting", "late"} and row["cpu"] is not None]
    means, over = found.get("roadworthy_site_cpu_ratio", {}), found.get("roadworthy_site_cpu_devices", {})
    assert set(means) == {key for key, count in over.items() if count}
    named = {site for (site,) in over if site != OTHER}
    for site in named:
        there = [row["cpu"] for row in heard if row["site"] == site]
        assert over[site,] == len(there)
        assert not there or means[site,] == pytest.approx(sum(there) / len(there))

    def people(*, of: set[str] | None = None, but: Collection[str] = ()) -> int:
        told = [row["site"] for row in heard if row["device_class"] != "server"]
        return sum((of is None or site in of) and site not in but for site in told)

    assert all(people(of={site}) == 0 or people(of={site}) >= 5 for site in named)
    if any(people(of={site}) for site in named):
        assert people(but=named) == 0 or people(but=named) >= 5
    if over.get((OTHER,)):
        told = people(but={*named, hidden})
        assert told == 0 or told >= 5
        assert over[OTHER,] <= len([row for row in heard if row["site"] not in {*named, hidden}])


def _state(row: dict[str, Any]) -> str:
    if row["retired"]:
        return "retired"
    return "missing" if row["silence"] > 2700 else "late" if row["silence"] > 1125 else "reporting"


@given(st.dictionaries(st.one_of(st.none(), st.text(max_size=3)), st.integers(0, 5), max_size=300))
def test_folding_loses_nothing(values: dict[str | None, int]) -> None:
    folded = fleet.fold(values)
    assert sum(folded.values()) == sum(values.values())
    assert len(folded) <= MAX_MEMBERS + 1


bumps = st.lists(st.tuples(st.integers(0, 12), st.sampled_from(BOUNDS), st.floats(0, 60)), max_size=40)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=st.lists(bumps, min_size=2, max_size=4))
def test_no_counter_ever_falls(
    estate: Estate, now: float, runs: list[list[tuple[int, float, float]]]
) -> None:
    """Also with more members than places: who had a histogram keeps it, and `other` never loses one to a name."""
    estate.clear()
    held: Held = Counter()
    sums: Held = Counter()
    members: dict[str, list[str]] = {}
    before: dict[str, dict[tuple[str, ...], float]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fleet, "MAX_MEMBERS", 3)
        for run in runs:
            for number, bound, seconds in run:
                held[f"model {number}", bound] += 1
                sums[f"model {number}", bound] += seconds
            _replace(estate, held, sums)
            read = fleet.read(estate.engine, now=now, interval_seconds=900)
            members = fleet.admitted(members, read.histograms)
            found = parsed(fleet.render(read, members))
            for name in metric("roadworthy_model_startup_seconds").series:
                for key, value in before.get(name, {}).items():
                    assert found[name][key] >= value
            assert found["roadworthy_model_startup_seconds_count"].keys() <= {
                (member,) for member in (*members["model"], OTHER)
            }
            before = found
    assert sum(before.get("roadworthy_model_startup_seconds_count", {}).values()) == held.total()


def _replace(estate: Estate, held: Held, sums: Held) -> None:
    rows = [
        {
            "metric": "startup_seconds",
            "grouping": "model",
            "member": member,
            "bucket": bound,
            "count": held[member, bound],
            "sum": sums[member, bound],
        }
        for member, bound in held
    ]
    with estate.engine.begin() as connection:
        connection.execute(schema.histograms.delete())
        if rows:
            connection.execute(insert(schema.histograms), rows)


def test_members_survive_a_restart(estate: Estate) -> None:
    members = {"site": ["HQ"], "model": ["a", 'b"']}
    assert fleet.parse_members(None) == {}
    assert fleet.parse_members(fleet.members_text(members)) == members


@pytest.mark.needs("promtool")
def test_promtool_reads_it(estate: Estate, now: float) -> None:
    estate.device(model='19" \\ "rack"\n', now={"cpu_ratio": 0.5, "memory_ratio": 0.1})
    book(estate, "model", "A", {5.0: 2, 30.0: 1, float("inf"): 1}, 4000.0)
    read = fleet.read(estate.engine, now=now, interval_seconds=900)
    text = fleet.render(read, fleet.admitted({}, read.histograms))
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
