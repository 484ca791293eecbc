"""What a collector can be told, and what it says when told wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadworthy_collector.errors import SettingsError
from roadworthy_collector.settings import load


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONFIG", "PORT", "DATA", "HOST", "SHARDS"):
        monkeypatch.delenv(f"ROADWORTHY_{name}", raising=False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 8470", "prot: unknown setting"),
        ("port = 0", "port: Input should be greater than or equal to 1"),
        ('port = "many"', "port: Input should be a valid integer, unable to parse string as an integer"),
        ("shards = 257", "shards: Input should be less than or equal to 256"),
        (
            'reporting_timezone = "London"',
            "reporting_timezone: Value error, no time zone is called 'London'; use a name such as Europe/London",
        ),
        (
            "report_interval_seconds = 59",
            "report_interval_seconds: Input should be greater than or equal to 60",
        ),
    ],
)
def test_a_wrong_file_is_named_with_the_setting(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "collector.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: {said}"


def test_a_file_that_is_no_toml_or_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "collector.toml"
    with pytest.raises(SettingsError, match=f"^{path}: cannot read the settings: No such file or directory$"):
        load(path)
    path.write_text("port =")
    with pytest.raises(SettingsError, match=f"^{path}: not valid TOML: "):
        load(path)


def test_a_wrong_variable_is_named_as_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADWORTHY_PORT", "http")
    with pytest.raises(SettingsError, match=r"^ROADWORTHY_PORT: Input should be a valid integer"):
        load()


def test_an_empty_variable_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "collector.toml"
    path.write_text("port = 9000")
    monkeypatch.setenv("ROADWORTHY_PORT", "")
    assert load().port == 8470
    assert load(path).port == 9000


def test_a_variable_wins_over_the_file_and_an_option_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "collector.toml"
    path.write_text("port = 9000")
    monkeypatch.setenv("ROADWORTHY_PORT", "9001")
    assert load(path).port == 9001
    assert load(path, port=9002).port == 9002
