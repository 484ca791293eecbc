"""What commands, the API and pages all ask of reports: who may, which one is meant, and what is told of it."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, Engine

from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.carbon import (
    lifecycle,
    pack,
    report_journals,
    report_make,
    report_newest,
    report_reading,
    report_render,
    settings_edition,
)
from roadworthy_collector.carbon.lifecycle import ReportError
from roadworthy_collector.carbon.report_compare import changes
from roadworthy_collector.carbon.report_model import JOURNAL_SCALE, Kind
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.security.roles import Reader, Right
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries import audit

PACK_RIGHTS = (Right.PREPARE_CARBON, Right.APPROVE, Right.READ_AUDIT)


class Door(NamedTuple):
    """Who comes in, and what they work with; `now` in UTC epoch seconds."""

    engine: Engine
    settings: Settings
    reader: Reader
    now: float


def told(connection: Connection, settings: Settings, number: int, *, now: float) -> dict[str, Any]:
    """Return what is to be known of a report: figures, steps, journals, late data, changes against the restated one."""
    row = report_reading.find(connection, number)
    content, _ = report_newest.one(connection, settings, row, now=now)
    changed: list[dict[str, Any]] = []
    if row.restates is not None:
        old = report_reading.find(connection, row.restates)
        changed = changes(old.content, content) if old.content else []
    return report_reading.row_of(row) | {
        "figures": content["figures"],
        "sentences": content["sentences"],
        "provisional": content["provisional"],
        "journals": [
            {**entry, "kwh": entry["kwh_thousandths"] / 1000}
            for entry in report_reading.journals(connection, number)
        ],
        "late": report_reading.late(connection, row, settings.reporting_timezone),
        "changes": changed,
        "frozen": bool(row.content),
        # What an issued report's pack says is sealed.
        "contacts_warning": "" if row.pack_name else contacts_warning(connection, number),
    }


def _ensure(door: Door, right: Right) -> None:
    if not door.reader.may(right) or door.reader.scope is not None:
        raise ReportError(f"this is for whoever may {right.replace('_', ' ')} for the whole IT estate")


def prepare(door: Door, kind: str, year: str) -> int:
    """Begin a report and return its number; ReportError where it cannot be."""
    _ensure(door, Right.PREPARE_CARBON)
    began = report_make.began_of(year)
    today = local_day(door.now, door.settings.reporting_timezone)
    with write_transaction(door.engine) as connection:
        return lifecycle.prepare(
            connection, cast("Kind", kind), began, actor=door.reader.name, now=int(door.now), today=today
        )


def restate(door: Door, number: int, reason: str) -> int:
    """Begin a report in the place of another and return its number."""
    _ensure(door, Right.PREPARE_CARBON)
    with write_transaction(door.engine) as connection:
        return lifecycle.restate(connection, number, reason, actor=door.reader.name, now=int(door.now))


def journal(door: Door, number: int, line: str, kwh: str, reason: str, of: str = "") -> None:
    """Enter an adjustment, `kwh` as people write it; `of` a supply or site, for a report on CRC."""
    _ensure(door, Right.PREPARE_CARBON)
    line = report_journals.named(line, of)
    amount = lifecycle.parse_kwh(kwh)
    _try_journal(door, number, line, amount)
    with write_transaction(door.engine) as connection:
        lifecycle.journal(connection, number, line, amount, reason, actor=door.reader.name, now=int(door.now))


def _try_journal(door: Door, number: int, line: str, amount: Fraction) -> None:
    """Raise ReportError where figures there are could not be worked out any more with an adjustment."""
    zone, now = door.settings.reporting_timezone, door.now
    with door.engine.connect() as connection:
        row = report_reading.find(connection, number)
        held = report_reading.journals(connection, number)
        thousandths = amount * JOURNAL_SCALE
        if row.content or report_journals.refusal(connection, row.kind, line) or thousandths.denominator != 1:
            return  # refused for another reason by whoever enters it
        one = {"line": line, "kwh_thousandths": int(thousandths), "reason": "", "made_by": ""}
        ask = partial(report_reading.standing, connection, row.kind, row.year, zone=zone, now=now)
        try:
            ask(journals_of_it=[*held, one])
        except RoadworthyError as error:
            try:
                ask(journals_of_it=held)
            except RoadworthyError:
                return  # nothing to be worked out either way
            raise ReportError(f"with this adjustment there are no figures: {error}") from None


def take(door: Door, number: int, step: str, *, remark: str = "", online: bool = True) -> str:
    """Take a step of report_reading.STEPS and return the state it led to."""
    engine, settings, reader, now = door
    if step == "close":
        lifecycle.close(engine, settings, number, reader, now=now, online=online, remark=remark)
    elif step == "publish":
        draw = report_render.pdf_by_child
        lifecycle.publish(engine, settings, number, reader, now=now, pdf=draw, remark=remark)
    else:
        act = lifecycle.review if step == "review" else lifecycle.approve
        with write_transaction(engine) as connection:
            act(connection, number, reader, now=int(now), remark=remark)
    return report_reading.STEPS[step][1]


def contacts_warning(connection: Connection, number: int) -> str:
    """Return who is in a pack's contacts by account alone, and what to do; empty where everybody can be reached."""
    known = {one.name.casefold() for one in settings_edition.settings(connection).contacts}
    steps = report_reading.find(connection, number).steps
    without = sorted({one["person"] for one in steps if one["person"].casefold() not in known})
    if not without:
        return ""
    return (
        f"contacts.csv says how to reach {', '.join(without)} by account alone: an auditor without one cannot; put a "
        "[[contact]] with name, role and reach of each into the carbon settings before publishing"
    )


def pack_path(connection: Connection, settings: Settings, number: int) -> Path:
    """Return the file of an issued report's pack; NotFoundError where there is none."""
    row = report_reading.find(connection, number)
    if row.pack_name is None:
        raise NotFoundError(f"report {number} is {row.state} and has no evidence pack; publishing seals one")
    path = pack.folder_of(settings) / Path(row.pack_name).name
    if not path.is_file():
        raise NotFoundError(
            f"{path}: the evidence pack of report {number} is not there; fetch it from a backup"
        )
    return path


def taken_pack(door: Door, number: int) -> Path:
    """Return the file of a pack for somebody who takes it away, on the record."""
    with door.engine.connect() as connection:
        path = pack_path(connection, door.settings, number)
    with write_transaction(door.engine) as connection:
        audit.record(
            connection,
            int(door.now),
            door.reader.name,
            "report.pack",
            f"report {number}",
            {"pack": path.name},
        )
    return path


def may_take_pack(reader: Reader) -> bool:
    """Return whether a reader may have packs: they hold daily rows of devices."""
    return reader.scope is None and reader.signed_in and any(reader.may(right) for right in PACK_RIGHTS)
