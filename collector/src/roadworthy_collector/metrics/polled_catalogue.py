"""The catalogue's rows about devices that are polled: how each target answers, and what they draw, by site, unit or model."""

from __future__ import annotations

from roadworthy_collector.metrics.family import Kind, Metric

_POLLS = "the poller's own record"
_TARGET = ("target", "kind")
_OF = {"site": "of a site", "unit": "of a unit", "model": "of a model"}


def _target(name: str, kind: Kind, unit: str, text: str) -> Metric:
    return Metric(f"roadworthy_target_{name}", kind, unit, text, _POLLS, _TARGET)


def _watts(grouping: str) -> Metric:
    return Metric(
        f"roadworthy_{grouping}_polled_watts",
        Kind.GAUGE,
        "watts",
        f"Power that devices {_OF[grouping]} without an agent say they take (a UPS: give) now, by kind. Kinds are never "
        "added up: a UPS may feed a PDU, which feeds a server whose controller is polled too.",
        "metered by power units, sensor of management controllers",
        (grouping, "kind"),
    )


def _joules(grouping: str) -> Metric:
    return Metric(
        f"roadworthy_{grouping}_polled_joules",
        Kind.GAUGE,
        "joules",
        f"Energy of the last whole day of devices {_OF[grouping]} without an agent, by kind; kinds are never added up.",
        "metered by power units, sensor of management controllers; power integrated where there is no register",
        (grouping, "kind"),
    )


POLLED = (
    Metric(
        "roadworthy_polled_targets",
        Kind.GAUGE,
        "targets",
        "Targets that are polled, by kind and how the last poll went: ok, no_answer, denied, too_slow, bad_answer, "
        "no_profile, duplicate (counted already under another name), misconfigured, or never.",
        _POLLS,
        ("kind", "outcome"),
    ),
    Metric(
        "roadworthy_polled_targets_unlisted",
        Kind.GAUGE,
        "targets",
        "Targets that have no series of their own: the first 1,000 have, those that fail before the others, and none at "
        "restricted sites.",
        _POLLS,
    ),
    Metric(
        "roadworthy_target_up",
        Kind.GAUGE,
        "boolean",
        "1 where the last poll of a target was answered, with the site it stands at; unknown: nobody says.",
        _POLLS,
        (*_TARGET, "site"),
    ),
    _target(
        "poll_duration_seconds",
        Kind.GAUGE,
        "seconds",
        "How long the last poll of a target took, answered or not.",
    ),
    _target(
        "last_success_timestamp_seconds",
        Kind.GAUGE,
        "epoch seconds",
        "When a target last answered; subtract it from time() for the age of its readings.",
    ),
    _target("polls_total", Kind.COUNTER, "polls", "Polls of a target, answered or not."),
    _target("successful_polls_total", Kind.COUNTER, "polls", "Polls of a target that were answered."),
    _target(
        "refused_readings",
        Kind.GAUGE,
        "readings",
        "Values of a target's last answer that are not believed or were expected and not there.",
    ),
    *(_watts(grouping) for grouping in _OF),
    *(_joules(grouping) for grouping in _OF),
    Metric(
        "roadworthy_energy_overlap_joules",
        Kind.GAUGE,
        "joules",
        "Energy of the last closed month that was measured and is left out of the energy ledger: measured twice (outlet, "
        "feeder, controller: the other of the two counts), or undeclared, where nobody said what a unit feeds.",
        "the energy ledger",
        ("why",),
    ),
    Metric(
        "roadworthy_site_ups_batteries",
        Kind.GAUGE,
        "UPSs",
        "UPSs of a site by what they say of their battery: replace, ok, or unknown where they say nothing.",
        "sensor: the UPS's own word",
        ("site", "battery"),
    ),
)
