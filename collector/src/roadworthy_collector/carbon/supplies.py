"""Supplies: what bills are about, the sites each one feeds, and the rows of a CRC year for a report.

A supply feeds one site or several and a site has one or several, each by date. Its owner, tenant or landlord is said
of each place, for who holds the contract answers for the supply. Changes are in the audit.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from sqlalchemy import Connection, delete, insert, select, update

from roadworthy_collector.carbon import meter_days
from roadworthy_collector.carbon.supply_places import Place, SupplyError, check_places, checked_place
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.store.carbon_schema import supplies, supply_sites
from roadworthy_collector.store.queries import audit
from roadworthy_collector.store.schema import sites
from roadworthy_inventory.carbon import crc
from roadworthy_inventory.carbon.crc_rates import Fuel as CrcFuel
from roadworthy_inventory.carbon.meter_numbers import MeterNumberError, mpan, mprn
from roadworthy_inventory.carbon.years import year_days

Fuel = Literal["electricity", "gas", "onsite"]
FUELS: tuple[Fuel, ...] = ("electricity", "gas", "onsite")
FUEL_WORDS = {"electricity": "electricity", "gas": "gas", "onsite": "electricity made on site"}
CRC_FUELS: dict[str, CrcFuel] = {
    "electricity": "electricity_grid", "gas": "gas", "onsite": "electricity_onsite",
}  # fmt: skip
RESTRICTED = "supplies of restricted sites"
_MOST_NAME, _MOST_CODE = 128, 64


@dataclass(frozen=True, slots=True)
class Supply:
    """A supply with all its places, the earliest first."""

    id: int
    number: str
    fuel: str
    name: str | None
    settled_half_hourly: bool | None
    places: tuple[Place, ...] = ()

    @property
    def restricted(self) -> bool:
        """Whether it feeds a restricted site: then it appears in totals only."""
        return any(one.restricted for one in self.places)

    def responsible(self, first: dt.date, last: dt.date) -> tuple[dt.date, dt.date] | None:
        """Return the first and last day within these two on which it fed any site; all of it where none is told."""
        if not self.places:
            return first, last
        start = max(first, min(one.valid_from for one in self.places))
        ends = [one.valid_to for one in self.places]
        end = last if None in ends else min(last, max(one for one in ends if one) - dt.timedelta(days=1))
        return (start, end) if start <= end else None

    def shares(self, day: dt.date) -> dict[int, Fraction] | None:
        """Return {site: its share} of a day; None where several sites share it and nobody told how.

        A supply of one site is all that site's unless a share is told: a part of a building's may be somebody else's.
        """
        here = [one for one in self.places if one.on(day)]
        if len(here) == 1 and here[0].share is None:
            return {here[0].site: Fraction(1)}
        if any(one.share is None for one in here):
            return None
        return {one.site: one.share for one in here if one.share is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class CrcSupply:
    """One supply's row of a CRC year: `kwh` is what its meters told, exact; export is never taken off.

    `estimated` by the scheme's 183 days and not by the supplier's word; `uplift_kwh` is the energy the 10 % uplift
    stands for, apart from `kwh`, nought for an actual supply. `estimated_kwh` is what the supplier marked E, and
    `unstated_kwh` what nobody marked. `missing_half_hours` of `expected_half_hours` have no figure: `kwh` is then
    less than was used. `number` is empty for the supplies of restricted sites, which come as one row for each fuel.
    `has_reading` False: no meter said anything of the year, so that `kwh`, nought then, is not known.
    """

    number: str
    name: str | None
    fuel: CrcFuel
    kwh: Fraction
    estimated: bool
    uplift_kwh: Fraction
    estimated_kwh: Fraction
    unstated_kwh: Fraction
    export_kwh: Fraction
    expected_half_hours: int
    missing_half_hours: int
    first_actual: dt.date | None
    last_actual: dt.date | None
    responsible: tuple[dt.date, dt.date]
    sites: tuple[str, ...]
    tenures: tuple[str, ...]
    settled_half_hourly: bool | None
    has_reading: bool = True

    @property
    def is_onsite(self) -> bool:
        """Whether it was made on site: a row of its own in the report."""
        return self.fuel == "electricity_onsite"

    def supply(self) -> crc.Supply:
        """Return it as the calculator takes it."""
        return crc.Supply(
            fuel=self.fuel,
            kwh=self.kwh,
            estimated=self.estimated,
            reference=self.number or RESTRICTED,
            site=", ".join(self.sites) or None,
        )


def read(connection: Connection, *, restricted: bool = False) -> list[Supply]:
    """Return all supplies by number; those of restricted sites only with `restricted`."""
    placed: dict[int, list[Place]] = defaultdict(list)
    query = select(supply_sites, sites.c.name, sites.c.kind, sites.c.restricted).join(
        sites, sites.c.id == supply_sites.c.site
    )
    for row in connection.execute(query.order_by(supply_sites.c.valid_from, sites.c.name)):
        placed[row.supply].append(
            Place(
                row.site,
                row.name,
                row.kind,
                row.restricted,
                dt.date.fromisoformat(row.valid_from),
                None if row.valid_to is None else dt.date.fromisoformat(row.valid_to),
                row.tenure,
                None if row.share is None else Fraction(str(row.share)),
            )
        )
    found = [
        Supply(row.id, row.number, row.fuel, row.name, row.settled_half_hourly, tuple(placed[row.id]))
        for row in connection.execute(select(supplies).order_by(supplies.c.number))
    ]
    return found if restricted else [one for one in found if not one.restricted]


def find(connection: Connection, number: str) -> Supply:
    """Return the supply `number` names; NotFoundError where there is none."""
    wanted = "".join(number.split()).upper()
    for one in read(connection, restricted=True):
        if one.number == wanted or (wanted.endswith(one.number) and len(wanted) in {21, 22}):
            return one
    raise NotFoundError(f"{number}: there is no such supply; see `roadworthy meters supplies`")


def checked_number(number: str, fuel: str) -> str:
    """Return the number as it is kept: an MPAN's 13 digits, an MPRN, or any code for what is made on site."""
    if fuel not in FUELS:
        raise SupplyError(f"fuel {fuel!r} is none of {', '.join(FUELS)}")
    try:
        if fuel == "electricity":
            return mpan(number)
        if fuel == "gas":
            return mprn(number)
    except MeterNumberError as error:
        raise SupplyError(str(error)) from None
    plain = "".join(number.split()).upper()
    if not plain or len(plain) > _MOST_CODE or not plain.isprintable():
        raise SupplyError(f"{number!r} is no name of a generation meter: 1 to {_MOST_CODE} characters")
    return plain


def checked_name(name: str | None) -> str | None:
    """Return a supply's name; SupplyError where it is too long or on several lines."""
    if name is not None and (len(name) > _MOST_NAME or not name.isprintable()):
        raise SupplyError(f"name {name[:40]!r}: at most {_MOST_NAME} characters on one line")
    return name


def save(
    connection: Connection,
    number: str,
    fuel: str = "electricity",
    *,
    name: str | None = None,
    settled_half_hourly: bool | None = None,
    actor: str,
    now: int,
) -> int:
    """Make a supply, or say its name and settlement anew; return its row id. SupplyError where it cannot be."""
    number = checked_number(number, fuel)
    checked_name(name)
    held = connection.execute(select(supplies).where(supplies.c.number == number)).one_or_none()
    told = {"name": name, "settled_half_hourly": settled_half_hourly}
    if held is None:
        values = {"number": number, "fuel": fuel, "made_at": now, "made_by": actor[:_MOST_NAME], **told}
        made = connection.execute(insert(supplies).values(values).returning(supplies.c.id)).scalar_one()
        audit.record(connection, now, actor, "meters.supply", number, {"fuel": fuel, **told})
        return int(made)
    if held.fuel != fuel:
        raise SupplyError(f"{number} is a supply of {FUEL_WORDS[held.fuel]} already")
    changed = {key: value for key, value in told.items() if value is not None and value != getattr(held, key)}
    if changed:
        connection.execute(update(supplies).where(supplies.c.id == held.id).values(**changed))
        audit.record(connection, now, actor, "meters.supply", number, changed)
    return int(held.id)


def place(  # noqa: PLR0913 - each is said on its own
    connection: Connection,
    number: str,
    site: str,
    *,
    valid_from: dt.date,
    valid_to: dt.date | None = None,
    tenure: str = "unknown",
    share: Fraction | None = None,
    actor: str,
    now: int,
) -> None:
    """Say that a supply feeds `site` from a day until before another; SupplyError where that cannot be.

    The same supply, site and first day again replaces what was said. Shares of a day never add up to more than 1.
    """
    supply = find(connection, number)
    row = connection.execute(
        select(sites.c.id, sites.c.name, sites.c.restricted, sites.c.kind).where(sites.c.name == site)
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"{site}: there is no such site; see `roadworthy sites list`")
    new = checked_place(row, valid_from=valid_from, valid_to=valid_to, tenure=tenure, share=share)
    rest = [one for one in supply.places if (one.site, one.valid_from) != (row.id, valid_from)]
    check_places(supply.number, [*rest, new], new)
    key = (supply_sites.c.supply == supply.id, supply_sites.c.site == row.id)
    connection.execute(delete(supply_sites).where(*key, supply_sites.c.valid_from == valid_from.isoformat()))
    values = {
        "supply": supply.id,
        "site": row.id,
        "valid_from": valid_from.isoformat(),
        "valid_to": None if valid_to is None else valid_to.isoformat(),
        "tenure": tenure,
        "share": None if share is None else float(share),
    }
    connection.execute(insert(supply_sites).values(values))
    detail = {**values, "site": site, "supply": supply.number}
    audit.record(connection, now, actor, "meters.place", supply.number, detail)


def unplace(
    connection: Connection, number: str, site: str, valid_from: dt.date, *, actor: str, now: int
) -> None:
    """Take back that a supply feeds a site from a day; NotFoundError where nobody said so."""
    supply = find(connection, number)
    held = next((one for one in supply.places if (one.name, one.valid_from) == (site, valid_from)), None)
    if held is None:
        raise NotFoundError(f"{supply.number}: nobody said that it feeds {site} from {valid_from}")
    connection.execute(
        delete(supply_sites).where(
            supply_sites.c.supply == supply.id,
            supply_sites.c.site == held.site,
            supply_sites.c.valid_from == valid_from.isoformat(),
        )
    )
    audit.record(
        connection, now, actor, "meters.unplace", supply.number, {"site": site, "from": str(valid_from)}
    )


def crc_supplies(
    connection: Connection, began: int, *, zone: str, today: dt.date, restricted: bool = False
) -> list[CrcSupply]:
    """Return a row for each supply with a day of responsibility in the year that begins in `began`, by number.

    Works for every financial year; the scheme's own ended with 2018/19. Today and later days are not expected yet.
    Without `restricted` the supplies of restricted sites are one row for each fuel and kind, without numbers.
    """
    first, last = year_days(began)
    last = min(last, today - dt.timedelta(days=1))
    held = meter_days.totals(connection, first, last)
    open_rows: list[CrcSupply] = []
    hidden: list[CrcSupply] = []
    for one in read(connection, restricted=True):
        span = one.responsible(first, last)
        if span is None or first > last:
            continue
        row = crc_row(one, held.get(one.id, {}), span, zone)
        (hidden if one.restricted and not restricted else open_rows).append(row)
    return [*open_rows, *_folded(hidden)]


def crc_row(
    one: Supply, held: Mapping[str, meter_days.Sum], span: tuple[dt.date, dt.date], zone: str
) -> CrcSupply:
    """Return a supply's row out of what its meters told of the days of the year, {channel: sum}."""
    used = held.get("import") or meter_days.Sum()
    read_ = held.get(meter_days.REGISTER)
    if read_ is not None and not used.half_hours:
        used = read_
    expected = 0 if used.by_register else meter_days.expected(span[0], span[1], zone)
    kwh = Fraction(used.thousandths, 1000)
    estimated = meter_days.by_rule_estimated(*span, used.first_actual, used.last_actual)
    sent = held.get("export") or meter_days.Sum()
    return CrcSupply(
        number=one.number,
        name=one.name,
        fuel=CRC_FUELS[one.fuel],
        kwh=kwh,
        estimated=estimated,
        uplift_kwh=kwh * crc.UPLIFT if estimated else Fraction(0),
        estimated_kwh=Fraction(used.estimated_thousandths, 1000),
        unstated_kwh=Fraction(used.unstated_thousandths, 1000),
        export_kwh=Fraction(sent.thousandths, 1000),
        expected_half_hours=expected,
        missing_half_hours=max(expected - used.half_hours, 0),
        first_actual=used.first_actual,
        last_actual=used.last_actual,
        responsible=span,
        sites=tuple(dict.fromkeys(place.name for place in one.places)),
        tenures=tuple(dict.fromkeys(place.tenure for place in one.places)),
        settled_half_hourly=one.settled_half_hourly,
        has_reading=bool(used.half_hours) or used.by_register,
    )


def _folded(rows: Sequence[CrcSupply]) -> list[CrcSupply]:
    """Return rows of restricted sites as one for each fuel; actual, estimated and without a reading apart."""
    parts: dict[tuple[CrcFuel, bool, bool], list[CrcSupply]] = defaultdict(list)
    for row in rows:
        parts[row.fuel, row.estimated, row.has_reading].append(row)
    return [_one(some) for _, some in sorted(parts.items())]


def _one(some: Sequence[CrcSupply]) -> CrcSupply:
    added: dict[str, Any] = {
        name: sum((getattr(one, name) for one in some), Fraction(0))
        for name in ("kwh", "uplift_kwh", "estimated_kwh", "unstated_kwh", "export_kwh")
    }
    counted = {
        name: sum(getattr(one, name) for one in some)
        for name in ("expected_half_hours", "missing_half_hours")
    }
    return CrcSupply(
        number="",
        name=RESTRICTED,
        fuel=some[0].fuel,
        estimated=some[0].estimated,
        first_actual=None,
        last_actual=None,
        responsible=(min(one.responsible[0] for one in some), max(one.responsible[1] for one in some)),
        sites=(),
        tenures=(),
        settled_half_hourly=None,
        has_reading=some[0].has_reading,
        **added,
        **counted,
    )
