"""What a Grafana should hold, what it holds, and the steps between: folder, data source, boards."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from roadworthy_dashboards import __version__
from roadworthy_dashboards.push_errors import ConflictError, TokenError

FOLDER = "Roadworthy"
SOURCE_UID = "roadworthy-prometheus"
SOURCE_NAME = "Roadworthy Prometheus"
TOKEN_VARIABLE = "GRAFANA_TOKEN"  # noqa: S105 - the name of a variable
SCRAPE_INTERVAL = "60s"
# What Grafana numbers itself, and may raise when it reads a board.
_GRAFANAS_OWN = frozenset({"id", "version", "schemaVersion", "iteration"})


class Grafana(Protocol):
    """What is asked of a Grafana; push.Grafana is one."""

    def folder(self, uid: str) -> dict[str, Any] | None:
        """Return the folder of this uid."""

    def folder_called(self, title: str) -> dict[str, Any] | None:
        """Return the folder of this title."""

    def create_folder(self, uid: str, title: str) -> None:
        """Make a folder."""

    def source(self, uid: str) -> dict[str, Any] | None:
        """Return the data source of this uid."""

    def create_source(self, source: Mapping[str, Any]) -> None:
        """Make a data source."""

    def update_source(self, source: Mapping[str, Any]) -> None:
        """Replace a data source."""

    def board(self, uid: str) -> dict[str, Any] | None:
        """Return {dashboard, meta} of a board."""

    def write_board(self, board: Mapping[str, Any], folder: str, message: str) -> None:
        """Write a board."""


@dataclass(frozen=True)
class Wanted:
    """What Grafana should hold; without `source_url` its data sources are left alone."""

    folder: str
    boards: Sequence[Mapping[str, Any]]
    source_url: str = ""


@dataclass(frozen=True)
class Step:
    """One thing: `kind` is folder, data source or board; `state` is there, missing or differs; `what` says where."""

    kind: str
    uid: str
    name: str
    state: str
    what: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the fields by name, for JSON."""
        return {"kind": self.kind, "uid": self.uid, "name": self.name, "state": self.state, "what": self.what}


def read_token(path: Path | None, environment: Mapping[str, str] | None = None) -> str:
    """Return the token in a file only its owner can read, or in $GRAFANA_TOKEN; raise TokenError saying what to do."""
    if path is None:
        token = (os.environ if environment is None else environment).get(TOKEN_VARIABLE, "").strip()
        if not token:
            raise TokenError(
                f"no token: write it into a file and name it with --token-file, or set {TOKEN_VARIABLE}"
            )
        return _one_word(token, TOKEN_VARIABLE)
    try:
        if sys.platform != "win32" and path.stat().st_mode & 0o077:
            raise TokenError(f"--token-file: {path} can be read by others; run: chmod 600 {path}")
        token = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise TokenError(f"--token-file: {path}: cannot be read: {error}; name a file you may read") from None
    if not token:
        raise TokenError(f"--token-file: {path} is empty; write the token of a service account into it")
    return _one_word(token, f"--token-file: {path}")


def push(grafana: Grafana, wanted: Wanted, *, dry_run: bool = False) -> Iterator[Step]:
    """Yield what was there, missing or different, each after it has been put right (unless `dry_run`).

    What is as it should be is not written again. Raise a PushError at the first thing Grafana refuses.
    """
    folder, step = _folder(grafana, wanted.folder)
    if step.state == "missing" and not dry_run:
        grafana.create_folder(folder, wanted.folder)
    yield step
    if wanted.source_url:
        yield _push_source(grafana, wanted.source_url, dry_run=dry_run)
    for board in wanted.boards:
        yield _push_board(grafana, _with_source(board, wanted), folder, dry_run=dry_run)


def differences(wanted: Any, found: Any, place: str = "") -> Iterator[str]:
    """Yield where `found` is not as wanted. What Grafana adds to an object by itself is no difference."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key, value in wanted.items():
            if not place and key in _GRAFANAS_OWN:
                continue
            inner = f"{place}.{key}" if place else key
            if key not in found and value is not None:
                yield f"{inner} is missing"
            else:
                yield from differences(value, found.get(key), inner)
    elif isinstance(wanted, list) and isinstance(found, list):
        if len(wanted) != len(found):
            yield f"{place} has {len(found)} entries instead of {len(wanted)}"
            return
        for number, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from differences(one, other, f"{place}[{number}]")
    elif wanted != found or isinstance(wanted, bool) != isinstance(found, bool):
        yield f"{place} is another"


def folder_uid(title: str) -> str:
    """Return the uid of a folder of this title, the same every time."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40] or "roadworthy"


def source_document(url: str) -> dict[str, Any]:
    """Return the data source: Prometheus at `url`, asked by Grafana's server."""
    return {
        "uid": SOURCE_UID,
        "name": SOURCE_NAME,
        "type": "prometheus",
        "access": "proxy",
        "url": url,
        "jsonData": {"timeInterval": SCRAPE_INTERVAL},
    }


def _one_word(token: str, where: str) -> str:
    if not token.isascii() or not token.isprintable() or " " in token:
        raise TokenError(f"{where}: a token is one word of ASCII letters; write nothing else there")
    return token


def _folder(grafana: Grafana, title: str) -> tuple[str, Step]:
    """Return the uid of the folder to use, and whether it is there; one of the same title that is there is used."""
    uid = folder_uid(title)
    found = grafana.folder(uid) or grafana.folder_called(title)
    if found is None:
        return uid, Step("folder", uid, title, "missing")
    uid = str(found.get("uid") or uid)
    return uid, Step("folder", uid, str(found.get("title") or title), "there")


def _push_source(grafana: Grafana, url: str, *, dry_run: bool) -> Step:
    wanted = source_document(url)
    found = grafana.source(SOURCE_UID)
    if found is None:
        if not dry_run:
            grafana.create_source(wanted)
        return Step("data source", SOURCE_UID, SOURCE_NAME, "missing")
    what = list(differences(wanted, found))
    if not what:
        return Step("data source", SOURCE_UID, SOURCE_NAME, "there")
    if not dry_run:
        if found.get("readOnly"):
            raise ConflictError(
                f"the data source {SOURCE_UID} comes from a file on the Grafana server and is not as wanted "
                f"({what[0]}); change that file, or leave --datasource-url out"
            )
        # What is set there beside, such as a certificate, stays; secrets are kept by Grafana when they are not sent.
        json_data = {**(found.get("jsonData") or {}), **wanted["jsonData"]}
        grafana.update_source({**found, **wanted, "jsonData": json_data})
    return Step("data source", SOURCE_UID, SOURCE_NAME, "differs", what[0])


def _with_source(board: Mapping[str, Any], wanted: Wanted) -> dict[str, Any]:
    """Return the board, opening on our data source where that is pushed too."""
    made = dict(board)
    if not wanted.source_url or "templating" not in made:
        return made
    current = {"selected": True, "text": SOURCE_NAME, "value": SOURCE_UID}
    variables = [
        {**found, "current": current} if found.get("type") == "datasource" else found
        for found in made["templating"].get("list") or ()
    ]
    return {**made, "templating": {**made["templating"], "list": variables}}


def _board_step(board: Mapping[str, Any], found: Mapping[str, Any] | None, folder: str) -> Step:
    uid, title = board["uid"], board["title"]
    if found is None:
        return Step("board", uid, title, "missing")
    what = list(differences(board, found["dashboard"]))
    inside = (found.get("meta") or {}).get("folderUid") or ""
    if inside != folder:
        what.append(f"it is in the folder {inside or 'at the root'}")
    return Step("board", uid, title, "differs" if what else "there", what[0] if what else "")


def _push_board(grafana: Grafana, board: Mapping[str, Any], folder: str, *, dry_run: bool) -> Step:
    found = grafana.board(board["uid"])
    step = _board_step(board, found, folder)
    if step.state == "there" or dry_run:
        return step
    if found is not None and (found.get("meta") or {}).get("provisioned"):
        raise ConflictError(
            f"the board {board['uid']} comes from a file on the Grafana server; "
            "put the new file there, or take its provider away"
        )
    # The version that was compared is the one that is replaced: what somebody saves meanwhile is not lost.
    there = found["dashboard"] if found else {}
    numbered = {**board, "id": there.get("id"), "version": there.get("version", 0)}
    grafana.write_board(numbered, folder, f"Roadworthy {__version__}")
    return step
