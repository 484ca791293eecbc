"""One sign-in as the chain of what Windows does: instants paired, phases that do not overlap; pure.

The phases share out the time from the accepted credentials to the end of the sign-in's programs: each moment goes to
the first of authentication, profile, policy and desktop that covers it, else to `other`. Policy that runs beside the
desktop is shown and not counted. Instants are 100 ns since 1970.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from roadworthy_agent.probes.signin.windows_log import (
    POLICY,
    POLICY_ENDS,
    POLICY_LOG,
    PROFILE_LOG,
    PROFILES,
    SHELL,
    SHELL_LOG,
    WINLOGON_LOG,
)
from roadworthy_agent.probes.startup.windows_log import WINLOGON, Log
from roadworthy_agent.report import Phase
from roadworthy_agent.windows.event import TICKS, Event, seconds

MEASURED = "measured"
AUTHENTICATION_BEFORE = 120 * TICKS  # from accepted credentials to the profile; longer, it was another one
PROFILE_WITHIN = 1800 * TICKS
POLICY_WITHIN = 300 * TICKS
DESKTOP_WITHIN = 900 * TICKS
PROMPT = (
    5 * TICKS
)  # nothing runs for so long between authentication and profile: a person was asked something
PROMPT_NOTE = "nothing ran between authentication and profile: a person was asked something"
BESIDE_NOTE = "ran beside the sign-in, which did not wait for it"
SOURCES = {
    "authentication": "Winlogon events 1, 2",
    "user_profile": "User Profile Service events 1, 2",
    "policy": "GroupPolicy events 4001, 8001",
    "desktop": "Shell-Core events 9705, 9706, 62170, 62171",
    "other": "what lies between",
}
# The order in which moments that several cover are given away
PARTS = ("authentication", "user_profile", "policy", "desktop")


@dataclass(frozen=True, slots=True)
class Span:
    """Something that began and, if it did, ended."""

    began: int
    ended: int | None
    event: Event


@dataclass(frozen=True, slots=True)
class Chain:
    """What is known of one sign-in; `begin` is its beginning, `until` where the next one begins."""

    anchor: Event
    begin: int
    until: int
    authentication: Span | None = None
    profile: Span | None = None
    policy: Span | None = None
    policy_end: Event | None = None
    waits_for_policy: bool = False
    desktop: tuple[Span, ...] = field(default=())

    @property
    def desktop_at(self) -> int | None:
        """When the desktop was there: Explorer began with the sign-in's programs."""
        return min((span.began for span in self.desktop), default=None)

    @property
    def end(self) -> int | None:
        """When the last part ended, None while one of those that count still runs."""
        spans = [span for span in (self.authentication, self.profile, *self.desktop) if span is not None]
        if self.waits_for_policy and self.policy is not None:
            spans.append(self.policy)
        ends = [span.ended for span in spans]
        return None if not ends else _latest(ends)


def find_chains(log: Log, most: int) -> list[Chain]:
    """Return the newest sign-ins, oldest first.

    A sign-in is where the profile service was told of one. Unlocking has no such event; Winlogon 7001 of the System
    log stands in where the profile service's log cannot be read, if another one tells how the sign-in went.
    """
    anchors = [event for event in log.of(PROFILES, 1) if event.number("Session") != 0]
    closed = {each.field for each in log.closed}
    if not anchors and PROFILE_LOG in closed and not closed >= {WINLOGON_LOG, POLICY_LOG, SHELL_LOG}:
        anchors = log.of(WINLOGON, 7001)
    begins = [_begin(log, anchor) for anchor in anchors]
    chains = []
    for place, anchor in enumerate(anchors):
        until = begins[place + 1] if place + 1 < len(anchors) else anchor.ticks + PROFILE_WITHIN
        chains.append(_chain(log, anchor, begins[place], min(until, anchor.ticks + PROFILE_WITHIN)))
    return chains[-most:]


def phases(chain: Chain) -> tuple[Phase, ...]:
    """Return the phases in the order of their parts; the counted ones add up to the time without prompts."""
    end = chain.end
    if end is None:
        return ()
    shares = shared_out(parts_of(chain), chain.begin, end)
    prompt = prompt_ticks(chain)
    shares["other"] = shares.get("other", 0) - prompt
    found = [
        Phase(name, seconds(share), counted=True, quality=MEASURED, source=SOURCES[name])
        for name in (*PARTS, "other")
        if (share := shares.get(name, 0)) > 0
    ]
    if prompt:
        found.append(Phase("sign_in_prompt", seconds(prompt), False, MEASURED, SOURCES["other"], PROMPT_NOTE))
    if chain.policy is not None and chain.policy.ended is not None and not chain.waits_for_policy:
        beside = seconds(chain.policy.ended - chain.policy.began)
        found.append(Phase("policy_beside", beside, False, MEASURED, SOURCES["policy"], BESIDE_NOTE))
    return tuple(found)


def parts_of(chain: Chain) -> list[tuple[str, int, int]]:
    """Return what covers which stretch, as (part, begin, end), the first in order of right."""
    spans = [("authentication", chain.authentication), ("user_profile", chain.profile)]
    if chain.waits_for_policy:
        spans.append(("policy", chain.policy))
    spans += [("desktop", span) for span in chain.desktop]
    return [
        (name, span.began, span.ended) for name, span in spans if span is not None and span.ended is not None
    ]


def shared_out(parts: Sequence[tuple[str, int, int]], begin: int, end: int) -> dict[str, int]:
    """Share [begin, end) among parts so that nothing counts twice; what none covers is `other`."""
    edges = sorted({begin, end, *(min(max(at, begin), end) for part in parts for at in part[1:])})
    shares: dict[str, int] = {}
    for left, right in pairwise(edges):
        name = next((name for name, began, ended in parts if began <= left and right <= ended), "other")
        shares[name] = shares.get(name, 0) + right - left
    return shares


def prompt_ticks(chain: Chain) -> int:
    """Return for how long a person was asked something after the credentials were accepted, 0 for not at all."""
    if chain.authentication is None or chain.authentication.ended is None:
        return 0
    since, until = chain.authentication.ended, chain.anchor.ticks
    busy = [(began, ended) for name, began, ended in parts_of(chain) if name != "authentication"]
    if until - since < PROMPT or any(began < until and ended > since for began, ended in busy):
        return 0
    return until - since


def pairs(begins: Iterable[Event], ends: Iterable[Event], name: str | None = None) -> list[Span]:
    """Pair beginnings with the first end after each that fits: of the same activity, else of the same `name`.

    Each end is used once. Beginnings without one have not ended, or their end was lost.
    """
    left = sorted(ends, key=lambda event: event.ticks)
    found = []
    for begin in sorted(begins, key=lambda event: event.ticks):
        end = next((each for each in left if each.ticks >= begin.ticks and _fit(begin, each, name)), None)
        if end is not None:
            left.remove(end)
        found.append(Span(begin.ticks, None if end is None else end.ticks, begin))
    return found


def _fit(begin: Event, end: Event, name: str | None) -> bool:
    if name is not None and begin.data.get(name) != end.data.get(name):
        return False
    return begin.activity_id == end.activity_id or begin.activity_id is None or end.activity_id is None


def _begin(log: Log, anchor: Event) -> int:
    span = _authentication(log, anchor)
    return anchor.ticks if span is None else span.began


def _authentication(log: Log, anchor: Event) -> Span | None:
    """Return the last authentication before the profile: attempts that failed come before it."""
    begun = [
        event for event in log.of(WINLOGON, 1) if 0 <= anchor.ticks - event.ticks <= AUTHENTICATION_BEFORE
    ]
    if not begun:
        return None
    begin = begun[-1]
    end = next((event for event in log.of(WINLOGON, 2) if begin.ticks <= event.ticks <= anchor.ticks), None)
    if end is not None and end.number("Win32Status") not in {0, None}:
        return None
    return Span(begin.ticks, None if end is None else end.ticks, begin)


def _chain(log: Log, anchor: Event, begin: int, until: int) -> Chain:
    policy, policy_end = _policy(log, begin, min(until, anchor.ticks + POLICY_WITHIN))
    return Chain(
        anchor=anchor,
        begin=begin,
        until=until,
        authentication=_authentication(log, anchor),
        profile=_profile(log, anchor, until),
        policy=policy,
        policy_end=policy_end,
        waits_for_policy=policy is not None
        and policy.event.flag("IsAsyncProcessing") is False
        and policy.event.flag("IsBackgroundProcessing") is False,
        desktop=_desktop(log, anchor.ticks, min(until, anchor.ticks + DESKTOP_WITHIN)),
    )


def _profile(log: Log, anchor: Event, until: int) -> Span | None:
    if anchor.provider != PROFILES:
        return None
    session = anchor.data.get("Session")
    end = next(
        (
            event
            for event in log.of(PROFILES, 2)
            if anchor.ticks <= event.ticks < until and event.data.get("Session") == session
        ),
        None,
    )
    return Span(anchor.ticks, None if end is None else end.ticks, anchor)


def _policy(log: Log, begin: int, until: int) -> tuple[Span | None, Event | None]:
    """Return the user policy of a sign-in and the event that ended it.

    The time comes from the two instants: PolicyElaspedTimeInSeconds (so spelt) has whole seconds only.
    """
    start = next((event for event in log.of(POLICY, 4001) if begin <= event.ticks < until), None)
    if start is None:
        return None, None
    ends = [
        event for event in log.of(POLICY, *POLICY_ENDS) if event.id % 1000 == 1 and event.ticks >= start.ticks
    ]
    end = next((event for event in ends if _fit(start, event, None)), None)
    return Span(start.ticks, None if end is None else end.ticks, start), end


def _desktop(log: Log, since: int, until: int) -> tuple[Span, ...]:
    """Return the work Explorer does at a sign-in: Run keys, and the sign-in tasks of Windows."""

    def within(number: int) -> list[Event]:
        return [event for event in log.of(SHELL, number) if since <= event.ticks < until]

    spans = [*pairs(within(9705), within(9706), "KeyName"), *pairs(within(62170), within(62171))]
    # An end that is lost would keep the sign-in open for ever: the others tell.
    ended = [span for span in spans if span.ended is not None]
    return tuple(sorted(ended or spans, key=lambda span: (span.began, span.ended or 0)))


def _latest(ends: Sequence[int | None]) -> int | None:
    known = [end for end in ends if end is not None]
    return max(known) if len(known) == len(ends) else None
