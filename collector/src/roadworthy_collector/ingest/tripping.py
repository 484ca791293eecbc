"""Reports this program trips over: from when on their sender is told to send them in parts.

503 has an agent keep its report and send it again, which is right for a fault that passes. One that does not pass
would block all that the agent has; refused as `schema` the report is halved until the offender is alone, which the
agent then puts into quarantine. The parts are other reports, sent minutes apart between good ones, so it is
remembered by device, for an hour, that waiting does not help.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

from roadworthy_collector.ingest.batch import Incoming

ALONE = 3  # times a report fails by itself before its sender is told
PROVEN_SECONDS = 3600.0  # how long a device's further failures are refused at once
MOST = 1024  # of reports, and of devices, remembered

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class Tripping:
    """What failed for a fault of this program, in memory and bounded. Only the writing thread uses it.

    `clock` gives seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failed: dict[tuple[int, str, int], int] = {}
        self._proven: dict[int, float] = {}

    def failed(self, incoming: Incoming) -> tuple[bool, bool]:
        """Count that a report failed alone; return whether for the first time, and whether to refuse it for good."""
        key = _key(incoming)
        times = self._failed.get(key, 0) + 1
        _remember(self._failed, key, times)
        now = self._clock()
        since = self._proven.get(incoming.device)
        proven = since is not None and 0 <= now - since < PROVEN_SECONDS
        if times > ALONE or proven:
            _remember(self._proven, incoming.device, now)
            return times == 1, True
        return times == 1, False

    def written(self, incoming: Incoming) -> None:
        """Forget the failures of a report that is held now."""
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
