"""What installing and removing would do on each system; the real systemd is in tests/deploy/test_units_run.py."""

from __future__ import annotations

import contextlib
import ctypes
import os
import plistlib
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from agent.devices import KEY

from roadworthy_agent.errors import ProbeError, ServiceError, SettingsError
from roadworthy_agent.macos import launchd
from roadworthy_agent.service import macos, manager, scm, systemd, windows, windows_run
from roadworthy_agent.service.command import checked_server
from roadworthy_agent.service.options import Options, program_of
from roadworthy_agent.service.steps import Done, Remove, Run, Write, perform, run_program
from roadworthy_agent.wake import Waker

REPOSITORY = Path(__file__).parents[3]
PROGRAM = Path("/opt/roadworthy/bin/roadworthy-agent")
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root may install; the plan needs its right")


class Remembered:
    """Answers every program, and remembers what was run."""

    def __init__(self, **answers: str) -> None:
        self.ran: list[tuple[str, ...]] = []
        self._answers = answers

    def __call__(self, arguments: Sequence[str]) -> Done:
        self.ran.append(tuple(arguments))
        return Done(0, self._answers.get(Path(arguments[0]).name, ""))


def options(root: Path, **more: object) -> Options:
    (root / "run/systemd/system").mkdir(parents=True, exist_ok=True)
    return Options(PROGRAM, root=root, run=Remembered(), **more)  # type: ignore[arg-type]  # a test's own keywords


def done(steps: Sequence[object]) -> list[str]:
    said: list[str] = []
    perform(steps, said.append, dry_run=False)  # type: ignore[arg-type]  # any module's steps
    return said


@ROOT_ONLY
def test_systemd_gets_unit_helper_settings_and_key_and_the_second_time_nothing(tmp_path: Path) -> None:
    asked = options(tmp_path, server="https://roadworthy.example.org", key=KEY)
    said = done(systemd.install_steps(asked))
    unit = (tmp_path / "etc/systemd/system/roadworthy-agent.service").read_text()
    assert unit == (REPOSITORY / "deploy/systemd/roadworthy-agent.service").read_text()
    key = tmp_path / "etc/roadworthy/agent-secrets/enrolment.key"
    assert key.read_text().strip() == KEY
    assert [stat.S_IMODE(path.stat().st_mode) for path in (key, key.parent)] == [0o600, 0o700]
    assert not any(KEY in line for line in said)
    helper = tmp_path / "opt/roadworthy/lib/roadworthy-agent-open"
    assert stat.S_IMODE(helper.stat().st_mode) == 0o755
    assert (
        tmp_path / "etc/roadworthy/agent.toml"
    ).read_text() == 'server = "https://roadworthy.example.org"\n'
    assert said[-1] == "run systemctl restart roadworthy-agent.service"
    again = done(systemd.install_steps(asked))
    assert [line for line in again if "nothing to do" not in line] == [
        "run systemctl daemon-reload",
        "run systemctl enable --quiet roadworthy-agent.service roadworthy-agent-log.service",
        "run systemctl start roadworthy-agent.service",
    ]


@ROOT_ONLY
def test_the_unit_that_runs_after_each_waking_runs_the_same_helper(tmp_path: Path) -> None:
    asked = replace(options(tmp_path), program=Path("/usr/local/rw/bin/roadworthy-agent"))
    done(systemd.install_steps(asked))
    unit = tmp_path / "etc/systemd/system/roadworthy-agent-log.service"
    assert "ExecStart=/usr/local/rw/lib/roadworthy-agent-open --wake\n" in unit.read_text()
    said = done(systemd.remove_steps(asked))
    assert "run systemctl disable --quiet roadworthy-agent-log.service" in said
    assert not unit.exists()
    assert not any(
        "agent-log" in line and line.startswith("run ") for line in done(systemd.remove_steps(asked))
    )


def test_a_dry_run_changes_nothing_and_needs_no_right(tmp_path: Path) -> None:
    asked = options(tmp_path, dry_run=True)
    before = sorted(tmp_path.rglob("*"))
    said: list[str] = []
    perform(systemd.install_steps(asked), said.append, dry_run=True)
    perform(systemd.remove_steps(replace(asked, purge=True)), said.append, dry_run=True)
    assert sorted(tmp_path.rglob("*")) == before
    assert all(line.startswith("would ") for line in said)
    assert asked.run.ran == []  # type: ignore[attr-defined]  # this test's own runner


@ROOT_ONLY
def test_what_the_settings_allow_is_opened_and_closed_again(tmp_path: Path) -> None:
    asked = options(tmp_path, allow=("ipmi", "smart"))
    said = done(systemd.install_steps(asked))
    units = tmp_path / "etc/systemd/system"
    assert "DeviceAllow=/dev/ipmi0 rw" in (units / "roadworthy-agent.service.d/10-allow.conf").read_text()
    assert "ExecStart=/opt/roadworthy/bin/python -m" in (units / "roadworthy-agent-smart.service").read_text()
    assert "run systemctl enable --now --quiet roadworthy-agent-smart.timer" in said
    done(systemd.install_steps(replace(asked, allow=())))
    assert not (units / "roadworthy-agent.service.d/10-allow.conf").exists()
    assert not (units / "roadworthy-agent-smart.timer").exists()


@ROOT_ONLY
def test_removing_leaves_state_and_settings_and_purging_nothing(tmp_path: Path) -> None:
    asked = options(tmp_path, server="https://roadworthy.example.org", key=KEY, allow=("ipmi", "smart"))
    done(systemd.install_steps(asked))
    state = tmp_path / "var/lib/private/roadworthy-agent"
    state.mkdir(parents=True)
    (tmp_path / "etc/roadworthy/collector.toml").write_text("")
    done(systemd.remove_steps(asked))
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*agent*")}
    assert left == {
        "etc/roadworthy/agent.toml", "etc/roadworthy/agent-secrets", "var/lib/private/roadworthy-agent",
    }  # fmt: skip
    done(systemd.remove_steps(replace(asked, purge=True)))
    assert not list(tmp_path.rglob("*agent*"))
    assert (tmp_path / "etc/roadworthy/collector.toml").exists()
    done(systemd.remove_steps(replace(asked, purge=True)))


@ROOT_ONLY
@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("/home/jo/venv/bin/roadworthy-agent", "the service sees no home and no /tmp"),
        ("/tmp/venv/bin/roadworthy-agent", "the service sees no home and no /tmp"),  # noqa: S108 - to be refused
        ("/opt/road worthy/bin/roadworthy-agent", "a unit cannot name such a path"),
        ("/opt/%n/bin/roadworthy-agent", "a unit cannot name such a path"),
    ],
)
def test_a_program_the_unit_cannot_start_is_refused(tmp_path: Path, program: str, said: str) -> None:
    with pytest.raises(ServiceError, match=said):
        systemd.install_steps(replace(options(tmp_path), program=Path(program)))


@ROOT_ONLY
def test_a_root_step_where_others_may_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "opt/roadworthy/lib").mkdir(parents=True)
    (tmp_path / "opt/roadworthy").chmod(0o777)
    with pytest.raises(ServiceError, match=r"others than root may write here.*chmod go-w"):
        systemd.install_steps(options(tmp_path))


@ROOT_ONLY
@pytest.mark.parametrize("last", ["tree", "link"])
def test_a_root_step_that_a_link_leads_to_another_s_folder_is_refused(tmp_path: Path, last: str) -> None:
    """Whoever owns a folder on the way can put another program behind the link later."""
    tree = tmp_path / "srv/jo/tree"
    (tree / "bin").mkdir(parents=True)
    (tmp_path / "srv/jo/link").symlink_to("tree")
    os.chown(tmp_path / "srv/jo", 1000, 1000)
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt/roadworthy").symlink_to(tmp_path / "srv/jo" / last)
    with pytest.raises(ServiceError, match=r"srv/jo: others than root may write here"):
        systemd.install_steps(options(tmp_path))


@ROOT_ONLY
def test_a_program_or_python_others_may_write_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "opt/roadworthy/bin"
    folder.mkdir(parents=True)
    (folder / "roadworthy-agent").touch()
    (folder / "python3").touch()
    (folder / "python").symlink_to("python3")
    asked = options(tmp_path, allow=("smart",))
    systemd.install_steps(asked)
    for name in ("roadworthy-agent", "python3"):
        os.chown(folder / name, 1000, 1000)
        with pytest.raises(ServiceError, match=rf"bin/{name[:6]}.*: others than root may write here"):
            systemd.install_steps(asked)
        os.chown(folder / name, 0, 0)


@pytest.mark.parametrize("address", ['https://h/a"b', "https://h/a\\b", "https://h/\n[x]", "https://h/\x7f"])
def test_an_address_that_would_be_other_settings_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="no address holds line ends, quotes or backslashes"):
        checked_server(address)


@ROOT_ONLY
def test_settings_that_are_there_stay_and_must_agree_and_be_right(tmp_path: Path) -> None:
    path = tmp_path / "etc/roadworthy/agent.toml"
    path.parent.mkdir(parents=True)
    path.write_text('server = "https://one.example.org"\n')
    systemd.install_steps(options(tmp_path))
    with pytest.raises(ServiceError, match=r"names https://one\.example\.org, not https://two"):
        systemd.install_steps(options(tmp_path, server="https://two.example.org"))
    path.write_text("servr = 1\n")
    with pytest.raises(SettingsError, match="unknown setting 'servr'"):
        systemd.install_steps(options(tmp_path))
    with pytest.raises(SettingsError, match="plain http"):
        checked_server("http://roadworthy.example.org")


def test_a_system_without_systemd_is_told(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="does not run systemd"):
        systemd.install_steps(Options(PROGRAM, root=tmp_path))
    with pytest.raises(ServiceError, match="nobody has written"):
        manager("freebsd14")


def test_a_program_that_fails_or_is_not_there_is_told() -> None:
    with pytest.raises(ServiceError, match=r"^false ended with 1: it said nothing$"):
        Run(("false",), run_program).do()
    with pytest.raises(ServiceError, match="no-such-program is not there"):
        Run(("no-such-program",), run_program).do()
    assert Run(("false",), run_program, may_fail=True).do() is False


def test_a_step_that_cannot_be_done_names_the_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ServiceError, match=r"file/below: (Not a directory|File exists)"):
        Write(tmp_path / "file/below", b"").do()
    assert Remove(tmp_path / "nothing").do() is False


def test_the_program_is_the_one_that_was_called(tmp_path: Path) -> None:
    called = tmp_path / "roadworthy-agent"
    called.write_text("")
    assert program_of(str(called)) == called
    (tmp_path / "python").write_text("")
    assert program_of(str(tmp_path / "__main__.py"), str(tmp_path / "python")) == called
    called.unlink()
    with pytest.raises(ServiceError, match="install the agent with pip first"):
        program_of(str(called))


def test_deploy_shows_what_the_agent_carries() -> None:
    carried = {path.name for path in systemd.DATA.iterdir()}
    assert carried == {
        "roadworthy-agent.service", "roadworthy-agent-open", "roadworthy-agent-log.service",
        "roadworthy-agent-smart.service", "roadworthy-agent-smart.timer",
    }  # fmt: skip
    for name in carried:
        shown = REPOSITORY / "deploy/systemd" / name
        assert shown.is_symlink(), "one source: deploy/systemd links to the agent's data"
        assert shown.read_bytes() == (systemd.DATA / name).read_bytes()


# macOS


def mac_options(root: Path, **more: object) -> Options:
    answers = Remembered(dscl="_www 70\n_roadworthy 321\n", launchctl="\tstate = running\n\tpid = 77\n")
    return Options(PROGRAM, root=root, run=answers, **more)  # type: ignore[arg-type]  # a test's own keywords


@ROOT_ONLY
def test_macos_gets_both_jobs_after_settings_and_key(tmp_path: Path) -> None:
    asked = mac_options(tmp_path, server="https://roadworthy.example.org", key=KEY)
    steps = macos.install_steps(asked)
    words = [step.words() for step in steps]
    first_bootstrap = next(at for at, text in enumerate(words) if "bootstrap" in text)
    assert all("agent.toml" not in text and "enrolment.key" not in text for text in words[first_bootstrap:])
    written = [step for step in steps if isinstance(step, Write)]
    done(written)
    program = asked.at(str(launchd.DAEMONS / f"{launchd.AGENT_LABEL}.plist"))
    assert plistlib.loads(program.read_bytes())["ProgramArguments"] == [
        str(PROGRAM), "--config", str(macos.SETTINGS_FILE), "run",
    ]  # fmt: skip
    settings = asked.at(str(macos.SETTINGS_FILE)).read_text()
    assert f'enrolment_key_file = "{macos.KEY_FILE}"' in settings
    found = macos.status(asked)
    assert (found["installed"], found["running"], found["pid"]) == (True, True, 77)
    assert macos.status(mac_options(tmp_path / "other"))["installed"] is False


@ROOT_ONLY
def test_macos_is_left_as_it_was(tmp_path: Path) -> None:
    asked = mac_options(tmp_path, purge=True)
    done([step for step in macos.install_steps(asked) if isinstance(step, Write)])
    said = done(macos.remove_steps(asked))
    assert not list(tmp_path.rglob("*roadworthy*"))
    assert f"run {launchd.DSCL} . -delete /Users/{launchd.ACCOUNT}" in said
    with pytest.raises(ServiceError, match="where only administrators may write"):
        macos.install_steps(replace(asked, program=Path("/Users/jo/bin/roadworthy-agent")))


# Windows


def test_windows_service_identifier_is_made_as_windows_makes_it() -> None:
    """TrustedInstaller's is documented and in every access list of Windows' own files."""
    assert scm.service_sid("TrustedInstaller") == (
        "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
    )


def test_windows_structures_are_as_winsvc_h_says() -> None:
    assert ctypes.sizeof(scm.ServiceStatus) == 28
    running = scm.status_of(scm.RUNNING)
    assert bytes(running) == b"".join(value.to_bytes(4, "little") for value in (0x10, 4, 5, 0, 0, 0, 0))
    assert scm.status_of(scm.STOP_PENDING, 10_000).accepted == 0
    assert ctypes.sizeof(scm.Action) == 8
    actions = scm.restarts((30_000, 60_000), 86_400)
    assert (actions.reset_seconds, actions.count) == (86_400, 2)
    assert [(actions.actions[at].type, actions.actions[at].delay) for at in (0, 1)] == [
        (1, 30_000),
        (1, 60_000),
    ]
    assert ctypes.sizeof(scm.FailureActions) == 40


def test_windows_command_line_and_access_list() -> None:
    line = windows.command_line(r"C:\Program Files\Python311\python.exe", r"C:\x y\windows_entry.py")
    assert line == r'"C:\Program Files\Python311\python.exe" -I "C:\x y\windows_entry.py" run --service'
    with pytest.raises(ServiceError, match="quotation mark"):
        windows.command_line('a"b', "c")
    access = windows.descriptor("S-1-5-80-1", "FA")
    assert access == "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;S-1-5-80-1)"


def test_windows_plan_protects_folders_before_it_writes_a_key(tmp_path: Path) -> None:
    steps = windows.install_steps(Options(PROGRAM, server="https://c.example.org", key=KEY, root=tmp_path))
    words = [step.words() for step in steps]
    assert "let only administrators change" in words[1]
    assert "close" in words[3]
    assert "enrolment.key" in words[5]
    assert words[-2:] == [
        r"register the service roadworthy-agent as NT AUTHORITY\LocalService",
        "start the service roadworthy-agent",
    ]
    purged = [step.words() for step in windows.remove_steps(Options(PROGRAM, root=tmp_path, purge=True))]
    assert purged[0] == "stop and remove the service roadworthy-agent"
    with pytest.raises(ServiceError, match="exists only on Windows"):
        steps[-1].do()
    with pytest.raises(ServiceError, match="exists only on Windows"):
        windows.status(Options(PROGRAM, root=tmp_path))


def test_a_stop_of_the_service_manager_ends_the_agent_at_once() -> None:
    told: list[int] = []
    hosted = windows_run.Hosted(lambda status: told.append(status.state))
    service = threading.Thread(target=hosted.main)
    with Waker() as waker:
        service.start()
        assert hosted.running.wait(30)
        threading.Thread(target=hosted.control, args=(scm.CONTROL_STOP,)).start()
        while not waker.stopping:
            waker.wait(30)
    hosted.ended.set()
    service.join(30)
    assert told == [scm.START_PENDING, scm.RUNNING, scm.STOP_PENDING, scm.STOPPED]
    assert hosted.control(scm.CONTROL_INTERROGATE) == 0
    assert hosted.control(13) == windows_run.CALL_NOT_IMPLEMENTED  # power events: never asked for
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize(
    "python", [r"C:\Users\jo\AppData\Local\Programs\Python\python.exe", r"d:\users\jo\python.exe"]
)
def test_a_python_of_one_person_is_refused(python: str) -> None:
    """LocalService may not read there, and its owner could put anything in its place."""
    with pytest.raises(ServiceError, match="only administrators may write"):
        windows.command_line(python, r"C:\x\windows_entry.py")
    with pytest.raises(ServiceError, match="only administrators may write"):
        windows.command_line(r"C:\Program Files\Python311\python.exe", python)


def test_settings_that_were_there_become_the_administrators(tmp_path: Path) -> None:
    (tmp_path / "Roadworthy").mkdir()
    (tmp_path / "Roadworthy/agent.toml").write_text('server = "https://c.example.org"\n')
    words = [step.words() for step in windows.install_steps(Options(PROGRAM, root=tmp_path))]
    assert f"let only administrators change {tmp_path / 'Roadworthy/agent.toml'}" in words


@pytest.mark.parametrize(("asked", "code"), [(True, 0), (False, windows_run.FAILED)])
def test_a_stop_before_the_agent_listens_is_no_failure(
    asked: bool,  # noqa: FBT001 - a row of the table
    code: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The manager starts a service again that ended with an error: not one that it was told to stop."""
    told: list[scm.ServiceStatus] = []

    class Connected:
        def __init__(self) -> None:
            self.hosted = windows_run.Hosted(told.append)
            self.thread = threading.Thread(target=self.hosted.main)

        def connect(self) -> None:
            self.thread.start()
            assert self.hosted.running.wait(30)

    def run() -> int:
        if asked:
            signal.raise_signal(signal.SIGTERM)
        raise OSError

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(windows_run, "_Connection", Connected)
    try:
        with contextlib.nullcontext() if asked else pytest.raises(OSError):  # noqa: PT011 - without words of its own
            assert windows_run.run_as_service(run) == code
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (told[-1].state, told[-1].exit_code) == (scm.STOPPED, code)


def test_only_windows_has_that_service_manager() -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(ProbeError, match="exists only on Windows"):
            windows_run.run_as_service(lambda: 0)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_windows_entry_finds_the_agent_beside_itself(tmp_path: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-I", windows.ENTRY, "--version"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.startswith("roadworthy-agent ")


def test_the_log_of_a_service_without_a_terminal_stays_small(tmp_path: Path) -> None:
    handler = windows_run.log_file(tmp_path / "state")
    handler.close()
    assert (tmp_path / "state/agent.log").exists()
