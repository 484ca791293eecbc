"""Where each boot lies on the wall clock: pure, no clock and no storage.

Samples, gaps and start-ups are kept in seconds of their boot's own clock. A boot's *anchor* is the epoch second
of its kernel's start: wall time = anchor + boot clock. The system's clock gives one anchor, the collector's
answers another; where they differ by more than the tolerance the collector is believed. A device whose clock
battery is dead and wakes up in 1970 is therefore placed right as soon as one answer came in that boot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TOLERANCE_SECONDS = 5.0
# No agent ran before this (1 January 2025): a clock that says less is wrong.
EARLIEST = 1_735_689_600.0


@dataclass(frozen=True, slots=True)
class Boot:
    """What is known of one boot.

    `boottime`, `monotonic` and `wall` are the clocks at the agent's latest look. `server_anchor` is set once an
    answer came during this boot. `placed_anchor` is where it was put when its first period was frozen; `lost`
    says that no place was found.
    """

    id: int
    boot_id: str
    boottime: float
    monotonic: float
    wall: float
    server_anchor: float | None = None
    tolerance: float = TOLERANCE_SECONDS
    placed_anchor: float | None = None
    lost: bool = False

    @property
    def confirmed(self) -> bool:
        """Whether the collector has told the time during this boot."""
        return self.server_anchor is not None

    @property
    def system_anchor(self) -> float:
        """The kernel's start as the system's clock has it by now."""
        return self.wall - self.boottime

    @property
    def anchor(self) -> float:
        """The best anchor this boot's own clocks give."""
        if self.server_anchor is None or abs(self.server_anchor - self.system_anchor) <= self.tolerance:
            return self.system_anchor
        return self.server_anchor

    @property
    def offset(self) -> float | None:
        """Server clock minus system clock in seconds, or None before the first answer."""
        return None if self.server_anchor is None else self.server_anchor - self.system_anchor


def place(boots: Sequence[Boot]) -> dict[int, float | None]:
    """Return the anchor of each boot, by id, or None where a boot fits nowhere.

    `boots` in the order they happened; the last is the current one. A boot during which no answer came keeps its
    own clock if that puts it between its neighbours, or is moved by the current boot's offset if that does (a
    clock that is two hours fast is so in every boot). One that fits neither way is not guessed at.
    """
    if not boots:
        return {}
    current = boots[-1]
    anchors: dict[int, float | None] = {current.id: current.anchor}
    not_after = current.anchor
    for index in range(len(boots) - 2, -1, -1):
        boot = boots[index]
        anchor = _settled(boot)
        if anchor is None and not boot.lost:
            anchor = _fitting(boot, current.offset or 0.0, _end_before(boots[:index]), not_after)
        anchors[boot.id] = anchor
        if anchor is not None:
            not_after = min(not_after, anchor)
    return anchors


def latest_possible(boot: Boot, boots: Sequence[Boot], anchors: dict[int, float | None]) -> float:
    """Return the latest anchor a boot can have: it ended when the next placed one began."""
    later = [anchor for other in boots if other.id > boot.id and (anchor := anchors[other.id]) is not None]
    return min(later) - boot.boottime


def _settled(boot: Boot) -> float | None:
    if boot.placed_anchor is not None:
        return boot.placed_anchor
    return boot.anchor if boot.confirmed else None


def _end_before(earlier: Sequence[Boot]) -> float:
    """Return when the last boot with a known place was last seen: nothing later can lie before that."""
    ends = [anchor + boot.boottime for boot in earlier if (anchor := _settled(boot)) is not None]
    return max(ends, default=EARLIEST)


def _fitting(boot: Boot, offset: float, not_before: float, not_after: float) -> float | None:
    shifts = (0.0,) if abs(offset) <= TOLERANCE_SECONDS else (offset, 0.0)
    for shift in shifts:
        anchor = boot.system_anchor + shift
        fits = (
            anchor >= not_before - TOLERANCE_SECONDS
            and anchor + boot.boottime <= not_after + TOLERANCE_SECONDS
        )
        if fits:
            return anchor
    return None
