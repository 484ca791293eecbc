"""Gaps told when others of their time are gone: which are still taken, and from when on.

Gaps past their retention are counted by local day and deleted (`jobs/gaps.py`). From then on nobody can tell whether
one that comes is among those counted, so none of their half-hours is taken a second time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date

import msgspec
from sqlalchemy import Connection, select

from roadworthy_collector.ingest.tally import Tally
from roadworthy_collector.ingest.wire import Gap
from roadworthy_collector.store.queries import away
from roadworthy_collector.store.schema import gaps
from roadworthy_collector.store.statements import Lookup
from roadworthy_inventory.calendar import local_date, local_day

_KEY = (gaps.c.device, gaps.c.begin)
_HELD = Lookup(select(*_KEY), *_KEY)
Found = Sequence[tuple[int, Gap]]  # by device row id


def still_taken(connection: Connection, found: Found, tally: Tally) -> Found:
    """Return the gaps that ended when gaps are still kept, without the days that are counted; count the others.

    The devices' rows are locked by the caller, or gaps could be counted between this and what is written.
    """
    noted = away.pruned(connection)
    if not noted.before:
        return found
    kept_from = noted.taken_from(tally.now)
    taken = [pair for pair in found if pair[1].end >= kept_from]
    reaching = [(device, gap.begin) for device, gap in taken if gap.begin < noted.before]
    if reaching:
        held = {(row[0], row[1]) for row in _HELD.rows(connection, reaching)}
        wanted = set(reaching) - held
        new = [(device, gap) for device, gap in taken if (device, gap.begin) in wanted]
        begins = _begins(connection, new, noted)
        taken = [
            (device, gap if (begin := begins.get((device, gap.begin))) is None else _later(gap, begin))
            for device, gap in taken
            if begins.get((device, gap.begin), gap.begin) < gap.end
        ]
    for _ in range(len(found) - len(taken)):
        tally.count("too_late", "gap")
    return taken


def _later(gap: Gap, begin: int) -> Gap:
    return msgspec.structs.replace(gap, begin=begin)


def _begins(connection: Connection, new: Found, noted: away.Pruned) -> dict[tuple[int, int], int]:
    """Return {(device, begin): where it may begin} of gaps that reach into days with counted half-hours.

    A count does not tell hours, so the whole day is left alone as far as counted ones can reach.
    """
    if not new:
        return {}
    spans = {
        (device, gap.begin): (
            local_date(gap.begin, noted.zone),
            local_date(min(gap.end, noted.before) - 1, noted.zone),
        )
        for device, gap in new
    }
    first, last = min(one for one, _ in spans.values()), max(one for _, one in spans.values())
    counted: dict[int, list[date]] = defaultdict(list)
    for device, day in away.read(connection, first, last, frozenset(device for device, _ in new)):
        counted[device].append(day)
    found = {}
    for (device, begin), (since, until) in spans.items():
        if mine := [day for day in counted[device] if since <= day <= until]:
            found[device, begin] = max(begin, min(noted.before, local_day(max(mine), noted.zone).end))
    return found
