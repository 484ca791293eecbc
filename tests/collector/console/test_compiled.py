"""Compiled templates are kept where compiled modules are, and never used when they would come out otherwise."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment

from roadworthy_collector.console.compiled import Compiled

_TEXT = "{{ 1 }} of {{ whole }}"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where Python keeps compiled modules of this test."""
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "kept"))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    made = Path(Compiled().directory)
    made.mkdir(parents=True)
    return made


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a module that makes an environment."""
    path = tmp_path / "view.py"
    path.write_text("# as it was\n")
    return path


class _Counting(Environment):
    """Counts what it compiled."""

    compiled = 0

    def _compile(self, source: str, filename: str) -> object:  # type: ignore[override] # as jinja2 calls it
        self.compiled += 1
        return super()._compile(source, filename)


def _shown(source: Path, text: str = _TEXT) -> tuple[str, int]:
    """Return what a fresh process shows of a text, and how many templates it compiled for that."""
    kept = Compiled(source)
    environment = _Counting(loader=DictLoader({"page.html": text}), bytecode_cache=kept, autoescape=True)
    return environment.get_template("page.html").render(whole=2), environment.compiled


def test_a_template_is_compiled_once(source: Path, folder: Path) -> None:
    assert [_shown(source) for _ in range(3)] == [("1 of 2", 1), ("1 of 2", 0), ("1 of 2", 0)]
    (kept,) = folder.iterdir()
    assert sys.implementation.cache_tag in kept.name


def test_another_text_or_another_way_to_compile_is_compiled_anew(source: Path, folder: Path) -> None:
    assert _shown(source) == ("1 of 2", 1)
    assert _shown(source, "all {{ whole }}") == ("all 2", 1)
    assert _shown(source, "all {{ whole }}") == ("all 2", 0)
    source.write_text("# otherwise\n")
    assert _shown(source, "all {{ whole }}") == ("all 2", 1)
    assert len(list(folder.iterdir())) == 1


def test_what_is_damaged_is_compiled_anew(source: Path, folder: Path) -> None:
    _shown(source)
    (kept,) = folder.iterdir()
    kept.write_bytes(kept.read_bytes()[:-9])
    assert _shown(source) == ("1 of 2", 1)
    assert _shown(source) == ("1 of 2", 0)


def test_nothing_is_kept_where_python_keeps_nothing(
    source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert _shown(source) == ("1 of 2", 1)
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_done_without(source: Path, folder: Path) -> None:
    folder.rmdir()
    folder.write_text("a file where the folder would be")
    assert [_shown(source) for _ in range(2)] == [("1 of 2", 1), ("1 of 2", 1)]
