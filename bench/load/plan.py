"""What each simulated device sends: a pure function of the device and the number of its report.

The generator builds the bodies from it and the ledger asks it afterwards which items they held, so nothing needs to
be noted down while the clock runs but the numbers of the reports that were acknowledged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

PERIOD_SECONDS = 1800
DAY_SLOTS = 48
# Settlement periods are taken for 30 days; one day less, so that none is too old by the end of a run.
MOST_SLOTS = 29 * DAY_SLOTS
KINDS = ("now", "period", "startup", "facts")
# An agent calls some 97 times a day: 48 settlement periods close, as often the interval is over in between. Once or
# twice a day a device is started and sends facts and probes again.
MIXTURE = {"now": 48, "period": 48, "startup": 2, "facts": 2}
_ODD = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio: spreads neighbouring numbers (Knuth 6.4)
_MASK = 2**64 - 1


class Item(NamedTuple):
    """One item of history as a report holds it: its kind and its key within the device."""

    kind: str
    key: int | str


@dataclass(frozen=True)
class Plan:
    """What is sent in a run. `newest` is the start of the last settlement period that is over, `run` 8 hex digits."""

    run: str
    newest: int
    mixture: dict[str, int] = field(default_factory=lambda: dict(MIXTURE))
    startup_first: bool = False  # the first report of each device is a start-up, as on a morning

    def kind(self, device: int, number: int) -> str:
        """Return which kind of report the `number`th of a device is, counted from 0."""
        if number == 0 and self.startup_first:
            return "startup"
        left = dice(device, number) % sum(self.mixture.values())
        for kind in KINDS:
            left -= self.mixture.get(kind, 0)
            if left < 0:
                return "now" if kind == "period" and number >= MOST_SLOTS else kind
        raise AssertionError("the shares of a mixture add up to their sum")

    def period_start(self, number: int) -> int:
        """Return which settlement period the `number`th report tells, if it tells one.

        They ascend through the last day, as agents send them, then through the day before it.
        """
        day, slot = divmod(number, DAY_SLOTS)
        return self.newest - (day * DAY_SLOTS + DAY_SLOTS - 1 - slot) * PERIOD_SECONDS

    def name(self, device: int, number: int) -> str:
        """Return 32 hex digits no other report of the run has."""
        return f"{self.run:0>8}{device:012x}{number:012x}"

    def gap_begin(self, number: int) -> int:
        """Return when the gap before the `number`th report began: hours apart, none overlaps another."""
        return self.newest - (number + 2) * 2 * PERIOD_SECONDS


def dice(device: int, number: int) -> int:
    """Return a number below 2**32 that looks random and is always the same."""
    mixed = (device * _ODD + (number + 1) * 0xD1B54A32D192ED03) & _MASK
    mixed = ((mixed ^ (mixed >> 29)) * _ODD) & _MASK
    return (mixed ^ (mixed >> 32)) & 0xFFFFFFFF


def parse_mixture(text: str) -> dict[str, int]:
    """Return the shares of `now=48,period=48,startup=2,facts=2`; raise ValueError saying what is wrong."""
    shares: dict[str, int] = {}
    for part in text.split(","):
        name, _equals, share = part.partition("=")
        if name not in KINDS or not share.isdigit():
            raise ValueError(f"{part!r}: write KIND=SHARE with one of {', '.join(KINDS)}")
        shares[name] = int(share)
    if sum(shares.values()) == 0:
        raise ValueError("all shares are 0: nothing would be sent")
    return shares
