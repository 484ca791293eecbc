"""What is asked at each sample: how busy the device is, how it is used, and what its instruments say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from roadworthy_agent.policy import CollectionPolicy
from roadworthy_agent.probe import Context, ProbeResult, run_reader
from roadworthy_agent.probes.platforms import not_supported
from roadworthy_agent.reading import PowerReading, Sample, StateReading, Status

UTILISATION, STATE, POWER = "utilisation", "state", "power"
NOTHING = Sample(None, None)
OFF = "the collection policy is off: neither device state nor energy is measured"

# name of a probe -> what makes its reader, which is None on a platform without one
Makers = Mapping[str, Callable[[Context], Any]]


@dataclass(slots=True)
class Sampling:
    """Asks the readers; one that fails leaves the others alone. Power comes last, next to the clocks."""

    context: Context
    makers: Makers
    readers: dict[str, Any]

    @classmethod
    def of(cls, context: Context, makers: Makers) -> Sampling:
        """Make the readers, so that the first sample covers the time since now."""
        return cls(context, makers, {})

    def begin(self, policy: CollectionPolicy) -> PowerReading | None:
        """Make the readers and take the first look at the instruments."""
        self._reader(UTILISATION)
        return None if policy is CollectionPolicy.OFF else self._power().value

    def take(self, policy: CollectionPolicy) -> tuple[Sample, tuple[ProbeResult[Any], ...]]:
        """Return a sample of what could be read, and what each probe gave."""
        used = self._look(UTILISATION, "sample")
        sample = used.value if isinstance(used.value, Sample) else NOTHING
        if policy is CollectionPolicy.OFF:
            off: tuple[ProbeResult[Any], ...] = (
                ProbeResult(STATE, Status.OFF_BY_POLICY, reason=OFF),
                ProbeResult(POWER, Status.OFF_BY_POLICY, reason=OFF),
            )
            # No instruments, so that what they count meanwhile is never taken for a step of theirs.
            return replace(sample, power=PowerReading()), (used, *off)
        state = self._look(STATE, "read")
        power = self._power()
        seen = state.value.state if isinstance(state.value, StateReading) else None
        return replace(sample, state=seen, power=power.value), (used, state, power)

    def _power(self) -> ProbeResult[PowerReading]:
        return self._look(POWER, "read")

    def _look(self, name: str, ask: str) -> ProbeResult[Any]:
        return run_reader(name, lambda: self._asked(name, ask))

    def _asked(self, name: str, ask: str) -> ProbeResult[Any]:
        reader = self._reader(name)
        if reader is None:
            return not_supported(name, self.context.platform)
        result: ProbeResult[Any] = getattr(reader, ask)()
        return result

    def _reader(self, name: str) -> Any:
        """Return a probe's reader, made when first asked: making it may fail like reading it."""
        if name not in self.readers:
            self.readers[name] = self.makers[name](self.context)
        return self.readers[name]
