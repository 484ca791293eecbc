"""One event of the Windows event log, from the XML that EvtRender gives; pure.

What is kept is what probes work with: provider, number, version, level, the instant to 100 ns, the activity that
links events, process and session, and the data by name. Who (`Security/@UserID`) and where (`Computer`) are
dropped here, so that nothing behind this module can send them.
The form: https://learn.microsoft.com/windows/win32/wes/eventschema-schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

TICKS = (
    10_000_000  # of 100 ns, in a second: the resolution of FILETIME, which a float of today's date has not
)
LONGEST = 1 << 20  # characters; an event is at most 64 kB
MOST_DATA = 512
EPOCH_DAY = date(1970, 1, 1).toordinal()
NAMESPACE = "http://schemas.microsoft.com/win/2004/08/events/event"

_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?\s*(?:Z|([+-])(\d\d):?(\d\d))?", re.ASCII
)
_NUMBER = re.compile(r"\d{1,20}|0[xX][0-9a-fA-F]{1,16}", re.ASCII)
# Marks of the writing direction that Windows puts into dates, and characters XML does not know
_MARKS = re.compile("[\u200e\u200f\u202a-\u202e]")
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_WORDS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `ticks` is when it was created in 100 ns since 1970 UTC, `record` its number in the channel.

    `data` holds EventData by name. Data without a name are `Data0`, `Data1` ... by their place among all of them,
    UserData are the leaves of its element.
    """

    provider: str
    id: int
    ticks: int
    version: int = 0
    level: int = 0
    record: int | None = None
    activity_id: str | None = None
    process: int | None = None
    session: int | None = None
    data: Mapping[str, str] = field(default_factory=dict)

    @property
    def created(self) -> float:
        """When it was created, in epoch seconds."""
        return self.ticks / TICKS

    def text(self, name: str) -> str | None:
        """Return a text, None where there is none or it is blank."""
        return self.data.get(name, "").strip() or None

    def number(self, name: str) -> int | None:
        """Return a whole number written in decimal or as 0x..., None for anything else."""
        return parse_number(self.data.get(name, ""))

    def flag(self, name: str) -> bool | None:
        """Return true or false, None for anything else."""
        return _WORDS.get(self.data.get(name, "").strip().casefold())

    def instant(self, name: str) -> int | None:
        """Return an instant in 100 ns since 1970 UTC, None where there is none."""
        return parse_instant(self.data.get(name, ""))


def parse_event(xml: str) -> Event | None:
    """Return an event, or None for whatever is no complete one; never raises.

    Document types are refused: entities could grow without end, and Windows writes none.
    """
    if len(xml) > LONGEST or "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        return None
    root = _tree(_NOT_XML.sub("\ufffd", xml))
    if root is None or _local(root) != "Event":
        return None
    parts = {_local(part): part for part in root}
    system = parts.get("System")
    if system is None:
        return None
    header = {_local(each): each for each in system}
    number = parse_number(_content(header.get("EventID")))
    ticks = parse_instant(_attribute(header.get("TimeCreated"), "SystemTime"))
    provider = _attribute(header.get("Provider"), "Name")
    if number is None or number > 0xFFFF or ticks is None or not provider:
        return None
    return Event(
        provider=provider,
        id=number,
        ticks=ticks,
        version=parse_number(_content(header.get("Version"))) or 0,
        level=parse_number(_content(header.get("Level"))) or 0,
        record=parse_number(_content(header.get("EventRecordID"))),
        activity_id=_activity(_attribute(header.get("Correlation"), "ActivityID")),
        process=parse_number(_attribute(header.get("Execution"), "ProcessID")),
        session=parse_number(_attribute(header.get("Execution"), "SessionID")),
        data=_data(parts.get("EventData"), parts.get("UserData")),
    )


def parse_events(texts: Iterable[str]) -> tuple[Event, ...]:
    """Return the events among texts, each once, oldest first.

    The order is by time, then by number: records of a start-up are written out of order (those of the kernel
    follow the ones of the event log service that writes them down).
    """
    found: dict[tuple[object, ...], Event] = {}
    for text in texts:
        event = parse_event(text)
        if event is not None:
            found[_key(event)] = event
    return tuple(event for _key, event in sorted(found.items(), key=lambda item: item[0]))


def parse_instant(text: str) -> int | None:
    """Return an ISO 8601 instant in 100 ns since 1970 UTC; what has no zone is UTC, as in event data."""
    match = _INSTANT.fullmatch(_MARKS.sub("", text).strip())
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.group(1, 2, 3, 4, 5, 6))
    if not 1601 <= year <= 9998 or hour > 23 or minute > 59 or second > 60:
        return None  # before FILETIME's first day, or at the end of what a date can hold
    try:
        days = date(year, month, day).toordinal() - EPOCH_DAY
    except ValueError:
        return None
    away = 0
    if match[8]:
        away = (int(match[9]) * 60 + int(match[10])) * (60 if match[8] == "+" else -60)
    fraction = int((match[7] or "0").ljust(9, "0")) // 100
    return (days * 86_400 + hour * 3600 + minute * 60 + second - away) * TICKS + fraction


def parse_number(text: str) -> int | None:
    """Return a whole number of at most 64 bits in decimal or 0x..., None for anything else."""
    word = text.strip()
    if not _NUMBER.fullmatch(word):
        return None
    value = int(word, 16) if word[:2] in {"0x", "0X"} else int(word)
    return value if value < 1 << 64 else None


def seconds(ticks: int) -> float:
    """Return 100 ns steps as seconds, to the microsecond."""
    return round(ticks / TICKS, 6)


def to_xml(event: Event, names: Iterable[str]) -> str:
    """Return an event as EvtRender would, with only these data and without who and where."""
    kept = "".join(
        f"<Data Name='{_escaped(name)}'>{_escaped(event.data[name])}</Data>"
        for name in names
        if name in event.data
    )
    activity = f" ActivityID='{{{event.activity_id}}}'" if event.activity_id else ""
    record = "" if event.record is None else f"<EventRecordID>{event.record}</EventRecordID>"
    return (
        f"<Event xmlns='{NAMESPACE}'><System><Provider Name='{_escaped(event.provider)}'/>"
        f"<EventID>{event.id}</EventID><Version>{event.version}</Version><Level>{event.level}</Level>"
        f"<TimeCreated SystemTime='{to_text(event.ticks)}'/>{record}"
        f"<Correlation{activity}/></System><EventData>{kept}</EventData></Event>"
    )


def to_text(ticks: int) -> str:
    """Return an instant as event XML writes it."""
    days, rest = divmod(ticks, 86_400 * TICKS)
    whole, fraction = divmod(rest, TICKS)
    day = date.fromordinal(EPOCH_DAY + days).isoformat()
    return f"{day}T{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{fraction:07}Z"


def _tree(xml: str) -> Element | None:
    # Imported here: parsing XML is needed on Windows alone.
    from xml.etree.ElementTree import ParseError, XMLParser

    parser = XMLParser(encoding="utf-8")  # noqa: S314 - document types, the way to entities, were refused above
    try:
        parser.feed(xml.encode("utf-8"))
        root: Element = parser.close()
    except (ParseError, ValueError, LookupError):  # the last two: an encoding it does not know
        return None
    return root


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _content(element: Element | None) -> str:
    return "" if element is None else (element.text or "").strip()


def _attribute(element: Element | None, name: str) -> str:
    return "" if element is None else element.get(name, "").strip()


def _activity(text: str) -> str | None:
    return text.strip("{}").casefold() or None


def _data(event_data: Element | None, user_data: Element | None) -> dict[str, str]:
    found: dict[str, str] = {}
    if event_data is not None:
        for place, element in enumerate(event_data):
            if place == MOST_DATA:
                break
            if _local(element) == "Data":
                found.setdefault(element.get("Name") or f"Data{place}", "".join(element.itertext()))
    if user_data is not None:
        for place, element in enumerate(user_data.iter()):
            if place == MOST_DATA:
                break
            if len(element) == 0 and element is not user_data:
                found.setdefault(element.get("Name") or _local(element), element.text or "")
    return found


def _key(event: Event) -> tuple[object, ...]:
    record = -1 if event.record is None else event.record
    return (
        event.ticks,
        record,
        event.provider,
        event.id,
        event.activity_id or "",
        tuple(sorted(event.data.items())),
    )


def _escaped(text: str) -> str:
    for letter, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&apos;")):
        text = text.replace(letter, name)
    return text
