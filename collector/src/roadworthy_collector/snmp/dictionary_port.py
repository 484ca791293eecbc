"""A port that answers from values at hand: a recording, the demo, a test.

It keeps the manners of a device: what it does not have is left out, a walk gives rows in order, and requests are
counted as they would be sent.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from roadworthy_collector.snmp.port import (
    EndlessError,
    NoAnswerError,
    Oid,
    SnmpError,
    Target,
    Value,
    oid_text,
)
from roadworthy_collector.snmp.recording import (
    RecordingError,
    parse_recording,
    read_recording,
    recording_text,
)

__all__ = [
    "DictionaryPort",
    "DictionarySession",
    "RecordingError",
    "parse_recording",
    "read_recording",
    "recording_text",
]

GET_SIZE = 20  # OIDs a request; what usually fits one datagram of 1,472 bytes with its answers


class DictionaryPort:
    """Answers for each host from its own values, or for every host from `values` alone.

    `hosts` maps `Target.host` to values, or to the error that asking that host ends in (a device that is switched
    off, or refuses). A host that is in neither does not answer.
    """

    def __init__(
        self,
        values: Mapping[Oid, Value] | None = None,
        *,
        hosts: Mapping[str, Mapping[Oid, Value] | SnmpError] | None = None,
    ) -> None:
        self._values = values
        self._hosts = hosts if hosts is not None else {}
        self.closed = False

    @classmethod
    def of_recording(cls, path: Path) -> DictionaryPort:
        """Return a port that answers for every host from a `.snmprec` file; RecordingError where it is wrong."""
        return cls(read_recording(path))

    def begin(self, target: Target) -> DictionarySession:
        """Return a session with the target's values."""
        return DictionarySession(self._hosts.get(target.host, self._values), target)

    def keep(self, places: Collection[tuple[str, int]]) -> None:
        """Drop nothing: nothing is remembered."""

    async def close(self) -> None:
        """End nothing: there are no sockets. `closed` says that it was called."""
        self.closed = True


class DictionarySession:
    """One poll of one target, from values."""

    def __init__(self, values: Mapping[Oid, Value] | SnmpError | None, target: Target) -> None:
        self._answer = values
        self._target = target
        self._oids = sorted(values) if isinstance(values, Mapping) else []
        self._requests = 0

    @property
    def target(self) -> Target:
        """Return who is asked."""
        return self._target

    @property
    def requests(self) -> int:
        """Return how many requests a real device would have been sent so far."""
        return self._requests

    async def get(self, oids: Sequence[Oid]) -> Mapping[Oid, Value]:
        """Return what there is of `oids`."""
        self._requests += -(-len(oids) // GET_SIZE)
        values = self._held()
        return {oid: values[oid] for oid in oids if oid in values}

    async def walk(self, prefix: Oid, *, most_rows: int = 2000) -> Mapping[Oid, Value]:
        """Return what stands below `prefix`, in order of OID; EndlessError beyond `most_rows` rows."""
        self._requests += 1
        values = self._held()
        first = bisect_left(self._oids, (*prefix, 0))
        last = bisect_left(self._oids, (*prefix[:-1], prefix[-1] + 1))
        rows = self._oids[first:last]
        # The request that finds the end of the rows is the last one.
        self._requests += len(rows) // max(1, self._target.max_repetitions)
        if len(rows) > most_rows:
            raise EndlessError(
                f"{self._target.name}: more than {most_rows} rows below {oid_text(prefix)}; "
                "the device may repeat itself"
            )
        return {oid: values[oid] for oid in rows}

    def _held(self) -> Mapping[Oid, Value]:
        if isinstance(self._answer, SnmpError):
            raise self._answer
        if self._answer is None:
            raise NoAnswerError(f"{self._target.name}: no recording answers for {self._target.host}")
        return self._answer
