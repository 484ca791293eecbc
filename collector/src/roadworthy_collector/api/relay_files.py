"""Carried files: `roadworthy relay keygen, identity, export, import, ack`. A body or an answer is the file itself.

The private key is made in the collector's data folder and never leaves it. What a relay is made of is loaded with the
first call: its cryptography costs memory few collectors need.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi import Path as InPath
from pydantic import BaseModel, Field

from roadworthy_collector.api.calls import MAX_ID, PREFIX, Call, Sent, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.api.uploads import BINARY, bounded, file_body, work_on
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import require_estate

if TYPE_CHECKING:
    from roadworthy_collector.relay.signing import Told

router = APIRouter(prefix=f"{PREFIX}/relay", tags=["relay"])
Operator = Annotated[Call, Depends(caller(Right.MANAGE_DATABASE, everywhere=True))]
RelayId = Annotated[str, InPath(pattern=r"^[0-9a-f]{16}$", description="A relay's id, 16 hex digits.")]
Name = Annotated[
    str, Query(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_ .()-]{0,127}$", description="What messages call the file.")
]
_MEBIBYTE = 1_048_576


class Identity(BaseModel):
    """What others are to trust, tell it to them in person; `identity` holds the other two."""

    identity: str
    relay: str
    public_key: str


class Wanted(Sent):
    """What the next file is to hold: with `since` (epoch seconds) again what came from then on, held or not.

    `after` is the header Roadworthy-Next of the file before, for a run with `since`.
    """

    since: Annotated[int, Field(ge=0, le=MAX_ID)] | None = None
    after: Annotated[int, Field(ge=0, le=MAX_ID)] = 0
    file_mebibytes: Annotated[int, Field(ge=1, le=48)] = 32


class ImportedFile(BaseModel):
    """What became of a file; `rejected` counts items by code, `missing` numbers files never read although later ones were."""

    file: str
    relay: str
    sequence: int
    sha256: str
    already: bool
    reports: int
    devices_new: int
    accepted: int
    rejected: dict[str, int]
    missing: list[int]


class LetGo(BaseModel):
    """A file of this relay that is held, and how many reports went with that."""

    sequence: int
    reports: int


class AllLetGo(BaseModel):
    """What an acknowledgement told of that was not acknowledged before."""

    rows: list[LetGo]


@router.post(
    "/identity", summary="Make the key files are signed with", status_code=201, responses=documented()
)
def make_identity(call: Operator) -> Identity:
    """Make it in the data folder of this collector and answer what others are to trust; 422 if there is one."""
    from roadworthy_collector.relay import identity

    return _told(identity.make(call.engine, call.settings.data, now=call.at, actor=call.actor))


@router.get("/identity", summary="What others are to trust", responses=documented())
def show_identity(call: Operator) -> Identity:
    """Show this collector's id as a relay and its public key; 422 if it has no key."""
    from roadworthy_collector.relay import identity

    return _told(identity.read(call.engine, call.settings.data))


@router.post(
    "/export",
    summary="The next file to carry",
    response_class=Response,
    responses={
        **documented(408, 413),
        200: {"description": "The file, signed.", "content": BINARY},
        204: {"description": "Every report is in a file."},
    },
)
def export(call: Operator, sent: Wanted) -> Response:
    """Write the next signed file and answer it; asked again and again until 204 nothing is left.

    Headers tell its name, Roadworthy-Sequence, -Reports, -Stayed (reports of restricted sites, which are in no file)
    and -Next. Whoever lost an answer has the file written again with `since`.
    """
    from roadworthy_collector.relay.exporting import Exporter

    held: list[tuple[str, bytes]] = []
    exporter = Exporter(
        call.engine,
        call.settings,
        Path(),
        file_bytes=sent.file_mebibytes * _MEBIBYTE,
        clock=lambda: call.now,
        actor=call.actor,
        keep=lambda path, whole: held.append((path.name, whole)),
    )
    with closing(exporter.run(sent.since, after=sent.after)) as files:
        written = next(files, None)
    headers = {"Roadworthy-Stayed": str(exporter.stayed)}
    if written is None:
        return Response(status_code=204, headers=headers)
    ((name, whole),) = held
    headers |= {
        "Roadworthy-Sequence": str(written.sequence),
        "Roadworthy-Reports": str(written.reports),
        "Roadworthy-Next": str(exporter.after),
    }
    return _file(name, whole, headers)


@router.post(
    "/import",
    summary="Read a relay's file",
    responses=documented(408, 413),
    openapi_extra=file_body(bounded("The file itself (.rwdrop)")),
)
async def import_file(call: Operator, request: Request, name: Name = "upload.rwdrop") -> ImportedFile:
    """Take the body as the file: verified first, checked like any report, read twice without harm."""

    def run(content: bytes) -> ImportedFile:
        from roadworthy_collector.relay.importing import Importer, missing

        require_estate(call.engine, simulated=False)
        done = Importer(call.engine, call.settings, actor=call.actor).take(content, name)
        with call.engine.connect() as connection:
            lacking = missing(connection, done.relay)
        return ImportedFile.model_validate(
            asdict(done) | {"rejected": dict(done.rejected), "missing": lacking}
        )

    return await work_on(request, run)


@router.get(
    "/acknowledgements/{relay}",
    summary="An acknowledgement to carry back",
    response_class=Response,
    responses={
        **documented(404),
        200: {"description": "The acknowledgement, signed.", "content": BINARY},
    },
)
def show_acknowledgement(call: Operator, relay: RelayId) -> Response:
    """Answer a signed file (.rwack) that tells a relay which of its files are held here."""
    from roadworthy_collector.relay.importing import acknowledgement

    return _file(*acknowledgement(call.engine, call.settings, relay, now=call.at), {})


@router.post(
    "/acknowledge",
    summary="Let go of what a main collector holds",
    responses=documented(408, 413),
    openapi_extra=file_body(bounded("The acknowledgement itself (.rwack)")),
)
async def acknowledge(call: Operator, request: Request, name: Name = "upload.rwack") -> AllLetGo:
    """Take the body as an acknowledgement: verified first; what it says is held is let go of."""

    def run(content: bytes) -> AllLetGo:
        from roadworthy_collector.relay.exporting import acknowledge_one

        done = acknowledge_one(call.engine, call.settings, content, name, now=call.at, actor=call.actor)
        return AllLetGo.model_validate({"rows": done})

    return await work_on(request, run)


def _told(told: Told) -> Identity:
    return Identity(identity=told.text(), relay=told.relay, public_key=told.public_key)


def _file(name: str, whole: bytes, headers: dict[str, str]) -> Response:
    """Return a file of ours; its name is made of hex digits and numbers."""
    shown = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(whole, media_type="application/octet-stream", headers=shown | headers)
