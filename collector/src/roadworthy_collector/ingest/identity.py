"""One device or two? What fingerprints and the numbering of reports say, as pure functions (decision 0022).

Two things betray a copy: hardware that is not the enrolled one while the enrolled one goes on speaking, and two
streams of reports that take turns. Neither a restart, a reinstallation, a spool restored from a backup, a virtual
machine put back to a snapshot nor a part that was replaced looks like either.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec
from msgspec import Struct

DIFFERENT_FACTS = 2  # one may be a part that was replaced
RETURNS = 3  # so many times a silent stream must go on where it stopped
RETURN_SECONDS = 7 * 86_400  # within this long
STREAM_SECONDS = 2 * 86_400  # a stream not heard for so long is forgotten
STREAMS = 8
SLACK = 100  # numbers a stream may skip: reports that were refused as a whole are numbered and not held

Fingerprint = Mapping[str, str]


class Verdict(StrEnum):
    """Whose word a report is."""

    OWN = "own"
    HELD = "held"  # other hardware, and not yet clear whether the device was repaired or copied
    CLONED = "cloned"  # a copy's: it is to trade its token


class Stream(Struct, array_like=True):
    """Where one stream of reports was last heard."""

    instance: str
    boot: str
    seq: int
    at: int


class Rival(Struct, omit_defaults=True):
    """Other hardware that speaks with the device's token; `proven_at` is when the enrolled one spoke beside it."""

    fingerprint: dict[str, str]
    since: int
    proven_at: int | None = None


class State(Struct, omit_defaults=True):
    """What is remembered of a device about which something was odd; most have none."""

    others: list[Stream] = []
    returns: list[int] = []
    rival: Rival | None = None
    # The hardware that took the place of the enrolled one, which has not spoken since: a repaired device.
    adopted: dict[str, str] | None = None
    shared_at: int | None = None  # since when two streams are known to take turns
    shown: list[str] = []  # boots whose hardware was shown since then


class Held(NamedTuple):
    """The newest report of a device: its stream and when it was sent."""

    instance: str | None
    boot: str | None
    seq: int | None
    sent_at: float


class Spoken(NamedTuple):
    """What a report says about who sends it.

    `raw_sent_at` as sent and `sent_at` as believed; `fingerprint` None if it carries no facts; `full` if it carries
    more than the question for the time.
    """

    instance: str
    boot: str
    seq: int
    raw_sent_at: float
    sent_at: float
    full: bool
    fingerprint: Fingerprint | None = None


def differing(one: Fingerprint, other: Fingerprint) -> int:
    """Return how many hardware facts known of both differ."""
    return sum(1 for name in one.keys() & other.keys() if one[name] != other[name])


def read(text: str | None) -> State:
    """Return what is remembered; nothing for a device about which nothing was odd."""
    return State() if text is None else msgspec.json.decode(text, type=State)


def write(state: State) -> str | None:
    """Return what to remember, None for nothing."""
    return None if state == State() else msgspec.json.encode(state).decode()


def judge(
    state: State, held: Held, spoken: Spoken, enrolled: Fingerprint, *, now: int, wait_seconds: int
) -> tuple[Verdict, list[str]]:
    """Return whose word a report is and what that brought to light, and bring `state` up to date.

    1. Hardware that differs in two facts from the enrolled one is held for `wait_seconds`. If the enrolled one
       speaks meanwhile, or a third machine does, it is a copy; if nobody does, the device was repaired.
    2. Where two streams took turns, hardware that differs in one fact is a copy.
    3. Else the report is the device's own, and its place among the streams is noted.

    `enrolled` is only looked at if the report carries facts. The second answer names events to count.
    """
    _forget(state, now, wait_seconds)
    events: list[str] = []
    fingerprint = spoken.fingerprint
    different = 0 if fingerprint is None else differing(enrolled, fingerprint)
    if fingerprint is not None and different >= DIFFERENT_FACTS:
        verdict = _other_hardware(state, dict(fingerprint), events, now, wait_seconds)
    elif different and state.shared_at is not None:
        verdict = Verdict.CLONED
    else:
        verdict = Verdict.OWN
        _own_hardware(state, spoken, events, now)
    if verdict is Verdict.OWN and spoken.sent_at >= held.sent_at:
        _follow(state, held, spoken, events, now)
    if verdict is Verdict.OWN and fingerprint is not None and state.shared_at is not None:
        state.shown = [*state.shown, spoken.boot][-2 * STREAMS :]
    if verdict is Verdict.CLONED:
        events.append("cloned")
    return verdict, events


def may_trade(state: State, enrolled: Fingerprint, fingerprint: Fingerprint) -> bool:
    """Return whether a machine is known to be a copy, so that its token may be traded."""
    different = differing(enrolled, fingerprint)
    if state.shared_at is not None and different:
        return True
    proven = state.rival is not None and state.rival.proven_at is not None
    return proven and different >= DIFFERENT_FACTS


def wants_facts(state: State, boot: str) -> bool:
    """Return whether a stream is still to show its hardware."""
    return state.shared_at is not None and boot not in state.shown


def completed(enrolled: Fingerprint, fingerprint: Fingerprint) -> dict[str, str] | None:
    """Return the enrolled fingerprint with facts that were not known then, None if there are none to add.

    Only from hardware that is known to be the same: no fact differs, and one at least is known of both, unless
    nothing was known before.
    """
    new = {name: value for name, value in fingerprint.items() if name not in enrolled}
    same = not differing(enrolled, fingerprint) and (not enrolled or enrolled.keys() & fingerprint.keys())
    return {**enrolled, **new} if new and same else None


def _other_hardware(
    state: State, fingerprint: dict[str, str], events: list[str], now: int, wait_seconds: int
) -> Verdict:
    if state.adopted is not None and differing(state.adopted, fingerprint) < DIFFERENT_FACTS:
        return Verdict.OWN
    if state.shared_at is not None:
        return Verdict.CLONED
    rival = state.rival
    if rival is None:
        state.rival = rival = Rival(fingerprint, now)
        events.append("held")
    elif rival.proven_at is None and differing(rival.fingerprint, fingerprint) >= DIFFERENT_FACTS:
        rival.proven_at = now  # a third machine: nobody repairs one device twice within the wait
    if rival.proven_at is not None:
        return Verdict.CLONED
    if now - rival.since < wait_seconds:
        return Verdict.HELD
    state.rival, state.adopted = None, fingerprint
    events.append("repaired")
    return Verdict.OWN


def _own_hardware(state: State, spoken: Spoken, events: list[str], now: int) -> None:
    """Take a word of the enrolled hardware: it proves that other hardware beside it is a copy.

    A device that waits to be recognised sends nothing but the report that is held: a light one at most, after its
    disk was put back once more.
    """
    if spoken.fingerprint is not None:
        state.adopted = None
    rival = state.rival
    if rival is not None and rival.proven_at is None and spoken.full and spoken.raw_sent_at >= rival.since:
        rival.proven_at = now
        events.append("proven")


def _follow(state: State, held: Held, spoken: Spoken, events: list[str], now: int) -> None:
    """Note where the stream stands, and whether it is one that had been left and goes on where it stopped."""
    if held.instance is None or held.boot is None or held.seq is None:
        return
    same = (spoken.instance, spoken.boot) == (held.instance, held.boot)
    step = spoken.seq - held.seq
    if same and (step == 1 or (step == 0 and _again(held, spoken))):
        return
    left = Stream(held.instance, held.boot, held.seq, now)
    for other in state.others:
        ahead = spoken.seq - other.seq
        goes_on = ahead == 1 if same else 0 < ahead <= SLACK
        if (other.instance, other.boot) == (spoken.instance, spoken.boot) and goes_on:
            state.others.remove(other)
            state.others.append(left)
            _returned(state, events, now)
            return
    if not (same and 0 < step <= SLACK) and len(state.others) < STREAMS:
        state.others.append(left)


def _again(held: Held, spoken: Spoken) -> bool:
    """Return whether a report is the newest one again; a clock that is wrong says nothing about that."""
    return spoken.raw_sent_at == held.sent_at or spoken.raw_sent_at != spoken.sent_at


def _returned(state: State, events: list[str], now: int) -> None:
    state.returns = [*state.returns, now][-RETURNS:]
    if len(state.returns) == RETURNS and state.shared_at is None:
        state.shared_at, state.adopted = now, None
        events.append("shared")


def _forget(state: State, now: int, wait_seconds: int) -> None:
    """Let go of what is too long ago to mean anything."""
    if state.others:
        state.others = [other for other in state.others if now - other.at < STREAM_SECONDS]
    if state.returns:
        state.returns = [at for at in state.returns if now - at < RETURN_SECONDS]
    if state.shared_at is not None and not state.returns:
        state.shared_at, state.shown = None, []
    rival = state.rival
    if rival is not None:
        since = rival.since if rival.proven_at is None else rival.proven_at
        if now - since >= wait_seconds + RETURN_SECONDS:
            state.rival = None


def in_words(text: str | None, fingerprint: Fingerprint | None) -> str:
    """Return for a person what is known of who speaks as a device; `text` as remembered."""
    state = read(text)
    if state.shared_at is not None:
        return "two agents take turns as this device: one of them is a copy"
    if state.rival is not None and state.rival.proven_at is None:
        return "other hardware reports with its token; its reports wait until it is clear whether it was repaired"
    if not fingerprint:
        return "not checked for copies: it tells no hardware fact, as in a container"
    if state.adopted is not None:
        return "repaired: other hardware went on where the enrolled one stopped"
    return "checked for copies by its hardware"
