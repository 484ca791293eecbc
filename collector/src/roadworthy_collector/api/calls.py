"""What every route of the API is given: who calls, the database, the clock; and the forms of what is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, NamedTuple

from fastapi import Query, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Engine

from roadworthy_collector.security.access import AccessRefusedError, api_reader, current_reader
from roadworthy_collector.security.roles import Reader, Right
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.queries.scope import Scope
from roadworthy_inventory.importing.formats import closest
from roadworthy_inventory.importing.problems import shortened

PREFIX = "/api/v1"
# Row ids are BIGINT; a larger number is no cursor of ours.
MAX_ID = 2**63 - 1


class Call(NamedTuple):
    """Who calls, and what a route works with; `now` in UTC epoch seconds."""

    reader: Reader
    engine: Engine
    settings: Settings
    now: float

    @property
    def at(self) -> int:
        """Now, as it is written down."""
        return int(self.now)

    @property
    def actor(self) -> str:
        """Who the audit names."""
        return self.reader.name

    @property
    def scope(self) -> Scope:
        """What the caller may see."""
        return self.reader.scope

    @property
    def sees_restricted(self) -> bool:
        """Whether restricted sites may be shown to the caller."""
        return self.reader.may(Right.MANAGE_SITES)


class Sent(BaseModel):
    """A body; what it does not know is refused, so that a typing slip never passes unnoticed."""

    model_config = ConfigDict(extra="forbid")


def one_line(text: str) -> str:
    """Return `text`; raise ValueError unless it is one line of printable characters."""
    if not text.isprintable():
        message = "one line of printable characters is wanted"
        raise ValueError(message)
    return text


_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
PlaceName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=_PRINTABLE),
    AfterValidator(one_line),
]
Note = Annotated[str, StringConstraints(max_length=256, pattern=_PRINTABLE), AfterValidator(one_line)]
Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=5, max_length=512, pattern=_PRINTABLE),
    AfterValidator(one_line),
]
DEVICE_ID = r"^rwd_[0-9a-f]{32}$"
DeviceId = Annotated[str, StringConstraints(pattern=DEVICE_ID)]
TokenId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Days = Annotated[int, Field(ge=1, le=366)]
RowCursor = Annotated[int, Query(ge=0, le=MAX_ID, description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="Rows a page at most.")]


def refuse_unknown(request: Request) -> None:
    """Raise AccessRefusedError 422 for a parameter the operation does not take: a filter misspelt is no filter."""
    if not request.query_params:
        return
    taken = _taken(request.scope["route"])
    unknown = next((name for name in request.query_params if name not in taken), None)
    if unknown is None:
        return
    said = shortened(unknown)
    offered = f"it takes {', '.join(sorted(taken))}" if taken else "it takes none"
    message = f"{said}: this operation takes no such parameter{closest(unknown, sorted(taken))}; {offered}"
    raise AccessRefusedError(422, "schema", message, said)


def _taken(route: APIRoute) -> frozenset[str]:
    """Return the names an operation's document has for its query."""
    extra = (route.openapi_extra or {}).get("parameters", ())
    return _declared(route.dependant) | {one["name"] for one in extra if one["in"] == "query"}


def _declared(part: Dependant) -> frozenset[str]:
    below = (_declared(one) for one in part.dependencies)
    return frozenset(one.alias for one in part.query_params).union(*below)


def caller(*rights: Right, everywhere: bool = False) -> Callable[[Request], Call]:
    """Return a FastAPI dependency: the call of somebody with one of `rights`; AccessRefusedError 401 or 403 otherwise.

    With `everywhere` somebody whose role holds for some units only is refused: it is about the whole collector.
    """

    def call(request: Request) -> Call:
        right = rights[0]
        if len(rights) > 1 and (found := current_reader(request)) is not None:
            right = next((one for one in rights if found.may(one)), right)
        reader = api_reader(request, right)
        if everywhere and reader.scope is not None:
            raise AccessRefusedError(
                403, "not_allowed", "this is about the whole IT estate; your role holds for some units"
            )
        refuse_unknown(request)
        state = request.app.state
        return Call(reader, state.engine, state.settings, state.clock())

    return call
