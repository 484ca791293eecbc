"""A real logind: people sign in to it, lock, idle and leave; the probes are asked what they see, and held against it."""

from __future__ import annotations

import json
import os
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from support.systemd_root import Bind, Boot, boot, own_copy, systemd_root, write_unit

import roadworthy_agent
from roadworthy_agent.probe import Context
from roadworthy_agent.probes.signin import linux as signin
from roadworthy_agent.probes.state import linux as state

pytestmark = pytest.mark.needs("nspawn", "debootstrap")

SOURCE = Path(roadworthy_agent.__file__).parents[1]
BINDS = (Bind(SOURCE, "/opt/agent"), Bind(Path(sysconfig.get_path("platlib")), "/opt/libraries"))
PEOPLE = {"jsmith": 1000, "apatel": 1001, "gdm": 121}

# What a display manager does: a program under an account, whose PAM stack registers the session with logind
SESSION = """\
[Unit]
Description=A session
After=systemd-user-sessions.service
[Service]
User={account}
PAMName={service}
Environment=XDG_SEAT=seat0 XDG_SESSION_TYPE=wayland XDG_SESSION_CLASS={kind} XDG_SESSION_DESKTOP={desktop}
ExecStart=/bin/sleep infinity
"""
PAM = "auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_systemd.so\n"
# What a desktop does: it is ready some time after its user manager
DESKTOP = """\
[Unit]
Description=Windows and such
BindsTo=graphical-session.target
Before=graphical-session.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sleep 0.4
"""

DRIVE = r"""
import json, subprocess, time
from roadworthy_agent.probe import Context
from roadworthy_agent.probes.signin import linux as signin
from roadworthy_agent.probes.state import linux as state
from roadworthy_agent.report import to_wire

LOGIN = "org.freedesktop.login1"
seen = {}

def out(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout

def until(condition):
    end = time.monotonic() + 20
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"waited in vain: {seen}\n{out('loginctl', 'list-sessions')}")
        time.sleep(0.02)

def said_of(number, *keys):
    # nothing of a session that has just ended
    asked = ("loginctl", "show-session", number, *(f"-p{key}" for key in keys))
    return subprocess.run(asked, check=False, capture_output=True, text=True).stdout

def look(name):
    result = state.collect(Context())
    sessions = [row.split()[0] for row in out("loginctl", "list-sessions", "--no-legend").splitlines()]
    keys = ("Class", "Active", "State", "IdleHint", "LockedHint", "Desktop")
    said = [said_of(each, *keys) for each in sessions]
    seen[name] = {"state": result.value.state, "why": result.value.source, "status": result.status, "logind": said}

def sessions():
    return {row.split()[2]: row.split()[0] for row in out("loginctl", "list-sessions", "--no-legend").splitlines()}

def tell(account, method, value):
    path = json.loads(out("busctl", "--json=short", "call", LOGIN, "/org/freedesktop/login1",
                          f"{LOGIN}.Manager", "GetSession", "s", sessions()[account]))["data"][0]
    out("busctl", "call", LOGIN, path, f"{LOGIN}.Session", method, "b", value)

def opens(unit, account):
    out("systemctl", "start", unit)
    until(lambda: account in sessions())

def closes(unit, account):
    out("systemctl", "stop", unit)
    until(lambda: gone(account))

def gone(account):
    # logind keeps a session that is over for a while, as long as a process of it lingers
    number = sessions().get(account)
    return number is None or said_of(number, "State") in ("", "State=closing\n")

look("nobody and no screen")
opens("greeter.service", "gdm")
look("a screen that asks for a password")
opens("desk.service", "jsmith")
look("just signed in")
until(lambda: "ActiveState=active" in out("systemctl", "show", "user@1000.service", "-pActiveState"))
OWN = ("setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "env", "XDG_RUNTIME_DIR=/run/user/1000",
       "systemctl", "--user", "show", "graphical-session.target")
until(lambda: "ActiveState=active" in out(*OWN, "-pActiveState"))
with open("/out/signin.json", "w") as file:
    json.dump({"value": to_wire(signin.collect(Context()).value)}, file)
with open("/out/recorded.json", "w") as file:
    json.dump({path: data.decode() for module in (state, signin) for path, data in module.record(Context()).items()}, file)
number = sessions()["jsmith"]
facts = {"since": out("loginctl", "show-session", number, "-pTimestampMonotonic", "--value"),
         "scope": out("systemctl", "show", f"session-{number}.scope", "-pActiveEnterTimestampMonotonic", "--value"),
         "manager": out("systemctl", "show", "user@1000.service", "-pActiveEnterTimestampMonotonic", "--value"),
         "desktop": out(*OWN, "-pActiveEnterTimestampMonotonic", "--value")}
with open("/out/unprivileged.json", "w") as file:
    file.write(out("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "python3", "/unprivileged.py"))
with open("/out/facts.json", "w") as file:
    json.dump({name: int(value) for name, value in facts.items()}, file)
tell("jsmith", "SetIdleHint", "true"); look("not touched for a while")
tell("jsmith", "SetIdleHint", "false"); look("touched again")
tell("jsmith", "SetLockedHint", "true"); look("locked")
tell("jsmith", "SetLockedHint", "false")
opens("plasma.service", "apatel"); look("a desktop that tells nothing")
closes("plasma.service", "apatel")
closes("desk.service", "jsmith"); look("signed out")
closes("greeter.service", "gdm"); look("nobody and no screen again")
with open("/out/seen.json", "w") as file:
    json.dump(seen, file)
"""
UNPRIVILEGED = r"""
import json
from roadworthy_agent.probe import Context
from roadworthy_agent.probes.signin import linux as signin
from roadworthy_agent.probes.state import linux as state
from roadworthy_agent.report import to_wire
found = signin.collect(Context())
print(json.dumps({"status": found.status, "value": to_wire(found.value), "state": state.collect(Context()).value.state,
                  "missing": [(each.field, each.status) for each in found.missing]}))
"""
SCRIPT = """\
export PYTHONPATH=/opt/agent:/opt/libraries PYTHONDONTWRITEBYTECODE=1
systemctl is-system-running --wait
python3 /drive.py > /out/drive.log 2>&1
true
"""


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Boot:
    folder = tmp_path_factory.mktemp("sessions")
    with own_copy(systemd_root(), folder / "root") as root:
        for account, number in PEOPLE.items():
            _append(root / "etc/passwd", f"{account}:x:{number}:{number}::/home/{account}:/bin/sh\n")
            _append(root / "etc/shadow", f"{account}:*:19000:0:99999:7:::\n")
            _append(root / "etc/group", f"{account}:x:{number}:\n")
            home = root / "home" / account
            home.mkdir(parents=True)
            os.chown(home, number, number)
        for unit, account, kind, desktop in (
            ("greeter", "gdm", "greeter", "gnome"),
            ("desk", "jsmith", "user", "ubuntu"),
            ("plasma", "apatel", "user", "KDE"),
        ):
            text = SESSION.format(account=account, service="gdm-password", kind=kind, desktop=desktop)
            write_unit(root, f"{unit}.service", text, wanted_by=None)
        (root / "etc/pam.d/gdm-password").write_text(PAM)
        wants = root / "etc/systemd/user/default.target.wants"
        wants.mkdir(parents=True)
        (root / "etc/systemd/user/windows.service").write_text(DESKTOP)
        (wants / "windows.service").symlink_to("/etc/systemd/user/windows.service")
        (root / "drive.py").write_text(DRIVE)
        (root / "unprivileged.py").write_text(UNPRIVILEGED)
        return boot(root, SCRIPT, folder / "out", binds=BINDS, timeout=60)


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def left(booted: Boot, name: str) -> Any:
    text = booted.files.get(name)
    assert text, f"no {name} from inside:\n{booted.files}\n{booted.log}"
    return json.loads(text)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("nobody and no screen", "unobserved"),
        ("a screen that asks for a password", "idle"),
        ("just signed in", "in_use"),
        ("not touched for a while", "idle"),
        ("touched again", "in_use"),
        ("locked", "locked"),
        ("a desktop that tells nothing", "unobserved"),
        ("signed out", "idle"),
        ("nobody and no screen again", "unobserved"),
    ],
)
def test_the_state_follows_what_people_do(booted: Boot, moment: str, expected: str) -> None:
    seen = left(booted, "seen.json")[moment]
    assert (seen["state"], seen["status"]) == (expected, "ok"), seen


def test_an_account_without_rights_sees_the_same_state(booted: Boot) -> None:
    assert left(booted, "unprivileged.json")["state"] == "in_use"


def test_the_phases_of_a_sign_in_are_systemds_own_instants(booted: Boot) -> None:
    (record,) = left(booted, "signin.json")["value"]
    facts = left(booted, "facts.json")
    released = max(facts["scope"], facts["manager"])
    assert {phase["name"]: phase["seconds"] for phase in record["phases"]} == pytest.approx(
        {
            "user_manager": (facts["manager"] - facts["since"]) / 1e6,
            "session": (released - facts["manager"]) / 1e6,
            "desktop": (facts["desktop"] - released) / 1e6,
        }
    )
    assert record["total_seconds"] == pytest.approx((facts["desktop"] - facts["since"]) / 1e6)
    assert record["total_seconds"] > 0.4  # the desktop takes as long on purpose
    assert (record["final"], record["quality"]) == (True, "measured")
    assert (record["connection"], record["roaming_profile"]) == ("none", False)


def test_without_rights_the_desktop_is_missing_and_says_so(booted: Boot) -> None:
    found = left(booted, "unprivileged.json")
    (record,) = found["value"]
    assert {phase["name"] for phase in record["phases"]} == {"user_manager", "session"}
    assert "total_seconds" not in record
    assert (record["final"], record["quality"], found["status"]) == (True, "approximate", "ok")
    assert found["missing"] == [["signins.usable_seconds", "no_permission"]]


def test_nothing_names_the_people(booted: Boot) -> None:
    texts = (booted.files["signin.json"], booted.files["unprivileged.json"], booted.files["recorded.json"])
    for word in ("jsmith", "apatel", "1000", booted.machine):
        assert not any(f'"{word}"' in text or f"/{word}" in text for text in texts), word
    assert "jsmith" not in "".join(texts)


def test_what_was_asked_can_be_recorded_and_replayed(booted: Boot, tmp_path: Path) -> None:
    for path, text in left(booted, "recorded.json").items():
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    context = Context.recorded(tmp_path)
    replayed = state.collect(context).value
    assert replayed is not None
    assert replayed.state == "in_use"
    (record,) = signin.collect(context).value or ()
    (sent,) = left(booted, "signin.json")["value"]
    assert record.total_seconds == sent["total_seconds"]
