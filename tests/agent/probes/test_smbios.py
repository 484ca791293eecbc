"""The SMBIOS parser: what the specification asks for, and what firmware does instead."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from devices.smbios_builder import entry_point, structure, table
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.probes.hardware import smbios
from roadworthy_agent.probes.hardware.parse import firmware_from_tables, hardware_facts
from roadworthy_agent.probes.hardware.smbios import SmbiosError, Version, parse_entry_point, parse_tables

V27 = Version(2, 7)
UUID = "00112233-4455-6677-8899-aabbccddeeff"


def one(kind: int, length: int, **fields: Any) -> smbios.Structure:
    parsed = parse_tables(structure(kind, length, 1, **fields), V27)
    assert parsed.fault is None
    return parsed.structures[0]


@pytest.mark.parametrize(("wide", "major", "minor"), [(False, 2, 7), (True, 3, 2)])
def test_both_entry_points_give_the_version(*, wide: bool, major: int, minor: int) -> None:
    assert parse_entry_point(entry_point(major, minor, 100, wide=wide)) == Version(major, minor)


def test_the_old_entry_point_gives_its_version_in_decimal_digits() -> None:
    assert parse_entry_point(b"_DMI_" + bytes(9) + b"\x24") == Version(2, 4)


@pytest.mark.parametrize("data", [b"", b"_SM_", b"_SM3_\0\0", b"_SN_" + bytes(30), bytes(64)])
def test_anything_else_is_a_typed_error(data: bytes) -> None:
    with pytest.raises(SmbiosError, match="entry point"):
        parse_entry_point(data)


def test_strings_are_counted_from_one_and_a_wrong_number_is_no_string() -> None:
    system = one(1, 27, strings={4: "Dell Inc.", 5: "OptiPlex 7010"}, bytes={6: 9, 7: 0})
    assert system.string(4) == "Dell Inc."
    assert system.string(5) == "OptiPlex 7010"
    assert system.string(6) is None
    assert system.string(7) is None
    assert system.string(200) is None


def test_stray_bytes_and_control_characters_are_dropped_from_strings() -> None:
    raw = structure(1, 27, 1, strings={4: "LNV-45N1XX"}).replace(b"XX", b"\xff\x07")
    (system,) = parse_tables(raw, V27).structures
    assert system.string(4) == "LNV-45N1"


def test_the_uuid_is_little_endian_from_version_2_6_on() -> None:
    raw = structure(1, 27, 1, uuid=UUID, uuid_order="little")
    new, old = parse_tables(raw, Version(2, 6)), parse_tables(raw, Version(2, 5))
    assert smbios.system_uuid(new.structures[0], new.version) == uuid.UUID(UUID)
    assert str(smbios.system_uuid(old.structures[0], old.version)) == "33221100-5544-7766-8899-aabbccddeeff"


@pytest.mark.parametrize("value", [0, (1 << 128) - 1])
def test_a_uuid_of_zeros_or_ones_is_not_set(value: int) -> None:
    system = one(1, 27, uuid=str(uuid.UUID(int=value)))
    assert smbios.system_uuid(system, V27) is None


@pytest.mark.parametrize(("raw", "expected"), [(3, 3), (3 | 0x80, 3), (10 | 0x80, 10), (35, 35), (0, None)])
def test_the_lock_bit_is_no_part_of_the_chassis_type(raw: int, expected: int | None) -> None:
    assert smbios.chassis_type(one(3, 21, bytes={5: raw})) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"bytes": {9: 0}}, 64 * 1024),
        ({"bytes": {9: 191}}, 12288 * 1024),
        ({"bytes": {9: 0xFF}, "words": {0x18: 16}}, 16 << 20),
        ({"bytes": {9: 0xFF}, "words": {0x18: (1 << 14) | 2}}, 2 << 30),
    ],
)
def test_the_rom_size_has_an_extended_field(fields: dict[str, Any], expected: int) -> None:
    assert smbios.rom_bytes(one(0, 26, **fields)) == expected


def test_a_rom_of_the_first_versions_ends_before_the_extended_field() -> None:
    assert smbios.rom_bytes(one(0, 0x14, bytes={9: 0xFF})) == 16 << 20


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"words": {0x0C: 4096}}, 4096 << 20),
        ({"words": {0x0C: 0x8000 | 512}}, 512 << 10),  # bit 15: kilobytes
        ({"words": {0x0C: 0x7FFF}, "dwords": {0x1C: 65536}}, 65536 << 20),
        ({"words": {0x0C: 0x7FFF}, "dwords": {0x1C: 0x80000000 | 32768}}, 32768 << 20),
        ({"words": {0x0C: 0}}, 0),
        ({"words": {0x0C: 0xFFFF}}, None),
    ],
)
def test_module_sizes_in_all_their_writings(fields: dict[str, Any], expected: int | None) -> None:
    assert smbios.module_bytes(one(17, 40, **fields)) == expected


def test_an_extended_size_a_short_table_lacks_is_not_known() -> None:
    assert smbios.module_bytes(one(17, 27, words={0x0C: 0x7FFF})) is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"words": {0x15: 2667, 0x20: 2400}}, 2400),  # it runs slower than it could
        ({"words": {0x15: 2667, 0x20: 0}}, 2667),
        ({"words": {0x15: 0}}, None),
        ({"words": {0x20: 0xFFFF}, "dwords": {0x58: 70000}}, 70000),
    ],
)
def test_module_speeds(fields: dict[str, Any], expected: int | None) -> None:
    assert smbios.module_speed(one(17, 0x5C, **fields)) == expected


def test_empty_slots_roms_and_other_arrays_are_no_main_memory() -> None:
    built = table(
        [
            {"type": 16, "length": 23, "handle": 10, "bytes": {5: 3}},
            {"type": 16, "length": 23, "handle": 11, "bytes": {5: 4}},  # video memory
            {"type": 17, "length": 34, "words": {4: 10, 12: 8192}, "bytes": {18: 0x1A}, "strings": {16: "A"}},
            {"type": 17, "length": 34, "words": {4: 10, 12: 0}, "strings": {16: "empty slot"}},
            {
                "type": 17,
                "length": 34,
                "words": {4: 10, 12: 16},
                "bytes": {18: 0x09},
                "strings": {16: "flash"},
            },
            {"type": 17, "length": 34, "words": {4: 11, 12: 512}, "strings": {16: "video"}},
        ]
    )
    firmware = firmware_from_tables(parse_tables(built, V27))
    assert [(module.slot, module.size_bytes, module.type) for module in firmware.modules] == [
        ("A", 8 << 30, "DDR4")
    ]


def test_an_empty_socket_has_no_speed() -> None:
    built = table(
        [
            {"type": 4, "length": 42, "words": {0x14: 3600}, "bytes": {0x18: 0x41}},
            {"type": 4, "length": 42, "words": {0x14: 9999}, "bytes": {0x18: 0x00}},
        ]
    )
    assert firmware_from_tables(parse_tables(built, V27)).cpu_max_mhz == 3600


def test_cores_above_254_stand_in_the_wide_field() -> None:
    assert smbios.core_count(one(4, 48, bytes={0x23: 4})) == 4
    assert smbios.core_count(one(4, 48, bytes={0x23: 0xFF}, words={0x2A: 288})) == 288
    assert smbios.core_count(one(4, 48)) is None


def test_nothing_is_read_past_the_end_of_table_structure() -> None:
    parsed = parse_tables(table([{"type": 1, "length": 27}]) + b"\x01\x02garbage", V27)
    assert [each.type for each in parsed.structures] == [1, 127]
    assert parsed.fault is None


def test_a_table_that_breaks_off_keeps_what_came_before_and_says_where() -> None:
    whole = table([{"type": 1, "length": 27, "strings": {4: "Dell Inc."}}], end=False)
    parsed = parse_tables(whole + b"\x03\x02\x00\x00", V27)
    assert [each.string(4) for each in parsed.structures] == ["Dell Inc."]
    assert str(parsed.fault) == f"the SMBIOS structure at byte {len(whole)} says it is 2 bytes long"


@pytest.mark.parametrize(
    "data", [b"\x01", b"\x01\x00\x00\x00\x00\x00", b"\x01\xff\x00\x00", b"\x01\x04\x00\x00no end"]
)
def test_a_table_without_one_sound_structure_is_a_typed_error(data: bytes) -> None:
    with pytest.raises(SmbiosError, match="SMBIOS structure at byte 0"):
        parse_tables(data, V27)


def test_an_empty_table_has_no_structures() -> None:
    assert parse_tables(b"", V27).structures == ()


@given(st.binary(max_size=4096), st.integers(0, 255), st.integers(0, 255))
def test_no_bytes_whatever_hang_or_crash_the_parser(data: bytes, major: int, minor: int) -> None:
    try:
        tables = parse_tables(data, Version(major, minor))
    except SmbiosError:
        return
    assert sum(len(each.data) for each in tables.structures) <= len(data)
    hardware_facts(firmware_from_tables(tables))


@given(st.data())
def test_one_wrong_byte_anywhere_in_a_good_table_is_survived(data: st.DataObject) -> None:
    good = bytearray(
        table(
            [
                {"type": 0, "length": 26, "strings": {4: "Dell Inc.", 5: "A29", 8: "06/28/2018"}},
                {"type": 1, "length": 27, "strings": {4: "Dell Inc.", 5: "OptiPlex 7010"}, "uuid": UUID},
                {"type": 3, "length": 22, "bytes": {5: 10}},
                {"type": 4, "length": 48, "words": {20: 3600}, "bytes": {24: 0x41, 35: 4}},
                {"type": 17, "length": 40, "words": {12: 4096, 21: 1600}, "strings": {16: "DIMM1"}},
            ]
        )
    )
    place = data.draw(st.integers(0, len(good) - 1))
    good[place] = data.draw(st.integers(0, 255))
    try:
        tables = parse_tables(bytes(good), V27)
    except SmbiosError:
        return
    hardware_facts(firmware_from_tables(tables))


@pytest.mark.parametrize(
    ("maker", "ident", "expected"),
    [
        # as dmidecode prints them of real machines (linuxhw/DMI, CC BY 4.0)
        ("Intel(R) Corporation", "EA 06 08 00 FF FB EB BF", (6, 142, 10)),
        ("Intel", "F1 06 04 00 FF FB EB BF", (6, 79, 1)),
        ("Advanced Micro Devices, Inc.", "11 0F 81 00 FF FB 8B 17", (23, 17, 1)),
        ("AuthenticAMD", "01 0F 10 00 FF FB 8B 17", (16, 0, 1)),
        ("GenuineIntel", "29 0F 00 00 FF FB EB BF", (15, 2, 9)),
        ("Intel", "00 00 00 00 00 00 00 00", None),
        ("Intel", "FF FF FF FF FF FF FF FF", None),
        ("ARM Ltd.", "83 D0 0F 41 00 00 00 00", None),
    ],
)
def test_family_model_and_stepping_stand_in_the_processors_id(
    maker: str, ident: str, expected: tuple[int, int, int] | None
) -> None:
    number = int.from_bytes(bytes.fromhex(ident), "little")
    processor = one(4, 42, strings={7: maker}, qwords={8: number})
    assert smbios.cpu_signature(processor) == expected


@pytest.mark.parametrize(
    ("major", "minor", "version"), [(2, 0, "2.0"), (1, 2, "1.2"), (0, 0, None), (255, 255, None)]
)
def test_a_tpm_tells_its_version(major: int, minor: int, version: str | None) -> None:
    assert smbios.tpm_version(one(43, 31, bytes={8: major, 9: minor})) == version
    assert smbios.tpm_version(one(43, 8)) is None


@given(st.binary(max_size=600))
def test_any_bytes_are_facts_or_a_typed_error_and_lose_their_identifiers(data: bytes) -> None:
    try:
        parsed = parse_tables(data, V27)
    except SmbiosError:
        return
    firmware = firmware_from_tables(parsed)
    hardware_facts(firmware)
    scrubbed = smbios.without_identifiers(data)
    if scrubbed:
        again = parse_tables(scrubbed, V27)
        assert again.fault is None
        assert firmware_from_tables(again).uuid is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, 2, 3, 4, 16, 17, 43, 127, 200]),
            st.binary(max_size=90),
            st.binary(max_size=40),
        ),
        max_size=8,
    )
)
def test_whole_structures_of_any_content_are_read_and_lose_their_identifiers(
    parts: list[tuple[int, bytes, bytes]],
) -> None:
    built = b"".join(
        bytes([kind, 4 + len(body), number, 0]) + body + texts.replace(b"\0", b"") + b"\0\0"
        for number, (kind, body, texts) in enumerate(parts)
    )
    parsed = parse_tables(built + b"\x7f\x04\0\0\0\0", V27)
    assert parsed.fault is None
    hardware_facts(firmware_from_tables(parsed))
    again = parse_tables(smbios.without_identifiers(built) or b"\x7f\x04\0\0\0\0", V27)
    assert again.fault is None
    assert firmware_from_tables(again).modules == firmware_from_tables(parsed).modules


def test_strings_that_never_end_and_structures_of_no_length_end_all_the_same() -> None:
    endless = b"\x01\x1b\x01\x00" + bytes(23) + b"A" * 200_000
    with pytest.raises(SmbiosError, match="do not end"):
        parse_tables(endless, V27)
    many = structure(1, 27, 1) + b"\x01\x00\x00\x00" * 1000
    parsed = parse_tables(many, V27)
    assert (len(parsed.structures), parsed.fault is not None) == (1, True)
    flood = structure(2, 4, 1) * 20_000
    assert len(parse_tables(flood, V27).structures) == smbios.MAX_STRUCTURES


def test_a_structure_with_more_strings_than_can_be_named_keeps_those_that_can() -> None:
    raw = b"\x01\x1b\x01\x00\x01\xff" + bytes(21) + b"\0".join(b"s%d" % n for n in range(400)) + b"\0\0"
    (system,) = parse_tables(raw, V27).structures
    assert (system.string(4), system.string(5)) == ("s0", "s254")


def test_a_string_shared_with_a_serial_number_is_taken_out_too() -> None:
    raw = bytearray(structure(1, 27, 1, strings={4: "ACME", 5: "SECRET7"}))
    raw[7] = 2  # the serial number is the model's string
    (system,) = parse_tables(smbios.without_identifiers(bytes(raw)), V27).structures
    assert (system.string(4), system.string(5)) == ("ACME", "XXXXXXX")


def test_structures_nobody_reads_do_not_reach_a_recording() -> None:
    built = table(
        [{"type": 11, "length": 5, "strings": {4: "service tag ABC1234"}}, {"type": 1, "length": 27}]
    )
    assert b"ABC1234" not in smbios.without_identifiers(built)
    assert smbios.without_identifiers(b"") == b""
    assert smbios.without_identifiers(b"\x01\x02") == b""
