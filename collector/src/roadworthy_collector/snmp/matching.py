"""Which profiles a device answers to, and why. Pure: it looks at values already there.

A profile with sysObjectIDs or a pattern of sysDescr is a vendor's: it is asked only of devices that say they are such.
One with neither is generic: what the device answers decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from roadworthy_collector.snmp.port import Oid, Value, oid_text
from roadworthy_collector.snmp.profile import Match, Profile
from roadworthy_collector.snmp.values import text_of

SYS_DESCR: Oid = (1, 3, 6, 1, 2, 1, 1, 1, 0)
SYS_OBJECT_ID: Oid = (1, 3, 6, 1, 2, 1, 1, 2, 0)
SYS_NAME: Oid = (1, 3, 6, 1, 2, 1, 1, 5, 0)


@dataclass(frozen=True, slots=True)
class Matched:
    """A profile that a device answers to; `why` is a sentence."""

    profile: Profile
    why: str


def first_questions(profiles: Sequence[Profile]) -> tuple[Oid, ...]:
    """Return what the first request asks: who the device is, and what generic profiles are recognised by."""
    generic = {oid for profile in profiles if profile.match.is_generic for oid in profile.match.present}
    return (SYS_OBJECT_ID, SYS_DESCR, SYS_NAME, *sorted(generic))


def second_questions(profiles: Sequence[Profile], values: Mapping[Oid, Value]) -> tuple[Oid, ...]:
    """Return what else must be asked before it is known which profiles match; often nothing."""
    wanted = {
        oid
        for profile in profiles
        if not profile.match.is_generic and _claim(profile.match, values) is not None
        for oid in profile.match.present
    }
    return tuple(sorted(wanted - set(values)))


def matched_profiles(profiles: Sequence[Profile], values: Mapping[Oid, Value]) -> tuple[Matched, ...]:
    """Return the profiles that match, the most particular first: by rank, then by name."""
    found = []
    for profile in sorted(profiles, key=lambda profile: (-profile.rank, profile.name)):
        why = _why(profile.match, values)
        if why is not None:
            found.append(Matched(profile, f"{profile.name}: {why}"))
    return tuple(found)


def _why(match: Match, values: Mapping[Oid, Value]) -> str | None:
    claim = _claim(match, values)
    there = next((oid for oid in match.present if oid in values), None)
    if claim is None or (match.present and there is None):
        return None
    if there is None:
        return claim
    has = f"the device has {oid_text(there)}"
    return f"{claim} and {has}" if claim else has


def _claim(match: Match, values: Mapping[Oid, Value]) -> str | None:
    """Return why who the device says it is fits; "" where the profile does not ask for it, None where it does not."""
    reasons = []
    if match.object_ids:
        told = values.get(SYS_OBJECT_ID)
        # The longest prefix says most to whoever reads why.
        prefixes = sorted(match.object_ids, key=len, reverse=True)
        fits = (prefix for prefix in prefixes if isinstance(told, tuple) and told[: len(prefix)] == prefix)
        prefix = next(fits, None)
        if prefix is None or not isinstance(told, tuple):
            return None
        reasons.append(f"sysObjectID {oid_text(told)} is below {oid_text(prefix)}")
    if match.description is not None:
        description = text_of(values.get(SYS_DESCR)) or ""
        found = match.description.search(description)
        if found is None:
            return None
        reasons.append(f"sysDescr says {found[0][:60]!r}")
    return " and ".join(reasons)
