"""What the invented organisation says of itself for carbon figures: rule, boundary, staff, base year, target, contracts."""

from __future__ import annotations

from datetime import date

from roadworthy_collector.demo import meters
from roadworthy_inventory.calendar import financial_year_label, financial_year_of

_STAFF, _REVENUE, _BASE_TONNES = 1.15, 0.058, 0.31  # per device of the estate; the money in million pounds


def settings(devices: int, today: date) -> str:
    """Return the carbon settings, TOML, of this financial year and the one before; the supplier of a cloud cannot say."""
    began = financial_year_of(today)
    years = "".join(_year(devices, began - ago, 1 - 0.03 * ago) for ago in (0, 1))
    before, now = financial_year_label(began - 1), financial_year_label(began)
    return f"""# All of it is made up.
factor_rule = "majority"
boundary = "All sites whose electricity we pay, homes and partners' sites beside them. Vehicles are in scope 1 by their fuel."
{years}
[base_year]
year = "2019/20"
tco2e = {devices * _BASE_TONNES:.1f}
threshold_percent = 5

[[target]]
by = "2029/30"
reduction_percent = 50
source = "Sustainability strategy, decision 12 (invented)"

[[contract]]
supply = "{meters.DATA_CENTRE}"
from = {began - 1}-04-01
kgco2e_per_kwh = 0
source = "Certificates of the supplier (invented)"
instrument = "REGO"

[[internal_price]]
since = {began - 1}-04-01
gbp_per_tco2e = 95
source = "Board minute (invented)"

[[contact]]
name = "A. Carter"
role = "Head of sustainability (invented)"
reach = "sustainability@example.org"

[[hosting]]
year = "{before}"
name = "Records system"
kwh = [{90 * devices // 10}, {110 * devices // 10}, {140 * devices // 10}]
source = "Statement of the supplier (invented)"

[[hosting]]
year = "{before}"
name = "Mail and documents"
source = "the supplier was asked and could not say (invented)"

[[hosting]]
year = "{now}"
name = "Mail and documents"
source = "the supplier was asked and could not say (invented)"
"""


def _year(devices: int, began: int, part: float) -> str:
    return f"""
[years."{financial_year_label(began)}"]
fte = {devices * _STAFF * part:.1f}
revenue_gbp_m = {devices * _REVENUE * part:.1f}
home_hours = {devices * 210}
"""
