"""Legacy and ageing, for those who replace: support cliffs, age, Windows 11, ratings and their reasons, warranty."""

from __future__ import annotations

from collections.abc import Mapping

from roadworthy_dashboards import bands, thresholds
from roadworthy_dashboards.boards import support_parts
from roadworthy_dashboards.charts import Column, Key, matrix, upright
from roadworthy_dashboards.links import UIDS, cell, to_console
from roadworthy_dashboards.panels import About, Look, Panel, Query, Words, bars, board, each, lines, number
from roadworthy_dashboards.queries import counted, held, of_five, share, summed
from roadworthy_dashboards.sdk import Dashboard
from roadworthy_dashboards.tables import columns
from roadworthy_dashboards.thresholds import Levels
from roadworthy_dashboards.variables import console, several

_ALL = "Devices in service, and register items and MDM records no agent reports for."
_UNKNOWN = "Unknown is a count of its own, neither old nor new."
_VENDORS = "By the vendors' dates, each with its source, and by what was told to be bought."
_CHOSEN = 'site=~"$site"'
_RULE = "By the rating rules in force; a device counts under each of its reasons, one that an exception takes out under none. Sign-ins are told of groups of five devices or more."
_VERDICTS = {name: name for name in thresholds.VERDICTS}
_BY_NAME = 'month=~"[0-9]{4}-[0-9]{2}"'  # not ended, later or unknown


def build() -> Dashboard:
    """Return the dashboard."""
    return board(
        UIDS["legacy_and_ageing"],
        "Roadworthy: legacy and ageing",
        "Support cliffs by date and site, age with what is unknown, Windows 11, ratings and their reasons, warranty, and "
        "legacy systems. Restricted sites are in totals only.",
        [
            ("At a glance", _glance()),
            ("Support cliffs", _cliffs()),
            ("Age and planned life", _age()),
            ("Windows 11", _windows()),
            ("Ratings and their reasons", _ratings()),
            ("Warranty", _warranty()),
            ("Systems and exceptions", _systems()),
            ("Gone", support_parts.disposal()),
        ],
        About(
            audience=("replacement", "desktop-support"),
            variables=[several("site", "Site", "roadworthy_devices"), console()],
            since="now-7d",
            refresh="15m",
        ),
    )


def _glance() -> list[Panel]:
    ended = counted("roadworthy_support_end_devices", 'ends="ended"')
    asked = summed("roadworthy_support_end_devices", of=("ends",), where='ends!="not_applicable"')
    past = summed("roadworthy_planned_life_devices", of=("band",), where='band=~"past|long_past"')
    share_of = number(
        Words(
            "Of all whose support is asked",
            "What has ended over all but what updates do not apply to. Unknown counts as not ended: the share is at least "
            f"this. {_VENDORS}",
            "percentunit",
        ),
        Query(share(ended, asked)),
        width=4,
        look=Look(height=4, levels=thresholds.LEGACY_RATIO, decimals=1),
    )
    soon = counted("roadworthy_support_end_devices", 'ends="within_90_days"')
    unknown = counted("roadworthy_support_end_devices", 'ends="unknown"')
    return [
        _count("Support has ended", _VENDORS, ended, thresholds.ANY_ACT),
        share_of,
        _count("Ends within 90 days", _VENDORS, soon),
        _count("Support unknown", "The system or its dates are not known.", unknown),
        _count("Past their planned life", "By class, or the register's own planned end.", past),
        _count(
            "Age unknown",
            "No date of purchase or warranty is held.",
            counted("roadworthy_age_devices", 'band="unknown"'),
        ),
    ]


def _count(title: str, text: str, expr: str, levels: Levels = thresholds.ANY) -> Panel:
    """Return one count of devices, coloured from the first on."""
    words = Words(title, f"{text} {_ALL} {_UNKNOWN}", "short")
    return number(words, Query(expr), width=4, look=Look(height=4, levels=levels))


def _banded(words: Words, family: str, label: str, names: Mapping[str, str], *, width: int = 8) -> Panel:
    """Return bars of a family's values in their order, each in the colour of what it is."""
    colours = {text: thresholds.BANDS.get(value, thresholds.PLAIN) for value, text in names.items()}
    queries = each(counted(family, "{it}"), label, names)
    return bars(words, *queries, width=width, look=Look(height=9, colours=colours))


def _site() -> Key:
    return Key(
        "site", "Site", [to_console(f"/devices?site={cell('Site')}", "Open its devices in the console")]
    )


def _cliffs() -> list[Panel]:
    return [
        _ends(),
        bars(
            Words(
                "In support now",
                f"{_ALL} What has no operating system is in none. {_VENDORS} {_UNKNOWN}",
                "short",
            ),
            *each(counted("roadworthy_support_devices", "{it}"), "status", bands.SUPPORT),
            width=8,
            look=Look(height=9, colours=thresholds.SUPPORT),
        ),
        _banded(
            Words("Paid extended updates", f"Whether any are sold, and bought. {_ALL} {_VENDORS}", "short"),
            "roadworthy_extended_support_devices",
            "extension",
            bands.EXTENDED,
        ),
        _ends_by_month(),
        _ends_by_site(),
        _support_over_time(),
    ]


def _ends_by_month() -> Panel:
    return upright(
        Words(
            "When security updates end, by month",
            f"The coming 24 months. {_ALL} {_VENDORS} {_UNKNOWN} What has ended, or has no day, is in the bands above.",
            "short",
        ),
        "month",
        Column("devices", held("roadworthy_support_end_month_devices", "month", where=_BY_NAME)),
        width=24,
        look=Look(height=8),
    )


def _ends() -> Panel:
    return _banded(
        Words(
            "When security updates end",
            f"Free ones or those bought. {_ALL} {_VENDORS} {_UNKNOWN} A band without a figure holds none.",
            "short",
        ),
        "roadworthy_support_end_devices",
        "ends",
        bands.ENDS,
    )


def _ends_by_site() -> Panel:
    return matrix(
        Words(
            "Support ends, by site",
            f"{_ALL} {_VENDORS} {_UNKNOWN} An empty cell is none.",
            "short",
        ),
        held("roadworthy_site_support_end_devices", "site", "ends", where=_CHOSEN),
        _site(),
        "ends",
        bands.ENDS,
        width=24,
        look=Look(height=10, nothing=""),
    )


def _support_over_time() -> Panel:
    return lines(
        Words(
            "In support, over time",
            f"Whether replacing and upgrading work: ended is to fall. {_VENDORS} {_UNKNOWN}",
            "short",
        ),
        *each(counted("roadworthy_support_devices", "{it}"), "status", bands.SUPPORT),
        width=24,
        stacked=True,
        look=Look(colours=thresholds.SUPPORT),
    )


def _age() -> list[Panel]:
    dates = "Since it was bought, else since its warranty began, by the register's dates."
    return [
        _banded(
            Words("Age", f"{dates} {_ALL} {_UNKNOWN}", "short"), "roadworthy_age_devices", "band", bands.AGES
        ),
        _banded(
            Words(
                "Age against planned life",
                f"By the planned life of its class, or the register's own planned end. {_ALL} {_UNKNOWN}",
                "short",
            ),
            "roadworthy_planned_life_devices",
            "band",
            bands.LIVES,
        ),
        _banded(
            Words(
                "Age of the register's items",
                f"All that are not disposed of, screens and phones too. {dates} {_UNKNOWN}",
                "short",
            ),
            "roadworthy_register_age_items",
            "band",
            bands.AGES,
        ),
    ]


def _windows() -> list[Panel]:
    windows = held("roadworthy_os_devices", "os", where='os=~"Windows.*"')
    return [
        _banded(
            Words(
                "Ready for Windows 11",
                "By the processor and what the device reports, or what the MDM found. Too little told is not a yes; not "
                f"asked of servers and other systems. {_ALL}",
                "short",
            ),
            "roadworthy_windows11_devices",
            "answer",
            bands.WINDOWS,
            width=12,
        ),
        bars(
            Words(
                "Windows, by version",
                "Devices in service that run a Windows, the twenty commonest, restricted sites left out. A device that has "
                "not said is in none.",
                "short",
            ),
            Query(f"topk(20, {windows})", "{{os}}"),
            width=12,
            look=Look(height=9),
        ),
    ]


def _ratings() -> list[Panel]:
    return [
        bars(
            Words(
                "Ratings of devices in service",
                "From what agents measure. Observing: in its first weeks; no data: nothing current is known, which is "
                "neither good nor bad.",
                "short",
            ),
            *each(counted("roadworthy_rated_devices", "{it}"), "verdict", _VERDICTS),
            width=6,
            look=Look(colours=thresholds.VERDICTS),
        ),
        bars(
            Words(
                "Ratings from imports alone",
                "Register items and MDM records no agent reports for. Most of what a rating asks is not known of them: no "
                "data.",
                "short",
            ),
            *each(counted("roadworthy_import_rated_items", "{it}"), "verdict", _VERDICTS),
            width=6,
            look=Look(colours=thresholds.VERDICTS),
        ),
        _verdicts_by_site(),
        _reasons_by_site(),
        _reasons_by_model(),
    ]


def _verdicts_by_site() -> Panel:
    return matrix(
        Words(
            "Ratings by site",
            "Devices in service by site, restricted sites left out. No data is neither good nor bad; an empty cell is "
            "none.",
            "short",
        ),
        held("roadworthy_site_verdict_devices", "site", "verdict", where=_CHOSEN),
        _site(),
        "verdict",
        _VERDICTS,
        width=12,
        look=Look(nothing=""),
    )


def _reasons_by_site() -> Panel:
    return columns(
        Words(
            "Reasons, by site",
            f"Devices that need attention or action. {_RULE} No row is no such device.",
            "short",
        ),
        [_site(), Key("reason", "Rule")],
        Column(
            "Devices",
            of_five("roadworthy_site_reason_devices", "site", "site:roadworthy_devices:in_service", _CHOSEN),
        ),
        width=12,
        look=Look(height=12),
        sort="Devices",
    )


def _reasons_by_model() -> Panel:
    return columns(
        Words(
            "Reasons, by model",
            f"Devices that need attention or action. {_RULE} No row is no such device.",
            "short",
        ),
        [
            Key(
                "model",
                "Model",
                [to_console(f"/devices?model={cell('Model')}", "Open its devices in the console")],
            ),
            Key("reason", "Rule"),
        ],
        Column("Devices", of_five("roadworthy_model_reason_devices", "model", "roadworthy_model_devices")),
        width=12,
        look=Look(height=12),
        sort="Devices",
    )


def _warranty() -> list[Panel]:
    register = "Register items not disposed of, by the dates of the register."
    return [
        upright(
            Words(
                "Warranty ends, by month",
                f"{register} The coming 24 months; what has ended, ends later or has no date is in the table.",
                "short",
            ),
            "month",
            Column("items", held("roadworthy_warranty_end_items", "month", where=_BY_NAME)),
            width=12,
            look=Look(height=9),
        ),
        matrix(
            Words(
                "Warranty by site",
                f"{register} Unknown: no date is held, which is not ended. An empty cell is none.",
                "short",
            ),
            held("roadworthy_site_warranty_items", "site", "band", where=_CHOSEN),
            _site(),
            "band",
            bands.WARRANTY,
            width=12,
            look=Look(height=9, nothing=""),
        ),
    ]


def _systems() -> list[Panel]:
    return [
        _banded(
            Words(
                "Systems by the evidence of their devices",
                "Legacy: one of its devices is out of support; age decides nothing here. Unknown: of none can it be told.",
                "short",
            ),
            "roadworthy_systems",
            "standing",
            bands.STANDING,
        ),
        number(
            Words(
                "Scores of legacy risk",
                "Systems red-rated by people's scores, and criteria of the Legacy IT Risk Assessment Framework still "
                "unsigned over all systems: a system with one has no score.",
                "short",
            ),
            Query(held("roadworthy_red_rated_systems"), "red-rated"),
            Query(counted("roadworthy_system_criteria", 'state="signed"'), "criteria signed"),
            Query(counted("roadworthy_system_criteria", 'state="unsigned"'), "criteria unsigned"),
            width=8,
            look=Look(
                height=9, colours={"red-rated": thresholds.ACT, "criteria unsigned": thresholds.UNKNOWN}
            ),
        ),
        number(
            Words(
                "Exceptions",
                "Approved entries of the exceptions register: in force, expiring within 30 days, expired; and devices with a "
                "reason that one takes out of their rating. What expires counts again the day after.",
                "short",
            ),
            Query(held("roadworthy_exceptions", "state"), "{{state}}"),
            Query(held("roadworthy_excepted_devices"), "devices excepted"),
            width=8,
            look=Look(height=9, colours={"expiring": thresholds.LOOK, "expired": thresholds.ACT}),
        ),
    ]
