"""The script for pilot PCs: it runs on Windows alone, so what can be held to the agent's own words is, and its form."""

from __future__ import annotations

import re
from pathlib import Path

from roadworthy_agent.probes.startup.windows_log import BOOT_FIELDS, QUESTIONS
from roadworthy_agent.probes.startup.windows_performance import WITHIN

SCRIPT = (Path(__file__).parents[3] / "deploy/windows/pilot-check.ps1").read_text("utf-8")
CODE = re.sub(r"(?m)^\s*#.*$", "", re.sub(r"<#.*?#>", "", SCRIPT, flags=re.DOTALL))
HEADER = SCRIPT[: SCRIPT.index("#>")]
PHASES = {
    "firmware", "loader", "disk_unlock_wait", "kernel", "session_init", "machine_profile", "user_profile",
    "explorer_init", "post_boot", "until_services", "hibernation_read", "resume",
    "authentication", "policy", "policy_beside", "sign_in_prompt",
} | {name for name, _field, _where in WITHIN}  # fmt: skip


def bare(code: str) -> str:
    """Return code without its texts."""
    return re.sub(r"'[^']*'|\"(?:`.|\$\((?:[^()]|\([^()]*\))*\)|[^\"`])*\"", "''", code)


def test_brackets_are_closed_in_order() -> None:
    open_ones = []
    for letter in bare(CODE):
        if letter in "([{":
            open_ones.append(letter)
        elif letter in ")]}":
            assert open_ones, "a bracket is closed that was never opened"
            assert open_ones.pop() + letter in {"()", "[]", "{}"}
    assert open_ones == []


def test_nothing_is_used_that_windows_powershell_5_has_not() -> None:
    text = bare(CODE)
    for newer in ("??", "?.", "&&", "||", "-AsHashtable", "ForEach-Object -Parallel", "clean {"):
        assert newer not in text, newer
    assert not re.search(r"\?\s+[^:\n]+\s:\s", text), "a conditional expression"


def test_its_phases_and_fields_are_the_agents() -> None:
    used = set(re.findall(r"Get-PhaseTime \$\w+ '(\w+)'", CODE))
    pairs = re.findall(r"@\('(\w+)', '(\w+)'\)", CODE)
    told = [pair for pair in pairs if pair[0] in PHASES or pair[1] in BOOT_FIELDS]
    assert used | {phase for phase, _field in told} <= PHASES
    asked = {name for question in QUESTIONS for name in question.names}
    assert {field for _phase, field in told} <= asked
    assert set(re.findall(r"\$value\['(\w+)'\]", CODE)) <= set(BOOT_FIELDS)


def test_the_start_is_the_running_kernels_and_not_the_latest_wakes() -> None:
    assert "$_.start_id -like '*:0'" in CODE
    for row in ("'startup: firmware' (Get-PhaseTime $boot ", "'startup: loader' (Get-PhaseTime $boot "):
        assert row in CODE


def test_the_header_says_how_to_run_it_as_administrator_and_as_the_service() -> None:
    for words in (
        "administrator",
        "LOCALSERVICE",
        "Register-ScheduledTask",
        "Unregister-ScheduledTask",
        "-Combine",
    ):
        assert words in HEADER
    assert "psexec" not in SCRIPT.casefold()
