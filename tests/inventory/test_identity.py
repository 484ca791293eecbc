"""Serials, UUIDs and fingerprints: placeholders are no identity, and two differing facts are another machine."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roadworthy_inventory.identity import (
    another_machine,
    differs,
    normalise_serial,
    normalise_uuid,
    parse_placeholders,
    uuid_spellings,
)
from roadworthy_inventory.tables import TableError


@pytest.mark.parametrize(
    "text",
    [
        *(
            None,
            "",
            "   ",
            "To be filled by O.E.M.",
            " TO BE FILLED BY O.E.M. ",
            "Default string",
            "System Serial Number",
        ),
        *(
            "N/A",
            "None",
            "0",
            "0000000",
            "xxxxxxxxxxx",
            "1111-1111",
            "0123456789",
            "Not Specified",
            "Unknown",
            "\x00\x01",
        ),
        *("Board Serial Number", "Serial", "serial_number", "Not Applicable", "EVAL", "........"),
    ],
)
def test_placeholders_are_no_serial(text: str | None) -> None:
    assert normalise_serial(text) is None


@pytest.mark.parametrize(
    ("text", "serial"),
    [(" pf2ab3cd ", "PF2AB3CD"), ("VMware-56 4d\t99", "VMWARE-56 4D 99"), ("5CG1234XYZ\x00", "5CG1234XYZ")],
)
def test_serials_are_tidied(text: str, serial: str) -> None:
    assert normalise_serial(text) == serial


@example("bB")  # one letter in two cases is one letter
@given(st.text())
def test_tidying_twice_changes_nothing(text: str) -> None:
    once = normalise_serial(text)
    assert normalise_serial(once) == once


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "2", "no uuid", "00000000-0000-0000-0000-000000000000"),
        *("FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "03000200-0400-0500-0006-000700080009"),
        "fefefefe-fefe-fefe-fefe-fefefefefef",
    ],
)
def test_shared_uuids_are_none(text: str | None) -> None:
    assert normalise_uuid(text) is None
    assert uuid_spellings(text) == frozenset()


def test_both_byte_orders_are_one_uuid() -> None:
    # As one virtual machine's UUID was reported by its host and by its guest (glpi-project/glpi-agent#839).
    host, guest = "564d4cbc-c6a9-1969-8c5e-0123456789ab", "BC4C4D56-A9C6-6919-8C5E-0123456789AB"
    assert uuid_spellings(host) == uuid_spellings(guest)


@given(st.uuids())
def test_spellings_are_symmetric(value: uuid.UUID) -> None:
    for spelling in uuid_spellings(str(value)):
        # A placeholder's mirror is not listed as one, so only spellings that survive are compared.
        if normalise_uuid(spelling) is not None:
            assert uuid_spellings(spelling) == uuid_spellings(str(value))


ENROLLED = {"system_uuid": "a" * 64, "system_serial": "b" * 64, "mac": "c" * 64}


@pytest.mark.parametrize(
    ("reported", "names", "another"),
    [
        (ENROLLED, [], False),
        ({}, [], False),  # a container knows no hardware facts: no check
        ({"mac": "d" * 64}, ["mac"], False),  # a network card was replaced
        ({"mac": "d" * 64, "disk_serial": "e" * 64}, ["mac"], False),  # the disk was not known before
        (ENROLLED | {"mac": "d" * 64, "system_uuid": "e" * 64}, ["mac", "system_uuid"], True),
        ({"mac": None, "system_uuid": ""}, [], False),
        ({name: value.upper() for name, value in ENROLLED.items()}, [], False),
    ],
)
def test_differs(reported: dict[str, str | None], names: list[str], *, another: bool) -> None:
    assert differs(ENROLLED, reported) == names
    assert another_machine(ENROLLED, reported) is another


@given(
    st.dictionaries(st.text(max_size=4), st.text(max_size=4)),
    st.dictionaries(st.text(max_size=4), st.text(max_size=4)),
)
def test_differing_is_mutual(one: dict[str, str], other: dict[str, str]) -> None:
    assert differs(one, other) == differs(other, one)
    assert differs(one, one) == []


def test_a_wrong_table_is_refused_with_its_line() -> None:
    with pytest.raises(TableError, match=r"placeholders.csv: line 2: kind: 'mac' is none of serial, uuid"):
        parse_placeholders("kind,value,source,as_of\nmac,ff,https://example.org,2026-01-01\n")
