"""A recording reads as the device does, and tells nobody whose it is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.snmp.dictionary_port import DictionaryPort
from roadworthy_collector.snmp.hiding import hidden_of
from roadworthy_collector.snmp.port import BadAnswerError, Community, Oid, Target, Value
from roadworthy_collector.snmp.profile import Profile
from roadworthy_collector.snmp.profile_file import shipped_profiles
from roadworthy_collector.snmp.reading import read_device
from roadworthy_collector.snmp.recorder import expected_of, sanitised, walk_device, write_recording
from roadworthy_collector.snmp.recording import read_recording

FOLDERS = sorted((Path(__file__).parents[2] / "devices" / "snmp").iterdir())
TARGET = Target("device", "device", Community("2c", "public"))
SYSTEM = (1, 3, 6, 1, 2, 1, 1)
PRIVATE = (1, 3, 6, 1, 4, 1, 99999, 7)

SERIAL, HOST, PLACE, CONTACT = "ZQ7719-0042X", "quarry-pdu-7", "Quarry Road basement", "V. Winterbourne"
OUTLET, USER, SSID, DOMAIN = "payroll server", "vwinterb", "QuarryStaff", "quarry.example.org"
MAC, ADDRESS = bytes.fromhex("5c260a3f9d41"), bytes((10, 91, 7, 33))
TEXTS = (SERIAL, HOST, PLACE, CONTACT, OUTLET, USER, SSID, DOMAIN, "Büro 9")
NUMBER = 8_823_471_190 % (1 << 31)


@pytest.fixture(scope="module")
def profiles() -> tuple[Profile, ...]:
    return shipped_profiles()


def planted(values: dict[Oid, Value]) -> dict[Oid, Value]:
    """Return a device's values with secrets in every text it tells, and in rows of their own."""
    secrets = [text.encode() for text in TEXTS]
    found: dict[Oid, Value] = {}
    for place, (oid, value) in enumerate(sorted(values.items())):
        secret = secrets[place % len(secrets)]
        found[oid] = value + b" " + secret if _is_text(value) else value
    rows: list[Value] = [
        *secrets,
        *(text.encode("utf-16-le") for text in TEXTS),
        *(text.encode("utf-16-be") for text in TEXTS),
        MAC, ADDRESS, MAC.hex(":").encode(), MAC.hex("-").upper().encode(), b"10.91.7.33",
        str(NUMBER).encode(), NUMBER, f"{HOST}.{DOMAIN}".encode(), USER.encode() + b"\0",
    ]  # fmt: skip
    found |= {(*PRIVATE, 1, place): value for place, value in enumerate(rows)}
    found |= {(*PRIVATE, 2, len(text), *text.encode()): 1 for text in (USER, SSID)}
    found |= {(*PRIVATE, 3, *ADDRESS): 7, (*PRIVATE, 4, *MAC): (*PRIVATE, *ADDRESS)}
    description = values.get((*SYSTEM, 1, 0), b"")
    assert isinstance(description, bytes)
    told = f" {HOST.upper()} SN: {SERIAL} at 10.91.7.33 {MAC.hex(':')} s/n QQ55519 {PLACE}"
    return found | {
        (*SYSTEM, 1, 0): description + told.encode(),
        (*SYSTEM, 4, 0): CONTACT.encode(),
        (*SYSTEM, 5, 0): f"{HOST}.{DOMAIN}".encode(),
        (*SYSTEM, 6, 0): PLACE.encode(),
    }


def _is_text(value: Value) -> TypeGuard[bytes]:
    """Return whether a value is text that is neither a number nor some bits."""
    if not isinstance(value, bytes) or not value.strip(b"\0 ").decode("latin-1").isprintable():
        return False
    return len(value) > 2 and not value.strip(b"\0 ").replace(b".", b"").isdigit()


def forms() -> list[bytes]:
    """Return every form a secret must not be found in."""
    texts = [*TEXTS, "QQ55519", "10.91.7.33", str(NUMBER), MAC.hex(), MAC.hex(":"), MAC.hex("-")]
    found = [MAC, b".10.91.7.33"]
    for text in texts:
        for one in (text, text.upper(), text.lower()):
            found += [one.encode(), one.encode("latin-1"), one.encode("utf-16-le"), one.encode("utf-16-be")]
    found += [".".join(str(byte) for byte in text.encode()).encode() for text in TEXTS]
    return found + [one.hex().encode() for one in found] + [one.hex().upper().encode() for one in found]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_recording_tells_the_numbers_and_not_the_owner(
    folder: Path, profiles: tuple[Profile, ...], tmp_path: Path
) -> None:
    given_values = planted(read_recording(folder / "walk.snmprec"))
    walked = asyncio.run(walk_device(DictionaryPort(given_values).begin(TARGET)))
    values = sanitised(walked, profiles)
    write_recording(tmp_path, values, asyncio.run(expected_of(values, profiles)))
    written = (tmp_path / "walk.snmprec").read_bytes() + (tmp_path / "expected.json").read_bytes()
    assert [form for form in forms() if form in written] == []

    before = asyncio.run(read_device(DictionaryPort(given_values).begin(TARGET), profiles))
    again = DictionaryPort.of_recording(tmp_path / "walk.snmprec")
    after = asyncio.run(read_device(again.begin(TARGET), profiles))
    assert after.profiles == before.profiles
    assert [_told(one) for one in after.readings] == [_told(one) for one in before.readings]
    assert [(one.name, one.index, one.code) for one in after.refusals] == [
        (one.name, one.index, one.code) for one in before.refusals
    ]
    assert after.flags == before.flags


@dataclass(frozen=True)
class _Told:
    name: str
    index: str
    value: object
    unit: str
    quality: str


def _told(one: object) -> _Told:
    return _Told(**{name: getattr(one, name) for name in _Told.__dataclass_fields__})


def test_makes_models_and_what_is_no_secret_stay(profiles: tuple[Profile, ...]) -> None:
    folder = next(one for one in FOLDERS if one.name == "apc_ap8959eu3")
    values = read_recording(folder / "walk.snmprec")
    read = asyncio.run(read_device(DictionaryPort(sanitised(values, profiles)).begin(TARGET), profiles))
    was = asyncio.run(read_device(DictionaryPort(values).begin(TARGET), profiles))
    assert (read.identity.vendor, read.identity.model) == (was.identity.vendor, was.identity.model)
    assert read.identity.firmware == was.identity.firmware
    assert read.identity.serial != was.identity.serial


def test_what_may_not_be_walked_is_never_asked_for() -> None:
    asked: list[Oid] = []

    class Asked:
        requests = 0

        async def walk(self, prefix: Oid, *, most_rows: int = 0) -> dict[Oid, Value]:
            asked.append(prefix)
            if prefix[:7] == (1, 3, 6, 1, 2, 1, 43):
                raise BadAnswerError("device: goes backwards")
            return {(*prefix, 0): most_rows}

    found = asyncio.run(walk_device(Asked()))  # type: ignore[arg-type] # walks alone are needed
    assert len(found) == len(asked) - 1  # what cannot be walked is left out, the rest is there
    # Interfaces, addresses, connections, programs that run, packages, and the agent's own users.
    for secret in [(2, 1, 2), (2, 1, 4), (2, 1, 6), (2, 1, 25, 4), (2, 1, 25, 6), (2, 1, 31), (6, 3)]:
        whole = (1, 3, 6, 1, *secret)
        assert not [one for one in asked if one == whole[: len(one)] or one[: len(whole)] == whole]


def test_a_recording_is_not_written_over_another(tmp_path: Path) -> None:
    (tmp_path / "walk.snmprec").write_text("")
    with pytest.raises(RoadworthyError, match="is not empty; name a new folder"):
        write_recording(tmp_path, {}, {})


@given(
    secret=st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=3, max_size=12),
    before=st.binary(max_size=8),
    after=st.binary(max_size=8),
    coding=st.sampled_from(["utf-8", "utf-16-le", "utf-16-be"]),
)
def test_no_form_of_a_hidden_text_is_left(secret: str, before: bytes, after: bytes, coding: str) -> None:
    trace = secret.encode(coding)
    covered = hidden_of([secret.encode()]).covered(before + trace + after)
    assert trace not in covered or set(trace) == {ord("x")}
    assert len(covered) == len(before + trace + after)


def test_figures_spelt_in_octets_and_plain_masks_are_told_apart() -> None:
    hidden = hidden_of([b"vwinterb", bytes((255, 255, 255, 0)), bytes((10, 91, 7, 33)), b"123456"])
    assert hidden.is_spelt((1, 3, 6, 1, 4, 1, 9, 8, *b"vwinterb"))
    assert hidden.is_spelt((1, 3, 6, 1, 4, 1, 9, 10, 91, 7, 33))
    assert not hidden.is_spelt((1, 3, 6, 1, 4, 1, 9, 255, 255, 255, 0))
    assert hidden.is_number(123456)


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("Example PDU of 10.9.8.7", "Example PDU of xxxxxxxx"),
        ("at 192.168.17.254, port 80. Ask 10.1.2.3.", "at xxxxxxxxxxxxxx, port 80. Ask xxxxxxxx."),
        ("(172.16.0.9) http://10.0.0.1/", "(xxxxxxxxxx) http://xxxxxxxx/"),
        ("AOS v10.6.8.2, 2.1.0.6, firmware: 12.0.1.5", "AOS v10.6.8.2, 2.1.0.6, firmware: 12.0.1.5"),
        ("OID 1.3.6.1.4.1.318, 10.300.1.2, 10.1.2.3.4", "OID 1.3.6.1.4.1.318, 10.300.1.2, 10.1.2.3.4"),
    ],
)
def test_an_address_that_stands_in_one_text_alone_is_covered(told: str, kept: str) -> None:
    assert hidden_of([]).covered(told.encode()) == kept.encode()
