from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from agent.devices import DEVICE, KEY, TOKEN, Device, ScriptedCollector, refusal
from devices.replay import DEVICES

from roadworthy_agent.cli import COMMANDS, main, parser
from roadworthy_agent.probe import Context, ProbeResult, Status
from roadworthy_agent.probes import PROBES


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep every command away from this machine's own agent."""
    monkeypatch.setenv("ROADWORTHY_AGENT_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.mark.parametrize("command", [command[0] for command in COMMANDS])
def test_every_command_s_help_has_examples_that_it_understands(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    examples = capsys.readouterr().out.partition("examples:\n")[2].splitlines()
    assert examples
    for line in examples:
        words = line.partition("roadworthy-agent")[2].split()
        parser().parse_args(words)


def test_the_key_is_never_an_argument(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["enrol", KEY])
    assert "unrecognized arguments" in capsys.readouterr().err


def test_once_shows_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["once"]) == 0
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out
    for heading in ("Device", "Now", "Probes"):
        assert f"\n{heading}\n" in f"\n{shown.out}"
    assert "not enrolled; the report carries a device id of zeros" in shown.err


def test_once_of_an_enrolled_device_carries_its_id(
    device: Device, capsys: pytest.CaptureFixture[str]
) -> None:
    device.enrolled()
    assert main(["once", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["device_id"] == DEVICE
    assert shown.err == ""


def test_once_keeps_and_sends_nothing(state: Path) -> None:
    assert main(["once", "--json"]) == 0
    assert not state.exists()


def test_an_empty_recorded_tree_gives_blanks_with_reasons(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tree/proc").mkdir(parents=True)
    assert main(["once", "--json", "--root", str(tmp_path / "tree")]) == 0
    report = json.loads(capsys.readouterr().out)
    assert "cpu_latest_ratio" not in report["now"]
    assert not report.get("startups")
    assert all(probe.get("reason") for probe in report["probes"] if probe["status"] != "ok")
    assert "hostname" not in report["facts"]


def test_a_folder_that_is_no_recording_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "holiday.jpg").touch()
    for command in ("once", "explain"):
        assert main([command, "--root", str(tmp_path)]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert f"{tmp_path}: holds no recording" in said.err


def test_a_missing_tree_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["once", "--root", "/nowhere"]) == 2
    assert capsys.readouterr().err.endswith("/nowhere: no such folder; --root takes a recorded tree\n")


def test_explain_says_what_is_and_what_never_is_collected(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    said = capsys.readouterr().out
    plain = " ".join(said.split())
    for probe in PROBES.values():
        assert f"\n{probe.NAME}: " in said
        assert probe.WHAT in plain
    never = said.partition("What is never collected")[2]
    for word in ("user names", "clock time", "processes"):
        assert word in never


def test_explain_takes_one_probe(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "os"]) == 0
    assert capsys.readouterr().out.startswith("os: ")
    assert main(["explain", "nonsense"]) == 2
    assert "no probe is called 'nonsense'; there are os, " in capsys.readouterr().err


def test_status_before_anything_ran(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 0
    said = capsys.readouterr().out
    assert "not enrolled; run: roadworthy-agent enrol" in said
    assert "the agent has not run here" in said


@pytest.mark.parametrize("content", [b"this is no database" * 1000, b""], ids=["garbage", "no tables"])
def test_status_of_a_damaged_spool_is_one_clear_line(
    state: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    state.mkdir(mode=0o700)
    (state / "spool.db").write_bytes(content)
    assert main(["status"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"roadworthy-agent: {state}/spool.db: cannot read the spool: ")
    assert said.err.count("\n") == 1


def test_a_lock_that_cannot_be_taken_is_no_running_agent(
    device: Device, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROADWORTHY_AGENT_STATE_DIR", str(device.folder))
    device.state.lock.mkdir()
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["running"] is False


def test_status_tells_of_quarantine_clock_and_a_stop(
    sending: Device,
    collector: ScriptedCollector,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ROADWORTHY_AGENT_STATE_DIR", str(sending.folder))
    monkeypatch.setenv("ROADWORTHY_AGENT_SERVER", collector.url)
    sending.clock.wrong_by = -90.0
    sending.confirm()
    sending.measure(1860 + 1800)
    why = {"item": "period", "key": "1778580000", "code": "too_old", "field": "start", "message": "too late"}
    collector.decide = lambda _asked: collector.took(1, rejected=[why])
    sending.delivery.call()
    collector.decide = lambda _asked: refusal(403, "revoked")
    sending.delivery.call()
    assert main(["status"]) == 0
    said = capsys.readouterr().out
    assert "stopped: the collector revoked this device's token" in said
    assert "quarantined: period 1778580000: too_old start: too late" in said
    assert "1 min 30 s" not in said
    assert "90.0 s behind the collector's" in said
    assert main(["status", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["stopped"], found["quarantined_items"]) == ("revoked", 1)
    assert found["clock_offset_seconds"] == pytest.approx(90.0)
    assert TOKEN not in json.dumps(found)


def test_enrol_takes_the_key_from_a_file(
    collector: ScriptedCollector,
    key_file: Path,
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ROADWORTHY_AGENT_SERVER", collector.url)
    assert main(["enrol", "--key-file", str(key_file)]) == 0
    assert f"as {DEVICE}." in capsys.readouterr().out
    assert (state / "identity.json").stat().st_mode & 0o777 == 0o600
    collector.decide = lambda _asked: refusal(403, "key_expired", "this key has expired")
    assert main(["enrol", "--key-file", str(key_file)]) == 1
    said = capsys.readouterr().err
    assert said == "roadworthy-agent: the collector refused: this key has expired (key_expired)\n"


def test_enrol_without_server_or_with_an_open_key_says_what_to_do(
    key_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["enrol", "--key-file", str(key_file)]) == 2
    assert "no server is set" in capsys.readouterr().err
    monkeypatch.setenv("ROADWORTHY_AGENT_SERVER", "https://roadworthy.example.org")
    key_file.chmod(0o644)
    assert main(["enrol", "--key-file", str(key_file)]) == 1
    assert "chmod 600" in capsys.readouterr().err
    monkeypatch.setenv("ROADWORTHY_AGENT_ENROLMENT_KEY_FILE", str(key_file))
    assert main(["check-config"]) == 1


def test_check_config_shows_the_settings_and_no_key(
    key_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROADWORTHY_AGENT_ENROLMENT_KEY_FILE", str(key_file))
    assert main(["check-config"]) == 0
    said = capsys.readouterr().out
    assert f"enrolment_key_file = {key_file}\n" in said
    assert "server = (not set)\n" in said
    assert KEY not in said


def test_colours_are_for_a_terminal(state: Path) -> None:
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "roadworthy_agent", "status"]
    environment = {"ROADWORTHY_AGENT_STATE_DIR": str(state), "PATH": os.environ["PATH"]}
    with os.fdopen(leader, "rb", 0) as terminal:
        subprocess.run(command, stdout=follower, env=environment, check=True)
        assert b"\x1b[1mAgent" in terminal.read(65536)
        subprocess.run(command, stdout=follower, env=environment | {"NO_COLOR": "1"}, check=True)
        assert b"\x1b" not in terminal.read(65536)
    os.close(follower)


def test_a_reader_that_goes_away_makes_no_noise(state: Path) -> None:
    command = f"{sys.executable} -m roadworthy_agent explain | true"
    environment = {"ROADWORTHY_AGENT_STATE_DIR": str(state), "PATH": os.environ["PATH"]}
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_what_has_not_run_on_a_real_machine_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    windows = DEVICES / "windows-11_dell-latitude-5490/root"
    for command in (["explain", "os"], ["once"]):
        assert main([*command, "--root", str(windows)]) == 0
        assert "os: ok (not field-verified)" in capsys.readouterr().out
        assert main([*command, "--root", str(DEVICES / "dell_optiplex-7010/root")]) == 0
        assert "os: ok (not field-verified)" not in capsys.readouterr().out


def test_what_is_allowed_reaches_the_probes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[frozenset[str]] = []

    def collect(context: Context) -> ProbeResult[None]:
        seen.append(context.allow)
        return ProbeResult("os", Status.NOT_SUPPORTED, reason="a test")

    monkeypatch.setattr(PROBES["os"], "collect", collect)
    monkeypatch.setenv("ROADWORTHY_AGENT_ALLOW", "smart")
    assert main(["explain", "os"]) == 0
    assert main(["once", "--json"]) == 0
    assert seen == [frozenset({"smart"})] * 2


def test_the_service_command_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["service", "status", "--purge"]) == 2
    assert "--purge goes with: roadworthy-agent service remove" in capsys.readouterr().err
    assert main(["service", "remove", "--server", "https://c.example.org"]) == 2
    assert "--server and --key-file go with" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "roadworthy-agent")])
    assert main(["service", "install", "--dry-run"]) == 1
    assert "no such program; install the agent with pip first" in capsys.readouterr().err


def test_check_config_reads_the_client_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("device.pem", "device.key"):
        (tmp_path / name).write_text("no PEM\n")
        (tmp_path / name).chmod(0o600)
    monkeypatch.setenv("ROADWORTHY_AGENT_SERVER", "https://c.example.org")
    monkeypatch.setenv("ROADWORTHY_AGENT_CLIENT_CERTIFICATE", str(tmp_path / "device.pem"))
    monkeypatch.setenv("ROADWORTHY_AGENT_CLIENT_KEY", str(tmp_path / "device.key"))
    assert main(["check-config"]) == 1
    assert "no certificate with its key in PEM form" in capsys.readouterr().err
