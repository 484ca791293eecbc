"""The assumptions staff time is worked out by, as people edit them: editions kept, the newest in force, audited.

Nothing has a default but the reference, which is the IT estate's own median where none is given: without a rate, a
loss factor and productive hours only hours appear.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.books import toml_editions
from roadworthy_collector.books.toml_editions import Edition
from roadworthy_collector.errors import RoadworthyError
from roadworthy_inventory.device_class import CLASSES
from roadworthy_inventory.staff_time import Reference, fixed_reference
from roadworthy_inventory.toml_lines import TomlLines

NAME = "staff_time"
NOBODY = "nobody yet"
LONGEST_CHARACTERS = 60_000
_MOST_SECONDS = 3600.0
_HOURS_A_YEAR = 8784

EXAMPLE = """\
# What staff time in slow start-ups and sign-ins is worked out by.
# Try it with:  roadworthy staff-time assumptions try this-file.toml
# Save it with: roadworthy staff-time assumptions save this-file.toml
# Everything may be left out. Hours are always shown; money, posts and a chosen figure only where you state yours.

# How long a good start-up and a good sign-in take: only what is above counts as lost. Left out, it is the median of
# your own devices with an SSD and a supported operating system.
# [good]
# startup_seconds = 30
# signin_seconds = 15
# [good.laptop]             # another for a class of device
# startup_seconds = 25
# signin_seconds = 12

# What an hour costs you, loaded, and how much of a wait is lost: no study tells, so money is shown from 0.25 to 1.
# rate_pence_per_hour = 3200
# loss_factor = 0.5         # yours, above 0 and at most 1

# Hours one post works in a year after leave, training and sickness: full-time equivalents appear with it.
# productive_hours_per_year = 1450
"""


class AssumptionsError(RoadworthyError):
    """The assumptions are wrong; the message says where and what to do."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What a text says; None where it does not. `good`: references by class of device, "" for all others."""

    digest: str
    good: Mapping[str, Reference] = field(default_factory=dict)
    rate_pence_per_hour: int | None = None
    loss_factor: float | None = None
    productive_hours_per_year: float | None = None

    def reference(self, device_class: str) -> Reference | None:
        """Return the reference of a class, None where the IT estate's own holds."""
        return self.good.get(device_class) or self.good.get("")


def current(connection: Connection) -> tuple[Assumptions, Edition]:
    """Return the assumptions in force and their text."""
    edition = toml_editions.newest(connection, NAME, Edition(EXAMPLE, None, NOBODY))
    return parse(edition.content), edition


def save(connection: Connection, text: str, *, now: int, actor: str) -> bool:
    """Put assumptions in force and return True; False where they hold already. AssumptionsError where wrong."""
    wanted, (before, edition) = parse(text), current(connection)
    if wanted.digest == before.digest and edition.made_at is not None:
        return False
    digests = before.digest, wanted.digest
    toml_editions.put(connection, NAME, text, digests, now=now, actor=actor, action="staff_time.assumptions")
    return True


def parse(text: str) -> Assumptions:
    """Return what `text` says; AssumptionsError naming the line and key that is wrong."""
    if len(text) > LONGEST_CHARACTERS:
        raise AssumptionsError(f"the assumptions have more than {LONGEST_CHARACTERS:,} characters")
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise AssumptionsError(f"the assumptions are no TOML: {error}") from None
    return _Reader(text, said).read()


class _Reader:
    def __init__(self, text: str, said: dict[str, Any]) -> None:
        self._said = said
        self._lines = TomlLines(text)

    def read(self) -> Assumptions:
        known = {"good", "rate_pence_per_hour", "loss_factor", "productive_hours_per_year"}
        self._only(self._said, known)
        rate = self._number("rate_pence_per_hour", 1, 1_000_000)
        if rate is not None and rate != int(rate):
            raise self._wrong(("rate_pence_per_hour",), "give whole pence an hour")
        return Assumptions(
            digest=blake2b(repr(sorted(self._said.items())).encode(), digest_size=8).hexdigest(),
            good=self._good(),
            rate_pence_per_hour=None if rate is None else int(rate),
            loss_factor=self._number("loss_factor", 0.0001, 1),
            productive_hours_per_year=self._number("productive_hours_per_year", 1, _HOURS_A_YEAR),
        )

    def _wrong(self, place: tuple[str, ...], what: str) -> AssumptionsError:
        return AssumptionsError(f"line {self._lines.of(place)}: {'.'.join(place)}: {what}")

    def _only(self, table: Mapping[str, Any], known: set[str], *above: str) -> None:
        if unknown := sorted(table.keys() - known):
            raise self._wrong((*above, unknown[0]), f"is no key; known: {', '.join(sorted(known))}")

    def _number(self, name: str, least: float, most: float) -> float | None:
        return _checked(self._said.get(name), least, most, lambda what: self._wrong((name,), what))

    def _good(self) -> dict[str, Reference]:
        table = self._said.get("good", {})
        if not isinstance(table, dict):
            raise self._wrong(("good",), "write a table [good]")
        seconds = {"startup_seconds", "signin_seconds"}
        self._only(table, seconds | set(CLASSES), "good")
        found = {}
        own = {name: value for name, value in table.items() if name in seconds}
        if own:
            found[""] = self._reference(own, "good")
        for name in CLASSES:
            if name in table:
                if not isinstance(table[name], dict):
                    raise self._wrong(("good", name), f"write a table [good.{name}]")
                self._only(table[name], seconds, "good", name)
                found[name] = self._reference(table[name], "good", name)
        return found

    def _reference(self, table: Mapping[str, Any], *place: str) -> Reference:
        told = []
        for name in ("startup_seconds", "signin_seconds"):
            where = (*place, name)
            value = _checked(table.get(name), 0, _MOST_SECONDS, lambda what, at=where: self._wrong(at, what))
            if value is None:
                raise self._wrong(where, "is missing; give both, for a start-up and for a sign-in")
            told.append(value)
        return fixed_reference(*told)


def _checked(value: Any, least: float, most: float, wrong: Any) -> float | None:
    if value is None:
        return None
    # TOML has inf and nan, which are in no range.
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise wrong(f"{value!r} is no number from {least:g} to {most:g}")
    return value
