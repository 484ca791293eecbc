"""A target is read in full once an hour and asked only for what changes in between."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from roadworthy_collector.snmp import cli
from roadworthy_collector.snmp.asking import FULL_EVERY_SECONDS, Asking
from roadworthy_collector.snmp.dictionary_port import DictionaryPort
from roadworthy_collector.snmp.port import NoAnswerError
from roadworthy_collector.snmp.profile_file import shipped_profiles
from roadworthy_collector.snmp.readings import DeviceAnswer
from roadworthy_collector.snmp.recording import read_recording
from roadworthy_collector.snmp.redfish import RedfishAsker
from roadworthy_collector.snmp.targets import Login, Polled

VALUES = read_recording(Path(__file__).parents[2] / "devices" / "snmp" / "vertiv_geist-mn02" / "walk.snmprec")


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> Polled:
    monkeypatch.setenv("ASKING_TEST", "public")
    login = Login(version="2c", community_env="ASKING_TEST")
    return Polled(
        name="a", host="a", protocol="snmp", port=161, login=login, login_name="x", every_seconds=60
    )


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def answer_of(asking: Asking, polled: Polled) -> DeviceAnswer:
    outcome = asyncio.run(asking.ask(polled))
    assert outcome.answer is not None, outcome.reason
    return outcome.answer


def test_between_full_polls_a_target_is_one_request(target: Polled) -> None:
    clock = Clock()
    port = DictionaryPort(hosts={"a": VALUES, "b": NoAnswerError("b: off")})
    asking = Asking(port, shipped_profiles(), RedfishAsker(), monotonic=clock)
    full = answer_of(asking, target)
    short = answer_of(asking, target)
    assert short.readings == full.readings
    assert (full.requests > 1, short.requests) == (True, 1)
    # A poll without an answer forgets nothing.
    assert asyncio.run(asking.ask(replace(target, host="b"))).code == "no_answer"
    assert answer_of(asking, target).requests == 1
    # A target that was told anew, and one whose hour is over, is read in full.
    assert answer_of(asking, replace(target, every_seconds=120)).requests == full.requests
    clock.now = FULL_EVERY_SECONDS
    assert answer_of(asking, target).requests == full.requests
    assert answer_of(asking, target).requests == 1
    # One that is no longer polled is forgotten.
    asking.keep([target])
    assert answer_of(asking, target).requests == 1
    asking.keep([])
    assert answer_of(asking, target).requests == full.requests


NAMES_ANOTHER = """
[credentials.x]
version = "2c"
community_env = "ASKING_TEST"
[[target]]
name = "a"
host = "a"
credentials = "x"
profile = "apc-ups"
"""


def test_commands_keep_to_the_profile_a_target_names(
    target: Polled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert target.login.community_env == "ASKING_TEST"
    file = tmp_path / "targets.toml"
    file.write_text(NAMES_ANOTHER)
    monkeypatch.setattr(cli, "_port", lambda: DictionaryPort(hosts={"a": VALUES}))
    tried = CliRunner().invoke(cli.app, ["try", "a", "--targets", str(file)])
    assert (tried.exit_code, "vertiv" in tried.stdout) == (1, False)
    assert "only the profile that the target names was tried: apc-ups" in tried.stderr
    how = ["poll", "--once", "--dry-run", "--targets", str(file), "--format", "json"]
    (row,) = json.loads(CliRunner().invoke(cli.app, how).stdout)
    assert row["outcome"] == "no_profile"
    assert row["why"] == "the profile its target names, apc-ups, does not fit this device"


def test_a_poll_shows_no_part_as_the_watts_of_a_device(
    target: Polled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert target.login.community_env == "ASKING_TEST"
    sentry = Path(__file__).parents[2] / "devices" / "snmp" / "servertech_cw-24v2-sentry3" / "walk.snmprec"
    values = read_recording(sentry)
    file = tmp_path / "targets.toml"
    file.write_text(NAMES_ANOTHER.replace('profile = "apc-ups"', ""))
    how = ["poll", "--once", "--dry-run", "--targets", str(file), "--format", "json"]

    def shown() -> float | None:
        monkeypatch.setattr(cli, "_port", lambda: DictionaryPort(hosts={"a": values}))
        (row,) = json.loads(CliRunner().invoke(cli.app, how).stdout)
        watts: float | None = row["watts"]
        return watts

    assert shown() == 1502.0
    values[1, 3, 6, 1, 4, 1, 1718, 3, 2, 2, 1, 12, 1, 2] = -1  # one infeed does not tell
    assert shown() is None


def test_a_register_is_shown_with_every_figure() -> None:
    """Whoever stands before the device compares it with what the display says."""
    recording = Path(__file__).parents[2] / "devices" / "snmp" / "apc_ap8959eu3" / "walk.snmprec"
    told = CliRunner().invoke(cli.app, ["try", "--recording", str(recording)], env={"COLUMNS": "200"}).stdout
    assert "12345600 Wh" in told
    assert "0.95 ratio" in told
    assert "e+" not in told
