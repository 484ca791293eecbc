"""How fast a register is read: a CSV of 100,000 rows through a mapping, beside csv.DictReader over the same bytes.

    python bench/register_read.py [--rows 100000]

CPU seconds of this process, no disk: the file is made in memory first. The limit is what the standard library needs to
part the cells and name them, without understanding one.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import io
import random
import time
import tracemalloc
from collections.abc import Callable

from roadworthy_inventory.importing import generic, reading
from roadworthy_inventory.importing.items import read_items

MAPPING = """
[columns]
"Asset No" = "tag"
"Serial" = "serial"
"Type" = "kind"
"Make" = "manufacturer"
"Model" = "model"
"Status" = "lifecycle_state"
"Division" = "unit"
"Cost centre" = "cost_centre"
"Site" = "site"
"Supplier" = "supplier"
"PO" = "order_number"
"Bought" = "purchased"
"Price" = "purchase_cost_pence"
"Warranty end" = "warranty_end"
"OS" = "os_name"
"Remarks" = "notes"
"""
ON = dt.date(2026, 11, 1)


def make(rows: int) -> bytes:
    """Return the CSV: as varied as registers are, with a column of names that must be dropped."""
    some = random.Random(5)  # noqa: S311  # the same file every time
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        [
            "Asset No",
            "Serial",
            "Type",
            "Make",
            "Model",
            "Status",
            "Division",
            "Cost centre",
            "Site",
            "Supplier",
            "PO",
            "Bought",
            "Price",
            "Warranty end",
            "OS",
            "Remarks",
            "Assigned to",
        ]
    )
    for number in range(rows):
        day = dt.date(2015, 1, 1) + dt.timedelta(days=some.randrange(4000))
        writer.writerow(
            [
                f"RW{number:07}",
                f"{some.getrandbits(40):010X}",
                some.choice(["Laptop", "Desktop PC", "Monitor", "Server"]),
                some.choice(["Dell", "HP", "Lenovo"]),
                f"Model {some.randrange(80)}",
                some.choice(["In use", "Stock", "Out for repair", "Disposed"]),
                f"Operations/Area {some.randrange(12)}/Team {some.randrange(30)}",
                f"CC{some.randrange(400):04}",
                f"Site {some.randrange(120)}",
                f"Supplier {some.randrange(25)}",
                f"PO{some.randrange(9000)}",
                day.strftime("%d/%m/%Y"),
                f"£{some.randrange(100, 3000):,}.{some.randrange(100):02}",
                (day + dt.timedelta(days=1095)).strftime("%d/%m/%Y"),
                some.choice(["Windows 10", "Windows 11", ""]),
                "" if some.random() < 0.7 else f"note {number}",
                f"Person {number}",
            ]
        )
    return out.getvalue().encode()


def by_csv(body: bytes) -> int:
    return sum(1 for _row in csv.DictReader(io.TextIOWrapper(io.BytesIO(body), "utf-8", newline="")))


def by_importer(body: bytes) -> int:
    table = reading.open_table(io.BytesIO(body), "register.csv")
    form = generic.check(generic.parse_mapping(MAPPING, "mapping.toml"), table)
    under_way = read_items(table, form, on=ON)
    rows = sum(1 for _row in under_way)
    assert under_way.report().quarantined == 0, under_way.report().problems[:3]
    return rows


def best(of: Callable[[bytes], int], body: bytes, rows: int) -> float:
    seconds = []
    for _ in range(3):
        begun = time.process_time()
        assert of(body) == rows
        seconds.append(time.process_time() - begun)
    return min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    body = make(rows)
    plain, ours = best(by_csv, body, rows), best(by_importer, body, rows)
    print(f"{rows:,} rows, {len(body) / 1e6:.1f} MB, best of three, CPU seconds")
    print(f"csv.DictReader     {plain:6.2f}")
    print(
        f"typed and checked  {ours:6.2f}   {ours / plain:.1f} times as long, {rows / ours:,.0f} rows a second"
    )
    tracemalloc.start()
    by_importer(body)
    print(f"most memory held   {tracemalloc.get_traced_memory()[1] / 1e6:6.1f} MB")


if __name__ == "__main__":
    main()
