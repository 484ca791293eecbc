"""The carbon intensity of Great Britain's grid now: for when to patch, wake and back up, never for annual totals.

Asked of https://api.carbonintensity.org.uk once a half-hour, only where the carbon settings say `fetch = true`. It is
CO2 only, of generation with imports and losses, and calls itself an indicative trend; there is none of Northern
Ireland. A region has a forecast and no actual figure. Data by NESO, CC BY 4.0.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Connection

from roadworthy_collector.books import figures
from roadworthy_collector.carbon import settings_edition
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.jobs.work import Work

FIGURE = "grid_intensity"
ADDRESS = "https://api.carbonintensity.org.uk"
CREDIT = "Carbon Intensity API by National Energy System Operator, CC BY 4.0, https://carbonintensity.org.uk"
EVERY_SECONDS = 300.0
PERIOD_SECONDS = 1800
_CONNECT_SECONDS, _READ_SECONDS, WHOLE_SECONDS = 5.0, 5.0, 15.0
MOST_BYTES = 64 * 1024
AGAIN_SECONDS = 900  # after a failure; a machine without a way out asks no oftener
_MOST_GRAMS = 2000  # coal alone is 937 g/kWh
_log = logging.getLogger(__name__)


class IntensityError(RoadworthyError):
    """The grid's carbon intensity cannot be had just now; the message says why."""


@dataclass(frozen=True, slots=True)
class Intensity:
    """gCO2/kWh from `since` to `until` (UTC epoch seconds). `actual` None where only a forecast is told.

    `place`: a region as the source names it, or Great Britain.
    """

    since: int
    until: int
    forecast: int | None
    actual: int | None
    index: str
    place: str

    @property
    def grams(self) -> int:
        """What to show: actual before forecast."""
        known = self.actual if self.actual is not None else self.forecast
        if known is None:
            raise IntensityError("neither an actual figure nor a forecast is told")
        return known

    @property
    def kgco2_per_kwh(self) -> float:
        """The same in the unit of factors."""
        return float(Decimal(self.grams) / 1000)


def refresh(work: Work, *, address: str = ADDRESS, monotonic: Callable[[], float] = time.monotonic) -> int:
    """Ask where the settings want it and what is held is over; return how many figures were taken.

    A source out of reach is said once in the log and kept as the reason there is no figure; it is no failed job.
    """
    now = work.clock()
    with work.engine.connect() as connection:
        wanted = settings_edition.settings(connection).grid_intensity
        held = figures.read(connection, FIGURE)
    if wanted is None:
        if held is not None and held[0].get("off") is not True:
            _keep(work, {"off": True}, now, 0.0)
        return 0
    content: dict[str, Any] = held[0] if held else {}
    if held is not None and not _due(content, held[1], wanted.region, now):
        return 0
    began = monotonic()
    try:
        found = fetch(wanted.region, now, address=address, monotonic=monotonic)
    except IntensityError as error:
        if not content.get("error"):
            _log.warning("the grid's carbon intensity cannot be had: %s", error)
        _keep(work, {"region": wanted.region, "error": str(error)}, now, monotonic() - began)
        return 0
    if content.get("error"):
        _log.info("the grid's carbon intensity is told again")
    told = {name: getattr(found, name) for name in Intensity.__slots__}
    _keep(work, {"region": wanted.region, "told": told}, now, monotonic() - began)
    return 1


def _due(content: dict[str, Any], made_at: int, region: int | None, now: float) -> bool:
    if content.get("off") or content.get("region") != region:
        return True
    if content.get("error"):
        return not 0 <= now - made_at < AGAIN_SECONDS
    return not made_at <= now < content["told"]["until"]


def _keep(work: Work, content: dict[str, Any], now: float, seconds: float) -> None:
    with work.write() as connection:
        figures.write(connection, FIGURE, content, now, seconds)


def current(connection: Connection, now: float) -> tuple[Intensity | None, str | None]:
    """Return (the figure of this half-hour, None) or (None, why there is none); (None, None) where it is switched off."""
    if settings_edition.settings(connection).grid_intensity is None:
        return None, None
    held = figures.read(connection, FIGURE)
    if held is None or held[0].get("off"):
        return None, "not asked yet"
    if error := held[0].get("error"):
        return None, str(error)
    found = Intensity(**held[0]["told"])
    # A half-hour late is still about now; later it is history.
    if not found.since <= now < found.until + PERIOD_SECONDS:
        return None, "what was told is over; is `roadworthy jobs` running?"
    return found, None


def fetch(
    region: int | None,
    now: float,
    *,
    address: str = ADDRESS,
    monotonic: Callable[[], float] = time.monotonic,
) -> Intensity:
    """Return what the source tells of this half-hour; IntensityError where it cannot be had or is not what was meant."""
    path = "/intensity" if region is None else f"/regional/regionid/{region}"
    return parse(_body(f"{address}{path}", monotonic), region, now)


def _body(address: str, monotonic: Callable[[], float]) -> bytes:
    import httpx

    until = monotonic() + WHOLE_SECONDS
    timeout = httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS)
    body = bytearray()
    try:
        with (
            httpx.Client(timeout=timeout, follow_redirects=False) as client,
            client.stream("GET", address, headers={"Accept": "application/json"}) as answer,
        ):
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > MOST_BYTES:
                    raise IntensityError(f"{address}: sends more than {MOST_BYTES:,} bytes")
                if monotonic() > until:
                    raise IntensityError(f"{address}: took longer than {WHOLE_SECONDS:.0f} s")
            status = answer.status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise IntensityError(f"{address}: {type(error).__name__}: {error}") from None
    if status != 200:
        raise IntensityError(f"{address}: answered {status}{_reason(bytes(body))}")
    return bytes(body)


def _reason(body: bytes) -> str:
    """Return what an answer says is wrong: {"error": {"code": ..., "message": ...}}."""
    try:
        said = msgspec.json.decode(body)["error"]["message"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return ""
    return f": {said[:200]}" if isinstance(said, str) and said.isprintable() else ""


class _Told(msgspec.Struct):
    """As the source names it."""

    forecast: int | None = None
    actual: int | None = None
    index: str = "unknown"


class _Period(msgspec.Struct):
    """A half-hour."""

    since: str = msgspec.field(name="from")
    until: str = msgspec.field(name="to")
    intensity: _Told


class _National(msgspec.Struct):
    """`/intensity`."""

    data: list[_Period]


class _Region(msgspec.Struct):
    """A region in `/regional/regionid/N`."""

    data: list[_Period]
    shortname: str


class _Regional(msgspec.Struct):
    """`/regional/regionid/N`."""

    data: list[_Region]


def parse(body: bytes, region: int | None, now: float) -> Intensity:
    """Return the half-hour `now` lies in out of an answer; IntensityError where it holds none."""
    try:
        if region is None:
            place, periods = "Great Britain", msgspec.json.decode(body, type=_National).data
        else:
            (found,) = msgspec.json.decode(body, type=_Regional).data
            place, periods = found.shortname, found.data
        told = [_intensity(one, place) for one in periods]
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError) as error:
        raise IntensityError(f"the answer is not of the shape that is documented: {error}") from None
    # Answers lag by a few minutes at the turn of a half-hour.
    near = [one for one in told if one.since <= now < one.until + PERIOD_SECONDS]
    if not near:
        raise IntensityError("the answer tells nothing of this half-hour")
    newest = max(near, key=lambda one: one.since)
    if not 0 <= newest.grams <= _MOST_GRAMS:
        raise IntensityError(f"{newest.grams} gCO2/kWh are told, which no grid emits")
    return newest


def _intensity(one: _Period, place: str) -> Intensity:
    since, until = (_epoch(text) for text in (one.since, one.until))
    if until - since != PERIOD_SECONDS:
        raise ValueError(f"{one.since} to {one.until} is no half-hour")
    told = one.intensity
    return Intensity(since, until, told.forecast, told.actual, told.index[:32], place[:64])


def _epoch(text: str) -> int:
    return int(dt.datetime.strptime(text, "%Y-%m-%dT%H:%MZ").replace(tzinfo=dt.UTC).timestamp())


def told(connection: Connection, now: float) -> dict[str, Any]:
    """Return the figure of this half-hour as JSON says it, null with the reason where there is none."""
    found, why = current(connection, now)
    off = "switched off; write [grid_intensity] fetch = true into the carbon settings"
    return {
        "gco2_per_kwh": None if found is None else found.grams,
        "forecast": found is not None and found.actual is None,
        "index": None if found is None else found.index,
        "place": None if found is None else found.place,
        "since": None if found is None else found.since,
        "until": None if found is None else found.until,
        "why": None if found is not None else why or off,
        "use": "for timing only: CO2 alone, indicative, never for annual totals",
        "credit": CREDIT,
    }
