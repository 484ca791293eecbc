"""Writes a group of reports in one transaction: the one way facts get into the tables.

The server, the demo and the tests all come through `write_reports`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection

from roadworthy_collector.errors import EnvelopeError
from roadworthy_collector.ingest import validate
from roadworthy_collector.ingest.decode import Refused, bounded
from roadworthy_collector.ingest.history import write_days, write_gaps, write_periods
from roadworthy_collector.ingest.identities import Identities, Rules, stricter
from roadworthy_collector.ingest.latest import Latest
from roadworthy_collector.ingest.pace import next_call
from roadworthy_collector.ingest.records import Histograms, write_signins, write_startups
from roadworthy_collector.ingest.tally import Tally
from roadworthy_collector.ingest.wire import Day, Gap, Period, Rejected, Report, Signin, Startup
from roadworthy_collector.relay.content import keep_good
from roadworthy_collector.relay.outbox import Accepted, queue_for_relay
from roadworthy_collector.security.tokens import first_use

# Kinds whose items are counted in an answer; the others (now, facts, probe) are overwritten by the next report.
HISTORY = frozenset({"period", "day", "startup", "signin", "gap"})


class Incoming(NamedTuple):
    """A report on its way in.

    `device` is the row id in `devices`; `refused` are the items that could not be read; `first_token` is the id of
    the token it came with if that was never used before; `rotate` says that the token is due for another.
    """

    device: int
    report: Report
    refused: Sequence[Refused] = ()
    first_token: str | None = None
    rotate: bool = False


class Outcome(NamedTuple):
    """What became of a report.

    Of the items of history `received` came, `accepted` are held now (newly or already), the others are in
    `rejected`, which also names a refused `now`, `facts` or `probe`. `collection_policy` is what is asked of the
    device, for its usage profile or by a relay's main collector, None where nothing is; `token` a new one, `resend`
    what it is to tell again, `next_call_seconds` when it is to call. With `refusal` nothing was taken at all: the
    report is another machine's.
    """

    received: int
    accepted: int
    rejected: list[Rejected]
    collection_policy: str | None = None
    next_call_seconds: int = 0
    token: str | None = None
    resend: tuple[str, ...] | None = None
    refusal: EnvelopeError | None = None


_KINDS: tuple[tuple[str, str, Callable[[Any, validate.Bounds], validate.Fault | None]], ...] = (
    ("period", "start", validate.check_period),
    ("day", "day", validate.check_day),
    ("startup", "start_id", validate.check_startup),
    ("signin", "signin_id", validate.check_signin),
    ("gap", "begin", validate.check_gap),
)


class _Group:
    """The good items of a group, by kind, as (device row id, item)."""

    def __init__(self) -> None:
        self.periods: list[tuple[int, Period]] = []
        self.days: list[tuple[int, Day]] = []
        self.startups: list[tuple[int, Startup]] = []
        self.signins: list[tuple[int, Signin]] = []
        self.gaps: list[tuple[int, Gap]] = []
        self.of: dict[str, list[Any]] = {
            "period": self.periods,
            "day": self.days,
            "startup": self.startups,
            "signin": self.signins,
            "gap": self.gaps,
        }


def write_reports(
    connection: Connection,
    items: Iterable[Incoming],
    now: float,
    *,
    retention_days: int = 30,
    interval_seconds: int = 900,
    relay: bool = False,
    rules: Rules = Rules(),  # noqa: B008 - immutable
    load_ratio: float = 0.0,
) -> list[Outcome]:
    """Check and write reports, and return one Outcome each, in order.

    `connection` is inside a write transaction (`store.engine.write_transaction`) that the caller commits; only
    then may anything be acknowledged. `now` is the server's time in epoch seconds; half-hours older than
    `retention_days` are refused. Bigger groups are cheaper: give some thousand items at a time. With `relay` what is
    accepted is queued for the main collector too. `rules` say how identities are judged, `load_ratio` how full the
    queue is: the next calls are spread by it.
    """
    incoming = list(items)
    bounds = validate.Bounds.at(now, retention_days)
    tally = Tally(bounds.oldest_period, now)
    latest = Latest(connection, (one.device for one in incoming), now, tally.vocabulary)
    identities = Identities(connection, latest, now, rules, tally)
    group = _Group()
    outcomes = []
    for one in incoming:
        if (refusal := identities.refusal(one.device, one.report)) is not None:
            outcomes.append(Outcome(0, 0, [], refusal=refusal))
            continue
        seconds = next_call(one.report.device_id, interval_seconds, load_ratio)
        outcome = _take(one, bounds, group, latest, tally, seconds)
        if one.first_token is not None:
            first_use(connection, one.first_token, one.device, now=int(now))
        orders = identities.orders(one.device, one.report, rotate=one.rotate)
        outcomes.append(Outcome(*outcome[:3], orders.collection_policy, seconds, orders.token, orders.resend))
    _write(connection, group, latest, tally)
    tally.write(connection, int(now))
    if relay:
        accepted = [
            Accepted(one.device, keep_good(one.report, bounds))
            for one, outcome in zip(incoming, outcomes, strict=True)
            if outcome.refusal is None
        ]
        policies = queue_for_relay(connection, accepted, int(now))
        return [
            outcome._replace(collection_policy=stricter(outcome.collection_policy, policies.get(one.device)))
            for one, outcome in zip(incoming, outcomes, strict=True)
        ]
    return outcomes


def _take(
    one: Incoming,
    bounds: validate.Bounds,
    group: _Group,
    latest: Latest,
    tally: Tally,
    next_call_seconds: int,
) -> Outcome:
    """Sort the items of one report into good ones and refused ones."""
    report, device = one.report, one.device
    refused = list(one.refused)
    received = sum(1 for answer, _ in refused if answer.item in HISTORY) if refused else 0
    accepted = 0
    for item, key, check in _KINDS:
        if found := getattr(report, f"{item}s"):
            received += len(found)
            accepted += _sort(item, key, device, found, group.of[item], check, bounds, refused)
    if report.now is not None and (fault := validate.check_now(report.now, bounds)) is not None:
        refused.append(_refuse("now", None, report.now, fault))
        report = msgspec.structs.replace(report, now=None)
    latest.take(device, report, next_call_seconds)
    for each in refused:
        tally.refuse(device, each)
    return Outcome(received, accepted, [answer for answer, _ in refused])


def _sort(
    item: str,
    key: str,
    device: int,
    found: Sequence[Any],
    good: list[Any],
    check: Callable[[Any, validate.Bounds], validate.Fault | None],
    bounds: validate.Bounds,
    refused: list[Refused],
) -> int:
    """Add the good ones of `found` to `good` and the others to `refused`; return how many are good."""
    count = 0
    for one in found:
        if (fault := check(one, bounds)) is None:
            good.append((device, one))
            count += 1
        else:
            refused.append(_refuse(item, getattr(one, key), one, fault))
    return count


def _refuse(item: str, key: int | str | None, content: msgspec.Struct, fault: validate.Fault) -> Refused:
    """Return what is answered and kept about a refused item."""
    answer = Rejected(item, key, fault.code, fault.field, fault.message)
    return Refused(answer, bounded(msgspec.to_builtins(content)))


def _write(connection: Connection, group: _Group, latest: Latest, tally: Tally) -> None:
    """Write the good items, and count first final records under what each device is now known to be."""
    histograms = Histograms()
    latest.write()
    if group.periods:
        write_periods(connection, group.periods, tally)
    if group.days:
        write_days(connection, group.days, tally)
    if group.gaps:
        write_gaps(connection, group.gaps, tally)
    if group.startups:
        write_startups(connection, group.startups, latest.members(), tally, histograms)
    if group.signins:
        members = latest.members_of_people(device for device, _ in group.signins)
        write_signins(connection, group.signins, members, tally, histograms)
    histograms.write(connection)
