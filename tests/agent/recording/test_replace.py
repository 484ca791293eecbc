"""Names are replaced in every spelling, lengths and everything else stay."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.placeholders import meaningful
from roadworthy_agent.probes.startup.names import DISK
from roadworthy_agent.recording.replace import Kind, Replacer, Secret
from roadworthy_agent.recording.stand_ins import StandIns

SERIAL = Secret("CZC4180XKV")
HOST = Secret("hq-dt-0042")
ACCENT = Secret("Zoë-Müller")
MAC = Secret("3c52821100f2", Kind.MAC)
SYSTEM = Secret("4c4c4544-0042-3510-8052-b4c04f503432", Kind.UUID)
ADDRESS = Secret("10.20.30.4", Kind.ADDRESS)
ALL = (SERIAL, HOST, ACCENT, MAC, SYSTEM, ADDRESS)


def replacer(*secrets: Secret, key: bytes = b"a test's key") -> Replacer:
    return Replacer(secrets or ALL, StandIns(key))


SPELLINGS = [
    "CZC4180XKV", "czc4180xkv", "Czc4180Xkv",
    "hq-dt-0042", "HQ-DT-0042", r"hq\x2ddt\x2d0042", r"hq\\x2ddt\\x2d0042", "hq_dt_0042", "hq%2Ddt%2d0042",
    "zoë-müller", "ZOË-MÜLLER", r"zo\u00eb-m\u00fcller",
    "3c:52:82:11:00:f2", "3C-52-82-11-00-F2", "3c52821100F2", "3c52.8211.00f2", r"3c\x3a52\x3a82\x3a11\x3a00\x3af2",
    "4c4c4544-0042-3510-8052-b4c04f503432", "4C4C454400423510 8052B4C04F503432".replace(" ", ""),
    r"4c4c4544\x2d0042\x2d3510\x2d8052\x2db4c04f503432",
    "10.20.30.4",
]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("hexadecimal", [False, True], ids=["as it is", "as digits"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_is_replaced_and_keeps_its_length(
    spelling: str, encoding: str, *, hexadecimal: bool
) -> None:
    written = spelling.encode(encoding)
    if hexadecimal and "\\u" in spelling:
        return  # an escape within digits is nobody's way to write
    data = b"before " + (written.hex().encode() if hexadecimal else written) + b" after"
    found = replacer().data(data)
    assert len(found) == len(data)
    assert found.startswith(b"before ")
    assert found.endswith(b" after")
    core = found.removeprefix(b"before ").removesuffix(b" after")
    changed = (bytes.fromhex(core.decode()) if hexadecimal else core).decode(encoding)
    letters = [letter for letter in changed if letter.isalnum()]
    assert changed != spelling
    assert [letter for letter in changed if not letter.isalnum()] == [
        letter for letter in spelling if not letter.isalnum()
    ]
    assert len(letters) == sum(letter.isalnum() for letter in spelling)


def test_a_name_becomes_the_same_wherever_it_stands_and_keeps_its_case() -> None:
    found = replacer().text(r"HQ-DT-0042 hq-dt-0042 Hq-Dt-0042 hq\x2ddt\x2d0042").split()
    assert found[0] == found[1].upper()
    assert found[0].casefold() == found[2].casefold() == found[3].replace(r"\x2d", "-")
    assert re.fullmatch(r"[A-Z]{2}-[A-Z]{2}-\d{4}", found[0])
    assert replacer(key=b"another").text("hq-dt-0042") != found[1]


def test_raw_bytes_become_what_the_text_becomes() -> None:
    one = replacer()
    text = one.text("3c:52:82:11:00:f2").replace(":", "")
    raw = bytes.fromhex("3c52821100f2")
    assert one.data(b"x" + raw + b"y") == b"x" + bytes.fromhex(text) + b"y"
    assert one.data(raw[::-1]) == bytes.fromhex(text)[::-1]
    assert text.startswith("3c5282")  # the maker says nothing about the device
    identifier = UUID("4c4c4544-0042-3510-8052-b4c04f503432")
    becomes = UUID(one.text(str(identifier)))
    assert becomes != identifier
    assert one.data(identifier.bytes) == becomes.bytes
    assert one.data(identifier.bytes_le) == becomes.bytes_le


def test_an_address_becomes_an_address() -> None:
    found = replacer().text("10.20.30.4")
    assert re.fullmatch(r"\d{2}\.\d{2}\.\d{2}\.\d", found)
    assert all(0 <= int(part) <= 255 for part in found.split("."))


def test_a_short_name_is_replaced_only_where_it_stands_alone() -> None:
    one = replacer(Secret("ann"), Secret("x"))
    assert "channel" in one.text("channel ann x")
    assert "ann " not in one.text("channel ann x").removeprefix("channel ")
    assert one.text("ANN's").endswith("'s")
    assert one.text("ann".encode("utf-16-le").decode("latin-1")) != "ann".encode("utf-16-le").decode(
        "latin-1"
    )
    assert one.text("x") == "x"


def test_a_name_within_a_longer_one_does_not_break_it() -> None:
    one = replacer(Secret("smith"), Secret("smith-laptop"))
    whole = one.text("smith-laptop")
    assert "smith" not in whole
    assert one.text("SMITH-LAPTOP") == whole.upper()


@given(
    st.text(st.characters(categories=["L", "Nd"]), min_size=4, max_size=24),
    st.binary(max_size=40),
    st.binary(max_size=40),
    st.sampled_from(["utf-8", "utf-16-le", "utf-16-be"]),
)
def test_nothing_of_any_name_survives(name: str, before: bytes, after: bytes, encoding: str) -> None:
    secret = Secret(name)
    written = name.encode(encoding)
    found = replacer(secret).data(before + written + after)
    assert len(found) == len(before) + len(written) + len(after)
    assert written not in found[len(before) : len(before) + len(written)]


@given(st.from_regex(r"[A-Z0-9]{5,20}", fullmatch=True))
def test_a_serial_number_s_stand_in_is_no_placeholder(serial: str) -> None:
    becomes = StandIns(b"key").word(serial)
    assert len(becomes) == len(serial)
    assert (meaningful(serial) is None) or (meaningful(becomes) is not None)


@pytest.mark.parametrize("name", ["loop1", "ab1", "stick"])
def test_no_stand_in_looks_like_a_disk_where_the_name_does_not(name: str) -> None:
    """The start-up probe tells disks by name: a disk that is none would make another report of a recording."""
    found = {StandIns(str(key).encode()).word(name) for key in range(4000)}
    assert not [word for word in found if DISK.fullmatch(f"dev-{word}")]
    assert len(found) > 200
