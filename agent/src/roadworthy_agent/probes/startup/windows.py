r"""Reading start-ups on Windows: the event log and a few registry values, through `windows.machine`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from roadworthy_agent.probe import Context, ProbeResult, Status
from roadworthy_agent.probes.environment import CONTAINER
from roadworthy_agent.probes.startup import windows_names as names
from roadworthy_agent.probes.startup import windows_policy as policy
from roadworthy_agent.probes.startup.windows_factors import DEVICES, FIXED, PROGRAMS
from roadworthy_agent.probes.startup.windows_log import PERFORMANCE, SYSTEM, Log, Question, read
from roadworthy_agent.probes.startup.windows_log import QUESTIONS as START_QUESTIONS
from roadworthy_agent.probes.startup.windows_records import IN_A_CONTAINER, Around, start_ups
from roadworthy_agent.probes.tree import Tree
from roadworthy_agent.report import StartupRecord
from roadworthy_agent.windows.event import Event, to_xml
from roadworthy_agent.windows.machine import WindowsMachine, machine_of
from roadworthy_agent.windows.surroundings import BIOS_KEY, CONTROL_KEY, NAMES, environment_of

RECORDED_LAST_SEEN = "roadworthy/last_seen_at"
FILES: tuple[str, ...] = ()  # nothing on Windows is a plain file
# A record is closed after half an hour at the latest, counted from the power button; firmware may take minutes of it.
TOLD_AFTER_SECONDS = 1500.0


QUESTIONS = (*START_QUESTIONS, *policy.QUESTIONS)

CURRENT_VERSION = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
PROFILE_LIST = rf"{CURRENT_VERSION}\ProfileList"
SIGN_IN = rf"{CURRENT_VERSION}\Winlogon"
COMPUTER_NAME = r"HKLM\SYSTEM\CurrentControlSet\Control\ComputerName\ComputerName"
SESSION_MANAGER_POWER = r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Power"
SETUP = r"HKLM\SYSTEM\Setup"
UPGRADED_FROM = "Source OS"  # an upgrade leaves a key of this name behind it, with its date
RECORDED_VALUES = (
    (CURRENT_VERSION, "InstallDate"),
    (CURRENT_VERSION, "InstallationType"),
    (SIGN_IN, "AutoAdminLogon"),
    (SESSION_MANAGER_POWER, "FwPOSTTime"),
    (CONTROL_KEY, "ContainerType"),
    *((BIOS_KEY, name) for name in NAMES),
)
TEXTS = frozenset({"SubscriberName", "CSEExtensionName", "KeyName", "ProfileType", "param5", "Data4"})
GUID = re.compile(r"\{[0-9a-fA-F-]{36}\}")

Result = ProbeResult[tuple[StartupRecord, ...]]


def collect(context: Context) -> Result:
    """Return the start of the running kernel and the newest wakes since."""
    machine = machine_of(context)
    log = read(machine, QUESTIONS)
    around = _around(context, machine)
    found = start_ups(log, around)
    waiting = found.waiting
    if not found.records:
        return (
            _nothing(log, around)
            if waiting is None
            else ProbeResult("startup", waiting.status, (), waiting.reason)
        )
    source = found.records[-1].source
    if waiting is None:
        return ProbeResult("startup", Status.OK, found.records, source=source, missing=found.missing)
    return ProbeResult("startup", waiting.status, found.records, waiting.reason, source, found.missing)


def record(context: Context) -> dict[str, bytes]:
    """Return what this probe reads as files of a recorded tree: of events only the data used, without people."""
    machine = machine_of(context)
    files = recorded_events("startup", context, machine, QUESTIONS)
    values: dict[str, dict[str, object]] = {}
    for key, name in RECORDED_VALUES:
        value = machine.registry(key, name)
        if isinstance(value, (int, str)):
            values.setdefault(key, {})[name] = value
    if _upgraded(machine):
        values[rf"{SETUP}\{UPGRADED_FROM}"] = {}
    files["roadworthy/registry/startup.json"] = json.dumps(values, indent=1).encode()
    return files


def recorded_events(
    probe: str, context: Context, machine: WindowsMachine, questions: Sequence[Question]
) -> dict[str, bytes]:
    """Return events as files of a recorded tree.

    Texts lose account names, the host name and folders of people; programs go by category unless the settings
    permit names, as they would be sent.
    """
    log = read(machine, questions)
    private, allowed = private_words(machine), "application_names" in context.allow
    channels: dict[str, list[str]] = {}
    refused = {each.field for each in log.closed}
    for question in questions:
        if question.channel in refused:
            continue
        kept = channels.setdefault(question.channel, [])
        for event in log.of(question.provider, *question.ids):
            data = _without_people(event, question.names, private, allowed=allowed)
            kept.append(to_xml(replace(event, data=data), data))
    return {
        f"roadworthy/events/{probe}/{channel.replace('/', '%2F')}.xml": (
            "<Events>\n" + "\n".join(reversed(dict.fromkeys(kept))) + "\n</Events>\n"
        ).encode()
        for channel, kept in channels.items()
    }


def private_words(machine: WindowsMachine) -> frozenset[str]:
    """Return the words that name people or this device; they only ever serve to be taken out of names."""
    paths = [
        machine.registry(rf"{PROFILE_LIST}\{sid}", "ProfileImagePath")
        for sid in machine.registry_keys(PROFILE_LIST)
    ]
    host = machine.registry(COMPUTER_NAME, "ComputerName")
    return names.private_words(
        [path for path in paths if isinstance(path, str)], host if isinstance(host, str) else None
    )


def last_seen(context: Context) -> float | None:
    """Return when the device was last seen in an earlier boot, of a recorded tree as it was recorded."""
    if context.live:
        return context.last_seen_at
    text = Tree(context.root).text(RECORDED_LAST_SEEN)
    return float(text) if text and re.fullmatch(r"\d{1,12}(\.\d{1,9})?", text) else None


def _around(context: Context, machine: WindowsMachine) -> Around:
    clock = context.clock
    where = environment_of(machine).kind
    return Around(
        boot_id=clock.boot_id(),
        environment=where,
        wall=clock.wall(),
        boottime=clock.boottime(),
        last_seen_at=last_seen(context),
        last_ended=context.last_ended,
        installed_at=_installed_at(machine, where),
        post_milliseconds=_number(machine, SESSION_MANAGER_POWER, "FwPOSTTime"),
        automatic_sign_in=str(machine.registry(SIGN_IN, "AutoAdminLogon") or "0").strip() == "1",
        server="server" in str(machine.registry(CURRENT_VERSION, "InstallationType") or "").casefold(),
        private=private_words(machine),
        application_names="application_names" in context.allow,
        told_after=TOLD_AFTER_SECONDS if context.live else 0.0,
    )


def _installed_at(machine: WindowsMachine, where: str) -> int | None:
    """Return when this Windows was installed, None where the date is not that of its first start.

    An upgrade puts its own date in place of the first; in a container the date is that of its image.
    """
    if where == CONTAINER or _upgraded(machine):
        return None
    return _number(machine, CURRENT_VERSION, "InstallDate")


def _upgraded(machine: WindowsMachine) -> bool:
    return any(name.startswith(UPGRADED_FROM) for name in machine.registry_keys(SETUP))


def _number(machine: WindowsMachine, key: str, name: str) -> int | None:
    value = machine.registry(key, name)
    return value if isinstance(value, int) and value > 0 else None


def _nothing(log: Log, around: Around) -> Result:
    """Say why no start-up is known: the logs are closed, or hold nothing of it any more."""
    if around.in_container:
        reason = f"{IN_A_CONTAINER}, and its event log tells nothing of its start"
        return ProbeResult("startup", Status.CONTAINER, (), reason)
    gone = log.refusal(SYSTEM) or log.refusal(PERFORMANCE)
    if gone is not None:
        return ProbeResult("startup", gone.status, (), gone.reason)
    reason = "the event logs hold no start of this Windows: they were cleared, or it runs for longer than they reach back"
    return ProbeResult("startup", Status.NO_DATA_YET, (), reason)


def _without_people(
    event: Event, kept: Iterable[str], private: Iterable[str], *, allowed: bool
) -> dict[str, str]:
    """Return the data of an event so that they name nobody, and read back as the same."""
    found = {}
    for name in kept:
        value = event.data.get(name)
        if value is None:
            continue
        if name == "Name":
            value = _blamed(event, value, private, allowed=allowed)
        elif name == "Path" and value:
            value = _program_path(value, private, allowed=allowed)
        elif name == "Command":
            value = f'"{_program_path(names.path_of(value), private, allowed=allowed)}"'
        elif name in TEXTS:
            value = names.of_component(value, private)
        elif not _is_plain(event, name):
            continue  # no number, instant or flag, though it should be one: nobody knows what it holds
        found[name] = value
    return found


def _is_plain(event: Event, name: str) -> bool:
    """Tell whether a field holds a number, an instant, a flag or an id, which name nobody."""
    values = (event.number(name), event.instant(name), event.flag(name))
    return any(value is not None for value in values) or bool(GUID.fullmatch(event.data[name]))


def _blamed(event: Event, name: str, private: Iterable[str], *, allowed: bool) -> str:
    """Return the name in an event that blames something, as it would be sent."""
    if event.id in PROGRAMS:
        return names.of_program(name, event.data.get("Path", ""), private, allowed=allowed)[1]
    if event.id in DEVICES:
        return names.of_device(name, private)
    return "" if event.id in FIXED else names.of_service(name, private)


def _program_path(path: str, private: Iterable[str], *, allowed: bool) -> str:
    """Return a path that says whether a program is Windows' own, and of its name what may leave the device."""
    folder = r"C:\Windows" if names.is_windows(path) else r"C:\Elsewhere"
    name = names.of_program(names.program_of(path), path, private, allowed=allowed)[1]
    return rf"{folder}\{name if name.casefold().endswith('.exe') else name + '.exe'}"
