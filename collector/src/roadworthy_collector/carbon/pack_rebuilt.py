"""Works a whole report out again of its pack: the ledger's groups, the readings, and what was kept of its making.

The same code as made it, so every figure, sentence, note, chart, method and exclusion is compared, each cell of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from roadworthy_collector.carbon import pack_files as files
from roadworthy_collector.carbon import pack_kept, pack_printed, report_gathered
from roadworthy_collector.carbon.estate import DIMENSIONS, NOTHING_TOLD, RESTRICTED
from roadworthy_collector.carbon.pack_files import Reader
from roadworthy_collector.carbon.pack_kept import Kept
from roadworthy_collector.carbon.report_compare import EVIDENCE
from roadworthy_collector.carbon.report_gathered import Gathered
from roadworthy_collector.carbon.sums import Month, Sum
from roadworthy_collector.carbon.supplies import CrcSupply
from roadworthy_collector.errors import RoadworthyError
from roadworthy_inventory.carbon.ledger import QUALITIES

TOGETHER = "restricted sites, together"
_APART = "restates"  # put into a report when it is issued
_MOST_TOLD = 20
_SAME_RATIO = 1e-9  # so far two ways of adding the same floats may be apart, by what comes out
_Sums = dict[str, dict[str, Sum]]


class Ledger(NamedTuple):
    """The groups of a pack by month, dimension and key, and those in vehicles."""

    months: dict[str, _Sums]
    vehicles: _Sums

    def told(self) -> dict[str, dict[str, dict[str, list[Any]]]]:
        """Return them as the ledger keeps a month ready."""
        return {
            month: {by: {key: one.told(month) for key, one in some.items()} for by, some in held.items()}
            for month, held in self.months.items()
        }


def _empty() -> _Sums:
    return {name: {} for name in DIMENSIONS if name != "quality"}


def sum_of_group(row: Mapping[str, str]) -> Sum:
    """Return what a row of the pack's groups says; ValueError where it is none."""
    shared = {name: [float(down), float(up)] for name, (down, up) in json.loads(row["shared"]).items()}
    own = Month(int(row["devices"]), float(row["own_down_squared"]), float(row["own_up_squared"]))
    seconds = int(row["unknown_seconds"])
    silent = row["model"] == NOTHING_TOLD
    return Sum(
        joules=[int(row[f"{quality}_joules"]) for quality in QUALITIES],
        days=int(row["days"]),
        unknown_seconds=0 if silent else seconds,
        silent_seconds=seconds if silent else 0,
        months={row["month"]: own},
        shared=shared,
    )


def ledger_of(pack: Reader, keys: Mapping[str, Mapping[str, str]]) -> Ledger:
    """Return the ledger out of the pack's groups; KeyError for a site or unit that `keys` does not know."""
    found = Ledger({}, _empty())
    for row in pack.rows(files.GROUPS):
        hidden = row["site"] == TOGETHER
        of = {
            "month": row["month"],
            "place": row["place"],
            "class": row["class"],
            "unit": RESTRICTED if hidden else keys["unit"][row["unit"]],
            "site": RESTRICTED if hidden else keys["site"][row["site"]],
            "model": RESTRICTED if hidden else row["model"],
        }
        one = sum_of_group(row)
        into = [found.months.setdefault(row["month"], _empty())]
        if row["place"] == "vehicle":
            into.append(found.vehicles)
        for sums in into:
            for by, key in of.items():
                sums[by].setdefault(key, Sum()).add(one)
    return found


def content(
    pack: Reader, kept: Kept, kind: str, began: int, supplies: Sequence[CrcSupply], digest: str
) -> dict[str, Any]:
    """Return the report worked out again, as JSON holds it; `digest`: of the rows behind it."""
    ledger = Ledger({}, _empty()) if kind == "crc" else ledger_of(pack, kept.keys)
    vehicles: Any = ledger.vehicles if kind == "carbon" else {}
    one = pack_kept.gathered(kept, kind, began, sums=ledger.told(), vehicles=vehicles, supplies=supplies)
    made = report_gathered.built(one).as_json()
    made["rules"][EVIDENCE] = digest
    found: dict[str, Any] = json.loads(json.dumps(made))
    return found


def apart(printed: Any, made: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield (place, what is printed, what comes out) of every cell of two reports that differs."""
    if isinstance(printed, dict) and isinstance(made, dict):
        for name in sorted({*printed, *made} - ({_APART} if not where else set())):
            yield from apart(printed.get(name), made.get(name), f"{where}, {name}" if where else name)
    elif isinstance(printed, list) and isinstance(made, list) and len(printed) == len(made):
        for at, (one, other) in enumerate(zip(printed, made, strict=True), 1):
            yield from apart(one, other, f"{where} {_called(other, at)}")
    elif printed != made or isinstance(printed, bool) != isinstance(made, bool):
        yield where, printed, made


def _called(one: Any, at: int) -> str:
    name = one.get("name") or one.get("title") or one.get("key") if isinstance(one, dict) else None
    return f"{at} ({name})" if name else str(at)


def keep(folder: Path, gathered: Gathered, printed: Mapping[str, Any]) -> None:
    """Keep what a report was made of beside the rows in `folder`, with whatever cannot be made again of these.

    Another order of adding floats may turn the last digit of an interval; where it does, that cell is named. Raises
    RoadworthyError where anything else comes out: such a report would never verify.
    """
    kept = pack_kept.kept(gathered)
    path = folder / files.INPUTS
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pack_kept.as_json(kept))
    again = pack_kept.of_json(path.read_bytes())
    pack, began = files.Folder(folder), int(printed["began"])
    supplies = [] if printed["kind"] == "carbon" else pack_printed.metered(pack, began, again.zone).supplies
    made = content(pack, again, printed["kind"], began, supplies, "")
    plain = json.loads(json.dumps({**printed, "rules": {**printed["rules"], EVIDENCE: ""}}))
    found = list(apart(plain, made))
    if other := next((one for one in found if not _is_excusable(*one[1:])), None):
        raise RoadworthyError(
            f"the report cannot be made again of its evidence: {other[0]} says {_short(other[1])} and {_short(other[2])} comes "
            "out of the rows; close it again in a minute, and report this where it stays so"
        )
    if found:
        path.write_bytes(pack_kept.as_json(replace(kept, differing={where: out for where, _, out in found})))


def _is_excusable(printed: Any, made: Any) -> bool:
    """Return whether both are one number but for the order in which floats were added; nothing else is ever excused."""
    if any(isinstance(one, bool) or not isinstance(one, (int, float)) for one in (printed, made)):
        return False
    return bool(abs(printed - made) <= _SAME_RATIO * abs(made))


def differing(printed: Mapping[str, Any], made: Mapping[str, Any], kept: Kept) -> list[str]:
    """Return what a report says and what comes out in its place, in words; the first of them, and how many more."""
    known = kept.differing or {}
    found = [
        f"{files.REPORT}: {where}: {_short(said)} is printed and {_short(out)} comes out"
        for where, said, out in apart(dict(printed), dict(made))
        if known.get(where) != out or not _is_excusable(said, out)
    ]
    more = len(found) - _MOST_TOLD
    return [*found[:_MOST_TOLD], *([f"and {more:,} more"] if more > 0 else [])]


def _short(value: Any) -> str:
    text = "nothing" if value is None else repr(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 300 else f"{text[:300]}..."
