"""Any single cell of any file of an evidence pack that is changed is found, though the manifest was made anew.

Twice: by somebody who made only manifest and seal anew, and by somebody who made every digest in the pack anew, in whose
pack only what `pack_records.RECORDED` names may pass.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import shutil
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.estates import Estate
from support.modules import beside
from typer.testing import CliRunner

from roadworthy_collector.carbon import pack_files, pack_rebuilt, pack_records, pack_verify
from roadworthy_collector.carbon.report_compare import EVIDENCE
from roadworthy_collector.cli import app
from roadworthy_collector.store.engine import open_engine

meters = beside(__file__, "test_pack_meters")
reports = meters.reports
Body = dict[str, bytes]
Where = tuple[Any, ...]
_SEALS = {"manifest.json", "manifest.sha256"}
# Drawn and written of the others to the byte: what tests of their own change.
_PAPERS = {"report.pdf", "README.txt", "certificate.txt"}


def _carbon(estate: Estate) -> int:
    reports.fill(estate)
    return int(reports.published(estate))


def _meters(kind: str) -> Callable[[Estate], int]:
    def make(estate: Estate) -> int:
        meters.fill(estate)
        return int(reports.published(estate, kind, meters.YEAR))

    return make


class Packs(dict[str, Body]):
    """The files of packs by kind; told in short, for hypothesis prints the arguments of what fails."""

    def __repr__(self) -> str:
        """Return no megabyte."""
        return f"Packs({', '.join(self)})"


@pytest.fixture(scope="module")
def packs(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Packs:
    """Return the files of an issued pack of each kind."""
    found = Packs()
    for kind, make in (("carbon", _carbon), ("crc", _meters("crc")), ("secr", _meters("secr"))):
        folder = tmp_path_factory.mktemp(kind)
        shutil.copy(empty_database, folder / "roadworthy.db")
        estate = Estate(open_engine(folder / "roadworthy.db"), folder / "roadworthy.db")
        path = reports.pack_of(estate, make(estate))
        assert pack_verify.verify(path).differences == []
        found[kind] = meters.files_of(path)
        estate.engine.dispose()
    return found


def _leaves(value: Any, where: Where = ()) -> Iterator[Where]:
    """Yield where each text, number and null of a JSON file stands."""
    items = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    )
    if items is None:
        yield where
        return
    for name, one in items:
        yield from _leaves(one, (*where, name))


def _table(body: bytes, name: str) -> list[list[str]]:
    plain = gzip.decompress(body) if name.endswith(".gz") else body
    return list(csv.reader(io.StringIO(plain.decode())))


def cells(held: Body, name: str) -> list[Where]:
    """Return where each cell of a file stands."""
    if name.endswith(".json"):
        return list(_leaves(json.loads(held[name])))
    rows = _table(held[name], name)
    return [(at, column) for at in range(1, len(rows)) for column in range(len(rows[0]))]


def _other(value: Any) -> Any:
    """Return something else of the same sort: a number near it, another text."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if value is None:
        return "1"
    if value.lstrip("-").isdigit() and len(value) < 10:
        return str(int(value) + 1)
    return f"{value[:-1]}{'1' if value[-1:] != '1' else '2'}"


def tampered(held: Body, name: str, where: Where) -> Body:
    """Return a pack in which one cell says something else."""
    if name.endswith(".json"):
        content = json.loads(held[name])
        inner = content
        for one in where[:-1]:
            inner = inner[one]
        inner[where[-1]] = _other(inner[where[-1]])
        return held | {name: json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False).encode()}
    rows = _table(held[name], name)
    rows[where[0]][where[1]] = _other(rows[where[0]][where[1]])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    body = text.getvalue().encode()
    return held | {name: gzip.compress(body, mtime=0) if name.endswith(".gz") else body}


def _with_digests(held: Body) -> Body:
    """Return a pack whose report and manifest name the rows as they are now."""
    whole = hashlib.sha256()
    for name in pack_files.ROWS:
        whole.update(f"{hashlib.sha256(held[name]).hexdigest()}  {name}\n".encode())
    found = dict(held)
    for name in ("report.json", "manifest.json"):
        content = json.loads(found[name])
        content["rules"][EVIDENCE] = whole.hexdigest()
        found[name] = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False).encode()
    return found


def found_in(held: Body, target: Path) -> list[str]:
    """Return what verifying a pack sealed anew says; what cannot be read is found too."""
    try:
        return list(meters.resealed(dict(held), target))
    except pack_files.PackError as error:
        return [str(error)]


def _is_recorded(held: Body, name: str, where: Where) -> bool:
    some = pack_records.RECORDED.get(name, ())
    if name in {"inputs.json", "rests.json"}:
        return True
    if name.endswith(".json"):
        return any(one in where for one in some)
    row = dict(zip(pack_files.COLUMNS[name], _table(held[name], name)[where[0]], strict=True))
    folded = name == "supplies.csv" and not row["supply"]
    return folded or pack_files.COLUMNS[name][where[1]] in some


_PLACES: dict[tuple[str, bool], dict[str, list[Where]]] = {}


def packs_places(packs: Packs, kind: str, *, derivable: bool = False) -> dict[str, list[Where]]:
    """Return {file: its cells} of a pack, once for all examples; with `derivable` without those that are recorded."""
    if (kind, derivable) not in _PLACES:
        held = packs[kind]
        _PLACES[kind, derivable] = {
            name: [
                where for where in cells(held, name) if not (derivable and _is_recorded(held, name, where))
            ]
            for name in held
            if name not in _SEALS | _PAPERS
        }
    return _PLACES[kind, derivable]


def picked(places: dict[str, list[Where]], file: int, cell: int) -> tuple[str, Where]:
    """Return a file and a cell of it."""
    names = sorted(name for name, some in places.items() if some)
    name = names[file % len(names)]
    return name, places[name][cell % len(places[name])]


@settings(max_examples=40)
@given(file=st.integers(0, 999), cell=st.integers(0, 99_999))
@pytest.mark.parametrize("kind", ["carbon", "crc", "secr"])
def test_a_changed_cell_is_found_though_the_manifest_was_made_anew(
    packs: Packs, tmp_path_factory: pytest.TempPathFactory, kind: str, file: int, cell: int
) -> None:
    held = packs[kind]
    name, where = picked(packs_places(packs, kind), file, cell)
    target = tmp_path_factory.getbasetemp() / f"forged-{kind}.zip"
    assert found_in(tampered(held, name, where), target), (name, where)


@settings(max_examples=40)
@given(file=st.integers(0, 999), cell=st.integers(0, 99_999))
@pytest.mark.parametrize("kind", ["carbon", "crc", "secr"])
def test_what_follows_from_other_rows_is_found_with_every_digest_made_anew(
    packs: Packs, tmp_path_factory: pytest.TempPathFactory, kind: str, file: int, cell: int
) -> None:
    held = packs[kind]
    name, where = picked(packs_places(packs, kind, derivable=True), file, cell)
    if where == ("rules", EVIDENCE):
        return  # the digest itself, which is made anew
    target = tmp_path_factory.getbasetemp() / f"forged-{kind}.zip"
    assert found_in(_with_digests(tampered(held, name, where)), target), (name, where)


def test_a_day_told_twice_and_days_left_out_are_told(packs: Packs, tmp_path: Path) -> None:
    """Also of somebody who makes all else follow: one is a difference, the other stands beside the ledger's days."""
    held, name = packs["carbon"], "days.csv.gz"
    head, *rows = _table(held[name], name)
    for changed, about in (
        ([*rows, rows[-1]], "twice or out of order"),
        (rows[:-1], "other daily rows than"),
    ):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([head, *changed])
        forged = _with_digests(held | {name: gzip.compress(text.getvalue().encode(), mtime=0)})
        target = tmp_path / "forged.zip"
        differences = list(meters.resealed(dict(forged), target))
        said = [*differences, *pack_verify.verify(target).remarks]
        assert [one for one in said if about in one], said


def test_a_pack_of_an_older_version_is_not_plainly_ok(packs: Packs, tmp_path: Path) -> None:
    """Whoever forges one can have it be older: the last line says how far it goes."""
    held = packs["carbon"]
    target = tmp_path / "whole.zip"
    assert not list(meters.resealed(dict(held), target))
    assert CliRunner().invoke(app, ["report", "verify", str(target)]).output.splitlines()[-2] == "ok"
    for name in ("report.json", "manifest.json"):
        older = json.loads(held[name]) | {"code_version": "0.0.9"}
        held = held | {name: json.dumps(older, indent=1, sort_keys=True, ensure_ascii=False).encode()}
    list(meters.resealed(_with_digests(held), target))
    said = CliRunner().invoke(app, ["report", "verify", str(target), "--format", "json"])
    assert json.loads(said.output)["whole"] is False
    said = CliRunner().invoke(app, ["report", "verify", str(target)])
    assert said.output.splitlines()[-2].startswith("ok, as far as it goes")


@pytest.mark.parametrize("kind", ["carbon", "crc", "secr"])
def test_a_changed_cell_of_the_manifest_is_found(packs: Packs, tmp_path: Path, kind: str) -> None:
    held = packs[kind]
    for where in _leaves(json.loads(held["manifest.json"])):
        if where[0] == "files":
            continue  # made anew with the seal
        assert found_in(tampered(held, "manifest.json", where), tmp_path / "forged.zip"), where


def _signed(held: Body, change: Callable[[list[dict[str, Any]]], None]) -> Body:
    content = json.loads(held["signoff.json"])
    change(content["steps"])
    return held | {"signoff.json": json.dumps(content, indent=1, sort_keys=True).encode()}


def _reviewed_by_the_preparer(steps: list[dict[str, Any]]) -> None:
    steps[1]["person"] = " Ann"


def _approved_by_the_reviewer(steps: list[dict[str, Any]]) -> None:
    steps[3]["person"] = "BEN"


def _not_reviewed(steps: list[dict[str, Any]]) -> None:
    del steps[1]


def _approved_before_it_was_closed(steps: list[dict[str, Any]]) -> None:
    steps[3]["at"] -= 10


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_reviewed_by_the_preparer, "ann prepared a part and reviewed it"),
        (_approved_by_the_reviewer, "ben approved what they prepared, reviewed or closed"),
        (_not_reviewed, "closed cannot follow open"),
        (_approved_before_it_was_closed, "not in the order of their times"),
    ],
)
def test_a_sign_off_that_cannot_be_is_named(
    packs: Packs, tmp_path: Path, change: Callable[[list[dict[str, Any]]], None], said: str
) -> None:
    found = found_in(_signed(packs["carbon"], change), tmp_path / "forged.zip")
    assert any(said in one for one in found), found


@pytest.mark.parametrize(
    ("name", "where"),
    [("inputs.json", ("rule",)), ("inputs.json", ("today",)), ("report.json", ("figures", 0, "name"))],
)
def test_what_cannot_be_read_is_a_difference_and_no_crash(
    packs: Packs, tmp_path: Path, name: str, where: Where
) -> None:
    assert found_in(tampered(packs["carbon"], name, where), tmp_path / "forged.zip")


@pytest.mark.parametrize("kind", ["carbon", "crc", "secr"])
def test_digests_made_anew_alone_change_nothing(packs: Packs, tmp_path: Path, kind: str) -> None:
    assert found_in(_with_digests(packs[kind]), tmp_path / "forged.zip") == []


def test_what_is_recorded_and_not_derivable_is_told(packs: Packs, tmp_path: Path) -> None:
    target = tmp_path / "pack.zip"
    assert meters.resealed(dict(packs["crc"]), target) == []
    told = next(
        one for one in pack_verify.verify(target).remarks if one.startswith("recorded, not derivable")
    )
    for name, some in pack_records.RECORDED.items():
        assert f"{name}: {', '.join(some)}" in told


def _excused(held: Body, where: Where, value: Any) -> Body:
    """Return a pack whose report says `value` in a cell, with the true one excused in its inputs and every digest anew."""
    report, plain = (json.loads(held["report.json"]) for _ in range(2))
    inner = report
    for one in where[:-1]:
        inner = inner[one]
    inner[where[-1]] = value
    inputs = json.loads(held["inputs.json"])
    inputs["differing"] = {name: made for name, _, made in pack_rebuilt.apart(report, plain)}
    forged = {
        name: json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False).encode()
        for name, content in (("report.json", report), ("inputs.json", inputs))
    }
    return _with_digests(held | forged)


@pytest.mark.parametrize("kind", ["carbon", "crc", "secr"])
def test_the_inputs_excuse_no_other_figure_and_no_words(packs: Packs, tmp_path: Path, kind: str) -> None:
    held = packs[kind]
    report = json.loads(held["report.json"])
    number = next(one for one in _leaves(report["figures"]) if one[-1] == "value")
    words = ("title",), ("sentences", 0), ("method", 0)
    for where in (("figures", *number), *words):
        said = report
        for one in where:
            said = said[one]
        assert found_in(_excused(held, where, _other(said)), tmp_path / "forged.zip"), where


def test_the_inputs_excuse_the_last_digits_of_a_number_alone() -> None:
    kept = types.SimpleNamespace(differing={"one": 1234.5})
    for printed, found in (
        (1234.5 * (1 + 1e-12), 0),
        (1234.5 * (1 + 1e-8), 1),
        (None, 1),
        ("1234.5", 1),
        (True, 1),
    ):
        assert len(pack_rebuilt.differing({"one": printed}, {"one": 1234.5}, kept)) == found  # type: ignore[arg-type]  # all it reads of Kept


def _with_cell(held: Body, name: str, where: Where, value: Any) -> Body:
    """Return a pack in which one cell, by name of column in CSV, says `value`, with every digest made anew."""
    if name.endswith(".json"):
        content = json.loads(held[name])
        inner = content
        for one in where[:-1]:
            inner = inner[one]
        inner[where[-1]] = value
        return _with_digests(held | {name: json.dumps(content, indent=1, sort_keys=True).encode()})
    rows = _table(held[name], name)
    rows[where[0]][rows[0].index(where[1])] = value
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    body = text.getvalue().encode()
    return _with_digests(held | {name: gzip.compress(body, mtime=0) if name.endswith(".gz") else body})


@pytest.mark.parametrize(
    ("kind", "name", "where", "value", "said"),
    [
        ("crc", "report.json", ("lines", 0, "kwh"), "1e999999999", "report.json: lines 1, kwh"),
        ("crc", "report.json", ("sums", 0, "given"), "1e-999999999", "report.json: sums, total, given"),
        ("crc", "report.json", ("sums", 0, "places"), 10**9, "report.json: sums 1, places"),
        ("crc", "lines.csv", (1, "kwh"), "1e999999999", "lines.csv: line 2: kwh"),
        ("crc", "factors.csv", (1, "value"), "1e-999999999", "factors.csv: row 1: value"),
        ("crc", "supplies.csv", (1, "kwh"), "1e999999999", "supplies.csv: line 2: kwh"),
        ("crc", "readings.csv.gz", (1, "thousandths"), "1" * 60, "readings.csv.gz: line 2: thousandths"),
        ("crc", "inputs.json", ("rates", 0, "value"), "1E-999999999", "inputs.json: rates 1, value"),
        ("carbon", "inputs.json", ("factors", 0, "value"), "1E-999999999", "inputs.json: factors 1, value"),
        ("secr", "inputs.json", ("journals",), {"gas": "1e999999999"}, "journals"),
        ("carbon", "groups.csv.gz", (1, "own_up_squared"), "inf", "groups.csv.gz: line 2: own_up_squared"),
    ],
)  # fmt: skip
def test_a_number_nobody_can_work_with_is_named(
    packs: Packs, tmp_path: Path, kind: str, name: str, where: Where, value: Any, said: str
) -> None:
    found = found_in(_with_cell(packs[kind], name, where, value), tmp_path / "forged.zip")
    assert any(said in one and "no number that can be" in one for one in found), found
