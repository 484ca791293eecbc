"""Import of money: a general ledger, published supplier payments, contracts; and the undoing of an import.

The file is read whole before anything is written, and its batch is unfinished until its last line is in: half an import
never counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

from sqlalchemy import Connection, Engine, delete, insert, select, update

from roadworthy_collector.books import contract_places
from roadworthy_collector.books.batches import Counts, Source, writing
from roadworthy_collector.books.cost_lines import (
    CONTRACTS,
    LEDGER,
    PAYMENTS,
    CostsError,
    Line,
    counts,
    in_force,
    key_of,
    read_ledger,
    read_payments,
    write,
)
from roadworthy_collector.books.file_scan import scanned
from roadworthy_collector.books.set_aside import correction_text
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.store.books_schema import batches, contracts, ledger_lines
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries import audit
from roadworthy_inventory.contracts import Contract
from roadworthy_inventory.importing.contracts import read_contracts
from roadworthy_inventory.importing.finance import NO_MAPPING, FinanceMapping, flat, parse_mapping
from roadworthy_inventory.importing.items import Import
from roadworthy_inventory.importing.ledgers import read_ledger as parse_ledger
from roadworthy_inventory.importing.payments import read_payments as parse_payments
from roadworthy_inventory.importing.problems import BadRow, ImportRefusedError, Report, StrictRefusedError
from roadworthy_inventory.importing.reading import open_table
from roadworthy_inventory.ledger import LedgerLine

Kind = Literal["ledger", "payments", "contracts"]
KINDS = (LEDGER, PAYMENTS, CONTRACTS)
_PIECE = 400  # lines a transaction: some ten milliseconds
SHOWN_ROWS = 20  # problems named in a message; the correction file has all


class BadRowsError(CostsError):
    """A file that is all or nothing has bad rows; `report` has them, `summary` counts them."""

    def __init__(self, file: str, report: Report, *, corrections: bool) -> None:
        self.report = report
        self.summary = (
            f"{file}: {report.quarantined:,} of {report.rows_read:,} rows are bad, so nothing was kept"
        )
        lines = [f"{self.summary}:"]
        for one in report.problems[:SHOWN_ROWS]:
            column, value = (
                (f"column {one.column}: " if one.column else ""),
                f" ({one.value})" if one.value else "",
            )
            lines.append(f"  line {one.line}: {column}{one.message}{value}")
        if (more := sum(report.by_code.values()) - SHOWN_ROWS) > 0:
            lines.append(f"  and {more:,} more")
        told = "" if corrections else "--corrections FILE writes all of them to a CSV to put right; "
        lines.append(f"Correct them; {told}--no-strict keeps the good rows without them")
        super().__init__("\n".join(lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """How a file is imported. `strict` None is the kind's default: a ledger is all or nothing.

    `overlap`: what to do where lines are in already by another file: refuse, replace the files they came with, or
    keep both.
    """

    kind: Kind
    mapping: FinanceMapping = NO_MAPPING
    strict: bool | None = None
    sheet: str | None = None
    dry_run: bool = False
    overlap: Literal["refuse", "replace", "keep"] = "refuse"
    corrections_to: Path | None = None

    @property
    def is_strict(self) -> bool:
        """Whether one bad row refuses the file."""
        return self.kind == LEDGER if self.strict is None else self.strict


@dataclass(slots=True)
class Outcome:
    """How an import went. `batch` None where nothing was written; `already` the batch the same file is in as.

    `pence`: {measure: sum}, of payments under `payments`. `overlapping`: {batch: lines of this file it holds}.
    `corrections`: a correction file with the rows set aside, None of none.
    """

    batch: int | None = None
    already: int | None = None
    report: Report | None = None
    lines: int = 0
    pence: dict[str, int] = field(default_factory=dict)
    years: list[int] = field(default_factory=list)
    overlapping: dict[int, int] = field(default_factory=dict)
    replaced: list[int] = field(default_factory=list)
    passed_over: int = 0
    corrections: str | None = None


def read_mapping(path: Path | None) -> FinanceMapping:
    """Return the mapping of a TOML file; CostsError where there is none or it is wrong."""
    if path is None:
        return NO_MAPPING
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CostsError(f"{path}: cannot be read ({error}); give the path of a TOML file in UTF-8") from None
    return mapping_of(text, path.name)


def mapping_of(text: str | None, name: str) -> FinanceMapping:
    """Return the mapping of a TOML text; CostsError where it is wrong."""
    try:
        return NO_MAPPING if text is None else parse_mapping(text, name)
    except ImportRefusedError as error:
        raise CostsError(str(error)) from None


def import_file(
    engine: Engine,
    path: Path,
    choices: Choices,
    *,
    actor: str,
    now: int,
    on: date,
    progress: Callable[[str, int], None] = lambda _what, _lines: None,
    name: str | None = None,
) -> Outcome:
    """Import `path`; the same file again, while its batch counts, changes nothing.

    `on`: the day it is of. `name`: what the file was called where it came from. `progress` is told what is being done and how many lines are through. Raises CostsError
    for a file that cannot be taken, with line and column where one can be named.
    """
    digest = _digest(path, name or path.name)
    with engine.connect() as connection:
        same = [one.id for one in in_force(connection, choices.kind) if one.file_sha256 == digest]
    if same:
        found = Outcome(already=same[0])
        if choices.corrections_to is not None:  # the rows it left out are asked for again
            found.corrections = _parse(path, name or path.name, choices, on, progress)[1].corrections
        return found
    values, outcome = _parse(path, name or path.name, choices, on, progress)
    if choices.kind != CONTRACTS:
        _weigh(engine, values, choices, outcome)
    if choices.dry_run:
        return outcome
    _write(engine, values, choices, outcome, _File(name or path.name, digest, actor, now), progress)
    return outcome


def _digest(path: Path, name: str) -> str:
    try:
        with path.open("rb") as stream:
            return scanned(stream, name)
    except OSError as error:
        raise CostsError(f"{path}: cannot be read ({error.strerror}); give the path of an export") from None
    except ImportRefusedError as error:
        raise CostsError(str(error)) from None


def _parse(
    path: Path, name: str, choices: Choices, on: date, progress: Callable[[str, int], None]
) -> tuple[list[Any], Outcome]:
    """Return the values of the file, and the outcome so far; bad rows go to the correction file."""
    bad: list[BadRow] = []
    outcome = Outcome()
    try:
        with path.open("rb") as stream:
            under_way = _open(stream, name, choices, on, bad.append)
            try:
                values = _all(under_way, progress)
            except StrictRefusedError as error:
                _corrections(under_way, bad, choices.corrections_to)
                raise BadRowsError(
                    name, error.report, corrections=choices.corrections_to is not None
                ) from None
            outcome.report = under_way.report()
            outcome.corrections = _corrections(under_way, bad, choices.corrections_to)
    except ImportRefusedError as error:
        raise CostsError(str(error)) from None
    if choices.kind == CONTRACTS:
        kept = [one for one in values if one.kind == "contract"]
        outcome.passed_over = len(values) - len(kept)
        values = kept
    outcome.lines = len(values)
    return values, outcome


def _open(
    stream: BinaryIO, name: str, choices: Choices, on: date, quarantine: Callable[[BadRow], None]
) -> Import:
    table = open_table(stream, name, sheet=choices.sheet)
    readers = {LEDGER: parse_ledger, PAYMENTS: parse_payments, CONTRACTS: read_contracts}
    return readers[choices.kind](
        table, on=on, mapping=choices.mapping, strict=choices.is_strict, quarantine=quarantine
    )


def _all(rows: Import, progress: Callable[[str, int], None]) -> list[Any]:
    found: list[Any] = []
    for value in flat(rows):
        found.append(value)
        if len(found) % 5_000 == 0:
            progress("read", len(found))
    progress("read", len(found))
    return found


def _corrections(rows: Import, bad: Sequence[BadRow], path: Path | None) -> str | None:
    """Return the rows set aside as a file that can be put right and imported by itself, and write it where asked."""
    text = correction_text(rows, bad)
    if text is not None and path is not None:
        write_corrections(path, text)
    return text


def write_corrections(path: Path, text: str) -> None:
    """Write a correction file; CostsError where it cannot be."""
    try:
        with path.open("w", encoding="utf-8-sig", newline="") as stream:
            stream.write(text)
    except OSError as error:
        raise CostsError(
            f"{path}: the correction file cannot be written ({error.strerror}); say --corrections with another place"
        ) from None


def _weigh(engine: Engine, lines: Sequence[Line], choices: Choices, outcome: Outcome) -> None:
    """Sum the lines up, and look which of them are in already by another file."""
    sums: Counter[str] = Counter()
    for line in lines:
        if isinstance(line, LedgerLine):
            sums[line.measure] += line.amount_pence
        else:
            sums[PAYMENTS] += line.cost_pence
    outcome.pence = dict(sums)
    outcome.years = sorted({line.financial_year for line in lines if isinstance(line, LedgerLine)})
    new = Counter(key_of(line) for line in lines)
    with engine.connect() as connection:
        for batch, key in _held_keys(connection, choices.kind):
            if new.get(key, 0) > 0:
                new[key] -= 1
                outcome.overlapping[batch] = outcome.overlapping.get(batch, 0) + 1
    if outcome.overlapping and choices.overlap == "refuse" and not choices.dry_run:
        listed = ", ".join(f"batch {batch} ({count:,})" for batch, count in outcome.overlapping.items())
        raise CostsError(
            f"{sum(outcome.overlapping.values()):,} of {len(lines):,} lines are in already, by {listed}: they would "
            "count twice. Say --replace to undo those imports with this one, or --keep-both where they are other lines"
        )


def _held_keys(connection: Connection, kind: str) -> Iterator[tuple[int, str]]:
    """Yield (batch, key) of the lines that count."""
    query = select(ledger_lines.c.batch).join(batches, batches.c.id == ledger_lines.c.batch)
    query = query.where(batches.c.kind == kind, counts()).order_by(ledger_lines.c.id)
    numbers = connection.scalars(query).all()
    held: Iterable[Line] = read_ledger(connection) if kind == LEDGER else read_payments(connection)
    for batch, line in zip(numbers, held, strict=True):
        yield batch, key_of(line)


class _File(NamedTuple):
    """What the batch says of its file."""

    name: str
    digest: str
    actor: str
    now: int


def _write(
    engine: Engine,
    values: Sequence[Any],
    choices: Choices,
    outcome: Outcome,
    of: _File,
    progress: Callable[[str, int], None],
) -> None:
    report = outcome.report
    counted = Counts(0, 0, 0, {})
    if report is not None:
        counted = Counts(report.rows_read, report.good, report.quarantined, dict(report.by_code))
    outcome.replaced = sorted(outcome.overlapping) if choices.overlap == "replace" else []
    source = Source(choices.kind, choices.kind, of.actor, of.name[:256], of.digest)
    detail: dict[str, Any] = {"kind": choices.kind, "lines": len(values)}
    if outcome.replaced:
        detail["replaced"] = outcome.replaced
    with writing(engine, source, counted, of.now, "costs.import", detail) as batch:
        for begin in range(0, len(values), _PIECE):
            with write_transaction(engine) as connection:
                piece = values[begin : begin + _PIECE]
                if choices.kind == CONTRACTS:
                    _write_contracts(connection, batch, piece, of.now)
                else:
                    write(connection, batch, piece)
            progress("written", min(begin + _PIECE, len(values)))
        if outcome.replaced:
            # In one transaction: never both files at once, and never neither.
            with write_transaction(engine) as connection:
                gone = {"undone_at": of.now, "undone_by": of.actor}
                connection.execute(update(batches).where(batches.c.id.in_(outcome.replaced)).values(**gone))
                connection.execute(update(batches).where(batches.c.id == batch).values(unfinished=False))
    for old in outcome.replaced:
        _forget(engine, old)
    outcome.batch = batch


def _write_contracts(connection: Connection, batch: int, values: Sequence[Contract], now: float) -> None:
    placed = contract_places.placed(connection, values, now)
    rows = [
        {
            **where,
            "batch": batch,
            "reference": one.reference[:64],
            "name": (one.title or one.reference)[:128],
            "supplier": one.supplier and one.supplier[:128],
            "starts": one.start and one.start.isoformat(),
            "ends": one.end and one.end.isoformat(),
            "notice": one.notice and one.notice.isoformat(),
            "value_pence_per_year": one.value_pence_per_year,
        }
        for one, where in zip(values, placed, strict=True)
    ]
    connection.execute(insert(contracts), rows)


def undo(engine: Engine, batch: int, *, actor: str, now: int) -> int:
    """Take an import back and return how many rows went.

    Raises NotFoundError where there is no such import, CostsError where it does not count or is not finished.
    """
    with write_transaction(engine) as connection:
        row = connection.execute(select(batches).where(batches.c.id == batch)).one_or_none()
        if row is None or row.kind not in KINDS:
            raise NotFoundError(
                f"there is no import of money numbered {batch}; `roadworthy costs batches` lists them"
            )
        if row.unfinished:
            raise CostsError(f"batch {batch} is still being written; wait until it is done")
        if row.undone_at is not None:
            raise CostsError(f"batch {batch} does not count any more: it was undone by {row.undone_by}")
        values = {"undone_at": now, "undone_by": actor}
        connection.execute(update(batches).where(batches.c.id == batch).values(**values))
        audit.record(connection, now, actor, "costs.undo", str(batch), {"file": row.file_name})
    return _forget(engine, batch)


def _forget(engine: Engine, batch: int) -> int:
    """Delete the rows of a batch that does not count any more, some at a time."""
    gone = 0
    for table in (ledger_lines, contracts):
        while True:
            with write_transaction(engine) as connection:
                some = select(table.c.id).where(table.c.batch == batch).limit(_PIECE)
                count = connection.execute(delete(table).where(table.c.id.in_(some))).rowcount
            gone += count
            if count < _PIECE:
                break
    return gone
