"""The ledger: every item that was acknowledged is held exactly once, and nothing is held that was never sent.

`read_held` is the one place that knows the collector's tables.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from load.bodies import Bodies
from load.fleet import Member
from load.task import unpacked
from roadworthy_collector.store import slots
from roadworthy_collector.store.engine import Database, open_engine
from roadworthy_collector.store.queries.states import WAKE_KIND
from roadworthy_collector.store.schema import devices, gaps, histograms, signins, startups, use_slots

Key = tuple[str, str, int | str]  # device_id, kind, key of an item
SHOWN = 5


@dataclass
class Ledger:
    """What is owed beside what is held, in items."""

    acknowledged: int = 0
    held: int = 0
    unsure: int = 0  # held of reports whose answer never came: kept or not, both are right
    lost: list[Key] = field(default_factory=list)
    doubled: list[Key] = field(default_factory=list)
    unknown: list[Key] = field(default_factory=list)  # held though nobody sent them
    counted_wrong: str = ""  # start-ups held beside those counted for Prometheus, where they differ

    @property
    def balanced(self) -> bool:
        """Whether every acknowledged item is held exactly once."""
        return not (self.lost or self.doubled or self.unknown or self.counted_wrong)

    def faults(self) -> list[str]:
        """Return what is wrong, in words."""
        found = [
            f"{len(some)} items {what}, such as {', '.join(map(str, some[:SHOWN]))}"
            for what, some in (
                ("acknowledged and not held", self.lost),
                ("held more than once", self.doubled),
                ("held and never sent", self.unknown),
            )
            if some
        ]
        return [*found, self.counted_wrong] if self.counted_wrong else found

    def json(self) -> dict[str, int | bool]:
        """Return the counts."""
        return {
            "acknowledged": self.acknowledged,
            "held": self.held,
            "unsure": self.unsure,
            "lost": len(self.lost),
            "doubled": len(self.doubled),
            "unknown": len(self.unknown),
            "balanced": self.balanced,
        }


def balance(
    database: Database, bodies: Bodies, fleet: Sequence[Member], acked: Iterable[int], unsure: Iterable[int]
) -> Ledger:
    """Compare the acknowledged reports with what the collector's database holds of the fleet."""
    engine = open_engine(database, read_only=True)
    try:
        with engine.connect() as connection:
            ours = {member.device_id for member in fleet}
            held = Counter(key for key in read_held(connection) if key[0] in ours)
            counted = count_startups(connection)
    finally:
        engine.dispose()
    owed = set(items_of(bodies, fleet, acked))
    maybe = set(items_of(bodies, fleet, unsure)) - owed
    return Ledger(
        acknowledged=len(owed),
        held=held.total(),
        unsure=sum(1 for key in maybe if key in held),
        lost=[key for key in owed if key not in held],
        doubled=[key for key, times in held.items() if times > 1],
        unknown=[key for key in held if key not in owed and key not in maybe],
        counted_wrong=""
        if counted[0] == counted[1]
        else f"{counted[0]} start-ups held, {counted[1]} counted",
    )


def items_of(bodies: Bodies, fleet: Sequence[Member], reports: Iterable[int]) -> Iterator[Key]:
    """Return the items of reports, given as `task.packed` packs them."""
    for device, number in unpacked(reports):
        for item in bodies.items(device, number):
            yield fleet[device].device_id, item.kind, item.key


def read_held(connection: Connection) -> Iterator[Key]:
    """Return every item of history a collector's database holds, as often as it holds it.

    Settlement periods the collector booked by itself for silent devices are not among them.
    """
    names = {row.id: row.device_id for row in connection.execute(select(devices.c.id, devices.c.device_id))}
    days = select(use_slots.c.day, use_slots.c.device, use_slots.c.slots)
    for day, device, packed in connection.execute(days):
        for told in slots.unpack_use(packed):
            if not told.incomplete:
                yield names[device], "period", day + told.slot * slots.PERIOD_SECONDS
    for kind, query in (
        ("startup", select(startups.c.device, startups.c.start_id)),
        ("signin", select(signins.c.device, signins.c.signin_id)),
        ("gap", select(gaps.c.device, gaps.c.begin)),
    ):
        for device, key in connection.execute(query):
            yield names[device], kind, key


def count_startups(connection: Connection) -> tuple[int, int]:
    """Return how many start-ups are held that count, and how many were counted: each once and for ever."""
    counts = startups.c.final.is_(True), startups.c.total_seconds.is_not(None), startups.c.kind != WAKE_KIND
    held = connection.scalar(select(func.count()).select_from(startups).where(*counts)) or 0
    of_sites = histograms.c.metric == "startup_seconds", histograms.c.grouping == "site"
    counted = connection.scalar(select(func.sum(histograms.c.count)).where(*of_sites)) or 0
    return held, int(counted)
