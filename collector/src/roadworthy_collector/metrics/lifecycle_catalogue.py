"""The catalogue's rows about support dates, Windows 11, ageing and legacy systems; closed vocabularies all."""

from __future__ import annotations

from roadworthy_collector.metrics.family import Kind, Metric

_DATES = "the vendors' dates, each with its source, and what was told to be bought"
_RECORDS = "Devices in service, and register items and MDM records no agent reports for,"


def _row(name: str, unit: str, text: str, known: str, *labels: str) -> Metric:
    return Metric(f"roadworthy_{name}", Kind.GAUGE, unit, text, known, labels)


LIFECYCLE = (
    _row(
        "support_end_devices",
        "devices",
        f"{_RECORDS} by when their security updates end, free ones or those bought; no_date: the vendor names no day.",
        _DATES,
        "ends",
    ),
    _row(
        "support_devices",
        "devices",
        f"{_RECORDS} by whether their operating system gets updates: supported; ends_within: it ends within 365 days; "
        "extended: paid for; ended; unknown_end: the vendor names no last day; unknown: the system or its dates are not "
        "known. What has no operating system is in none of it: not_applicable of roadworthy_support_end_devices.",
        _DATES,
        "status",
    ),
    _row(
        "support_end_month_devices",
        "devices",
        f"{_RECORDS} by the month their security updates end: the coming 24 by name (2026-10), ended: by now; later; "
        "or why there is no day: no_date, not_applicable, unknown.",
        _DATES,
        "month",
    ),
    _row(
        "extended_support_devices",
        "devices",
        f"{_RECORDS} by paid extended updates: none: no date of any is held; bought; not_bought; unknown: nobody said; over.",
        _DATES,
        "extension",
    ),
    _row(
        "windows11_devices",
        "devices",
        f"{_RECORDS} by Windows 11: runs it; meets its requirements; does_not; unknown: too little is told; "
        "not_applicable: not asked, as of servers.",
        "by CPUID and what the device reports; what the MDM found goes before",
        "answer",
    ),
    _row(
        "planned_life_devices",
        "devices",
        f"{_RECORDS} by their age against the planned life of their class; unknown_age and no_planned_life count apart.",
        "the register's dates; planned lives with their sources, or the register's own planned end",
        "band",
    ),
    _row(
        "age_devices",
        "devices",
        f"{_RECORDS} by years since they were bought, else since their warranty began.",
        "the register's dates",
        "band",
    ),
    _row(
        "systems",
        "systems",
        "Systems by the evidence of their devices: legacy: one is out of support; not_legacy: all are in support; "
        "unknown; no_devices: no register item names it. Age decides nothing here.",
        "rolled up from devices; nobody's score",
        "standing",
    ),
    _row(
        "system_criteria",
        "criteria",
        "Criteria of the Legacy IT Risk Assessment Framework over all systems: signed by a person, or unsigned.",
        "counted from people's scores",
        "state",
    ),
    _row(
        "red_rated_systems",
        "systems",
        "Systems red-rated by people's scores; those with an unsigned criterion have none.",
        "the framework's arithmetic over people's scores",
    ),
)
