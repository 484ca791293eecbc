"""Writes the tables of docs/snmp/families.md from the profiles: what is read of each family, in which unit, from where.

Run as `python -m roadworthy_collector.snmp.families` (`make generate` does); a test holds the page against the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from roadworthy_collector.snmp.port import Oid, oid_text
from roadworthy_collector.snmp.profile import IdentitySpec, Profile, ReadingSpec
from roadworthy_collector.snmp.profile_file import shipped_profiles

PAGE = Path("docs/snmp/families.md")
BEGIN = "<!-- Families: made by `make generate` from collector/src/roadworthy_collector/snmp/profiles; edit those. -->"
END = "<!-- Families: end. -->"
_ROOT = Path(__file__).resolve().parents[4]
_TIERS = {
    1: "## Read in full",
    2: "## Power and energy",
}


def families_page(page: str, profiles: Sequence[Profile]) -> str:
    """Return the page with what stands between its marks made anew; ValueError where a mark is missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} has lost the marks between which its tables stand")
    return f"{before}{BEGIN}\n\n{families_markdown(profiles)}\n{END}{after}"


def families_markdown(profiles: Sequence[Profile]) -> str:
    """Return a table of all families and, by tier, a section for each."""
    listed = sorted(profiles, key=lambda profile: profile.name)
    parts = [_overview(listed)]
    for tier, heading in _TIERS.items():
        parts += [heading, *(_section(profile) for profile in listed if profile.tier == tier)]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Write the page."""
    path = _ROOT / PAGE
    path.write_text(families_page(path.read_text("utf-8"), shipped_profiles()), "utf-8")


def _overview(profiles: Iterable[Profile]) -> str:
    rows = ["| profile | devices | tier | power | energy | source |", "|---|---|---|---|---|---|"]
    for profile in profiles:
        power = _how([spec for spec in profile.readings if spec.kind == "active_power"])
        energy = _how([spec for spec in profile.readings if spec.kind == "energy"])
        rows.append(
            f"| [{profile.name}](#{profile.name}) | {profile.title} | {profile.tier} | {power} | {energy} | {profile.mib} |"
        )
    return "\n".join(rows)


def _how(specs: Sequence[ReadingSpec]) -> str:
    """Return the places of what is read, each with its quality, without those never believed."""
    found: dict[str, None] = {}
    for spec in specs:
        if spec.not_believed is None:
            quality = "as the device says" if spec.qualities else spec.quality
            found[f"{spec.place} ({quality})"] = None
            if spec.total is not None:
                found[f"{spec.total.place} ({quality})"] = None
    return ", ".join(found) or "-"


def _section(profile: Profile) -> str:
    lines = [f"### {profile.name}", "", f"{profile.title}. {profile.mib}; written from {profile.evidence}."]
    lines += ["", f"Recognised by {_matched(profile)}.", "", f"Trap: {profile.trap}"]
    identity = _identity(profile.identity)
    if identity:
        lines += ["", f"Identity: {identity}."]
    if profile.flags:
        told = (
            f"{flag.name} ({_place(flag.object, flag.oid, flag.column)}{', hourly' if flag.hourly else ''})"
            for flag in profile.flags
        )
        lines += ["", "Flags: " + ", ".join(told) + "."]
    if profile.readings:
        lines += [
            "",
            "| reading | kind | place | unit | quality | object | OID | not a value |",
            "|---|---|---|---|---|---|---|---|",
        ]
        lines += [_row(spec) for spec in profile.readings]
        if beside := _all_beside(profile.readings):
            lines += ["", f"Read beside them, a column where it ends in `.*`: {beside}."]
    lines += [f"\nModelled where no power was read: {one.name} = {one.reason}." for one in profile.derived]
    return "\n".join(lines)


def _matched(profile: Profile) -> str:
    match = profile.match
    ways = []
    if match.object_ids:
        ways.append("sysObjectID below " + " or ".join(f"`{oid_text(oid)}`" for oid in match.object_ids))
    if match.description is not None:
        ways.append(f"sysDescr like `{match.description.pattern}`")
    if match.present:
        ways.append("having " + " or ".join(f"`{oid_text(oid)}`" for oid in match.present))
    return " and ".join(ways).replace("|", "\\|")


def _identity(specs: Iterable[IdentitySpec]) -> str:
    found = []
    for spec in specs:
        if spec.oid is not None or spec.column is not None:
            where = _place(spec.object, spec.oid, spec.column)
            if spec.where is not None:
                where += f" of rows by `{oid_text(spec.where.column)}.*`"
        else:
            where = "sysDescr" if spec.description is not None else f'always "{spec.text}"'
        found.append(f"{spec.field} ({where})")
    return ", ".join(found)


def _place(name: str, oid: Oid | None, column: Oid | None) -> str:
    """Return an object by its name and its OID, a column with a star."""
    at = f"`{oid_text(oid)}`" if oid is not None else f"`{oid_text(column or ())}.*`"
    return f"{name} {at}".strip()


def _all_beside(specs: Iterable[ReadingSpec]) -> str:
    """Return everything read beside a profile's readings, each with the readings it belongs to."""
    found: dict[str, dict[str, None]] = {}
    for spec in specs:
        for companion in _beside(spec):
            found.setdefault(companion, {})[spec.name] = None
    return "; ".join(f"{companion} ({', '.join(names)})" for companion, names in found.items())


def _beside(spec: ReadingSpec) -> list[str]:
    """Return what else a reading is made of: what scales it, names it, picks its rows, and what it is trusted by."""
    star = "" if spec.oid is not None else ".*"
    companions = {
        "digits": spec.digits,
        "exponent": spec.exponent,
        "scale": spec.entity_scale,
        "factor": spec.factor,
        "accuracy": spec.accuracy,
        "name": spec.label,
    }
    found = [f"{what} `{oid_text(one.oid)}{star}`" for what, one in companions.items() if one is not None]
    columns = {"unit": spec.unit_column, "quality": spec.quality_column}
    found += [f"{what} `{oid_text(oid)}{star}`" for what, oid in columns.items() if oid is not None]
    found += [f"rows by `{oid_text(where.column)}.*`" for where in spec.where]
    found += [f"trusted by {_place('', trust.oid, trust.column)}" for trust in spec.trust]
    if spec.share is not None:
        found.append(f"share of {_place('', spec.share.oid, spec.share.column)}")
    if spec.total is not None and spec.total.count_oid is not None:
        found.append(f"rows counted by `{oid_text(spec.total.count_oid)}`")
    return found


def _row(spec: ReadingSpec) -> str:
    name = spec.name if spec.total is None else f"{spec.name}; sum: {spec.total.name}"
    quality = "/".join(dict.fromkeys(spec.qualities.values())) if spec.qualities else spec.quality
    oid = oid_text(spec.at) + ("" if spec.oid is not None else ".*")
    if spec.rows is not None:
        oid = f"{oid_text(spec.at)}." + ".".join("*" if part is None else str(part) for part in spec.rows)
    cells = [name, spec.kind, spec.place, _unit(spec), quality, spec.object, f"`{oid}`", _refused(spec)]
    return "| " + " | ".join(cells) + " |"


def _unit(spec: ReadingSpec) -> str:
    if spec.kind == "state":
        return "bits" if spec.bits else "codes"
    if spec.form is not None:
        return "date"
    if spec.share is not None:
        told = "/".join(unit.text for unit in spec.units.values())
        return "of what it can hold" + (f", else {told} where its unit says so" if told else "")
    text = spec.unit.text if spec.unit is not None else "/".join(unit.text for unit in spec.units.values())
    beside = {
        "digits": spec.digits,
        "exponent": spec.exponent,
        "scale": spec.entity_scale,
        "factor": spec.factor,
        "unit": spec.unit_column,
    }
    named = [name for name, column in beside.items() if column is not None]
    return text + (f"; {', '.join(named)} beside it" if named else "")


def _refused(spec: ReadingSpec) -> str:
    if spec.not_believed is not None:
        return f"never believed: {spec.not_believed}"
    found = [str(number) for number in sorted(spec.sentinels)]
    if spec.believed:
        found.append(f"({' and '.join(str(number) for number in sorted(spec.believed))} believed)")
    if spec.negative_is_missing:
        found.append("negative")
    if spec.least is not None:
        found.append(f"below {spec.least}")
    if spec.most is not None:
        found.append(f"above {spec.most}")
    found += [trust.reason for trust in spec.trust]
    return ", ".join(found) or "-"


if __name__ == "__main__":
    main()
