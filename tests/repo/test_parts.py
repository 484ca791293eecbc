"""Real parts the tests use: what installs them, and what happens to a test whose part is missing.

Every program here is a stand-in, apt-get and id too: nothing is installed and nothing outside the test's folder is
written, whoever runs it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = (
    "prometheus",
    "promtool",
    "chromium",
    "systemd-nspawn",
    "systemd-analyze",
    "debootstrap",
    "tinyproxy",
    "dmidecode",
    "initdb",
    "nginx",
    "prometheus-alertmanager",
    "prometheus-pushgateway",
    "victoria-metrics",
    "snmpd",
    "prometheus-snmp-exporter",
)
PLAIN = ("sort", "tr", "chmod", "rm")  # what the script itself needs
UPDATE = "update -qq"
INSTALL = "install -y -qq --no-install-recommends"
# Notes how it was called, and what the policy said in that moment.
APT_GET = """#!/bin/sh
echo "$*" >> {calls}
if [ -e {policy} ]; then {policy}; echo "$?" >> {policies}; else echo none >> {policies}; fi
[ "$1" != "{fails_at}" ]
"""


class Machine:
    """A stand-in machine: what is on its PATH, and what its apt-get was asked to do."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "bin"
        self.path.mkdir()
        self.policy = folder / "policy-rc.d"
        self._calls, self._policies = folder / "calls", folder / "policies"
        for name in PLAIN:
            program = shutil.which(name)
            assert program, name
            (self.path / name).symlink_to(program)
        for name in PROGRAMS:
            self.put(name)
        self.user(0)
        self.apt_get()

    def put(self, name: str, script: str = "#!/bin/sh\n") -> None:
        (self.path / name).write_text(script)
        (self.path / name).chmod(0o755)

    def without(self, *names: str) -> None:
        for name in names:
            (self.path / name).unlink()

    def user(self, number: int) -> None:
        self.put("id", f"#!/bin/sh\necho {number}\n")

    def apt_get(self, *, fails_at: str = "") -> None:
        script = APT_GET.format(
            calls=self._calls, policy=self.policy, policies=self._policies, fails_at=fails_at
        )
        self.put("apt-get", script)

    def install(self, **variables: str) -> int:
        own = {"ROADWORTHY_POLICY_FILE": str(self.policy), "ROADWORTHY_TEST_ELSEWHERE": "/nowhere"}
        environment = {"PATH": str(self.path)} | own | variables
        return subprocess.run(
            ["/bin/sh", ROOT / "tools/test-parts.sh"], env=environment, check=False
        ).returncode

    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines() if self._calls.exists() else []

    def policies(self) -> list[str]:
        return self._policies.read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Give a machine of root's on which nothing is missing."""
    return Machine(tmp_path)


def test_with_nothing_missing_nothing_is_done(machine: Machine) -> None:
    assert machine.install() == 0
    assert machine.calls() == []
    assert not machine.policy.exists()


def test_the_script_looks_for_what_the_tests_need() -> None:
    from support import PARTS

    wanted = re.findall(r"^want (\S+)", (ROOT / "tools/test-parts.sh").read_text(), re.MULTILINE)
    assert sorted(wanted) == sorted(PARTS.values()) == sorted(PROGRAMS)


@pytest.mark.parametrize(
    ("missing", "packages"),
    [
        (("chromium",), "chromium"),
        (("prometheus", "promtool"), "prometheus"),  # one package holds both
        (
            PROGRAMS,
            (
                "chromium debootstrap dmidecode nginx-light postgresql prometheus prometheus-alertmanager "
                "prometheus-pushgateway prometheus-snmp-exporter snmpd systemd systemd-container "
                "tinyproxy-bin victoria-metrics"
            ),
        ),
    ],
)
def test_root_gets_what_is_missing_and_nothing_starts_by_itself(
    machine: Machine, missing: tuple[str, ...], packages: str
) -> None:
    machine.without(*missing)
    assert machine.install() == 0
    assert machine.calls() == [UPDATE, f"{INSTALL} {packages}"]
    assert machine.policies() == ["101", "101"]  # which is how a policy forbids every start
    assert not machine.policy.exists()


def test_refused_it_calls_nothing(machine: Machine) -> None:
    machine.without(*PROGRAMS)
    assert machine.install(ROADWORTHY_TEST_APT="0") == 0
    assert machine.calls() == []
    assert not machine.policy.exists()


def test_who_is_not_root_installs_nothing(machine: Machine) -> None:
    machine.without("chromium")
    machine.user(1000)
    assert machine.install() == 0
    assert machine.calls() == []
    assert not machine.policy.exists()


def test_another_system_than_debian_is_left_alone(machine: Machine) -> None:
    machine.without("chromium", "apt-get")
    assert machine.install() == 0
    assert not machine.policy.exists()


@pytest.mark.parametrize("step", ["update", "install"])
def test_a_failed_install_is_told_and_leaves_no_policy(machine: Machine, step: str) -> None:
    machine.without("chromium")
    machine.apt_get(fails_at=step)
    assert machine.install() != 0
    assert machine.calls()[-1].startswith(step)
    assert not machine.policy.exists()


def test_somebody_s_own_policy_stays(machine: Machine) -> None:
    machine.without("chromium")
    own = "#!/bin/sh\nexit 104\n"
    machine.policy.write_text(own)
    machine.policy.chmod(0o755)
    assert machine.install() == 0
    assert machine.policies() == ["104", "104"]
    assert machine.policy.read_text() == own


# What becomes of a test whose part is missing


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with one test that needs a part and one that does not, under the rule of all tests."""
    made = tmp_path / "tests"
    made.mkdir()
    shutil.copy(ROOT / "tests/conftest.py", made)
    (made / "pytest.ini").write_text(
        "[pytest]\naddopts = --strict-markers\nmarkers =\n    needs(part): real parts\n"
    )
    (made / "test_it.py").write_text(
        "import pytest\n\n"
        "@pytest.mark.needs('promtool')\ndef test_with_a_part():\n    pass\n\n"
        "def test_without():\n    pass\n"
    )
    return made


def run(folder: Path, machine: Machine, **variables: str) -> tuple[int, str]:
    environment = {
        "PATH": str(machine.path),
        "PYTHONPATH": str(ROOT / "tests"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # faster, and none of them has a part in this
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "."],
        cwd=folder,
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("variables", [{}, {"CI": "true"}], ids=["elsewhere", "in CI"])
def test_with_its_part_a_test_runs_and_nothing_is_said(
    folder: Path, machine: Machine, variables: dict[str, str]
) -> None:
    status, said = run(folder, machine, **variables)
    assert status == os.EX_OK, said
    assert "2 passed" in said
    assert "could not run" not in said


def test_in_ci_a_missing_part_is_a_failure(folder: Path, machine: Machine) -> None:
    machine.without("promtool")
    status, said = run(folder, machine, CI="true")
    assert status == 1, said
    assert "1 passed, 1 error" in said or "1 failed, 1 passed" in said
    assert "promtool: promtool is not installed; in CI every real part must be there" in said


def test_elsewhere_a_missing_part_is_named_at_the_end(folder: Path, machine: Machine) -> None:
    machine.without("promtool")
    status, said = run(folder, machine)
    assert status == os.EX_OK, said
    assert "1 passed, 1 skipped" in said
    end = said.partition("tests that could not run here")[2]
    assert "test_it.py::test_with_a_part: could not run without promtool: promtool is not installed" in end
    assert "run `make test` as root" in end
