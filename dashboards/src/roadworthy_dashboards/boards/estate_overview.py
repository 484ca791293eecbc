"""The IT estate: who reports, how long start-ups take and where, what is not measured, how much is used."""

from __future__ import annotations

from roadworthy_dashboards.panels import Panel, Query, Words, bars, board, lines, number, rows
from roadworthy_dashboards.sdk import Dashboard

_OVER_RANGE = (
    "Over the time range of the board, all kinds of start-up. Only start-ups whose total is known; a group is as good "
    "as the number of start-ups beside it. Buckets end at two hours: a longer one counts as two hours."
)


def build() -> Dashboard:
    """Return the dashboard."""
    return board(
        "roadworthy-estate",
        "Roadworthy: IT estate",
        "Devices and their states, start-ups, what is not measured, utilisation. Restricted sites are in totals only.",
        [
            ("Who reports", _reporting()),
            ("Start-ups", _startups()),
            ("What is not measured", _not_measured()),
            ("Utilisation", _utilisation()),
            ("What there is", _composition()),
        ],
    )


def _reporting() -> list[Panel]:
    return [
        number(
            Words(
                "This IT estate is",
                "`simulated` means that every figure on this board is made up by `make demo`.",
                "short",
            ),
            Query('roadworthy_estate_info{simulated="false"}', "real"),
            Query('roadworthy_estate_info{simulated="true"}', "SIMULATED"),
            width=4,
            text=True,
        ),
        number(
            Words(
                "Devices by state now",
                "Reporting: heard within the call interval and a grace; late: after that; missing: not heard for "
                "three intervals; retired: taken out of service. Restricted sites are counted here.",
                "short",
            ),
            Query("sum by (state) (roadworthy_estate_devices)", "{{state}}"),
            width=8,
        ),
        lines(
            Words(
                "Devices by state", "The same over time; a flat line of missing devices is lost kit.", "short"
            ),
            Query("sum by (state) (roadworthy_estate_devices)", "{{state}}"),
            stacked=True,
        ),
        rows(
            Words(
                "Late or missing by site",
                "Sites whose devices are not heard when they should be, restricted sites left out.",
                "short",
            ),
            Query('sort_desc(sum by (site, state) (roadworthy_devices{state=~"late|missing"}) > 0)'),
            width=24,
        ),
    ]


def _startups() -> list[Panel]:
    panels: list[Panel] = []
    for group, words in (("site", "site"), ("model", "model")):
        for ratio, name in ((0.5, "half"), (0.9, "nine in ten")):
            panels.append(
                bars(
                    Words(
                        f"Start-up by {words}: {name} are faster than",
                        f"Quantile {ratio}. {_OVER_RANGE}",
                        "s",
                    ),
                    Query(_quantile(ratio, group), f"{{{{{group}}}}}"),
                )
            )
    panels.append(
        rows(
            Words(
                "Start-ups counted, by model",
                "How many start-ups of the time range the figures above are over.",
                "short",
            ),
            Query("sort_desc(sum by (model) (increase(roadworthy_model_startup_seconds_count[$__range])))"),
        )
    )
    mean = "sum(increase(roadworthy_site_startup_seconds_sum[1d])) / sum(increase(roadworthy_site_startup_seconds_count[1d]))"
    panels.append(
        lines(
            Words(
                "Mean start-up of the last 24 hours",
                "Sum of durations over their number, all sites but restricted ones.",
                "s",
            ),
            Query(mean, "mean"),
        )
    )
    return panels


def _quantile(ratio: float, group: str) -> str:
    """Return the query of one quantile by one grouping, the slowest twenty."""
    counts = f"sum by ({group}, le) (increase(roadworthy_{group}_startup_seconds_bucket[$__range]))"
    return f"topk(20, histogram_quantile({ratio}, {counts}) >= 0)"


def _not_measured() -> list[Panel]:
    return [
        rows(
            Words(
                "Probes that measure nothing or not all",
                "Devices in service by probe and status. no_permission can be put right, not_supported cannot, "
                "virtual_machine and container are what they are.",
                "short",
            ),
            Query('sort_desc(sum by (probe, status) (roadworthy_probe_devices{status!="ok"}))'),
        ),
        lines(
            Words(
                "Share of probes that measure",
                "Of all devices in service that run the probe, how many say ok.",
                "percentunit",
            ),
            Query(
                'sum by (probe) (roadworthy_probe_devices{status="ok"}) / sum by (probe) (roadworthy_probe_devices)',
                "{{probe}}",
            ),
        ),
    ]


def _utilisation() -> list[Panel]:
    panels: list[Panel] = []
    for use, words in (("cpu", "Processor use"), ("memory", "Memory use")):
        panels.append(
            lines(
                Words(
                    f"{words} by site",
                    "Mean of the latest sample of the devices heard within three intervals; sensor: what their "
                    "operating systems count.",
                    "percentunit",
                ),
                Query(f"roadworthy_site_{use}_ratio", "{{site}}"),
            )
        )
        panels.append(
            lines(
                Words(
                    f"{words}: devices the mean is over",
                    "Devices that are not heard or do not say it are not in the mean.",
                    "short",
                ),
                Query(f"roadworthy_site_{use}_devices", "{{site}}"),
            )
        )
    return panels


def _composition() -> list[Panel]:
    known = "Devices in service; `unknown` has not said."
    return [
        bars(
            Words("By system disk", f"What the operating system starts from. {known}", "short"),
            Query("sort_desc(sum by (medium) (roadworthy_system_medium_devices))", "{{medium}}"),
        ),
        bars(
            Words("By class", f"Derived from the chassis type in the firmware tables. {known}", "short"),
            Query("sort_desc(sum by (class) (roadworthy_class_devices))", "{{class}}"),
        ),
        bars(
            Words("By operating system", f"Name and version, restricted sites left out. {known}", "short"),
            Query("topk(20, sum by (os) (roadworthy_os_devices))", "{{os}}"),
        ),
        bars(
            Words("By model", f"The twenty commonest, restricted sites left out. {known}", "short"),
            Query("topk(20, sum by (model) (roadworthy_model_devices))", "{{model}}"),
        ),
    ]
