"""A replacement plan: made from the register and the user's file, kept with its inputs and reasons, shown and exported.

The last plan is kept in pieces under `plan.<when>.<number>`, each with items of one action in order of tag, and
`plan` says which pieces there are. `plan` is written last, so a page never sees half a plan.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from math import isnan
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, Engine, delete, select

from roadworthy_collector.books import figures, plan_lists
from roadworthy_collector.books.plan_inputs import Inputs, plan_devices, read_items
from roadworthy_collector.books.plan_text import Budget, parse_plan
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.store.books_schema import book_figures
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries import audit
from roadworthy_inventory.replacement_inputs import PlanInputError, Range

if TYPE_CHECKING:  # with numpy, which programs that make no plan need not load
    from roadworthy_inventory.replacement import Decision, Plan
    from roadworthy_inventory.replacement_stability import Stability
    from roadworthy_inventory.replacement_totals import Total

FIGURE = "plan"
ACTIONS = ("replace", "ssd", "ram", "battery", "keep", "fixed", "apart", "no_offer")
ACTION_WORDS = {
    "replace": "replace",
    "ssd": "fit an SSD",
    "ram": "add memory",
    "battery": "new battery",
    "keep": "keep",
    "fixed": "held by a lease or an exception",
    "apart": "net cannot be told",
    "no_offer": "nothing offered fits",
}
RUNS = 20
_FORMAT = 1
_PIECE = 200  # items a row of figures: some tens of kilobytes, written in milliseconds
_MODELS = 200
_STABILITY_SECONDS = 60.0
Progress = Callable[[str, int], None]


class PlanError(RoadworthyError):
    """A plan that cannot be made or shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked for: the file's text, what goes before it, how many runs of stability, and by whom."""

    text: str
    budget: Budget
    runs: int = RUNS
    actor: str = "command line"


def run(
    engine: Engine,
    asked: Asked,
    *,
    now: float,
    on: date,
    progress: Progress = lambda _what, _count: None,
    most_items: int | None = None,
) -> dict[str, Any]:
    """Make a plan as of the day `on`, keep it, and return its summary.

    Raises PlanTextError for a file that is wrong, PlanError where there is nothing to plan, or more than `most_items`.
    """
    from roadworthy_inventory.replacement import make_plan
    from roadworthy_inventory.replacement_stability import stability

    began = time.perf_counter()
    text = parse_plan(asked.text, asked.budget, on)
    with engine.connect() as connection:
        read = read_items(connection, text, now, on, progress)
    if not read.items:
        raise PlanError(
            "the register has no item in the plan's scope; import one (`roadworthy register import`), or widen [scope]"
        )
    if most_items is not None and len(read.items) > most_items:
        raise PlanError(
            f"{len(read.items):,} items are more than are planned while somebody waits ({most_items:,}); "
            "have it made by the jobs process, or use `roadworthy plan run`"
        )
    inputs = plan_devices(read.items, text, on)
    try:
        plan = make_plan(inputs.devices, [one.offer for one in text.options], text.terms, on)
    except PlanInputError as error:
        raise PlanError(str(error)) from None
    progress("items planned", len(read.items))
    deadline = began + _STABILITY_SECONDS
    sure = stability(plan, runs=asked.runs, seed=1, go_on=lambda: time.perf_counter() < deadline)
    progress("runs with inputs that vary", sure.runs)
    summary = _summary(plan, sure, inputs, asked, on)
    summary |= {"left_out": dict(read.left_out), "left_out_at": read.left_out_at}
    lists = plan_lists.make(read, text, replaced=_replaced(plan))
    _keep(engine, summary, _rows(plan, sure, inputs, progress), now, began, asked.actor)
    plan_lists.keep(engine, lists, now)
    return summary


def _replaced(plan: Plan) -> set[str]:
    return {one.tag for one in plan.decisions() if one.action == "replace"}


def _told(found: Range | None) -> list[float] | None:
    """Return a range as a list, None where it is not known."""
    return None if found is None or found.likely != found.likely else [float(part) for part in found]


def _summary(plan: Plan, sure: Stability, inputs: Inputs, asked: Asked, on: date) -> dict[str, Any]:
    from roadworthy_inventory.replacement_totals import by_model, estate

    terms = plan.book.terms
    return {
        "format": _FORMAT,
        "on": on.isoformat(),
        "made_by": asked.actor,
        "text": asked.text,
        "budget": asdict(asked.budget),
        "items": len(plan.book.devices),
        "counts": plan.counts,
        "net_pence": plan.net_pence,
        "bound_pence": plan.bound_pence,
        "gap_ratio": plan.gap_ratio,
        "known": inputs.known,
        "years": [terms.year_name(year) for year in range(terms.years)],
        "horizon_years": terms.horizon_years,
        "lots": terms.lots,
        "weights": asdict(terms.weights),
        "uses": [asdict(use) | {"year": terms.year_name(use.year)} for use in plan.uses()],
        "estate": _total(estate(plan)),
        "models": [_total(one) for one in by_model(plan)[:_MODELS]],
        "stability": {
            "runs": sure.runs,
            "least_net_pence": sure.least_net_pence,
            "most_net_pence": sure.most_net_pence,
        },
    }


def _total(one: Total) -> dict[str, Any]:
    return {
        "group": one.group,
        "devices": one.devices,
        "counts": one.counts,
        "figures": {name: _told(found) for name, found in one.figures.items()},
        "unknown": one.unknown,
        "embodied_kgco2e": _told(one.embodied_kgco2e),
        "embodied_unknown": one.embodied_unknown,
    }


class _Row(NamedTuple):
    action: str
    content: dict[str, Any]


def _rows(plan: Plan, sure: Stability, inputs: Inputs, progress: Progress) -> list[_Row]:
    """Return every item with what is to be done, why, and what that was made from."""
    from roadworthy_inventory.replacement_reasons import why

    found = []
    uses = [plan.use_of(kind) for kind in range(3)]
    for place, one in enumerate(plan.decisions()):
        reason = why(plan, place)
        action = one.action if one.status == "decided" else one.status
        content = _decision(one, plan) | {
            "serial": plan.book.devices[place].serial,
            "unit": plan.book.devices[place].unit,
            "stays_ratio": sure.stays_ratio(plan, place),
            "code": reason.code,
            "why": reason.text,
            "carbon": reason.carbon,
            "inputs": {
                name: _told(getattr(plan.book.devices[place], f"{name}"))
                for name in ("support_pence", "hours", "kwh")
            },
            "how_kwh": inputs.how[one.tag]["electricity"],
            "how": inputs.how[one.tag],
            "spends": None if one.offer is None else _spends(plan, int(plan.offers[place]), uses),
        }
        found.append(_Row(action, content))
        if (place + 1) % 1_000 == 0:
            progress("reasons written", place + 1)
    found.sort(key=lambda row: (ACTIONS.index(row.action), row.content["tag"]))
    return found


def _spends(plan: Plan, offer: int, uses: Sequence[Any]) -> dict[str, Any]:
    """Return what an offer uses of the limits: pence, installations, a stock; `embodied` None where it is not known."""
    from roadworthy_inventory.replacement_book import LIKELY

    making = float(plan.book.prices[LIKELY, 2][offer])
    found: dict[str, Any] = {
        name: int(of[offer]) for name, of in zip(("capital", "revenue", "installations"), uses, strict=True)
    }
    return found | {"stock": plan.book.offers[offer].stock, "embodied": None if isnan(making) else making}


def _decision(one: Decision, plan: Plan) -> dict[str, Any]:
    return {
        "tag": one.tag,
        "model": one.model,
        "site": one.site,
        "status": one.status,
        "action": one.action,
        "offer": one.offer,
        "year": None if one.year is None else plan.book.terms.year_name(one.year),
        "figures": {name: _told(found) for name, found in one.figures.items()},
        "missing": list(one.missing),
    }


def _keep(
    engine: Engine, summary: dict[str, Any], rows: list[_Row], now: float, began: float, actor: str
) -> None:
    """Write the pieces, then the summary that names them, then let the pieces of the plan before go."""
    with engine.connect() as connection:
        old = figures.read(connection, FIGURE)
    # A name no piece in use has, also where two plans are made within a second.
    mark = f"{int(now)}.{(old[0].get('turn', 0) if old else 0) + 1}"
    pieces: list[dict[str, Any]] = []
    for action in ACTIONS:
        some = [row.content for row in rows if row.action == action]
        for begin in range(0, len(some), _PIECE):
            part = some[begin : begin + _PIECE]
            name = f"plan.{mark}.{len(pieces)}"
            with write_transaction(engine) as connection:
                figures.write(connection, name, part, now, 0.0)
            pieces.append(
                {
                    "name": name,
                    "action": action,
                    "first": part[0]["tag"],
                    "last": part[-1]["tag"],
                    "items": len(part),
                }
            )
    summary["pieces"] = pieces
    summary["turn"] = (old[0].get("turn", 0) if old else 0) + 1
    with write_transaction(engine) as connection:
        figures.write(connection, FIGURE, summary, now, time.perf_counter() - began)
        detail = {"items": summary["items"], "counts": summary["counts"], "net_pence": summary["net_pence"]}
        audit.record(connection, int(now), actor, "plan.run", None, detail)
    _forget(engine, {piece["name"] for piece in pieces})


def _forget(engine: Engine, kept: set[str]) -> None:
    """Delete pieces no summary names, some at a time."""
    with engine.connect() as connection:
        query = select(book_figures.c.name).where(book_figures.c.name.like("plan.%.%"))
        old = [name for name in connection.scalars(query) if name not in kept and _is_piece(name)]
    for begin in range(0, len(old), 20):
        with write_transaction(engine) as connection:
            connection.execute(delete(book_figures).where(book_figures.c.name.in_(old[begin : begin + 20])))


def _is_piece(name: str) -> bool:
    return all(part.isdecimal() for part in name.split(".")[1:])


def last(connection: Connection) -> tuple[dict[str, Any], int] | None:
    """Return the summary of the last plan and when it was made; None where there is none."""
    found = figures.read(connection, FIGURE)
    return None if found is None or found[0].get("format") != _FORMAT else found


def require(connection: Connection) -> tuple[dict[str, Any], int]:
    """Return the last plan; NotFoundError where there is none."""
    found = last(connection)
    if found is None:
        raise NotFoundError(
            "there is no plan yet; `roadworthy plan example > plan.toml`, edit it, `roadworthy plan run plan.toml`"
        )
    return found


def items(
    connection: Connection, summary: Mapping[str, Any], action: str | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the items of the plan, of one of ACTIONS or of all, in its order."""
    for piece in summary["pieces"]:
        if action is None or piece["action"] == action:
            found = figures.read(connection, piece["name"])
            yield from found[0] if found is not None else ()


def page(
    connection: Connection, summary: Mapping[str, Any], action: str | None, offset: int, limit: int
) -> tuple[list[dict[str, Any]], int]:
    """Return some items from `offset` on, and how many there are; only the pieces needed are read."""
    pieces = [piece for piece in summary["pieces"] if action in (None, piece["action"])]
    total = sum(piece["items"] for piece in pieces)
    found: list[dict[str, Any]] = []
    before = skipped = 0  # items in the pieces gone by, and in those of them that were not read
    for piece in pieces:
        if before + piece["items"] <= offset:
            skipped += piece["items"]
        elif before < offset + limit:
            held = figures.read(connection, piece["name"])
            found += held[0] if held is not None else []
        before += piece["items"]
    return found[offset - skipped : offset - skipped + limit], total


def item(connection: Connection, summary: Mapping[str, Any], tag: str) -> dict[str, Any]:
    """Return one item with its reason; NotFoundError where the plan has none of that tag."""
    for piece in summary["pieces"]:
        if piece["first"] <= tag <= piece["last"]:
            found = figures.read(connection, piece["name"])
            for one in found[0] if found is not None else ():
                if one["tag"] == tag:
                    return dict(one)
    raise NotFoundError(f"{tag}: the last plan has no item of that tag")
