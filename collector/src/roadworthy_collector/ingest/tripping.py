"""Reports this program trips over: from when on their sender is told to send them in parts.

503 has an agent keep its report and send it again, which is right for a fault that passes. One that does not pass
would block all that the agent has; refused as `schema` the report is halved until the offender is alone, which the
agent then puts into quarantine. The parts are other reports, sent minutes apart between good ones, so it is
remembered by device, for an hour, that waiting does not help.

What the database refuses might be a fault of the database, with every report. So its sender is told only once others
were written meanwhile, or a day has passed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple, TypeVar

from roadworthy_collector.ingest.batch import Incoming

ALONE = 3  # times a report fails by itself before its sender is told
PROVEN_SECONDS = 3600.0  # how long a device's further failures are refused at once
PATIENT_SECONDS = 86_400.0  # how long a database that takes nothing at all may be what is wrong
MOST = 1024  # of reports, and of devices, remembered

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class _Failed(NamedTuple):
    """How often a report failed, when first, and how many had been written then."""

    times: int
    at: float
    written: int


class Tripping:
    """What failed for a fault of this program, in memory and bounded. Only the writing thread uses it.

    `clock` gives seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failed: dict[tuple[int, str, int], _Failed] = {}
        self._proven: dict[int, float] = {}
        self._written = 0

    def failed(self, incoming: Incoming, *, in_database: bool = False) -> tuple[bool, bool]:
        """Count that a report failed alone; return whether for the first time, and whether to refuse it for good.

        With `in_database` it is the database that refuses it.
        """
        key, now = _key(incoming), self._clock()
        held = self._failed.get(key) or _Failed(0, now, self._written)
        times = held.times + 1
        _remember(self._failed, key, held._replace(times=times))
        since = self._proven.get(incoming.device)
        proven = since is not None and 0 <= now - since < PROVEN_SECONDS
        alone = not in_database or self._written > held.written or now - held.at >= PATIENT_SECONDS
        if proven or (times > ALONE and alone):
            _remember(self._proven, incoming.device, now)
            return times == 1, True
        return times == 1, False

    def written(self, incoming: Incoming) -> None:
        """Forget the failures of a report that is held now."""
        self._written += 1
        if self._failed:
            self._failed.pop(_key(incoming), None)


def _key(incoming: Incoming) -> tuple[int, str, int]:
    return incoming.device, incoming.report.instance, incoming.report.seq


def _remember(held: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    """Keep a value as the youngest, and no more than MOST."""
    held.pop(key, None)
    held[key] = value
    if len(held) > MOST:
        del held[next(iter(held))]
