"""`roadworthy serve` that kills itself: `python stages.py STAGE N`, at STAGE of the Nth group of reports it commits.

before: the transaction has not begun. statement: between two statements of it, facts written in part. written: all
is written, nothing committed. committed: on the disk, nobody answered. answering: the first of the group is answered,
the others are not. between: all are answered, the next group waits.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event

from roadworthy_collector.ingest import writer
from roadworthy_collector.running import serve
from roadworthy_collector.settings import load

STAGES = ("before", "statement", "written", "committed", "answering", "between")
_STATEMENT = 3  # of the transaction


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Dying:
    """Wraps what the writer calls; counts groups and dies at the stage of the one that was asked for."""

    def __init__(self, stage: str, group: int) -> None:
        self._stage = stage
        self._group = group
        self._groups = 0
        self._statements = 0
        self._write_transaction = writer.write_transaction
        self._write_reports = writer.write_reports
        self._commit = writer.Writer._commit
        self._answer = writer.Writer._answer

    def install(self) -> None:
        """Put the wrappers in place."""
        writer.write_transaction = self.write_transaction
        writer.write_reports = self.write_reports
        dying = self

        def commit(self: writer.Writer, group: Any) -> Any:
            results = dying._commit(self, group)
            dying._at("committed")
            return results

        def answer(self: writer.Writer, group: Any, results: Any) -> None:
            if dying._is_due("answering") and len(group) > 1:
                dying._answer(self, group[:1], results[:1])
                _die()
            dying._answer(self, group, results)
            dying._at("between")

        writer.Writer._commit = commit  # type: ignore[method-assign] # that is what this program is for
        writer.Writer._answer = answer  # type: ignore[method-assign] # as above
        event.listen(Engine, "after_cursor_execute", self.executed)

    @contextmanager
    def write_transaction(self, engine: Engine) -> Iterator[Connection]:
        """Begin a group."""
        self._groups += 1
        self._statements = 0
        self._at("before")
        with self._write_transaction(engine) as connection:
            yield connection

    def write_reports(self, connection: Connection, *arguments: Any, **named: Any) -> Any:
        """Write a group."""
        outcomes = self._write_reports(connection, *arguments, **named)
        self._at("written")
        return outcomes

    def executed(self, *_: Any) -> None:
        """Count a statement."""
        self._statements += 1
        if self._statements >= _STATEMENT:
            self._at("statement")

    def _is_due(self, stage: str) -> bool:
        return stage == self._stage and self._groups >= self._group

    def _at(self, stage: str) -> None:
        if self._is_due(stage):
            _die()


if __name__ == "__main__":
    Dying(sys.argv[1], int(sys.argv[2])).install()
    serve(load(None))
