"""Rows for those who mend and replace: devices to look at, and what became of those that are gone."""

from __future__ import annotations

from collections.abc import Mapping

from roadworthy_dashboards import bands, thresholds
from roadworthy_dashboards.charts import Column, Key
from roadworthy_dashboards.links import cell, to_console
from roadworthy_dashboards.panels import Look, Panel, Query, Words, bars, each, number
from roadworthy_dashboards.queries import counted, held
from roadworthy_dashboards.tables import columns

_CHOSEN = 'site=~"$site"'


def to_look_at() -> list[Panel]:
    """Return what is wrong with devices besides waiting: disks, batteries, silence, reports from the wrong place."""
    return [
        bars(
            Words(
                "System disks",
                "Devices in service by what the disk of their system says of itself: failing, worn from 80 % of its rated life "
                "on, good where it says neither. Unknown: it says nothing, or may not be asked.",
                "short",
            ),
            *each(counted("roadworthy_disk_devices", "{it}"), "health", bands.DISKS),
            width=6,
            look=Look(colours=_coloured(bands.DISKS)),
        ),
        bars(
            Words(
                "Batteries",
                "Devices in service by their worst battery: good from 80 % of what it was made for on, worn from 60 %, weak "
                "below. Unknown: it does not tell. Devices without one are left out.",
                "short",
            ),
            *each(counted("roadworthy_battery_devices", "{it}"), "health", bands.BATTERIES),
            width=6,
            look=Look(colours=_coloured(bands.BATTERIES)),
        ),
        columns(
            Words(
                "Deployed, and silent",
                "Devices the register calls deployed that were not heard for three of their intervals, by the site they "
                "enrolled at. A device the register does not know is in none.",
                "short",
            ),
            [
                Key(
                    "site",
                    "Site",
                    [to_console(f"/devices?state=missing&site={cell('Site')}", "Open the missing ones")],
                )
            ],
            Column(
                "Silent",
                held("roadworthy_site_silent_devices", "site", where=_CHOSEN),
                "short",
                thresholds.ANY,
            ),
            width=6,
            sort="Silent",
        ),
        columns(
            Words(
                "Not deployed, and reporting",
                "Devices that report although the register calls them something else than deployed or on loan: lost, stolen or "
                "disposed of is to be acted on. No row is no such device.",
                "short",
            ),
            [Key("site", "Site"), Key("state", "Register says")],
            Column(
                "Devices",
                held("roadworthy_site_undeployed_reporting_devices", "site", "state", where=_CHOSEN),
                "short",
                thresholds.ANY_ACT,
            ),
            width=6,
            sort="Devices",
        ),
    ]


def _coloured(names: Mapping[str, str]) -> dict[str, str]:
    """Return the colours of the bands a panel has."""
    return {name: thresholds.HEALTH[name] for name in names}


def disposal() -> list[Panel]:
    """Return what became of items that are gone, and what is not told of it."""
    return [
        bars(
            Words(
                "Gone, by route",
                "Register items gone or on their way out, by the route that is recorded. Unknown: none is.",
                "short",
            ),
            Query(f"sort_desc({held('roadworthy_disposal_items', 'route')})", "{{route}}"),
            width=8,
        ),
        bars(
            Words(
                "Weight by WEEE category",
                "Of items whose weight and category are held; of how many it is not known stands beside it.",
                "masst",
            ),
            Query(
                f"sort_desc({held('roadworthy_disposal_weight_grams', 'category')} / 1e6)",
                "category {{category}}",
            ),
            width=8,
        ),
        number(
            Words(
                "Not told of them",
                "Items gone without a weight, and carriers of data without a certificate of destruction where one is due.",
                "short",
            ),
            Query(held("roadworthy_disposal_weight_unknown"), "weight unknown"),
            Query(held("roadworthy_disposal_certificates_missing"), "certificates missing"),
            width=8,
            look=Look(levels=thresholds.ANY),
        ),
    ]
