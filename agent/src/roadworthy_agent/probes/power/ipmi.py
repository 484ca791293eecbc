"""The power reading of a server's management controller: IPMI DCMI through the kernel's /dev/ipmi0, opt-in.

Sources: DCMI 1.5, section 6.6.1 "Get Power Reading" (network function 2Ch, group 0xDC, command 02h), and the kernel's
include/uapi/linux/ipmi.h. `request` and `parse` are pure; `ask` alone talks to the device.
"""

from __future__ import annotations

import errno
import struct
import sys
from dataclasses import dataclass

from roadworthy_agent.probes.power.choose import Candidate
from roadworthy_agent.probes.tree import Content
from roadworthy_agent.reading import Register, Scope, Status

DEVICES = ("dev/ipmi0", "dev/ipmi/0", "dev/ipmidev/0")
RECORDED = "roadworthy/dcmi.bin"  # the response, from the completion code on
SOURCE = "ipmi:dcmi"
TIMEOUT_MILLISECONDS = 500  # a controller answers within some tens; the sampler must not hang on a sick one

NETWORK_FUNCTION, COMMAND, GROUP = 0x2C, 0x02, 0xDC
POWER_STATISTICS = 0x01
ACTIVE = 0x40  # bit 6 of the last byte: power measurement is on
MOST_WATTS = 20_000.0
NO_READING = (
    0,
    0xFFFF,
)  # what firmware without a sensor answers: https://github.com/xapi-project/xen-api/pull/5561

ADDRESS = struct.Struct("@ihB")  # struct ipmi_system_interface_addr
ADDRESS_BYTES = 8
REQUEST = struct.Struct("@PIlBBHP")  # struct ipmi_req
RECEIVED = struct.Struct("@iPIlBBHP")  # struct ipmi_recv
RESPONSE = struct.Struct("<BBHHHHIIB")
SYSTEM_INTERFACE, MANAGEMENT_CONTROLLER, IS_RESPONSE = 0x0C, 0x0F, 1

COMPLETION = {
    0xC0: (Status.NO_DATA_YET, "the management controller is busy"),
    0xC1: (Status.NOT_SUPPORTED, "the management controller does not know DCMI"),
    0xC3: (Status.NO_DATA_YET, "the management controller did not answer in time"),
    0xCB: (Status.NOT_SUPPORTED, "the management controller has no power sensor"),
    0xD4: (Status.NO_PERMISSION, "the management controller refuses DCMI to the operating system"),
    0xFF: (Status.NO_DATA_YET, "the management controller answered with an unspecified error"),
}


@dataclass(frozen=True, slots=True)
class PowerReading:
    """What the controller says, in watts over its own sampling period; `current` is the momentary figure."""

    current: int
    least: int
    most: int
    average: int
    timestamp: int
    period_milliseconds: int
    active: bool


def request() -> bytes:
    """Return the data bytes of the request: group, mode "system power statistics", two reserved bytes."""
    return bytes((GROUP, POWER_STATISTICS, 0, 0))


def parse(response: bytes) -> PowerReading | tuple[Status, str]:
    """Return the reading of a response that begins with its completion code, or why there is none; pure."""
    if not response:
        return Status.NO_DATA_YET, "the management controller sent an empty answer"
    if response[0] != 0:
        unknown = (
            Status.ERROR,
            f"the management controller answered with completion code {response[0]:02x}h",
        )
        return COMPLETION.get(response[0], unknown)
    if len(response) < RESPONSE.size or response[1] != GROUP:
        return Status.ERROR, "the management controller's answer is no DCMI power reading"
    _, _, current, least, most, average, stamp, period, state = RESPONSE.unpack_from(response)
    return PowerReading(current, least, most, average, stamp, period, bool(state & ACTIVE))


def offer(response: bytes) -> Candidate:
    """Return a response as a candidate; pure.

    The momentary figure is taken. The average is not: its period is not to be trusted (a server told an average of
    184 W with extremes of 2 and 468 W over "1000 ms", https://github.com/wdes/ipmitool-dcmi-power-reading).
    """
    told = parse(response)
    if not isinstance(told, PowerReading):
        return _blank(*told)
    if not told.active:
        return _blank(Status.NO_DATA_YET, "the management controller says that power measurement is off")
    if told.current in NO_READING or told.current > MOST_WATTS:
        return _blank(Status.ERROR, f"the management controller says {told.current} W, which is no reading")
    register = Register(SOURCE, watts=float(told.current), most_watts=MOST_WATTS)
    return Candidate("dcmi", Scope.MACHINE, SOURCE, (register,))


def unanswered(content: Content) -> Candidate:
    """Return the candidate of a device that could not be asked."""
    return _blank(content.status, content.reason or "the management controller gave no answer")


def not_allowed() -> Candidate:
    """Return the candidate of a device that is there and that the settings do not permit to ask."""
    reason = 'off: add "ipmi" to `allow` in the agent\'s settings to ask the management controller'
    return Candidate("dcmi", Scope.MACHINE, SOURCE, (), Status.OFF_BY_POLICY, reason)


def _blank(status: Status, reason: str) -> Candidate:
    return Candidate(
        "dcmi", Scope.MACHINE, SOURCE, (Register(SOURCE, most_watts=MOST_WATTS),), status, reason
    )


def ask(path: str) -> bytes:
    """Ask the management controller once and return its response from the completion code on.

    Raises OSError: no right, no device, or TimeoutError after half a second. Needs no library: structures are
    packed with native alignment, and an array tells its own address.
    """
    import os
    from array import array

    address = array("B", ADDRESS.pack(SYSTEM_INTERFACE, MANAGEMENT_CONTROLLER, 0).ljust(ADDRESS_BYTES, b"\0"))
    data = array("B", request())
    number = int.from_bytes(os.urandom(3), "big")
    message = REQUEST.pack(
        address.buffer_info()[0], ADDRESS_BYTES, number,
        NETWORK_FUNCTION, COMMAND, len(data), data.buffer_info()[0],
    )  # fmt: skip
    device = os.open(path, os.O_RDWR)
    try:
        return _exchange(device, number, message)
    finally:
        os.close(device)


def _exchange(device: int, number: int, request_message: bytes) -> bytes:
    """Send a request and wait for the response with its number; events for everyone may come before it."""
    if sys.platform != "win32":
        import select
        import time
        from array import array
        from fcntl import ioctl

        ioctl(device, send_command(), request_message)
        waiting = select.poll()
        waiting.register(device, select.POLLIN)
        until = time.monotonic() + TIMEOUT_MILLISECONDS / 1000
        while (left := until - time.monotonic()) > 0 and waiting.poll(left * 1000):
            address, data = array("B", bytes(32)), array("B", bytes(64))
            where = (address.buffer_info()[0], len(address)), (len(data), data.buffer_info()[0])
            message = bytearray(RECEIVED.pack(0, *where[0], 0, 0, 0, *where[1]))
            ioctl(device, receive_message(), message)
            kind, _, _, answered, _, _, length, _ = RECEIVED.unpack(bytes(message))
            if kind == IS_RESPONSE and answered == number:
                return data.tobytes()[:length]
    raise TimeoutError(errno.ETIMEDOUT, "the management controller did not answer in half a second")


def send_command() -> int:
    """Return IPMICTL_SEND_COMMAND: _IOR('i', 13, struct ipmi_req)."""
    return 2 << 30 | REQUEST.size << 16 | ord("i") << 8 | 13


def receive_message() -> int:
    """Return IPMICTL_RECEIVE_MSG_TRUNC: _IOWR('i', 11, struct ipmi_recv)."""
    return 3 << 30 | RECEIVED.size << 16 | ord("i") << 8 | 11
