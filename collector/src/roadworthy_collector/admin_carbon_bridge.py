"""The command `roadworthy carbon bridge`: from CRC tonnes to SECR tonnes for the same electricity."""

from __future__ import annotations

import json
import time
from typing import Annotated, Literal

import typer

from roadworthy_collector.command_support import ConfigFile, show
from roadworthy_collector.errors import RoadworthyError


def add_to(carbon: typer.Typer) -> None:
    """Register this command under `roadworthy carbon`."""
    example = "--year 2016/17 --rule majority --electricity-kwh 6000000"
    carbon.command("bridge", epilog=f"Example: roadworthy carbon bridge {example}")(show_bridge)


def show_bridge(
    year: Annotated[str, typer.Option(help="Financial year; after 2018/19 at the rates of that last one.")],
    rule: Annotated[
        Literal["majority", "blended"],
        typer.Option(help="Factor set of most of the days, or of both by days."),
    ],
    electricity_kwh: Annotated[
        str, typer.Option(help="Grid electricity, actual: kWh, or with a unit: 1.2 MWh, 3 GWh.")
    ],
    estimated_electricity_kwh: Annotated[
        str | None, typer.Option(help="Grid electricity of estimated supplies, on top.")
    ] = None,
    output: Annotated[
        Literal["text", "json"], typer.Option("--format", help="For people or for programs.")
    ] = "text",
    config: ConfigFile = None,
) -> None:
    """Show, step by step, why one electricity has two tonnages: CRC's CO2 with losses, and SECR's CO2e without."""
    from roadworthy_collector.carbon.factors_here import books_here
    from roadworthy_inventory.calendar import local_date
    from roadworthy_inventory.carbon.bridge_answer import bridge_answer
    from roadworthy_inventory.carbon.quantities import CarbonError

    held = books_here(config, lambda text: typer.echo(f"roadworthy: {text}", err=True))
    try:
        answer = bridge_answer(
            year,
            rule,
            electricity_kwh,
            estimated=estimated_electricity_kwh,
            today=local_date(time.time(), "Europe/London"),  # whose year the financial year is
            book=held.factors,
            crc_rates=held.rates,
        )
    except CarbonError as error:
        raise RoadworthyError(str(error)) from None
    if output == "json":
        typer.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    typer.echo(f"{answer['year']}, CRC rates of {answer['crc_rates']} ({answer['notional']})")
    rows = [{"step": "CRC, tCO2", "tonnes": f"{answer['crc_tco2']:,.3f}"}]
    rows += [{"step": one["title"], "tonnes": f"{one['tonnes']:+,.3f}"} for one in answer["steps"]]
    title = f"SECR scope 2, tCO2e, factor set {answer['factor_set']}"
    show([*rows, {"step": title, "tonnes": f"{answer['secr_scope2_tco2e']:,.3f}"}], "table")
    if (losses := answer["secr_scope3_losses_tco2e"]) is not None:
        typer.echo(f"Losses of transmission and distribution are scope 3 there: {losses:,.3f} tCO2e")
