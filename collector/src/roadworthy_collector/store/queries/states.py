"""What pages and metrics must mean alike: late, missing, a wake-up, too small a group."""

from __future__ import annotations

from sqlalchemy import ColumnElement, case, func

from roadworthy_collector.store.schema import devices
from roadworthy_inventory.device_class import ASKED

# Reporting within the interval and a grace, missing after three.
GRACE_SECONDS = 60
MISSING_INTERVALS = 3
# What is told of people (device state, sign-ins) is told of no group smaller than this.
SMALLEST_GROUP = 5
# A wake-up from sleep takes seconds where a start from off takes a minute; one distribution of both says nothing.
# Hibernation is from off: it goes through the firmware, and people wait for it as for any other.
WAKE_KIND = "resume"
# A device that is polled has neither start-ups nor an operating system of its own to tell: that is nothing missing.
RUNS_AGENT = devices.c.device_class.not_in(ASKED)


def state_of(now: float, interval_seconds: int) -> ColumnElement[str]:
    """Return reporting, late, missing or retired as an expression over `devices`.

    A device's interval is what it was last told, `interval_seconds` before its first report.
    """
    silence = int(now) - func.coalesce(devices.c.last_report_at, devices.c.enrolled_at)
    interval = func.coalesce(devices.c.next_call_seconds, interval_seconds)
    grace = case((interval // 4 > GRACE_SECONDS, interval // 4), else_=GRACE_SECONDS)
    return case(
        (devices.c.retired_at.is_not(None), "retired"),
        (silence > MISSING_INTERVALS * interval, "missing"),
        (silence > interval + grace, "late"),
        else_="reporting",
    )
