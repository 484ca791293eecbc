"""A carbon report on its way: open, provisional, closed, approved, published; restated where another takes its place.

Preparer, reviewer and approver are three different people. Closing freezes the figures and the rows behind them,
publishing seals both in an evidence pack. Nothing issued is ever changed: restating makes another report that names
the one it restates, and both are kept. Every step is on the record.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select, update

from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.carbon import (
    estate,
    pack,
    report_journals,
    report_make,
    report_reading,
    settings_edition,
)
from roadworthy_collector.carbon.pack_papers import About
from roadworthy_collector.carbon.report_compare import EVIDENCE
from roadworthy_collector.carbon.report_model import JOURNAL_SCALE, Kind
from roadworthy_collector.carbon.report_reading import (
    APPROVED,
    CLOSED,
    OPEN,
    PROVISIONAL,
    PUBLISHED,
    RESTATED,
    STEPS,
    find,
    frame,
    journals,
    newest,
)
from roadworthy_collector.carbon.report_shown import Frame
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.roles import Reader, Right, may_approve
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.carbon_schema import carbon_journals, carbon_reports
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries import audit
from roadworthy_collector.store.queries.console import is_simulated
from roadworthy_inventory.calendar import financial_year_label
from roadworthy_inventory.carbon.years import require_begun

_LIVE = (OPEN, PROVISIONAL)
_BEFORE_ISSUE = (OPEN, PROVISIONAL, CLOSED, APPROVED)
_MOST_TEXT = 512
_LEAST_REASON = 5
_MOST_KWH = 10**12
MOST_DEVICE_DAYS_ONLINE = 2_000_000


class ReportError(RoadworthyError):
    """A step of a report that cannot be taken; the message says why and what to do."""


def prepare(connection: Connection, kind: Kind, began: int, *, actor: str, now: int, today: dt.date) -> int:
    """Begin a report, or take one that is not issued back to open; `actor` is its preparer. Return its number."""
    with report_make.refused():
        require_begun(began, today)
    row = newest(connection, kind, began)
    if row is not None and row.state in {PUBLISHED, RESTATED}:
        raise ReportError(
            f"{kind} {financial_year_label(began)} is published as report {row.id}; restate it: "
            f"`roadworthy report restate {row.id} --reason ...`"
        )
    step = _step(OPEN, actor, now)
    if row is None:
        values = _new(kind, began, step, simulated=is_simulated(connection))
        number = int(
            connection.execute(
                insert(carbon_reports).values(values).returning(carbon_reports.c.id)
            ).scalar_one()
        )
    else:
        number = row.id
        if row.state == OPEN:
            raise ReportError(f"report {number} is open already; enter journals, then have it reviewed")
        _move(connection, row, OPEN, step, content=None)
    _record(connection, "prepare", number, kind, began, actor, now)
    return number


def _new(kind: str, began: int, step: Mapping[str, Any], *, simulated: bool, **more: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "year": began,
        "state": OPEN,
        "steps": [step],
        "simulated": simulated,
        "made_at": step["at"],
        "made_by": step["person"],
        **more,
    }


def _step(state: str, actor: str, now: int, remark: str = "") -> dict[str, Any]:
    return {"state": state, "person": actor[:128], "at": now, "remark": _text(remark, "remark", least=0)}


def _text(text: str, what: str, *, least: int = _LEAST_REASON) -> str:
    found = " ".join(text.split())
    if not least <= len(found) <= _MOST_TEXT or not found.isprintable():
        raise ReportError(f"{what}: give one line of {least} to {_MOST_TEXT} characters")
    return found


def _move(connection: Connection, row: Row[Any], state: str, step: Mapping[str, Any], **values: Any) -> None:
    """Write a step, unless somebody else was faster."""
    mine = update(carbon_reports).where(carbon_reports.c.id == row.id, carbon_reports.c.state == row.state)
    done = connection.execute(mine.values(state=state, steps=[*row.steps, step], **values))
    if done.rowcount != 1:
        raise ReportError(f"report {row.id} is not {row.state} any more; look again")


def _record(
    connection: Connection, what: str, number: int, kind: str, began: int, actor: str, now: int, **detail: Any
) -> None:
    subject = f"report {number}"
    told = {"kind": kind, "year": financial_year_label(began), **detail}
    audit.record(connection, now, actor, f"report.{what}", subject, told)


def _same(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def people(row: Any) -> dict[str, set[str]]:
    """Return who did what since the report was last opened: {state: people, by name in small letters}."""
    found: dict[str, set[str]] = {}
    for step in row.steps:
        if step["state"] == OPEN:
            found = {}
        found.setdefault(step["state"], set()).add(step["person"].strip().casefold())
    return found


def _journalists(connection: Connection, number: int) -> set[str]:
    names = connection.scalars(select(carbon_journals.c.made_by).where(carbon_journals.c.report == number))
    return {name.strip().casefold() for name in names}


def may(connection: Connection, reader: Reader, row: Any, step: str) -> bool:
    """Return whether `reader` may take a step: the reviewer is not the preparer, the approver neither of them.

    Who entered a journal prepared a part, and neither reviews nor approves.
    """
    if not reader.signed_in or reader.scope is not None:
        return False
    did = people(row)
    name = reader.name.strip().casefold()
    prepared = did.get(OPEN, set()) | _journalists(connection, row.id)
    if step == "review":
        return name not in prepared and (reader.may(Right.PREPARE_CARBON) or reader.may(Right.APPROVE))
    if step == "approve":
        own = prepared | did.get(PROVISIONAL, set()) | did.get(CLOSED, set())
        return all(may_approve(reader, one) for one in own) and bool(own)
    return reader.may(Right.PREPARE_CARBON)


def _checked(connection: Connection, number: int, step: str, reader: Reader) -> Row[Any]:
    row = find(connection, number, lock=True)
    needed, _ = STEPS[step]
    if row.state != needed:
        raise ReportError(f"report {number} is {row.state}; to {step} it, it has to be {needed}")
    if not may(connection, reader, row, step):
        raise ReportError(
            f"report {number}: this step is not yours. Preparer (and who entered journals), reviewer and approver are "
            "three different people, and only an approver approves"
        )
    return row


def review(connection: Connection, number: int, reader: Reader, *, now: int, remark: str = "") -> None:
    """Say that a second person has looked at the figures: provisional from now on."""
    row = _checked(connection, number, "review", reader)
    _move(connection, row, PROVISIONAL, _step(PROVISIONAL, reader.name, now, remark))
    _record(connection, "review", number, row.kind, row.year, reader.name, now)


def approve(connection: Connection, number: int, reader: Reader, *, now: int, remark: str = "") -> None:
    """Approve a closed report."""
    row = _checked(connection, number, "approve", reader)
    _move(connection, row, APPROVED, _step(APPROVED, reader.name, now, remark))
    _record(connection, "approve", number, row.kind, row.year, reader.name, now)


def journal(
    connection: Connection, number: int, line: str, kwh: Fraction, reason: str, *, actor: str, now: int
) -> None:
    """Enter an adjustment of a line, in kWh with at most three decimals; a reviewed report has to be reviewed again."""
    row = find(connection, number, lock=True)
    if row.state not in _LIVE:
        raise ReportError(f"report {number} is {row.state}; adjustments are entered before it is closed")
    if (why := report_journals.refusal(connection, row.kind, line)) is not None:
        raise ReportError(why)
    thousandths = kwh * JOURNAL_SCALE
    if thousandths.denominator != 1 or not 0 < abs(kwh) <= _MOST_KWH:
        raise ReportError("an adjustment is some kWh, not nought, with at most three decimals")
    values = {
        "report": number,
        "line": line,
        "kwh_thousandths": int(thousandths),
        "reason": _text(reason, "reason"),
        "made_at": now,
        "made_by": actor[:128],
    }
    connection.execute(insert(carbon_journals).values(values))
    if row.state == PROVISIONAL:
        _move(connection, row, OPEN, _step(OPEN, row.steps[0]["person"], now, "opened by a journal"))
    _record(
        connection,
        "journal",
        number,
        row.kind,
        row.year,
        actor,
        now,
        line=line,
        kwh=float(kwh),
        reason=values["reason"],
    )


def parse_kwh(text: str) -> Fraction:
    """Return kWh of `-1250` or `1,250.5`; ReportError where it is none."""
    try:
        found = (
            Fraction(text.strip().replace(",", ""))
            if len(text) <= 40 and "/" not in text and "e" not in text.lower()
            else None
        )
    except ValueError:
        found = None
    if found is None:
        raise ReportError(f"{text[:40]!r}: is no number of kWh; write 1250 or -12.5")
    return found


def close(
    engine: Engine,
    settings: Settings,
    number: int,
    reader: Reader,
    *,
    now: float,
    online: bool = False,
    remark: str = "",
) -> None:
    """Freeze the figures and the rows behind them. Takes minutes where there are very many devices.

    Raises ReportError: the year is not over, not yours, too large for a request (`online`), or the ledger was made
    anew meanwhile.
    """
    zone = settings.reporting_timezone
    with engine.connect() as connection:
        row = _checked(connection, number, "close", reader)
        connection.rollback()
        _ensure_whole(connection, row, local_day(now, zone))
        period = estate.financial_year(row.year)
        held = estate.read(connection, period)
        if online and held.total.days > MOST_DEVICE_DAYS_ONLINE:
            raise ReportError(
                f"{held.total.days:,} device-days are more than a page waits for; on the collector's machine run: "
                f"roadworthy report close {number}"
            )
        gathered = report_reading.gathered(connection, row, zone=zone, now=now)
    made = report_make.worked_out(gathered).as_json()
    rows, digest, by_place = pack.collect(engine, settings, gathered, made)
    # Who approves the report approves these rows behind it.
    made["rules"][EVIDENCE] = digest
    try:
        _ensure_same(made, by_place)
        with write_transaction(engine) as connection:
            row = _checked(connection, number, "close", reader)
            _move(connection, row, CLOSED, _step(CLOSED, reader.name, int(now), remark), content=made)
            target = pack.collected_folder(settings, number)
            shutil.rmtree(target, ignore_errors=True)
            rows.replace(target)
            _record(connection, "close", number, row.kind, row.year, reader.name, int(now))
    finally:
        shutil.rmtree(rows, ignore_errors=True)


def _ensure_whole(connection: Connection, row: Any, today: dt.date) -> None:
    """Raise ReportError where figures would be frozen that are still on their way, or by a rule nobody chose."""
    if not report_make.has_ended(row.year, today):
        raise ReportError(f"{financial_year_label(row.year)} is not over; it is closed after 31 March")
    if waiting := report_make.pending_months(connection, row.year, today):
        raise ReportError(
            f"the energy ledger of {', '.join(waiting)} is not closed yet: the jobs process makes about a month a minute, "
            "so close the report later"
        )
    # CRC stands on supplies alone; the others print what the ledger has of the year before.
    if row.kind != "crc" and (waiting := report_make.pending_months(connection, row.year - 1, today)):
        raise ReportError(
            f"the year before stands beside it and is still being made ({', '.join(waiting)}): close the report later"
        )
    if row.kind == "secr":
        settings_edition.settings(connection).require_rule()


def _ensure_same(content: Mapping[str, Any], by_place: Mapping[str, int]) -> None:
    """Raise ReportError where the rows that were collected are not those the figures were made of."""
    for line in content["lines"]:
        if line["ledger"]:
            joules = sum(by_place.get(place, 0) for place in line["ledger"])
            if Fraction(joules, 3_600_000) != Fraction(line["kwh"]):
                raise ReportError(
                    "the energy ledger was made anew meanwhile; close the report again in a minute"
                )


def publish(
    engine: Engine,
    settings: Settings,
    number: int,
    reader: Reader,
    *,
    now: float,
    pdf: Callable[[Mapping[str, Any], Frame], bytes],
    remark: str = "",
) -> str:
    """Issue an approved report: seal its evidence pack, and put the one it restates out of force. Return the pack's name.

    Raises ReportError: simulated data, or a provisional factor.
    """
    with engine.connect() as connection:
        row = _checked(connection, number, "publish", reader)
        connection.rollback()
        _ensure_issuable(connection, row)
        pack.ensure_unnamed(connection, settings, number, row.content)
        step = _step(PUBLISHED, reader.name, int(now), remark)
        steps = [*row.steps, step]
        contacts = settings_edition.settings(connection).contacts
        about = About(settings.protective_marking, frame(connection, row, "").restates, contacts)
    shown = Frame(about.marking, PUBLISHED, number, steps, about.restates)
    drawn = pdf(pack.as_sealed(row.content), shown)
    name, digest = pack.seal(settings, number, row.content, steps, about=about, pdf=drawn, now=int(now))
    with write_transaction(engine) as connection:
        row = _checked(connection, number, "publish", reader)
        _ensure_issuable(connection, row)
        _move(connection, row, PUBLISHED, step, pack_name=name, pack_sha256=digest)
        if row.restates is not None:
            old = find(connection, row.restates, lock=True)
            _move(connection, old, RESTATED, _step(RESTATED, reader.name, int(now), f"by report {number}"))
        _record(
            connection, "publish", number, row.kind, row.year, reader.name, int(now), pack=name, sha256=digest
        )
    pack.forget_rows(settings, number)
    return name


def _ensure_issuable(connection: Connection, row: Any) -> None:
    if row.simulated or row.content["simulated"] or is_simulated(connection):
        raise ReportError(f"report {row.id} is of a simulated IT estate: it is watermarked and never issued")
    if row.content["provisional"]:
        sets = ", ".join(row.content["provisional"])
        raise ReportError(
            f"report {row.id} rests on a provisional factor set ({sets}): load the official file with `roadworthy carbon "
            "factors`, have it confirmed, then prepare the report again"
        )


def restate(connection: Connection, number: int, reason: str, *, actor: str, now: int) -> int:
    """Begin a report in the place of a published one, which stays in force until the new one is; return its number."""
    row = find(connection, number, lock=True)
    if row.state != PUBLISHED:
        raise ReportError(f"report {number} is {row.state}; only a published report is restated")
    waiting = connection.scalar(select(carbon_reports.c.id).where(carbon_reports.c.restates == number))
    if waiting is not None:
        raise ReportError(f"report {number} is being restated already, by report {waiting}")
    because = _text(reason, "reason")
    values = _new(
        row.kind,
        row.year,
        _step(OPEN, actor, now),
        simulated=is_simulated(connection),
        restates=number,
        restated_because=because,
    )
    found = int(
        connection.execute(insert(carbon_reports).values(values).returning(carbon_reports.c.id)).scalar_one()
    )
    for one in journals(connection, number):
        connection.execute(insert(carbon_journals).values(one | {"report": found}))
    _record(connection, "restate", found, row.kind, row.year, actor, now, restates=number, reason=because)
    return found
