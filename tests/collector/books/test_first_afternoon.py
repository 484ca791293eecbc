"""docs/first-afternoon.md, walked: its commands in its order, what they print, and the pages they fill."""

from __future__ import annotations

import html
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from support.web import Client, client_of
from typer.testing import CliRunner

from roadworthy_collector.cli import app
from roadworthy_collector.demo.build import plan
from roadworthy_collector.demo.papers import tables
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import open_engine

PAGE = Path(__file__).parents[3] / "docs" / "first-afternoon.md"
PAGES = ("/register", "/reconciliation", "/ratings?imported=yes", "/costs", "/replacement")


class Step(NamedTuple):
    """A command of the page, its words, and the lines it is said to print."""

    words: list[str]
    printed: list[str]


def steps() -> Iterator[Step]:
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        step: Step | None = None
        for line in block.splitlines():
            if line.startswith("$ "):
                if step is not None:
                    yield step
                step = Step(shlex.split(line[2:]), [])
            elif step is not None and line.strip():
                step.printed.append(line)
        if step is not None:
            yield step


def plain(text: str) -> str:
    """Return a text as it is compared: figures and days differ with the day it is run, widths with the figures."""
    return " ".join(re.sub(r"[0-9][0-9,.]*", "0", text).split())


def walk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every command of the page in `folder`; each must end well and print the lines the page shows, in order."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "250")
    for step in steps():
        if step.words[0] == "export":
            name, _, value = step.words[1].partition("=")
            monkeypatch.setenv(name, value)
            continue
        assert step.words[0] == "roadworthy", step.words
        found = CliRunner().invoke(app, step.words[1:])
        assert found.exit_code == 0, (step.words, found.output, found.exception)
        said = plain(found.stdout)
        for line in step.printed:
            wanted = plain(line).removesuffix("…").rstrip()
            assert wanted in said, (step.words, line, found.stdout)
            said = said[said.index(wanted) :]


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which somebody has walked the page."""
    folder = tmp_path_factory.mktemp("afternoon")
    with pytest.MonkeyPatch.context() as monkeypatch:
        walk(folder, monkeypatch)
    return folder


@pytest.fixture(scope="module")
def client(walked: Path) -> Iterator[Client]:
    data = walked / "afternoon-data"
    engine = open_engine(data / "roadworthy.db")
    client = client_of(engine, data, time.time())
    yield client
    client.close()
    engine.dispose()


def test_every_command_is_walked(walked: Path) -> None:
    text = PAGE.read_text("utf-8")
    commands = {" ".join(step.words[1:3]) for step in steps() if step.words[0] == "roadworthy"}
    assert {"register import", "reconcile run", "ratings list", "costs shares", "plan run"} <= commands
    assert text.count("\n$ ") == sum(1 for _ in steps())
    assert (walked / "afternoon" / "register.corrections.csv").exists()
    assert (walked / "afternoon" / "plan.xlsx").exists()


@pytest.mark.parametrize("path", PAGES)
def test_the_pages_are_full_and_every_link_of_a_figure_opens(client: Client, path: str) -> None:
    page = client.get(path)
    assert page.status_code == 200
    main = page.text[page.text.index("<main") :]
    links = dict.fromkeys(html.unescape(one) for one in re.findall(r'href="(/[^"]*)"', main))
    rows = [one for one in links if not one.startswith(("/api/", "/register/import", "/logout"))]
    assert len(rows) >= 3, rows
    for link in rows[:25]:
        assert client.get(link).status_code == 200, link


def test_the_files_of_a_seed_are_always_the_same() -> None:
    def made(seed: int) -> dict[str, list[tuple[str, ...]]]:
        planned = plan(Settings(), devices=40, seed=seed, now=1_792_000_000)
        return {name: [header, *rows] for name, (header, rows) in tables(planned).items()}

    assert made(1) == made(1)
    assert made(1)["register.csv"] != made(2)["register.csv"]
