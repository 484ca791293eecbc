"""How fast a register comes into SQLite: a CSV of 100,000 rows, beside plain csv and executemany of the same cells.

    python bench/register_import.py [--rows 100000]

Wall and CPU seconds, on a disk that commits wait for. The limit is what the standard library needs to part the cells
and put them into one table of texts in one transaction: nothing understood, nothing checked, no history. Then the same
file again, which changes nothing, its rows compared one by one (`again`), and undoing it all.
"""

from __future__ import annotations

import argparse
import csv
import io
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from register_read import MAPPING, make

from roadworthy_collector.books import batches
from roadworthy_collector.books.importing import Outcome, Wishes, import_file
from roadworthy_collector.store.engine import open_engine
from roadworthy_collector.store.upgrade import upgrade

NOW = 1_790_000_000.0
T = TypeVar("T")


def timed(title: str, of: Callable[[], T]) -> tuple[T, float]:
    """Print how long a call takes; return what it does, and its CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = of()
    taken = time.process_time() - cpu
    print(f"{title:32} {time.perf_counter() - wall:7.2f} s   {taken:7.2f} s CPU")
    return found, taken


def plain(body: bytes, database: Path) -> None:
    """Put every cell into one table of texts: what a script of ten lines does."""
    rows = csv.reader(io.TextIOWrapper(io.BytesIO(body), "utf-8", newline=""))
    columns = [f"c{number}" for number in range(len(next(rows)))]
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"CREATE TABLE plain ({', '.join(columns)})")
    connection.executemany(f"INSERT INTO plain VALUES ({', '.join('?' * len(columns))})", rows)  # noqa: S608 - names made here
    connection.commit()
    connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    body = make(rows)
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "roadworthy.db"
        upgrade(database)
        engine = open_engine(database)

        def come(*, again: bool = False) -> Outcome:
            wishes = Wishes(mapping=MAPPING, mapping_name="mapping.toml", again=again)
            return import_file(engine, io.BytesIO(body), "register.csv", wishes, actor="bench", now=NOW)

        print(f"{rows:,} rows, {len(body) / 1e6:.1f} MB")
        _none, limit = timed("csv and executemany", lambda: plain(body, Path(folder) / "plain.db"))
        first, taken = timed("import", come)
        print(f"{'':32} {taken / limit:7.1f} times the CPU of csv and executemany")
        assert (first.new, first.changed) == (rows, 0)
        same, _taken = timed("the same file", come)
        assert same.same_as == first.batch
        again, _taken = timed("the same file, compared anew", lambda: come(again=True))
        assert (again.batch, again.unchanged) == (None, rows)
        assert first.batch is not None
        undone, _taken = timed(
            "undo", lambda: batches.undo(engine, first.batch or 0, actor="bench", now=NOW + 1)
        )
        assert undone.removed == rows
        engine.dispose()


if __name__ == "__main__":
    main()
