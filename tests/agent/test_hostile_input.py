"""Files, firmware, host names and answers that hold anything: a probe says so, nothing reaches the terminal raw."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import pytest
from agent.devices import TEN, Answer, Device, ScriptedCollector, refusal, static_probe
from devices.replay import DEVICES

from roadworthy_agent.cli import main
from roadworthy_agent.delivery import Kind
from roadworthy_agent.observe import Observations
from roadworthy_agent.probe import Context, ProbeResult, Status, run
from roadworthy_agent.report import TEXT_LENGTH, to_wire
from roadworthy_agent.schedule import Calls
from roadworthy_agent.send import Collector, parse_accepted

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/wire/report-v1.schema.json").read_text("utf-8"))
CONTRACT = jsonschema.Draft202012Validator(
    SCHEMA
)  # made once: `jsonschema.validate` looks at the schema each time
ESCAPES = "\x1b]0;title\x07\x1b[31mred\x9b31m\u202eback\u2028line\nline"
CONTENTS = {
    "escape sequences": ESCAPES.encode(),
    "no UTF-8": b"\xff\xfe\x80\x9b",
    "a megabyte": b"A" * (1 << 20),
    "an os-release with escapes": f'NAME="{ESCAPES[:8]}"\nVERSION_ID="{"9" * 100_000}"\n'.encode(),
    "five thousand digits": b"9" * 5000,
    "thirty digits": b"9" * 30,
    "a negative number": b"-1",
    "no number": b"nan",
    "deeply nested": b"[" * 100_000,
    "NULs": bytes(64),
    "nothing": b"",
}
FILES = (
    "etc/os-release", "etc/hostname", "proc/uptime", "proc/stat", "proc/meminfo", "proc/cpuinfo",
    "roadworthy/systemd.json", "roadworthy/links", "sys/block/sda/size", "sys/block/sda/device/model",
    "sys/block/sda/queue/rotational", "sys/class/dmi/id/product_name", "sys/class/dmi/id/chassis_type",
    "sys/class/dmi/id/bios_date", "proc/sys/kernel/random/boot_id", "proc/self/mountinfo",
)  # fmt: skip


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep every command away from this machine's own agent."""
    monkeypatch.setenv("ROADWORTHY_AGENT_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a copy of a recorded device that may be spoilt."""
    root = tmp_path_factory.mktemp("recorded") / "root"
    shutil.copytree(DEVICES / "asrock_770-extreme3/root", root, symlinks=True)
    return root


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_whatever_a_file_holds_the_report_keeps_to_the_contract(
    recorded: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in FILES:
        file = recorded / name
        before = file.read_bytes() if file.exists() else None
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        assert main(["once", "--json", "--root", str(recorded)]) == 0, name
        said = capsys.readouterr().out
        assert said.isascii(), name
        CONTRACT.validate(json.loads(said))
        for command in ("once", "explain"):
            assert main([command, "--root", str(recorded)]) == 0, name
            assert capsys.readouterr().out.replace("\n", "").isprintable(), name
        if before is None:
            file.unlink()
        else:
            file.write_bytes(before)


def test_texts_are_cut_and_cleaned_where_they_leave_the_device() -> None:
    sent = to_wire({"name": ESCAPES, "long": "x" * 5000, "half": "\udc9b\ud800"})
    assert all(value.isprintable() for value in sent.values())
    assert "red" in sent["name"]
    assert len(sent["long"]) == TEXT_LENGTH
    assert sent["half"].encode() == "\ufffd\ufffd".encode()


def test_a_host_name_of_any_bytes_can_be_sent(
    monkeypatch: pytest.MonkeyPatch, collector: ScriptedCollector
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "desk-\udcff\x1b[2J")
    name = Observations(Context(), {}).facts().hostname
    assert name == "desk-\ufffd\ufffd[2J"
    line = Collector(collector.url)
    line.enrol({"hostname": name})
    line.close()
    assert collector.asked[0].body == {"hostname": name}


@pytest.mark.parametrize("fault", [ValueError("secret-text"), KeyError("secret-text"), ZeroDivisionError()])
def test_a_probe_that_does_not_understand_says_so_and_quotes_nothing(fault: Exception) -> None:
    def collect(_context: Context) -> ProbeResult[None]:
        raise fault

    probe = static_probe("os", ProbeResult("os", Status.OK))
    probe.collect = collect
    result = run(probe, Context())
    assert (result.status, result.value) == (Status.ERROR, None)
    assert result.reason is not None
    assert result.reason.startswith(f"the probe did not understand what it read ({type(fault).__name__} at ")
    assert "secret-text" not in result.reason


def test_an_output_of_an_old_encoding_takes_every_text(recorded: Path, state: Path) -> None:
    name = recorded / "etc/hostname"
    name.write_text("büro-日本\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "roadworthy_agent", "once", "--root", str(recorded)],
        env={"PYTHONIOENCODING": "latin-1", "ROADWORTHY_AGENT_STATE_DIR": str(state)},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr.decode()) == (0, False)
    assert "büro-??".encode("latin-1") in done.stdout


# A collector, or what answers in its place, that means ill


@pytest.fixture
def elsewhere() -> Iterator[ScriptedCollector]:
    """Give a second collector, to which nothing may ever go."""
    made = ScriptedCollector()
    yield made
    made.close()


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308, 201, 200])
def test_no_answer_sends_the_agent_elsewhere(
    sending: Device, collector: ScriptedCollector, elsewhere: ScriptedCollector, status: int
) -> None:
    headers = {"Location": f"{elsewhere.url}/api/v1/reports", "Refresh": f"0; url={elsewhere.url}"}
    collector.decide = lambda _asked: Answer(status, {"server": elsewhere.url}, headers)
    outcome = sending.delivery.call()
    assert outcome.kind is Kind.FAILED
    assert elsewhere.asked == []
    identity = sending.state.identity()
    assert identity is not None
    assert identity.server == collector.url


def test_an_accepted_report_or_an_enrolment_cannot_name_another_server(
    make_device: Callable[..., Device],
    collector: ScriptedCollector,
    elsewhere: ScriptedCollector,
    key_file: Path,
) -> None:
    more = {
        "server": elsewhere.url,
        "redirect": elsewhere.url,
        "ca_file": "/etc/passwd",
        "proxy": elsewhere.url,
    }
    collector.decide = lambda asked: Answer(
        200,
        collector.usual(asked).body | more,
        {"Location": elsewhere.url, "Alt-Svc": f'h2="{elsewhere.url}"'},
    )
    made = make_device(server=collector.url, key_file=key_file)
    collector.now = lambda: made.clock.true
    made.observations.look(made.probes)
    for _ in range(3):
        assert made.delivery.call().kind is Kind.ANSWERED
        made.measure(1800)
    identity = made.state.identity()
    assert identity is not None
    assert identity.server == collector.url
    assert elsewhere.asked == []
    assert {asked.path for asked in collector.asked} == {"/api/v1/enrol", "/api/v1/reports"}


@pytest.mark.parametrize("next_call", [0, -1, 1e-9, 1, 59, 86_401, 1e18, 10**30])
def test_no_next_call_silences_the_agent_or_makes_it_call_without_end(
    sending: Device, collector: ScriptedCollector, next_call: float
) -> None:
    collector.decide = lambda _asked: collector.took(0, next_call=next_call)
    outcome = sending.delivery.call()
    assert outcome.kind is Kind.ANSWERED
    calls = Calls(0.0, "0" * 16)
    calls.answered(0.0, float(TEN), outcome.next_call_seconds)
    assert 60 * 0.9 <= calls.due_at() <= 86_400 * 1.1  # a tenth of jitter


@pytest.mark.parametrize("wait", ["0", "-5", "1e9", "999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_no_retry_after_silences_the_agent(sending: Device, collector: ScriptedCollector, wait: str) -> None:
    collector.decide = lambda _asked: refusal(503, "busy", Retry_After=wait)
    outcome = sending.delivery.call()
    assert outcome.kind is Kind.FAILED
    calls = Calls(0.0, "0" * 16)
    calls.failed(0.0, outcome.retry_after_seconds)
    assert calls.due_at() <= 86_400 + 3600


def test_a_collector_can_ask_for_less_detail_and_for_nothing_else() -> None:
    """An answer carries a time, an interval, refusals and a token; of the rest no word is acted upon."""
    answer = {
        "rejected": [],
        "server_time": float(TEN),
        "next_call": 900,
        "run": "rm",
        "settings": {"allow": ["ipmi"]},
    }
    taken = parse_accepted(answer)
    assert {"rejected", "server_time", "next_call_seconds", "token"} <= set(taken.__dataclass_fields__)
    assert set(taken.__dataclass_fields__) <= {
        "rejected", "server_time", "next_call_seconds", "token", "collection_policy", "device_id",
        "resend_facts",
    }  # fmt: skip
