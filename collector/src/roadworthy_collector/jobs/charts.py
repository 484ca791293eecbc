"""Draws the charts pages have asked for. Drawing is outside any transaction; each result is a short one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Engine, select

from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.schema import charts

# Charts nobody has asked for this long go: a device's page makes new ones with each report.
KEEP_SECONDS = 86_400
_AT_ONCE = 32


def draw_pending(
    engine: Engine,
    *,
    clock: Callable[[], float] = time.time,
    draw: Callable[[Mapping[str, Any]], str] | None = None,
) -> int:
    """Draw up to 32 charts that were asked for and are not drawn; return how many were tried.

    A chart that cannot be drawn keeps the error, so that it is not tried for ever. Call it every second or less:
    it costs one indexed look when there is nothing to do.
    """
    with engine.connect() as connection:
        pending = connection.execute(
            select(charts.c.hash, charts.c.spec)
            .where(charts.c.drawn_at.is_(None))
            .order_by(charts.c.asked_at)
            .limit(_AT_ONCE)
        ).all()
    if pending and draw is None:
        draw = _drawing()
    for row in pending:
        if draw is not None:
            _store(engine, row.hash, _try(draw, row.spec), int(clock()))
    return len(pending)


def _drawing() -> Callable[[Mapping[str, Any]], str]:
    # Only when something is to be drawn: a collector nobody looks at never pays the 135 MB.
    from roadworthy_collector.console import drawing

    return drawing.draw


def _try(draw: Callable[[Mapping[str, Any]], str], spec: Mapping[str, Any]) -> dict[str, str | None]:
    """Return what to store: the SVG or the error. vl-convert raises ValueError for a chart it cannot draw."""
    try:
        return {"svg": draw(spec), "error": None}
    except (ValueError, KeyError, TypeError) as error:
        return {"svg": None, "error": f"{type(error).__name__}: {error}"[:256]}


def _store(engine: Engine, digest: str, result: dict[str, str | None], now: int) -> None:
    with write_transaction(engine) as connection:
        connection.execute(charts.update().where(charts.c.hash == digest).values(drawn_at=now, **result))
