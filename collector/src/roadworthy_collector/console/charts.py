"""Charts as a page asks for them: what kind and which rows; the jobs process draws (`drawing`, `jobs.charts`).

The serving process never loads the drawing library. A chart is known by the hash of all it is drawn from, so
the same figures are drawn once, and an address never changes its picture. Every page has the same figures in a
table: a chart that is not drawn yet hides nothing.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Engine, select
from sqlalchemy.dialects.postgresql import insert

from roadworthy_collector.console import words
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.schema import charts

# Part of every hash: raise it when `drawing` draws differently, or old pictures stay.
DRAWING = 1
# Text is drawn at its own size: a chart across the page, one beside another, and one for a phone each get their
# own drawing, for a shrunken one could not be read.
FULL, HALF, NARROW = 1120, 520, 330
LABEL_LENGTH = 60
# A chart somebody looks at is marked as asked for again after this long; the jobs process prunes by it.
_ASK_AGAIN_SECONDS = 3600


class Figure(NamedTuple):
    """Where a chart's two drawings are to be had."""

    wide: str
    narrow: str


class Board:
    """Collects the charts of one page, then asks for all of them at once."""

    def __init__(self) -> None:
        self._specs: dict[str, dict[str, Any]] = {}

    def add(
        self, kind: str, data: Mapping[str, Any], *, width: int = FULL, device: str | None = None
    ) -> Figure:
        """Want a chart of `kind` (a key of `drawing.KINDS`) of `data`, `width` pixels wide; return where it will be.

        With `device` (`rwd_...`) it is of that one's history, and served only to who may read that.
        """
        of = {} if device is None else {"device": device}
        return Figure(self._want(kind, data, width, of), self._want(kind, data, NARROW, of))

    def _want(self, kind: str, data: Mapping[str, Any], width: int, of: Mapping[str, str]) -> str:
        spec = {"drawing": DRAWING, "kind": kind, "width": width, "data": dict(data), **of}
        digest = spec_hash(spec)
        self._specs[digest] = spec
        return f"/charts/{digest}.svg"

    def ask(self, engine: Engine, now: float) -> None:
        """Leave word for the jobs process; writes nothing where everything was asked for a short while ago."""
        if not self._specs:
            return
        with engine.connect() as connection:
            fresh = charts.c.asked_at > int(now) - _ASK_AGAIN_SECONDS
            found = connection.scalars(select(charts.c.hash).where(charts.c.hash.in_(self._specs), fresh))
            wanted = set(self._specs).difference(found)
        if not wanted:
            return
        statement = insert(charts).on_conflict_do_update(index_elements=["hash"], set_={"asked_at": int(now)})
        rows = [
            {"hash": digest, "spec": self._specs[digest], "asked_at": int(now)} for digest in sorted(wanted)
        ]
        with write_transaction(engine) as connection:
            connection.execute(statement, rows)


def spec_hash(spec: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a spec in canonical JSON, as 64 hexadecimal digits."""
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def label(text: str) -> str:
    """Return text from a device fit to be drawn: no control or direction characters, LABEL_LENGTH at most.

    The drawing library escapes mark-up; control characters would still break the SVG, and direction marks
    would let a name show as another.
    """
    clean = "".join("\N{MIDDLE DOT}" if unicodedata.category(letter)[0] == "C" else letter for letter in text)
    return clean if len(clean) <= LABEL_LENGTH else clean[: LABEL_LENGTH - 1] + "…"


def phases_data(rows: Sequence[tuple[str, str, Sequence[Mapping[str, Any]]]]) -> dict[str, Any]:
    """Return the data of a `phases` chart from (label, text of the total, phases as on the wire) per start-up."""
    drawn = []
    for name, total, phases in rows:
        segments = [
            {
                "phase": words.say(words.PHASES, str(phase["name"])),
                "seconds": float(phase["seconds"]),
                "counted": bool(phase.get("counted", True)),
            }
            for phase in phases
        ]
        drawn.append({"label": label(name), "total": total, "segments": segments})
    return {"rows": drawn}
