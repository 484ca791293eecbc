"""All a report is made of, gathered before anything is worked out, and the report worked out of it: no database here.

So an evidence pack can hold what its own rows do not say, and whoever verifies it works the whole report out again by
the same code that made it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from roadworthy_collector.carbon import report_carbon, report_crc, report_crc_years, report_secr
from roadworthy_collector.carbon.estate import Estate, Ready
from roadworthy_collector.carbon.report_crc_share import Shared
from roadworthy_collector.carbon.report_inputs import Inputs
from roadworthy_collector.carbon.report_model import Content, Kind
from roadworthy_collector.carbon.settings_text import CarbonSettings
from roadworthy_collector.carbon.supplies import CrcSupply
from roadworthy_inventory.carbon.market import Covered


@dataclass(frozen=True, slots=True)
class Meters:
    """What is held of the supplies of a year, and what contracts cover of its electricity."""

    supplies: Sequence[CrcSupply] = ()
    covered: Sequence[Covered] = ()


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a report is worked out of: `now` and `before` as the ledger keeps them, meters of both years.

    `shared`: of a CRC report, what devices drew where its supplies feed them.
    """

    kind: Kind
    began: int
    zone: str
    today: dt.date
    inputs: Inputs
    said: CarbonSettings
    now: Ready
    before: Ready
    meters: Meters = Meters()
    meters_before: Meters = Meters()
    shared: Shared | None = None


def built(one: Gathered) -> Content:
    """Return the report; CarbonError saying what is missing."""
    if one.kind == "crc":
        return _crc(one)
    held, before = one.now.estate(), one.before.estate()
    if one.kind == "carbon":
        return report_carbon.build(one.inputs, one.began, held, before, _like(one, held, before))
    now, past = (
        report_secr.Held(meters.supplies, energy, meters.covered)
        for meters, energy in ((one.meters, held), (one.meters_before, before))
    )
    return report_secr.build(one.inputs, one.began, now, past, one.said, today=one.today)


def _crc(one: Gathered) -> Content:
    kept, out = report_crc_years.without_excluded(one.meters.supplies, one.said.crc_exclusions)
    past, _ = report_crc_years.without_excluded(one.meters_before.supplies, one.said.crc_exclusions)
    shared = one.shared or Shared("nobody told what devices drew")
    return report_crc_years.with_excluded(report_crc.build(one.inputs, one.began, kept, shared, past), out)


def _like(one: Gathered, held: Estate, before: Estate) -> tuple[Estate, Estate] | None:
    """Return both years, the one before first, over the months closed in both; None without any, or with all."""
    pairs = zip(before.months, held.months, strict=True)
    both = [(old.month, new.month) for old, new in pairs if old.closed and new.closed]
    if (held.complete and before.complete) or not both:
        return None
    old, new = zip(*both, strict=True)
    return one.before.estate(old), one.now.estate(new)
