"""Adjustments of a CRC report: of actual or estimated electricity, of a supply or site they name."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
from support.estates import Estate

from roadworthy_collector.carbon import report_crc_tables, report_journals, supplies
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.carbon.quantities import CarbonError

MPAN = "1312345678907"


def fill(held: Estate) -> None:
    held.site("Force HQ")
    held.site("Annexe", restricted=True)
    with write_transaction(held.engine) as connection:
        supplies.save(connection, MPAN, actor="pam", now=1)


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_a_line_may_name_a_supply_or_a_site_that_is_there(filled_once: Callable[..., Estate]) -> None:
    held = filled_once(fill)
    named = report_journals.named
    with held.engine.connect() as connection:
        for line in (
            "gas",
            "electricity, estimated",
            named("electricity", MPAN),
            named("gas, estimated", " Force  HQ "),
        ):
            assert report_journals.refusal(connection, "crc", line) is None
        for line, why in (
            (named("electricity", "Nowhere"), "is no supply and no site"),
            (named("electricity", "Annexe"), "is no supply and no site"),
            (named("onsite, estimated", "Force HQ"), "is none of"),
            (named("electricity", "x" * 60), "too long"),
            ("heat", "is none of electricity; onsite; gas; electricity, estimated; gas, estimated"),
        ):
            assert why in (report_journals.refusal(connection, "crc", line) or "")
        told = report_journals.refusal(connection, "secr", named("electricity", "Force HQ"))
        assert "only adjustments of a CRC report" in (told or "")


def test_an_estimated_adjustment_has_the_uplift_and_never_less_than_nothing() -> None:
    journals = {"electricity": Fraction(1000), "electricity, estimated, of Force HQ": Fraction(500)}
    worked = report_crc_tables.work_out(2016, [], journals)
    plain, estimated = report_crc_tables.supplies_table([], worked).rows
    assert (plain["basis"], plain["uplift"], plain["site"]) == ("actual", 0, "")
    assert (estimated["basis"], estimated["site"], estimated["kwh"]) == ("estimated", "Force HQ", 500)
    assert estimated["uplift"] == pytest.approx(500 * 0.44662 / 1000 / 10, abs=0.001)
    factor = Fraction("0.44662")
    assert worked.found.exact.tonnes == (1000 + 500 * Fraction(11, 10)) * factor / 1000
    with pytest.raises(CarbonError, match="than its estimated supplies used"):
        report_crc_tables.work_out(2016, [], journals | {"electricity, estimated": Fraction(-600)})
