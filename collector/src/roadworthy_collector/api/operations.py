"""The collector itself: what it is, its jobs, its settings, backups of its database, and whether the audit holds."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, StringConstraints

from roadworthy_collector import __version__
from roadworthy_collector.api.calls import PREFIX, Call, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.config_check import check_settings, shown_values
from roadworthy_collector.security import audit
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store import backup_folder
from roadworthy_collector.store.queries import operations as queries

router = APIRouter(prefix=PREFIX, tags=["collector"])
Looker = Annotated[Call, Depends(caller(Right.READ_ESTATE))]
Operator = Annotated[Call, Depends(caller(Right.MANAGE_DATABASE))]
Auditor = Annotated[Call, Depends(caller(Right.READ_AUDIT))]
Noted = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,18}:[0-9a-f]{64}$")]


class Estate(BaseModel):
    """What this collector is."""

    version: str
    simulated: bool
    created_at: int | None
    schema_revision: str | None
    database: str
    reporting_timezone: str
    report_interval_seconds: int
    relay: bool


class Job(BaseModel):
    """How a job of the jobs process goes; times in UTC epoch seconds."""

    name: str
    last_started_at: float | None
    last_finished_at: float | None
    last_success_at: float | None
    last_duration_seconds: float | None
    longest_transaction_seconds: float | None
    failures: int
    last_error: str | None


class Jobs(BaseModel):
    """All jobs that ran, by name."""

    rows: list[Job]


class SettingFault(BaseModel):
    """What is wrong with a setting."""

    setting: str | None
    message: str


class SettingsShown(BaseModel):
    """The settings this process runs with, secrets as ***, and what is wrong with them by now."""

    settings: dict[str, Any]
    faults: list[SettingFault]


class Backup(BaseModel):
    """A backup in the data folder's `backups`; `made_at` in UTC epoch seconds."""

    name: str
    bytes: int
    made_at: int


class Backups(BaseModel):
    """All of them, newest first."""

    rows: list[Backup]


class AuditState(BaseModel):
    """What a walk along the audit's chain found; `broken` says what does not fit, null if all does.

    Note `head_id` and `head_hash` elsewhere: given as `known` later, they show a chain that was written anew.
    """

    rows: int
    head_id: int
    head_hash: str
    unchained: int
    broken: str | None


@router.get("/estate", summary="What this collector is", responses=documented())
def show_estate(call: Looker) -> Estate:
    """Version, kind of database, whether the IT estate is simulated."""
    with call.engine.connect() as connection:
        found = queries.read_estate(connection)
    return Estate(
        version=__version__,
        database=call.engine.dialect.name,
        reporting_timezone=call.settings.reporting_timezone,
        report_interval_seconds=call.settings.report_interval_seconds,
        relay=call.settings.is_relay,
        **found,
    )


@router.get("/jobs", summary="How the background work goes", responses=documented())
def list_jobs(call: Operator) -> Jobs:
    """When each job last began, ended and succeeded, and what went wrong."""
    with call.engine.connect() as connection:
        return Jobs.model_validate({"rows": queries.list_jobs(connection)})


@router.get("/settings", summary="The settings, looked over", responses=documented())
def show_settings(call: Operator) -> SettingsShown:
    """Say what `roadworthy check-config` says, of the settings this process runs with."""
    faults = [SettingFault(setting=one.setting, message=one.message) for one in check_settings(call.settings)]
    return SettingsShown(settings=shown_values(call.settings), faults=faults)


@router.get("/database/backups", summary="Backups", responses=documented())
def list_backups(call: Operator) -> Backups:
    """List the backups made through this API, newest first."""
    return Backups.model_validate({"rows": backup_folder.list_backups(call.settings)})


@router.post(
    "/database/backups", summary="Back the database up", status_code=201, responses=documented(408, 409, 413)
)
def make_backup(call: Operator) -> Backup:
    """Copy the database, consistently and while it is in use, into the data folder's `backups` on its own machine.

    To restore one is for the command line alone: nothing may run on the database meanwhile.
    """
    made = backup_folder.make_backup(call.settings, now=call.now)
    audit.record_alone(call.engine, call.now, call.actor, "database.backup", made["name"])
    return Backup.model_validate(made)


@router.get("/audit/verify", summary="Does the audit hold?", responses=documented())
def verify_audit(
    call: Auditor,
    known: Annotated[
        list[Noted] | None, Query(max_length=100, description="ID:HASH noted earlier and kept elsewhere.")
    ] = None,
) -> AuditState:
    """Walk the whole chain: no row was changed, left out or put in."""
    noted = {int(one.partition(":")[0]): one.partition(":")[2] for one in known or ()}
    with call.engine.connect() as connection:
        return AuditState.model_validate(audit.verify(connection, noted)._asdict())
