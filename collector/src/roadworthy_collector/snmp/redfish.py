"""Power of a server's management controller by Redfish (DMTF DSP0266), with a read-only account.

What is asked: the service root, each chassis with its `EnvironmentMetrics` (PowerWatts, EnergykWh; DSP0268 from
2020.4 on) or, where it has none, its older `Power` (PowerControl[].PowerConsumedWatts), and the systems for who it
is. Only GET; certificates are always checked, against the system's authorities or the target's `ca_file`.
"""

from __future__ import annotations

import asyncio
import math
import ssl
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import httpx

from roadworthy_collector.snmp.port import BadAnswerError, DeadlineError, DeniedError, NoAnswerError
from roadworthy_collector.snmp.readings import DeviceAnswer, Place, Reading, Refusal
from roadworthy_collector.snmp.redfish_identity import link, text, who_tells
from roadworthy_collector.snmp.targets import Polled, TargetsError
from roadworthy_collector.snmp.values import EVERYWHERE_SENTINELS, SENSOR_SENTINELS

PROFILE = "redfish"
_ROOT = "/redfish/v1/"
_MOST_BYTES = 1_000_000
_MOST_CHASSIS = 32  # a blade enclosure has a chassis a blade
_MOST_WATTS = 1_000_000.0
_MOST_NUMBER = 10**18
# Of a chassis that stands in none with power, in one, and in more than one. What is further in is part of what is
# further out and is shown, not added: only the outermost place that was read is the whole (`whole.WHOLE_PLACES`).
_PLACES: tuple[Place, ...] = ("system", "supply_unit", "sensor")
_NAMES: Mapping[Place, str] = {"system": "system", "supply_unit": "chassis", "sensor": "part"}


class RedfishAsker:
    """Asks management controllers; one asks one at a time, many at once."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._trusted: dict[Path | None, tuple[int, ssl.SSLContext]] = {}

    async def read(self, polled: Polled) -> DeviceAnswer:
        """Return what the controller says of itself and its power; SnmpError as a session of SNMP does."""
        began = self._monotonic()
        host = f"[{polled.host}]" if ":" in polled.host else polled.host
        client = httpx.AsyncClient(
            base_url=f"https://{host}:{polled.port}",
            auth=polled.account(),
            verify=self._trust(polled),
            timeout=httpx.Timeout(polled.timeout_seconds),
            follow_redirects=False,
            trust_env=False,
            # Nothing packed: that is more work for either side. Some pack all the same, see `_unpacked`.
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "OData-Version": "4.0"},
        )
        async with client:
            asked = _Asked(polled, client)
            try:
                async with asyncio.timeout(polled.deadline_seconds):
                    answer = await _read(asked)
            except TimeoutError:
                seconds = polled.deadline_seconds
                raise DeadlineError(
                    f"{polled.name} ({polled.host}): not through after {seconds:g} s"
                ) from None
        return DeviceAnswer(
            identity=answer.identity,
            profiles=(PROFILE,),
            why=answer.why,
            readings=answer.readings,
            refusals=answer.refusals,
            requests=asked.requests,
            seconds=self._monotonic() - began,
        )

    def _trust(self, polled: Polled) -> ssl.SSLContext:
        """Return what certificates are checked by, read once: that takes longer than the rest of a poll."""
        ca_file = polled.ca_file
        try:
            stamp = 0 if ca_file is None else ca_file.stat().st_mtime_ns
            held = self._trusted.get(ca_file)
            if held is None or held[0] != stamp:
                context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
                held = self._trusted[ca_file] = (stamp, context)
        except OSError as error:  # ssl.SSLError among them
            raise TargetsError(f"{polled.name}: ca_file: {ca_file}: cannot be read: {error}") from None
        return held[1]


class _Asked:
    """Reads resources of one controller and counts them."""

    def __init__(self, polled: Polled, client: httpx.AsyncClient) -> None:
        self._polled = polled
        self._client = client
        self.requests = 0

    async def get(self, path: str) -> dict[str, Any] | None:
        """Return a resource, None where there is none (404)."""
        where = f"{self._polled.name} ({self._polled.host}:{self._polled.port})"
        if not path.startswith(_ROOT.rstrip("/")):
            raise BadAnswerError(f"{where}: a link leads out of the service: {path[:80]!a}")
        if not (path.isascii() and path.isprintable()):
            raise BadAnswerError(f"{where}: a link is no address: {path[:80]!a}")
        response = await self._response(where, path)
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        if response.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            raise DeniedError(f"{where}: the account may not read {path} (HTTP {response.status_code})")
        if response.status_code != httpx.codes.OK:
            raise BadAnswerError(f"{where}: HTTP {response.status_code} for {path}")
        try:
            found = response.json()
        except (ValueError, RecursionError):
            raise BadAnswerError(f"{where}: {path} is no JSON") from None
        if not isinstance(found, dict):
            raise BadAnswerError(f"{where}: {path} is no resource")
        return found

    async def _response(self, where: str, path: str) -> httpx.Response:
        """Ask for one path, and again as often as the target says where nothing comes."""
        tries = self._polled.retries + 1
        for last in range(tries):
            self.requests += 1
            try:
                return await self._bounded(where, path)
            except httpx.InvalidURL:
                raise BadAnswerError(f"{where}: a link is no address: {path[:80]!r}") from None
            except httpx.TransportError as error:
                if isinstance(error.__cause__, ssl.SSLError) or "CERTIFICATE" in str(error):
                    hint = "name its certificate or authority as ca_file"
                    raise DeniedError(f"{where}: its certificate is not trusted: {error}; {hint}") from None
                if last == tries - 1:
                    why = str(error) or type(error).__name__
                    raise NoAnswerError(f"{where}: no answer to {tries} tries: {why}") from None
        raise AssertionError("the last try answers or raises")

    async def _bounded(self, where: str, path: str) -> httpx.Response:
        async with self._client.stream("GET", path) as response:
            content = bytearray()
            async for piece in response.aiter_raw():
                content += piece
                if len(content) > _MOST_BYTES:
                    raise BadAnswerError(f"{where}: {path} is larger than {_MOST_BYTES} bytes")
        found = bytes(content)
        if response.status_code == httpx.codes.OK:
            found = _unpacked(found, response.headers.get("Content-Encoding", ""), f"{where}: {path}")
        return httpx.Response(response.status_code, content=found)


def _unpacked(content: bytes, coding: str, what: str) -> bytes:
    """Return an answer as it was before it was packed, which some controllers do without being asked to.

    Unpacked here and not by the client: ours stops at the bound, where a megabyte may become a gigabyte.
    """
    coding = coding.strip().lower()
    if coding in {"", "identity"}:
        return content
    if coding not in {"gzip", "x-gzip"}:
        raise BadAnswerError(f"{what} is packed as {coding[:80]!a}, though nothing packed was asked for")
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)  # 16: with gzip's header
    try:
        found = unpacker.decompress(content, _MOST_BYTES + 1)
    except zlib.error:
        raise BadAnswerError(f"{what} is said to be packed as gzip and is not") from None
    if len(found) > _MOST_BYTES:
        raise BadAnswerError(f"{what} is larger than {_MOST_BYTES} bytes when it is unpacked")
    if not unpacker.eof:
        raise BadAnswerError(f"{what} is packed as gzip and breaks off")
    return found


async def _read(asked: _Asked) -> DeviceAnswer:
    """Return identity and readings."""
    root = await asked.get(_ROOT)
    if root is None:
        raise BadAnswerError("it has no Redfish service at /redfish/v1/")
    systems = await _members(asked, root.get("Systems"))
    readings: list[Reading] = []
    refusals: list[Refusal] = []
    found = [
        (chassis, await _power(asked, chassis)) for chassis in await _members(asked, root.get("Chassis"))
    ]
    depths = _depths([chassis for chassis, told in found if told], [chassis for chassis, _ in found])
    for chassis, told in found:
        for one in told:
            place = _PLACES[min(depths[_path(chassis)], len(_PLACES) - 1)]
            _add(readings, refusals, text(chassis.get("Id")) or "", place, one)
    if not readings and not refusals:
        refusals.append(Refusal("system_power", "", "missing", "no chassis has power metrics", PROFILE))
    outermost = [chassis for chassis, told in found if told and not depths[_path(chassis)]]
    identity, shared = who_tells(root, systems, outermost)
    why = (f"Redfish {root.get('RedfishVersion', 'of unknown version')}", *shared)
    return DeviceAnswer(
        identity=identity, profiles=(PROFILE,), why=why, readings=tuple(readings), refusals=tuple(refusals)
    )


async def _members(asked: _Asked, where: Any) -> list[dict[str, Any]]:
    """Return the members of a collection, a bounded number of them."""
    path = link(where)
    collection = None if path is None else await asked.get(path)
    members = [] if collection is None else collection.get("Members")
    found = []
    for member in members if isinstance(members, list) else []:
        if (one := link(member)) is not None and (resource := await asked.get(one)) is not None:
            found.append({**resource, "@odata.id": one})  # as it was asked for: some leave it out
        if len(found) >= _MOST_CHASSIS:
            break
    return found


class _Told(NamedTuple):
    """What a chassis says of its power or energy, whatever it is (energy in Wh)."""

    kind: Literal["active_power", "energy"]
    value: Any
    source: str


async def _power(asked: _Asked, chassis: dict[str, Any]) -> list[_Told]:
    """Return the power and energy of one chassis: of its metrics, or where it has none of its older resource."""
    metrics = link(chassis.get("EnvironmentMetrics"))
    found = None if metrics is None else await asked.get(metrics)
    if found is not None and (_is_told(found.get("PowerWatts")) or _is_told(found.get("EnergykWh"))):
        source = "redfish EnvironmentMetrics"
        told = [_Told("active_power", _value(found.get("PowerWatts")), f"{source}.PowerWatts")]
        energy = _value(found.get("EnergykWh"))
        if energy is not None:
            value = energy * 1000 if _is_number(energy) else energy
            told.append(_Told("energy", value, f"{source}.EnergykWh"))
        return told
    older = link(chassis.get("Power"))
    power = None if older is None else await asked.get(older)
    controls = None if power is None else power.get("PowerControl")
    first = controls[0] if isinstance(controls, list) and controls and isinstance(controls[0], dict) else {}
    if "PowerConsumedWatts" not in first:
        return []
    # Of several the first is the whole chassis; others are parts of it.
    source = "redfish Power.PowerControl[0].PowerConsumedWatts"
    return [_Told("active_power", first["PowerConsumedWatts"], source)]


def _depths(powered: Sequence[dict[str, Any]], every: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Return {chassis with power: how many others with power it stands in}, as either side says (`Links`).

    A chassis without power in between hides nothing: a sled's boards stand in the enclosure too.
    """
    above: dict[str, set[str]] = defaultdict(set)
    for chassis in every:
        links = chassis.get("Links")
        told = links if isinstance(links, dict) else {}
        if (outer := link(told.get("ContainedBy"))) is not None:
            above[_path(chassis)].add(outer.rstrip("/"))
        inner = told.get("Contains")
        for one in inner if isinstance(inner, list) else []:
            if (path := link(one)) is not None:
                above[path.rstrip("/")].add(_path(chassis))
    paths = {_path(chassis) for chassis in powered}
    return {path: len((_beyond(above, path) & paths) - {path}) for path in paths}


def _beyond(above: Mapping[str, set[str]], path: str) -> set[str]:
    """Return all that a chassis stands in, near or far; links that go round in a circle end."""
    found: set[str] = set()
    waiting = [path]
    while waiting:
        for outer in above.get(waiting.pop(), set()) - found:
            found.add(outer)
            waiting.append(outer)
    return found


def _add(readings: list[Reading], refusals: list[Refusal], name: str, place: Place, told: _Told) -> None:
    what = f"{_NAMES[place]}_{'power' if told.kind == 'active_power' else 'energy'}"
    value, source = told.value, told.source
    if value is None:
        # No row of the whole: many a chassis has the resource and no meter. One that had a value once is missed all the same.
        refusals.append(Refusal(what, name, "missing", "the controller says null", source))
        return
    trouble = _trouble(told)
    if trouble is not None:
        refusals.append(Refusal(what, name, *trouble, source, told.kind, place))
        return
    readings.append(
        Reading(
            name=what,
            index=name,
            kind=told.kind,
            place=place,
            value=float(value),
            quality="sensor",
            source=source,
        )
    )


def _trouble(told: _Told) -> tuple[Literal["not_a_number", "out_of_range", "sentinel"], str] | None:
    """Return why a value is not believed, None where it is."""
    value, is_power = told.value, told.kind == "active_power"
    most = _MOST_WATTS if is_power else 1e12
    if not _is_number(value):
        return "not_a_number", f"{value!r:.200} is no number"
    if is_power and value == 0:
        return "sentinel", "0 W of a controller that answers is no power"
    if is_power and value in EVERYWHERE_SENTINELS | SENSOR_SENTINELS:
        return "sentinel", f"{value:g} is the end of a whole number's range: no value"
    if not 0 <= value <= most:
        return "out_of_range", f"{value:g} lies outside of 0 to {most:g}"
    return None


def _is_number(value: Any) -> bool:
    """Return whether a value of JSON is a number that arithmetic can take: it may have a thousand digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < _MOST_NUMBER if isinstance(value, int) else math.isfinite(value)


def _path(chassis: dict[str, Any]) -> str:
    return (link(chassis) or "").rstrip("/")


def _is_told(part: Any) -> bool:
    return isinstance(part, dict) and "Reading" in part


def _value(part: Any) -> Any:
    return part.get("Reading") if isinstance(part, dict) else None
