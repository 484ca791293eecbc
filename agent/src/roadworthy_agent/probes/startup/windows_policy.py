"""What of Group Policy and of the first profile contributed to a start-up; pure.

The machine's policy is GroupPolicy 4000 to 8000 (7000, 6000 where it failed), its extensions 4016 to 5016 (7016,
6016); all of one processing carry one activity. They overlap each other and the phases: factors are never added up.
The profile is loaded at the first sign-in, and event 100 counts it as part of the start-up. Winlogon's subscribers and
Run keys are factors of the sign-in, which names its start-up: the same delay is not blamed in two records.
"""

from __future__ import annotations

from collections.abc import Collection

from roadworthy_agent.probe import Missing
from roadworthy_agent.probes.signin.windows_chain import Span, pairs
from roadworthy_agent.probes.signin.windows_factors import extension_name
from roadworthy_agent.probes.signin.windows_log import (
    EXTENSION_ENDS,
    POLICY,
    POLICY_LOG,
    POLICY_QUESTION,
    PROFILE_LOG,
    PROFILE_QUESTION,
    PROFILES,
)
from roadworthy_agent.probes.startup.windows_kind import Boot
from roadworthy_agent.probes.startup.windows_log import WINLOGON, Log
from roadworthy_agent.report import Factor
from roadworthy_agent.windows.event import TICKS, Event, seconds

# The sign-in probe's own questions, so that recordings of both hold each event once
QUESTIONS = (PROFILE_QUESTION, POLICY_QUESTION)
MACHINE_ENDS = (6000, 7000, 8000)
MACHINE = "machine policy"  # as event 107 is called
BESIDE = "machine policy, beside the start-up"  # asynchronous: nothing waits for it
PROFILE = "user profile"
WITHIN = 1800 * TICKS  # policy that begins later belongs to no start-up
FIELDS = {POLICY_LOG: "startups.factors.policy", PROFILE_LOG: "startups.factors.profile"}


def machine_policy(log: Log, boot: Boot, lead: float, private: Collection[str]) -> tuple[Factor, ...]:
    """Return the machine's policy at a start and its extensions; `lead` is what lies before the kernel, in seconds."""
    start = _start(log, boot)
    if start is None or start.activity_id is None:
        return ()
    end = next((event for event in _of(log, start, *MACHINE_ENDS)), None)
    name = BESIDE if start.flag("IsAsyncProcessing") else MACHINE
    found = _factor(name, Span(start.ticks, None if end is None else end.ticks, start), boot, lead)
    for span in pairs(_of(log, start, 4016), _of(log, start, *EXTENSION_ENDS), "CSEExtensionId"):
        found += _factor(extension_name(span.event, private), span, boot, lead)
    return tuple(found)


def profile_load(log: Log, boot: Boot) -> tuple[Factor, ...]:
    """Return how long the profile of the first sign-in took to load, without when: that would tell when somebody came."""
    begun = [event for event in log.of(PROFILES, 1) if event.ticks >= boot.started and _is_person(event)]
    if not begun:
        return ()
    session = begun[0].data.get("Session")
    ends = [event for event in log.of(PROFILES, 2) if event.data.get("Session") == session]
    span = pairs(begun[:1], ends)[0]
    if span.ended is None or span.ended - span.began > WITHIN or span.ended == span.began:
        return ()
    if len(begun) > 1 and begun[1].ticks < span.ended and begun[1].data.get("Session") == session:
        return ()  # the end of another one
    return (Factor(kind="profile", name=PROFILE, seconds=seconds(span.ended - span.began)),)


def missing(log: Log) -> tuple[Missing, ...]:
    """Say which factors are missing because a log is closed."""
    return tuple(
        Missing(FIELDS[each.field], each.status, each.reason) for each in log.closed if each.field in FIELDS
    )


def _start(log: Log, boot: Boot) -> Event | None:
    """Return the beginning of the machine's policy at a start: before anybody signs in, and no restart of its service."""
    until = boot.started + WITHIN
    signed_in = [event for event in log.of(PROFILES, 1) if _is_person(event)] + log.of(WINLOGON, 7001)
    until = min([until, *(event.ticks for event in signed_in if event.ticks >= boot.started)])
    return next(
        (
            event
            for event in log.of(POLICY, 4000)
            if boot.started <= event.ticks < until and not event.flag("IsServiceRestart")
        ),
        None,
    )


def _of(log: Log, start: Event, *numbers: int) -> list[Event]:
    """Return events of the same processing, after its beginning."""
    return [
        event
        for event in log.of(POLICY, *numbers)
        if event.activity_id == start.activity_id and event.ticks >= start.ticks
    ]


def _is_person(event: Event) -> bool:
    return event.number("Session") != 0


def _factor(name: str, span: Span, boot: Boot, lead: float) -> list[Factor]:
    if span.ended is None or span.ended == span.began:
        return []
    began = round(lead + seconds(span.began - boot.started), 6)
    return [Factor(kind="policy", name=name, seconds=seconds(span.ended - span.began), began_seconds=began)]
