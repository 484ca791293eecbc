"""`roadworthy carbon energy` of a day, by day, by half-hour or by device: worked out when asked, not kept."""

from __future__ import annotations

import datetime as dt
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import typer

from roadworthy_collector.command_support import mark_simulated, show, stored
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.tokens import COMMAND_LINE


class Asked(NamedTuple):
    """What the command was asked; `date` None where `year` is a financial year or a month."""

    year: str | None
    date: dt.date | None
    by: str | None
    unit: str | None
    site: str | None
    device: str | None
    reason: str


def show_finer(asked: Asked, output: str, config: Path | None) -> None:
    """Print a day by half-hour or group, a month by day, or the devices behind a period."""
    from roadworthy_collector.jobs.work import Work

    with stored(config) as (settings, engine):
        work = Work(engine, settings, clock=time.time, rests=False)
        with engine.connect() as connection:
            scope = _scope(connection, asked.unit)
            if output == "text":
                mark_simulated(connection)
        if asked.date is not None:
            told = _of_day(work, asked, scope)
        elif asked.by == "day":
            told = _by_day(work, asked, scope)
        elif asked.by == "device":
            told = _devices(work, asked, scope)
        else:
            raise RoadworthyError("half-hours, a site or a device are shown of one day: --year 2026-10-25")
    if output == "json":
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
    elif output == "csv":
        _csv(told["rows"], told["label"])
    else:
        _text(told)


def _scope(connection: Any, unit: str | None) -> Any:
    from roadworthy_collector.carbon.estate import subtree
    from roadworthy_collector.store.queries.scope import EVERYTHING

    return EVERYTHING if unit is None else subtree(connection, unit, EVERYTHING)


def _of_day(work: Any, asked: Asked, scope: Any) -> dict[str, Any]:
    from roadworthy_collector.carbon import energy_day_shown as shown

    by = next((one for one in shown.BYS if one == (asked.by or "half-hour")), None)
    if by is None or asked.date is None:
        raise RoadworthyError(f"--by {asked.by}: a day is shown by one of {', '.join(shown.BYS)}")
    wanted = shown.Asked(asked.date, by, asked.site, asked.device, asked.reason, scope)
    found = shown.day(work, wanted, shown.Who(COMMAND_LINE, may_read_history=True))
    return found | {"label": asked.date.isoformat()}


def _by_day(work: Any, asked: Asked, scope: Any) -> dict[str, Any]:
    from roadworthy_collector.carbon import energy_day_shown as shown
    from roadworthy_collector.carbon.show import chosen_period

    if asked.device is not None:
        raise RoadworthyError(
            "a device is shown one day at a time: --year 2026-10-25 --device ID --reason TEXT"
        )
    with work.engine.connect() as connection:
        zone = work.settings.reporting_timezone
        period = chosen_period(connection, asked.year, now=work.clock(), zone=zone)
    rows = shown.days(work, period, scope, asked.site)
    return {"label": period.label, "by": "day", "site": asked.site, "rows": rows}


def _devices(work: Any, asked: Asked, scope: Any) -> dict[str, Any]:
    from roadworthy_collector.carbon.behind import devices_behind
    from roadworthy_collector.carbon.show import chosen_period

    if asked.site is not None or asked.device is not None:
        raise RoadworthyError("--site and --device are of one day: --year 2026-10-25")
    with work.engine.connect() as connection:
        zone = work.settings.reporting_timezone
        period = chosen_period(connection, asked.year, now=work.clock(), zone=zone)
        found = devices_behind(connection, period, None, "", scope=scope, limit=10**6)
    rows = [{"key": row["device_id"], "title": row["device_id"], **row} for row in found.rows]
    return {"label": period.label, "by": "device", "kwh": found.kwh, "rows": rows}


def _csv(rows: list[dict[str, Any]], label: str) -> None:
    import csv
    import sys

    names = ["title", "kwh", "low_kwh", "high_kwh", "spread_kwh", "even_kwh"]
    there = [name for name in names if any(name in row for row in rows)]
    writer = csv.writer(sys.stdout)
    writer.writerow([label, *there[1:]])
    writer.writerows([[_plain(row.get(name)) for name in there] for row in rows])


def _plain(value: Any) -> Any:
    from roadworthy_inventory.importing.problems import neutralised

    return neutralised(value) if isinstance(value, str) else value


def _text(told: dict[str, Any]) -> None:
    if told.get("kwh") is not None:
        between = f" (range {told['low_kwh']:,.3f} to {told['high_kwh']:,.3f})" if "low_kwh" in told else ""
        typer.echo(f"{told['label']}: {told['kwh']:,.3f} kWh at the wall{between}")
    elif "kwh" in told:
        typer.echo(f"{told['label']}: nothing was told of that day, and that is not nought")
    show([_line(row, told["by"]) for row in told["rows"]], "table")
    if told.get("spread_kwh"):
        typer.echo(
            f"{told['spread_kwh']:,.3f} kWh are of devices that tell no half-hours: spread by the profile of their class "
            "(modelled)"
        )
    if told.get("even_kwh"):
        typer.echo(
            f"{told['even_kwh']:,.3f} kWh of it are of classes with fewer than five devices that were on and tell "
            "half-hours: spread evenly, their time of day is not known"
        )
    for line in told.get("plug_lines", ()):
        typer.echo(
            f"{line['kwh']:,.3f} kWh of {line['devices']} devices {line['model']} are as the line of their model's smart "
            f"plugs corrects them (residual {line['residual_watts']:g} W)"
        )


def _line(row: dict[str, Any], by: str) -> dict[str, Any]:
    known = row.get("kwh") is not None
    line = {by: row["title"], "kWh": f"{row['kwh']:,.3f}" if known else "not known"}
    if "low_kwh" in row:
        line["range"] = f"{row['low_kwh']:,.3f} to {row['high_kwh']:,.3f}" if known else ""
    if "spread_kwh" in row:
        line["of it spread"] = f"{row['spread_kwh']:,.3f}" if known else ""
    return line
