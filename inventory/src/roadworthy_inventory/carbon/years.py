"""Years a figure is for: `2024/25` read strictly, its first and last day, and whether it has begun."""

from __future__ import annotations

from datetime import date

from roadworthy_inventory.calendar import (
    CRC_FIRST_YEAR,
    CRC_LAST_YEAR,
    FINANCIAL_YEAR_START,
    financial_year_label,
)
from roadworthy_inventory.carbon.quantities import YearError
from roadworthy_inventory.ledger import LedgerError, parse_financial_year


def parse_year(text: str) -> int:
    """Return the calendar year a financial year begins in: 2024 for `2024/25`, `2024-25` or `2024/2025`.

    Raises YearError; a bare `2024` could mean either of two financial years and is refused.
    """
    try:
        return parse_financial_year(text)
    except LedgerError as error:
        raise YearError(str(error)) from None


def year_days(began: int) -> tuple[date, date]:
    """Return the first and the last day: 1 April and 31 March."""
    if not 1900 <= began <= 2200:
        raise YearError(f"{began} is no year this product keeps books for")
    return date(began, *FINANCIAL_YEAR_START), date(began + 1, 3, 31)


def require_begun(began: int, today: date) -> None:
    """Raise YearError where the year has not begun on `today`."""
    first, _ = year_days(began)
    if today < first:
        raise YearError(
            f"{financial_year_label(began)} has not begun: it starts on {first:%-d %B %Y}; nothing was used in it"
        )


def require_crc_year(began: int) -> None:
    """Raise YearError where there was no CRC compliance year."""
    if not CRC_FIRST_YEAR <= began <= CRC_LAST_YEAR:
        raise YearError(
            f"{financial_year_label(began)} is no CRC compliance year: the scheme ran from "
            f"{financial_year_label(CRC_FIRST_YEAR)} to {financial_year_label(CRC_LAST_YEAR)}"
        )
