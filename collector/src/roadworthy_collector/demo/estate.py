"""From the tables to single devices: who they are, how they differ, when they came, vanished or were retired.

Everything follows from (seed, number of devices, `now`): the same three give the same estate, device by device.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from roadworthy_collector.demo.fleet import GROUPS, MODELS, OPERATING_SYSTEMS, Group, Model, OperatingSystem
from roadworthy_collector.demo.patterns import DAY, FORGOTTEN, PATTERNS, Pattern
from roadworthy_inventory.calendar import utc_day_start

SEED = 2012  # any number would do
MONTH = 30 * DAY
_FORGOTTEN, _ODD = ("server_2015", "server_2020"), ("server_2015", "laptop_2024")  # models
_FORGOTTEN_RATIO = 0.2  # of the base load others have: below 2 % each day
_ODD_DRAWS = 2.1

# Models that were rolled out while the demo's history runs: (months before now it began, months it took).
_ROLLOUTS = {"laptop_2024": (14, 10), "mini_2022": (21, 9), "server_2023": (18, 2)}
_RETIRING = frozenset({"tower_2014", "laptop_2017", "server_2015"})
_ROAMING = frozenset({"hybrid", "vehicle"})
_SITE_CODES = {
    "Headquarters": "HQ",
    "Northgate Station": "NG",
    "Riverside Station": "RS",
    "Harbour Station": "HB",
    "Custody Centre East": "CE",
    "Custody Centre West": "CW",
    "Data Centre A": "DC",
    "Homeworking": "LT",
    "Patrol Vehicles": "PV",
    "Partnership Hub": "PH",
    "Annexe R": "AR",
}


@dataclass(frozen=True, slots=True)
class Meter:
    """A source of energy readings a device has: scope, source and the share of its time on it covers."""

    scope: str
    source: str
    coverage: float = 1.0
    relative_error: float | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """One simulated device. Times are UTC epoch seconds; `row` is its id in `devices`.

    `silent_from`: nothing is heard from then on. `absences`: stretches of weeks without it (and back again).
    `watches_state`: whether device state is collected (not on personal-issue devices). `slowness` multiplies the
    model's start-up time; `ghost` firmware reports nonsense after a warm restart. `salt` seeds its half-hours.
    `draws` multiplies its model's watts: one of a model draws twice what the others do.
    """

    row: int
    device_id: str
    instance: str
    seed: str
    group: Group
    model: Model
    os: OperatingSystem
    pattern: Pattern
    hostname: str
    serial: str | None
    asset_tag: str
    enrolled_at: int
    silent_from: int | None
    retired_at: int | None
    absences: tuple[tuple[int, int], ...]
    left_on: bool
    habit: float
    slowness: float
    watches_state: bool
    ghost: bool
    reads_hardware: bool
    meters: tuple[Meter, ...]
    power_status: str
    base_ratio: float
    memory_ratio: float
    salt: int
    draws: float = 1.0

    @property
    def platform(self) -> str:
        """The wire's platform."""
        return self.os.family

    def away(self, at: float) -> bool:
        """Whether the device is in one of its weeks of absence at `at`."""
        return any(begin <= at < end for begin, end in self.absences)

    def rng(self, what: object) -> random.Random:
        """Return this device's generator for `what`: the same whenever and wherever it is asked for."""
        return random.Random(f"{self.seed}:{what}")  # noqa: S311 - a simulation must be repeatable, not secret


def allocate(devices: int) -> list[Group]:
    """Return the group of each of `devices` devices, in the tables' order, by largest remainder."""
    total = sum(group.share for group in GROUPS)
    exact = [group.share * devices / total for group in GROUPS]
    counts = [int(share) for share in exact]
    by_remainder = sorted(range(len(GROUPS)), key=lambda place: counts[place] - exact[place])
    for place in by_remainder[: devices - sum(counts)]:
        counts[place] += 1
    return [group for group, count in zip(GROUPS, counts, strict=True) for _ in range(count)]


def compose(devices: int, *, seed: int, now: int, first_day: int, half_hours_from: int) -> list[Device]:
    """Return the estate's devices, numbered from 1.

    History begins at `first_day` with daily facts and at `half_hours_from` with half-hours; `now` ends it.
    """
    found = [
        _device(row, group, f"{seed}:{row}", first_day, half_hours_from, now)
        for row, group in enumerate(allocate(devices), start=1)
    ]
    return _with_odd_ones(found, half_hours_from - MONTH)


def _with_odd_ones(devices: list[Device], since: int) -> list[Device]:
    """Return the devices with a forgotten server of each old model, and one of two models that draws twice what the others do.

    Each is the first of its model that was there before `since`, so that a small estate has them too.
    """
    forgotten, odd = set(_FORGOTTEN), set(_ODD)
    changed: list[Device] = []
    for one in devices:
        model = one.group.model
        if one.silent_from is not None or one.enrolled_at >= since:
            changed.append(one)
        elif model in forgotten:
            forgotten.remove(model)
            changed.append(replace(one, pattern=FORGOTTEN, base_ratio=one.base_ratio * _FORGOTTEN_RATIO))
        elif model in odd and one.meters:
            odd.remove(model)
            changed.append(replace(one, draws=_ODD_DRAWS))
        else:
            changed.append(one)
    return changed


def _device(row: int, group: Group, seed: str, first_day: int, half_hours_from: int, now: int) -> Device:
    rng = random.Random(f"{seed}:device")  # noqa: S311 - a simulation must be repeatable, not secret
    model, os, pattern = MODELS[group.model], OPERATING_SYSTEMS[group.os], PATTERNS[group.pattern]
    enrolled_at = _enrolled(rng, group, first_day, now)
    retired_at = None
    if group.model in _RETIRING and rng.random() < 0.12:
        retired_at = utc_day_start(half_hours_from - rng.uniform(0.5, 6) * MONTH) + 15 * 3600
        retired_at = max(retired_at, enrolled_at + DAY)
    silent_from = retired_at or _silence(rng, group, pattern, enrolled_at, now)
    power_status, meters = _meters(rng, group, model, os)
    personal = group.pattern == "hybrid"
    return Device(
        row=row,
        device_id=f"rwd_{rng.getrandbits(128):032x}",
        instance=f"{rng.getrandbits(64):016x}",
        seed=seed,
        group=group,
        model=model,
        os=os,
        pattern=pattern,
        hostname=f"{_SITE_CODES[group.site]}-{row:05d}",
        serial=_serial(rng, group, model),
        asset_tag=f"EX{100000 + row}",
        enrolled_at=enrolled_at,
        silent_from=silent_from,
        retired_at=retired_at,
        absences=tuple(_absences(rng, group, enrolled_at, half_hours_from, now)),
        left_on=rng.random() < pattern.left_on_share,
        habit=rng.gauss(0, 0.4),
        slowness=rng.lognormvariate(0, 0.22) * (2.4 if rng.random() < 0.04 else 1.0),
        watches_state=not personal and group.pattern != "server",
        ghost=model.environment == "physical" and rng.random() < 0.03,
        reads_hardware=os.id is not None and (os.family != "linux" or rng.random() > 0.08),
        meters=meters,
        power_status=power_status,
        base_ratio=rng.uniform(0.01, 0.05),
        salt=rng.getrandbits(64),
        memory_ratio=min(0.94, max(0.12, 4.6 / model.memory_gib + rng.gauss(0.12, 0.06))),
    )


def _enrolled(rng: random.Random, group: Group, first_day: int, now: int) -> int:
    """Return when the device was enrolled: mostly before the history, some by a rollout, a few lately."""
    if group.model in _ROLLOUTS:
        began, took = _ROLLOUTS[group.model]
        at = now - (began - rng.random() * took) * MONTH
    elif rng.random() < 0.05:
        at = rng.uniform(first_day, now - 2 * DAY)
    else:
        at = first_day
    return max(first_day, utc_day_start(at)) + (9 * 3600 if at > first_day else 0)


def _silence(rng: random.Random, group: Group, pattern: Pattern, enrolled_at: int, now: int) -> int | None:
    """Return from when nothing has been heard of the device, or None.

    Laptops and tablets vanish for weeks (drawers, long leave, loss); now and then an agent that should always
    run has stopped today; a handful never reported after their enrolment.
    """
    luck = rng.random()
    if luck < 0.003:
        return enrolled_at
    if group.pattern in _ROAMING and luck < 0.055:
        return max(enrolled_at + DAY, int(now - rng.uniform(5, 60) * DAY))
    if pattern.all_day and luck < 0.02:
        return max(enrolled_at + DAY, int(now - rng.uniform(1.5, 30) * 3600))
    return None


def _absences(
    rng: random.Random, group: Group, enrolled_at: int, half_hours_from: int, now: int
) -> Iterator[tuple[int, int]]:
    """Yield the stretches of weeks the device was away and came back from."""
    if group.pattern not in _ROAMING:
        return
    if rng.random() < 0.3:
        begin = rng.uniform(enrolled_at + 20 * DAY, half_hours_from)
        yield int(begin), int(begin + rng.uniform(12, 40) * DAY)
    if rng.random() < 0.06:  # back within the half-hours, so its gap is a record of its own
        end = rng.uniform(half_hours_from + DAY, now - DAY)
        yield int(max(enrolled_at, end - rng.uniform(15, 30) * DAY)), int(end)


def _serial(rng: random.Random, group: Group, model: Model) -> str | None:
    if model.environment == "container" or group.model == "unknown_box":
        return None
    letters = "BCDFGHJKLMNPQRSTVWXYZ0123456789"
    return model.vendor[:2].upper() + "".join(rng.choice(letters) for _ in range(7))


def _meters(
    rng: random.Random, group: Group, model: Model, os: OperatingSystem
) -> tuple[str, tuple[Meter, ...]]:
    """Return the power probe's status and the energy sources of a device; most have none."""
    luck = rng.random()
    if model.environment != "physical":
        return model.environment, ()
    if group.pattern != "server" and os.family == "linux" and luck < 0.35:
        return "no_permission", ()  # the kernel shows RAPL counters to root only since CVE-2020-8694
    meters = []
    if os.family == "linux":
        meters.append(Meter("cpu", "rapl:package-0"))
    elif group.model == "laptop_2024":
        meters.append(Meter("cpu", "emi:package-0"))
    if group.pattern == "server":
        meters.append(Meter("machine", "ipmi:dcmi", relative_error=0.05))
    elif group.pattern == "hybrid" and luck < 0.5:
        meters.append(Meter("machine", "battery:BAT0", 0.2, 0.1))
    return "ok" if meters else "not_supported", tuple(meters)
