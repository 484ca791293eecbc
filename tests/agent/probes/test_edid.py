"""Displays: what an EDID says of one, and which connectors are asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.facts import Monitor
from roadworthy_agent.probe import Status
from roadworthy_agent.probes.hardware.edid import (
    BLOCK_BYTES,
    HEADER,
    EdidError,
    parse_edid,
    without_serial,
)
from roadworthy_agent.probes.hardware.monitors import read_monitors, record
from roadworthy_agent.probes.tree import Tree

SERIAL = b"NWGM832R588L"


def edid(
    *,
    vendor: bytes = b"\x10\xac",
    product: int = 0x4085,
    year: int = 23,
    size: tuple[int, int] = (51, 29),
    timing: tuple[int, int] | None = (509, 286),
    name: bytes | None = b"DELL S2340T",
) -> bytes:
    """Return one block with a serial number in both places it can stand."""
    block = bytearray(HEADER + vendor + product.to_bytes(2, "little") + SERIAL[:4] + bytes([9, year, 1, 4]))
    block += bytes([0xA5, *size]).ljust(BLOCK_BYTES - len(block), b"\0")
    if timing is not None:
        width, height = timing
        block[54:56] = b"\x02\x3a"
        block[66], block[67] = width & 0xFF, height & 0xFF
        block[68] = width >> 8 << 4 | height >> 8
    block[72:90] = b"\0\0\0\xff\0" + SERIAL.ljust(13, b"\n")[:13]
    if name is not None:
        block[90:108] = b"\0\0\0\xfc\0" + (name + b"\n").ljust(13)[:13]
    return sealed(block)


def sealed(block: bytearray) -> bytes:
    block[127] = -sum(block[:127]) & 0xFF
    return bytes(block)


def test_a_monitor_gives_maker_model_year_and_size() -> None:
    assert parse_edid(edid(), internal=False) == Monitor("DEL", "DELL S2340T", 2013, 509, 286, False)


def test_a_panel_without_a_name_is_known_by_its_product_code() -> None:
    panel = parse_edid(edid(vendor=b"\x09\xe5", product=0x0687, name=None), internal=True)
    assert (panel.vendor, panel.model) == ("BOE", "0687")


@pytest.mark.parametrize(
    ("size", "timing", "expected"),
    [
        ((51, 29), (509, 286), (509, 286)),
        ((51, 29), (16, 9), (510, 290)),  # an aspect ratio where a size belongs
        ((51, 29), None, (510, 290)),
        ((0, 0), (509, 286), (None, None)),  # a projector
        ((78, 0), (509, 286), (None, None)),  # an aspect ratio
    ],
)
def test_millimetres_come_from_the_timing_only_where_it_agrees(
    size: tuple[int, int], timing: tuple[int, int] | None, expected: tuple[int | None, int | None]
) -> None:
    found = parse_edid(edid(size=size, timing=timing))
    assert (found.width_millimetres, found.height_millimetres) == expected


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"vendor": b"\0\0"}, "vendor"), ({"vendor": b"\x7f\xff"}, "vendor"), ({"year": 0}, "year")],
)
def test_what_nobody_filled_in_is_missing(changes: dict[str, bytes], field: str) -> None:
    assert getattr(parse_edid(edid(**changes)), field) is None  # type: ignore[arg-type]  # one builder, many kinds


def test_a_name_of_garbage_is_no_name() -> None:
    assert parse_edid(edid(name=b"\xff\x07\x00")).model == "4085"
    assert parse_edid(edid(name=b"            ")).model == "4085"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "128 bytes"),
        (edid()[:127], "128 bytes"),
        (bytes(128), "header"),
        (b"\xff" * 128, "header"),
        (edid()[:-1] + b"\x00", "checksum"),
    ],
)
def test_what_is_no_edid_is_a_typed_error(data: bytes, why: str) -> None:
    with pytest.raises(EdidError, match=why):
        parse_edid(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_edid_or_an_error(data: bytes) -> None:
    try:
        parse_edid(data)
    except EdidError:
        return
    raise AssertionError("bytes made up by chance have no right header")


@given(st.binary(min_size=119, max_size=119))
def test_any_content_behind_a_right_header_is_read_and_never_with_a_serial_number(content: bytes) -> None:
    block = sealed(bytearray(HEADER + content + b"\0"))
    found = parse_edid(block)
    assert found.vendor is None or (len(found.vendor) == 3 and found.vendor.isalpha())
    assert found.year is None or 1994 <= found.year <= 2245
    assert parse_edid(without_serial(block)).vendor == found.vendor


def test_no_serial_number_is_read_nor_recorded() -> None:
    assert SERIAL.decode() not in repr(parse_edid(edid()))
    clean = without_serial(edid())
    assert SERIAL not in clean
    assert SERIAL[:4] not in clean
    assert parse_edid(clean) == parse_edid(edid())
    assert without_serial(b"no edid") == b""


def connector(root: Path, name: str, status: str, data: bytes | None) -> None:
    folder = root / "sys/class/drm" / name
    folder.mkdir(parents=True)
    (folder / "status").write_text(status + "\n")
    if data is not None:
        (folder / "edid").write_bytes(data)


def test_connected_displays_are_listed_and_the_built_in_one_is_known(tmp_path: Path) -> None:
    connector(tmp_path, "card1-eDP-1", "connected", edid(vendor=b"\x09\xe5", name=None))
    connector(tmp_path, "card1-HDMI-A-1", "connected", edid() + bytes(128))  # an extension block behind it
    connector(tmp_path, "card1-DP-2", "disconnected", edid())  # kept by the driver after it was pulled out
    connector(tmp_path, "card1-Virtual-1", "connected", edid())
    (tmp_path / "sys/class/drm/version").write_text("drm 1.1.0\n")
    found, missing = read_monitors(Tree(tmp_path))
    assert [(each.vendor, each.internal) for each in found] == [("DEL", False), ("BOE", True)]
    assert missing == []
    recorded = record(Tree(tmp_path))
    assert set(recorded) == {f"sys/class/drm/card1-{name}/edid" for name in ("eDP-1", "HDMI-A-1")}
    assert all(SERIAL not in data for data in recorded.values())


def test_one_bad_display_does_not_hide_another(tmp_path: Path) -> None:
    connector(tmp_path, "card0-DP-1", "connected", b"\x00garbage")
    connector(tmp_path, "card0-DP-2", "connected", edid())
    connector(tmp_path, "card0-DP-3", "connected", b"")
    found, missing = read_monitors(Tree(tmp_path))
    assert [each.model for each in found] == ["DELL S2340T"]
    assert [each.status for each in missing] == [Status.ERROR, Status.NOT_SUPPORTED]
    assert "card0-DP-1" in missing[0].reason


def test_a_server_without_graphics_says_so(tmp_path: Path) -> None:
    found, (missing,) = read_monitors(Tree(tmp_path))
    assert (found, missing.status) == ((), Status.NOT_SUPPORTED)


def test_no_more_displays_are_sent_than_the_wire_takes(tmp_path: Path) -> None:
    for number in range(20):
        connector(tmp_path, f"card0-DP-{number}", "connected", edid())
    found, missing = read_monitors(Tree(tmp_path))
    assert len(found) == 16
    assert "16 displays" in missing[0].reason
