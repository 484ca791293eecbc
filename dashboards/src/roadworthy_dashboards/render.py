"""Boards become committed JSON, and what is committed is held against them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from roadworthy_dashboards.addresses import CONSOLE
from roadworthy_dashboards.boards import BOARDS
from roadworthy_dashboards.catalogue import faults_in, load_labels
from roadworthy_dashboards.sdk import Dashboard, JSONEncoder

RENDERED = Path(__file__).parent / "rendered"


# Words instead of queries and figures.
WORDS = "text"


def rendered(console: str = CONSOLE) -> dict[str, str]:
    """Return {file name: text} of every board in Grafana's classic schema; `console` is where links to it lead."""
    return {
        f"{name}.json": json.dumps(board_document(build(), console), indent=2, sort_keys=True) + "\n"
        for name, build in BOARDS.items()
    }


def board_document(board: Dashboard, console: str = CONSOLE) -> dict[str, Any]:
    """Return a board as Grafana reads it."""
    document: dict[str, Any] = json.loads(json.dumps(board.build(), cls=JSONEncoder))
    for link in document["links"]:
        # The kit hides every link in a menu that only the newest Grafana has; without a word it stands in the bar.
        link.pop("placement", None)
    for variable in document["templating"]["list"]:
        if variable["name"] == "console":
            variable["query"] = console.rstrip("/")
            variable["skipUrlSync"] = True
    return document


def write(folder: Path = RENDERED, console: str = CONSOLE) -> list[Path]:
    """Write every board into `folder`; return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = rendered(console)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def faults(folder: Path = RENDERED, console: str = CONSOLE) -> list[str]:
    """Return all that is wrong: files that are not current or too many, boards that ask for what is not there."""
    texts = rendered(console)
    found = []
    for name, text in texts.items():
        path = folder / name
        if not path.is_file() or path.read_text("utf-8") != text:
            found.append(f"{path}: not what the board makes; run `roadworthy dashboards render`")
        found += board_faults(name, json.loads(text))
    extra = {path.name for path in folder.glob("*.json")} - set(texts)
    found += [f"{folder / name}: no board makes it" for name in sorted(extra)]
    return found + _duplicates(json.loads(text) for text in texts.values())


def board_faults(name: str, board: dict[str, Any]) -> list[str]:
    """Return what is wrong with one board: panels that do not say what they are, queries the catalogue refuses."""
    labels = load_labels()
    found = []
    for panel in panels_of(board):
        title = panel.get("title") or "a panel without a title"
        said = {"description": panel.get("description")}
        if panel["type"] != WORDS:
            said["unit"] = panel["fieldConfig"]["defaults"].get("unit")
        found += [f"{name}: {title}: has no {word}" for word, value in said.items() if not value]
        for expression in queries_of(panel):
            found += [f"{name}: {title}: {fault}" for fault in faults_in(expression, labels)]
    return found


def queries_of(panel: Mapping[str, Any]) -> list[str]:
    """Return the expressions of a panel; one of words has none."""
    return [target["expr"] for target in panel.get("targets") or ()]


def panels_of(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the panels of a board, rows opened."""
    for panel in board["panels"]:
        if panel["type"] == "row":
            yield from panel.get("panels") or ()
        else:
            yield panel


def _duplicates(boards: Iterator[dict[str, Any]]) -> list[str]:
    """Return the uids that stand twice: Grafana would let the two boards take turns."""
    seen: set[str] = set()
    found = []
    for board in boards:
        uid = board["uid"]
        if uid in seen:
            found.append(f"two boards have the uid {uid}")
        seen.add(uid)
    return found
