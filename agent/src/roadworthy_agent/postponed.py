"""Items that by the collector's clock have not ended yet: kept, and held back until its time has passed their end.

A collector whose clock is behind refuses as `in_future` what was closed by a clock that was right. That is over when
its clock is put right, so such an item is no case for the quarantine. Refused for a day it is one: then it is the
item's own time that is wrong.
"""

from __future__ import annotations

from roadworthy_agent.database import Database

CODE = "in_future"
REFUSED_SECONDS = 86_400.0  # of the collector's clock, from the first refusal on
FORGOTTEN_SECONDS = 7 * 86_400.0  # what is not sent even then is gone from the spool


class Postponed:
    """Which items are held back, by (item, key). All times are the collector's, in seconds since 1970."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def now(self) -> frozenset[tuple[str, str]]:
        """Return the items that are not to be sent yet."""
        time = self._database.get("server_time", 0.0)
        return frozenset(
            _named(name)
            for name, (until, since) in self._held().items()
            if time < min(until, since + REFUSED_SECONDS)
        )

    def told(self, server_time: float) -> None:
        """Take the time of an answer; where the clock stepped back, a refusal cannot be older than it says."""
        if not (held := self._held()):
            return
        kept = {
            name: [until, min(since, server_time)]
            for name, (until, since) in held.items()
            if server_time < since + FORGOTTEN_SECONDS
        }
        self._database.put(postponed=kept or None, server_time=server_time)

    def postpone(self, item: str, key: str, until: float, server_time: float) -> bool:
        """Hold an item back until its end, where it was not refused for a day already; return whether it is."""
        held = self._held()
        _until, since = held.get(name := _name(item, key), (until, server_time))
        if server_time - since >= REFUSED_SECONDS:
            return False
        self._database.put(postponed=held | {name: [until, since]}, server_time=server_time)
        return True

    def forget(self, item: str, key: str) -> None:
        """Let go of an item that the collector holds, or that went to quarantine."""
        held = self._held()
        if held.pop(_name(item, key), None) is not None:
            self._database.put(postponed=held or None)

    def _held(self) -> dict[str, list[float]]:
        found: dict[str, list[float]] = self._database.get("postponed", {})
        return found


def _name(item: str, key: str) -> str:
    return f"{item} {key}"


def _named(name: str) -> tuple[str, str]:
    item, _, key = name.partition(" ")
    return item, key
