from __future__ import annotations

import dataclasses
import io
import json
import os
import stat
from pathlib import Path

import pytest
from agent.devices import DEVICE, KEY, OTHER_TOKEN, TOKEN
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent import identity
from roadworthy_agent.errors import KeyFileError, StateError
from roadworthy_agent.probe import Context


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_state_folder_is_for_its_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        state = identity.StateFolder(tmp_path / "a/state")
        state.prepare()
        state.save(identity.Identity("https://c", DEVICE, TOKEN, 1.0))
    finally:
        os.umask(before)
    assert mode(state.path) == 0o700
    assert mode(state.path / "identity.json") == mode(state.path / "instance") == 0o600


def test_an_open_state_folder_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    identity.StateFolder(tmp_path).prepare()
    assert mode(tmp_path) == 0o700


def test_the_instance_is_made_once(tmp_path: Path) -> None:
    state = identity.StateFolder(tmp_path)
    assert state.instance() is None
    state.prepare()
    first = state.instance()
    state.prepare()
    assert first is not None
    assert len(first) == 16
    assert state.instance() == first


def test_an_identity_is_read_as_it_was_saved(tmp_path: Path) -> None:
    state = identity.StateFolder(tmp_path)
    state.prepare()
    assert state.identity() is None
    kept = identity.Identity("https://c", DEVICE, TOKEN, 5.0, next_token=OTHER_TOKEN, stopped="revoked")
    kept = dataclasses.replace(kept, previous_token=TOKEN)
    state.save(kept)
    assert state.identity() == kept
    (tmp_path / "identity.json").write_text(json.dumps(dataclasses.asdict(kept) | {"previous_token": 7}))
    with pytest.raises(StateError, match="not an identity"):
        state.identity()


WRONG_TYPES = '{"server": 1, "device_id": 2, "token": 3, "enrolled_at": "yesterday"}'
NOT_A_TIME = '{"server": "https://c", "device_id": "d", "token": "t", "enrolled_at": "yesterday"}'


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[1]", '{"server": 1, "surprise": 2}', "\x00", WRONG_TYPES, NOT_A_TIME, "[" * 100_000],
    ids=["empty", "object", "list", "surprise", "NUL", "wrong types", "not a time", "nested"],
)
def test_a_damaged_identity_is_told(tmp_path: Path, text: str) -> None:
    state = identity.StateFolder(tmp_path)
    state.prepare()
    (tmp_path / "identity.json").write_text(text)
    with pytest.raises(
        StateError, match=r"identity.json: not an identity this agent wrote; remove it and enrol again"
    ):
        state.identity()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"cannot keep the agent's state here: Not a directory; run as"):
        identity.StateFolder(tmp_path / "file/state").prepare()


def test_a_key_comes_from_a_private_file_or_a_pipe(key_file: Path) -> None:
    assert identity.read_key(key_file) == KEY
    assert identity.read_key_stream(io.StringIO(f"  {KEY}\n")) == KEY


@pytest.mark.parametrize("damaged", [b"", b"\xff\xfe", b"no sixteen digits\n"])
def test_a_damaged_instance_is_made_anew(tmp_path: Path, damaged: bytes) -> None:
    state = identity.StateFolder(tmp_path)
    (tmp_path / "instance").write_bytes(damaged)
    state.prepare()
    made = state.instance()
    assert made is not None
    state.prepare()
    assert state.instance() == made


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o644, 0o620, 0o601])
def test_a_key_others_may_read_is_refused(key_file: Path, bits: int) -> None:
    key_file.chmod(bits)
    with pytest.raises(KeyFileError) as caught:
        identity.read_key(key_file)
    assert str(caught.value) == (
        f"{key_file}: others may read this enrolment key (mode {bits:04o}); run: chmod 600 {key_file}"
    )


def test_a_credential_of_systemd_may_show_its_access_list_as_group_bits(
    key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_file.chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(key_file.parent))
    assert identity.read_key(key_file) == KEY
    key_file.chmod(0o444)
    with pytest.raises(KeyFileError, match="others may read"):
        identity.read_key(key_file)


@pytest.mark.parametrize("text", ["", "secret-but-wrong", KEY[:-1], KEY + "0", TOKEN, "\udcff"])
def test_what_is_no_key_is_refused_and_never_repeated(key_file: Path, text: str) -> None:
    key_file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(KeyFileError) as caught:
        identity.read_key(key_file)
    assert "holds no enrolment key" in str(caught.value)
    assert not text or text not in str(caught.value)


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"key: cannot read the enrolment key: No such file or directory"):
        identity.read_key(tmp_path / "key")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "   ",
        "Default string",
        "To Be Filled By O.E.M.",
        "To be filled by O.E.M.",
        "System Serial Number",
        "Not Specified",
        "None",
        "0",
        "00000000-0000-0000-0000-000000000000",
        "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "03000200-0400-0500-0006-000700080009",
        "XXXXXXXXXX",
        "0123456789",
        "N/A",
    ],
)
def test_placeholders_identify_no_machine(value: str) -> None:
    assert identity.fingerprint({"system_serial": value, "system_uuid": value}) == {}


def test_a_made_up_network_address_is_no_hardware_fact() -> None:
    assert identity.fingerprint({"mac": "02:42:ac:11:00:02"}) == {}
    assert list(identity.fingerprint({"mac": "3c:52:82:11:00:02"})) == ["mac"]


@given(st.dictionaries(st.sampled_from(["system_uuid", "board_serial", "mac"]), st.text(max_size=40)))
def test_a_fingerprint_holds_hashes_only(identifiers: dict[str, str]) -> None:
    found = identity.fingerprint(identifiers)
    assert set(found) <= set(identifiers)
    assert all(len(value) == 64 and set(value) <= set("0123456789abcdef") for value in found.values())
    assert found == identity.fingerprint(
        {name: f" {value.swapcase()} " for name, value in identifiers.items()}
    ) or any(value.swapcase().casefold() != value.casefold() for value in identifiers.values())


def test_the_host_name_of_a_recorded_tree_is_the_tree_s(tmp_path: Path) -> None:
    assert identity.hostname(Context.recorded(tmp_path)) is None
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hostname").write_text("desk-17\n")
    assert identity.hostname(Context.recorded(tmp_path)) == "desk-17"
