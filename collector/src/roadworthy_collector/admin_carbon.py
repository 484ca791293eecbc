"""Commands that work out carbon figures from kilowatt-hours: no network, and no settings or database needed.

Where there is a database, factor sets that were loaded and confirmed in it count over those that ship.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo

import typer

from roadworthy_collector import admin_carbon_data
from roadworthy_collector.command_support import ConfigFile, show
from roadworthy_collector.errors import RoadworthyError

if TYPE_CHECKING:
    from roadworthy_collector.carbon.factors_here import Books

carbon = typer.Typer(
    help="Carbon of so many kilowatt-hours: CRC, SECR, and the factors behind them.", no_args_is_help=True
)
factors = typer.Typer(invoke_without_command=True)
Output = Annotated[Literal["text", "json"], typer.Option("--format", help="For people or for programs.")]
Energy = str | None
_ENERGY = "kWh, or with a unit: 1.2 MWh, 3 GWh."
_ZONE = "Europe/London"  # whose year the financial year is


def add_to(app: typer.Typer) -> None:
    """Register these commands on `app`."""
    carbon.add_typer(factors, name="factors")
    admin_carbon_data.add_to(carbon, factors)
    app.add_typer(carbon, name="carbon")


@contextmanager
def _refused() -> Iterator[None]:
    from roadworthy_inventory.carbon.quantities import CarbonError

    try:
        yield
    except CarbonError as error:
        raise RoadworthyError(str(error)) from None


def _today() -> date:
    return datetime.fromtimestamp(time.time(), ZoneInfo(_ZONE)).date()


def _books(config: Path | None) -> Books:
    from roadworthy_collector.carbon.factors_here import books_here

    return books_here(config, lambda text: typer.echo(f"roadworthy: {text}", err=True))


def _print(answer: Any, output: str, text: Callable[[Any], None]) -> None:
    if output == "json":
        typer.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        text(answer)


@carbon.command("crc", epilog="Example: roadworthy carbon crc --year 2016/17 --electricity-kwh 6000000")
def work_out_crc(  # noqa: PLR0913 - one argument an option
    year: Annotated[str, typer.Option(help="Compliance year, 2010/11 to 2018/19.")],
    electricity_kwh: Annotated[Energy, typer.Option(help=f"Grid electricity, actual. {_ENERGY}")] = None,
    gas_kwh: Annotated[Energy, typer.Option(help="Gas for heating, actual, gross calorific value.")] = None,
    estimated_electricity_kwh: Annotated[
        Energy, typer.Option(help="Grid electricity of estimated supplies, on top: emits 10 % more.")
    ] = None,
    estimated_gas_kwh: Annotated[
        Energy, typer.Option(help="Gas of estimated supplies, on top: emits 10 % more.")
    ] = None,
    onsite_kwh: Annotated[Energy, typer.Option(help="Electricity made on site, on top.")] = None,
    sale: Annotated[
        Literal["compliance", "forecast"] | None,
        typer.Option(help="Sale the price is of: compliance (buy to comply, if not said) or forecast."),
    ] = None,
    *,
    apply_de_minimis: Annotated[
        bool, typer.Option("--apply-de-minimis", help="Leave out gas below 2 % of the electricity.")
    ] = False,
    output: Output = "text",
    config: ConfigFile = None,
) -> None:
    """Work out a CRC year: tonnes of CO2, whole once, and what the allowances cost. Notional: the scheme has ended."""
    from roadworthy_inventory.carbon.answers import CrcAsked, crc_answer

    asked = CrcAsked(
        year=year,
        electricity=electricity_kwh,
        gas=gas_kwh,
        estimated_electricity=estimated_electricity_kwh,
        estimated_gas=estimated_gas_kwh,
        onsite=onsite_kwh,
        sale=sale,
        apply_de_minimis=apply_de_minimis,
    )
    with _refused():
        answer = crc_answer(asked, _books(config).rates)
    _print(answer, output, _crc_text)


@carbon.command(
    "secr",
    epilog="Example: roadworthy carbon secr --year 2024/25 --rule majority --electricity-kwh '1.2 GWh'",
)
def work_out_secr(
    year: Annotated[str, typer.Option(help="Financial year, such as 2024/25.")],
    rule: Annotated[
        Literal["majority", "blended"],
        typer.Option(help="Factor set of most of the year's days, or of both calendar years by days."),
    ],
    electricity_kwh: Annotated[str, typer.Option(help=f"Purchased electricity. {_ENERGY}")],
    gas_kwh: Annotated[Energy, typer.Option(help="Gas, gross calorific value.")] = None,
    output: Output = "text",
    config: ConfigFile = None,
) -> None:
    """Work out a year in the shape of SECR: kgCO2e of scope 2, and of losses and well-to-tank in scope 3."""
    from roadworthy_inventory.carbon.answers import secr_answer

    with _refused():
        answer = secr_answer(
            year, rule, electricity_kwh, gas=gas_kwh, today=_today(), book=_books(config).factors
        )
    _print(answer, output, _secr_text)


_FactorYear = Annotated[
    str | None,
    typer.Option(help="A factor set's year (2024) or a financial year (2024/25); all if not said."),
]


@factors.callback(epilog="Example: roadworthy carbon factors --year 2024/25")
def list_factors_shortly(
    context: typer.Context, year: _FactorYear = None, output: Output = "text", config: ConfigFile = None
) -> None:
    """List the conversion factors and CRC rates in force; load, confirm and withdraw factor sets."""
    if context.invoked_subcommand is None:
        list_factors(year, output, config)


@factors.command("list", epilog="Example: roadworthy carbon factors list --year 2024/25")
def list_factors(year: _FactorYear = None, output: Output = "text", config: ConfigFile = None) -> None:
    """List the conversion factors and CRC rates in force, each with its status and source; what is missing, too."""
    from roadworthy_inventory.carbon.answers import factors_answer

    with _refused():
        held = _books(config)
        answer = factors_answer(year, today=_today(), book=held.factors, rates=held.rates)
    _print(answer, output, _source_text)


def _told(value: float | None, places: int = 2) -> str:
    return "" if value is None else f"{value:,.{places}f}"


def _crc_text(answer: dict[str, Any]) -> None:
    typer.echo(f"CRC {answer['year']}, phase {answer['phase']} ({answer['notional']})")
    show(
        [
            {
                "supply": one["title"],
                "": "left out, de minimis" if one["left_out"] else one["basis"],
                "kWh": _told(one["kwh"], 0),
                "kgCO2/kWh": _told(one["factor_kgco2_per_kwh"], 5),
                "tCO2": _told(one["tco2_before_uplift"], 3),
                "10 % uplift": _told(one["tco2_uplift"], 3),
                "together": _told(one["tco2"], 3),
            }
            for one in answer["supplies"]
        ],
        "table",
    )
    typer.echo(f"{answer['tco2']:,} tCO2 ({answer['tco2_unrounded']:,.3f}: {answer['rounding']})")
    sale = "buy to comply" if answer["sale"] == "compliance" else "forecast sale"
    if answer["cost_gbp"] is not None:
        typer.echo(f"£{answer['cost_gbp']:,.2f} at £{answer['price_gbp']:.2f} a tonne, {sale}")
    else:
        typer.echo(f"no one price: {answer['price_reason']}")
    if answer["cost_gbp"] is None and answer["cost_low_gbp"] is not None:
        typer.echo(f"so £{answer['cost_low_gbp']:,.2f} to £{answer['cost_high_gbp']:,.2f}")
    if answer["gas_below_de_minimis"] and not answer["de_minimis_applied"]:
        typer.echo(
            "Gas is below 2 % of the electricity. If it was so in the first year of the phase it need not be "
            "reported: --apply-de-minimis."
        )
    _source_text(answer["sources"])


_SECR_ROWS = {
    "scope1_gas_kgco2e": "scope 1, gas",
    "scope2_location_kgco2e": "scope 2, electricity, location-based",
    "scope3_td_kgco2e": "scope 3, losses of transmission and distribution",
    "scope3_wtt_kgco2e": "scope 3, well-to-tank, generation and losses",
}


def _secr_text(answer: dict[str, Any]) -> None:
    typer.echo(f"{answer['year']}, factor set {answer['factor_set']} ({answer['rule']} rule)")
    rows = [
        {"row": title, "kgCO2e": _told(answer[name]) or "not known"}
        for name, title in _SECR_ROWS.items()
        if name != "scope1_gas_kgco2e" or answer["gas_kwh"] is not None
    ]
    show(rows, "table")
    for name, title in _SECR_ROWS.items():
        if name in answer["reasons"] and (name != "scope1_gas_kgco2e" or answer["gas_kwh"] is not None):
            typer.echo(f"{title}: {answer['reasons'][name]}")
    if not answer["may_be_issued"]:
        typer.echo(
            f"Provisional: factor set {', '.join(answer['provisional'])} was seen second hand only; a report on it "
            "cannot be issued before the official file is loaded."
        )
    typer.echo("Public bodies need not report under SECR as organisations; this is its shape.")
    _source_text(answer["sources"])


def _source_text(rows: list[dict[str, Any]]) -> None:
    """Print the rows of data behind an answer, what is to be known of each by number below them."""
    notes: dict[str, int] = {}
    shown = []
    for one in rows:
        known = one["value"] is not None
        places = 2 if "GBP" in one["unit"] else 5
        note = notes.setdefault(
            "; ".join(part for part in (one["note"], one["source"]) if part), len(notes) + 1
        )
        shown.append(
            {"of": one["of"], "what": one["what"]}
            | ({"days": one["days"]} if "days" in one else {})
            | {"value": f"{one['value']:.{places}f}" if known else "", "unit": one["unit"]}
            | {"status": one["status"], "see": f"({note})"}
        )
    show(shown, "table")
    for text, number in notes.items():
        typer.echo(f"({number}) {text}")
