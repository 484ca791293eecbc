"""The rating of a device: what its condition is by the rules, with every reason, and what could not be judged.

`meets`, `needs attention` and `action required` are for devices of which something current is known. `observing` is
a device's first weeks: reasons are shown, none demands action. `no data` is a device of which nothing current is
known and nothing in the books is wrong. A missing value never meets a rule: the rule is listed as not judged.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from roadworthy_inventory.exceptions import ExceptionEntry, covering, returns_on
from roadworthy_inventory.rating_measures import (
    ACTION,
    ATTENTION,
    MEASURES,
    MEETS,
    NO_DATA,
    OBSERVING,
    Measure,
    Value,
    shown,
)
from roadworthy_inventory.rating_rules import SCOPED, Comparison, Rule, RuleSet


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCondition:
    """What is known of one device; None is not known, and `unknown` for the three words that rules depend on.

    `startup_...` and `signin_...` are of the last 28 days, `..._baseline_p50_seconds` of the 28 days before them on
    the same device, `..._count` how many the figures are from. `support_end` is the last day with updates this
    device is entitled to, `support_status` the word for it (`supported`, `ends_within`, `paid`, `ended`;
    `ended_unless_bought`: free updates have ended, and nobody told whether the paid ones sold now were bought).
    `disk_wear_ratio` and `battery_health_ratio` are of the worst disk and battery, 1 is all of it.
    `power_against_family_ratio`: its power over the median of its model and use. `imported_...`: another tool's own
    judgement and the day of that export. `ups_battery_since`: when its battery was replaced, or else the UPS made; what
    a UPS or printer says of itself is as it said last. `exceptions`: the entries of this device and its register item.
    """

    device: str
    usage_profile: str = "unknown"
    device_class: str = "unknown"
    environment: str = "unknown"
    startup_p50_seconds: float | None = None
    startup_p90_seconds: float | None = None
    startup_baseline_p50_seconds: float | None = None
    startup_count: int | None = None
    signin_p50_seconds: float | None = None
    signin_p90_seconds: float | None = None
    signin_baseline_p50_seconds: float | None = None
    signin_count: int | None = None
    support_status: str | None = None
    support_end: dt.date | None = None
    warranty_end: dt.date | None = None
    disk_wear_ratio: float | None = None
    disk_failing: bool | None = None
    system_medium: str | None = None
    battery_health_ratio: float | None = None
    battery_cycles: int | None = None
    unexpected_shutdowns_count: int | None = None
    power_against_family_ratio: float | None = None
    ups_battery_replace: bool | None = None
    ups_on_battery: bool | None = None
    ups_battery_low: bool | None = None
    ups_load_ratio: float | None = None
    ups_battery_since: dt.date | None = None
    printer_page_count: float | None = None
    printer_service_requested: bool | None = None
    printer_worn: bool | None = None
    first_report: dt.date | None = None
    last_report: dt.date | None = None
    imported_from: str | None = None
    imported_on: dt.date | None = None
    imported_health: str | None = None
    imported_startup_points: float | None = None
    exceptions: tuple[ExceptionEntry, ...] = ()

    @property
    def import_only(self) -> bool:
        """Whether all that is known was imported: no agent has ever reported."""
        return self.last_report is None and self.imported_from is not None

    @property
    def measured_elsewhere(self) -> bool:
        """Whether another tool measured anything of it."""
        told = (self.startup_p50_seconds, self.signin_p50_seconds)
        return any(one is not None for one in (*told, self.imported_health, self.imported_startup_points))


UNMEASURED = "no agent and no Endpoint Analytics export"


def _ratio(value: float | None, baseline: float | None) -> float | None:
    return None if value is None or baseline is None or not baseline > 0 else value / baseline


def _difference(value: float | None, baseline: float | None) -> float | None:
    return None if value is None or baseline is None else value - baseline


def _left(end: dt.date | None, on: dt.date) -> int | None:
    """Return the whole days from `on` to `end`: 0 on the last day, negative once it is over."""
    return None if end is None else (end - on).days


def _silent(condition: DeviceCondition, on: dt.date) -> int | None:
    return None if condition.last_report is None else (on - condition.last_report).days


# What is worked out from several fields; every other measure is the field of its own name.
_WORKED_OUT: Mapping[str, Callable[[DeviceCondition, dt.date], Value | None]] = MappingProxyType(
    {
        "startup_growth_ratio": lambda c, _: _ratio(c.startup_p50_seconds, c.startup_baseline_p50_seconds),
        "startup_growth_seconds": lambda c, _: _difference(
            c.startup_p50_seconds, c.startup_baseline_p50_seconds
        ),
        "signin_growth_ratio": lambda c, _: _ratio(c.signin_p50_seconds, c.signin_baseline_p50_seconds),
        "signin_growth_seconds": lambda c, _: _difference(
            c.signin_p50_seconds, c.signin_baseline_p50_seconds
        ),
        "support_left_days": lambda c, on: _left(c.support_end, on),
        "warranty_left_days": lambda c, on: _left(c.warranty_end, on),
        "ups_battery_age_days": lambda c, on: (
            None if c.ups_battery_since is None else (on - c.ups_battery_since).days
        ),
        "silent_days": _silent,
        "unanswered_days": _silent,
    }
)
_DATE_FIELDS = MappingProxyType(
    {
        "support_status": "support_end",
        "support_left_days": "support_end",
        "warranty_left_days": "warranty_end",
        "silent_days": "last_report",
        "unanswered_days": "last_report",
        "ups_battery_age_days": "ups_battery_since",
    }
)
_SCOPE_WORDS = MappingProxyType(
    {
        "usage_profiles": "usage profile",
        "device_classes": "device class",
        "environments": "environment",
    }
)


def value_of(condition: DeviceCondition, measure: str, on: dt.date) -> Value | None:
    """Return the value of `measure` (a name of MEASURES) on the day `on`, None where it is not known.

    What is no number (NaN, infinite) and what is none of a measure's words is not known either.
    """
    worked_out = _WORKED_OUT.get(measure)
    value: Value | None = worked_out(condition, on) if worked_out else getattr(condition, measure)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str) and value not in MEASURES[measure].words:
        return None
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One rule that was met. `value` and `threshold` are in `unit`, `sentence` has both put in.

    `demoted`: the rule demands action, but the device is still observed.
    """

    rule_id: str
    rating: str
    sentence: str
    looks_at: str
    comparison: str
    value: Value
    threshold: Value
    unit: str
    source: str
    demoted: bool = False


@dataclass(frozen=True, slots=True)
class Excepted:
    """A rule that was met and that an exception covers; it returns on the day `returns_on`."""

    reason: Reason
    entry_id: str
    returns_on: dt.date | None


@dataclass(frozen=True, slots=True)
class NotJudged:
    """A rule that is meant for the device and could not be judged; `why` is a sentence."""

    rule_id: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """The rating of one device on one day.

    `reasons`: what was met and counts, action first. `excepted`: what was met and is covered by the exceptions
    register. `judged` + len(`not_judged`) = the rules meant for this device. `observed_until`: the first day after
    the observing weeks. `edition`: the digest of the rules.
    """

    device: str
    rating: str
    reasons: tuple[Reason, ...]
    excepted: tuple[Excepted, ...]
    not_judged: tuple[NotJudged, ...]
    judged: int
    import_only: bool
    observed_until: dt.date | None
    edition: str


class Rater:
    """Rates devices by one set of rules on one day; keeps which rules are for which kind of device."""

    def __init__(self, rules: RuleSet, on: dt.date) -> None:
        self.rules = rules
        self.on = on
        self._meant: dict[tuple[str, str, str], tuple[tuple[Rule, str | None], ...]] = {}

    def rate(self, condition: DeviceCondition) -> Rating:
        """Return the rating of one device."""
        current = self._current(condition)
        unmeasured = UNMEASURED if condition.import_only and not condition.measured_elsewhere else current
        reasons: list[Reason] = []
        excepted: list[Excepted] = []
        not_judged: list[NotJudged] = []
        judged = 0
        for rule, unsure in self._rules_for(condition):
            found = unsure or self._judge(rule, condition, current=unmeasured is None, why=unmeasured or "")
            if isinstance(found, str):
                not_judged.append(NotJudged(rule.rule_id, found))
                continue
            judged += 1
            if found is None:
                continue
            entry = covering(condition.exceptions, rule.rule_id, self.on) if condition.exceptions else None
            if entry is None:
                reasons.append(found)
            else:
                back = returns_on(condition.exceptions, rule.rule_id, self.on)
                excepted.append(Excepted(found, entry.entry_id, back))
        until = self._observed_until(condition)
        if until is not None:
            reasons = [_demote(reason) if reason.rating == ACTION else reason for reason in reasons]
        reasons.sort(key=lambda reason: reason.rating != ACTION)
        return Rating(
            device=condition.device,
            rating=_rating(reasons, observing=until is not None, known=current is None and judged > 0),
            reasons=tuple(reasons),
            excepted=tuple(excepted),
            not_judged=tuple(not_judged),
            judged=judged,
            import_only=condition.import_only,
            observed_until=until,
            edition=self.rules.digest,
        )

    def _current(self, condition: DeviceCondition) -> str | None:
        """Return why what was measured is not current, None where it is."""
        last, what = condition.last_report, "report"
        if condition.import_only:
            last, what = condition.imported_on, "import"
        if last is None:
            return "it has never reported" if what == "report" else "the day of the import is not known"
        days = (self.on - last).days
        return None if days <= self.rules.silent_days else f"the last {what} is {days} days old"

    def _observed_until(self, condition: DeviceCondition) -> dt.date | None:
        if condition.first_report is None:
            return None
        until = condition.first_report + dt.timedelta(days=self.rules.observing_days)
        return until if self.on < until else None

    def _rules_for(self, condition: DeviceCondition) -> tuple[tuple[Rule, str | None], ...]:
        """Return the rules meant for such a device, each with why that is unsure, None where it is sure."""
        words = (condition.usage_profile, condition.device_class, condition.environment)
        found = self._meant.get(words)
        if found is None:
            found = self._meant[words] = tuple(
                (rule, unsure)
                for rule in self.rules.rules
                for meant, unsure in [_meant(rule, words)]
                if meant
            )
        return found

    def _judge(
        self, rule: Rule, condition: DeviceCondition, *, current: bool, why: str
    ) -> Reason | str | None:
        """Return the reason where the rule is met, None where it is not, and why it cannot be judged as text.

        One test that surely fails settles it, whatever else is missing.
        """
        missing: str | None = None
        for test in rule.tests:
            measure = MEASURES[test.looks_at]
            value = None
            if measure.measured and not current:
                lacks: str | None = why
            else:
                value = value_of(condition, test.looks_at, self.on)
                lacks = f"not known: {measure.about}" if value is None else None
            if lacks is None and rule.evidence_count is not None:
                lacks = self._too_little(measure, rule.evidence_count, condition)
            if lacks is None and value is not None and not test.holds(value):
                return None
            missing = missing or lacks
        return missing or self._reason(rule, rule.tests[0], condition)

    def _too_little(self, measure: Measure, needed: int, condition: DeviceCondition) -> str | None:
        """Return why the figure comes from too few events to be judged either way, None where it does not."""
        if measure.evidence is None:
            return None
        count = value_of(condition, measure.evidence, self.on)
        about = MEASURES[measure.evidence].about
        if not isinstance(count, int | float):
            # Another tool's figures come without counts, and with its own floor under them.
            return None if condition.import_only else f"not known: {about}"
        return f"{about}: {count}, and {needed} are needed" if count < needed else None

    def _reason(self, rule: Rule, test: Comparison, condition: DeviceCondition) -> Reason:
        measure = MEASURES[test.looks_at]
        value = value_of(condition, test.looks_at, self.on)
        if value is None:  # the caller has just compared it
            raise AssertionError(test.looks_at)
        when: dt.date | None = getattr(condition, _DATE_FIELDS[measure.name]) if measure.dated else None
        return Reason(
            rule_id=rule.rule_id,
            rating=rule.rating,
            sentence=rule.reason.format(
                value=shown(value, measure.unit, beside=test.value),
                threshold=shown(test.value, measure.unit),
                date="an unknown day" if when is None else when.isoformat(),
            ),
            looks_at=test.looks_at,
            comparison=test.comparison,
            value=value,
            threshold=test.value,
            unit=measure.unit,
            source=rule.source,
        )


def _meant(rule: Rule, words: tuple[str, str, str]) -> tuple[bool, str | None]:
    """Return whether a rule is, or may be, meant for such a device, and why that is unsure."""
    if not all(MEASURES[test.looks_at].is_of(words[1]) for test in rule.tests):
        return False, None
    unsure = None
    for scope, about, word in zip(rule.scopes, SCOPED, words, strict=True):
        admits = scope.admits(word)
        if admits is False:
            return False, None
        if admits is None:
            unsure = unsure or f"its {_SCOPE_WORDS[about]} is not known"
    return True, unsure


def _demote(reason: Reason) -> Reason:
    fields = {name: getattr(reason, name) for name in Reason.__slots__}
    return Reason(**{**fields, "rating": ATTENTION, "demoted": True})


def _rating(reasons: Iterable[Reason], *, observing: bool, known: bool) -> str:
    ratings = {reason.rating for reason in reasons}
    if not ratings and not known:
        return NO_DATA
    if observing:
        return OBSERVING
    if ACTION in ratings:
        return ACTION
    return ATTENTION if ratings else MEETS


def rate(condition: DeviceCondition, rules: RuleSet, on: dt.date) -> Rating:
    """Return the rating of one device by `rules` on the day `on`; for many devices keep one Rater."""
    return Rater(rules, on).rate(condition)


def rate_all(conditions: Iterable[DeviceCondition], rules: RuleSet, on: dt.date) -> list[Rating]:
    """Return the ratings of `conditions`, in their order."""
    rater = Rater(rules, on)
    return [rater.rate(condition) for condition in conditions]
