"""Reading sign-ins on Windows: how long and why, never who; the event log through `windows.machine`."""

from __future__ import annotations

from roadworthy_agent.probe import Context, ProbeResult, Status
from roadworthy_agent.probes.signin.windows_log import ALL_QUESTIONS, PROFILE_LOG
from roadworthy_agent.probes.signin.windows_records import SOURCE, Around, sign_ins
from roadworthy_agent.probes.startup.windows import private_words, recorded_events
from roadworthy_agent.probes.startup.windows_log import SYSTEM, read
from roadworthy_agent.report import SigninRecord
from roadworthy_agent.windows.machine import machine_of

FILES: tuple[str, ...] = ()  # nothing on Windows is a plain file

Result = ProbeResult[tuple[SigninRecord, ...]]


def collect(context: Context) -> Result:
    """Return the newest sign-ins since the running kernel started."""
    machine = machine_of(context)
    log = read(machine, ALL_QUESTIONS)
    around = Around(
        wall=context.clock.wall(),
        boottime=context.clock.boottime(),
        private=private_words(machine),
        application_names="application_names" in context.allow,
    )
    records, missing = sign_ins(log, around)
    if records:
        return ProbeResult("signin", Status.OK, records, source=SOURCE, missing=missing)
    for channel in (PROFILE_LOG, SYSTEM):
        gone = log.refusal(channel)
        if gone is not None:
            return ProbeResult("signin", gone.status, (), gone.reason, missing=missing)
    return ProbeResult(
        "signin", Status.NO_DATA_YET, (), "nobody has signed in since this Windows started", missing=missing
    )


def record(context: Context) -> dict[str, bytes]:
    """Return what this probe reads as files of a recorded tree: of events only the data used, without people."""
    return recorded_events("signin", context, machine_of(context), ALL_QUESTIONS)
