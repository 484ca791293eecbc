"""Devices without an agent, asked over the network: power and energy by site and kind, UPS batteries, how polls go."""

from __future__ import annotations

from roadworthy_dashboards import thresholds
from roadworthy_dashboards.charts import Column, Key, matrix
from roadworthy_dashboards.links import UIDS, to_console
from roadworthy_dashboards.panels import About, Look, Panel, Query, Words, bars, board, lines, number
from roadworthy_dashboards.queries import grown, held, share, summed
from roadworthy_dashboards.sdk import Dashboard
from roadworthy_dashboards.tables import columns
from roadworthy_dashboards.variables import console

_KWH = 3_600_000  # joules
_OPENED = [to_console("/power", "Open the polled devices in the console")]
_SITE, _KIND = Key("site", "Site", _OPENED), Key("kind", "Kind")
_KINDS = {
    "ups": ("UPSs", "What UPSs give to what hangs on them."),
    "pdu": ("PDUs", "What rack power units take in."),
    "switch": ("PoE switches", "What switches take, with what they feed over network cables in it."),
    "controller": ("servers", "What servers take, as their management controllers tell."),
}
_TITLES = {kind: name[0].upper() + name[1:] for kind, (name, _) in _KINDS.items()}
_NEVER = (
    "Kinds are never added up: a UPS may feed a PDU, which feeds a server whose controller is polled too. A device that "
    "tells no power, or is not heard, is not known and adds nothing; restricted sites are left out."
)
_LISTED = (
    "One series a polled target of the targets file, whatever devices there are: at most 1,000, those that fail before the "
    "others, none at restricted sites."
)


def build() -> Dashboard:
    """Return the dashboard."""
    return board(
        UIDS["power_and_ups"],
        "Roadworthy: power and UPS",
        "UPSs, PDUs, switches, printers and management controllers that are polled: power and energy by site and kind, "
        "batteries, and how the polls go.",
        [
            ("At a glance", _glance()),
            ("Power by kind", _power()),
            ("Energy and batteries", _energy()),
            ("How polls go", _polls()),
        ],
        About(audience=("sustainability", "operations"), variables=[console()]),
    )


def _glance() -> list[Panel]:
    return [*_answering(), *_believed()]


def _answering() -> list[Panel]:
    of = ("kind", "outcome")
    answering = summed("roadworthy_polled_targets", of=of, where='outcome="ok"')
    batteries = ("site", "battery")
    replace = summed("roadworthy_site_ups_batteries", of=batteries, where='battery="replace"')
    return [
        number(
            Words(
                "Targets whose last poll went well",
                "Of all polled targets, those at restricted sites too. Where nothing is polled it is not known.",
                "percentunit",
            ),
            Query(share(answering, summed("roadworthy_polled_targets", of=of)), "of all"),
            look=Look(height=5, levels=thresholds.COVERAGE_RATIO, decimals=0),
        ),
        number(
            Words(
                "UPSs that ask for a new battery",
                "They say so themselves. A UPS that says nothing of its battery is unknown, and counted in the table below; "
                "where no UPS is polled it is not known.",
                "short",
            ),
            # Nought where UPSs are polled and none asks; nothing at all where none is polled.
            Query(f"{replace} or 0 * {summed('roadworthy_site_ups_batteries', of=batteries)}", "UPSs"),
            look=Look(height=5, levels=thresholds.ANY_ACT),
        ),
    ]


def _believed() -> list[Panel]:
    return [
        number(
            Words(
                "Longest silence of a target",
                f"Since the last answer of the target that has been silent for longest. {_LISTED} One that never answered "
                "has none, is not known, and is not in it.",
                "s",
            ),
            Query(
                f"time() - min({held('roadworthy_target_last_success_timestamp_seconds', 'target', 'kind')})",
                "silent",
            ),
            look=Look(height=5, levels=thresholds.POLL_SILENT_SECONDS),
        ),
        number(
            Words(
                "Readings refused",
                "Values of the last answers that are not believed, or that were expected and not there. What is refused is "
                f"not known, and not nought. {_LISTED}",
                "short",
            ),
            Query(summed("roadworthy_target_refused_readings", of=("target", "kind")), "readings"),
            look=Look(height=5, levels=thresholds.ANY),
        ),
    ]


def _power() -> list[Panel]:
    panels: list[Panel] = [
        lines(
            Words(f"Power of {name} by site", f"{text} {_NEVER}", "watt"),
            Query(held("roadworthy_site_polled_watts", "site", where=f'kind="{kind}"'), "{{site}}"),
            stacked=True,
        )
        for kind, (name, text) in _KINDS.items()
    ]
    now = matrix(
        Words(
            "Power now by site and kind",
            f"All kinds that tell power, printers and others too. {_NEVER} A cell without a figure is not known.",
            "watt",
        ),
        held("roadworthy_site_polled_watts", "site", "kind"),
        _SITE,
        "kind",
        _TITLES,
        width=24,
        look=Look(height=6, decimals=0),
    )
    return [*panels, now]


def _energy() -> list[Panel]:
    return [*_energy_by_site(), *_batteries()]


def _energy_by_site() -> list[Panel]:
    return [
        matrix(
            Words(
                "Energy of the last whole day by site and kind",
                "By the devices' own registers, else by their power integrated between polls. "
                f"{_NEVER} A cell without a figure is not known.",
                "kwatth",
            ),
            f"{held('roadworthy_site_polled_joules', 'site', 'kind')} / {_KWH}",
            _SITE,
            "kind",
            _TITLES,
            width=14,
            look=Look(decimals=1),
        ),
        bars(
            Words(
                "Measured, and left out of the energy ledger",
                "Of the last closed month, because it counts once: outlet, feeder and controller were measured twice, and "
                "the other of the two counts; undeclared: nobody said what a unit feeds, so what it measured is in no sum. "
                "Before a month is closed it is not known.",
                "kwatth",
            ),
            Query(f"sort_desc({held('roadworthy_energy_overlap_joules', 'why')} / {_KWH})", "{{why}}"),
            width=10,
            look=Look(decimals=0),
        ),
    ]


def _batteries() -> list[Panel]:
    words = {"replace": "Replace", "ok": "Good", "unknown": "Unknown"}
    return [
        matrix(
            Words(
                "UPS batteries by site",
                "UPSs by what they say of their own battery; unknown: they say nothing of it, which is not good news. A "
                "cell without a figure is none, and restricted sites are left out.",
                "short",
            ),
            held("roadworthy_site_ups_batteries", "site", "battery"),
            _SITE,
            "battery",
            words,
            width=24,
            look=Look(nothing="none", height=6),
        ),
    ]


def _polls() -> list[Panel]:
    by = ("target", "kind")
    took = held("roadworthy_target_poll_duration_seconds", *by)
    return [
        matrix(
            Words(
                "Targets by kind and how the last poll went",
                "no_answer: off, a firewall, or credentials it does not know; denied, too_slow, bad_answer, no_profile, "
                "duplicate, misconfigured; never: not polled yet, so not known. All targets, those at restricted sites too. "
                "A cell without a figure is none.",
                "short",
            ),
            held("roadworthy_polled_targets", "kind", "outcome"),
            _KIND,
            "outcome",
            width=10,
            look=Look(nothing="none"),
        ),
        lines(
            Words(
                "The ten slowest polls",
                f"How long the last poll of a target took, answered or not. {_LISTED} One that was never polled is not "
                "known and has no line.",
                "s",
            ),
            Query(f"topk(10, {took})", "{{target}}"),
            width=14,
        ),
        _targets(by, took),
        number(
            Words(
                "Targets without a series of their own",
                "Polled and counted above, and not in the table: past the first 1,000, or at a restricted site. Where "
                "nothing is polled it is not known.",
                "short",
            ),
            Query(held("roadworthy_polled_targets_unlisted"), "targets"),
            look=Look(height=5),
        ),
    ]


def _targets(by: tuple[str, ...], took: str) -> Panel:
    answered, polled = (
        grown(f"roadworthy_target_{name}_total", *by, window="1h") for name in ("successful_polls", "polls")
    )
    silent = f"time() - {held('roadworthy_target_last_success_timestamp_seconds', *by)}"
    return columns(
        Words(
            "Polled targets",
            f"{_LISTED} A target that never answered has no age and no readings: they are not known, and not nought.",
            "short",
        ),
        [Key("target", "Target", _OPENED), _KIND],
        Column("Answers", held("roadworthy_target_up", *by), "bool_yes_no"),
        Column("Since the last answer", silent, "s", levels=thresholds.POLL_SILENT_SECONDS, decimals=0),
        Column(
            "Answered in the last hour",
            share(answered, polled),
            "percentunit",
            levels=thresholds.COVERAGE_RATIO,
            decimals=0,
        ),
        Column("Last poll took", took, "s", decimals=2),
        Column("Readings refused", held("roadworthy_target_refused_readings", *by), levels=thresholds.ANY),
        look=Look(height=10),
        sort="Since the last answer",
    )
