"""Boards become committed JSON, and what is committed is held against them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from roadworthy_dashboards.boards import BOARDS
from roadworthy_dashboards.catalogue import faults_in, load_labels
from roadworthy_dashboards.sdk import JSONEncoder

RENDERED = Path(__file__).parent / "rendered"


def rendered() -> dict[str, str]:
    """Return {file name: text} of every board in Grafana's classic schema."""
    return {
        f"{name}.json": json.dumps(build().build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"
        for name, build in BOARDS.items()
    }


def write(folder: Path = RENDERED) -> list[Path]:
    """Write every board into `folder`; return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = rendered()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def faults(folder: Path = RENDERED) -> list[str]:
    """Return all that is wrong: files that are not current or too many, boards that ask for what is not there."""
    texts = rendered()
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
        unit = panel["fieldConfig"]["defaults"].get("unit")
        missing = [
            word for word, value in (("description", panel.get("description")), ("unit", unit)) if not value
        ]
        found += [f"{name}: {title}: has no {word}" for word in missing]
        for target in panel["targets"]:
            found += [f"{name}: {title}: {fault}" for fault in faults_in(target["expr"], labels)]
    return found


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
