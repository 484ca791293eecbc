"""Evidence for the Legacy IT Risk Assessment Framework, rolled from devices up to the systems they serve; kept ready.

A device serves the system its register item names. What serves none is counted and under no system. Legacy (support,
risk) and ageing stand beside each other and are never added up.
"""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, case, delete, func, select

from roadworthy_collector.books import figures, rules, warranties
from roadworthy_collector.books.cost_lines import counts
from roadworthy_collector.books.lifecycle_read import AGENT, Life
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.books_schema import batches, book_figures, contracts, ratings
from roadworthy_collector.store.queries.jobs import DAY_SECONDS
from roadworthy_collector.store.schema import probe_status, startups
from roadworthy_inventory.legacy import DeviceFacts, SystemEvidence, roll_up, standing

FIGURE = "legacy"
SHUTDOWN_DAYS = 90
HOURS = "staff hours lost a year"
_SYSTEM = f"{FIGURE}.system."
_GROWN = "startup_growth"
_MONTHS = 12
_MILLISECONDS_AN_HOUR = 3_600_000


def system_name(system: int) -> str:
    """Return the name of the figure that holds a system's evidence."""
    return f"{_SYSTEM}{system}"


class Gathered:
    """What a pass over all records tells of systems."""

    def __init__(self, connection: Connection, on: dt.date, now: float) -> None:
        self._on, self._now = on, now
        self._contracts = _contracts(connection)
        self._growth_rules = _growth_rules(connection)
        self._hours = _hours(connection)
        self._facts: defaultdict[int, list[DeviceFacts]] = defaultdict(list)
        self.without: Counter[str] = Counter()

    def add(self, connection: Connection, lives: Sequence[Life]) -> None:
        """Take records; what only systems need is read for those that serve one."""
        serving = [life for life in lives if life.system is not None]
        ids = [life.id for life in serving if life.kind == AGENT]
        stops, grown = _shutdowns(connection, ids, self._now), _grown(connection, ids, self._growth_rules)
        covers = warranties.latest(connection, (life.serial for life in serving))
        for life in lives:
            cover = warranties.later(life.warranty_end, life.serial, covers)
            facts = self._of(
                life, None if cover is None else cover.ends, stops.get(life.id), grown=grown.get(life.id)
            )
            if life.system is None:
                self.without[_state(facts)] += 1
            else:
                self._facts[life.system].append(facts)

    def _of(
        self, life: Life, warranty_end: dt.date | None, shutdowns: int | None, *, grown: bool | None
    ) -> DeviceFacts:
        agent = life.kind == AGENT
        end, replaced = self._contracts.get(life.system or 0, (None, None))
        return DeviceFacts(
            key=f"{life.kind}:{life.id}",
            source="the device's agent and its register item" if agent else "the register or an MDM export",
            as_of=life.as_of or self._on,
            systems=() if life.system is None else (str(life.system),),
            support=life.support,
            warranty_end=warranty_end,
            contract_end=end,
            replacement_contracted=replaced,
            ageing=life.ageing,
            system_disk_medium=life.system_medium,
            windows11=life.eligibility,
            memory_bytes=life.memory_bytes,
            system_disk_bytes=life.system_disk_bytes,
            unexpected_shutdowns=shutdowns if agent else None,
            start_up_regressed=grown if agent else None,
        )

    def told(self) -> tuple[dict[str, Any], dict[int, list[dict[str, Any]]]]:
        """Return the summary of all systems, and the evidence of each."""
        evidence: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
        for one in roll_up((facts for of in self._facts.values() for facts in of), self._on):
            system = int(one.system or 0)
            evidence[system].append(as_json(self._with_hours(one, system) if one.code == "C5" else one))
        summary = {str(system): self._summary(of, evidence[system]) for system, of in self._facts.items()}
        content = {"on": self._on.isoformat(), "systems": summary, "without_system": dict(self.without)}
        return content, dict(evidence)

    def _with_hours(self, one: SystemEvidence, system: int) -> SystemEvidence:
        """Return the evidence of hours, out of the months of staff time; groups under five devices tell nothing."""
        found = self._hours.get(str(system))
        if found is None:
            return one
        hours, devices = found
        whole = one.known + one.unknown
        known = min(devices, whole)
        return SystemEvidence(
            one.system, one.code, HOURS, known if hours else 0, known, whole - known, hours, one.unit,
            ("the months of staff time",), one.as_of, "strong" if known >= whole * 0.9 else "partial",
        )  # fmt: skip

    @staticmethod
    def _summary(facts: Sequence[DeviceFacts], evidence: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        codes: dict[str, int] = {}
        for one in evidence:
            codes[one["code"]] = max(codes.get(one["code"], 0), one["concerned"])
        return {
            "devices": len(facts),
            "states": Counter(_state(one) for one in facts),
            "bands": Counter("unknown_age" if one.ageing is None else one.ageing.band for one in facts),
            "concerned": codes,
        }

    def keep(self, work: Work, now: float) -> None:
        """Write the figures, and delete those of systems that are gone."""
        began = time.perf_counter()
        content, evidence = self.told()

        def put(connection: Connection, some: Sequence[int]) -> None:
            for system in some:
                figures.write(connection, system_name(system), evidence[system], now, 0.0)

        work.for_each(sorted(evidence), put)
        if work.stop.is_set():
            return
        with work.write() as connection:
            figures.write(connection, FIGURE, content, now, time.perf_counter() - began)
        with work.engine.connect() as connection:
            held = connection.scalars(
                select(book_figures.c.name).where(book_figures.c.name.startswith(_SYSTEM, autoescape=True))
            ).all()
        gone = sorted(set(held) - {system_name(system) for system in evidence})

        def forget(connection: Connection, some: Sequence[str]) -> None:
            connection.execute(delete(book_figures).where(book_figures.c.name.in_(some)))

        work.for_each(gone, forget)


def _state(facts: DeviceFacts) -> str:
    """Return whether it is legacy; a monitor or a dock, which has no operating system, is neither nor unknown."""
    return "not_applicable" if facts.support is None else standing(facts).state


def as_json(one: SystemEvidence) -> dict[str, Any]:
    """Return evidence as a figure keeps it."""
    value = one.value.isoformat() if isinstance(one.value, dt.date) else one.value
    return {
        "code": one.code,
        "what": one.what,
        "concerned": one.concerned,
        "known": one.known,
        "unknown": one.unknown,
        "value": value,
        "unit": one.unit,
        "sources": list(one.sources),
        "as_of": one.as_of.isoformat(),
        "strength": one.strength,
    }


def of_json(system: str, told: Mapping[str, Any]) -> SystemEvidence:
    """Return the evidence `as_json` told."""
    value = told["value"]
    return SystemEvidence(
        system,
        told["code"],
        told["what"],
        told["concerned"],
        told["known"],
        told["unknown"],
        dt.date.fromisoformat(value) if told["unit"] == "last day" and value else value,
        told["unit"],
        tuple(told["sources"]),
        dt.date.fromisoformat(told["as_of"]),
        told["strength"],
    )


def _contracts(connection: Connection) -> dict[int, tuple[dt.date | None, bool | None]]:
    """Return of each system the last day of its last contract, and whether a successor is contracted (if told)."""
    query = (
        select(contracts.c.system, contracts.c.ends, contracts.c.replaced_by)
        .join(batches, batches.c.id == contracts.c.batch)
        .where(contracts.c.system.is_not(None), contracts.c.ends.is_not(None), counts())
        .order_by(contracts.c.ends)
    )
    # The last one read of a system is the one that runs longest.
    return {
        row.system: (dt.date.fromisoformat(row.ends), True if row.replaced_by else None)
        for row in connection.execute(query)
    }


def _growth_rules(connection: Connection) -> frozenset[str]:
    """Return the rules in force that compare start-ups with the device's own baseline."""
    found, _, _ = rules.current(connection)
    return frozenset(one.rule_id for one in found.rules if one.tests[0].looks_at.startswith(_GROWN))


def _grown(connection: Connection, ids: Sequence[int], names: frozenset[str]) -> dict[int, bool]:
    """Return whether start-ups grew, of devices whose rating could judge it."""
    if not ids or not names:
        return {}
    query = select(ratings.c.device, ratings.c.reasons, ratings.c.not_judged).where(ratings.c.device.in_(ids))
    found = {}
    for row in connection.execute(query):
        if any(one["rule"] in names for one in row.reasons or ()):
            found[row.device] = True
        elif names - set(row.not_judged or ()):
            found[row.device] = False
    return found


def _shutdowns(connection: Connection, ids: Sequence[int], now: float) -> dict[int, int]:
    """Return the unexpected shutdowns of 90 days, of devices that tell of start-ups."""
    if not ids:
        return {}
    told = select(probe_status.c.device).where(
        probe_status.c.device.in_(ids), probe_status.c.probe == "startup", probe_status.c.status == "ok"
    )
    found = dict.fromkeys(connection.scalars(told), 0)
    query = (
        select(startups.c.device, func.sum(case((startups.c.kind == "dirty", 1), else_=0)).label("unclean"))
        .where(
            startups.c.device.in_(ids),
            startups.c.started_at >= now - SHUTDOWN_DAYS * DAY_SECONDS,
            startups.c.final.is_(True),
        )
        .group_by(startups.c.device)
    )
    return found | {row.device: int(row.unclean) for row in connection.execute(query)}


def _hours(connection: Connection) -> dict[str, tuple[float, int]]:
    """Return {system: (hours a year, devices)} out of the last whole months of staff time, at most twelve."""
    query = (
        select(book_figures.c.content)
        .where(book_figures.c.name.startswith("staff_time.", autoescape=True))
        .order_by(book_figures.c.name.desc())
        .limit(_MONTHS + 1)
    )
    lost: Counter[str] = Counter()
    seen: dict[str, int] = {}
    months: Counter[str] = Counter()
    # The newest month still runs, and would tell less than it is.
    for content in list(connection.scalars(query))[1:]:
        for system, told in (content.get("groups") or {}).get("system", {}).items():
            lost[system] += told["lost_milliseconds"]
            months[system] += 1
            seen.setdefault(system, told["devices"])
    return {
        system: (lost[system] / _MILLISECONDS_AN_HOUR * _MONTHS / months[system], seen[system])
        for system in months
    }
