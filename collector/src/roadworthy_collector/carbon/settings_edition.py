"""The carbon settings as people edit them: editions kept and audited, the newest in force; none holds until one is saved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select

from roadworthy_collector.carbon.settings_reading import CarbonSettingsError
from roadworthy_collector.carbon.settings_text import LONGEST_CHARACTERS, CarbonSettings, parse, read_toml
from roadworthy_collector.store.books_schema import rule_editions
from roadworthy_collector.store.queries import audit

__all__ = [
    "EXAMPLE",
    "LONGEST_CHARACTERS",
    "NAME",
    "CarbonSettingsError",
    "Change",
    "Edition",
    "current",
    "editions",
    "save",
    "settings",
    "try_text",
]

NAME = "carbon_settings"
NOBODY = "nobody yet"
EXAMPLE = """\
# What your organisation says of itself for carbon figures. Every line is optional: a figure that is not here is
# "not counted" in the reports and never taken for nought. Save with: roadworthy carbon settings save this-file.toml

# Which factor set holds for April to March. Choose once, state it, keep to it.
# factor_rule = "majority"            # or "blended": both calendar years' sets, by days

# What is counted and what is not, in words; it is printed with every report.
# boundary = "All sites we pay the electricity of; tenants' supplies are out, for we cannot read them."

# [years."2025/26"]
# fte = 6120.5                        # full-time equivalents
# revenue_gbp_m = 412.3               # revenue or spend in million pounds
# home_hours = 1250000                # hours staff worked at home
# cooling_kwh = 84000                 # cooling of server rooms, where it is metered apart
# transport_tco2e = 3120.4            # fuel of your vehicles, from elsewhere
# business_travel_tco2e = 210.9       # hire cars and own cars, from elsewhere
# published_tco2e = 12345.6           # gross, as you published it for that year
# not_comparable = ["The custody suites joined in 2026/27."]

# [base_year]
# year = "2019/20"
# tco2e = 15000.0
# threshold_percent = 5               # adjustments of more than this ask for recalculating it

# What would change the base year, signed. Above the threshold, all together, the base year is recalculated with them.
# [[base_year_adjustment]]
# cause = "boundary"                  # boundary, method or error
# tco2e = 820.5                       # negative: it would have been less
# known_since = 2025-09-01
# reason = "Two custody suites joined that were a partner's in the base year"

# Sites that joined or left what is counted: their part of a year's change is shown as boundary.
# [[boundary_change]]
# sites = ["Northgate", "Harbour"]
# change = "joined"                   # or "left"
# from = 2025-10-01                   # the first day with them, or without
# reason = "Taken over from the county council"

# [[target]]
# by = "2029/30"
# reduction_percent = 50
# source = "Sustainability strategy, decision 12"

# Market-based: what a supply contract emits, one a supply and time, with the paper that says so.
# [[contract]]
# supply = "1200012345679"            # its MPAN
# from = 2025-04-01
# to = 2026-03-31                     # left out: until further notice
# kgco2e_per_kwh = 0.0
# source = "Certificates of the supplier, folder 7"
# instrument = "REGO"                 # left out: supply contract
# kwh = 400000                        # as much as it covers; left out: all its meter tells

# What no contract covers, market-based. Without one it counts at the location-based factor, and the report says so.
# [[residual_mix]]
# year = "2025/26"
# kgco2e_per_kwh = 0.35
# source = "The paper the residual mix is from"

# Supplies that are no part of a CRC report, with the rule: domestic, eu_ets, cca, profile_class, small_gas_meter,
# de_minimis or not_responsible. They are listed in it with their kWh.
# [[crc_exclusion]]
# supply = "1234567810"
# rule = "small_gas_meter"
# reason = "44,571 kWh in 2016/17"

# Who is to be asked about reports; they stand in every evidence pack.
# [[contact]]
# name = "A. Carter"
# role = "Head of sustainability, answers for the figures"
# reach = "sustainability@example.org"

# Your own carbon price, as a dated series; each holds until the next.
# [[internal_price]]
# since = 2025-04-01
# gbp_per_tco2e = 95
# source = "Board minute 2025/14"

# Hosting and cloud. Without kwh: the supplier could not say.
# [[hosting]]
# year = "2025/26"
# name = "Records system"
# kwh = [90000, 110000, 140000]       # or one number
# source = "Supplier's statement, May 2026"

# Appraisal terms: long-run marginal factors and carbon values as you load them, by calendar year.
# [appraisal]
# source = "The paper and table you took them from"
# [appraisal.marginal_kgco2e_per_kwh]
# 2026 = 0.2
# [appraisal.value_gbp_per_tco2e]
# 2026 = 260

# The grid's carbon intensity now, asked of api.carbonintensity.org.uk every half-hour. Off unless it says true.
# [grid_intensity]
# fetch = true
# region = 13                         # left out: Great Britain
"""


class Edition(NamedTuple):
    """Settings in force; id 0, the example as text and `made_at` None where nobody saved any."""

    id: int
    content: str
    digest: str
    made_at: int | None
    made_by: str


class Change(NamedTuple):
    """A setting that says other than before; None: not there."""

    setting: str
    before: str | None
    after: str | None


def current(connection: Connection) -> Edition:
    """Return the edition in force."""
    row = connection.execute(
        select(rule_editions).where(rule_editions.c.name == NAME).order_by(rule_editions.c.id.desc()).limit(1)
    ).one_or_none()
    if row is None:
        return Edition(0, EXAMPLE, _parsed(EXAMPLE).digest, None, NOBODY)
    return Edition(row.id, row.content, row.digest, row.made_at, row.made_by)


def settings(connection: Connection) -> CarbonSettings:
    """Return the settings in force, nothing in them where nobody saved any. Cheap: kept by content."""
    return _parsed(current(connection).content)


@lru_cache(maxsize=8)
def _parsed(content: str) -> CarbonSettings:
    return parse(content)


def editions(connection: Connection) -> list[dict[str, Any]]:
    """Return who saved which edition when, without the texts, newest first."""
    columns = (rule_editions.c[name] for name in ("id", "digest", "made_at", "made_by"))
    query = select(*columns).where(rule_editions.c.name == NAME).order_by(rule_editions.c.id.desc())
    return [dict(row) for row in connection.execute(query).mappings()]


def try_text(connection: Connection, text: str) -> tuple[Change, ...]:
    """Return what a text says other than the settings in force; CarbonSettingsError naming the key that is wrong."""
    parse(text)
    before, after = (dict(_flat(read_toml(one))) for one in (current(connection).content, text))
    keys = sorted({*before, *after})
    return tuple(
        Change(key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)
    )


def save(connection: Connection, text: str, *, actor: str, now: int) -> CarbonSettings:
    """Put settings in force; the edition before is kept. CarbonSettingsError where they say what holds already."""
    found = parse(text)
    held = current(connection)
    if held.digest == found.digest:
        raise CarbonSettingsError("the carbon settings say what holds already; nothing was saved")
    changed = [one.setting for one in try_text(connection, text)]
    values = {"name": NAME, "digest": found.digest, "content": text, "made_at": now, "made_by": actor[:128]}
    connection.execute(insert(rule_editions).values(**values))
    detail = {"before": held.digest, "changed": changed[:100]}
    audit.record(connection, now, actor, "carbon.settings.save", found.digest, detail)
    return found


def _flat(said: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in said.items():
        key = f"{above}.{name}" if above else name
        if isinstance(value, Mapping):
            yield from _flat(value, key)
        elif isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
            for number, one in enumerate(value, 1):
                yield from _flat(one, f"{key} {number}")
        elif isinstance(value, list):
            yield key, ", ".join(map(str, value))
        else:
            yield key, str(value)
