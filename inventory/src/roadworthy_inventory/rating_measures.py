"""What a rule of the rating can look at, in which unit, and the words a rating is told in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from roadworthy_inventory.device_class import ASKED

MEETS, ATTENTION, ACTION = "meets", "needs attention", "action required"
OBSERVING, NO_DATA = "observing", "no data"
RATINGS = (MEETS, ATTENTION, ACTION, OBSERVING, NO_DATA)
ENVIRONMENTS = ("physical", "virtual_machine", "container", "unknown")

Value = float | int | bool | str


@dataclass(frozen=True, slots=True)
class Measure:
    """What a rule can look at.

    `unit` ends the key of its value (`value_<unit>`). `measured`: an agent or an import told it, so it is worth
    nothing once the device is silent; the rest are dates of the books. `evidence`: the measure that counts what it
    was made from. `dated`: a reason may name its `{date}`. `words`: what it can say. `polled`: which classes that run
    no agent have it; no other class has what `only_polled` says.
    """

    name: str
    unit: str
    about: str
    measured: bool = True
    evidence: str | None = None
    dated: bool = False
    words: tuple[str, ...] = ()
    polled: tuple[str, ...] = ()
    only_polled: bool = False

    def is_of(self, device_class: str) -> bool:
        """Return whether devices of a class have it at all: nobody signs in to a printer."""
        return device_class in self.polled if device_class in ASKED else not self.only_polled


def _polled(name: str, unit: str, about: str, device_class: str) -> Measure:
    return Measure(name, unit, about, polled=(device_class,), only_polled=True)


_SUPPORT_WORDS = ("supported", "ends_within", "paid", "ended_unless_bought", "ended")
_MEDIA = ("hdd", "ssd", "nvme", "emmc", "sd", "virtual")
_IMPORTED_WORDS = ("meeting_goals", "needs_attention")
MEASURES: Mapping[str, Measure] = MappingProxyType({
    measure.name: measure
    for measure in (
        Measure("startup_p50_seconds", "seconds", "median start-up", evidence="startup_count"),
        Measure("startup_p90_seconds", "seconds", "nine of ten start-ups", evidence="startup_count"),
        Measure("startup_growth_ratio", "ratio", "median start-up against its own baseline", evidence="startup_count"),
        Measure("startup_growth_seconds", "seconds", "median start-up less its own baseline", evidence="startup_count"),
        Measure("signin_p50_seconds", "seconds", "median sign-in", evidence="signin_count"),
        Measure("signin_p90_seconds", "seconds", "nine of ten sign-ins", evidence="signin_count"),
        Measure("signin_growth_ratio", "ratio", "median sign-in against its own baseline", evidence="signin_count"),
        Measure("signin_growth_seconds", "seconds", "median sign-in less its own baseline", evidence="signin_count"),
        Measure("startup_count", "count", "start-ups the figures are from"),
        Measure("signin_count", "count", "sign-ins the figures are from"),
        Measure("support_status", "word", "until when it gets updates", measured=False, dated=True, words=_SUPPORT_WORDS),
        Measure("support_left_days", "days", "until when it gets updates", measured=False, dated=True),
        Measure("warranty_left_days", "days", "when the warranty ends", measured=False, dated=True, polled=ASKED),
        Measure("disk_wear_ratio", "percent_ratio", "share of the rated life of a disk that is used"),
        Measure("disk_failing", "flag", "whether a disk says that it is failing"),
        Measure("system_medium", "word", "what the system starts from", words=_MEDIA),
        Measure("battery_health_ratio", "percent_ratio", "full charge against the design"),
        Measure("battery_cycles", "count", "charge cycles"),
        Measure("unexpected_shutdowns_count", "count", "unexpected shutdowns in 28 days"),
        Measure("power_against_family_ratio", "ratio", "power against the median of its family"),
        Measure("silent_days", "days", "days since the last report", measured=False, dated=True),
        Measure(
            "unanswered_days", "days", "days since the last poll that was answered",
            measured=False, dated=True, polled=ASKED, only_polled=True,
        ),
        _polled("ups_battery_replace", "flag", "whether the UPS says that its battery is to be replaced", "ups"),
        _polled("ups_on_battery", "flag", "whether the UPS runs on its battery", "ups"),
        _polled("ups_battery_low", "flag", "whether the UPS says that its battery is low", "ups"),
        _polled("ups_load_ratio", "percent_ratio", "load of the UPS against what it is made for", "ups"),
        Measure(
            "ups_battery_age_days", "days", "when the battery was replaced, or else the UPS made",
            measured=False, dated=True, polled=("ups",), only_polled=True,
        ),
        _polled("printer_page_count", "count", "pages printed in its life", "printer"),
        _polled("printer_service_requested", "flag", "whether the printer asks for service", "printer"),
        _polled("printer_worn", "flag", "whether the printer says that a part of it is worn", "printer"),
        Measure("imported_health", "word", "the word of another tool", words=_IMPORTED_WORDS),
        Measure("imported_startup_points", "points", "the score of another tool, 0 to 100"),
    )
})  # fmt: skip
# How a value is written, and which TOML numbers it may be.
VALUE_KEYS = MappingProxyType(
    {
        "seconds": "value_seconds",
        "days": "value_days",
        "ratio": "value_ratio",
        "percent_ratio": "value_ratio",
        "count": "value_count",
        "points": "value_points",
        "flag": "value_flag",
        "word": "value_word",
    }
)


def _told(value: float, unit: str, places: int | None) -> str:
    number = f"{value:.{places}f}" if places is not None else f"{value:.10g}"
    if unit == "seconds":
        if places == 0 and abs(value) >= 120:
            whole = round(value)
            return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
        return f"{number} s"
    if unit == "percent_ratio":
        return f"{100 * value:.{places}f} %" if places is not None else f"{100 * value:.10g} %"
    return f"{number} times" if unit == "ratio" else number


def shown(value: Value, unit: str, *, beside: Value | None = None) -> str:
    """Return `value` as a person reads it: `5 min 12 s`, `82 %`, `1 day`, `1.6 times`.

    `beside`: the band it is shown with; where rounding would make the two look alike, all digits are written.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value.replace("_", " ")
    if unit == "days":
        return f"{value} day" if abs(value) == 1 else f"{value} days"
    places = {"seconds": 0, "percent_ratio": 0, "ratio": 1}.get(unit)
    if unit == "seconds" and abs(value) < 10:
        places = 1
    told = _told(value, unit, places)
    alike = isinstance(beside, int | float) and value != beside and told == shown(beside, unit)
    return _told(value, unit, None) if alike else told
