"""What waits to be sent, the one report on its way, and what was refused.

A report keeps its number and its bytes until it is answered. Its *parts* are all that can be refused: the open
period (`now`), `facts`, `probes`, and the items `startup`, `gap`, `period`, `day`, `signin`. Where the collector refuses a whole
report, the next one holds half as many parts, until the offender is alone and goes to quarantine. An item that is
refused for lying ahead of the collector's clock is held back instead (postponed.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from sqlite3 import Row
from typing import Any

from roadworthy_agent.database import Database
from roadworthy_agent.errors import AnswerError
from roadworthy_agent.postponed import CODE, Postponed
from roadworthy_agent.report import to_json
from roadworthy_agent.send import Rejected

MOST_PARTS = 500
MOST_BYTES = 512 * 1024
QUARANTINE_ROWS = 1000
QUARANTINE_BYTES = 65_536  # of one item


@dataclass(frozen=True, slots=True)
class Part:
    """One thing in a report that can be refused by itself.

    `key` is the wire's key of an item, or the hash of facts and probes; `revision` that of a start-up.
    """

    item: str
    key: str = ""
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Pending:
    """The report on its way."""

    seq: int
    body: bytes
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of what a report's answer rejected: what went to quarantine, how many items are held back."""

    quarantined: tuple[Rejected, ...]
    postponed: int


class Outbox:
    """The sending side of the spool."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._postponed = Postponed(database)

    def waiting(self) -> int:
        """Return how many items wait to be sent, those that are held back among them."""
        return sum(self._database.number(f"SELECT count(*) FROM {where}") for where in _WAITING)  # noqa: S608 - constants below

    def due(self) -> bool:
        """Return whether an item is to be sent now."""
        return next(self._candidates(1), None) is not None

    def quarantined(self) -> int:
        """Return how many items were ever put in quarantine."""
        return int(self._database.get("quarantined_items", 0))

    def limit(self) -> int:
        """Return how many parts the next report may hold."""
        return int(self._database.get("batch_limit", MOST_PARTS))

    def items(self, most: int) -> list[tuple[Part, dict[str, Any]]]:
        """Return the next items and their contents: start-ups, gaps, periods, days, each oldest first, then sign-ins."""
        chosen: list[tuple[Part, dict[str, Any]]] = []
        size = 0
        for part, content in self._candidates(most):
            size += len(content)
            if len(chosen) >= most or (chosen and size > MOST_BYTES):
                break
            chosen.append((part, json.loads(content)))
        return chosen

    def _candidates(self, most: int) -> Iterator[tuple[Part, str]]:
        """Give what may be sent now, at least `most` of each kind where there are as many."""
        early = self._postponed.now()
        for part, content in self._kept(most + len(early)):
            if (part.item, part.key) not in early:
                yield part, content

    def _kept(self, most: int) -> Iterator[tuple[Part, str]]:
        for row in self._database.rows(f"SELECT * FROM {_STARTUPS} ORDER BY started_at LIMIT ?", (most,)):  # noqa: S608 - a constant
            added = {"revision": row["revision"], "started_at": row["started_at"]}
            content = to_json(json.loads(row["record"]) | added)
            yield Part("startup", row["start_id"], row["revision"]), content
        for row in self._database.rows(f"SELECT payload FROM {_GAPS} ORDER BY id LIMIT ?", (most,)):  # noqa: S608 - a constant
            yield Part("gap", str(json.loads(row["payload"])["from"])), row["payload"]
        for row in self._database.rows("SELECT * FROM frozen ORDER BY start LIMIT ?", (most,)):
            yield Part("period", str(row["start"])), row["payload"]
        for row in self._database.rows(f"SELECT * FROM {_DAYS} ORDER BY day LIMIT ?", (most,)):  # noqa: S608 - a constant
            yield Part("day", str(row["day"])), row["payload"]
        # By their random id: their order must not tell that of the day.
        for row in self._database.rows(f"SELECT * FROM {_SIGNINS} ORDER BY signin_id LIMIT ?", (most,)):  # noqa: S608 - a constant
            yield Part("signin", row["signin_id"], row["revision"]), _signin(row)

    def next_seq(self) -> int:
        """Return the number of the next report."""
        return int(self._database.get("seq", 0)) + 1

    def pending(self) -> Pending | None:
        """Return the report that was sent and not answered, or None."""
        row = self._database.row("SELECT seq, body, parts FROM pending")
        if row is None:
            return None
        return Pending(row["seq"], row["body"], tuple(Part(**part) for part in json.loads(row["parts"])))

    def put(self, pending: Pending) -> None:
        """Keep a report until it is answered."""
        parts = json.dumps([asdict(part) for part in pending.parts])
        with self._database.transaction() as connection:
            connection.execute("INSERT INTO pending VALUES (1, ?, ?, ?)", (pending.seq, pending.body, parts))

    def accepted(
        self, pending: Pending, rejected: Iterable[Rejected], at: float, server_time: float
    ) -> Taken:
        """Let go of what the collector holds, hold back what is early to it and quarantine the rest it rejected.

        `at` is the agent's time, `server_time` that of the answer, both in seconds since 1970.
        """
        refused = {(item.item, item.key): item for item in rejected if not _passes(item)}
        sent = {(part.item, part.key) for part in pending.parts}
        early = set()
        with self._database.transaction():
            self._postponed.told(server_time)
            for (item, key), why in refused.items():
                if why.code == CODE and (item, key) in sent and self._postpone(item, key, server_time):
                    early.add((item, key))
                    continue
                content = self._content(item, key)
                self._quarantine(Part(item, key), why.code, why.field, why.message, content, at)
            for part in pending.parts:
                if (part.item, part.key) not in early:
                    self._let_go(part)
            self._answered(pending)
            self._database.put(batch_limit=min(self.limit() * 2, MOST_PARTS))
        return Taken(tuple(why for name, why in refused.items() if name not in early), len(early))

    def _postpone(self, item: str, key: str, server_time: float) -> bool:
        """Hold back what ends later by the collector's clock; return whether it is."""
        if (query := _END.get(item)) is None or (row := self._database.row(query, (key,))) is None:
            return False
        return self._postponed.postpone(item, key, float(row[0]), server_time)

    def refused(self, pending: Pending, error: AnswerError, at: float, *, quarantine: bool) -> bool:
        """Take the refusal of a whole report; return whether its only part went to quarantine."""
        with self._database.transaction():
            self._answered(pending)
            if len(pending.parts) > 1:
                self._database.put(batch_limit=len(pending.parts) // 2)
                return False
            if not (quarantine and pending.parts):
                return False
            part = pending.parts[0]
            content = self._content(part.item, part.key)
            self._quarantine(part, error.code, error.field, str(error), content, at)
            self._let_go(part)
            self._database.put(batch_limit=2)
        return True

    def discard(self) -> None:
        """Forget the report on its way and what another identity had been told: its items are sent again."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM pending")
            self._database.put(held_facts=None, held_probes=None)

    def resend_facts(self) -> None:
        """Forget that the collector holds the facts: they are sent with the next report."""
        self._database.put(held_facts=None)

    def _answered(self, pending: Pending) -> None:
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM pending")
            self._database.put(seq=pending.seq)

    def _let_go(self, part: Part) -> None:
        self._postponed.forget(part.item, part.key)
        with self._database.transaction() as connection:
            match part.item:
                case "period":
                    connection.execute("DELETE FROM frozen WHERE start = ?", (int(part.key),))
                case "gap":
                    connection.execute(
                        "UPDATE gaps SET held = 1 WHERE json_extract(payload, '$.from') = ?", (int(part.key),)
                    )
                case "startup":
                    connection.execute(
                        "UPDATE startups SET held_revision = ? WHERE start_id = ?", (part.revision, part.key)
                    )
                case "day":
                    connection.execute(
                        "UPDATE frozen_days SET held = 1, payload = '' WHERE day = ?", (int(part.key),)
                    )
                case "signin":
                    connection.execute(
                        "UPDATE signins SET held_revision = ? WHERE signin_id = ?", (part.revision, part.key)
                    )
                case "facts" | "probes":
                    self._database.put(**{f"held_{part.item}": part.key})
                case _:  # the open period is made anew for each call
                    pass

    def _content(self, item: str, key: str) -> str | None:
        query = _CONTENT.get(item)
        if query is None or (item not in {"startup", "signin"} and not key.isdecimal()):
            return None
        row = self._database.row(query, (key,))
        return None if row is None else str(row[0])

    def _quarantine(
        self, part: Part, code: str, field: str | None, message: str | None, content: str | None, at: float
    ) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO quarantine (at, item, key, code, field, message, content) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (at, part.item, part.key, code, field, message, (content or "")[:QUARANTINE_BYTES] or None),
            )
            connection.execute(
                "DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ?", (QUARANTINE_ROWS,)
            )
            self._database.count("quarantined_items", 1)


_STARTUPS = "startups WHERE revision > held_revision AND started_at IS NOT NULL"
_GAPS = "gaps WHERE held = 0 AND payload IS NOT NULL"
_DAYS = "frozen_days WHERE held = 0"
# Only of days that are over: the moment of a report would tell the time of a sign-in.
_SIGNINS = (
    "signins WHERE revision > held_revision AND day < (SELECT value FROM meta WHERE name = 'signins_until')"
)
_WAITING = (_STARTUPS, _GAPS, "frozen", _DAYS, _SIGNINS)
_CONTENT = {
    "period": "SELECT payload FROM frozen WHERE start = CAST(? AS INTEGER)",
    "gap": "SELECT payload FROM gaps WHERE json_extract(payload, '$.from') = CAST(? AS INTEGER)",
    "startup": "SELECT record FROM startups WHERE start_id = ?",
    "day": "SELECT payload FROM frozen_days WHERE day = CAST(? AS INTEGER)",
    "signin": "SELECT record FROM signins WHERE signin_id = ?",
}
# When an item is over, in seconds since 1970; the open period is made anew for each call and so never held back.
_END = {
    "period": "SELECT start + 1800 FROM frozen WHERE start = CAST(? AS INTEGER)",
    "gap": "SELECT json_extract(payload, '$.to') FROM gaps WHERE json_extract(payload, '$.from') = CAST(? AS INTEGER)",
    "startup": "SELECT started_at FROM startups WHERE start_id = ?",
    "day": "SELECT day + 86400 FROM frozen_days WHERE day = CAST(? AS INTEGER)",
    "signin": "SELECT day FROM signins WHERE signin_id = ?",
}


def _passes(rejected: Rejected) -> bool:
    """Return whether nothing is lost: the open period is made anew, by the time the same answer tells."""
    return rejected.item == "now" and rejected.code == CODE


def _signin(row: Row) -> str:
    added = {
        "signin_id": row["signin_id"],
        "revision": row["revision"],
        "final": bool(row["final"]),
        "day": row["day"],
    }
    return to_json(added | json.loads(row["record"]))
