"""The IT estate's roll-ups as ready text: computed by the jobs process, appended to `/metrics` by the serving one.

Sums close: the states of all sites add up to roadworthy_estate_devices less the restricted sites, and a grouping
past MAX_MEMBERS folds the rest into `other` instead of dropping it. What tells of people is of no group under five.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from roadworthy_collector import __version__
from roadworthy_collector.books.small_groups import folded, folded_beside
from roadworthy_collector.metrics.catalogue import MAX_MEMBERS, OTHER, UNKNOWN, metric
from roadworthy_collector.metrics.members import Shown
from roadworthy_collector.metrics.text import known, labels, le, number
from roadworthy_collector.store.queries import condition
from roadworthy_collector.store.queries import metrics as queries
from roadworthy_collector.store.queries.jobs import DAY_SECONDS
from roadworthy_collector.store.queries.jobs import STATES as DEVICE_STATES
from roadworthy_collector.store.queries.states import SMALLEST_GROUP
from roadworthy_inventory.device_class import ASKED

Key = tuple[str, ...]
Samples = Mapping[Key, float]

SNAPSHOT = "fleet_metrics"
# Which members of each grouping have a histogram of their own; see `admitted`.
MEMBERS_SNAPSHOT = "histogram_members"
STATES = ("reporting", "late", "missing", "retired")
_HISTOGRAMS = ("site", "unit", "model", "os")
# Groupings of closed vocabularies: their totals count restricted sites too.
_TOTALS = {"class": "device_class", "environment": "environment", "system_medium": "system_medium"}
_NAMED = {"unit": "unit", "model": "model", "os": "os"}
_OF_AGENTS = ("os", "system_medium")
# How busy these are tells nobody's working hours; of what is not known it might.
_OF_NOBODY = frozenset({"server", *ASKED})


@dataclass(frozen=True)
class Estate:
    """What the roll-ups are computed from: rows as `store.queries.metrics` returns them."""

    simulated: str
    groups: Sequence[Any]
    probes: Sequence[Any]
    histograms: Sequence[Any]
    batteries: Mapping[str, int]
    disks: Mapping[str, int]
    states: Sequence[Any]


def read(engine: Engine, *, now: float, interval_seconds: int) -> Estate:
    """Read everything in one transaction, so that all figures are of one moment."""
    with engine.connect() as connection:
        return Estate(
            simulated=queries.read_estate(connection).get("simulated", UNKNOWN),
            groups=queries.count_groups(connection, now=now, interval_seconds=interval_seconds),
            probes=queries.count_probes(connection),
            histograms=queries.read_histograms(connection),
            batteries=condition.count_batteries(connection),
            disks=condition.count_disks(connection),
            states=condition.sum_states_of(connection, int(now) // DAY_SECONDS * DAY_SECONDS - DAY_SECONDS),
        )


def render(estate: Estate, members: Mapping[str, Iterable[str]]) -> str:
    """Return the roll-ups in the text format; `members` names the histograms of each grouping (see `admitted`)."""
    in_service = [row for row in estate.groups if row.state != "retired"]
    shown = [row for row in in_service if not row.restricted]
    sites = _shown_sites(estate.groups)
    parts = [
        samples("roadworthy_estate_info", {(estate.simulated, __version__): 1}),
        samples("roadworthy_estate_devices", _with_all_states(estate.groups)),
        samples("roadworthy_devices", _by_site_and_state(estate.groups, sites)),
    ]
    parts += [_devices(name, _telling(shown, name), column) for name, column in _NAMED.items()]
    parts += [_devices(name, _telling(in_service, name), column) for name, column in _TOTALS.items()]
    parts.append(samples("roadworthy_probe_devices", _by_probe(estate.probes)))
    for use in ("cpu", "memory"):
        parts += [_use_by_site(use, in_service, sites), _use_of_estate(use, in_service)]
    people = sum(row.devices for row in in_service) >= SMALLEST_GROUP
    for measure in ("startup", "signin") if people else ("startup",):
        rows = [row for row in estate.histograms if row.metric == f"{measure}_seconds"]
        parts += [_histogram(name, measure, rows, set(members.get(name, ()))) for name in _HISTOGRAMS]
    parts.append(samples("roadworthy_battery_devices", _by_health(estate.batteries)))
    parts.append(samples("roadworthy_disk_devices", _by_health(estate.disks)))
    parts.append(_states(estate.states, sites))
    return "".join(parts)


def admitted(before: Mapping[str, Sequence[str]], rows: Sequence[Any]) -> dict[str, list[str]]:
    """Return which members have a histogram of their own, given those that had one `before`.

    Once in, always in: a member that moved out of `other` would take its counts along, and Prometheus would read
    the drop as a restart. Newcomers get a free place by their number of start-ups and sign-ins.
    """
    counts: dict[str, Counter[str]] = {name: Counter() for name in _HISTOGRAMS}
    for row in rows:
        if row.grouping in counts:
            counts[row.grouping][row.member] += row.held
    result = {}
    for name, found in counts.items():
        kept = list(before.get(name, ()))[:MAX_MEMBERS]
        newcomers = _ranked({member: held for member, held in found.items() if member not in set(kept)})
        result[name] = kept + newcomers[: MAX_MEMBERS - len(kept)]
    return result


def parse_members(body: str | None) -> dict[str, list[str]]:
    """Return what an earlier run left under MEMBERS_SNAPSHOT."""
    return {} if body is None else {str(name): list(members) for name, members in json.loads(body).items()}


def members_text(members: Mapping[str, Sequence[str]]) -> str:
    """Return what `parse_members` reads back."""
    return json.dumps(members)


def fold(values: Mapping[str | None, float]) -> dict[str, float]:
    """Return `values` with nothing known as UNKNOWN and all past the MAX_MEMBERS largest added up as OTHER."""
    named: dict[str, float] = defaultdict(int)
    for member, value in values.items():
        named[member or UNKNOWN] += value
    kept = set(_ranked(named)[:MAX_MEMBERS])
    folded: dict[str, float] = defaultdict(int)
    for member, value in named.items():
        folded[member if member in kept else OTHER] += value
    return dict(folded)


def shown(estate: Estate, open_sites: Collection[str]) -> Shown:
    """Return under which names sites and models are shown, the same in every family; `open_sites` as members.read_open."""
    models: dict[str | None, float] = defaultdict(int)
    for row in estate.groups:
        if not row.restricted and row.state != "retired":
            models[row.model] += row.devices
    kept = fold(models)
    names = {name: name if name in kept else OTHER for name in (model or UNKNOWN for model in models)}
    return Shown(_shown_sites(estate.groups), names, open_sites)


def _ranked(values: Mapping[str, float]) -> list[str]:
    """Return the members, largest first; ties by name, so that two runs agree."""
    return sorted(values, key=lambda member: (-values[member], member))


def samples(name: str, values: Samples) -> str:
    """Return one family in the text format; a value that is not known makes no sample."""
    row = metric(name)
    lines = [
        f"{name}{labels(row.labels, key)} {number(value)}\n"
        for key, value in sorted(values.items())
        if known(value)
    ]
    return row.header + "".join(lines) if lines else ""


def _with_all_states(rows: Iterable[Any]) -> dict[Key, float]:
    """Count by state; a state nobody is in is a true zero, and an alert on it needs the series."""
    counts = dict.fromkeys(STATES, 0)
    for row in rows:
        counts[row.state] += row.devices
    return {(state,): count for state, count in counts.items()}


def _shown_sites(rows: Iterable[Any]) -> dict[str, str]:
    """Return the name each unrestricted site is shown under, its own or `other`, the same in every family."""
    totals: dict[str | None, float] = defaultdict(int)
    for row in rows:
        if not row.restricted:
            totals[row.site] += row.devices
    kept = fold(totals)
    return {str(site): str(site) if site in kept else OTHER for site in totals}


def _by_site_and_state(rows: Iterable[Any], sites: Mapping[str, str]) -> dict[Key, float]:
    """Count by site and state."""
    grouped: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        if not row.restricted:
            grouped[sites[row.site]].append(row)
    return {
        (site, state): count
        for site, found in grouped.items()
        for (state,), count in _with_all_states(found).items()
    }


def _telling(rows: Sequence[Any], group: str) -> Sequence[Any]:
    """Return the rows a grouping is about: a polled device has no operating system or system disk that were unknown."""
    return [row for row in rows if group not in _OF_AGENTS or row.device_class not in ASKED]


def _devices(group: str, rows: Iterable[Any], column: str) -> str:
    """Return devices in service by one grouping."""
    counts: dict[str | None, float] = defaultdict(int)
    for row in rows:
        counts[getattr(row, column)] += row.devices
    values: Samples = {(member,): count for member, count in fold(counts).items()}
    return samples(f"roadworthy_{group}_devices", values)


def _by_probe(rows: Iterable[Any]) -> dict[Key, float]:
    """Count by probe and status; probes past the limit are one `other`."""
    totals: dict[str | None, float] = defaultdict(int)
    for row in rows:
        totals[row.probe] += row.devices
    kept = fold(totals)
    counts: dict[Key, float] = defaultdict(int)
    for row in rows:
        counts[row.probe if row.probe in kept else OTHER, row.status] += row.devices
    return counts


def _use_of_estate(use: str, rows: Iterable[Any]) -> str:
    """Return the mean utilisation of everything in service and the count it is over."""
    held = [(getattr(row, f"{use}_sum") or 0.0, getattr(row, f"{use}_devices")) for row in rows]
    return _use(
        "estate",
        use,
        {(): sum(one for one, _ in held)},
        {(): sum(count for _, count in held)} if held else {},
    )


def _use_by_site(use: str, rows: Sequence[Any], sites: Mapping[str, str]) -> str:
    """Return mean utilisations by site and the counts they are over, so that neither tells of fewer than five people.

    Nor does what is missing of the whole. Sites with one to four devices that are people's are `other` whoever of them
    is heard, else their coming and going would show; so is, while it lasts, a larger site few of which are heard.
    """
    enrolled = Counter({sites[row.site]: 0 for row in rows if not row.restricted})
    for row in rows:
        if not row.restricted and row.device_class not in _OF_NOBODY:
            enrolled[sites[row.site]] += row.devices
    peopled = {site: count for site, count in enrolled.items() if count}
    named = folded(peopled, peopled)
    sums: dict[str, float] = defaultdict(float)
    over: Counter[str] = Counter()
    heard: Counter[str] = Counter()  # of them, those that are people's
    hidden = 0
    for row in rows:
        count = getattr(row, f"{use}_devices")
        of_people = count if row.device_class not in _OF_NOBODY else 0
        if row.restricted:
            hidden += of_people
            continue
        site = sites[row.site]
        shown = site if site in named or site not in peopled else OTHER
        sums[shown] += getattr(row, f"{use}_sum") or 0.0
        over[shown] += count
        heard[shown] += of_people
    return _use("site", use, *(_told(values, heard, hidden) for values in (sums, over)))


def _told(values: Mapping[str, float], heard: Mapping[str, int], hidden: int) -> dict[Key, float]:
    """Return values by site, of whose devices so many that are people's are heard, and `hidden` at restricted sites."""
    told = folded_beside({site: value for site, value in values.items() if heard[site]}, heard, hidden)
    for site in values:
        if not heard[site]:
            told[site] = told.get(site, 0) + values[site]
    return {(site,): value for site, value in told.items()}


def _use(group: str, use: str, sums: Samples, over: Samples) -> str:
    """Return a mean utilisation and the count it is over, per member; a mean over nobody is no sample."""
    means = {key: sums[key] / count for key, count in over.items() if count}
    return samples(f"roadworthy_{group}_{use}_ratio", means) + samples(
        f"roadworthy_{group}_{use}_devices", over
    )


def _by_health(counts: Mapping[str, int]) -> dict[Key, float]:
    return {(health,): count for health, count in counts.items()}


def _states(rows: Iterable[Any], sites: Mapping[str, str]) -> str:
    """Return the shares of the device states by site; small sites are one `other`, and that too must not be small."""
    seconds: dict[str, Counter[str]] = defaultdict(Counter)
    over: Counter[str] = Counter()
    for row in rows:
        site = sites.get(row.site, OTHER) if row.devices >= SMALLEST_GROUP else OTHER
        over[site] += row.devices
        for state in DEVICE_STATES:
            seconds[site][state] += getattr(row, state)
    shown = [site for site, devices in over.items() if devices >= SMALLEST_GROUP]
    ratios: Samples = {
        (site, state): seconds[site][state] / seconds[site].total()
        for site in shown
        for state in DEVICE_STATES
    }
    counts: Samples = {(site,): over[site] for site in shown}
    return samples("roadworthy_site_state_ratio", ratios) + samples("roadworthy_site_state_devices", counts)


def _histogram(group: str, measure: str, rows: Iterable[Any], members: set[str]) -> str:
    """Return one grouping's histogram of start-ups or sign-ins: cumulative buckets, sum and count per member."""
    buckets: dict[str, Counter[float]] = defaultdict(Counter)
    sums: dict[str, float] = defaultdict(float)
    for row in rows:
        if row.grouping == group:
            member = (row.member or UNKNOWN) if row.member in members else OTHER
            buckets[member][row.bucket] += row.held
            sums[member] += row.sum
    name = f"roadworthy_{group}_{measure}_seconds"
    lines = []
    for member in sorted(buckets):
        total = 0
        pair = labels((group,), (member,))
        for bound in sorted(buckets[member]):
            total += buckets[member][bound]
            lines.append(f'{name}_bucket{pair[:-1]},le="{le(bound)}"}} {total}\n')
        lines.append(f"{name}_sum{pair} {number(float(sums[member]))}\n{name}_count{pair} {total}\n")
    return metric(name).header + "".join(lines) if lines else ""
