"""Taking samples, and noticing when none could be taken."""

from __future__ import annotations

from dataclasses import replace

from roadworthy_agent.clock import Clock
from roadworthy_agent.energy import Accumulator, Moment
from roadworthy_agent.reading import PowerReading, Sample
from roadworthy_agent.spool import Spool
from roadworthy_agent.timeline import Boot

# Reading the two clocks one after the other, and very short suspends: not worth a record.
LEAST_ASLEEP_SECONDS = 1.0
# After so many intervals without a sample nobody can say the agent was watching.
MISSED_INTERVALS = 2


class Recorder:
    """Puts samples, energy and gaps into the spool. One per agent; `begin` first, then `take` at each interval.

    `slept` is set when the device is found to have slept; whoever acts on that clears it.
    """

    def __init__(self, spool: Spool, clock: Clock, interval_seconds: float) -> None:
        self._spool = spool
        self._clock = clock
        self._longest = MISSED_INTERVALS * interval_seconds
        self._boot: Boot | None = None
        self._energy = Accumulator()
        self.slept = False

    def begin(self, power: PowerReading | None = None) -> None:
        """Find the boot the agent wakes up in and record how the time since its last sample went.

        1. First run ever: nothing is known of the past, so nothing is said.
        2. Same boot: the time the suspend clock counted is `asleep`, the rest `unobserved` if the agent missed
           more than two samples.
        3. Another boot: `off` from the last sample to the kernel's start, then `unobserved` to now likewise.

        `power` is a first look at the instruments, so that the first sample already has energy.
        """
        with self._spool.database.transaction():
            last = self._spool.current()
            if last is not None and self._is_same_boot(last):
                boot = self._account(last, asleep_first=True)
            else:
                boot = self._spool.open_boot(self._clock)
                if last is not None:
                    self._after_restart(last, boot)
        self._boot = boot
        self._energy.forget()
        self._energy.look(power, _moment(boot))

    def take(self, sample: Sample) -> None:
        """Record a sample over the time since the last look, or a gap where that is too long to be one."""
        boot = self._boot
        if boot is None:
            self.begin(sample.power)  # the spool could not be written when the agent started
            return
        with self._spool.database.transaction():
            asleep, awake, seen = self._since(boot)
            if not 0 < awake <= self._longest:
                self._energy.forget()  # nothing covers that time, so no energy may either
            drawn = self._energy.look(sample.power, _moment(seen))
            if 0 < awake <= self._longest:
                middle = boot.boottime + awake
                self._spool.add_sample(boot, boot.boottime, middle, sample)
                self._spool.add_energy(boot, drawn)
                if asleep:
                    self.slept = True
                    self._spool.add_gap(
                        "asleep", "suspend_clock", (boot.id, middle), (boot.id, seen.boottime)
                    )
                self._spool.see(seen)
            else:
                seen = self._account(boot, asleep_first=False)
        self._boot = seen

    def _account(self, boot: Boot, *, asleep_first: bool) -> Boot:
        """Record how the time since the last look went when no sample covers it; return the boot as seen now."""
        asleep, awake, seen = self._since(boot)
        begin, end = boot.boottime, seen.boottime
        middle = begin + asleep if asleep_first else end - asleep
        sleeping, waking = (
            ((begin, middle), (middle, end)) if asleep_first else ((middle, end), (begin, middle))
        )
        if asleep:
            self.slept = True
            self._spool.add_gap("asleep", "suspend_clock", (boot.id, sleeping[0]), (boot.id, sleeping[1]))
        if awake > self._longest:
            self._spool.add_gap("unobserved", "agent_not_running", (boot.id, waking[0]), (boot.id, waking[1]))
        self._spool.see(seen)
        return seen

    def _after_restart(self, last: Boot, boot: Boot) -> None:
        self._spool.add_gap("off", "boot_id_changed", (last.id, last.boottime), (boot.id, 0.0))
        if boot.boottime > self._longest:
            self._spool.add_gap("unobserved", "agent_not_running", (boot.id, 0.0), (boot.id, boot.boottime))

    def _is_same_boot(self, last: Boot) -> bool:
        """Return whether `last` still runs; a boot clock that went back means another boot under one name."""
        return last.boot_id == self._clock.boot_id() and self._clock.boottime() >= last.boottime - 1.0

    def _since(self, boot: Boot) -> tuple[float, float, Boot]:
        """Return seconds asleep and awake since the last look, and the boot as it looks now."""
        seen = replace(
            boot, boottime=self._clock.boottime(), monotonic=self._clock.monotonic(), wall=self._clock.wall()
        )
        elapsed = max(0.0, seen.boottime - boot.boottime)
        awake = min(elapsed, max(0.0, seen.monotonic - boot.monotonic))
        asleep = elapsed - awake
        return (asleep, awake, seen) if asleep >= LEAST_ASLEEP_SECONDS else (0.0, elapsed, seen)


def _moment(seen: Boot) -> Moment:
    return Moment(seen.id, seen.boottime, seen.monotonic)
