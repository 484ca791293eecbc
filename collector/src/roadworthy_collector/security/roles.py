"""Who may do what: eight roles, what each may, and for which units. Holds alike in console, API and metrics.

A route names the one right it needs: `reader: Annotated[Reader, Depends(require(Right.MANAGE_SITES))]`. What it
then shows is narrowed by `reader.scope` (see `store.queries.scope.within`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from starlette.requests import Request  # FastAPI's own, without the time its import takes a command

from roadworthy_collector.store.queries.scope import EVERYTHING, Scope

__all__ = [
    "ESTATE_WIDE",
    "NEVER_SCOPED",
    "OPEN_RIGHTS",
    "RIGHTS",
    "Reader",
    "Right",
    "Role",
    "Scope",
    "may_approve",
    "require",
    "rights_of",
]


class Role(StrEnum):
    """What a user is here for; each has one."""

    VIEWER = "viewer"
    SERVICE_DESK = "service_desk"
    REGISTER_MANAGER = "register_manager"
    FINANCE_PREPARER = "finance_preparer"
    SUSTAINABILITY_PREPARER = "sustainability_preparer"
    APPROVER = "approver"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


class Right(StrEnum):
    """One thing a role may do."""

    READ_ESTATE = "read_estate"  # lists, totals, facts of devices
    READ_DEVICE_HISTORY = "read_device_history"  # half-hours of one device: a reason, and a row in the audit
    READ_SMALL_GROUPS = "read_small_groups"  # person-related measures of groups under five
    READ_METRICS = "read_metrics"
    READ_AUDIT = "read_audit"
    EXPORT_AUDIT = "export_audit"
    MANAGE_ENROLMENT = "manage_enrolment"  # enrolment keys
    MANAGE_DEVICES = "manage_devices"  # retire, revoke, move
    ERASE_DEVICES = "erase_devices"
    MANAGE_SITES = "manage_sites"
    MANAGE_REGISTER = "manage_register"
    MANAGE_USERS = "manage_users"  # users, their roles, scopes and tokens
    MANAGE_SCRAPE_TOKENS = "manage_scrape_tokens"
    MANAGE_HOLDS = "manage_holds"  # ask for a legal hold, lift one
    MANAGE_DATABASE = "manage_database"
    PREPARE_FINANCE = "prepare_finance"
    PREPARE_CARBON = "prepare_carbon"
    APPROVE = "approve"  # never of own work: see `may_approve`


_READING = frozenset({Right.READ_ESTATE, Right.READ_METRICS})
_WORKING = _READING | {Right.READ_SMALL_GROUPS}

RIGHTS: Mapping[Role, frozenset[Right]] = MappingProxyType(
    {
        Role.VIEWER: _READING,
        Role.SERVICE_DESK: _WORKING | {Right.READ_DEVICE_HISTORY},
        Role.REGISTER_MANAGER: _WORKING
        | {
            Right.MANAGE_REGISTER,
            Right.MANAGE_SITES,
            Right.MANAGE_DEVICES,
            Right.MANAGE_ENROLMENT,
            Right.MANAGE_HOLDS,
        },
        Role.FINANCE_PREPARER: _WORKING | {Right.PREPARE_FINANCE},
        Role.SUSTAINABILITY_PREPARER: _WORKING | {Right.PREPARE_CARBON},
        Role.APPROVER: _WORKING | {Right.APPROVE},
        Role.AUDITOR: _WORKING | {Right.READ_AUDIT, Right.EXPORT_AUDIT},
        # Not approving: who hands out the roles must not also sign off what others prepared.
        Role.ADMINISTRATOR: frozenset(Right) - {Right.APPROVE},
    }
)
# What touches everybody's: a reader of some units only has none of these, whatever the role.
ESTATE_WIDE = frozenset(
    {
        Right.READ_AUDIT,
        Right.EXPORT_AUDIT,
        Right.MANAGE_SITES,
        Right.MANAGE_USERS,
        Right.MANAGE_SCRAPE_TOKENS,
        Right.MANAGE_DATABASE,
    }
)
# Roles that are nothing without those.
NEVER_SCOPED = frozenset({Role.ADMINISTRATOR, Role.AUDITOR})
# On loopback while nobody can sign in: reading is open, changing anything is for the command line.
OPEN_RIGHTS = _WORKING | {Right.READ_DEVICE_HISTORY}


@dataclass(frozen=True)
class Reader:
    """Who asks: a signed-in user, a user's token, or `local` while the collector is open.

    `csrf` belongs to the forms of a session and is empty otherwise. `scope` is None for every unit. `token` is the id of
    the user's token it came with, if it did.
    """

    name: str
    role: Role
    csrf: str
    signed_in: bool
    rights: frozenset[Right] = frozenset()
    scope: Scope = EVERYTHING
    by_token: bool = False
    token: str | None = None

    def may(self, right: Right) -> bool:
        """Return whether the reader has `right`."""
        return right in self.rights

    @property
    def sees_small_groups(self) -> bool:
        """Whether device state and sign-ins of a group under five may be shown to them."""
        return Right.READ_SMALL_GROUPS in self.rights


def rights_of(role: Role, scope: Scope) -> frozenset[Right]:
    """Return what a reader of this role and scope may do."""
    return RIGHTS[role] if scope is None else RIGHTS[role] - ESTATE_WIDE


def may_approve(reader: Reader, prepared_by: str) -> bool:
    """Return whether `reader` may approve what `prepared_by` prepared, asked for or changed last.

    Never their own work, whatever the letter case of the name; nobody who is not signed in approves anything.
    """
    mine = reader.name.strip().casefold() == prepared_by.strip().casefold()
    return reader.signed_in and reader.may(Right.APPROVE) and bool(prepared_by.strip()) and not mine


def require(right: Right) -> Callable[[Request], Reader]:
    """Return a FastAPI dependency that gives the Reader of a request, or refuses it.

    For the API: 401 `sign_in_required` where nobody signed in, 403 `not_allowed` without `right`, 403 `csrf` for a
    change asked for with a session but without its token in the header X-CSRF-Token.
    """

    def reader_with_right(request: Request) -> Reader:
        from roadworthy_collector.security import access  # which imports this module

        return access.api_reader(request, right)

    return reader_with_right
