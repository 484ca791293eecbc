"""What the invented organisation spends on IT: two years of its ledger, its published payments, its contracts.

Amounts grow with the number of devices and are drawn at random; suppliers are invented. Some lines say so little that
no rule classifies them, as in any ledger, but less than a tenth.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from roadworthy_collector.demo.assets import COST_CENTRES, Row, unit_path

LEDGER_HEADER = (
    "Financial year", "Accounting period", "Cost centre", "Account code", "Account description", "Line description",
    "Supplier", "Capital/Revenue", "Current budget", "Forecast", "Outturn", "Service from", "Service to",
    "Transaction type", "Recharge reference",
)  # fmt: skip
PAYMENTS_HEADER = (
    "Transaction date",
    "Supplier",
    "Description",
    "Expense type",
    "Transaction number",
    "Net amount",
)
CONTRACTS_HEADER = (
    "Contract reference", "Contract title", "Supplier", "Start date", "End date", "Notice", "Annual value", "Cost centre",
    "Unit", "Systems",
)  # fmt: skip
_PUBLISHED_FROM_POUNDS = 500
_MONTHS = 12


@dataclass(frozen=True, slots=True)
class _Line:
    """One thing paid for: thousands of pounds a year per 1,000 devices, and how it changed in a year."""

    code: str
    account: str
    text: str
    supplier: str
    thousands: float
    growth: float = 1.03
    funding: str = "Revenue"
    months: tuple[int, ...] = tuple(range(1, _MONTHS + 1))


_LINES = (
    _Line("4101", "Hardware maintenance", "Hardware maintenance of desktops and servers", "Fulmar Support", 310, 1.06),
    _Line("4102", "Software maintenance", "Software maintenance and support, records system", "Kestrel Systems", 420),
    _Line("4103", "Software maintenance", "Software support, custody system", "Merlin Software", 150),
    _Line("4104", "Extended support", "Extended security updates, Windows 10", "Heron Technology", 70, 1.9, months=(2, 8)),
    _Line("4105", "Break-fix", "Break-fix call out", "Fulmar Support", 55, 1.1),
    _Line("4106", "Repair parts", "Spare parts and replacement batteries", "Plover Supplies", 35, 1.15),
    _Line("4110", "Service desk", "Service desk, contracted hours", "Wagtail Computing", 190, 1.02),
    _Line("4201", "Licences", "Office licences, subscription", "Heron Technology", 330, 1.05, months=(1,)),
    _Line("4202", "Cloud", "Cloud hosting", "Cumulus Hosting", 210, 1.12),
    _Line("4203", "Telephony", "Telephony and wide area network", "Curlew Telecom", 240, 0.99),
    _Line("4204", "Electricity", "Electricity of the data centre", "Dunlin Energy", 75, 1.04),
    _Line("4205", "Consumables", "Toner and consumables", "Plover Supplies", 25, 0.9),
    _Line("4206", "Training", "Training course fees", "Avocet Training", 18, 1.0, months=(3, 9)),
    _Line("4301", "Projects", "Project delivery, digital evidence", "Kestrel Systems", 170, 0.8),
    _Line("4302", "Refresh", "Laptop replacement programme", "Heron Technology", 240, 1.1, "Capital", (5, 11)),
    _Line("4900", "Other IT", "Miscellaneous", "Sundry", 95, 1.0),
)  # fmt: skip
_SHARES = (0.45, 0.35, 0.20)
# What a contract is for: {account code: (unit that answers for it, system it covers)}; the rest belong to the cost centre.
_CONTRACTS_OF = {
    "4102": ("Local Services", "Records Platform (invented)"),
    "4103": ("Custody", "Custody Records (invented)"),
    "4110": ("Service Desk", "Service Desk Tool (invented)"),
    "4202": ("Digital Forensics", "Evidence Store (invented)"),
    "4203": ("Roads", "Mobile Data (invented)"),
}
_NOBODYS = "4206"  # a contract nobody answers for: it has neither a cost centre nor a unit
_PREPAID_YEARS = 3
_RECHARGED = (2, 5, 8, 11)  # accounting periods


def _pounds(amount: float) -> str:
    return f"{amount:.2f}"


def _year_of(day: date) -> int:
    return day.year if day >= date(day.year, 4, 1) else day.year - 1


def _month_of(year: int, period: int) -> date:
    """Return the first day of an accounting period of the financial year that begins in `year`."""
    month = 3 + period
    return date(year + (month > _MONTHS), (month - 1) % _MONTHS + 1, 1)


def _rng(seed: int, what: str) -> random.Random:
    return random.Random(f"{seed}:money:{what}")  # noqa: S311 - a simulation must be repeatable, not secret


def ledger(devices: int, seed: int, today: date) -> Iterator[Row]:
    """Yield the ledger of the financial year before and of this one: outturn up to last month, budget for all of it."""
    this_year = _year_of(today)
    for place, year in enumerate((this_year - 1, this_year)):
        for line in _LINES:
            rng = _rng(seed, f"{line.code}:{year}")
            for centre, share in zip(COST_CENTRES.values(), _SHARES, strict=True):
                planned = line.thousands * devices * share / len(line.months) * line.growth**place
                for period in line.months:
                    spent = planned * rng.lognormvariate(0.01, 0.09)
                    closed = _month_of(year, period) + timedelta(days=31) <= today
                    yield (
                        f"{year}/{(year + 1) % 100:02}", str(period), centre.split()[0], line.code, line.account,
                        line.text, f"{line.supplier} (invented)", line.funding, _pounds(planned),
                        _pounds(spent if closed else planned * 1.02), _pounds(spent) if closed else "", "", "",
                        "Invoice", "",
                    )  # fmt: skip
        credit = -9.5 * devices
        yield (
            f"{year}/{(year + 1) % 100:02}", "2", COST_CENTRES["Corporate Services"].split()[0], "4101",
            "Hardware maintenance", "Hardware maintenance, credit for devices given back", "Fulmar Support (invented)",
            "Revenue", "0.00", _pounds(credit), _pounds(credit) if _month_of(year, 3) <= today else "", "", "",
            "Credit note", "",
        )  # fmt: skip
        yield from _recharges(devices, year, today)
    yield _prepaid(devices, this_year - 1)


def _recharges(devices: int, year: int, today: date) -> Iterator[Row]:
    """Yield what IT charges within the organisation: once with both sides in this ledger, once with one side only.

    The other side of the second stands in the ledger of a department that is not in this one.
    """
    local, corporate = (COST_CENTRES[name].split()[0] for name in ("Local Services", "Corporate Services"))
    name = f"{year}/{(year + 1) % 100:02}"
    for period in _RECHARGED:
        closed = _month_of(year, period) + timedelta(days=31) <= today
        for centre, thousands, kind, reference in (
            (local, 6.0, "Recharge in", f"IR-{year}-{period}"),
            (corporate, -6.0, "Recharge out", f"IR-{year}-{period}"),
            (corporate, -2.5, "Recharge out", f"XR-{year}-{period}"),
        ):
            amount = _pounds(thousands * devices)
            yield (
                name, str(period), centre, "4110", "Service desk", "Service desk, charged within the organisation",
                "Corporate IT (invented)", "Revenue", amount, amount, amount if closed else "", "", "", kind, reference,
            )  # fmt: skip


def _prepaid(devices: int, year: int) -> Row:
    """Return a line paid at once for three years."""
    amount = _pounds(60.0 * devices)
    return (
        f"{year}/{(year + 1) % 100:02}", "1", COST_CENTRES["Specialist Services"].split()[0], "4103",
        "Software maintenance", "Software support, evidence store, three years paid ahead", "Merlin Software (invented)",
        "Revenue", amount, amount, amount, f"{year}-04-01", f"{year + _PREPAID_YEARS}-03-31",
        "Invoice", "",
    )  # fmt: skip


def method(devices: int, seed: int, today: date) -> str:
    """Return the cost method: a target, and two control totals of finance, of which one does not agree."""
    base = _year_of(today) - 1
    name = f"{base}/{(base + 1) % 100:02}"
    head = (
        "# How the invented organisation counts its IT cost.\n"
        'basis = "cash"\nrecharges = "both"\nspread_prepaid = true\nminimum_confidence = 0.5\n\n'
        f'[target]\ndefinition = "B"\nbase_year = "{name}"\n'
        f'target_year = "{base + 4}/{(base + 5) % 100:02}"\ncut_percent = 30\nterms = "cash"\n'
    )
    parts = [head]
    for centre, period, off in (("IT100", "12", 0), ("IT200", "12", 1250)):
        # In pence, as the statement adds up.
        spent = sum(
            round(float(row[10]) * 100)
            for row in ledger(devices, seed, today)
            if (row[0], row[1], row[2]) == (name, period, centre) and row[10]
        )
        parts.append(
            f'\n[[control]]\nfinancial_year = "{name}"\nmeasure = "outturn"\ncost_centre = "{centre}"\n'
            f'accounting_period = {period}\npounds = "{spent / 100 + off:.2f}"\nsource = "outturn report (simulated)"\n'
        )
    return "".join(parts)


def payments(devices: int, seed: int, today: date) -> Iterator[Row]:
    """Yield the payments published over the last year: no pay, nothing small, and other things than IT among them."""
    number = 70_000
    for back in range(_MONTHS, 0, -1):
        month = (today.replace(day=1) - timedelta(days=back * 30)).replace(day=1)
        for line in _LINES:
            rng = _rng(seed, f"{line.code}:{month}")
            amount = line.thousands * devices / _MONTHS * rng.lognormvariate(0, 0.1)
            number += 1
            if amount < _PUBLISHED_FROM_POUNDS:
                continue
            day = month + timedelta(days=rng.randrange(27))
            text = "IT services, " + line.text[0].lower() + line.text[1:]
            yield (
                day.strftime("%d/%m/%Y"), f"{line.supplier} (invented)", text, line.account, str(number), _pounds(amount)
            )  # fmt: skip
        for what, thousands in (("Vehicle fuel", 160), ("Cleaning of premises", 90)):
            number += 1
            amount = thousands * devices / _MONTHS * _rng(seed, f"{what}:{month}").lognormvariate(0, 0.1)
            yield (
                (month + timedelta(days=9)).strftime("%d/%m/%Y"), "Other Supplier (invented)", what, what, str(number),
                _pounds(amount),
            )  # fmt: skip


def contracts(devices: int, seed: int, today: date) -> Iterator[Row]:
    """Yield the contracts behind the ledger: some end within months, one has ended already."""
    for place, line in enumerate(
        line for line in _LINES if line.account not in {"Other IT", "Projects", "Refresh"}
    ):
        rng = _rng(seed, f"contract:{line.code}")
        ends = today + timedelta(days=(place - 1) * 47 + rng.randrange(20))
        unit, system = _CONTRACTS_OF.get(line.code, ("", ""))
        yield (
            f"CT-{2000 + place}", line.text, f"{line.supplier} (invented)",
            (ends - timedelta(days=rng.choice((730, 1095, 1460)))).strftime("%d/%m/%Y"), ends.strftime("%d/%m/%Y"),
            (ends - timedelta(days=90)).strftime("%d/%m/%Y"), _pounds(line.thousands * devices),
            "" if line.code == _NOBODYS else COST_CENTRES["Corporate Services"].split()[0],
            unit_path(unit) if unit else "", system,
        )  # fmt: skip
