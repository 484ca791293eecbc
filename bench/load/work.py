"""What is sent to whom, and what its answers mean: reports to a collector, metrics to a Pushgateway."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from load.bodies import Bodies, request_head
from load.client import Job, header
from load.fleet import read_fleet
from load.task import Task

PUSHED_METRICS = 10


class Verdict(NamedTuple):
    """What an answer says.

    `refused` is why a report was not taken, as "503 busy", None if it was; `wait_seconds` when to come again, None
    if it need not be tried again; `next_call_seconds` when the device should call next.
    """

    refused: str | None = None
    wait_seconds: float | None = None
    next_call_seconds: float = 900.0
    rejected: tuple[str, ...] = ()
    counts_fit: bool = True


class Work(Protocol):
    """Makes requests and judges answers."""

    def job(self, position: int) -> Job:
        """Return the request at a position: every device once, then every device again."""

    def of(self, device: int, number: int) -> Job:
        """Return the request with a device's report of that number."""

    def judge(self, job: Job, status: int, head: bytes, body: bytes) -> Verdict:
        """Say what an answer means."""


class _Rejected(msgspec.Struct):
    item: str
    code: str


class _Answer(msgspec.Struct):
    received: int
    accepted: int
    rejected: list[_Rejected]
    next_call: int


class _Error(msgspec.Struct):
    code: str = "?"


class _Refusal(msgspec.Struct):
    error: _Error = msgspec.field(default_factory=_Error)


TAKEN = Verdict()


class Reports:
    """Reports of this process's devices to a collector."""

    def __init__(self, task: Task) -> None:
        self._bodies = Bodies(task.planned())
        self._first = task.first
        self._fleet = read_fleet(Path(task.fleet), task.first, task.last)
        self._head = request_head(task.name or f"{task.host}:{task.port}", f"{task.prefix}/api/v1/reports")
        self._ready = deque(self._made(position) for position in range(task.prebuilt))
        self._answer = msgspec.json.Decoder(_Answer)
        self._refusal = msgspec.json.Decoder(_Refusal)

    def job(self, position: int) -> Job:
        """Return the next request; positions are asked for in order."""
        return self._ready.popleft() if self._ready else self._made(position)

    def of(self, device: int, number: int) -> Job:
        """Return the request with a device's report of that number."""
        member = self._fleet[device - self._first]
        body = self._bodies.body(device, member.device_id, number, time.time())
        return Job(device, number, self._head(member.token, len(body)) + body)

    def judge(self, job: Job, status: int, head: bytes, body: bytes) -> Verdict:  # noqa: ARG002 - as its protocol has it
        """Say what an answer means to an agent: 429, 5xx and nothing readable are worth another try."""
        if status != 200:
            try:
                code = self._refusal.decode(body).error.code
            except (msgspec.DecodeError, msgspec.ValidationError):
                code = "?"
            said = header(head, b"retry-after")
            wait = float(said) if said is not None and said.isdigit() else 0.0
            return Verdict(f"{status} {code}", wait if status == 429 or status >= 500 else None)
        try:
            answer = self._answer.decode(body)
        except (msgspec.DecodeError, msgspec.ValidationError):
            return Verdict("200 unreadable", 0.0)
        rejected = tuple(f"{one.item} {one.code}" for one in answer.rejected)
        fits = answer.received == answer.accepted or bool(rejected)
        return Verdict(None, None, answer.next_call, rejected, fits)

    def _made(self, position: int) -> Job:
        number, place = divmod(position, len(self._fleet))
        return self.of(self._first + place, number)


class Pushes:
    """Ten metrics a group to a Pushgateway, a group a device, as a script on each device would."""

    def __init__(self, task: Task) -> None:
        self._first, self._count = task.first, task.last - task.first
        self._where = f"{task.host}:{task.port}"

    def job(self, position: int) -> Job:
        """Return the next push."""
        number, place = divmod(position, self._count)
        return self.of(self._first + place, number)

    def of(self, device: int, number: int) -> Job:
        """Return a push of a group's ten metrics."""
        body = "".join(
            f"# TYPE device_metric_{n} gauge\ndevice_metric_{n} {device * 31 + number * 7 + n}\n"
            for n in range(PUSHED_METRICS)
        )
        head = (
            f"PUT /metrics/job/agent/instance/device-{device:06d} HTTP/1.1\r\nHost: {self._where}\r\n"
            f"Content-Type: text/plain; version=0.0.4\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return Job(device, number, (head + body).encode())

    def judge(self, job: Job, status: int, head: bytes, body: bytes) -> Verdict:  # noqa: ARG002 - as its protocol has it
        """Say whether a push was taken."""
        return TAKEN if status in {200, 202} else Verdict(f"{status} push")
