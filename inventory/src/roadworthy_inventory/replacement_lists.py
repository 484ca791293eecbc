"""Ready lists, each row a ticket: claim under warranty, fit an SSD, collect the unused.

What is not known keeps a device off a list and is counted with what is missing, so that an empty list is never read as
an estate without work.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal, NamedTuple

from roadworthy_inventory.replacement_data import ListThresholds, thresholds

TICKET_COLUMNS = ("list", "tag", "serial", "model", "site", "unit", "summary", "details", "due", "basis")
DiskKind = Literal["hdd", "ssd"]
_DAYS_A_WEEK = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDevice:
    """What the lists look at; None where it is not known.

    `faults`: what the rating holds against the device, in words, empty where nothing. `system_disk`: what it starts
    from, `takes_ssd`: whether one can be fitted. `observed_days` and `in_use_hours`: from the agent, over the last four
    weeks; only days on which it could tell use from idling count. `mdm_last_seen`: its last check-in with mobile device management.
    """

    tag: str
    serial: str | None = None
    model: str | None = None
    site: str | None = None
    unit: str | None = None
    lifecycle_state: str | None = None
    usage_profile: str | None = None
    warranty_end: date | None = None
    warranty_level: str | None = None
    faults: tuple[str, ...] | None = None
    system_disk: DiskKind | None = None
    takes_ssd: bool | None = None
    startup_p50_seconds: float | None = None
    observed_days: int | None = None
    in_use_hours: float | None = None
    mdm_last_seen: date | None = None


class Ticket(NamedTuple):
    """One row, in the order of TICKET_COLUMNS; `due` None where nothing presses, `basis` whose rule listed it."""

    list: str
    tag: str
    serial: str | None
    model: str | None
    site: str | None
    unit: str | None
    summary: str
    details: str
    due: date | None
    basis: str


@dataclass(frozen=True, slots=True)
class ReadyList:
    """Tickets, the most pressing first, and {tag: what is missing} of those that could not be told."""

    name: str
    tickets: tuple[Ticket, ...]
    unknown: dict[str, str]


def claim_under_warranty(
    devices: Iterable[ListedDevice], on: date, limits: ListThresholds | None = None
) -> ReadyList:
    """Return devices with a fault whose warranty holds on the day `on`, the first to end first."""
    limits = limits or thresholds()
    found, unknown = [], {}
    for device in devices:
        if device.faults is None:
            unknown[device.tag] = "no rating"
        elif device.faults and device.warranty_end is None:
            unknown[device.tag] = "warranty end"
        elif device.faults and device.warranty_end and device.warranty_end >= on:
            left = (device.warranty_end - on).days
            soon = "; claim it now, it ends soon" if left <= limits.soon_days else ""
            level = f", {device.warranty_level}" if device.warranty_level else ""
            details = f"{'; '.join(device.faults)}. Warranty until {device.warranty_end}{level}, {_days(left)} left{soon}."
            found.append(_ticket("claim_under_warranty", device, "Claim under warranty", details, limits))
    found.sort(key=lambda ticket: (ticket.due or date.max, ticket.tag))
    return ReadyList("claim_under_warranty", tuple(found), unknown)


def fit_an_ssd(
    devices: Iterable[ListedDevice],
    on: date,
    replaced: Collection[str] = (),
    limits: ListThresholds | None = None,
) -> ReadyList:
    """Return devices that start from a hard disk and take an SSD, the slowest first; not those in `replaced` (tags)."""
    limits = limits or thresholds()
    found, unknown = [], {}
    for device in devices:
        if device.tag in replaced or device.system_disk == "ssd":
            continue
        if device.system_disk is None:
            unknown[device.tag] = "kind of disk"
        elif device.takes_ssd is None:
            unknown[device.tag] = "whether it takes an SSD"
        elif device.takes_ssd:
            slow = device.startup_p50_seconds
            details = f"Starts from a hard disk, {f'{slow:,.0f} s' if slow is not None else 'how long is not known'}"
            details += " to usable in the middle of its start-ups."
            if device.warranty_end and device.warranty_end >= on:
                details += f" Under warranty until {device.warranty_end}: ask the maker before it is opened."
            ticket = _ticket("fit_an_ssd", device, "Fit an SSD", details, limits)._replace(due=None)
            found.append((-(slow or 0.0), ticket))
    found.sort(key=lambda each: (each[0], each[1].tag))
    return ReadyList("fit_an_ssd", tuple(ticket for _, ticket in found), unknown)


def collect_unused(
    devices: Iterable[ListedDevice], on: date, limits: ListThresholds | None = None
) -> ReadyList:
    """Return the hardly used, by agent where it has watched long enough, else by MDM; the least used first.

    A device the agent has not watched and MDM has seen lately is unknown: a check-in is no proof of use.
    """
    limits = limits or thresholds()
    found, unknown = [], {}
    for device in devices:
        if device.lifecycle_state is None or device.usage_profile in {None, "unknown"}:
            unknown[device.tag] = "lifecycle state" if device.lifecycle_state is None else "usage profile"
        elif (
            device.lifecycle_state in limits.lifecycle_states
            and device.usage_profile not in limits.not_usage_profiles
        ):
            hours, details = _use(device, on, limits)
            if hours is None:
                unknown[device.tag] = details
            elif details:
                ticket = _ticket(
                    "collect_unused", device, "Collect a device that is hardly used", details, limits
                )
                found.append((hours, ticket._replace(due=None)))
    found.sort(key=lambda each: (each[0], each[1].tag))
    return ReadyList("collect_unused", tuple(ticket for _, ticket in found), unknown)


def _use(device: ListedDevice, on: date, limits: ListThresholds) -> tuple[float | None, str]:
    """Return (hours a week, why it is hardly used or '' where it is used); (None, what is missing)."""
    days, hours = device.observed_days, device.in_use_hours
    if days is not None and hours is not None and days >= max(limits.least_observed_days, 1):
        weekly = hours / days * _DAYS_A_WEEK
        if weekly > limits.most_in_use_hours_a_week:
            return weekly, ""
        return weekly, f"In use {hours:,.1f} hours in {_days(days)} watched by the agent."
    seen = device.mdm_last_seen
    if seen is None or seen > on:
        return None, "use: not watched by an agent for long enough, and no MDM check-in is known"
    silent = (on - seen).days
    if silent < limits.mdm_silent_days:
        return None, "use: not watched by an agent for long enough; MDM has seen it, which is no proof of use"
    return 0.0, f"Last seen by mobile device management on {seen}, {_days(silent)} ago."


def _ticket(name: str, device: ListedDevice, what: str, details: str, limits: ListThresholds) -> Ticket:
    model = device.model or "model unknown"
    return Ticket(
        name,
        device.tag,
        device.serial,
        device.model,
        device.site,
        device.unit,
        f"{what}: {model}, {device.tag}",
        details,
        device.warranty_end,
        limits.name,
    )


def _days(count: int) -> str:
    return f"{count:,} day{'s' if count != 1 else ''}"
