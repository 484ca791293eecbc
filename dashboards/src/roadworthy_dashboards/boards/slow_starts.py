"""Slow starts, for desktop support: where people wait, in which phase, whether it got worse, and what contributes."""

from __future__ import annotations

from roadworthy_dashboards import bands, thresholds
from roadworthy_dashboards.boards import support_parts
from roadworthy_dashboards.charts import Column, Key, banded
from roadworthy_dashboards.links import UIDS, Link, cell, in_words, to_console
from roadworthy_dashboards.panels import About, Look, Panel, Query, Words, board, heat, lines, note, number
from roadworthy_dashboards.queries import counted, grown, held, mean, of_five, summed
from roadworthy_dashboards.sdk import Dashboard
from roadworthy_dashboards.tables import columns
from roadworthy_dashboards.thresholds import Levels
from roadworthy_dashboards.variables import console, several

_SIGNIN, _UNMEASURED = "Sign-ins", "What is not measured"
_GROUPS = ("site", "model")
_QUANTILES = (
    ("p50", "Half are faster", "The median: half are faster than this."),
    ("p90", "Nine in ten", f"Nine in ten are faster than this; told from {thresholds.LEAST_FOR_P90} on."),
    (
        "p99",
        "99 in 100",
        f"99 in 100 are faster than this; told from {thresholds.LEAST_FOR_P99} on, for of fewer it is a single one.",
    ),
)
_FEW = (
    f"Nine in ten is empty under {thresholds.LEAST_FOR_P90} of them, 99 in 100 under {thresholds.LEAST_FOR_P99}: of fewer it "
    "is a single one."
)
_WEEK = (
    "Over the last seven days, all kinds but wake-ups from sleep, each once, of start-ups whose total is known; one over "
    "two hours counts as two hours."
)
_SMALL = "A group is as good as the number of start-ups beside it; one without any has no row, which is not a fast one."
# This month and the one before it; the calendar is recorded once, whatever the jobs.
_MONTHS = '(month:roadworthy_calendar:ahead{ahead="0"} or month:roadworthy_calendar:closed)'
_CHOSEN = {"site": 'site=~"$site"', "model": 'model=~"$model"'}
_MEMBERS = {"site": "site:roadworthy_devices:in_service", "model": "roadworthy_model_devices"}


def build() -> Dashboard:
    """Return the dashboard."""
    return board(
        UIDS["slow_starts"],
        "Roadworthy: slow starts",
        "How long start-ups and sign-ins take by site and model, in which phase, what became slower, and what contributes. "
        "Restricted sites are left out.",
        [
            ("How long people wait", [*_estate(), *(_waits(group) for group in _GROUPS)]),
            ("Newly slow, against its own past", _grown()),
            ("In which phase", [_phases(group) for group in _GROUPS]),
            ("What contributes", _factors()),
            ("How start-ups are spread", _spread()),
            (_SIGNIN, _signins()),
            ("Devices to look at", support_parts.to_look_at()),
            (_UNMEASURED, _not_measured()),
        ],
        About(
            audience=("desktop-support",),
            variables=[
                several("site", "Site", "roadworthy_devices"),
                several("model", "Model", "roadworthy_model_devices"),
                console(),
            ],
            since="now-7d",
            refresh="5m",
        ),
    )


def _links(group: str, value: str) -> list[Link]:
    """Return where a click on a site or a model leads: its devices in the console."""
    return [to_console(f"/devices?{group}={value}", "Open its devices in the console")]


def _key(group: str) -> Key:
    title = group.capitalize()
    return Key(group, title, _links(group, cell(title)))


def _estate() -> list[Panel]:
    quantiles: list[Panel] = [
        number(
            Words(f"Start-ups: {title.lower()}", f"{meaning} {_WEEK}", "s"),
            Query(held(f"estate:roadworthy_startup_seconds:{name}_7d")),
            width=4,
            look=Look(height=4, levels=thresholds.STARTUP_SECONDS),
        )
        for name, title, meaning in _QUANTILES
    ]
    return [
        *quantiles,
        number(
            Words("Start-ups they are over", f"How many were counted at all sites. {_WEEK}", "short"),
            Query(held("estate:roadworthy_startups:increase7d")),
            width=4,
            look=Look(height=4, levels=thresholds.COUNTED, decimals=0),
        ),
        _without_data(),
        number(
            Words(
                "Staff hours lost, by month",
                "Above a good length in attended start-ups and sign-ins, in hours; not cashable. Left out of a month with "
                "fewer than five devices.",
                "short",
            ),
            Query(
                f"{held('roadworthy_staff_time_lost_seconds', 'month')} / 3600 and on (month) {_MONTHS}",
                "{{month}}",
            ),
            width=4,
            look=Look(height=4, decimals=0),
        ),
    ]


def _without_data() -> Panel:
    return number(
        Words(
            "Devices without data",
            "Devices in service whose start-up probe does not say ok, and those of which nothing current is known; they are "
            "in no figure of this board.",
            "short",
        ),
        Query(_unprobed("startup"), "start-ups not measured"),
        Query(counted("roadworthy_rated_devices", 'verdict="no data"'), "nothing current known"),
        width=4,
        look=Look(height=4, levels=thresholds.ANY),
    )


def _unprobed(probe: str) -> str:
    """Return how many devices run a probe that does not say ok, 0 where all of them say it."""
    asked = f'probe="{probe}"'
    silent = summed("roadworthy_probe_devices", of=("status",), where=f'{asked},status!="ok"')
    return f"{silent} or 0 * {held('roadworthy_probe_devices', where=asked)}"


def _waits(group: str) -> Panel:
    chosen = _CHOSEN[group]
    medians = (("Recent median", "recent"), ("Usual median", "baseline"))
    return columns(
        Words(
            f"Start-ups by {group}",
            f"Quantiles of start-ups by {group}. {_WEEK} Recent: the median of the collector's own records of these seven "
            f"days; usual: of the 28 days before; none of fewer than five. {_SMALL} {_FEW}",
            "s",
        ),
        [_key(group)],
        Column(
            "Start-ups",
            held(f"{group}:roadworthy_startups:increase7d", group, where=chosen),
            levels=thresholds.COUNTED,
            decimals=0,
        ),
        *(
            _seconds(title, held(f"{group}:roadworthy_startup_seconds:{name}_7d", group, where=chosen))
            for name, title, _ in _QUANTILES
        ),
        *(
            _seconds(title, held(f"roadworthy_{group}_startup_{name}_seconds", group, where=chosen))
            for title, name in medians
        ),
        look=Look(height=10),
        sort="Recent median",
    )


def _seconds(title: str, expr: str, levels: Levels = thresholds.STARTUP_SECONDS) -> Column:
    return Column(title, expr, "s", levels, 1)


def _grown() -> list[Panel]:
    level = thresholds.GROWTH_RATIO.steps[0][0]
    own = "Median of the last seven days over that of the 28 days before; none of fewer than five start-ups."
    panels: list[Panel] = []
    for group in _GROUPS:
        ratio = held(f"{group}:roadworthy_startup_recent:ratio_of_baseline", group, where=_CHOSEN[group])
        panels += [
            columns(
                Words(
                    f"Newly slow: {group}s",
                    f"Only those at least {level} times as slow as they were. {own} Where nothing is listed nothing became "
                    "that much slower, or too little is known.",
                    "short",
                ),
                [_key(group)],
                Column("Times as slow", f"{ratio} >= {level}", "short", thresholds.GROWTH_RATIO, 2),
                Column(
                    "Recent median",
                    f"{held(f'roadworthy_{group}_startup_recent_seconds', group, where=_CHOSEN[group])}"
                    f" and on ({group}) {ratio} >= {level}",
                    "s",
                    thresholds.STARTUP_SECONDS,
                    1,
                ),
                width=8,
                sort="Times as slow",
            ),
            lines(
                Words(
                    f"Against its own past, by {group}",
                    f"1 is as fast as before, more is slower. {own} A gap is a time without enough of them.",
                    "short",
                ),
                Query(ratio, f"{{{{{group}}}}}"),
                width=16,
                look=Look(levels=thresholds.GROWTH_RATIO, decimals=2),
            ),
        ]
    return panels


def _phases(group: str) -> Panel:
    return banded(
        Words(
            f"Mean start-up by {group}, in its phases",
            f"Mean seconds of each phase of the last 28 days; the phases of a {group} add up to its mean. Told by agents, of "
            "start-ups that tell phases; one that tells none is in no bar.",
            "s",
        ),
        group,
        held(f"roadworthy_{group}_startup_phase_seconds", group, "phase", where=_CHOSEN[group]),
        "phase",
        bands.PHASES,
        look=Look(height=11, links=_links(group, "${__data.fields[0]:percentencode}")),
    )


def _factors() -> list[Panel]:
    return [
        columns(
            Words(
                "Contributing factors of slow start-ups",
                "What the operating system names in start-ups of over a minute in the last 28 days: services and drivers by "
                "name, programs by category. Seconds are a mean and may run beside each other; an empty cell is not said.",
                "short",
            ),
            [Key("factor", "Contributing factor")],
            Column("Devices", held("roadworthy_startup_factor_devices", "factor")),
            _seconds(
                "Seconds", held("roadworthy_startup_factor_seconds", "factor"), thresholds.FACTOR_SECONDS
            ),
            width=12,
            look=Look(height=12),
            sort="Devices",
        ),
        *(_rated(group) for group in _GROUPS),
    ]


def _rated(group: str) -> Panel:
    waiting = f'reason=~"startup.*|signin.*",{_CHOSEN[group]}'
    return columns(
        Words(
            f"Devices rated for waiting, by {group}",
            "Devices in service that a rating rule about start-ups or sign-ins holds against, excepted ones left out. A device "
            f"counts under each such rule; no row is none, nothing known, or sign-ins of fewer than five devices. By {group}.",
            "short",
        ),
        [_key(group), Key("reason", "Rule")],
        Column("Devices", of_five(f"roadworthy_{group}_reason_devices", group, _MEMBERS[group], waiting)),
        width=6,
        look=Look(height=12),
        sort="Devices",
    )


def _spread() -> list[Panel]:
    hours = "In steps of an hour or more, over all systems; a step without any stays empty."
    return [
        heat(
            Words(
                "Start-ups by how long they took",
                f"How many ended in each band of seconds. {hours}",
                "s",
            ),
            Query(_buckets("startup")),
            width=12,
        ),
        heat(
            Words(
                "Sign-ins by how long they took",
                f"From accepted credentials to a usable desktop; groups of fewer than five devices are added up as other. "
                f"{hours}",
                "s",
            ),
            Query(_buckets("signin")),
            width=12,
        ),
    ]


def _buckets(what: str) -> str:
    """Return the buckets of all devices; by system there are far fewer series to add up than by site."""
    by_system = grown(f"roadworthy_os_{what}_seconds_bucket", "os", "le", window="$__rate_interval")
    return f"sum by (le) ({by_system})"


def _signins() -> list[Panel]:
    groups = "Groups of fewer than five devices are added up as other."
    chosen = _CHOSEN["site"]
    return [
        columns(
            Words(
                "Sign-ins by site",
                f"From accepted credentials to a usable desktop, over the last seven days. {groups} {_SMALL} "
                f"{_FEW.partition(', ')[0]}.",
                "s",
            ),
            [_key("site")],
            Column(
                "Sign-ins",
                held("site:roadworthy_signins:increase7d", "site", where=chosen),
                levels=thresholds.COUNTED,
                decimals=0,
            ),
            *(
                Column(
                    title,
                    held(f"site:roadworthy_signin_seconds:{name}_7d", "site", where=chosen),
                    "s",
                    thresholds.SIGNIN_SECONDS,
                    1,
                )
                for name, title, _ in _QUANTILES[:2]
            ),
            width=12,
            sort="Nine in ten",
        ),
        lines(
            Words(
                "Sign-ins: nine in ten are faster than",
                f"90th percentile by site of the seven days before each moment. {groups} A gap is a time with fewer than "
                f"{thresholds.LEAST_FOR_P90}.",
                "s",
            ),
            Query(held("site:roadworthy_signin_seconds:p90_7d", "site", where=chosen), "{{site}}"),
            look=Look(levels=thresholds.SIGNIN_SECONDS),
        ),
        _means("model"),
        _means("unit"),
    ]


def _means(group: str) -> Panel:
    """Return means by a grouping no quantiles are recorded of."""
    chosen = _CHOSEN.get(group, "")
    named = (("Start-ups", "startup"), ("Sign-ins", "signin"))
    counts = {
        title: grown(f"roadworthy_{group}_{what}_seconds_count", group, where=chosen, window="7d")
        for title, what in named
    }
    return columns(
        Words(
            f"Start-ups and sign-ins by {group}, on average",
            f"How many there were in the last seven days, and their mean. Sign-ins of groups of fewer than five devices are "
            f"added up as other. {_SMALL}",
            "s",
        ),
        [Key(group, group.capitalize())],
        *(Column(title, expr, "short", thresholds.COUNTED, 0) for title, expr in counts.items()),
        _seconds(
            "Mean start-up", mean(f"roadworthy_{group}_startup_seconds", group, where=chosen, window="7d")
        ),
        _seconds(
            "Mean sign-in",
            mean(f"roadworthy_{group}_signin_seconds", group, where=chosen, window="7d"),
            thresholds.SIGNIN_SECONDS,
        ),
        width=12,
        sort="Mean sign-in",
    )


def _not_measured() -> list[Panel]:
    return [
        columns(
            Words(
                "Probes that waiting is told by",
                "Devices in service by what their probes of start-ups and device state say. no_permission can be put right, "
                "not_supported cannot; a device that is not listed does not run the probe.",
                "short",
            ),
            [Key("probe", "Probe"), Key("status", "Status")],
            Column(
                "Devices",
                held("roadworthy_probe_devices", "probe", "status", where='probe=~"startup|signin|state"'),
            ),
            width=12,
            sort="Devices",
        ),
        note(
            "Where to go from here",
            "A site or a model opens the list of its devices in the console. The id on a device's page there, which asks for "
            f"a reason, goes into the box of {in_words('one_device', 'the board of one device')}. What to replace because of "
            f"it is on {in_words('legacy_and_ageing', 'Legacy and ageing')}.",
            width=12,
            height=8,
        ),
    ]
