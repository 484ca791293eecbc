"""The settings of the sink, and what is said when they are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from roadworthy_collector.errors import SettingsError
from roadworthy_collector.remote_write.target import read_target
from roadworthy_collector.settings import Settings, load

URL = "https://metrics.example.org/api/v1/write"


def secret(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_nothing_is_sent_unless_told_where() -> None:
    assert read_target(Settings()) is None


def test_a_token_goes_into_the_header_and_nowhere_else(tmp_path: Path) -> None:
    settings = Settings(remote_write_url=URL, remote_write_token_file=secret(tmp_path, "s3cret\n"))
    target = read_target(settings)
    assert target is not None
    assert target.authorization == "Bearer s3cret"
    assert "s3cret" not in repr(target) + repr(settings)


def test_a_user_has_a_password(tmp_path: Path) -> None:
    target = read_target(
        Settings(
            remote_write_url=URL,
            remote_write_username="roadworthy",
            remote_write_password_file=secret(tmp_path, "pass:word"),
            remote_write_labels=("county=kent", "_tier=a=b"),
        )
    )
    assert target is not None
    assert target.authorization == "Basic cm9hZHdvcnRoeTpwYXNzOndvcmQ="
    assert dict(target.labels) == {"county": "kent", "_tier": "a=b"}
    assert target.host == "metrics.example.org"


@pytest.mark.parametrize("host", ["127.0.0.1:9090", "localhost", "[::1]:9090"])
def test_plain_http_stays_on_this_machine(host: str) -> None:
    assert read_target(Settings(remote_write_url=f"http://{host}/api/v1/write")) is not None


def test_plain_http_beyond_it_has_to_be_meant() -> None:
    url = "http://victoria:8428/api/v1/write"
    with pytest.raises(SettingsError, match=r"^remote_write_url: plain http to another machine; write https"):
        read_target(Settings(remote_write_url=url))
    assert read_target(Settings(remote_write_url=url, remote_write_plain_http=True)) is not None


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"remote_write_labels": ("county",)}, "remote_write_labels: 'county' is no label; write name=value"),
        ({"remote_write_labels": ("a-b=c",)}, "remote_write_labels: 'a-b=c' is no label; write name=value"),
        ({"remote_write_labels": ("__x=c",)}, "remote_write_labels: '__x=c' is no label; write name=value"),
        ({"remote_write_labels": ("a=",)}, "remote_write_labels: 'a=' is no label; write name=value"),
        (
            {"remote_write_labels": ("scope=c",)},
            "remote_write_labels: scope is set by Roadworthy; choose another name",
        ),
        ({"remote_write_labels": ("a=b", "a=c")}, "remote_write_labels: a stands there twice"),
        (
            {"remote_write_labels": tuple(f"a{n}=b" for n in range(11))},
            "remote_write_labels: more than 10 labels",
        ),
        (
            {"remote_write_labels": ("a=" + "b" * 127,)},
            "remote_write_labels: a is longer than 128 characters",
        ),
        ({"remote_write_ca": Path("/nowhere.pem")}, "remote_write_ca: /nowhere.pem is no file"),
        (
            {"remote_write_username": "me"},
            "remote_write_username: remote_write_username and remote_write_password_file go together",
        ),
    ],
)
def test_a_wrong_setting_is_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_target(Settings(remote_write_url=URL, **values))
    assert str(caught.value) == said


def test_a_token_others_can_read_is_refused(tmp_path: Path) -> None:
    path = secret(tmp_path, "s3cret", 0o644)
    with pytest.raises(SettingsError) as caught:
        read_target(Settings(remote_write_url=URL, remote_write_token_file=path))
    assert str(caught.value) == f"remote_write_token_file: {path} can be read by others; chmod 600 it"


def test_a_token_no_header_takes_is_refused(tmp_path: Path) -> None:
    path = secret(tmp_path, "s3cr\u00e9t")
    with pytest.raises(SettingsError, match="does not hold a token") as caught:
        read_target(Settings(remote_write_url=URL, remote_write_token_file=path))
    assert "s3cr" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("metrics.example.org/write", "this is no address of a receiver; write https://host"),
        ("ftp://host/write", "this is no address of a receiver; write https://host"),
        ("https://me:s3cret@host/write", "no credentials here, where settings are shown"),
    ],
)
def test_an_address_is_checked_before_anything_shows_it(url: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(remote_write_url=url)
    assert f"remote_write_url: Value error, {said}" in str(caught.value)
    assert "s3cret" not in str(caught.value)
