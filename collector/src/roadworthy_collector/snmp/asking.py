"""Asks one target once, by SNMP or Redfish, and says how it went. Nothing a device does raises.

What nobody foresaw is that device's failure, logged with its traceback, and no other's.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.logs import Failing
from roadworthy_collector.snmp.keeping import Outcome
from roadworthy_collector.snmp.port import BadAnswerError, Port, SnmpError
from roadworthy_collector.snmp.profile import Profile
from roadworthy_collector.snmp.reading import Known, read_known_device
from roadworthy_collector.snmp.readings import DeviceAnswer
from roadworthy_collector.snmp.targets import Polled, TargetsError

# How long a device is asked only for what changes; new outlets and other names are seen after so long.
FULL_EVERY_SECONDS = 3600.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Remembered:
    """What a full poll found, of which target, and until when it stands."""

    polled: Polled
    known: Known
    until: float


def tried_of(polled: Polled, profiles: Sequence[Profile]) -> Sequence[Profile]:
    """Return the profiles a target is tried with: the one it names alone, or all; TargetsError where that is not there."""
    if polled.profile is None:
        return profiles
    some = tuple(one for one in profiles if one.name == polled.profile)
    if not some:
        raise TargetsError(f"{polled.name}: profile: there is none called {polled.profile}")
    return some


class Asker(Protocol):
    """Whatever asks a target by another protocol than SNMP; raises SnmpError as a `Session` does."""

    async def read(self, polled: Polled) -> DeviceAnswer:
        """Return what the target answers."""
        ...


class Asking:
    """Asks targets with one port and one set of profiles."""

    def __init__(
        self,
        port: Port,
        profiles: Sequence[Profile],
        redfish: Asker,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._port = port
        self._profiles = profiles
        self._redfish = redfish
        self._clock = clock
        self._monotonic = monotonic
        self._remembered: dict[str, _Remembered] = {}
        self._faults: dict[str, Failing] = {}

    async def ask(self, polled: Polled) -> Outcome:
        """Return how one poll went."""
        began = self._monotonic()
        try:
            answer = await self._answer(polled)
        except SnmpError as error:
            return self._failed(polled, began, error.outcome, error)
        except RoadworthyError as error:  # a secret that cannot be read, a profile that is not there
            return self._failed(polled, began, "misconfigured", error)
        except Exception as error:  # noqa: BLE001 - said with its traceback; one device must not end the polls of all
            return self._faulty(polled, began, error)
        if (fault := self._faults.pop(polled.name, None)) is not None:
            fault.heal()
        return Outcome(polled, self._clock(), self._monotonic() - began, answer)

    def keep(self, targets: Sequence[Polled]) -> None:
        """Drop what is remembered of any other target."""
        names = {polled.name for polled in targets}
        self._remembered = {name: one for name, one in self._remembered.items() if name in names}
        self._faults = {name: one for name, one in self._faults.items() if name in names}
        self._port.keep({(polled.host, polled.port) for polled in targets})

    async def close(self) -> None:
        """End the port's sockets."""
        await self._port.close()

    async def _answer(self, polled: Polled) -> DeviceAnswer:
        if polled.protocol == "redfish":
            return await self._redfish.read(polled)
        profiles = tried_of(polled, self._profiles)
        kept = self._remembered.get(polled.name)
        if kept is not None and (kept.polled != polled or self._monotonic() >= kept.until):
            kept = None
        session = self._port.begin(polled.target())
        answer, known = await read_known_device(session, profiles, None if kept is None else kept.known)
        if kept is None or known is not kept.known:
            until = self._monotonic() + FULL_EVERY_SECONDS
            self._remembered[polled.name] = _Remembered(polled, known, until)
        return answer

    def _faulty(self, polled: Polled, began: float, error: Exception) -> Outcome:
        """Return a poll that ended in a fault of ours over what a device answered."""
        kind = type(error).__name__
        if (fault := self._faults.get(polled.name)) is None:
            fault = Failing(
                _log,
                f"{polled.name}: its answer ends in a fault",
                f"{polled.name}: its answer is read again",
                monotonic=self._monotonic,
            )
            self._faults[polled.name] = fault
        fault.begin(kind, error=error)
        said = RoadworthyError(
            f"{polled.name} ({polled.host}): its answer could not be read ({kind}); the log has the whole fault"
        )
        return self._failed(polled, began, BadAnswerError.outcome, said)

    def _failed(self, polled: Polled, began: float, code: str, error: Exception) -> Outcome:
        seconds = self._monotonic() - began
        return Outcome(polled, self._clock(), seconds, code=code, reason=str(error))
