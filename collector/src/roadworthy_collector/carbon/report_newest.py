"""Which content a year's report has: of the newest that was prepared, else figures as they stand.

Apart from the steps of reports (`report_doors`), whose evidence packs take a command that only reads a third of a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.carbon import report_make, report_reading
from roadworthy_collector.carbon.report_crc_tables import Choice
from roadworthy_collector.carbon.report_model import Kind
from roadworthy_collector.carbon.report_shown import Frame
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.settings import Settings


def newest(
    connection: Connection,
    settings: Settings,
    kind: Kind,
    year: str,
    *,
    now: float,
    live: bool = False,
    choice: Choice = Choice(),  # noqa: B008 - a tuple, and the same for all
) -> tuple[Mapping[str, Any], Frame]:
    """Return the content of a year's newest report and what stands around it; live figures where there is none.

    `choice`: of live figures of CRC; RoadworthyError for those of a report that was prepared, which has its own.
    """
    began = report_make.began_of(year)
    if kind != "crc" and choice != Choice():
        raise RoadworthyError("a sale and de minimis are of CRC: a report on carbon or SECR has neither")
    row = None if live else report_reading.newest(connection, kind, began)
    if row is not None and choice != Choice():
        raise RoadworthyError(
            f"report {row.id} of {year} was prepared: it takes buy to comply and no de minimis; for another sale or with "
            "de minimis ask for figures as they stand (--live)"
        )
    if row is None:
        zone = settings.reporting_timezone
        made = report_reading.standing(connection, kind, began, zone=zone, now=now, choice=choice)
        return made, Frame(settings.protective_marking)
    return one(connection, settings, row, now=now)


def one(
    connection: Connection, settings: Settings, row: Any, *, now: float
) -> tuple[Mapping[str, Any], Frame]:
    """Return a report's content and what stands around it."""
    content = report_reading.content_of(connection, row, zone=settings.reporting_timezone, now=now)
    return content, report_reading.frame(connection, row, settings.protective_marking, content)
