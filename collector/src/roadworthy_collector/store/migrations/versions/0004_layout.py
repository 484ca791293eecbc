"""Half-hours as bytes of a device's UTC day, daily totals keyed by day and half as long (docs/decisions/0020).

Everything held is moved, a UTC day at a time. How a half-hour is packed is written down here again, because a
migration does what it did on the day it was made, whatever becomes of `store.slots`.
"""

from __future__ import annotations

import json
import math
import struct
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_DAY = 86400
_PERIOD = 1800
_STATES = ("in_use", "idle", "locked", "asleep", "off", "unobserved")
_QUALITIES = {word: n for n, word in enumerate(("metered", "sensor", "modelled", "assumed", "other"))}
_SCOPES = {word: n for n, word in enumerate(("cpu", "memory", "gpu", "machine", "wall", "other"))}
_OTHER = {"quality": 4, "scope": 5}
_NOTHING = 0xFFFF
_USE = struct.Struct("<BBHHHHHHHH8s")
_STATE = struct.Struct("<B5H")
_ENERGY = struct.Struct("<BBIQHHf")
_BATTERY = struct.Struct("<BIHIH")
_JOULES = struct.Struct("<BQ")
_MAX_JOULES = 0xFFFF_FFFF
_ROWS_AT_ONCE = 5000
_MORE = 0xFFFF  # the number of every source past the last one


def upgrade() -> None:
    """Make the new tables, move what is held, and take the old ones away."""
    connection = op.get_bind()
    _make_half_hours()
    _make_others()
    _fill_sources(connection)
    _fill_half_hours(connection)
    _fill_counters(connection)
    _move_battery_days(connection)
    for table in ("periods", "state_periods", "energy_periods", "battery_use"):
        op.drop_table(table)
    _replace_days(connection)
    if connection.dialect.name == "postgresql":
        # Rows grow: with room on its page the new version needs no new entry in the index.
        for table in ("use_slots", "state_slots", "energy_slots"):
            op.execute(f"ALTER TABLE {table} SET (fillfactor = 70)")


def _make_half_hours() -> None:
    for table, columns in (
        ("use_slots", (sa.Column("held", sa.BigInteger(), nullable=False), _bytes("slots"))),
        ("state_slots", (_bytes("slots"),)),
        ("energy_slots", (_bytes("slots"), _bytes("battery"))),
    ):
        op.create_table(
            table,
            sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
            sa.Column("device", sa.BigInteger(), autoincrement=False, nullable=False),
            *columns,
            sa.PrimaryKeyConstraint("day", "device", name=f"pk_{table}"),
        )
    op.create_table(
        "sources",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("source", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sources"),
        sa.UniqueConstraint("source", name="uq_sources_source"),
    )


def _make_others() -> None:
    op.create_table(
        "energy_counters",
        _device(),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("quality", sa.String(length=16), nullable=False),
        sa.Column("counter_end_joules", sa.BigInteger(), nullable=False),
        _to_devices("energy_counters"),
        sa.PrimaryKeyConstraint("device", "scope", name="pk_energy_counters"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "battery_days",
        _device(),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("discharge_joules", sa.BigInteger(), nullable=False),
        sa.Column("discharge_seconds", sa.Integer(), nullable=False),
        sa.Column("cpu_joules", sa.BigInteger()),
        sa.Column("source", sa.String(length=128), nullable=False),
        _to_devices("battery_days"),
        sa.PrimaryKeyConstraint("device", "day", name="pk_battery_days"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_battery_days_day", "battery_days", ["day"])
    op.create_table(
        "site_half_hours",
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("site", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("devices", sa.Integer(), nullable=False),
        sa.Column("observed_seconds", sa.BigInteger(), nullable=False),
        *(sa.Column(f"{state}_seconds", sa.BigInteger(), nullable=False) for state in _STATES),
        sa.Column("joules", sa.LargeBinary()),
        sa.ForeignKeyConstraint(["site"], ["sites.id"], name="fk_site_half_hours_site"),
        sa.PrimaryKeyConstraint("start", "site", name="pk_site_half_hours"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "site_dirty",
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("marks", sa.BigInteger(), nullable=False),
        sa.Column("rolled_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("day", name="pk_site_dirty"),
    )
    op.add_column("dirty", sa.Column("marked_at", sa.BigInteger(), server_default="0", nullable=False))


def _fill_sources(connection: sa.Connection) -> None:
    """Give every source a number; past the last number the rest are `(more)`."""
    found = connection.scalars(
        sa.text(
            "SELECT cpu_source FROM periods UNION SELECT memory_source FROM periods "
            "UNION SELECT source FROM energy_periods UNION SELECT source FROM battery_use WHERE length_seconds = 1800"
        )
    )
    named = sorted(source for source in found if source is not None)[: _MORE - 1]
    _insert(connection, "sources", list(enumerate(named, start=1)))


def _fill_half_hours(connection: sa.Connection) -> None:
    """Pack what is held, a UTC day at a time: of 100,000 devices that is half a gigabyte of rows."""
    found = connection.execute(sa.text("SELECT id, source FROM sources"))
    numbers = {source: number for number, source in found}
    bounds = [
        connection.execute(sa.text(f"SELECT min(start), max(start) FROM {table}")).one()  # noqa: S608 - constants
        for table in ("periods", "state_periods", "energy_periods", "battery_use")
    ]
    known = [one for one in bounds if one[0] is not None]
    if not known:
        return
    first = min(int(one[0]) for one in known) // _DAY * _DAY
    for day in range(first, max(int(one[1]) for one in known) + 1, _DAY):
        packed = {table: _packed(connection, table, day, numbers) for table in _PACKERS}
        use, states = packed["periods"], packed["state_periods"]
        _insert(connection, "use_slots", [(day, d, _bits(told), told) for d, told in sorted(use.items())])
        _insert(connection, "state_slots", [(day, d, told) for d, told in sorted(states.items())])
        energy, battery = packed["energy_periods"], packed["battery_use"]
        rows = [(day, d, energy.get(d, b""), battery.get(d, b"")) for d in sorted({*energy, *battery})]
        _insert(connection, "energy_slots", rows)
        if use:
            connection.execute(sa.text("INSERT INTO site_dirty (day, marks) VALUES (:day, 1)"), {"day": day})


def _packed(connection: sa.Connection, table: str, day: int, numbers: dict[str, int]) -> dict[int, bytes]:
    """Return {device: bytes} of a day's rows of `table`, in order of time."""
    columns, pack = _PACKERS[table]
    query = f"SELECT device, start, {columns} FROM {table} WHERE start >= :day AND start < :end"  # noqa: S608 - constants
    if table == "battery_use":
        query += " AND length_seconds = 1800"
    rows = connection.execute(sa.text(f"{query} ORDER BY device, start"), {"day": day, "end": day + _DAY})
    found: dict[int, bytearray] = defaultdict(bytearray)
    for device, start, *rest in rows:
        found[device] += pack((start - day) // _PERIOD, numbers, *rest)
    return {device: bytes(told) for device, told in found.items()}


def _pack_use(slot: int, numbers: dict[str, int], *row: Any) -> bytes:
    (
        observed,
        samples,
        cpu,
        cpu95,
        cpu_quality,
        cpu_source,
        mem,
        mem95,
        mem_quality,
        mem_source,
        told,
        incomplete,
    ) = row
    qualities = _quality(cpu_quality, cpu) | _quality(mem_quality, mem) << 4
    return _USE.pack(
        slot | (0x80 if incomplete else 0),
        *(qualities, observed, samples, _ratio(cpu), _ratio(cpu95), _ratio(mem), _ratio(mem95)),
        *(_number(numbers, cpu_source), _number(numbers, mem_source), bytes(told)),
    )


def _pack_state(slot: int, _numbers: dict[str, int], *seconds: int) -> bytes:
    return _STATE.pack(slot, *seconds)


def _pack_energy(slot: int, numbers: dict[str, int], *row: Any) -> bytes:
    scope, joules, counter, covered, quality, source, error = row
    return _ENERGY.pack(
        slot,
        _SCOPES.get(scope, _OTHER["scope"]) | _QUALITIES.get(quality, _OTHER["quality"]) << 4,
        *(joules, counter, _NOTHING if covered is None else covered, _number(numbers, source)),
        math.nan if error is None else error,
    )


def _pack_battery(slot: int, numbers: dict[str, int], *row: Any) -> bytes:
    joules, seconds, cpu, source = row
    return _BATTERY.pack(slot, joules, seconds, _MAX_JOULES if cpu is None else cpu, _number(numbers, source))


_USE_COLUMNS = ", ".join(
    f"{name}_{column}"
    for name in ("cpu", "memory")
    for column in ("mean_ratio", "p95_ratio", "quality", "source")
)
_PACKERS: dict[str, tuple[str, Any]] = {
    "periods": (f"observed_seconds, samples, {_USE_COLUMNS}, content_hash, incomplete", _pack_use),
    "state_periods": (", ".join(f"{state}_seconds" for state in _STATES[:5]), _pack_state),
    "energy_periods": (
        "scope, joules, counter_end_joules, covered_seconds, quality, source, relative_error",
        _pack_energy,
    ),
    "battery_use": ("discharge_joules, discharge_seconds, cpu_joules, source", _pack_battery),
}


def _fill_counters(connection: sa.Connection) -> None:
    """Keep the newest counter of each scope, from half-hours and days."""
    newest: dict[tuple[int, str], tuple[int, str, int]] = {}
    for table, start, length in (("energy_periods", "start", _PERIOD), ("energy_days", "day", _DAY)):
        query = (
            f"SELECT held.device, held.scope, held.{start}, held.quality, held.counter_end_joules FROM {table} AS held "  # noqa: S608 - constants
            f"JOIN (SELECT device, scope, max({start}) AS newest FROM {table} GROUP BY device, scope) AS last "
            f"ON held.device = last.device AND held.scope = last.scope AND held.{start} = last.newest"
        )
        for device, scope, begin, quality, counter in connection.execute(sa.text(query)):
            row = (begin + length, quality, counter)
            newest[device, scope] = max(row, newest.get((device, scope), row))
    _insert(connection, "energy_counters", [(*key, *row) for key, row in sorted(newest.items())])


def _move_battery_days(connection: sa.Connection) -> None:
    columns = "discharge_joules, discharge_seconds, cpu_joules, source"
    connection.execute(
        sa.text(
            f"INSERT INTO battery_days (device, day, {columns}) "  # noqa: S608 - constants
            f"SELECT device, start, {columns} FROM battery_use WHERE length_seconds = 86400"
        )
    )


def _replace_days(connection: sa.Connection) -> None:
    """Make daily totals anew, the tables' names and those of their keys included."""
    for table, key in (("days", "day"), ("local_days", "date")):
        op.drop_index(f"ix_{table}_{key}", table_name=table)
        op.rename_table(table, f"old_{table}")
        if connection.dialect.name == "postgresql":
            op.execute(f"ALTER TABLE old_{table} RENAME CONSTRAINT pk_{table} TO pk_old_{table}")
    op.create_table(
        "days",
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("device", sa.BigInteger(), autoincrement=False, nullable=False),
        *_totals(),
        sa.PrimaryKeyConstraint("day", "device", name="pk_days"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "local_days",
        sa.Column("date", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("device", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("half_hours", sa.SmallInteger(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        *_totals(),
        sa.PrimaryKeyConstraint("date", "device", name="pk_local_days"),
        sqlite_with_rowid=False,
    )
    names = [column.name for column in _totals()]
    for table, own in (
        ("days", ("day", "device")),
        ("local_days", ("date", "device", "half_hours", "start")),
    ):
        for part in _held_days(connection, table, (*own, *names)):
            _insert(connection, table, part)
        op.drop_table(f"old_{table}")


def _held_days(
    connection: sa.Connection, table: str, columns: Sequence[str]
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of an old table as the new one has them, some at a time in the order of the new key."""
    said = ", ".join(columns)
    query = f"SELECT {said} FROM old_{table} ORDER BY {columns[0]}, device"  # noqa: S608 - constants
    converted: dict[int, Callable[[Any], Any]] = {columns.index("joules"): _joules}
    converted |= dict.fromkeys((columns.index(f"{name}_mean_ratio") for name in ("cpu", "memory")), _whole)
    if columns[0] == "date":
        converted[0] = _days_since_1970
    for part in connection.execute(sa.text(query)).partitions(_ROWS_AT_ONCE):
        yield [
            tuple(converted[place](value) if place in converted else value for place, value in enumerate(row))
            for row in part
        ]


def _totals() -> list[sa.Column[Any]]:
    return [
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("unit", sa.Integer(), nullable=False),
        sa.Column("periods", sa.SmallInteger(), nullable=False),
        sa.Column("startups", sa.SmallInteger(), nullable=False),
        sa.Column("cpu_mean_ratio", sa.SmallInteger()),
        sa.Column("memory_mean_ratio", sa.SmallInteger()),
        sa.Column("observed_seconds", sa.Integer(), nullable=False),
        *(sa.Column(f"{state}_seconds", sa.Integer(), nullable=False) for state in _STATES),
        sa.Column("startup_seconds_sum", sa.Float()),
        sa.Column("startup_seconds_max", sa.Float()),
        sa.Column("joules", sa.LargeBinary()),
    ]


def _joules(value: Any) -> bytes | None:
    """Return {scope: {quality: joules}}, as text or as PostgreSQL's driver gives it, as bytes."""
    told = json.loads(value) if isinstance(value, str) else value
    if told is None:
        return None
    added: dict[int, int] = defaultdict(int)
    for scope, by_quality in told.items():
        for quality, joules in by_quality.items():
            words = _SCOPES.get(scope, _OTHER["scope"]) | _QUALITIES.get(quality, _OTHER["quality"]) << 4
            added[words] += joules
    return b"".join(_JOULES.pack(*one) for one in sorted(added.items()))


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value * 10_000)


def _days_since_1970(value: str) -> int:
    return (date.fromisoformat(value) - date(1970, 1, 1)).days


def _ratio(value: float | None) -> int:
    return _NOTHING if value is None else round(value * 10_000)


def _quality(word: str | None, value: float | None) -> int:
    return 0xF if value is None else _QUALITIES.get(word or "other", _OTHER["quality"])


def _number(numbers: dict[str, int], source: str | None) -> int:
    return 0 if source is None else numbers.get(source, _MORE)


def _bits(told: bytes) -> int:
    held = 0
    for fields in _USE.iter_unpack(told):
        held |= 1 << (fields[0] & 0x7F)
    return held


def _insert(connection: sa.Connection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows given in the order of the table's columns."""
    mark = "%s" if connection.dialect.name == "postgresql" else "?"
    for begin in range(0, len(rows), _ROWS_AT_ONCE):
        marks = ", ".join([mark] * len(rows[0]))
        connection.exec_driver_sql(
            f"INSERT INTO {table} VALUES ({marks})",  # noqa: S608 - constants
            list(rows[begin : begin + _ROWS_AT_ONCE]),
        )


def _bytes(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=False)


def _device() -> sa.Column[int]:
    return sa.Column("device", sa.BigInteger(), nullable=False)


def _to_devices(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["device"], ["devices.id"], name=f"fk_{table}_device", ondelete="CASCADE")
