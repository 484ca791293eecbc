"""Published supplier payments: a share under its own title, with what is missing, and never a target."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.cost_rules import default_rules
from roadworthy_inventory.cost_trends import Target
from roadworthy_inventory.costs import CostError
from roadworthy_inventory.payments import (
    TITLE,
    PaymentError,
    PaymentLine,
    is_redacted,
    part_invoices,
    payment_shares,
)


def line(pence: int, text: str | None = None, **told: Any) -> PaymentLine:
    return PaymentLine(net_pence=pence, description=text, **told)


def test_the_share_has_its_own_title_says_what_is_missing_and_takes_no_target() -> None:
    found = payment_shares(
        [line(700, "Software maintenance", irrecoverable_vat_pence=0), line(300, "ICT project")],
        default_rules(),
    )["B"]
    assert found.title == TITLE == "share of published supplier payments"
    assert found.share.value == 0.7
    assert any("pay of staff" in text for text in found.missing)
    assert any("irrecoverable VAT" in text for text in found.missing)
    with pytest.raises(CostError, match="not on published payments"):
        Target(base=found, base_year=2025, target_year=2026, cut_ratio=Fraction(3, 10))  # type: ignore[arg-type]


def test_only_it_is_counted_of_a_whole_bodys_payments() -> None:
    lines = [line(700, "Software maintenance"), line(5000, "Road repairs"), line(-50, "Software maintenance")]
    found = payment_shares(lines, default_rules())["B"]
    assert (found.lines, found.out_of_scope_lines, found.out_of_scope_pence) == (2, 1, 5000)
    assert found.share.denominator_pence == 650
    everything = payment_shares(lines, default_rules(), whole_body=False)["B"]
    assert (everything.lines, everything.out_of_scope_lines) == (3, 0)


def test_department_and_expense_type_are_read_beside_the_narrative() -> None:
    told = PaymentLine(amount_pence=5, department="ICT", expense_type="Equipment Maintenance")
    found = payment_shares([told], default_rules())["B"]
    assert found.share.numerator_pence == 5


def test_vat_bases_are_told_apart_and_irrecoverable_vat_stays_in() -> None:
    net = line(1000, irrecoverable_vat_pence=200)
    both = PaymentLine(net_pence=1000, gross_pence=1200)
    gross = PaymentLine(gross_pence=1200)
    bare = PaymentLine(amount_pence=1200)
    assert [one.cost_pence for one in (net, both, gross, bare)] == [1200, 1000, 1200, 1200]
    assert [one.vat_basis for one in (net, both, gross, bare)] == ["net", "net", "gross", "unknown"]
    found = payment_shares([net, gross, bare], default_rules(), whole_body=False)["A"]
    assert found.mixed_vat
    assert found.lines_by_vat_basis == {"net": 1, "gross": 1, "unknown": 1}
    assert not payment_shares([net, both], default_rules(), whole_body=False)["A"].mixed_vat
    with pytest.raises(PaymentError):
        PaymentLine(supplier="x")


@pytest.mark.parametrize(
    ("name", "redacted"),
    [
        ("REDACTED PERSONAL DATA", True),
        ("Redacted  commercial confidentiality", True),
        ("XXXXX", True),
        ("***", True),
        ("Name withheld", True),
        ("Exxon", False),
        ("XX", False),
        ("", False),
        (None, False),
    ],
)
def test_redacted_suppliers_are_known(name: str | None, *, redacted: bool) -> None:
    assert is_redacted(name) is redacted


def test_redacted_suppliers_and_undated_lines_are_counted() -> None:
    found = payment_shares([line(40, "Computer hardware", supplier_redacted=True)], default_rules())["A"]
    assert (found.redacted_lines, found.redacted_pence, found.undated_lines) == (1, 40, 1)


def test_invoices_of_which_lines_were_not_published() -> None:
    whole = [line(300, invoice="1", invoice_total_pence=500), line(200, invoice="1", invoice_total_pence=500)]
    part = line(300, invoice="2", invoice_total_pence=500, supplier="Dell")
    (found,) = part_invoices([*whole, part, line(1)])
    assert (found.invoice, found.supplier, found.published_pence, found.total_pence) == (
        "2",
        "Dell",
        300,
        500,
    )


@given(
    st.lists(
        st.tuples(
            st.integers(-(10**6), 10**6), st.sampled_from(["Software maintenance", "ICT", "Roads", None])
        ),
        max_size=20,
    )
)
def test_in_and_out_of_scope_are_all_there_is(rows: list[tuple[int, str | None]]) -> None:
    for found in payment_shares([line(*row) for row in rows], default_rules()).values():
        inside = found.share.denominator_pence or 0
        assert inside + found.out_of_scope_pence == sum(pence for pence, _ in rows)
        assert found.lines + found.out_of_scope_lines == len(rows)
