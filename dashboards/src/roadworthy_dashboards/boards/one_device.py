"""One device: what it is, how it started, what it draws, its condition, and which of its probes measure.

The only board of per-device series: there are some only where the collector's device detail is switched on. Its ids are
random; who a device belongs to is in the console, which asks for a reason before it shows a device's history.
"""

from __future__ import annotations

from roadworthy_dashboards import thresholds
from roadworthy_dashboards.links import UIDS, console_page
from roadworthy_dashboards.panels import About, Look, Panel, Query, Words, bars, board, lines, number
from roadworthy_dashboards.queries import grown, half_hourly, held
from roadworthy_dashboards.sdk import Dashboard
from roadworthy_dashboards.tables import Column, Key, columns, facts
from roadworthy_dashboards.variables import console, typed

_THIS = 'device_id="$device_id"'
_SILENT = "Nothing is shown of a device that has not been heard for three of its intervals."
_HALF_HOURS = (
    "At the end of closed half-hours, and only where the collector writes them to Prometheus itself, the half-hour's "
    "mean stands beside it."
)


def build() -> Dashboard:
    """Return the dashboard."""
    return board(
        UIDS["one_device"],
        "Roadworthy: one device",
        "Everything Prometheus holds of one device, by its random id, while it is heard. Needs the collector's device "
        "detail; the history and the owner of a device are in the console. Nobody is asked for a reason here and no look is "
        "kept: in Grafana let only those see it who may look at any device.",
        [
            ("What it is", _identity()),
            ("Last start-up", _startup()),
            ("Use", _use()),
            ("Power and energy", _power()),
            ("Condition", _condition()),
            ("What is measured", _probes()),
        ],
        About(
            audience=("desktop-support",),
            variables=[
                typed(
                    "device_id",
                    "Device",
                    "Its id, as it stands on its page in the console: rwd_ and 32 characters.",
                ),
                console(),
            ],
            refresh="1m",
            job_family="roadworthy_device_info",
            links=[
                console_page("Open in the console (asks for a reason)", "/devices/${device_id:percentencode}")
            ],
        ),
    )


def _of(family: str, *by: str) -> str:
    """Return a family's series of the device, each once."""
    return held(f"roadworthy_device_{family}", *by, where=_THIS)


def _identity() -> list[Panel]:
    return [
        facts(
            Words(
                "What it is and where it stands",
                "As its agent tells and the register holds it. Empty: no such id, a device that has not been heard for three "
                "intervals, or device detail is switched off.",
                "short",
            ),
            _of("info", "site", "unit", "model", "os", "class", "environment"),
            [
                Key("site", "Site"),
                Key("unit", "Unit"),
                Key("model", "Model"),
                Key("os", "Operating system"),
                Key("class", "Class"),
                Key("environment", "Environment"),
            ],
            width=14,
            look=Look(height=4),
        ),
        number(
            Words("Last heard", f"When its latest report came in. {_SILENT}", "dateTimeFromNow"),
            Query(f"1000 * {_of('last_report_timestamp_seconds')}"),
            width=5,
            look=Look(height=4),
        ),
        number(
            Words(
                "Running since the kernel started",
                f"Time asleep is in it; told by its system. {_SILENT}",
                "s",
            ),
            Query(_of("uptime_seconds")),
            width=5,
            look=Look(height=4, levels=thresholds.UPTIME_SECONDS),
        ),
    ]


def _startup() -> list[Panel]:
    last = "Of the last start-up that is final."
    return [
        number(
            Words(
                "Duration",
                f"The sum of its counted phases, and until a person could work. {last} Not known where its agent "
                "measured no total.",
                "s",
            ),
            Query(_of("startup_seconds"), "in all"),
            Query(_of("startup_usable_seconds"), "until usable"),
            width=5,
            look=Look(height=8, levels=thresholds.STARTUP_SECONDS),
        ),
        number(
            Words(
                "Kind, and how well it is known",
                f"{last} Measured: every part was told; approximate: a part is estimated; suspect: the parts do not fit.",
                "short",
            ),
            Query(_of("startup_info", "kind", "quality"), "{{kind}}, {{quality}}"),
            width=4,
            text=True,
            look=Look(height=8),
        ),
        bars(
            Words(
                "Its phases",
                f"Counted phases in seconds. {last} A phase its system does not tell has no bar.",
                "s",
            ),
            Query(f"sort_desc({_of('startup_phase_seconds', 'phase')})", "{{phase}}"),
            width=6,
        ),
        _phases_over_time(),
    ]


def _phases_over_time() -> Panel:
    return lines(
        Words(
            "Phases over time",
            "Each step is another start-up; between them the last one stands. A gap is a time it was not heard.",
            "s",
        ),
        Query(_of("startup_phase_seconds", "phase"), "{{phase}}"),
        width=9,
        stacked=True,
    )


def _use() -> list[Panel]:
    panels: list[Panel] = [
        lines(
            Words(
                f"{title} use",
                f"Share in use at its latest sample, at most a minute, as its system tells. A gap is not heard. {_HALF_HOURS}",
                "percentunit",
            ),
            Query(_of(f"{use}_ratio"), "latest sample"),
            Query(half_hourly(f"roadworthy_device_half_hour_{use}_ratio", _THIS), "half-hour"),
            look=Look(most=1, levels=thresholds.UTILISATION_RATIO),
        )
        for use, title in (("cpu", "Processor"), ("memory", "Memory"))
    ]
    return panels


def _power() -> list[Panel]:
    overlap = "Scopes overlap: the processor is in the machine, the machine in the wall; never add them up."
    return [
        lines(
            Words(
                "Power",
                f"Mean watts of its latest sample by scope and how it is known. {overlap} Only of devices that tell their "
                "energy by the half-hour; a device that is not here is not one that uses nothing.",
                "watt",
            ),
            Query(_of("power_watts", "scope", "quality"), "{{scope}}, {{quality}}"),
        ),
        lines(
            Words(
                "Energy of each hour",
                f"How much its own energy counter grew, in joules (3.6 million a kWh), by scope. {overlap} It grows in steps, "
                "when a half-hour closes.",
                "joule",
            ),
            Query(
                grown("roadworthy_device_energy_joules_total", "scope", "quality", where=_THIS, window="1h"),
                "{{scope}}, {{quality}}",
            ),
        ),
    ]


def _condition() -> list[Panel]:
    return [
        columns(
            Words(
                "Batteries",
                "Health: what it holds when full of what it was made for, by its own gauge; a new one may pass 100 %. A device "
                "without one, or whose battery does not tell, has no row.",
                "short",
            ),
            [Key("battery", "Battery")],
            Column(
                "Health",
                _of("battery_health_ratio", "battery"),
                "percentunit",
                thresholds.BATTERY_HEALTH_RATIO,
                0,
            ),
            Column("Cycles", _of("battery_cycles", "battery"), "short", thresholds.BATTERY_CYCLES, 0),
            width=12,
            look=Look(height=6),
        ),
        columns(
            Words(
                "Disks",
                "Used up: share of its rated life, as the disk tells; failing: 1 where the disk itself says so. An empty cell "
                "is a disk that does not say, or may not be asked.",
                "short",
            ),
            [Key("disk", "Disk")],
            Column("Used up", _of("disk_wear_ratio", "disk"), "percentunit", thresholds.DISK_WEAR_RATIO, 0),
            Column("Failing", _of("disk_failing", "disk"), "bool_yes_no", thresholds.ANY_ACT),
            width=12,
            look=Look(height=6),
        ),
    ]


def _probes() -> list[Panel]:
    return [
        columns(
            Words(
                "Its probes",
                "Yes where the probe's last status is ok; no where something is not measured, and why is on its page in the "
                "console. A probe without a row is not run.",
                "bool_yes_no",
            ),
            [Key("probe", "Probe")],
            Column("Measures", _of("probe_up", "probe"), "bool_yes_no", thresholds.YES),
            width=12,
            sort="Measures",
            rising=True,
        ),
        lines(
            Words(
                "Probes that measure, over time",
                "How many of its probes say ok, and how many it runs. A gap is a time it was not heard.",
                "short",
            ),
            Query(f"sum ({_of('probe_up', 'probe')})", "say ok"),
            Query(f"count ({_of('probe_up', 'probe')})", "run"),
        ),
    ]
