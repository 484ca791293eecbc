"""What the books cost at size: the jobs that work them out, and the pages that show them, on SQLite.

    python bench/books.py [--items 100000] [--devices 100000] [--lines 50000]

A register is imported, as many devices as asked for stand beside it with the serials of its items, and a ledger is put
in. Then the jobs of the books and of the costs run once, with their longest writing transaction, and pages are asked in
process: the first time, which may work something out, and the median of five after that. Wall and CPU.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from register_read import MAPPING, make
from sqlalchemy import Engine, insert, select

from roadworthy_collector.app import create_app
from roadworthy_collector.books import batches, cost_lines
from roadworthy_collector.books.batches import Counts, Source
from roadworthy_collector.books.importing import Wishes, import_file
from roadworthy_collector.jobs import books, costs
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.settings import Settings
from roadworthy_collector.store import schema
from roadworthy_collector.store.books_schema import register_items
from roadworthy_collector.store.engine import open_engine, require_estate, write_transaction
from roadworthy_collector.store.upgrade import upgrade
from roadworthy_inventory.ledger import LedgerLine

NOW = 1_790_000_000.0
PAGES = (
    "/register",
    "/register?state=deployed",
    "/reconciliation",
    "/ratings",
    "/costs",
    "/costs/lines",
    "/costs/lines?year=2025&share=B&member=in",
    "/costs/lines?page=40",
)
_WORDS = (
    "licence renewal",
    "laptops",
    "support and maintenance",
    "network lines",
    "agency staff",
    "mainframe",
)


def timed(title: str, of: Callable[[], object]) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    of()
    print(
        f"{title:44} {time.perf_counter() - wall:8.2f} s   {time.process_time() - cpu:7.2f} s CPU", flush=True
    )


def put_devices(engine: Engine, count: int) -> None:
    """Put devices in that have the serials of items."""
    with engine.connect() as connection:
        serials = connection.scalars(select(register_items.c.serial).limit(count)).all()
    rows = [
        {
            "device_id": f"rwd_{number:032x}",
            "site": 1,
            "unit": 1,
            "enrolled_at": int(NOW) - 86_400,
            "last_report_at": int(NOW) - 60,
            "next_call_seconds": 900,
            "facts": {"serial": serial},
        }
        for number, serial in enumerate(serials)
    ]
    with write_transaction(engine) as connection:
        connection.execute(insert(schema.devices), rows)


def put_ledger(engine: Engine, count: int) -> None:
    """Put a ledger of two years in."""
    lines = [
        LedgerLine(
            amount_pence=number * 7919 % 900_000 + 100,
            financial_year=2024 + number % 2,
            accounting_period=number % 12 + 1,
            cost_centre=f"IT{number % 40}",
            subjective_code=f"{40_000 + number % 90}",
            description=f"{_WORDS[number % len(_WORDS)]} {number % 700}",
            supplier=f"Supplier {number % 300}",
            capital_revenue="revenue",
            source="ledger.csv",
            source_line=number + 2,
        )
        for number in range(count)
    ]
    source = Source(cost_lines.LEDGER, "ledger", "bench", "ledger.csv", "0" * 64)
    with batches.writing(engine, source, Counts(count, count, 0, {}), NOW, "costs.import", {}) as batch:
        for piece in batches.pieces(lines):
            with write_transaction(engine) as connection:
                cost_lines.write(connection, batch, piece)


async def ask(engine: Engine, settings: Settings) -> None:
    """Ask every page and print how long it took."""
    app = create_app(settings, engine, clock=lambda: NOW)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8470", headers={"Accept": "text/html"}
    ) as client:
        await client.get("/about")
        for page in PAGES:
            took: list[tuple[float, float]] = []
            for _ in range(6):
                wall, cpu = time.perf_counter(), time.process_time()
                answer = await client.get(page)
                took.append((time.perf_counter() - wall, time.process_time() - cpu))
                assert answer.status_code == 200, (page, answer.status_code)
            first = took[0]
            later = [statistics.median(column) for column in zip(*took[1:], strict=True)]
            print(
                f"{page:44} first {first[0] * 1e3:7.0f} ms ({first[1] * 1e3:6.0f} CPU)   "
                f"then {later[0] * 1e3:6.0f} ms ({later[1] * 1e3:5.0f} CPU)",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--devices", type=int, default=100_000)
    parser.add_argument("--lines", type=int, default=50_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        upgrade(data / "roadworthy.db")
        engine = open_engine(data / "roadworthy.db")
        require_estate(engine, simulated=False)
        with write_transaction(engine) as connection:
            connection.execute(insert(schema.sites).values(name="HQ", kind="force", restricted=False))
        settings = Settings(data=data)
        wishes = Wishes(mapping=MAPPING, mapping_name="mapping.toml")
        body = make(asked.items)
        timed(
            f"import of {asked.items:,} items",
            lambda: import_file(engine, io.BytesIO(body), "register.csv", wishes, actor="bench", now=NOW),
        )
        put_devices(engine, asked.devices)
        timed(f"{asked.lines:,} lines of a ledger into the store", lambda: put_ledger(engine, asked.lines))
        for name, job in (("books", books.compute), ("costs", costs.compute)):
            work = Work(engine, settings, lambda: NOW)
            timed(f"job: {name}", lambda job=job, work=work: job(work))
            print(
                f"    longest writing transaction {(work.longest_transaction_seconds or 0) * 1e3:.1f} ms",
                flush=True,
            )
        asyncio.run(ask(engine, settings))
        engine.dispose()


if __name__ == "__main__":
    sys.exit(main())
