"""Putting a report together from the spool and the observations."""

from __future__ import annotations

import gzip
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roadworthy_agent import __version__, days, history
from roadworthy_agent.facts import Facts
from roadworthy_agent.observe import Observations, discreet, facts_mark, statuses_mark
from roadworthy_agent.outbox import Outbox, Part, Pending
from roadworthy_agent.report import Agent, Now, ProbeStatus, Report, to_json, to_wire
from roadworthy_agent.spool import Spool

HEALTH_SECONDS = 7200
PLATFORMS = {"linux": "linux", "win32": "windows", "darwin": "macos"}


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose report it is."""

    device_id: str
    instance: str
    boot_id: str


@dataclass(frozen=True, slots=True)
class Composer:
    """Makes reports. `started_boottime` is when the agent started, in seconds of the boot clock."""

    spool: Spool
    outbox: Outbox
    observations: Observations
    boottime: Callable[[], float]
    started_boottime: float
    told: dict[str, tuple[int, ProbeStatus]] = field(default_factory=dict)

    def light(self, sender: Sender) -> Pending:
        """Return a report without history: what learns the time, or proves that the envelope is well."""
        return self._pending(sender, [])

    def full(self, sender: Sender, *, with_now: bool) -> Pending:
        """Return a report with all that is due, as far as one report may hold it.

        `with_now` puts the open period in: once a call is enough.
        """
        history.freeze(self.spool)
        limit = self.outbox.limit()
        parts = self._extras(with_now=with_now)[:limit]
        return self._pending(sender, parts + list(self.outbox.items(limit - len(parts))))

    def owes(self) -> bool:
        """Return whether facts or statuses are still to be sent."""
        return bool(self._extras(with_now=False))

    def _extras(self, *, with_now: bool) -> list[tuple[Part, Any]]:
        extras: list[tuple[Part, Any]] = []
        open_period = history.now(self.spool, self.boottime()) if with_now else None
        if open_period is not None:
            extras.append((Part("now"), open_period))
        facts = self.observations.facts()
        if self.observations.value("os") is not None and self._news("facts", mark := facts_mark(facts)):
            extras.append((Part("facts", mark), facts))
        statuses = self._statuses()
        if statuses and self._news("probes", mark := statuses_mark(statuses)):
            extras.append((Part("probes", mark), statuses))
        return extras

    def _statuses(self) -> tuple[ProbeStatus, ...]:
        anchor, database = self._anchor(), self.spool.database
        day = -1 if anchor is None else int((anchor + self.boottime()) // days.DAY_SECONDS)
        return discreet(self.observations.statuses(anchor), self.told, day, days.policy_in(database))

    def _news(self, name: str, mark: str) -> bool:
        return bool(self.spool.database.get(f"held_{name}") != mark)

    def _anchor(self) -> float | None:
        boot = self.spool.current()
        return boot.anchor if boot is not None and boot.confirmed else None

    def _pending(self, sender: Sender, parts: list[tuple[Part, Any]]) -> Pending:
        seq = self.outbox.next_seq()
        by_item: dict[str, list[Any]] = {}
        for part, content in parts:
            by_item.setdefault(part.item, []).append(content)
        report = assemble(
            sender,
            seq,
            history.corrected_now(self.spool, self.boottime()) or time.time(),
            self._agent(in_detail=any(map(_brings_health, parts))),
            now=next(iter(by_item.get("now", ())), None),
            facts=next(iter(by_item.get("facts", ())), None),
            probes=next(iter(by_item.get("probes", ())), ()),
            items=by_item,
        )
        body = gzip.compress(to_json(to_wire(report)).encode(), compresslevel=6, mtime=0)
        pending = Pending(seq, body, tuple(part for part, _content in parts))
        self.outbox.put(pending)
        return pending

    def _agent(self, *, in_detail: bool) -> Agent:
        """Return the agent about itself; its health is told now and then."""
        if not in_detail:
            return Agent(__version__, PLATFORMS.get(sys.platform, sys.platform))
        boot, anchor = self.spool.current(), self._anchor()
        offset = None if boot is None or boot.offset is None else round(boot.offset, 3)
        return agent_about_itself(
            started_at=None if anchor is None else round(anchor + self.started_boottime, 3),
            spool_items=self.outbox.waiting(),
            spool_bytes=self.spool.database.used_bytes(),
            quarantined_items=self.outbox.quarantined(),
            thinned_samples=self.spool.database.get("thinned_samples", 0),
            clock_offset_seconds=offset,
        )


def _brings_health(held: tuple[Part, Any]) -> bool:
    """Tell whether a part takes the agent's health along: facts, and one settlement period in four."""
    part, _content = held
    return part.item == "facts" or (part.item == "period" and int(part.key) % HEALTH_SECONDS == 0)


def assemble(
    sender: Sender,
    seq: int,
    sent_at: float,
    agent: Agent,
    *,
    now: Now | None = None,
    facts: Facts | None = None,
    probes: tuple[ProbeStatus, ...] = (),
    items: dict[str, list[Any]],
) -> Report:
    """Return a report of parts that are ready; `items` by the names of `outbox.Part`."""
    return Report(
        device_id=sender.device_id,
        instance=sender.instance,
        seq=seq,
        boot_id=sender.boot_id,
        sent_at=round(sent_at, 3),
        agent=agent,
        probes=probes,
        facts=facts,
        now=now,
        periods=tuple(items.get("period", ())),
        startups=tuple(items.get("startup", ())),
        days=tuple(items.get("day", ())),
        signins=tuple(items.get("signin", ())),
        gaps=tuple(items.get("gap", ())),
    )


def agent_about_itself(platform: str = sys.platform, **known: Any) -> Agent:
    """Return the agent's own health; `known` is what only the caller can say, `platform` sys.platform's word."""
    return Agent(
        version=__version__,
        platform=PLATFORMS.get(platform, platform),
        rss_bytes=resident_bytes(),
        cpu_seconds=round(time.process_time(), 3),
        **known,
    )


def resident_bytes() -> int | None:
    """Return the agent's resident memory, or None; on Linux without psutil, which would be an eighth of it."""
    if sys.platform != "linux":
        import psutil

        return int(psutil.Process(os.getpid()).memory_info().rss)
    try:
        pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    except (OSError, LookupError):
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
