"""Events for the tests: XML as EvtRender gives it, and logs of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from xml.sax.saxutils import escape

from roadworthy_agent.probe import Missing, Status
from roadworthy_agent.probes.startup.windows_log import Log
from roadworthy_agent.windows.event import TICKS, Event, parse_events, parse_instant, to_text

DIAGNOSTICS = "Microsoft-Windows-Diagnostics-Performance"
KERNEL_GENERAL = "Microsoft-Windows-Kernel-General"
KERNEL_BOOT = "Microsoft-Windows-Kernel-Boot"
KERNEL_POWER = "Microsoft-Windows-Kernel-Power"
TROUBLESHOOTER = "Microsoft-Windows-Power-Troubleshooter"
WINLOGON = "Microsoft-Windows-Winlogon"
PROFILES = "Microsoft-Windows-User Profiles Service"
POLICY = "Microsoft-Windows-GroupPolicy"
SHELL = "Microsoft-Windows-Shell-Core"
EVENT_LOG = "EventLog"
NAMESPACE = "http://schemas.microsoft.com/win/2004/08/events/event"

# Published events 100 (see the SOURCE.md of tests/devices/windows*; start 392 is the next of the same PC)
NAMES = (
    "BootTime", "MainPathBootTime", "BootPostBootTime", "BootSmssInitTime", "BootUserProfileProcessingTime",
    "BootMachineProfileProcessingTime", "BootExplorerInitTime", "OSLoaderDuration", "BootPNPInitStartTimeMS",
    "BootPNPInitDuration", "SystemPNPInitStartTimeMS", "SystemPNPInitDuration", "SessionInitStartTimeMS",
    "Session0InitDuration", "Session1InitDuration", "SessionInitOtherDuration", "WinLogonStartTimeMS",
    "OtherLogonInitActivityDuration", "UserLogonWaitDuration",
)  # fmt: skip
PUBLISHED = {
    "windows 7, 2010": (110987, 71887, 39100, 11453, 137, 1, 0, 5600, 29, 3206, 11615, 1823, 13457, 9208, 1382, 862,
                        24911, 46838, 4518),
    "windows 7, 2015": (165331, 151680, 13651, 21943, 4098, 2947, 104515, 3923, 38, 5968, 6925, 7035, 14143, 1272,
                        1693, 18978, 36087, 4030, 9820),
    "windows 11, start 391": (111814, 25314, 86500, 11224, 5336, 167, 5215, 1296, 80, 1573, 1787, 569, 2371, 6889, 270,
                              4064, 13596, 998, 739),
    "windows 11, start 392": (51237, 24437, 26800, 10962, 5400, 152, 4731, 1308, 79, 1396, 1605, 572, 2193, 6727, 260,
                              3974, 13156, 997, 729),
}  # fmt: skip


def xml(
    provider: str,
    number: int,
    at: int,
    data: Mapping[str, object] | None = None,
    *,
    activity: str | None = None,
    record: int | None = 7,
    version: int = 1,
) -> str:
    """Return an event as Windows writes it, with who and where."""
    fields = "".join(
        f"<Data Name='{escape(name)}'>{escape(str(value))}</Data>" for name, value in (data or {}).items()
    )
    correlation = f"<Correlation ActivityID='{{{activity}}}'/>" if activity else "<Correlation/>"
    number_of = "" if record is None else f"<EventRecordID>{record}</EventRecordID>"
    return (
        f"<Event xmlns='{NAMESPACE}'><System><Provider Name='{provider}' Guid='{{0}}'/>"
        f"<EventID Qualifiers='0'>{number}</EventID><Version>{version}</Version><Level>4</Level>"
        f"<TimeCreated SystemTime='{to_text(at)}'/>{number_of}{correlation}"
        f"<Execution ProcessID='4' ThreadID='8'/><Channel>System</Channel><Computer>HQ-LT-0042.corp.example</Computer>"
        f"<Security UserID='S-1-5-21-1-2-3-1001'/></System><EventData>{fields}</EventData></Event>"
    )


def at(text: str) -> int:
    """Return an instant in 100 ns since 1970."""
    ticks = parse_instant(text)
    assert ticks is not None
    return ticks


def after(ticks: int, seconds: float) -> int:
    """Return an instant so many seconds later."""
    return ticks + round(seconds * TICKS)


def log(texts: Iterable[str], closed: Iterable[str] = ()) -> Log:
    """Return a log of these events in which some channels cannot be read."""
    refused = tuple(Missing(channel, Status.NO_PERMISSION, f"{channel} is closed") for channel in closed)
    return Log(parse_events(texts), refused)


def event_100(name: str, at_: int, *, activity: str | None = None, **more: object) -> str:
    """Return a published event 100 whose start-up began at an instant."""
    values: dict[str, object] = dict(zip(NAMES, PUBLISHED[name], strict=True))
    values |= {"BootTsVersion": 2, "BootStartTime": to_text(at_), "SystemBootInstance": 391} | more
    return xml(DIAGNOSTICS, 100, after(at_, 300), values, activity=activity, version=2)


def kernel_start(at_: int, *, record: int = 10, boot_type: object | None = 0, **flags: object) -> list[str]:
    """Return the marks of a kernel's start: 12, 20 and 27, created 30 ms after event 100's BootStartTime."""
    marked = after(at_, 0.03)
    found = [
        xml(KERNEL_GENERAL, 12, marked, {"StartTime": to_text(after(at_, -0.5))}, record=record),
        xml(KERNEL_BOOT, 20, marked, {"LastShutdownGood": "true", "LastBootGood": "true", "LastBootId": 40} | flags,
            record=record + 1),
    ]  # fmt: skip
    if boot_type is not None:
        found.append(xml(KERNEL_BOOT, 27, marked, {"BootType": boot_type}, record=record + 2))
    return found


def parsed(text: str) -> Event:
    """Return the one event of a text."""
    (event,) = parse_events([text])
    return event
