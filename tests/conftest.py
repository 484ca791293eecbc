"""What every test has: real parts named, and said at the end where they are missing."""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from support import missing_part, postgres

_RUN_FOLDER = pytest.StashKey[Path]()
_MEMORY, _ROOM_BYTES = Path("/dev/shm"), 6 << 30  # noqa: S108 - pytest makes folders there that are its own

# Programs are started hundreds of times, and every one of them would compile the collector anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Files that take longest, begun first: what is begun last must be short, or one worker waits for the other.
_LONGEST = (
    "e2e/test_fresh_clone.py",
    "agent/test_running.py",
    "faults/test_killed.py",
    "e2e/test_several.py",
    "faults/test_database_gone.py",
    "e2e/test_console.py",
    "agent/test_footprint.py",
    "e2e/test_up.py",
    "deploy/test_units_run.py",
    "faults/",
    "e2e/",
    "agent/test_bad_sources.py",
    "agent/recording/test_record.py",
    "agent/probes/test_systemd_boot.py",
    "collector/api/test_any_request.py",
    "collector/carbon/test_reports.py",
    "collector/metrics/test_prometheus.py",
    "collector/ingest/test_durability.py",
    "collector/carbon/",
    "collector/security/",
    "collector/books/",
    "collector/relay/",
    "collector/",
    "",
)
_COMPUTING = "agent/test_bad_sources.py"  # from here on they wait for hardly anything

# No example is timed: the machines these run on are noisy, and a slow moment is no fault of the code. Half of
# hypothesis' own hundred: a developer's runs try other fifty each time. CI tries the same ones, as hypothesis has it
# there, so that what it says of a change hangs on the change alone.
hypothesis.settings.register_profile("roadworthy", deadline=None, max_examples=50)
hypothesis.settings.load_profile("roadworthy")


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder all processes of this run share: their PostgreSQL server lives there."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False  # by the number of tests, which says little of their length
    if not hasattr(config, "workerinput"):
        config.stash[_RUN_FOLDER] = postgres.make_run_folder()
        if (folder := _memory()) is not None:
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(folder))  # the tests' folders


def _memory() -> Path | None:
    """Return a folder in memory where there is one with room: on a disk tests wait for thousands of commits.

    A folder of a test that passed is removed at once (pyproject.toml), so a run holds some hundred megabytes.
    """
    if sys.platform != "linux":
        return None
    try:
        found = os.statvfs(_MEMORY)
        told = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return None
    (free_kib,) = re.findall(r"^MemAvailable: +(\d+) kB", told, re.MULTILINE)
    room = min(found.f_bavail * found.f_frsize, 1024 * int(free_kib))
    may_be_run_from = not found.f_flag & os.ST_NOEXEC  # one test makes an environment there
    return _MEMORY if room >= _ROOM_BYTES and may_be_run_from and os.access(_MEMORY, os.W_OK) else None


def _place(name: str) -> int:
    """Return where in `_LONGEST` a file stands, by its path in this folder."""
    return next(number for number, start in enumerate(_LONGEST) if name.startswith(start))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first."""
    here = str(Path(__file__).parent) + os.sep
    items.sort(key=lambda item: _place(Path(str(item.path).removeprefix(here)).as_posix()))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Have half of the workers begin with the files that compute: those begun first wait for servers most of the time.

    Were they begun by all, the processors would have little to do at first and too much at the end.
    """
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    computing = _LONGEST.index(_COMPUTING)

    class Mixed(LoadFileScheduling):
        def _assign_work_unit(self, node: Any) -> None:
            if self.nodes.index(node) >= (len(self.nodes) + 1) // 2:
                names = (name for name in self.workqueue if _place(name.removeprefix("tests/")) >= computing)
                if (name := next(names, None)) is not None:
                    self.workqueue.move_to_end(name, last=False)
            super()._assign_work_unit(node)

    return Mixed(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while ten thousand tests and all they import are read: all of it stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Have Python look for garbage among what tests make, and not every 700 things: that is a tenth of a run."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what was started for all."""
    postgres.let_go()
    if (folder := config.stash.get(_RUN_FOLDER, None)) is not None:
        postgres.end_run(folder)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse to pass over a missing real part in silence: a failure in CI, named at the end elsewhere."""
    for mark in item.iter_markers("needs"):
        for part in mark.args:
            if (why := missing_part(part)) is None:
                continue
            if os.environ.get("CI") == "true":
                pytest.fail(f"{part}: {why}; in CI every real part must be there", pytrace=False)
            pytest.skip(f"could not run without {part}: {why}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which tests could not run and what would make them run."""
    skipped = [
        (report.nodeid, report.longrepr[2])
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple) and "could not run without" in report.longrepr[2]
    ]
    if not skipped:
        return
    terminalreporter.section("tests that could not run here")
    for name, why in skipped:
        terminalreporter.line(f"{name}: {why.removeprefix('Skipped: ')}")
    terminalreporter.line("On Debian, run `make test` as root to let it install what is missing.")
