"""A real systemd is booted, measured by the probe from inside, and held against systemd-analyze of the same boot."""

from __future__ import annotations

import json
import sysconfig
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from support.systemd_analyze import blame, finished_line
from support.systemd_root import Bind, Boot, boot, own_copy, systemd_root, write_unit

import roadworthy_agent
from roadworthy_agent.probe import Context
from roadworthy_agent.probes import PROBES
from roadworthy_agent.probes.startup.names import worth_asking

pytestmark = pytest.mark.needs("nspawn", "debootstrap", "systemd-analyze")

SOURCE = Path(roadworthy_agent.__file__).parents[1]
BINDS = (
    Bind(SOURCE, "/opt/agent"),
    Bind(Path(sysconfig.get_path("platlib")), "/opt/libraries"),
    Bind(Path(__file__).parents[2] / "devices", "/opt/devices"),
)
PRINTED = 0.001  # systemd-analyze prints whole milliseconds

MEASURE = """\
export PYTHONPATH=/opt/agent:/opt/libraries PYTHONDONTWRITEBYTECODE=1
PROBE='
import json, sys
sys.path.insert(0, "/opt/devices")
from replay import shown
from roadworthy_agent.probe import Context, run
from roadworthy_agent.probes import PROBES
from roadworthy_agent.probes.startup import linux
print(json.dumps({name: shown(run(probe, Context())) for name, probe in PROBES.items()}))
for place in sys.argv[1:]:
    with open(place, "w") as file:
        json.dump({path: data.decode() for path, data in linux.record(Context()).items()}, file)
'
"""
FINISHED = MEASURE + """\
systemctl is-system-running --wait
python3 -c "$PROBE" /out/recorded.json > /out/probes.json
python3 -c 'from roadworthy_agent.cli import main; raise SystemExit(main(["once", "--json"]))' > /out/once.json
systemd-analyze time > /out/time
systemctl show systemd-user-sessions.service -p ActiveEnterTimestampMonotonic --value > /out/sessions_permitted
systemctl show -p UserspaceTimestampMonotonic --value > /out/userspace
python3 -c 'import json; from pathlib import Path; from roadworthy_agent.probes.startup import history
print(json.dumps([[event.what, event.at] for event in history.read(Path("/"))]))' > /out/history.json
last -x -f /var/log/wtmp --time-format iso reboot > /out/last
systemd-analyze blame > /out/blame
cat /proc/sys/kernel/random/boot_id > /out/boot_id
cat /proc/uptime > /out/uptime
# once more as an account without any rights
setpriv --reuid=65534 --regid=65534 --clear-groups python3 -c "$PROBE" > /out/unprivileged.json 2> /out/unprivileged.err
true
"""  # fmt: skip
HANGING = MEASURE + """\
until systemctl list-jobs | grep -q 'roadworthy-hang.service.*running'; do sleep 0.05; done
python3 -c "$PROBE" > /out/probes.json
systemctl list-jobs > /out/jobs
"""  # fmt: skip

SLOW = """\
[Unit]
Description=Sleeps on purpose
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sleep 1.5
"""
# Stopped while D-Bus still answers, like an agent whose unit says After=dbus.service
ENDS = """\
[Unit]
Description=Asks how it ends
After=dbus.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
Environment=PYTHONPATH=/opt/agent:/opt/libraries PYTHONDONTWRITEBYTECODE=1
ExecStop=/usr/bin/python3 -c "from roadworthy_agent.probes.startup.linux import ending; print(ending())"
StandardOutput=file:/out/ending
"""
# A job that never ends, and that nothing else waits for but the start-up itself
HANG = """\
[Unit]
Description=Never gets there
[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/bin/sleep infinity
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Boot:
    folder = tmp_path_factory.mktemp("finished")
    with own_copy(systemd_root(), folder / "root") as root:
        write_unit(root, "roadworthy-slow.service", SLOW)
        write_unit(root, "sync-jsmith.service", SLOW.replace("1.5", "0.2"))
        write_unit(root, "ends.service", ENDS)
        with (root / "etc/passwd").open("a", encoding="utf-8") as accounts:
            accounts.write("jsmith:x:1000:1000::/home/jsmith:/bin/sh\n")
        return boot(root, FINISHED, folder / "out", binds=BINDS)


@pytest.fixture(scope="module")
def hanging(tmp_path_factory: pytest.TempPathFactory) -> Boot:
    folder = tmp_path_factory.mktemp("hanging")
    with own_copy(systemd_root(), folder / "root") as root:
        write_unit(root, "roadworthy-hang.service", HANG)
        return boot(root, HANGING, folder / "out", binds=BINDS, after="basic.target")


def answers(booted: Boot) -> dict[str, Any]:
    text = booted.files.get("probes.json")
    assert text, f"no answer from inside:\n{booted.files}\n{booted.log}"
    found: dict[str, Any] = json.loads(text)
    return found


def startup(booted: Boot) -> dict[str, Any]:
    result = answers(booted)["startup"]
    assert result["status"] == "ok", result
    (record,) = result["value"]
    found: dict[str, Any] = record
    return found


def test_the_phases_are_those_of_systemd_analyze(finished: Boot) -> None:
    record = startup(finished)
    printed = finished_line(finished.files["time"])
    assert set(printed) == {"userspace"}
    assert {phase["name"]: phase["seconds"] for phase in record["phases"]} == pytest.approx(
        printed, abs=PRINTED
    )
    assert record["total_seconds"] == pytest.approx(printed["userspace"], abs=PRINTED)


def test_it_says_that_it_is_a_container_and_which(finished: Boot) -> None:
    record = startup(finished)
    assert (record["kind"], record["environment"], record["quality"]) == (
        "container",
        "container",
        "measured",
    )
    facts = answers(finished)["hardware"]["value"]["facts"]
    assert (facts["environment"], facts["environment_detail"]) == ("container", "systemd-nspawn")
    assert answers(finished)["storage"]["status"] == "container"


def test_the_deliberately_slow_unit_is_the_slowest(finished: Boot) -> None:
    slowest = startup(finished)["factors"][0]
    assert (slowest["kind"], slowest["name"]) == ("service", "roadworthy-slow.service")
    assert 1.5 <= slowest["seconds"] < startup(finished)["total_seconds"]
    assert next(iter(blame(finished.files["blame"]))) == "roadworthy-slow.service"


def test_every_factor_takes_as_long_as_systemd_analyze_says(finished: Boot) -> None:
    printed = blame(finished.files["blame"])
    shown = {factor["name"]: factor["seconds"] for factor in startup(finished)["factors"]}
    same = shown.keys() & printed.keys()
    assert len(same) > 5
    assert {name: shown[name] for name in same} == pytest.approx(
        {name: printed[name] for name in same}, abs=PRINTED
    )
    # and none that systemd-analyze finds slow is kept back
    slow = {name for name, seconds in printed.items() if seconds >= 0.1 and worth_asking(name)}
    assert slow - shown.keys() <= {"sync-jsmith.service"}
    assert shown["sync-*.service"] == pytest.approx(printed["sync-jsmith.service"], abs=PRINTED)


def test_nothing_in_it_names_the_person_or_the_machine(finished: Boot) -> None:
    text = json.dumps(answers(finished)["startup"])
    assert "jsmith" not in text
    assert finished.machine not in text  # nspawn makes it the host name


def test_the_record_is_placed_on_the_boot_clock(finished: Boot) -> None:
    record = startup(finished)
    now = float(finished.files["uptime"].split()[0])
    assert now - 60 < record["began_boottime_seconds"] < now
    assert record["boot_id"] == finished.files["boot_id"].strip()
    assert record["final"] is True
    assert 0 < record["usable_seconds"] <= record["total_seconds"]


def test_it_is_usable_when_people_are_let_in(finished: Boot) -> None:
    permitted, userspace = int(finished.files["sessions_permitted"]), int(finished.files["userspace"])
    assert startup(finished)["usable_seconds"] == pytest.approx((permitted - userspace) / 1e6, abs=1e-6)


def test_nobody_can_sit_down_at_a_container(finished: Boot) -> None:
    assert "attended" not in startup(finished)


def test_the_boots_in_wtmp_are_those_that_last_prints(finished: Boot) -> None:
    found = json.loads(finished.files["history.json"])
    printed = [line.split()[4] for line in finished.files["last"].splitlines() if line.startswith("reboot")]
    assert len(printed) == 1
    assert [what for what, _at in found] == ["boot"]
    assert found[0][1] == datetime.fromisoformat(printed[0]).timestamp()


def test_it_says_how_the_boot_ends_while_it_does(finished: Boot) -> None:
    assert finished.files["ending"].split() == ["poweroff"]


def test_the_report_of_the_whole_agent_carries_it(finished: Boot) -> None:
    (sent,) = json.loads(finished.files["once.json"])["startups"]
    record = startup(finished)
    assert sent["start_id"] == record["start_id"]
    assert sent["total_seconds"] == record["total_seconds"]
    assert sent["phases"] == record["phases"]


def test_an_account_without_rights_reads_the_same_start_up(finished: Boot) -> None:
    assert finished.files["unprivileged.err"] == ""
    (record,) = json.loads(finished.files["unprivileged.json"])["startup"]["value"]
    assert record["phases"] == startup(finished)["phases"]
    assert record["factors"] == startup(finished)["factors"]


def test_what_was_asked_can_be_recorded_and_replayed(finished: Boot, tmp_path: Path) -> None:
    recorded = json.loads(finished.files["recorded.json"])
    assert set(recorded) == {"roadworthy/systemd.json", "roadworthy/startup.json"}
    assert "jsmith" not in finished.files["recorded.json"]
    for path, text in (
        recorded.items()
        | {
            "run/systemd/container": "systemd-nspawn\n",
            "proc/sys/kernel/random/boot_id": finished.files["boot_id"],
            "proc/uptime": finished.files["uptime"],
        }.items()
    ):
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    (replayed,) = PROBES["startup"].collect(Context.recorded(tmp_path)).value
    record = startup(finished)
    assert replayed.total_seconds == record["total_seconds"]
    assert [factor.name for factor in replayed.factors] == [factor["name"] for factor in record["factors"]]


def test_a_job_that_hangs_leaves_the_start_up_open_and_is_named(hanging: Boot) -> None:
    record = startup(hanging)
    assert "roadworthy-hang.service" in hanging.files["jobs"]
    assert (record["quality"], record["final"]) == ("unfinished", False)
    assert "start job still runs" in record["reason"]
    assert "roadworthy-hang.service" in [factor["name"] for factor in record["factors"]]
