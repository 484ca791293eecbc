"""What took longest in a sign-in: Winlogon's subscribers, policy extensions, Run keys and their commands; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from roadworthy_agent.probes.signin.windows_chain import Chain, Span, pairs
from roadworthy_agent.probes.signin.windows_log import EXTENSION_ENDS, POLICY, SHELL
from roadworthy_agent.probes.startup import windows_names as names
from roadworthy_agent.probes.startup.windows_log import WINLOGON, Log
from roadworthy_agent.report import Factor
from roadworthy_agent.windows.event import Event, parse_number, seconds

SLOWEST = 20

# Extensions that come with Windows by their registered id, as their names are in the machine's language
# (HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon\GPExtensions; MS-GPOL's list of client-side extensions)
EXTENSIONS = {
    "{00000000-0000-0000-0000-000000000000}": "Group Policy infrastructure",
    "{35378eac-683f-11d2-a89a-00c04fbbcfa2}": "Registry",
    "{827d319e-6eac-11d2-a4ea-00c04f79f83a}": "Security",
    "{42b5faae-6536-11d2-ae5a-0000f87571e3}": "Scripts",
    "{25537ba6-77a8-11d2-9b6c-0000f8080861}": "Folder Redirection",
    "{c6dc5466-785a-11d2-84d0-00c04fb169f7}": "Software Installation",
    "{5794dafd-be60-433f-88a2-1a31939ac01f}": "Drive Maps",
    "{bc75b1ed-5833-4858-9bb8-cbf0b166df9d}": "Printers",
    "{b087be9d-ed37-454f-af9c-04291e351182}": "Preferences: Registry",
    "{c418dd9d-0d14-4efb-8fbf-cfe535c8fac7}": "Preferences: Shortcuts",
    "{7150f9bf-48ad-4da4-a49c-29ef4a8369ba}": "Preferences: Files",
    "{6232c319-91ac-4931-9385-e70c2b099f0e}": "Preferences: Folders",
    "{0e28e245-9368-4853-ad84-6da3ba35bb75}": "Preferences: Environment",
    "{aadced64-746c-4633-a97c-d61349046527}": "Preferences: Scheduled Tasks",
}
RUN_KEY = 96  # letters of a Run key's name


def of_chain(log: Log, chain: Chain, private: Collection[str], *, allowed: bool) -> tuple[Factor, ...]:
    """Return what took longest, the longest first; `began_seconds` counts from the sign-in's beginning."""
    end = chain.end or chain.until
    subscribers = _within(log.of(WINLOGON, 811), chain.begin, end)
    extensions = _within(log.of(POLICY, 4016), chain.begin, end)
    keys = _within(log.of(SHELL, 9705), chain.begin, end)
    commands = _within(log.of(SHELL, 9707), chain.begin, end)
    found: list[Factor] = []
    for span in pairs(subscribers, log.of(WINLOGON, 812), "SubscriberName"):
        name = span.event.text("SubscriberName")
        if name is not None:
            found += _factor("subscriber", names.of_component(name, private), span, chain)
    for span in _of_activity(pairs(extensions, log.of(POLICY, *EXTENSION_ENDS), "CSEExtensionId"), chain):
        found += _factor("policy", extension_name(span.event, private), span, chain)
    for span in pairs(keys, log.of(SHELL, 9706), "KeyName"):
        found += _factor("run_key", run_key_name(span.event.text("KeyName") or "", private), span, chain)
    for span in pairs(commands, log.of(SHELL, 9708), "Command"):
        kind, name = command_name(span.event.text("Command") or "", private, allowed=allowed)
        found += _factor(kind, name, span, chain)
    return _longest(found)


def extension_name(event: Event, private: Iterable[str]) -> str:
    """Return what a policy extension is called: by its id in English, else as it was registered."""
    number = (event.text("CSEExtensionId") or "").casefold()
    if number in EXTENSIONS:
        return EXTENSIONS[number]
    return names.of_component(event.text("CSEExtensionName") or "*", private)


def run_key_name(key: str, private: Iterable[str]) -> str:
    r"""Return a Run key without whose it is: `Software\Microsoft\Windows\CurrentVersion\Run` becomes `...\Run`."""
    last = key.strip().rstrip("\\").rpartition("\\")[2]
    return names.scrub(last, private)[:RUN_KEY]


def command_name(command: str, private: Iterable[str], *, allowed: bool) -> tuple[str, str]:
    """Return kind and name of a program started at sign-in; its arguments and folder stay on the device."""
    return names.of_program(names.program_of(command), names.path_of(command), private, allowed=allowed)


def has_error(event: Event | None) -> bool:
    """Tell whether an event carries an error code."""
    return event is not None and parse_number(event.data.get("ErrorCode", "")) not in {0, None}


def _within(events: Iterable[Event], begin: int, end: int) -> list[Event]:
    return [event for event in events if begin <= event.ticks <= end]


def _of_activity(spans: Iterable[Span], chain: Chain) -> list[Span]:
    """Leave out extensions of another processing, such as the machine's."""
    activity = None if chain.policy is None else chain.policy.event.activity_id
    return [span for span in spans if activity is None or span.event.activity_id in {activity, None}]


def _factor(kind: str, name: str, span: Span, chain: Chain) -> list[Factor]:
    if span.ended is None or span.ended == span.began:
        return []
    began = seconds(max(0, span.began - chain.begin))
    return [Factor(kind=kind, name=name, seconds=seconds(span.ended - span.began), began_seconds=began)]


def _longest(found: Iterable[Factor]) -> tuple[Factor, ...]:
    best: dict[tuple[str, str], Factor] = {}
    for factor in found:
        held = best.get((factor.kind, factor.name))
        if held is None or (factor.seconds or 0.0) > (held.seconds or 0.0):
            best[factor.kind, factor.name] = factor
    ranked = sorted(best.values(), key=lambda each: (-(each.seconds or 0.0), each.kind, each.name))
    return tuple(ranked[:SLOWEST])
