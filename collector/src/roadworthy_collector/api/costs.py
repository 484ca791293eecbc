"""Cost: `roadworthy costs`."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from datetime import datetime
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, StringConstraints

from roadworthy_collector.api.calls import MAX_ID, PREFIX, Call, Limit, Reason, Sent, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.api.register_models import Problem
from roadworthy_collector.api.uploads import TABLE_BODY, FileName, MappingText, work_on
from roadworthy_collector.books import cost_bridge, cost_import, cost_ready, cost_review, cost_texts, shares
from roadworthy_collector.books.cost_lines import in_force
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.ledger import Measure

router = APIRouter(prefix=PREFIX, tags=["costs"])
# A ledger is of the whole IT estate: whose role holds for some units only has no part of it.
Looker = Annotated[Call, Depends(caller(Right.READ_ESTATE, everywhere=True))]
Preparer = Annotated[Call, Depends(caller(Right.PREPARE_FINANCE, everywhere=True))]
Text = Annotated[str, StringConstraints(min_length=1, max_length=60_000, pattern=r"^[^\x00]*$")]
# A name and no way anywhere: it is what the file is called in a folder of its own.
LineKey = Annotated[str, Path(pattern=r"^[0-9a-f]{24}$")]
# More lines than this are worked out by the jobs process, not while somebody waits.
MOST_LINES = 5_000


class Shares(BaseModel):
    """What `roadworthy costs shares --format json` prints; amounts in pence, ratios of 1.

    `current` is false while what is shown is of before the latest import, rules or correction.
    """

    current: bool
    made_at: int | None
    figures: dict[str, Any] | None


class Line(BaseModel):
    """A line as counted: of a prepaid line the part of the year. `members` {A, B, C: in, out or open}.

    In no share, and the same in all three: committed (prepaid for periods not booked), not_it (a payment that is not
    about IT). `line` names it by its content, whatever file it came in.
    """

    line: str
    year: int
    period: int | None
    pence: int
    cost_centre: str | None
    code: str | None
    description: str | None
    supplier: str | None
    source: str
    source_line: int
    pool: str
    intent: str
    maintenance: str
    legacy: str
    confidence: float
    rule: str | None
    conflicts: list[str]
    corrected_by: str | None
    members: dict[str, str]


class BridgeLine(BaseModel):
    """A line behind the bridge from the ledger to counted cost, and `why` it is there."""

    line: str
    year: int
    period: int | None
    measure: str
    pence: int
    cost_centre: str | None
    code: str | None
    description: str | None
    supplier: str | None
    source: str
    source_line: int
    why: str


class BridgePage(BaseModel):
    """A page of them, the largest sums first; `total` and `pence` of all that match, `next` null on the last one."""

    rows: list[BridgeLine]
    total: int
    pence: int
    next: int | None


class LinesPage(BaseModel):
    """A page of lines, the largest sums first; `total` and `pence` of all that match, `next` null on the last one."""

    rows: list[Line]
    total: int
    pence: int
    next: int | None


class BatchShown(BaseModel):
    """An import that counts; `made_at` in UTC epoch seconds."""

    id: int
    kind: str
    file_name: str | None
    file_sha256: str | None
    made_at: int
    made_by: str
    rows_good: int


class Batches(BaseModel):
    """All of them, oldest first."""

    rows: list[BatchShown]


class ImportedMoney(BaseModel):
    """How an import went; `batch` null where nothing was written, `already` the batch the same file is in as.

    `overlapping` {batch: lines of this file it holds}; `problems` {code: rows}, bad rows by what is wrong with them.
    `bad_rows` and `warned_rows`: the first of each with line and column; `corrections`: a correction file, null of none.
    """

    batch: int | None
    already: int | None
    lines: int
    pence: dict[str, int]
    years: list[int]
    overlapping: dict[int, int]
    replaced: list[int]
    rows_read: int
    rows_bad: int
    problems: dict[str, int]
    warnings: dict[str, int]
    bad_rows: list[Problem]
    warned_rows: list[Problem]
    corrections: str | None
    notes: list[str]


class Undone(BaseModel):
    """How many rows an import had, that went."""

    rows: int


class EditionShown(BaseModel):
    """A text in force: rules or method, TOML. `made_at` null for what ships."""

    content: str
    digest: str
    made_at: int | None
    made_by: str


class Edited(Sent):
    """A text to try or to put in force."""

    content: Text


class Saved(BaseModel):
    """Whether it is new; false where the same was in force."""

    new: bool


class Tried(BaseModel):
    """What rules would change: shares of each year, now and then, and lines that would move."""

    digest: str
    years: dict[str, Any]
    moved: int
    moved_pence: int
    examples: list[dict[str, Any]]


class Corrected(Sent):
    """What a person says of a line."""

    pool: Annotated[str, StringConstraints(max_length=32)]
    intent: Literal["run", "change", "unknown"]
    maintenance: Literal["yes", "no", "unknown"] = "unknown"
    legacy: Literal["yes", "no", "unknown"] = "unknown"
    reason: Reason


def _refreshed(call: Call) -> None:
    shares.refresh(call.engine, call.now, most_lines=MOST_LINES)


@router.get("/costs/shares", summary="Run, maintenance and legacy share", responses=documented())
def show_shares(call: Looker) -> Shares:
    """Shares with bounds by year, cost centre and period; target, benchmarks; payments under their own title."""
    _refreshed(call)
    with call.engine.connect() as connection:
        found = shares.kept(connection)
        current = found is not None and shares.is_current(connection, found[0])
    return Shares(current=current, made_at=found[1] if found else None, figures=found[0] if found else None)


@router.get("/costs/lines", summary="The lines behind a share", responses=documented())
def list_lines(  # noqa: PLR0913, PLR0917 - one argument a parameter of the address
    call: Looker,
    kind: Literal["ledger", "payments"] = "ledger",
    year: Annotated[int | None, Query(ge=0, le=9999, description="The financial year begins in it.")] = None,
    share: Literal["A", "B", "C"] = "B",
    member: Annotated[
        cost_ready.Asked | None, Query(description="counted: in, out or open, which a share is of.")
    ] = None,
    centre: Annotated[str | None, Query(max_length=64)] = None,
    period: Annotated[int | None, Query(ge=0, le=13, description="0: none told.")] = None,
    measure: Measure = "outturn",
    after: Annotated[int, Query(ge=0, le=MAX_ID, description="`next` of the page before.")] = 0,
    limit: Limit = 100,
) -> LinesPage:
    """Lines with the rule and confidence that put each where it is."""
    wanted = cost_review.Wanted(
        kind=kind, year=year, definition=share, member=member, centre=centre, period=period, measure=measure
    )
    with call.engine.connect() as connection:
        found = cost_review.read_lines(connection, wanted, offset=after, limit=limit)
    end = after + len(found.rows)
    rows = [_line(one) for one in found.rows]
    return LinesPage(rows=rows, total=found.total, pence=found.pence, next=end if end < found.total else None)


@router.get("/costs/bridge", summary="The lines behind the bridge", responses=documented())
def list_bridge(
    call: Looker,
    part: cost_bridge.Part = "ledger",
    year: Annotated[int | None, Query(ge=0, le=9999, description="The financial year begins in it.")] = None,
    measure: Measure | None = None,
    centre: Annotated[str | None, Query(max_length=64, description="Empty: none told.")] = None,
    period: Annotated[int | None, Query(ge=0, le=13, description="0: none told.")] = None,
    after: Annotated[int, Query(ge=0, le=MAX_ID, description="`next` of the page before.")] = 0,
    limit: Limit = 100,
) -> BridgePage:
    """Lines as booked, those the basis leaves out with the reason, or what spreading prepaid moved."""
    wanted = cost_bridge.Wanted(part=part, year=year, measure=measure, centre=centre, period=period)
    with call.engine.connect() as connection:
        found = cost_bridge.read_lines(connection, wanted, offset=after, limit=limit)
    end = after + len(found.rows)
    rows = [BridgeLine.model_validate(one._asdict() | {"line": one.key}) for one in found.rows]
    return BridgePage(
        rows=rows, total=found.total, pence=found.pence, next=end if end < found.total else None
    )


def _line(one: cost_review.Shown) -> Line:
    values = one._asdict()
    return Line.model_validate(values | {"line": values.pop("key"), "conflicts": list(one.conflicts)})


@router.put(
    "/costs/lines/{line}",
    summary="Correct what a line pays for",
    status_code=204,
    responses=documented(404, 408, 413),
)
def correct_line(call: Preparer, line: LineKey, sent: Corrected) -> Response:
    """Have a person's word beat every rule, also when the line is imported again."""
    told = cost_review.Said(**sent.model_dump())
    with write_transaction(call.engine) as connection:
        cost_review.correct(connection, line, told, actor=call.actor, now=call.at)
    _refreshed(call)
    return Response(status_code=204)


@router.get("/costs/batches", summary="Imports that count", responses=documented())
def list_batches(call: Looker) -> Batches:
    """Ledgers, payments and contracts imported and not undone."""
    with call.engine.connect() as connection:
        rows = in_force(connection, *cost_import.KINDS)
    return Batches(rows=[BatchShown.model_validate(row._asdict()) for row in rows])


@router.post(
    "/costs/import",
    summary="Import a ledger, payments or contracts",
    responses=documented(408, 413),
    openapi_extra=TABLE_BODY,
)
async def import_money(
    call: Preparer,
    request: Request,
    name: FileName = "upload.csv",
    kind: Literal["ledger", "payments", "contracts"] = "ledger",
    mapping: MappingText = None,
    strict: Annotated[bool | None, Query(description="Without: all or nothing for a ledger only.")] = None,
    dry_run: bool = False,  # noqa: FBT001, FBT002 - a parameter of the address
    overlap: Annotated[
        Literal["refuse", "replace", "keep"], Query(description="Where lines are in already by another file.")
    ] = "refuse",
) -> ImportedMoney:
    """Take the body as the file. The same file again, while it counts, changes nothing."""
    choices = cost_import.Choices(
        kind=kind,
        mapping=cost_import.mapping_of(mapping, "mapping"),
        strict=strict,
        dry_run=dry_run,
        overlap=overlap,
    )
    on = datetime.fromtimestamp(call.now, ZoneInfo(call.settings.reporting_timezone)).date()

    def run(body: bytes) -> ImportedMoney:
        with tempfile.TemporaryDirectory(prefix="roadworthy-") as folder:
            path = FilePath(folder) / name
            path.write_bytes(body)
            done = cost_import.import_file(call.engine, path, choices, actor=call.actor, now=call.at, on=on)
        _refreshed(call)
        return _imported(done)

    return await work_on(request, run)


def _imported(done: cost_import.Outcome) -> ImportedMoney:
    report = done.report
    return ImportedMoney(
        batch=done.batch,
        already=done.already,
        lines=done.lines,
        pence=done.pence,
        years=done.years,
        overlapping=done.overlapping,
        replaced=done.replaced,
        rows_read=0 if report is None else report.rows_read,
        rows_bad=0 if report is None else report.quarantined,
        problems={} if report is None else dict(report.by_code),
        warnings={} if report is None else dict(report.warnings_by_code),
        bad_rows=[] if report is None else [Problem(**asdict(one)) for one in report.problems],
        warned_rows=[] if report is None else [Problem(**asdict(one)) for one in report.warnings],
        corrections=done.corrections,
        notes=[] if report is None else list(report.notes),
    )


@router.post("/costs/batches/{batch}/undo", summary="Undo an import", responses=documented(404, 408, 413))
def undo_batch(call: Preparer, batch: Annotated[int, Path(ge=1, le=MAX_ID)]) -> Undone:
    """Take an import back; what people said of single lines stays."""
    gone = cost_import.undo(call.engine, batch, actor=call.actor, now=call.at)
    _refreshed(call)
    return Undone(rows=gone)


@router.get("/costs/rules", summary="The rules in force", responses=documented())
def show_rules(call: Looker) -> EditionShown:
    """Show what says what a line pays for, TOML."""
    return _edition(call, "cost_rules")


@router.post("/costs/rules/try", summary="Try rules", responses=documented(408, 413))
def try_rules(call: Preparer, sent: Edited) -> Tried:
    """Say what rules would change on the ledger as it is, changing nothing."""
    with call.engine.connect() as connection:
        return Tried.model_validate(cost_review.try_rules(connection, sent.content)._asdict())


@router.put("/costs/rules", summary="Put rules in force", responses=documented(408, 413))
def save_rules(call: Preparer, sent: Edited) -> Saved:
    """Classify by other rules from now on."""
    return _save(call, "cost_rules", sent.content)


@router.get("/costs/method", summary="How cost is counted", responses=documented())
def show_method(call: Looker) -> EditionShown:
    """Show basis, target, control totals, TOML."""
    return _edition(call, "cost_method")


@router.put("/costs/method", summary="Choose how cost is counted", responses=documented(408, 413))
def save_method(call: Preparer, sent: Edited) -> Saved:
    """Choose basis, target and control totals."""
    return _save(call, "cost_method", sent.content)


def _edition(call: Call, which: cost_texts.Which) -> EditionShown:
    with call.engine.connect() as connection:
        held = cost_texts.current(connection, which)._asdict()
    return EditionShown(**{name: held[name] for name in ("content", "digest", "made_at", "made_by")})


def _save(call: Call, which: cost_texts.Which, content: str) -> Saved:
    with write_transaction(call.engine) as connection:
        new = cost_texts.save(connection, which, content, actor=call.actor, now=call.at)
    _refreshed(call)
    return Saved(new=new)
