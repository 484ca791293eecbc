"""Values a label can have where the collector has a closed list of them: any other matches nothing, ever.

Boards write `or 0 * max(...)` so that none is a 0 and not a gap; behind it a slip of the pen would be a confident 0.
Only lists that are closed are here: names of sites, models, systems and reasons are whatever they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from roadworthy_dashboards import bands, thresholds
from roadworthy_dashboards.promql import Matcher, Selector

_WORDS = re.compile(r"[\w ]+(?:\|[\w ]+)*")


def _of(label: str, values: Iterable[str], *families: str) -> dict[tuple[str, str], frozenset[str]]:
    held = frozenset(values)
    return {(f"roadworthy_{family}", label): held for family in families}


# By series and label.
VALUES: Mapping[tuple[str, str], frozenset[str]] = MappingProxyType(
    {
        **_of("state", thresholds.STATES, "estate_devices", "devices"),
        **_of("state", bands.DEVICE_STATES, "site_state_ratio"),
        **_of(
            *("verdict", thresholds.VERDICTS, "rated_devices", "import_rated_items", "site_verdict_devices"),
        ),
        # What has no operating system is in no band of its own on the boards.
        **_of("status", [*bands.SUPPORT, "not_applicable"], "support_devices", "site_support_devices"),
        **_of("ends", bands.ENDS, "support_end_devices", "site_support_end_devices"),
        **_of("extension", bands.EXTENDED, "extended_support_devices"),
        **_of("answer", bands.WINDOWS, "windows11_devices"),
        **_of("standing", bands.STANDING, "systems"),
        **_of("band", bands.AGES, "age_devices", "register_age_items"),
        **_of("band", bands.LIVES, "planned_life_devices"),
        **_of("band", bands.WARRANTY, "site_warranty_items"),
        **_of("health", bands.DISKS, "disk_devices"),
        **_of("health", bands.BATTERIES, "battery_devices"),
        **_of("battery", ("replace", "ok", "unknown"), "site_ups_batteries"),
        **_of("side", ("register", "agents"), "match_ratio"),
        **_of(
            *("quality", thresholds.QUALITIES, "energy_month_joules", "energy_month_share_ratio"),
            "energy_year_joules",
        ),
        **_of("scope", bands.SCOPES, "carbon_year_kgco2e"),
    }
)


def impossible(selector: Selector) -> Iterator[str]:
    """Yield what a selector asks for that its series cannot have, a sentence each."""
    for matcher in selector.matchers:
        held = VALUES.get((selector.name, matcher.label))
        if held is not None:
            for value in _named(matcher):
                if value not in held:
                    yield f"{matcher.label} of {selector.name} is never {value!r}"


def _named(matcher: Matcher) -> list[str]:
    """Return the values a matcher names: one, or those of a pattern that is a list of words."""
    if "$" in matcher.value or not matcher.value:
        return []
    if matcher.op in {"=", "!="}:
        return [matcher.value]
    return matcher.value.split("|") if _WORDS.fullmatch(matcher.value) else []
