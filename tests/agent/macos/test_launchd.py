"""The launchd service: what is installed, with which rights."""

from __future__ import annotations

import plistlib
from fnmatch import fnmatch
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.macos import launchd
from roadworthy_agent.macos.launchd import MakeFolder, Remove, Run, WriteFile

PROGRAM = PurePosixPath("/opt/roadworthy/bin/roadworthy-agent")
STEPS = launchd.install_steps(PROGRAM, None, 399)


def jobs() -> dict[str, dict[str, object]]:
    return {
        step.path.name: plistlib.loads(step.data)
        for step in STEPS
        if isinstance(step, WriteFile) and step.path.suffix == ".plist"
    }


def test_the_agent_runs_as_its_own_account_in_the_background_and_wakes_nothing() -> None:
    job = jobs()["org.roadworthy.agent.plist"]
    assert job["ProgramArguments"] == [str(PROGRAM), "run"]
    assert job["UserName"] == job["GroupName"] == "_roadworthy"
    assert (job["ProcessType"], job["LowPriorityIO"], job["KeepAlive"]) == (
        "Background",
        True,
        {"SuccessfulExit": False},
    )
    assert not {"StartCalendarInterval", "StartInterval", "WatchPaths"} & job.keys()


def test_the_settings_file_comes_before_the_command() -> None:
    config = PurePosixPath("/Library/Application Support/roadworthy-agent/agent.toml")
    assert plistlib.loads(launchd.agent_plist(PROGRAM, config))["ProgramArguments"] == [
        str(PROGRAM),
        "--config",
        str(config),
        "run",
    ]


def test_nothing_of_ours_runs_as_root() -> None:
    job = jobs()["org.roadworthy.startup-log.plist"]
    arguments = job["ProgramArguments"]
    assert isinstance(arguments, list)
    assert arguments[:2] == ["/usr/bin/log", "show"]
    assert "UserName" not in job
    assert job["WatchPaths"] == [str(launchd.ASK)]
    assert "RunAtLoad" not in job


def test_root_writes_only_where_the_agent_cannot() -> None:
    folders = {step.path: step for step in STEPS if isinstance(step, MakeFolder)}
    log = folders[launchd.STARTUP_LOG.parent]
    assert (log.owner, log.group, log.mode) == ("root", "_roadworthy", 0o750)
    state = folders[launchd.STATE_DIR]
    assert (state.owner, state.mode) == ("_roadworthy", 0o700)
    assert launchd.STATE_DIR not in launchd.STARTUP_LOG.parents
    assert launchd.ASK.parent == launchd.STATE_DIR


def test_jobs_are_written_before_they_are_loaded_and_unloaded_before_they_are_loaded_again() -> None:
    words = [
        step.path.name if isinstance(step, WriteFile) else step.argv[1]
        for step in STEPS
        if isinstance(step, WriteFile) or (isinstance(step, Run) and step.argv[0] == launchd.LAUNCHCTL)
    ]
    assert words == [
        "roadworthy.conf",
        "org.roadworthy.agent.plist",
        "org.roadworthy.startup-log.plist",
        "bootout",
        "bootout",
        "bootstrap",
        "bootstrap",
    ]


def test_every_program_is_apples_by_absolute_path() -> None:
    runs = [step for step in (*STEPS, *launchd.remove_steps()) if isinstance(step, Run)]
    assert {step.argv[0] for step in runs} == {"/bin/launchctl", "/usr/bin/dscl"}


def test_removing_takes_away_what_installing_wrote() -> None:
    written = {step.path for step in STEPS if isinstance(step, WriteFile)}
    removed = {step.path for step in launchd.remove_steps() if isinstance(step, Remove)}
    assert written <= removed


USERS = "_amavisd   83\n_www   70\nroot   0\nnobody   -2\n_taken  399\nbroken line here\n"


def test_a_free_number_is_chosen_and_an_existing_one_kept() -> None:
    assert launchd.choose_account_id(USERS, "wheel 0\n_other 398\n") == 397
    assert launchd.choose_account_id(USERS + "_roadworthy 387\n", "") == 387
    assert launchd.choose_account_id("", "_roadworthy 350\n") == 350
    assert launchd.choose_account_id("".join(f"u{n} {n}\n" for n in range(200, 500)), "") is None


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_listing_gives_a_number_in_range_or_none(users: str, groups: str) -> None:
    number = launchd.choose_account_id(users, groups)
    assert number is None or 300 <= number < 400


def test_newsyslog_can_read_its_lines() -> None:
    """It splits at blanks without any escape, and one malformed line ends all rotation on the Mac."""
    rows = [line.split() for line in launchd.rotation().decode().splitlines()]
    for path, (pattern, owner, mode, count, size, when, flags) in zip(
        (launchd.AGENT_LOG, launchd.STARTUP_LOG), rows, strict=True
    ):
        assert fnmatch(str(path), pattern)
        assert ("G" in flags) == (pattern != str(path))
        assert (owner.endswith(f":{launchd.ACCOUNT}"), mode, count, size, when) == (
            True,
            "640",
            "2",
            "256",
            "*",
        )
        assert "N" in flags  # else syslogd is signalled


@pytest.mark.parametrize("data", [launchd.agent_plist(PROGRAM), launchd.startup_log_plist()])
def test_a_job_is_a_property_list_with_a_label(data: bytes) -> None:
    assert plistlib.loads(data)["Label"].startswith("org.roadworthy.")
