"""The pages that take a list of disposals, a file of the organisation, newer support dates and dates of one's own."""

from __future__ import annotations

import datetime as dt
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, HTTPException, Request

from roadworthy_collector.books import (
    disposal_import,
    lifecycle_dates,
    lifecycle_editions,
    organisation_files,
    uploads,
)
from roadworthy_collector.books.cost_import import mapping_of
from roadworthy_collector.books.lifecycle_dates import Moved
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.console.file_forms import Done, FileForm, kind_of
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import write_transaction

router = APIRouter(include_in_schema=False)
_KEEPER = require_page(Right.MANAGE_REGISTER)
# Who may bring what in: as the API asks.
HOLDS = {
    "units": ("Units: a path each, or a name and a parent", Right.MANAGE_SITES),
    "cost_centres": ("Cost centres", Right.PREPARE_FINANCE),
    "systems": ("Systems", Right.MANAGE_REGISTER),
    "sites": ("Sites with their kinds", Right.MANAGE_SITES),
}


def _today(view: View) -> dt.date:
    return local_day(view.now, view.settings.reporting_timezone)


# --- disposals ------------------------------------------------------------------------------------------------


def _disposals(view: View, reader: Reader, kept: uploads.Kept, dry_run: bool) -> Done:  # noqa: FBT001 - as FileForm calls it
    wishes = disposal_import.Wishes(
        mapping=mapping_of(kept.mapping, "mapping file"),
        strict=kept.strict,
        dry_run=dry_run,
        scope=view.scope,
        restricted=reader.may(Right.MANAGE_SITES),
    )
    with kept.path.open("rb") as stream:
        done = disposal_import.import_file(
            view.engine, stream, kept.name, wishes, actor=reader.name, now=view.now, on=_today(view)
        )
    if done.report is None:
        return Done([f"This very file is in already, as batch {done.same_as}; nothing was changed."], False)
    lines = [
        (
            f"{done.report.rows_read:,} rows: {done.disposed:,} items left, {done.awaiting:,} await disposal, "
            f"{done.report.quarantined:,} rows are bad"
        )
    ]
    if done.batch is not None:
        lines.append(f"This is batch {done.batch}; the register's list of batches takes it back.")
    return Done(lines, done.disposed + done.awaiting > 0, done.report, done.corrections)


DISPOSALS = FileForm(
    "/disposal/import",
    "Import disposals",
    "A list of disposals from the contractor or the stores, CSV or XLSX: items that left become disposed.",
    ("/disposal", "Disposal"),
    _disposals,
    mapped=True,
    strict=True,
    whole=False,
)
DISPOSALS.serve(router, _KEEPER)


# --- the organisation -----------------------------------------------------------------------------------------


def _organisation(view: View, reader: Reader, kept: uploads.Kept, dry_run: bool) -> Done:  # noqa: FBT001 - as above
    what: Any = kind_of(kept)
    with kept.path.open("rb") as stream:
        found = organisation_files.import_file(
            view.engine,
            stream,
            kept.name,
            actor=reader.name,
            now=view.now,
            zone=view.settings.reporting_timezone,
            what=what,
            dry_run=dry_run,
        )
    head = (
        f"{found.what.replace('_', ' ')} from {found.day.isoformat()} on: {len(found.new):,} new, "
        f"{len(found.changed):,} changed, {found.unchanged:,} as they were"
    )
    lines = [head, *(f"new: {one}" for one in found.new), *(f"changed: {one}" for one in found.changed)]
    return Done(lines, bool(found.new or found.changed))


def _may(reader: Reader, kind: str) -> bool:
    return reader.may(HOLDS[kind][1])


ORGANISATION = FileForm(
    "/organisation/import",
    "Import the organisation",
    "Units, cost centres, systems or sites, CSV or XLSX, told by its columns: all rows or none, from today on.",
    ("/organisation", "Organisation"),
    _organisation,
    kinds={kind: title for kind, (title, _) in HOLDS.items()},
    may=_may,
)


def _bringer(request: Request) -> Reader:
    """Return somebody who may bring one of them in."""
    reader = require_page(Right.READ_ESTATE)(request)
    if not any(_may(reader, kind) for kind in HOLDS):
        raise HTTPException(HTTPStatus.FORBIDDEN, "Your role brings nothing of the organisation in.")
    return reader


ORGANISATION.serve(router, _bringer)


# --- support dates --------------------------------------------------------------------------------------------


def _told(found: Moved, *, dry_run: bool) -> Done:
    done = "would be" if dry_run else "are"
    lines = [
        (
            f"{found.rows:,} rows read; {len(found.added):,} dates {done} added, {len(found.moved):,} moved, "
            f"{len(found.gone):,} gone"
        )
    ]
    for word, changes in (("added", found.added), ("moved", found.moved), ("gone", found.gone)):
        for one in changes:
            release = " ".join(part for part in (one.product, one.version, one.edition) if part)
            before, after = one.before or "no day", one.after or "no day"
            lines.append(f"{word}: {release}, {one.what}: {before} to {after}")
    lines += [f"not taken over: {text}" for text in found.skipped]
    lines += [f"look again: {text}" for text in found.hints]
    return Done(lines, found.changes)


def _dump(view: View, reader: Reader, kept: uploads.Kept, dry_run: bool) -> Done:  # noqa: FBT001 - as above
    body = kept.path.read_bytes()
    if dry_run:
        with view.engine.connect() as connection:
            return _told(lifecycle_dates.try_dump(connection, body), dry_run=True)
    with write_transaction(view.engine) as connection:
        found = lifecycle_dates.load_dump(
            connection, body, source=kept.name, now=int(view.now), actor=reader.name
        )
    return _told(found, dry_run=False)


def _override(view: View, reader: Reader, kept: uploads.Kept, dry_run: bool) -> Done:  # noqa: FBT001 - as above
    if kept.path.stat().st_size > 4 * lifecycle_editions.LONGEST_CHARACTERS[lifecycle_editions.OVERRIDE]:
        raise RoadworthyError(f"{kept.name}: is longer than an override can be")
    try:
        text = kept.path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RoadworthyError(f"{kept.name}: is no text in UTF-8 (byte {error.start})") from None
    if dry_run:
        with view.engine.connect() as connection:
            found = lifecycle_dates.try_override(connection, text, kept.name, now=view.now)
            return _told(found, dry_run=True)
    with write_transaction(view.engine) as connection:
        found = lifecycle_dates.save_override(
            connection, text, source=kept.name, now=int(view.now), actor=reader.name
        )
    return _told(found, dry_run=False)


_CRUMB = ("/lifecycle/dates", "Support dates")
DUMP = FileForm(
    "/lifecycle/dates/load",
    "Load newer support dates",
    "An answer of the API v1 of endoflife.date, /products/full or one product. Nothing is fetched by this page.",
    _CRUMB,
    _dump,
    accept=".json",
)
OVERRIDE = FileForm(
    "/lifecycle/dates/override",
    "Override support dates",
    "Dates of your own, which go before all others: tables [[date]] (TOML) or the CSV of the support dates. The file "
    "holds all of them; an empty one takes the override away.",
    _CRUMB,
    _override,
    accept=".toml,.csv,.txt",
)
DUMP.serve(router, _KEEPER)
OVERRIDE.serve(router, _KEEPER)
