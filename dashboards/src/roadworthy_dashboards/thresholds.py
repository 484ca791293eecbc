"""Every threshold of every board, and the colours of states: nowhere else does a number become a colour.

Colours are Grafana's named ones, which it shifts between its dark and its light theme, and none stands alone: the
figure or the word is always beside it. Where a figure is also a band of the default rating rules it is the same one,
so that a board and a rating never disagree; an organisation that changes its rules keeps these as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

GOOD = "green"
LOOK = "orange"
ACT = "red"
PLAIN = "blue"
UNKNOWN = "purple"
QUIET = "text"


@dataclass(frozen=True)
class Levels:
    """A colour from below, and those from each step on. Steps are in the unit of the panel, rising."""

    base: str
    steps: tuple[tuple[float, str], ...] = ()


def rising(look: float, act: float | None = None) -> Levels:
    """Return levels of a figure that is bad when it is high."""
    steps = ((look, LOOK),) if act is None else ((look, LOOK), (act, ACT))
    return Levels(GOOD, steps)


def falling(act: float, good: float) -> Levels:
    """Return levels of a figure that is bad when it is low."""
    return Levels(ACT, ((act, LOOK), (good, GOOD)))


# Grafana colours everything from 80 on red where a panel names no thresholds: so every panel names some.
NONE = Levels(PLAIN)
TEXT = Levels(QUIET)
ANY = Levels(GOOD, ((1, LOOK),))  # one is already something to look at
ANY_ACT = Levels(GOOD, ((1, ACT),))  # one is already something to act on

# Bands of the rating rules: 120 s slow, 300 s severe; half as long again as before has grown.
STARTUP_SECONDS = rising(120, 300)
SIGNIN_SECONDS = rising(60, 300)
GROWTH_RATIO = rising(1.2, 1.5)
FACTOR_SECONDS = rising(10, 30)
DISK_WEAR_RATIO = rising(0.8, 1.0)
BATTERY_HEALTH_RATIO = falling(0.4, 0.7)
BATTERY_CYCLES = rising(1000)

# How much is known. Under half it says little; nine in ten carries an argument.
COVERAGE_RATIO = falling(0.5, 0.9)
MATCH_RATIO = falling(0.8, 0.95)
MEASURED_RATIO = falling(0.25, 0.5)
# Under five a group is one person; under thirty its upper quantiles are single start-ups.
COUNTED = falling(5, 30)

LEGACY_RATIO = rising(0.1, 0.25)
# The books give no single figure above this share unclassified.
UNCLASSIFIED_RATIO = rising(0.05, 0.1)
ABOVE_TARGET_RATIO = Levels(GOOD, ((0.0001, LOOK), (0.05, ACT)))  # on the line is not above it
UTILISATION_RATIO = rising(0.8, 0.95)
UPTIME_SECONDS = rising(14 * 86_400, 35 * 86_400)  # a month of updates waits for a restart
YES = Levels(LOOK, ((1, GOOD),))
# Devices cannot use more than the meter saw.
METER_SHARE_RATIO = rising(0.9, 1.0)

# What is asked over the network.
POLL_SILENT_SECONDS = rising(1_800, 86_400)  # half an hour is six polls at the usual interval

# The collector itself.
AGE_SECONDS = rising(120, 300)  # roll-ups older than 300 s are not shown
TRANSACTION_SECONDS = rising(0.05, 0.5)
SCRAPE_SECONDS = rising(5, 10)  # Prometheus gives up after ten
QUEUE_RATIO = rising(0.5, 0.9)
ONE_HOLDER = Levels(ACT, ((1, GOOD), (2, ACT)))  # exactly one process holds the jobs
CERTIFICATE_LEFT_SECONDS = falling(7 * 86_400, 30 * 86_400)
FACTOR_SET_LEFT_SECONDS = falling(0, 30 * 86_400)

STATES: Mapping[str, str] = MappingProxyType(
    {"reporting": GOOD, "late": LOOK, "missing": ACT, "retired": QUIET}
)
VERDICTS: Mapping[str, str] = MappingProxyType(
    {
        "meets": GOOD,
        "needs attention": LOOK,
        "action required": ACT,
        "observing": PLAIN,
        "no data": UNKNOWN,
    }
)
SUPPORT: Mapping[str, str] = MappingProxyType(
    {
        "supported": GOOD,
        "ends within a year": LOOK,
        "extended": PLAIN,
        "ended": ACT,
        "no last day named": UNKNOWN,
        "unknown": UNKNOWN,
    }
)
QUALITIES: Mapping[str, str] = MappingProxyType(
    {"metered": "dark-green", "sensor": "green", "modelled": "yellow", "assumed": "orange"}
)
# What the values of a label are worth where bars of them stand side by side; the others are plain.
BANDS: Mapping[str, str] = MappingProxyType(
    {
        "ended": ACT,
        "within_90_days": ACT,
        "within_1_year": LOOK,
        "long_past": ACT,
        "past": LOOK,
        "does_not": ACT,
        "not_bought": ACT,
        "over": ACT,
        "bought": GOOD,
        "runs": GOOD,
        "meets": GOOD,
        "legacy": ACT,
        "not_legacy": GOOD,
        **dict.fromkeys(("unknown", "unknown_age", "no_date", "no_planned_life", "no_devices"), UNKNOWN),
        **dict.fromkeys(("not_applicable", "none"), QUIET),
    }
)
HEALTH: Mapping[str, str] = MappingProxyType(
    {"failing": ACT, "weak": ACT, "worn": LOOK, "good": GOOD, "unknown": UNKNOWN}
)
DEVICE_STATES: Mapping[str, str] = MappingProxyType(
    {
        "in use": GOOD,
        "idle": LOOK,
        "locked": "yellow",
        "asleep": PLAIN,
        "off": "super-light-blue",
        "unobserved": UNKNOWN,
    }
)
