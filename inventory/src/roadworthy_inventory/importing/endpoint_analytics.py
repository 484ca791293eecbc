"""Endpoint Analytics: start-up and sign-in times as Microsoft computes them, for devices without an agent of ours.

Columns, units and the values that stand for "none" (-1, -2, 2147483647):
https://github.com/MicrosoftDocs/memdocs (`known-issue-csv-mapping.md`). Times are whole seconds.
"""

from __future__ import annotations

from typing import Any

from roadworthy_inventory.importing.fields import Column, Context, Format
from roadworthy_inventory.importing.rows import IMPORT_ONLY, Experience
from roadworthy_inventory.importing.words import word_key

_HEALTH = {
    "0": "unknown",
    "1": "insufficient data",
    "2": "needs attention",
    "3": "meeting goals",
    "unknown": "unknown",
    "insufficientdata": "insufficient data",
    "needsattention": "needs attention",
    "meetinggoals": "meeting goals",
}
_TIMES = {
    "core_boot_seconds": ("CoreBootTime", "Core boot time"),
    "gp_boot_seconds": ("GPBootTime", "GP boot time", "GroupPolicyBootTime"),
    "core_logon_seconds": ("CoreLogonTime", "Core sign-in time", "Core logon time"),
    "gp_logon_seconds": ("GPLogonTime", "GP sign-in time", "GroupPolicyLogonTime"),
    "desktop_usable_seconds": ("DesktopUsableTime", "Time to responsive desktop"),
    "median_seconds": ("Median",),
    "seconds_per_process": ("TimePerProcess",),
}


def _experience(found: dict[str, Any], context: Context) -> object:
    if not context.problems and not any(found.get(name) for name in ("device_id", "serial", "name")):
        context.refuse("device_id", "no_identity", "the row has no device id, serial or name to know it by")
    said = found.pop("health", None)
    word = "unknown" if said is None else _HEALTH.get(word_key(said))
    if word is None:
        context.warn(
            "health", "unknown_word", "is no health status Microsoft documents; read as unknown", said
        )
    return Experience(health=word or "unknown", **found)


DEVICES = Format(
    name="endpoint_analytics",
    title="Endpoint Analytics devices",
    yields="experience",
    columns=(
        Column("device_id", "text", ("DeviceId", "Device ID", "IntuneDeviceId")),
        Column("name", "text", ("DeviceName", "Device name")),
        Column("serial", "key", ("SerialNumber", "Serial number")),
        Column("manufacturer", "text", ("Manufacturer",)),
        Column("model", "text", ("Model",)),
        *(Column(name, "measure", aliases) for name, aliases in _TIMES.items()),
        Column("score", "measure", ("EndpointAnalyticsScore", "Endpoint analytics score")),
        Column(
            "startup_score",
            "measure",
            ("StartupPerformanceScore", "Startup performance score", "StartupScore"),
        ),
        Column("app_reliability_score", "measure", ("AppReliabilityScore", "App reliability score")),
        Column("minutes_to_failure", "measure", ("MeanTimeToFailure", "Mean time to failure")),
        Column("health", "text", ("HealthStatus", "Health status")),
    ),
    required=(
        (
            "DeviceId",
            "Device ID",
            "IntuneDeviceId",
            "DeviceName",
            "Device name",
            "SerialNumber",
            "Serial number",
        ),
        (
            *(
                "CoreBootTime",
                "CoreLogonTime",
                "DesktopUsableTime",
                "GPBootTime",
                "GPLogonTime",
                "Core boot time",
            ),
            *(
                "EndpointAnalyticsScore",
                "StartupPerformanceScore",
                "AppReliabilityScore",
                "MeanTimeToFailure",
            ),
        ),
    ),
    make=_experience,
    note=IMPORT_ONLY,
)
FORMATS = (DEVICES,)
