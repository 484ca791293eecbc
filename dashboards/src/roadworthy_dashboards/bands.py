"""What the values of labels are called on a board, in the order a reader expects them in."""

from __future__ import annotations

from types import MappingProxyType

# Emissions by scope, and whether a vendor still sends updates.
SCOPES = MappingProxyType(
    {
        "scope2_location": "scope 2, location-based",
        "scope3_td": "scope 3, losses",
        "scope3_wtt": "scope 3, well-to-tank",
        "scope3_home": "scope 3, homeworking",
        "scope3_partner": "scope 3, partners",
    }
)
SUPPORT = MappingProxyType(
    {
        "supported": "supported",
        "ends_within": "ends within a year",
        "extended": "extended",
        "ended": "ended",
        "unknown_end": "no last day named",
        "unknown": "unknown",
    }
)
# When they end.
ENDS = MappingProxyType(
    {
        "ended": "ended",
        "within_90_days": "within 90 days",
        "within_1_year": "within a year",
        "within_2_years": "within two years",
        "within_3_years": "within three years",
        "later": "later",
        "no_date": "no last day named",
        "unknown": "unknown",
        "not_applicable": "not applicable",
    }
)
AGES = MappingProxyType(
    {
        "under_1": "under a year",
        **{f"{year}_to_{year + 1}": f"{year} to {year + 1} years" for year in range(1, 7)},
        "7_and_over": "seven and over",
        "unknown": "unknown",
    }
)
LIVES = MappingProxyType(
    {
        "first_half": "first half",
        "second_half": "second half",
        "past": "past it",
        "long_past": "half as long again",
        "unknown_age": "age unknown",
        "no_planned_life": "no planned life",
    }
)
WINDOWS = MappingProxyType(
    {
        "runs": "runs it",
        "meets": "meets its requirements",
        "does_not": "does not meet them",
        "unknown": "too little is told",
        "not_applicable": "not asked",
    }
)
EXTENDED = MappingProxyType(
    {
        "bought": "bought",
        "not_bought": "not bought",
        "unknown": "nobody said",
        "over": "over",
        "none": "no dates held",
    }
)
WARRANTY = MappingProxyType(
    {
        "ended": "Ended",
        "within_90_days": "Within 90 days",
        "within_a_year": "Within a year",
        "later": "Later",
        "unknown": "Unknown",
    }
)
STANDING = MappingProxyType(
    {
        "legacy": "legacy",
        "not_legacy": "in support",
        "unknown": "unknown",
        "no_devices": "names no devices",
    }
)
# In the order of a start-up; what a system tells besides comes after.
PHASES = MappingProxyType(
    {
        name: name.replace("_", " ")
        for name in (
            "firmware",
            "loader",
            "kernel",
            "kernel_init",
            "driver_init",
            "device_init",
            "boot_devices",
            "initrd",
            "system_devices",
            "critical_services",
            "session_init",
            "userspace",
            "machine_profile",
            "main_path",
            "start_up",
            "user_profile",
            "explorer_init",
            "post_boot",
        )
    }
)
DISKS = MappingProxyType({name: name for name in ("failing", "worn", "good", "unknown")})
BATTERIES = MappingProxyType({name: name for name in ("weak", "worn", "good", "unknown")})
DEVICE_STATES = MappingProxyType(
    {name: name.replace("_", " ") for name in ("in_use", "idle", "locked", "asleep", "off", "unobserved")}
)
UNASSIGNED = MappingProxyType(
    {
        "devices": "devices",
        "items": "register items",
        "systems": "systems",
        "cost_centres": "cost centres",
        "contracts": "contracts",
    }
)
