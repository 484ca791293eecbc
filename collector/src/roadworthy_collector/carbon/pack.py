"""Makes evidence packs: rows collected when a report is closed, sealed with its content and sign-off when it is issued.

Collected rows wait in the folder `reports` of the data folder. Restricted sites are in totals only: their devices have
no daily rows here, and their months are one row for each place and class.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, select

from roadworthy_collector.carbon import (
    absences,
    energy_facts,
    estate,
    fed_read,
    pack_fitted,
    pack_meters,
    pack_names,
    pack_rebuilt,
    pack_records,
    pack_rows,
    plug_fits,
    plug_store,
    power,
)
from roadworthy_collector.carbon import pack_files as files
from roadworthy_collector.carbon import pack_papers as papers
from roadworthy_collector.carbon.fed import Fed
from roadworthy_collector.carbon.pack_papers import About
from roadworthy_collector.carbon.pack_recompute import Day, machine_cells, recompute, rests_json
from roadworthy_collector.carbon.power import Machine
from roadworthy_collector.carbon.report_compare import EVIDENCE
from roadworthy_collector.carbon.report_gathered import Gathered
from roadworthy_collector.errors import RoadworthyError, StoreError
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.queries import local_totals
from roadworthy_collector.store.schema import devices

FOLDER = "reports"
VERSION = pack_records.SINCE  # 1 had no meters, 2 a PDF drawn of another order than was sealed, 3 no inputs
_VERSION_BEFORE = 3
_COLUMNS = (
    "site", "unit", "in_use_seconds", "idle_seconds", "locked_seconds", "asleep_seconds", "off_seconds",
    "unobserved_seconds", "observed_seconds", "cpu_mean_ratio", "joules",
)  # fmt: skip
_RESTRICTED = pack_rebuilt.TOGETHER
_PERIODS_AT_ONCE = 10_000


def folder_of(settings: Settings) -> Path:
    """Return the folder of packs, made where it is not there; StoreError where it cannot be."""
    folder = settings.data / FOLDER
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: cannot keep evidence packs here: {error.strerror}") from None
    return folder


def collected_folder(settings: Settings, number: int) -> Path:
    """Return where the rows of a closed report wait: not where the version before looks, which would leave some out."""
    return folder_of(settings) / f"report-{number}-evidence"


def _folder_before(settings: Settings, number: int) -> Path:
    return folder_of(settings) / f"report-{number}-rows"


def _rows_behind(settings: Settings, number: int, content: Mapping[str, Any]) -> tuple[Path, tuple[str, ...]]:
    """Return where a closed report's rows are, and which files: of one the version before closed there are fewer."""
    if EVIDENCE in content["rules"]:
        return collected_folder(settings, number), files.ROWS
    return _folder_before(settings, number), files.ROWS_BEFORE


def ensure_unnamed(
    connection: Connection, settings: Settings, number: int, content: Mapping[str, Any]
) -> None:
    """Raise RoadworthyError where a closed report names a site that is restricted by now."""
    rows, _ = _rows_behind(settings, number, content)
    pack_names.ensure_none_restricted(connection, number, files.Folder(rows), content)


def forget_rows(settings: Settings, number: int) -> None:
    """Take away what was collected for a report that is issued."""
    for one in (collected_folder(settings, number), _folder_before(settings, number)):
        shutil.rmtree(one, ignore_errors=True)


class Collected(NamedTuple):
    """The rows behind a report in a folder of their own, their digest, and the joules by place in them."""

    folder: Path
    digest: str
    by_place: dict[str, int]


def collect(engine: Engine, settings: Settings, gathered: Gathered, content: Mapping[str, Any]) -> Collected:
    """Write the rows behind a year's content, and what else it was made of, to a new folder.

    Streams: a piece of devices at a time is in memory. Raises StoreError where nothing can be written, RoadworthyError
    where the meters say something else by now.
    """
    target = folder_of(settings) / f"collecting-{secrets.token_hex(6)}"
    try:
        target.mkdir(mode=0o700)
        by_place = _collect(engine, settings, gathered.now.period, target)
        _collect_meters(engine, settings, content, target)
        pack_rebuilt.keep(target, gathered, content)
    except OSError as error:
        shutil.rmtree(target, ignore_errors=True)
        raise StoreError(f"{target}: the evidence cannot be written: {error.strerror}") from None
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return Collected(target, files.evidence_digest(files.Folder(target)), by_place)


def _collect(engine: Engine, settings: Settings, period: estate.Period, target: Path) -> dict[str, int]:
    work = Work(engine, settings, stop=threading.Event(), rests=False)
    with engine.connect() as connection:
        places = pack_rows.Places(connection)
    rests = pack_fitted.rests(work, period)
    lines = pack_fitted.lines(work, period, rests)
    with files.gzipped(target / files.MACHINES) as machines, files.gzipped(target / files.DAYS) as daily:
        days = _Days(work, period, places, fed_read.of_months(work, period.months, rests), machines, daily)
        found = recompute(days, days.machine, rests, lines)
    with engine.connect() as connection:
        with files.gzipped(target / files.DEVICES) as writer:
            writer.writerows(pack_rows.device_rows(connection, period, places))
        by_place: dict[str, int] = {}
        with files.gzipped(target / files.GROUPS) as writer:
            for row in pack_rows.group_rows(connection, period, places):
                by_place[row[1]] = by_place.get(row[1], 0) + sum(row[8:12])
                writer.writerow(row)
    told = {
        "models": power.digest(),
        "rests": rests_json(rests),
        "plug_lines": plug_fits.lines_json(lines),
        "recomputed": found.as_json(),
        **days.counts,
    }
    path = target / files.RESTS
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(told, file, sort_keys=True, indent=1)
    return by_place


def _collect_meters(engine: Engine, settings: Settings, content: Mapping[str, Any], target: Path) -> None:
    kind, left_out = content["kind"], pack_meters.left_out_of(content)
    zone = settings.reporting_timezone
    with engine.connect() as connection:
        rows = pack_meters.collect(connection, kind, content["began"], zone, left_out, target)
    if kind == "carbon":
        return
    told = pack_meters.lines_of(kind, rows, left_out)
    for one in content["lines"]:
        if not one["ledger"] and Fraction(one["kwh"]) != told.get(one["name"], 0):
            raise RoadworthyError("meters were told anew meanwhile; close the report again")


class _Days:
    """The year's days in order of device, as they count, written to the pack on their way to the models."""

    def __init__(
        self,
        work: Work,
        period: estate.Period,
        places: pack_rows.Places,
        hanging: Iterable[Fed],
        machines: Any,
        daily: Any,
    ) -> None:
        self._work, self._period, self._places = work, period, places
        self._hanging = hanging
        self._machines, self._daily = machines, daily
        self._piece: dict[int, Machine] = {}
        self.counts = {"restricted_days": 0}

    def machine(self, device: int) -> Machine | None:
        """Return a device of the piece whose days come now."""
        return self._piece.get(device)

    def __iter__(self) -> Iterator[Day]:
        zone = self._work.settings.reporting_timezone
        for after, machines in energy_facts.pieces(self._work, zone):
            between = after + 1, machines[-1].id
            with self._work.engine.connect() as connection:
                ids = {
                    row.id: row.device_id
                    for row in connection.execute(
                        select(devices.c.id, devices.c.device_id).where(devices.c.id.between(*between))
                    )
                }
                totals = local_totals.read(connection, *self._period.days, zone, _COLUMNS, between)
                totals = absences.over(connection, totals, between, self._period.days, zone)
                totals = plug_store.over(connection, totals, between, self._period.days, zone)
                for fed in self._hanging:
                    totals = fed.totals(totals, between)
                rows = [
                    one for total in totals if (one := self._day(total)) is not None and one.device in ids
                ]
            told = {row.device for row in rows}
            self._piece = {machine.id: machine for machine in machines if machine.id in told}
            for machine in self._piece.values():
                self._machines.writerow(machine_cells(machine, ids[machine.id]))
            for row in sorted(rows, key=lambda day: (day.device, day.date)):
                self._daily.writerow(row.cells())
                yield row

    def _day(self, total: local_totals.LocalTotal) -> Day | None:
        row = total.values
        if self._places.restricted(row.site):
            self.counts["restricted_days"] += 1
            return None
        seconds = {name: getattr(row, name) for name in _COLUMNS[2:9]}
        place = f"{row.site}.{row.unit}"
        return Day(
            total.device,
            total.date.isoformat(),
            place,
            **seconds,
            cpu_mean_ratio=row.cpu_mean_ratio,
            joules=row.joules,
        )


def as_sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a report's content as its pack holds it, so that what is drawn of either is the same."""
    found: dict[str, Any] = json.loads(_json(content))
    return found


def seal(
    settings: Settings,
    number: int,
    content: Mapping[str, Any],
    steps: Sequence[Mapping[str, Any]],
    *,
    about: About,
    pdf: bytes,
    now: int,
    replace: Callable[[Path, Path], object] = os.replace,
) -> tuple[str, str]:
    """Put a closed report's pack together; return its name and SHA-256. RoadworthyError where its rows are gone."""
    rows, there = _rows_behind(settings, number, content)
    missing = [name for name in there if not (rows / name).is_file()]
    if missing:
        raise RoadworthyError(
            f"report {number}: {missing[0]}, which was written when it was closed, is not in {rows}; prepare it again"
        )
    name = f"roadworthy-{content['kind']}-{content['began']}-{number}.zip"
    if about.restates is not None:
        content = {**content, "restates": about.restates}
    made = _made(content, number, name, steps, about, pdf)
    zone = settings.reporting_timezone
    behind = [rows / name for name in there]
    manifest = _json(_manifest(content, number, made, behind, now=now, zone=zone))
    made.append((files.MANIFEST, manifest))
    path = folder_of(settings) / f"{name}.part"
    try:
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
            hashed = files.Hashed(target)
            files.write_zip(hashed, _in_order(made, behind, manifest))
            target.flush()
            os.fsync(target.fileno())
        replace(path, folder_of(settings) / name)
    except OSError as error:
        raise StoreError(f"{path}: the evidence pack cannot be written: {error.strerror}") from None
    return name, hashed.digest


def _made(
    content: Mapping[str, Any],
    number: int,
    name: str,
    steps: Sequence[Mapping[str, Any]],
    about: About,
    pdf: bytes,
) -> list[tuple[str, bytes]]:
    """Return the files that publishing adds to the rows, but for manifest and seal."""
    contacts = [list(one) for one in about.contacts]
    signed: dict[str, Any] = {
        "report": number, "marking": about.marking, "steps": list(steps), "contacts": contacts,
    }  # fmt: skip
    if about.restates is not None:
        signed["restates"] = {key: value for key, value in about.restates.items() if key != "changes"}
    return [
        (files.README, papers.readme(content, number, name, about.marking).encode()),
        (files.REPORT, _json(content)),
        (files.SIGNOFF, _json(signed)),
        (files.FACTORS, files.csv_bytes(files.FACTORS, papers.factor_rows(content))),
        (files.LINES, files.csv_bytes(files.LINES, papers.line_rows(content))),
        (files.EXCLUSIONS, files.csv_bytes(files.EXCLUSIONS, papers.exclusion_rows(content))),
        (files.CONTACTS, files.csv_bytes(files.CONTACTS, papers.contact_rows(steps, about.contacts))),
        (files.CERTIFICATE, papers.certificate(content, number, about.marking).encode()),
        (files.PDF, pdf),
    ]


def _in_order(
    made: Sequence[tuple[str, bytes]], behind: Sequence[Path], manifest: bytes
) -> Iterator[tuple[str, Iterable[bytes]]]:
    held: dict[str, Iterable[bytes]] = {name: (body,) for name, body in made}
    held |= {path.name: files.pieces_of(path) for path in behind}
    held[files.SEAL] = (f"{hashlib.sha256(manifest).hexdigest()}  {files.MANIFEST}\n".encode(),)
    yield from ((name, held[name]) for name in files.NAMES if name in held)


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode()


def _manifest(
    content: Mapping[str, Any],
    number: int,
    made: Sequence[tuple[str, bytes]],
    behind: Sequence[Path],
    *,
    now: int,
    zone: str,
) -> dict[str, Any]:
    told = {name: {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()} for name, body in made}
    told |= {path.name: {"bytes": path.stat().st_size, "sha256": files.file_digest(path)} for path in behind}
    return {
        "version": VERSION if files.INPUTS in told else _VERSION_BEFORE,
        "report": number,
        "kind": content["kind"],
        "year": content["year"],
        "code_version": content["code_version"],
        "models": power.digest(),
        "rules": content["rules"],
        "sealed_at": now,
        "reporting_timezone": zone,
        "exclusions": content["exclusions"],
        "sums": [
            {name: one[name] for name in ("name", "tonnes", "unit", "places")} for one in content["sums"]
        ],
        "files": told,
    }
