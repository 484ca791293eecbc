"""`roadworthy relay`, as an administrator uses it: two real collectors, one of them `up` with its jobs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from collector.relay.sites import NEWEST, Agent, Site
from support import free_port, wait_until
from support.estates import make_database
from support.running import call, running
from typer.testing import CliRunner, Result

from roadworthy_collector.cli import app
from roadworthy_collector.errors import RoadworthyError


def test_up_forwards_by_itself(tmp_path: Path, main: Site) -> None:
    """Serve and jobs as they are run, a real report, and the main collector has it without a hand being moved."""
    key_file = tmp_path / "keys"
    key_file.write_text(main.key(note="Custody VLAN") + "\n")
    key_file.chmod(0o600)
    variables = {
        "ROADWORTHY_UPSTREAM_URL": main.address,
        "ROADWORTHY_UPSTREAM_ENROLMENT_KEY_FILE": str(key_file),
    }
    (tmp_path / "relay").mkdir()
    with main.serving(), running("up", folder=tmp_path / "relay", port=free_port(), **variables) as relay:
        relay.wait_ready()
        here = Site(tmp_path / "relay" / "data", port=relay.port, keeps=True)
        agent = Agent(here)
        agent.report(NEWEST, NEWEST - 1800)
        agent.close()
        wait_until(lambda: len(main.holding()["periods"]) == 2, timeout=60, what="the half-hours upstream")
        wait_until(lambda: not here.waiting(), what="the queue to be empty")
        here.engine.dispose()
    assert "fails" not in relay.said()
    assert "HTTP Request" not in relay.said()
    done = call("relay", "devices", folder=tmp_path / "relay", **variables)
    assert main.devices()[0]["device_id"] in done.stdout
    assert "rw1_" not in done.stdout


class Desk:
    """Where an administrator of one collector types, in this process: a program takes seconds to start."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.data = folder / "data"
        self.variables = {"ROADWORTHY_DATA": str(self.data), **variables}
        self._runner = CliRunner()

    def types(self, *arguments: str) -> Result:
        """Run a command that ends well or is refused in one line."""
        done = self._runner.invoke(app, ["relay", *arguments], env=self.variables)
        if done.exception is not None and not isinstance(done.exception, RoadworthyError):
            raise done.exception
        return done

    def asks(self, *arguments: str) -> Any:
        return json.loads(self.types(*arguments, "--format", "json").stdout)


def test_files_from_end_to_end(tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    near = Desk(tmp_path / "near")
    far = Desk(tmp_path / "far", ROADWORTHY_RELAY_FILE_DROP="true")
    assert "no database at" in str(near.types("keygen").exception)
    for desk in (near, far):
        make_database(desk.data / "roadworthy.db")
    near.types("keygen")
    told_near = near.types("identity").stdout.strip()
    told_far = far.types("keygen").stdout.strip()
    assert told_far.startswith("rwrelay1_")
    assert "is there already" in str(far.types("keygen").exception)
    near.types("trust", "add", "Custody", told_far, "--site", "Custody")
    far.types("trust", "add", "main", told_near)
    (listed,) = near.asks("trust", "list")
    assert (listed["name"], listed["site"], listed["every_days"]) == ("Custody", "Custody", 7)

    relay = Site(far.data, options={"relay_file_drop": True}, keeps=True)
    agent = Agent(relay, local=True)
    relay.accept(agent, *(agent.body(facts={"hostname": f"pc-{n}"}) for n in range(3)))
    relay.engine.dispose()
    (written,) = far.asks("export", "--to", str(stick))
    assert written["reports"] == 3
    path = Path(written["file"])
    damaged = stick / "damaged.rwdrop"
    damaged.write_bytes(path.read_bytes()[:-1] + b"!")

    done = near.types("import", str(path), str(damaged), "--ack-to", str(stick), "--format", "json")
    assert "its signature does not hold" in done.stderr
    assert str(done.exception) == "1 of 2 files were refused; see above"
    (result,) = json.loads(done.stdout)
    assert (result["reports"], result["devices_new"], result["rejected"]) == (3, 1, {})
    main = Site(near.data, keeps=True)
    (device,) = main.devices()
    assert (device["hostname"], device["relayed_by"]) == ("pc-2", told_far.split("_")[1])
    main.engine.dispose()

    (ack,) = stick.glob("*.rwack")
    assert far.asks("ack", str(ack)) == [{"sequence": 1, "reports": 3}]
    found = far.asks("status")
    assert (found["mode"], found["reports_waiting"], found["files_unacknowledged"]) == ("files", 0, 0)
    assert "files_unacknowledged" in far.types("status").stdout
    assert "name one device" in str(far.types("resume").exception)
    assert "no such device" in str(far.types("resume", "rwd_0").exception)
    near.types("trust", "remove", "Custody")
    assert near.asks("trust", "list") == []


@pytest.mark.parametrize(
    "command", ["status", "devices", "resume", "keygen", "export", "import", "ack", "trust"]
)
def test_every_command_has_an_example(tmp_path: Path, command: str) -> None:
    commands = [command, "add"] if command == "trust" else [command]
    assert "Example: roadworthy relay" in Desk(tmp_path).types(*commands, "--help").stdout
