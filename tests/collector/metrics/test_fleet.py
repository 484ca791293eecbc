from __future__ import annotations

import subprocess
from collections import Counter, defaultdict
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert
from support.estates import Estate

from roadworthy_collector import __version__
from roadworthy_collector.metrics import fleet
from roadworthy_collector.metrics.catalogue import MAX_MEMBERS, OTHER, metric
from roadworthy_collector.store import schema

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


def book(estate: Estate, grouping: str, member: str, counts: dict[float, int], total: float) -> None:
    for bound, count in counts.items():
        row = {"grouping": grouping, "member": member, "bucket": bound, "count": count}
        estate.put(
            schema.histograms, metric="startup_seconds", sum=total if bound == max(counts) else 0.0, **row
        )


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
    estate.device(model="A", now={"cpu_ratio": 0.2})
    estate.device(
        site="Safe house", unit="Secret", model="B", os_name="C", restricted=True, now={"cpu_ratio": 0.4}
    )
    book(estate, "site", "Safe house", {5.0: 1}, 3.0)
    book(estate, "site", "HQ", {5.0: 1}, 3.0)
    found = rendered(estate, now)
    names = {value for values in found.values() for key in values for value in key}
    assert names.isdisjoint({"Safe house", "Secret", "B", "C"})
    assert found["roadworthy_estate_devices"]["reporting",] == 2
    assert found["roadworthy_class_devices"] == {("unknown",): 2}
    assert found["roadworthy_estate_cpu_ratio"] == {(): pytest.approx(0.3)}
    assert found["roadworthy_site_cpu_ratio"] == {("HQ",): pytest.approx(0.2)}


def test_what_is_not_said_is_unknown_and_no_mean_is_over_it(estate: Estate, now: float) -> None:
    estate.device(now={"cpu_ratio": 0.5, "memory_ratio": None})
    estate.device(os_name="Debian GNU/Linux", os_version="12", now={"cpu_ratio": None})
    estate.device(site="Home", last_report_at=int(now) - 90_000, now={"cpu_ratio": 1.0})
    found = rendered(estate, now)
    assert found["roadworthy_model_devices"] == {("unknown",): 3}
    assert found["roadworthy_os_devices"] == {("unknown",): 2, ("Debian GNU/Linux 12",): 1}
    assert found["roadworthy_site_cpu_ratio"] == {("HQ",): 0.5}
    assert found["roadworthy_site_cpu_devices"] == {("HQ",): 1, ("Home",): 0}
    assert "roadworthy_site_memory_ratio" not in found


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


places = st.sampled_from([f"site {number}" for number in range(6)])
device_rows = st.lists(
    st.fixed_dictionaries(
        {
            "site": places,
            "model": st.sampled_from([None, "", OTHER, "A", "B"]),
            "silence": st.integers(0, 4000),
            "retired": st.booleans(),
            "cpu": st.one_of(st.none(), st.floats(0, 1)),
        }
    ),
    max_size=25,
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
    for key, over in found["roadworthy_site_cpu_devices"].items():
        mean = found["roadworthy_site_cpu_ratio"].get(key)
        assert (mean is None) == (over == 0)
    weighted = sum(
        ratio * found["roadworthy_site_cpu_devices"][key]
        for key, ratio in found.get("roadworthy_site_cpu_ratio", {}).items()
    )
    heard = [row["cpu"] for row in shown if _state(row) in {"reporting", "late"} and row["cpu"] is not None]
    assert weighted == pytest.approx(sum(heard))


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
