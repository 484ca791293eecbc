"""From the events of the log to sign-in records, without who; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

from roadworthy_agent.probe import Missing, Status
from roadworthy_agent.probes.signin import windows_factors as factors
from roadworthy_agent.probes.signin.windows_chain import Chain, find_chains, phases, prompt_ticks
from roadworthy_agent.probes.signin.windows_log import (
    DISCOVERED,
    NOT_DISCOVERED,
    POLICY,
    PROFILES,
    SHELL_LOG,
    VPN,
    WIFI,
)
from roadworthy_agent.probes.startup.windows_log import Log, newest
from roadworthy_agent.probes.startup.windows_records import starts
from roadworthy_agent.report import SigninRecord
from roadworthy_agent.windows.event import TICKS, Event, seconds

MOST_SIGN_INS = 16
UNFINISHED, MEASURED, APPROXIMATE = "unfinished", "measured", "approximate"
FINISHED_WITHIN = 900 * TICKS  # a part whose end has not come by then has none
SETTLED = 120 * TICKS  # Explorer's last events follow the others
SOURCE = "Winlogon, User Profile Service, GroupPolicy, Shell-Core event logs"


@dataclass(frozen=True, slots=True)
class Around:
    """What surrounds the sign-ins and stands in no event; instants are epoch seconds."""

    wall: float
    boottime: float
    private: Collection[str] = ()
    application_names: bool = False

    @property
    def now(self) -> int:
        """Now, in 100 ns since 1970."""
        return round(self.wall * TICKS)


def sign_ins(log: Log, around: Around) -> tuple[tuple[SigninRecord, ...], tuple[Missing, ...]]:
    """Return the newest sign-ins of the running kernel, oldest first, and what of the newest is missing."""
    known = starts(log, around.now)
    first = known[0][0] if known else None
    chains = [chain for chain in find_chains(log, MOST_SIGN_INS) if first is None or chain.begin >= first]
    records = tuple(_record(log, chain, known, around) for chain in chains)
    return records, _missing(log, chains)


def _record(log: Log, chain: Chain, known: list[tuple[int, str]], around: Around) -> SigninRecord:
    end = chain.end
    over = around.now - chain.anchor.ticks > FINISHED_WITHIN
    told = phases(chain)
    total = None if end is None else seconds(end - chain.begin - prompt_ticks(chain))
    desktop = chain.desktop_at
    complete = chain.authentication is not None and chain.profile is not None and bool(chain.desktop)
    settled = end is not None and around.now - end > SETTLED and (complete or over)
    # Without Explorer's part the end so far is that of the profile, until it is clear that nothing more comes.
    open_end = end is None or not (chain.desktop or over or log.refusal(SHELL_LOG))
    return SigninRecord(
        key=hashlib.sha256(f"windows sign-in {chain.anchor.ticks}".encode()).hexdigest()[:32],
        began_boottime_seconds=round(around.boottime - seconds(around.now - chain.begin), 3),
        final=settled or over,
        quality=UNFINISHED if open_end else MEASURED if complete else APPROXIMATE,
        start_id=next((name for began, name in reversed(known) if began <= chain.begin), None),
        total_seconds=total,
        usable_seconds=None if desktop is None else seconds(desktop - chain.begin - prompt_ticks(chain)),
        first_on_device=_first_on_device(log, chain),
        credentials=_credentials(log, chain),
        connection=_connection(log, chain),
        roaming_profile=_roaming(log, chain),
        source=SOURCE,
        phases=told,
        factors=factors.of_chain(log, chain, around.private, allowed=around.application_names),
    )


def _first_on_device(log: Log, chain: Chain) -> bool | None:
    """Tell whether a profile was made. Its events prove that one was; their absence proves nothing."""
    return True if _of(log, chain, PROFILES, 1001, 1002) else None


def _roaming(log: Log, chain: Chain) -> bool | None:
    """Tell whether the profile roams, by its type, which is English on every Windows seen."""
    event = next(iter(_of(log, chain, PROFILES, 67)), None)
    kind = "" if event is None else (event.text("ProfileType") or "").casefold()
    return None if not kind else kind.startswith("roaming")


def _credentials(log: Log, chain: Chain) -> str:
    """Say whether the domain could be asked: without a domain controller only cached credentials let anybody in."""
    policy, end = chain.policy, chain.policy_end
    if policy is None or policy.event.flag("IsDomainJoined") is False:
        return "unknown"
    if end is not None and end.flag("IsConnectivityFailure"):
        return "cached"
    found = _discovery(log, chain)
    if found is None:
        return "unknown"
    return "network" if _found_domain(found) else "cached"


def _connection(log: Log, chain: Chain) -> str:
    """Say over what the device was connected: VPN and Wi-Fi have logs, a cable is what remains if a network answered."""
    if _is_up(log, VPN, 20225, 20226, chain.begin):
        return "vpn"
    if _is_up(log, WIFI, 8001, 8003, chain.begin):
        return "wifi"
    found = _discovery(log, chain)
    if found is not None and _found_domain(found):
        return "lan"
    if chain.policy_end is not None and chain.policy_end.flag("IsConnectivityFailure"):
        return "none"
    return "unknown"


def _discovery(log: Log, chain: Chain) -> Event | None:
    """Return how the search for a domain controller ended in this sign-in's policy."""
    if chain.policy is None:
        return None
    activity = chain.policy.event.activity_id
    found = _of(log, chain, POLICY, DISCOVERED, NOT_DISCOVERED)
    return next((event for event in found if activity is None or event.activity_id in {activity, None}), None)


def _found_domain(event: Event) -> bool:
    return event.id == DISCOVERED and not factors.has_error(event)


def _is_up(log: Log, provider: str, up: int, down: int, at: int) -> bool:
    last = newest(log.of(provider, up, down), lambda event: event.ticks <= at)
    return last is not None and last.id == up


def _of(log: Log, chain: Chain, provider: str, *ids: int) -> list[Event]:
    return [event for event in log.of(provider, *ids) if chain.begin <= event.ticks < chain.until]


def _missing(log: Log, chains: list[Chain]) -> tuple[Missing, ...]:
    """Say of each closed log what is missing for it, and what the newest sign-in lacks."""
    fields = {
        "Microsoft-Windows-Winlogon/Operational": "signins.phases.authentication",
        "Microsoft-Windows-User Profile Service/Operational": "signins.phases.user_profile",
        "Microsoft-Windows-GroupPolicy/Operational": "signins.phases.policy",
        "Microsoft-Windows-Shell-Core/Operational": "signins.usable_seconds",
    }
    found = [
        Missing(fields[each.field], each.status, each.reason) for each in log.closed if each.field in fields
    ]
    closed = {each.field for each in found}
    if chains and not chains[-1].desktop and "signins.usable_seconds" not in closed:
        reason = "Explorer logged no sign-in work: the log is off, or the desktop is not there yet"
        found.append(Missing("signins.usable_seconds", Status.NO_DATA_YET, reason))
    return tuple(found)
