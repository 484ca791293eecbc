"""The tables and charts of the carbon report: how the energy is known, by site, unit, class, model, place and month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from roadworthy_collector.carbon import internal_price
from roadworthy_collector.carbon.estate import VIRTUAL, Dimension, Estate, Row, unknown_because
from roadworthy_collector.carbon.report_change import Compared
from roadworthy_collector.carbon.report_inputs import Inputs
from roadworthy_collector.carbon.report_model import Chart, Column, Sum, Table, number
from roadworthy_collector.carbon.without_agent import WithoutAgent
from roadworthy_inventory.carbon.change import PART_WORDS, PARTS, Change
from roadworthy_inventory.carbon.ledger import JOULES_PER_KWH, QUALITIES
from roadworthy_inventory.replacement_inputs import Range

QUALITY_WORDS: Mapping[str, str] = {
    "metered": "metered: a meter at the wall",
    "sensor": "sensor: a sensor in the device",
    "modelled": "modelled: a model of its power and its time in each state",
    "assumed": "assumed: nothing is known but its class",
}
_TOP = 40  # models and units by name; what is beyond is summed as "others"

_ENERGY_COLUMNS = (
    Column("kwh", "kWh"),
    Column("low", "low, kWh"),
    Column("high", "high, kWh"),
    Column("measured", "metered or sensor, %", places=1),
    Column("emitting", "kWh that emit", places=0),
    Column("tco2e", "tCO2e", places=3),
)
VEHICLES_SAY = "Electricity in vehicles is made by their engines: its fuel is in scope 1 already, so it has kWh and no tonnes here."
_NOTHING = Fraction(0)
_KINDS: tuple[Dimension, ...] = ("class", "model")
NO_ENERGY_SAYS = (
    "Where nothing is known of a class or model its energy is not known, which is not nought. A virtual machine draws "
    "nothing of its own: its host does; by class that is nought, and a model's name does not tell what is virtual, so by "
    "model it stands as not known. UPSs, PDUs, switches and management controllers without a figure are counted at "
    "what they feed, or nothing is known of them."
)


_CLASS_WORDS: Mapping[str, str] = {
    "all_in_one": "all-in-one",
    "pdu": "PDU",
    "unknown": "class not known",
    "ups": "UPS",
}


def class_words(kind: str) -> str:
    """Return what people call a class of devices."""
    return _CLASS_WORDS.get(kind, kind.replace("_", " "))


def _of_kind(by: Dimension, row: Row, told: dict[str, Any]) -> dict[str, Any]:
    """Return a row: without any energy it is not known, a virtual machine's is its host's."""
    if (by, row.key) == ("class", VIRTUAL) and not row.energy.whole_joules:
        return told | {"title": f"{row.title} (0: their hosts draw)"}
    if unknown_because(by, row) is None:
        return told
    return {name: value if name == "title" else None for name, value in told.items()}


def _row(row: Row, factor: Fraction, vehicles: Fraction = _NOTHING, by: str = "") -> dict[str, Any]:
    """Return a row; `vehicles`: kWh of it that emit nothing here, for their fuel is in scope 1."""
    one = row.energy
    known = sum(one.share(name) or 0.0 for name in ("metered", "sensor"))
    emitting = max(one.kwh - vehicles, _NOTHING)
    return {
        "title": class_words(row.title) if by == "class" else row.title,
        "kwh": number(one.kwh),
        "low": number(Fraction(one.low_joules, JOULES_PER_KWH)),
        "high": number(Fraction(one.high_joules, JOULES_PER_KWH)),
        "measured": round(known * 100, 1) if one.whole_joules else None,
        "emitting": number(emitting),
        "tco2e": number(emitting * factor / 1000),
    }


def _by(inputs: Inputs, estate: Estate, by: Dimension, words: tuple[str, str], factor: Fraction) -> Table:
    """Return a table of a dimension; beyond _TOP rows the rest is one row, without an interval of its own."""
    title, head = words
    in_vehicles = estate.energy_at("vehicle").kwh
    vehicles = (
        {key: one.energy().kwh for key, one in inputs.vehicles.get(by, {}).items()} if in_vehicles else {}
    )
    if by == "place":
        vehicles = {"vehicle": in_vehicles}
    rows = estate.rows(by)
    at = len(rows) if by == "month" else _TOP

    def inside(row: Row) -> Fraction:
        return sum((vehicles.get(key, _NOTHING) for key in row.groups), _NOTHING)

    shown = [_of_kind(by, row, _row(row, factor, inside(row), by)) for row in rows[:at]]
    if rest := rows[at:]:
        kwh = sum((one.energy.kwh for one in rest), _NOTHING)
        emitting = kwh - sum(map(inside, rest), _NOTHING)
        shown.append(
            {
                "title": f"{len(rest)} others",
                "kwh": number(kwh),
                "emitting": number(emitting),
                "tco2e": number(emitting * factor / 1000),
            }
        )
    some = bool(in_vehicles)
    none_known = by in _KINDS and any(not row.energy.whole_joules for row in rows[:at])
    columns = [one for one in _ENERGY_COLUMNS if some or one.name != "emitting"]
    said = "Every row at the factor of generation. Parts may differ from the sum by rounding."
    return Table(
        f"by_{by}",
        title,
        (Column("title", head, "text"), *columns),
        shown,
        total=_row(Row("", "All", estate.total), factor, in_vehicles),
        tonnes_of=("tco2e", "emitting" if some else "kwh", "generation"),
        note=" ".join([said, *[VEHICLES_SAY] * some, *[NO_ENERGY_SAYS] * none_known]),
    )


_BY: tuple[tuple[Dimension, tuple[str, str]], ...] = (
    ("place", ("By place of consumption", "Place")),
    ("site", ("By site", "Site")),
    ("unit", ("By unit", "Unit")),
    ("class", ("By class of device", "Class")),
    ("model", ("By model", "Model")),
    ("month", ("By month", "Month")),
)


def tables_of(
    inputs: Inputs, began: int, estate: Estate, sums: Sequence[Sum], factor: Fraction, compared: Compared
) -> list[Table]:
    """Return the tables behind the first page, in their order."""
    qualities = [
        {
            "title": QUALITY_WORDS[name],
            "kwh": number(estate.total.kwh_of(name)),
            "share": None if (share := estate.total.share(name)) is None else round(share * 100, 1),
            "works": {"share": "[kwh]/[total kwh]*100"},
        }
        for name in QUALITIES
    ]
    found = [
        Table(
            "quality",
            "How the energy is known",
            (Column("title", "Quality", "text"), Column("kwh", "kWh"), Column("share", "share, %", places=1)),
            qualities,
            total={
                "title": "All",
                "kwh": number(estate.total.kwh),
                "share": 100.0 if estate.total.whole_joules else None,
            },
        )
    ]
    if compared.change is not None:
        found += [_change_table(compared.change, compared.why), _change_years(compared.change)]
    found.append(_scopes(sums))
    whole = next((one.tonnes for one in sums if one.name == "total"), None)
    if (priced := internal_price.table_of(inputs.prices, began, whole)) is not None:
        found.append(priced)
    found += [_by(inputs, estate, by, words, factor) for by, words in _BY]
    if inputs.apart.items:
        found.append(_apart(inputs, estate, factor))
    if inputs.journal_rows:
        found.append(journal_table(inputs))
    return found


def _apart(inputs: Inputs, estate: Estate, factor: Fraction) -> Table:
    """Return devices nothing reports for, by class; the total is theirs, and the last row the ledger's with theirs."""
    columns = (
        Column("title", "Class", "text"),
        Column("items", "items"),
        Column("kwh", "kWh"),
        Column("low", "low, kWh"),
        Column("high", "high, kWh"),
        Column("tco2e", "tCO2e", places=3),
        Column("how", "How", "text"),
    )
    whole = inputs.apart.joules
    rows = [
        {"title": class_words(one.kind), "items": one.items - one.taken_off}
        | _three(one.joules, factor)
        | {"how": ": ".join(part for part in (one.quality, one.how) if part)}
        for one in inputs.apart.rows
        if one.items > one.taken_off
    ]
    told = number(estate.total.kwh + Fraction(round(whole.likely), JOULES_PER_KWH))
    note = (
        "In no other figure of this report: a count of the register times watts of the class. Items that may be devices "
        f"linked to none are left out. With the agents' energy it would be {told:,.0f} kWh. Every row at the factor of generation."
    )
    total = {"title": "All", "items": inputs.apart.items} | _three(whole, factor)
    return Table("without_agent", "Devices without an agent, modelled by class", columns, rows, note, total)


def _three(joules: Range | None, factor: Fraction) -> dict[str, float | None]:
    if joules is None:
        return dict.fromkeys(("kwh", "low", "high", "tco2e"))
    low, likely, high = (Fraction(round(one), JOULES_PER_KWH) for one in joules)
    return {
        "kwh": number(likely),
        "low": number(low),
        "high": number(high),
        "tco2e": number(likely * factor / 1000),
    }


def _scopes(sums: Sequence[Sum]) -> Table:
    note = "The first row is what the first page and the comparison of years show; the others split and add to it."
    columns = (Column("title", "", "text"), Column("tonnes", "tCO2e", places=3))
    rows = [
        {"title": one.title, "tonnes": number(one.tonnes), "works": {"tonnes": f"[sum {one.name}]"}}
        for one in sums
    ]
    return Table("scopes", "Emissions by scope", columns, rows, note)


def journal_table(inputs: Inputs) -> Table:
    """Return the adjustments with who made them and why; they are in the totals and in no row of the ledger."""
    columns = (
        Column("line", "Line", "text"),
        Column("kwh", "kWh", places=3),
        Column("reason", "Reason", "text"),
        Column("made_by", "By", "text"),
    )
    note = "Journals are in the total and in the sums by scope, and in no row by site, unit, class or model."
    return Table("journals", "Adjustments", columns, inputs.journal_rows, note)


_YEAR_CELL = "[cell change_years {} {}]"


def _change_works(name: str, change: Change) -> dict[str, str]:
    """Return how a part's kWh and tonnes come of the years: see `change.explain`."""
    cells = {
        (column, year): _YEAR_CELL.format(column, year)
        for column in ("devices", "kwh", "factor")
        for year in ("before", "footing", "after")
    }
    old, new = cells["factor", "before"], cells["factor", "after"]
    if name == "factor":
        used = f"({cells['kwh', 'before']}+{cells['kwh', 'after']})"
        return {"tonnes": f"({new}-{old})*{used}/2/1000"}
    found = {"tonnes": f"[kwh]*({old}+{new})/2/1000"}
    if change.footing[0] and change.after.devices:
        each = [f"{cells['kwh', year]}/{cells['devices', year]}" for year in ("footing", "after")]
        count = [cells["devices", year] for year in ("footing", "after")]
        if name == "devices":
            found["kwh"] = f"({count[1]}-{count[0]})*({each[0]}+{each[1]})/2"
        elif name == "energy_each":
            found["kwh"] = f"({each[1]}-{each[0]})*({count[0]}+{count[1]})/2"
    return found


def _change_years(change: Change) -> Table:
    """Return the two years the parts come of, and the year before on the footing of this one."""
    before, after = change.before, change.after
    moved = "+".join(f"[cell change kwh {name}]" for name in ("coverage", "boundary", "method"))
    lines: tuple[tuple[str, str, Fraction | int, Fraction, Fraction, dict[str, str]], ...] = (
        ("before", before.label, before.devices, before.kwh, before.kgco2e_per_kwh, {}),
        (
            "footing",
            f"{before.label} as {after.label} counts it",
            change.footing[0],
            change.footing[1],
            before.kgco2e_per_kwh,
            {"kwh": f"{_YEAR_CELL.format('kwh', 'before')}+{moved}"},
        ),
        ("after", after.label, after.devices, after.kwh, after.kgco2e_per_kwh, {}),
    )
    rows = [
        {
            "name": name,
            "title": title,
            "devices": number(Fraction(devices), 6),
            "kwh": number(kwh),
            "factor": float(factor),
            "works": works,
        }
        for name, title, devices, kwh, factor, works in lines
    ]
    columns = (
        Column("title", "Year", "text"),
        Column("devices", "device-years", places=1),
        Column("kwh", "kWh"),
        Column("factor", "kgCO2e/kWh", places=5),
    )
    note = "Adjustments and coverage, boundary and method are in the year before on the footing of this one."
    return Table("change_years", "The years that are compared", columns, rows, note)


def _change_table(change: Change, why: Mapping[str, str]) -> Table:
    rows = [
        {
            "name": name,
            "title": PART_WORDS[name].capitalize(),
            "kwh": number(change.kwh.get(name, _NOTHING)),  # a factor moves no kWh
            "tonnes": number(change.parts[name]),
            "why": why[name],
            "works": _change_works(name, change),
        }
        for name in PARTS
    ]
    before, after = change.before, change.after
    return Table(
        "change",
        f"Why emissions changed from {before.label} to {after.label}",
        (
            Column("title", "Part", "text"),
            Column("kwh", "kWh"),
            Column("tonnes", "tCO2e", places=3),
            Column("why", "Why", "text"),
        ),
        rows,
        total={"title": "Change", "kwh": number(after.kwh - before.kwh), "tonnes": number(change.tonnes)},
        note=f"{before.label}: {float(before.kwh):,.0f} kWh, {number(before.tonnes, 1):,} tCO2e, {float(before.devices):,.1f} "
        f"device-years. {after.label}: {float(after.kwh):,.0f} kWh, {number(after.tonnes, 1):,} tCO2e, "
        f"{float(after.devices):,.1f} device-years. The parts add up exactly.",
    )


def charts_of(change: Change | None, tables: Sequence[Table]) -> list[Chart]:
    """Return the charts, each of a table's rows."""
    named = {one.name: one for one in tables}
    shares = "; ".join(
        f"{row['title'].split(':')[0]} {row['share'] or 0:.1f} %" for row in named["quality"].rows
    )
    found = [
        Chart("quality", "Energy by how it is known", f"Bars: {shares}.", "quality", "title", ("kwh",), "kWh")
    ]
    if change is not None:
        told = "; ".join(f"{row['title'].lower()} {row['tonnes']:+.1f} t" for row in named["change"].rows)
        found.append(
            Chart(
                "change",
                "What changed the emissions",
                f"Bars: {told}.",
                "change",
                "title",
                ("tonnes",),
                "tCO2e",
            )
        )
    months = [row for row in named["by_month"].rows if row["kwh"] is not None]
    if months:
        most, least = (pick(months, key=lambda row: row["kwh"]) for pick in (max, min))
        alt = f"A bar a month: most in {most['title']} with {most['kwh']:,.0f} kWh, least in {least['title']} with {least['kwh']:,.0f} kWh."
        found.append(Chart("months", "Energy by month", alt, "by_month", "title", ("kwh",), "kWh"))
    return found


def exclusions(estate: Estate, apart: WithoutAgent) -> list[dict[str, Any]]:
    """Return what is not in the figures and how much of it there is."""
    months = [one.month for one in estate.months if one.made_at is None]
    vehicles = estate.energy_at("vehicle")
    return [
        {
            "what": "Time nobody knows anything of",
            "why": "unknown is not nought: it is counted and has no energy",
            "count": round((estate.total.unknown_seconds + estate.total.silent_seconds) / 3600),
            "unit": "device-hours",
        },
        {
            "what": "Months without a ledger",
            "why": "nothing was rolled up for them" if months else "none is missing",
            "count": len(months),
            "unit": "months",
        },
        {
            "what": "Devices without an agent",
            "why": "nothing tells their energy: modelled by class in a table of their own, and in no other figure",
            "count": apart.items,
            "unit": "register items",
        },
        {
            "what": "Energy in vehicles",
            "why": "their fuel is in scope 1 already, so it has kWh and no tonnes",
            "count": number(vehicles.kwh, 0),
            "unit": "kWh",
        },
    ]
