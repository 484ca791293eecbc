"""Looks for devices that answer SNMP in a stated range, at a stated rate; only ever because somebody asked for it."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.snmp.matching import (
    SYS_DESCR,
    SYS_NAME,
    SYS_OBJECT_ID,
    first_questions,
    matched_profiles,
    second_questions,
)
from roadworthy_collector.snmp.port import Community, Port, SnmpError, Target, User, oid_text
from roadworthy_collector.snmp.profile import Profile
from roadworthy_collector.snmp.values import text_of

MOST_ADDRESSES = 4096
MOST_RATE = 200.0
_NO_HOSTS = tuple(
    ipaddress.ip_network(text) for text in ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8")
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A device that answered: `profile` is the most particular that fits, None where none does."""

    host: str
    name: str | None
    description: str | None
    object_id: str | None
    profile: str | None


def addresses(text: str) -> list[str]:
    """Return the hosts of a network such as 10.1.2.0/28; RoadworthyError for what is none, or too large."""
    try:
        network = ipaddress.ip_network(text, strict=True)
    except ValueError as error:
        raise RoadworthyError(f"{text!r} is no range: {error}; write it as 10.1.2.0/28") from None
    if network.num_addresses > MOST_ADDRESSES:
        raise RoadworthyError(
            f"{text} has {network.num_addresses} addresses, more than {MOST_ADDRESSES}: state smaller ranges"
        )
    if any(network.overlaps(one) for one in _NO_HOSTS if one.version == network.version):
        # One datagram to a group or to everybody may be answered by every machine of the network at once.
        raise RoadworthyError(f"{text} holds addresses of groups or of nobody; a sweep asks single hosts")
    return [str(one) for one in network.hosts()] or [str(network.network_address)]


async def sweep(  # noqa: PLR0913 - whom to ask, how, how fast, and who is told
    port: Port,
    profiles: Sequence[Profile],
    hosts: Sequence[str],
    credentials: Community | User,
    *,
    rate: float,
    timeout_seconds: float = 1.0,
    seen: Callable[[str, Seen | None], None] = lambda _host, _found: None,
    snmp_port: int = 161,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> list[Seen]:
    """Ask each host once who it is, `rate` of them a second; return those that answered, in order of address.

    Who answers is asked once more where it takes another question to tell which profile fits.
    """
    if not 0 < rate <= MOST_RATE:
        raise RoadworthyError(f"rate: must lie above 0 and at most {MOST_RATE:g} hosts a second")
    found: dict[str, Seen] = {}

    async def ask(host: str) -> None:
        target = Target(host, host, credentials, port=snmp_port, timeout_seconds=timeout_seconds, retries=0)
        answered = await _ask(port, profiles, target)
        if answered is not None:
            found[host] = answered
        seen(host, answered)

    async with asyncio.TaskGroup() as group:
        for host in hosts:
            group.create_task(ask(host))
            await sleep(1 / rate)
    return [found[host] for host in hosts if host in found]


async def _ask(port: Port, profiles: Sequence[Profile], target: Target) -> Seen | None:
    session = port.begin(target)
    try:
        values = dict(await session.get(first_questions(profiles)))
    except SnmpError:
        return None
    with suppress(SnmpError):  # it is there all the same
        if more := second_questions(profiles, values):
            values |= await session.get(more)
    told = values.get(SYS_OBJECT_ID)
    matched = matched_profiles(profiles, values)
    return Seen(
        host=target.host,
        name=text_of(values.get(SYS_NAME)),
        description=text_of(values.get(SYS_DESCR)),
        object_id=oid_text(told) if isinstance(told, tuple) else None,
        profile=matched[0].profile.name if matched else None,
    )
