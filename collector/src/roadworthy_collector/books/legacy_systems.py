"""Systems as the risk framework for legacy IT sees them: evidence, people's scores beside it, and the register as rows.

A score is a person's: nothing here makes one. A criterion without a score is unsigned and said to be.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select, true

from roadworthy_collector.books import figures
from roadworthy_collector.books.cost_lines import counts
from roadworthy_collector.books.legacy_run import FIGURE, of_json, system_name
from roadworthy_collector.books.places import Places
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.store.books_schema import batches, contracts, system_scores, systems
from roadworthy_collector.store.queries import audit
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_collector.store.statements import upsert
from roadworthy_inventory import legacy_scores
from roadworthy_inventory.legacy_scores import (
    IMPACT,
    LIKELIHOOD,
    Assessment,
    ScoreError,
    Suggestion,
    framework,
)

CODES = (*LIKELIHOOD, *IMPACT)
STANDINGS = ("legacy", "not_legacy", "unknown", "no_devices")
FILTERS = ("standing", "search", "unsigned", "red")  # of the page, and of the register as a file
UNSIGNED = "unsigned"
PAGE = 50
REMARK_LENGTH = 500
SEARCH_LENGTH = 128


class Score(NamedTuple):
    """What somebody said of one criterion; `current` is False where it was by another version of the framework."""

    criterion: str
    score: int
    remark: str | None
    assessor: str
    assessed_on: str
    framework: str
    current: bool


@dataclass(frozen=True, slots=True)
class System:
    """A system with what its devices show and what people said.

    `states` counts devices that are legacy, not legacy, unknown or without an operating system (not_applicable);
    `bands` is their ageing, apart from it.
    `concerned` is, per criterion, the most devices one kind of evidence concerns.
    """

    id: int
    name: str
    kind: str
    unit: str | None
    devices: int
    states: Mapping[str, int]
    bands: Mapping[str, int]
    concerned: Mapping[str, int]
    scores: tuple[Score, ...]

    @property
    def standing(self) -> str:
        """One of STANDINGS, by evidence: legacy where a device is, unknown where none is and one may be."""
        if not self.devices:
            return "no_devices"
        if self.states.get("legacy"):
            return "legacy"
        known = self.states.get("not_legacy") and not self.states.get("unknown")
        return "not_legacy" if known else "unknown"

    @property
    def assessment(self) -> Assessment:
        """What people signed by the framework in force."""
        signed = [one for one in self.scores if one.current]
        return Assessment(
            self.name,
            {one.criterion: one.score for one in signed},
            "; ".join(sorted({one.assessor for one in signed})) or None,
            max((dt.date.fromisoformat(one.assessed_on) for one in signed), default=None),
        )

    @property
    def unsigned(self) -> tuple[str, ...]:
        """The criteria nobody signed by the framework in force."""
        signed = {one.criterion for one in self.scores if one.current}
        return tuple(code for code in CODES if code not in signed)


class Page(NamedTuple):
    """Systems by name; `next` is the row id the next page begins after, None on the last one."""

    rows: list[System]
    next: int | None


class Summary(NamedTuple):
    """Counts over the systems a reader may see; None times where nothing was worked out."""

    made_at: int | None
    on: str | None
    systems: int
    standings: dict[str, int]
    signed: int
    unsigned: int
    complete: int
    red_rated: int
    without_system: dict[str, int]


def version() -> str:
    """Return the framework's name and version, as scores keep it."""
    return f"{framework().name}, {framework().version}"[:64]


def summarise(connection: Connection, scope: Scope = EVERYTHING) -> Summary:
    """Return how many systems stand how, and how many criteria are signed."""
    held = figures.read(connection, FIGURE)
    found = _read(connection, held, _mine(scope))
    standings = dict.fromkeys(STANDINGS, 0)
    unsigned = complete = red = 0
    for one in found:
        standings[one.standing] += 1
        unsigned += len(one.unsigned)
        result = legacy_scores.result(one.assessment)
        complete += result is not None
        red += _is_red(one)
    return Summary(
        None if held is None else held[1],
        None if held is None else held[0]["on"],
        len(found),
        standings,
        len(found) * len(CODES) - unsigned,
        unsigned,
        complete,
        red,
        dict(held[0]["without_system"]) if held is not None and scope is None else {},
    )


def _is_red(one: System) -> bool:
    result = legacy_scores.result(one.assessment)
    return result is not None and result.is_red_rated


def list_systems(
    connection: Connection,
    *,
    standing: str = "",
    search: str = "",
    unsigned: bool = False,
    red_rated: bool = False,
    after: int = 0,
    limit: int = PAGE,
    scope: Scope = EVERYTHING,
) -> Page:
    """Return a page of systems by row id, of one standing, with something unsigned or red-rated if said."""
    begins = search.replace("\0", "")[:SEARCH_LENGTH].strip().lower()
    wanted = and_(_mine(scope), systems.c.id > after)
    if begins:
        wanted = and_(wanted, func.lower(systems.c.name).contains(begins, autoescape=True))
    found = [
        one
        for one in _read(connection, figures.read(connection, FIGURE), wanted)
        if (not standing or one.standing == standing)
        and (not unsigned or one.unsigned)
        and (not red_rated or _is_red(one))
    ]
    return Page(found[:limit], found[limit - 1].id if len(found) > limit else None)


def find(connection: Connection, name: str, scope: Scope = EVERYTHING) -> System:
    """Return the system of this name, whatever its letter case; NotFoundError where there is none within `scope`."""
    wanted = and_(func.lower(systems.c.name) == name.replace("\0", "").strip().lower(), _mine(scope))
    found = _read(connection, figures.read(connection, FIGURE), wanted)
    if not found:
        raise NotFoundError(f"{name}: there is no system of this name")
    return found[0]


def get(connection: Connection, system: int, scope: Scope = EVERYTHING) -> System:
    """Return the system of this row id; NotFoundError where there is none within `scope`."""
    found = _read(connection, figures.read(connection, FIGURE), and_(systems.c.id == system, _mine(scope)))
    if not found:
        raise NotFoundError("there is no such system")
    return found[0]


def evidence(connection: Connection, system: int) -> list[dict[str, Any]]:
    """Return what the system's devices show, by criterion; empty where nothing was worked out."""
    held = figures.read(connection, system_name(system))
    return [] if held is None else list(held[0])


def suggestions(told: Sequence[Mapping[str, Any]], on: dt.date) -> dict[str, Suggestion]:
    """Return what evidence would give, by criterion: suggestions, never scores."""
    return {one.code: one for one in legacy_scores.suggestions([of_json("", one) for one in told], on)}


def contracts_of(connection: Connection, system: int) -> list[dict[str, Any]]:
    """Return the contracts of a system, the one that ends first at the top."""
    names = ("reference", "name", "supplier", "starts", "ends", "notice", "replaced_by")
    query = (
        select(*(contracts.c[name] for name in names))
        .join(batches, batches.c.id == contracts.c.batch)
        .where(contracts.c.system == system, counts())
        .order_by(contracts.c.ends, contracts.c.id)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def _mine(scope: Scope) -> ColumnElement[bool]:
    """Return the condition that keeps systems a reader may see; one of no unit is the whole estate's."""
    return true() if scope is None else systems.c.unit.in_(sorted(scope))


def _read(connection: Connection, held: tuple[Any, int] | None, wanted: ColumnElement[bool]) -> list[System]:
    places = Places(connection)
    told = {} if held is None else held[0]["systems"]
    scores: dict[int, list[Score]] = {}
    now = version()
    query = select(system_scores).join(systems, systems.c.id == system_scores.c.system).where(wanted)
    for row in connection.execute(query):
        one = Score(
            *(row.criterion, row.score, row.remark, row.assessor, row.assessed_on, row.framework),
            row.framework == now and row.criterion in CODES,
        )
        scores.setdefault(row.system, []).append(one)
    found = []
    for row in connection.execute(select(systems).where(wanted).order_by(systems.c.id)):
        of = told.get(str(row.id), {})
        mine = sorted(scores.get(row.id, ()), key=lambda one: _place(one.criterion))
        found.append(
            System(
                *(row.id, row.name, row.kind, places.unit_path(row.unit), of.get("devices", 0)),
                *(of.get("states", {}), of.get("bands", {}), of.get("concerned", {}), tuple(mine)),
            )
        )
    return found


def _place(code: str) -> int:
    return CODES.index(code) if code in CODES else len(CODES)


# --- people's scores ----------------------------------------------------------------------------------------


class Said(NamedTuple):
    """A score somebody gives: likelihood L1 to L7 from 1 to 6, impact C1 to C6 from 1 to 5."""

    criterion: str
    score: int
    remark: str | None = None


def score(
    connection: Connection,
    system: int,
    said: Said,
    *,
    today: dt.date,
    now: int,
    actor: str,
    scope: Scope = EVERYTHING,
) -> System:
    """Sign a criterion as `actor`, today; what was said before is replaced, and both are in the audit."""
    found = get(connection, system, scope)
    code = said.criterion.strip().upper()
    try:
        Assessment(found.name, {code: said.score})
    except ScoreError as error:
        raise RoadworthyError(str(error)) from None
    remark = " ".join((said.remark or "").split()) or None
    if remark is not None and (len(remark) > REMARK_LENGTH or not remark.isprintable()):
        raise RoadworthyError(f"a remark is at most {REMARK_LENGTH} printable characters")
    row = {
        "system": system,
        "criterion": code,
        "framework": version(),
        "score": said.score,
        "remark": remark,
        "assessor": actor[:128],
        "assessed_on": today.isoformat(),
    }
    before = next((one for one in found.scores if one.criterion == code), None)
    connection.execute(upsert(system_scores), row)
    detail = {
        "criterion": code,
        "score": said.score,
        "before": None if before is None else before.score,
        "framework": version(),
    }
    audit.record(connection, now, actor, "legacy.score", found.name, detail)
    return get(connection, system, scope)


def withdraw(
    connection: Connection, system: int, criterion: str, *, now: int, actor: str, scope: Scope = EVERYTHING
) -> None:
    """Take a score back: the criterion is unsigned again. NotFoundError where there is none."""
    found, code = get(connection, system, scope), criterion.strip().upper()
    held = next((one for one in found.scores if one.criterion == code), None)
    if held is None:
        raise NotFoundError(f"{found.name}: {code} is not signed")
    mine = (system_scores.c.system == system, system_scores.c.criterion == code)
    connection.execute(delete(system_scores).where(*mine))
    detail = {"criterion": code, "score": held.score, "assessor": held.assessor}
    audit.record(connection, now, actor, "legacy.withdraw", found.name, detail)


# --- the framework's register -------------------------------------------------------------------------------

_SUGGESTED = ("L1", "L2", "C5")
COLUMNS = (
    *legacy_scores.FIELDS,
    "Framework",
    "Unsigned Criteria",
    "Scored By Another Version",
    *(f"{code} Suggested, Not Signed" for code in _SUGGESTED),
    *(f"{code} Remark" for code in CODES),
)


def register_rows(connection: Connection, on: dt.date, chosen: Iterable[System]) -> list[dict[str, str]]:
    """Return the rows of the framework's register of `chosen`: scores people signed, `unsigned` where nobody did.

    Suggestions stand in columns of their own, and in the notes with the evidence.
    """
    rows = []
    for one in chosen:
        told = evidence(connection, one.id)
        rolled = [of_json(one.name, each) for each in told]
        advised = suggestions(told, on)
        row = legacy_scores.register_row(one.assessment, rolled, on, {"Department": one.unit or ""})
        for code in one.unsigned:
            row[f"{code} Score"] = UNSIGNED
        row["Framework"] = version()
        row["Unsigned Criteria"] = ", ".join(one.unsigned)
        old = [f"{said.criterion} {said.score} ({said.framework})" for said in one.scores if not said.current]
        row["Scored By Another Version"] = "; ".join(old)
        for code in _SUGGESTED:
            given = advised.get(code)
            row[f"{code} Suggested, Not Signed"] = "" if given is None else f"{given.score}: {given.why}"
        row |= {f"{said.criterion} Remark": said.remark or "" for said in one.scores if said.current}
        rows.append(row)
    return rows
