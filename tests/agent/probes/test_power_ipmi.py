"""IPMI DCMI: the bytes of requests and responses, and a device that is none."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest
from agent.probes.power_devices import MadeUp
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.probes.power import ipmi, linux
from roadworthy_agent.probes.power.files import Files
from roadworthy_agent.probes.tree import Tree
from roadworthy_agent.reading import Status


def response(watts: int, *, state: int = 0x40, code: int = 0, group: int = 0xDC) -> bytes:
    return struct.pack("<BBHHHHIIB", code, group, watts, 38, 242, 102, 1697117357, 65530, state)


def test_the_request_is_what_ipmitool_sends() -> None:
    assert ipmi.request() == bytes.fromhex("dc 01 00 00")
    assert (ipmi.NETWORK_FUNCTION, ipmi.COMMAND) == (0x2C, 0x02)


@pytest.mark.skipif(sys.maxsize < 2**32, reason="the sizes of pointers are those of 64 bits")
def test_the_numbers_and_sizes_are_the_kernels() -> None:
    assert (ipmi.send_command(), ipmi.receive_message()) == (0x8028690D, 0xC030690B)
    assert (ipmi.REQUEST.size, ipmi.RECEIVED.size) == (40, 48)


def test_a_published_response_is_read_field_by_field() -> None:
    # 109 W now, 38 least, 242 most, 102 on average since 65530 s: github.com/ateodorescu/home-assistant-ipmi, issue 13
    assert ipmi.parse(bytes.fromhex("00dc6d002600f20066002df32765faff000040")) == ipmi.PowerReading(
        current=109,
        least=38,
        most=242,
        average=102,
        timestamp=0x6527F32D,
        period_milliseconds=65530,
        active=True,
    )
    assert ipmi.offer(response(109)).registers[0].watts == 109.0


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"", Status.NO_DATA_YET),
        (b"\xc1", Status.NOT_SUPPORTED),
        (b"\xd4", Status.NO_PERMISSION),
        (b"\xff", Status.NO_DATA_YET),  # asked too often: github.com/xapi-project/xen-api/pull/5561
        (b"\x77", Status.ERROR),
        (response(100)[:-1], Status.ERROR),
        (response(100, group=0x00), Status.ERROR),
        (response(0), Status.ERROR),  # firmware without a sensor
        (response(65535), Status.ERROR),
        (response(0, state=0), Status.NO_DATA_YET),  # "deactivated": openbmc/phosphor-host-ipmid issue 167
        (response(360, state=0), Status.NO_DATA_YET),
    ],
)
def test_what_is_no_reading_says_why_and_is_no_zero(answer: bytes, status: Status) -> None:
    offer = ipmi.offer(answer)
    assert (offer.readable, offer.status) == (False, status)
    assert offer.reason


@given(st.binary(max_size=40))
def test_no_answer_of_any_bytes_raises_or_becomes_zero(answer: bytes) -> None:
    offer = ipmi.offer(answer)
    assert offer.registers[0].watts is None or offer.registers[0].watts > 0
    assert offer.readable or offer.reason


@pytest.mark.skipif(sys.platform != "linux", reason="asks a device of Linux")
def test_a_device_that_is_no_management_controller_is_an_error_with_a_reason() -> None:
    content = linux.ask_dcmi(Files(Tree(Path("/")), live=True), "dev/null")
    assert (content.status, content.reason) == (Status.ERROR, "/dev/null: Inappropriate ioctl for device")
    assert linux.ask_dcmi(Files(Tree(Path("/")), live=True), "dev/no-ipmi").status is Status.NOT_SUPPORTED


@pytest.mark.skipif(sys.platform == "win32", reason="live files of Linux are read with pread")
def test_nobody_is_asked_unless_the_settings_allow_it(tmp_path: Path) -> None:
    device = MadeUp(tmp_path)
    device.put("dev/ipmi0", b"")
    result = linux.collect(device.context())
    assert (result.status, "ipmi" in (result.reason or "")) == (Status.OFF_BY_POLICY, True)
    result = linux.collect(device.context(allow=frozenset({"ipmi"})))
    assert result.status is Status.ERROR
    assert result.value is not None
    (meter,) = result.value.meters
    assert meter.registers[0].watts is None
