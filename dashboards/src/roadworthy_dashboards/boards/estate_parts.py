"""The closed rows of the IT estate's board: what its one screen has no room for."""

from __future__ import annotations

from roadworthy_dashboards import bands, thresholds
from roadworthy_dashboards.charts import Column, Key, banded
from roadworthy_dashboards.links import cell, to_console
from roadworthy_dashboards.panels import Look, Panel, Query, Words, bars, each, lines, number, rows
from roadworthy_dashboards.queries import counted, held, share, summed
from roadworthy_dashboards.tables import columns


def reporting() -> list[Panel]:
    """Return who reports, over time and by site."""
    return [
        lines(
            Words(
                "Devices by state",
                "The same over time; a flat line of missing devices is lost kit. Restricted sites are counted here.",
                "short",
            ),
            Query(held("roadworthy_estate_devices", "state"), "{{state}}"),
            stacked=True,
            look=Look(colours=thresholds.STATES),
        ),
        columns(
            Words(
                "Devices by site",
                "Devices of each site by state, restricted sites left out. An empty cell is none of that state.",
                "short",
            ),
            [Key("site", "Site", [to_console(f"/devices?site={cell('Site')}", "Open its devices")])],
            *(
                Column(
                    state.capitalize(),
                    held("roadworthy_devices", "site", where=f'state="{state}"'),
                    levels=thresholds.ANY if state in {"late", "missing"} else None,
                )
                for state in thresholds.STATES
            ),
            width=12,
            sort="Missing",
        ),
    ]


def utilisation() -> list[Panel]:
    """Return how much of processors and memory is used, and over how many devices."""
    panels: list[Panel] = []
    for use, words in (("cpu", "Processor use"), ("memory", "Memory use")):
        panels += [
            lines(
                Words(
                    f"{words} by site",
                    "Mean of the latest sample of the devices heard within three intervals; sensor: what their operating "
                    "systems say. Devices that are not heard are in no mean. Sites with fewer than five people's devices "
                    "heard are together under other.",
                    "percentunit",
                ),
                Query(held(f"roadworthy_site_{use}_ratio", "site"), "{{site}}"),
                look=Look(most=1, levels=thresholds.UTILISATION_RATIO),
            ),
            lines(
                Words(
                    f"{words}: devices the mean is over",
                    "A mean is as good as this number; devices that are not heard or do not say it are not in it.",
                    "short",
                ),
                Query(held(f"roadworthy_site_{use}_devices", "site"), "{{site}}"),
            ),
        ]
    return panels


def not_measured() -> list[Panel]:
    """Return which probes measure nothing, and how many measure."""
    probes = summed("roadworthy_probe_devices", "probe", of=("status",))
    silent = held("roadworthy_probe_devices", "probe", "status", where='status!="ok"')
    return [
        rows(
            Words(
                "Probes that measure nothing or not all",
                "Devices in service by probe and status, as agents say. no_permission can be put right, not_supported "
                "cannot, virtual_machine and container are what they are.",
                "short",
            ),
            Query(f"sort_desc({silent})"),
        ),
        lines(
            Words(
                "Share of probes that measure",
                "Of all devices in service that run the probe, how many say ok. A device without the probe is in neither.",
                "percentunit",
            ),
            Query(share(held("roadworthy_probe_devices", "probe", where='status="ok"'), probes), "{{probe}}"),
            look=Look(most=1),
        ),
    ]


def composition() -> list[Panel]:
    """Return what the IT estate is made of."""
    known = "Devices in service, as agents tell; `unknown` has not said."
    return [
        bars(
            Words(title, f"{text} {known}", "short"),
            Query(f"topk(20, {held(f'roadworthy_{family}', label)})", f"{{{{{label}}}}}"),
            width=8,
        )
        for title, text, family, label in (
            ("By system disk", "What the operating system starts from.", "system_medium_devices", "medium"),
            ("By class", "Derived from the chassis type in the firmware tables.", "class_devices", "class"),
            (
                "By environment",
                "Physical machine, virtual machine or container.",
                "environment_devices",
                "environment",
            ),
            ("By operating system", "The twenty commonest, without restricted sites.", "os_devices", "os"),
            ("By model", "The twenty commonest, without restricted sites.", "model_devices", "model"),
            ("By unit", "The twenty largest, without restricted sites.", "unit_devices", "unit"),
        )
    ]


def use() -> list[Panel]:
    """Return how devices were used, which tells of people: groups of five and more only."""
    states = "Share of yesterday's seconds (UTC), of devices that told it; sites with fewer than five of them are in other."
    return [
        *utilisation(),
        banded(
            Words(
                "What devices did yesterday, by site",
                f"In use, idle, locked, asleep, off, or unobserved, which is not known. {states}",
                "percentunit",
            ),
            "site",
            held("roadworthy_site_state_ratio", "site", "state"),
            "state",
            bands.DEVICE_STATES,
            width=16,
            look=Look(most=1, colours=thresholds.DEVICE_STATES),
        ),
        columns(
            Words(
                "Devices these shares are over",
                f"A share is as good as this number. {states}",
                "short",
            ),
            [Key("site", "Site")],
            Column("Devices", held("roadworthy_site_state_devices", "site"), "short", thresholds.COUNTED),
            width=8,
            sort="Devices",
            rising=True,
        ),
    ]


def register() -> list[Panel]:
    """Return how register, agents and organisation agree."""
    return [
        bars(
            Words(
                "Register items by state",
                "Items of all kinds as imported or typed; worked out hourly and after each import. Unknown: the register "
                "does not say.",
                "short",
            ),
            Query(f"sort_desc({held('roadworthy_register_items', 'state')})", "{{state}}"),
            width=8,
        ),
        number(
            Words(
                "What does not match",
                "Register items that could report and share nothing with a device or an MDM record; those that wait for a "
                "person; and what agents or the MDM see that the register does not have. Not matched is not lost.",
                "short",
            ),
            Query(held("roadworthy_register_orphans"), "in the register alone"),
            Query(held("roadworthy_register_undecided"), "waiting for a person"),
            Query(held("roadworthy_register_ghosts", "seen_by"), "not in it, seen by {{seen_by}}"),
            width=8,
        ),
        number(
            Words(
                "Without a unit",
                "What no unit of the organisation answers for today, and how many units there are. It is counted in the IT "
                "estate and in no unit.",
                "short",
            ),
            *each(counted("roadworthy_organisation_unassigned", "{it}"), "kind", bands.UNASSIGNED),
            Query(held("roadworthy_organisation_units"), "units"),
            width=8,
        ),
    ]
