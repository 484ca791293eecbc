"""What must stay true of the repository itself."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MEMBERS = ("agent", "inventory", "collector", "dashboards")


def tracked() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).exists()]


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_locks_pin_and_hash_everything_and_name_no_index(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert not re.search(r"^\s*(-i|--index-url|--extra-index-url|--find-links|-f)\b", text, re.MULTILINE)
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert re.match(r"[a-z0-9.-]+(\[[a-z,]+\])?==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry


def test_the_runtime_lock_pulls_no_test_tool() -> None:
    text = (ROOT / "requirements.lock").read_text()
    for tool in ("pytest", "hypothesis", "playwright", "ruff", "mypy", "schemathesis"):
        assert not re.search(rf"^{tool}==", text, re.MULTILINE), tool


def test_the_dev_lock_holds_the_runtime_lock_at_the_same_versions() -> None:
    def pins(lock: str) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))

    runtime, dev = pins("requirements.lock"), pins("requirements-dev.lock")
    assert {name: dev.get(name) for name in runtime} == runtime


def test_every_direct_dependency_is_locked() -> None:
    locked = set(re.findall(r"^([a-z0-9.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    for member in MEMBERS:
        project = tomllib.loads((ROOT / member / "pyproject.toml").read_text())
        needs = project["project"]["dependencies"] + project["build-system"]["requires"]
        for requirement in needs:
            name = re.match(r"[A-Za-z0-9._-]+", requirement)
            assert name, requirement
            plain = name.group().lower().replace("_", "-")
            assert plain in locked or plain.startswith("roadworthy-"), f"{member} needs {plain}"


def test_the_members_share_one_version() -> None:
    versions = {
        tomllib.loads((ROOT / member / "pyproject.toml").read_text())["project"]["version"]
        for member in MEMBERS
    } | {
        match.group(1)
        for path in ROOT.glob("*/src/*/__init__.py")
        if (match := re.search(r'__version__ = "([^"]+)"', path.read_text()))
    }
    assert len(versions) == 1, versions


def test_links_in_the_documents_lead_somewhere() -> None:
    for path in tracked():
        if path.suffix != ".md":
            continue
        for target in re.findall(r"\]\(([^)#\s]+)", path.read_text("utf-8")):
            if "://" not in target and not target.startswith("mailto:"):
                assert (path.parent / target).exists(), f"{path.relative_to(ROOT)} links to {target}"


def test_help_lists_every_make_target() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE).group(1).split())  # type: ignore[union-attr] # it stands there
    listed = subprocess.run(
        ["make", "-s", "help"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert phony == set(re.findall(r"^  make (\S+)", listed, re.MULTILINE))


@pytest.mark.parametrize(("document", "least"), [("docs/promises.md", 20), ("THREAT_MODEL.md", 15)])
def test_what_shows_a_promise_or_a_defence_is_there(document: str, least: int) -> None:
    text = (ROOT / document).read_text()
    named = re.findall(r"`((?:tests|deploy)/[\w./-]+?)(?:::(\w+))?`", text)
    assert len(named) > least
    for path, test in named:
        assert (ROOT / path).exists(), path
        assert not test or f"def {test}(" in (ROOT / path).read_text(), f"{path}::{test}"
    everything = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py"))
    for test in re.findall(r"`(test_\w+)`", text):
        assert f"def {test}(" in everything, test
