"""Numbers, sizes and times as a person reads them. Pure; a missing value is None and never becomes zero."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_JOULES_PER_KWH = 3_600_000


def duration(seconds: float) -> str:
    """Return `seconds` as two units at most: `4.2 s`, `1 min 23 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds < 0:
        return f"-{duration(-seconds)}" if seconds <= -0.05 else duration(-seconds)  # never "-0.0 s"
    if 0 < seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, name, part, part_name in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", 1, "s"),
    ):
        if whole >= size:
            first, rest = divmod(round(whole / part) * part, size)
            return f"{first} {name} {rest // part} {part_name}" if rest else f"{first} {name}"
    return f"{whole} s"


def share(ratio: float) -> str:
    """Return a ratio of 0-1 as a percentage with one decimal."""
    return f"{ratio * 100:.1f}%"


def memory_size(size_bytes: float) -> str:
    """Return a size in powers of 1,024, as memory is sold: `16 GiB`."""
    return _scaled(float(size_bytes), 1024, ("B", "KiB", "MiB", "GiB", "TiB", "PiB"))


def disk_size(size_bytes: float) -> str:
    """Return a size in powers of 1,000, as disks are sold: `512 GB`."""
    return _scaled(float(size_bytes), 1000, ("B", "kB", "MB", "GB", "TB", "PB"))


def _scaled(value: float, step: int, units: tuple[str, ...]) -> str:
    power = 0
    while value >= step and power < len(units) - 1:
        value /= step
        power += 1
    return (
        f"{value:.0f} {units[power]}"
        if value >= 99.95 or value.is_integer()
        else f"{value:.1f} {units[power]}"
    )


def energy(joules: float) -> str:
    """Return joules as watt-hours or kilowatt-hours."""
    kwh = joules / _JOULES_PER_KWH
    return f"{kwh:,.2f} kWh" if kwh >= 1 else f"{kwh * 1000:,.1f} Wh"


def count(number: int) -> str:
    """Return a whole number with thousands separated."""
    return f"{number:,}"


def many(number: int, one: str, more: str | None = None) -> str:
    """Return `1 device`, `2 devices`."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


# Control characters, and marks that turn the direction of what follows: a device could use them to show a name as
# another. None of them means anything in a name, a model or a reason.
_CONTROLS = (*range(9), *range(11, 13), *range(14, 32), *range(127, 160))
_TURNERS = (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_UNSEEN = dict.fromkeys((*_CONTROLS, *_TURNERS), "\N{MIDDLE DOT}")


def visible(value: Any) -> Any:
    """Return text with control and direction characters as dots; anything else, also ready mark-up, as it is."""
    return value.translate(_UNSEEN) if type(value) is str else value


class LocalTime:
    """Says moments in the reporting time zone, always with the zone named."""

    def __init__(self, zone: str, now: float) -> None:
        self.zone = zone
        self.now = now
        self._zone = ZoneInfo(zone)

    def local(self, epoch: float) -> datetime:
        """Return the moment `epoch` seconds after 1970 in the reporting zone."""
        return datetime.fromtimestamp(epoch, UTC).astimezone(self._zone)

    def text(self, epoch: float) -> str:
        """Return `21 Nov 2025, 18:42 GMT`."""
        moment = self.local(epoch)
        return f"{moment.day} {moment:%b %Y, %H:%M %Z}"

    def day(self, epoch: float) -> str:
        """Return `21 Nov 2025`."""
        moment = self.local(epoch)
        return f"{moment.day} {moment:%b %Y}"

    def stamp(self, epoch: float) -> Markup:
        """Return the moment as a <time> element that machines read as well."""
        iso = datetime.fromtimestamp(int(epoch), UTC).isoformat().replace("+00:00", "Z")
        return Markup('<time datetime="{}">{}</time>').format(iso, self.text(epoch))

    def ago(self, epoch: float) -> str:
        """Return how long ago `epoch` was: `3 min ago`; a moment ahead of the clock is said as such."""
        passed = self.now - epoch
        if passed < 0:
            return f"{duration(-passed)} ahead of this clock"
        if passed < _MINUTE:
            return "just now"
        size, name = next(pair for pair in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")) if passed >= pair[0])
        return f"{int(passed // size)} {name} ago"
