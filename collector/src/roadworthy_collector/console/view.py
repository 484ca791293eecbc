"""What every page shares: the clock, the zone, the reader, the templates and the charts asked for."""

from __future__ import annotations

from functools import cached_property, lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy import Engine

from roadworthy_collector import __version__
from roadworthy_collector.books import tables
from roadworthy_collector.console import present, words
from roadworthy_collector.console.assets import static_url
from roadworthy_collector.console.charts import Board
from roadworthy_collector.console.compiled import Compiled
from roadworthy_collector.console.present import LocalTime
from roadworthy_collector.security.access import Reader
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.queries.console import is_simulated
from roadworthy_collector.store.queries.ready import is_small
from roadworthy_collector.store.queries.scope import Scope

# The uid of the board One device, which never changes.
DEVICE_BOARD = "roadworthy-device"


@lru_cache(maxsize=1)
def templates() -> Environment:
    """Return the environment of the templates: everything is escaped, an unknown name is an error."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=present.visible,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=Compiled(Path(__file__)),
    )
    environment.filters.update(
        duration=present.duration,
        share=present.share,
        memory_size=present.memory_size,
        disk_size=present.disk_size,
        energy=present.energy,
        count=present.count,
    )
    environment.globals.update(
        many=present.many,
        words=words,
        say=words.say,
        static_url=static_url,
        version=__version__,
        export_at=tables.address,
    )
    return environment


class View:
    """One page being made for one reader."""

    def __init__(self, request: Request, reader: Reader | None) -> None:
        state = request.app.state
        self.request = request
        self.reader = reader
        self.settings: Settings = state.settings
        self.engine: Engine = state.engine
        self.now: float = state.clock()
        self.when = LocalTime(self.settings.reporting_timezone, self.now)
        self.board = Board()
        # A page for nobody (signing in, an error) shows no device.
        self.scope: Scope = frozenset() if reader is None else reader.scope

    @cached_property
    def small(self) -> bool:
        """Whether the reader's scope is so small that a page computes its own figures."""
        with self.engine.connect() as connection:
            return is_small(connection, self.scope)

    def device_board(self, device_id: str) -> str | None:
        """Return where the board of one device is in Grafana, None where nobody said where Grafana is."""
        if self.settings.grafana_url is None:
            return None
        return f"{self.settings.grafana_url}/d/{DEVICE_BOARD}?var-device_id={quote(device_id, safe='')}"

    def html(self, template: str, context: dict[str, Any], status: int = HTTPStatus.OK) -> HTMLResponse:
        """Return the page, having asked for its charts."""
        self.board.ask(self.engine, self.now)
        shared = {
            "view": self,
            "when": self.when,
            "reader": self.reader,
            "path": self.request.url.path,
            "simulated": self._simulated(status),
        }
        return HTMLResponse(templates().get_template(template).render(shared | context), status)

    def _simulated(self, status: int) -> bool:
        """Return whether the IT estate is a simulated one.

        A page that says the database is out of reach goes by what was last known; it shows nothing of the estate.
        """
        state = self.request.app.state
        if status != HTTPStatus.SERVICE_UNAVAILABLE:
            with self.engine.connect() as connection:
                state.simulated = is_simulated(connection)
        return bool(getattr(state, "simulated", False))
