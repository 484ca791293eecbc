"""The lists behind meters as texts to edit: supplies and their sites, tariffs, places of consumption."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from sqlalchemy import Connection

from roadworthy_collector.carbon import places_list, supply_list, tariff_store
from roadworthy_collector.console.text_forms import TextForm, plainly
from roadworthy_collector.security.access import require_page
from roadworthy_collector.security.roles import Right
from roadworthy_inventory.carbon.tariffs import Tariff

router = APIRouter(include_in_schema=False)
_WHO = require_page(Right.READ_ESTATE)
_PREPARER = require_page(Right.PREPARE_CARBON)
_TEMPLATE = "meter_list.html"


def _held(page: dict[str, Any], write: Callable[[Connection], str]) -> Callable[[Connection], dict[str, Any]]:
    return lambda connection: {"page": page, "text": write(connection)}


def _try_supplies(connection: Connection, text: str) -> dict[str, Any]:
    rows = [
        (one["supply"], "new" if one["new"] else "; ".join(one["before"]) or "no site", "; ".join(one["after"]) or "no site")
        for one in supply_list.tried(connection, text, "the list")
    ]  # fmt: skip
    return {"heads": ("Supply", "Now", "Then"), "rows": rows}


def _save_supplies(connection: Connection, text: str, *, actor: str, now: int) -> None:
    supply_list.load(connection, text, "the list", actor=actor, now=now)


def _try_tariffs(connection: Connection, text: str) -> dict[str, Any]:
    found = tariff_store.compare(connection, text, "the list")
    rows = [("new", *_tariff(one)) for one in found.new]
    rows += [("goes", *_tariff(one)) for _, one in found.gone]
    return {"heads": ("What", "Supply", "From", "Source"), "rows": rows}


def _tariff(one: Tariff) -> tuple[str, str, str]:
    return one.supply or f"all {one.fuel}", one.valid_from.isoformat(), one.source


def _save_tariffs(connection: Connection, text: str, *, actor: str, now: int) -> None:
    tariff_store.replace(connection, text, "the list", actor=actor, now=now)


def _try_places(connection: Connection, text: str) -> dict[str, Any]:
    rows = [(one["site"], one["before"], one["after"]) for one in places_list.changes(connection, text)]
    return {"heads": ("Site", "Now", "Then"), "rows": rows}


_SUPPLIES = TextForm(
    _TEMPLATE,
    "/meters",
    _held(
        {
            "title": "Supplies and their sites",
            "action": "/meters/supplies",
            "crumb": ("/meters", "Meters"),
            "about": "A row is a supply at a site, from a day until before another. Of each supply the list names it says "
            "all places; a supply it does not name stays as it is, for readings hang on it. Several rows share a "
            "supply or a site. Supplies of restricted sites are not in it.",
            "words": [
                ("fuel", "electricity, gas, or onsite for a generation meter"),
                ("settled", "yes or no: settled half-hourly"),
                ("tenure", "owner, tenant, landlord or unknown"),
                (
                    "share",
                    "of the supply that is the site's: 0.25 or 25%; all of it where the supply feeds one site",
                ),
                ("valid_to", "the first day without it; empty until further notice"),
            ],
        },
        supply_list.write,
    ),
    plainly(_try_supplies),
    _save_supplies,
)
_TARIFFS = TextForm(
    _TEMPLATE,
    "/meters#bill",
    _held(
        {
            "title": "Tariffs",
            "action": "/meters/tariffs",
            "crumb": ("/meters", "Meters"),
            "about": "All tariffs there are: what is taken out of the list goes, on the record. To change a price, end the "
            "old tariff on the day the new one begins. Two of one supply on the same day are refused.",
            "words": [
                ("supply", "empty: all supplies of the fuel without a tariff of their own"),
                ("unit_pence", "pence a kWh; or day_pence, night_pence, night_from and night_to"),
                ("levies", "name=pence a kWh, with semicolons between: CCL=0.8; RO=3.1"),
                ("source", "where the prices are from; shown beside the pounds"),
            ],
        },
        tariff_store.write,
    ),
    plainly(_try_tariffs),
    _save_tariffs,
)
_PLACES = TextForm(
    _TEMPLATE,
    "/carbon/places",
    _held(
        {
            "title": "Places of consumption",
            "action": "/carbon/places",
            "crumb": ("/carbon", "Carbon"),
            "about": "Where the devices of each site use electricity: that decides the scope of a return and whether they "
            "are held beside the site's meter. Restricted sites are not in the list.",
            "words": places_list.kinds(),
        },
        places_list.write,
    ),
    plainly(_try_places),
    places_list.save,
)


for _path, _form in (
    ("/meters/supplies", _SUPPLIES),
    ("/meters/tariffs", _TARIFFS),
    ("/carbon/places", _PLACES),
):
    _form.serve(router, _path, who=_WHO, keeper=_PREPARER)
