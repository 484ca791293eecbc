"""Getting and walking by single requests, whoever sends them: what a device refuses, cannot fit or does not answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Literal, NamedTuple, TypeAlias

from roadworthy_collector.snmp.exchange import bad_answer, endless, refused
from roadworthy_collector.snmp.port import Community, NoAnswerError, Oid, Target, Value, oid_text
from roadworthy_collector.snmp.repetitions import Repetitions

Kind: TypeAlias = Literal["get", "next", "bulk"]
Rows: TypeAlias = Sequence[tuple[Oid, Value | None]]  # None: the device says that there is none
# OIDs of one GET: an answer of twenty numbers fits into what every agent can send.
MOST_OIDS = 20
_SYSTEM = (1, 3, 6, 1, 2, 1, 1)  # where every agent's rows begin
# Error status of a PDU (RFC 3416, section 3).
_TOO_BIG, _NO_SUCH_NAME = 1, 2


class Answered(NamedTuple):
    """What came for one request; `at` is the place, from 1, of what an error status is about."""

    status: int
    at: int
    rows: Rows


class AskingSession(ABC):
    """A `Session` of one poll of one target, made of single requests."""

    def __init__(self, target: Target, repetitions: Repetitions) -> None:
        self._target = target
        self._repetitions = repetitions
        self.requests = 0

    @property
    def target(self) -> Target:
        """Return who is asked."""
        return self._target

    @abstractmethod
    async def ask(self, kind: Kind, oids: Sequence[Oid], repetitions: int = 0) -> Answered:
        """Send one request and return what came; SnmpError where nothing usable did."""

    async def get(self, oids: Sequence[Oid]) -> Mapping[Oid, Value]:
        """Return what the device has of `oids`."""
        found: dict[Oid, Value | None] = {}
        waiting = [list(oids[place : place + MOST_OIDS]) for place in range(0, len(oids), MOST_OIDS)]
        left_out: set[Oid] = set()  # by an answer that held others
        while waiting:
            if not (some := waiting.pop()):
                continue  # all of it is missing; what a device makes of a request for nothing is its own affair
            status, index, rows = await self.ask("get", some)
            if status == _NO_SUCH_NAME and 1 <= index <= len(some):
                # v1 refuses the whole for one that is missing.
                waiting.append([oid for place, oid in enumerate(some, 1) if place != index])
            elif status == _TOO_BIG and len(some) > 1:
                waiting += [some[: len(some) // 2], some[len(some) // 2 :]]
            elif status:
                raise refused(self._target, status, some[0])
            elif told := self._told(some, rows, left_out):
                found |= told
                left = [oid for oid in some if oid not in told]
                left_out.update(left)
                waiting.append(left)
        return {oid: value for oid in oids if (value := found.get(oid)) is not None}

    def _told(self, some: Sequence[Oid], rows: Rows, left_out: AbstractSet[Oid]) -> dict[Oid, Value | None]:
        """Return what an answer tells of what was asked; BadAnswerError where that is nothing.

        Nothing at all of what an earlier answer left out is none: some agents leave out what they do not have.
        """
        wanted = set(some)
        told = {oid: value for oid, value in rows if oid in wanted}
        if not told and (rows or not wanted <= left_out):
            said = f"an answer to a request for {len(some)} values, of which {oid_text(some[0])}, holds none of them"
            raise bad_answer(self._target, said)
        return told

    async def walk(self, prefix: Oid, *, most_rows: int = 2000) -> Mapping[Oid, Value]:
        """Return what stands below `prefix`."""
        found: dict[Oid, Value] = {}
        last = prefix
        while True:
            rows = await self._next(last)
            for oid, value in rows:
                if value is None or (oid[: len(prefix)] != prefix and self._is_behind(oid, last, found)):
                    return found
                if oid <= last:
                    said = f"a walk of {oid_text(prefix)} goes backwards at {oid_text(oid)}"
                    raise bad_answer(self._target, said)
                if len(found) >= most_rows:
                    raise endless(self._target, most_rows, prefix)
                found[oid] = value
                last = oid
            if not rows:
                return found

    @staticmethod
    def _is_behind(oid: Oid, last: Oid, found: Mapping[Oid, Value]) -> bool:
        """Return whether a row outside of a table tells that the table is over.

        Some agents begin anew behind their last row, or slip behind a table's: what came before stands.
        """
        return oid > last or bool(found) or oid[: len(_SYSTEM)] == _SYSTEM

    async def _next(self, last: Oid) -> Rows:
        """Return the next rows after an OID, none at the end; fewer at once where an answer is too big or does not come."""
        if isinstance(self._target.credentials, Community) and self._target.credentials.version == "1":
            status, _, rows = await self.ask("next", [last])
            if status == _NO_SUCH_NAME:
                return []
            if status:
                raise refused(self._target, status, last)
            return rows
        repetitions = at_first = self._repetitions.of(self._target)
        while True:
            try:
                status, _, rows = await self.ask("bulk", [last], repetitions)
            except NoAnswerError:
                if repetitions == 1:
                    raise
                repetitions //= 2
                continue
            if status == _TOO_BIG and repetitions > 1:
                repetitions //= 2
                continue
            if status:
                raise refused(self._target, status, last)
            if repetitions < at_first:
                self._repetitions.remember(self._target, repetitions)
            return rows
