"""Writes docs/settings.md from the settings themselves.

Run as `make generate`; the file is committed and a test holds it against `settings.Settings`.
"""

from __future__ import annotations

from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from roadworthy_collector.settings import Settings

DOCS = Path("docs/settings.md")
_ROOT = Path(__file__).resolve().parents[3]
_INTRODUCTION = """\
# Settings

<!-- Made by `make generate` from collector/src/roadworthy_collector/settings.py; edit that. -->

The collector reads a TOML file (`--config`, or the variable `ROADWORTHY_CONFIG`) and variables: setting `port` is
`ROADWORTHY_PORT`, lists are JSON. A variable wins over the file, an option of a command over both; an empty variable
says nothing. Unknown settings in the file are refused. `roadworthy check-config` shows what is set, as TOML, and says everything
that is wrong at once, each with where it was set: wrong values, files that are missing or cannot be read, a key that is
not the certificate's, settings that do not fit together; with `--connect` also whether the database answers. It ends
with 2 if anything is wrong; `--format json` is for programs, and `GET /api/v1/settings` says the same of a running
collector. Secrets are never settings: they stand in files of mode 0600, which settings name.

| setting | value | default | meaning |
|---|---|---|---|
"""
_LOGS = """
## Logs

The collector logs to standard error. With `log_format = "json"` each line is one object: `time` (UTC), `level`, `logger`,
`message`, and where there are any `fields`; `error` holds the traceback of a fault. A failure is logged when it begins
(`fields.failure` is `begins`) and when it ends (`ends`, with `failed_seconds`), not in between. Tokens and passwords are
taken out of every line, and host names of devices are not logged.
"""
_WORDS: dict[Any, str] = {
    int: "whole number",
    float: "number",
    str: "text",
    bool: "true or false",
    Path: "path",
}


def settings_markdown() -> str:
    """Return docs/settings.md."""
    rows = (_line(name, found) for name, found in Settings.model_fields.items())
    return _INTRODUCTION + "".join(rows) + _LOGS


def write(root: Path) -> Path:
    """Write the file under `root`, the repository; return its path."""
    (root / DOCS).write_text(settings_markdown(), encoding="utf-8")
    return DOCS


def _line(name: str, found: FieldInfo) -> str:
    cells = (f"`{name}`", _value(found), _default(found.default), found.description or "")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _value(found: FieldInfo) -> str:
    """Return what a setting takes, in words, with its bounds."""
    words = _type(found.annotation)
    lowest = next((bound.ge for bound in found.metadata if hasattr(bound, "ge")), None)
    highest = next((bound.le for bound in found.metadata if hasattr(bound, "le")), None)
    if lowest is not None and highest is not None:
        return f"{words}, {lowest} to {highest}"
    return words if lowest is None else f"{words}, {lowest} or more"


def _type(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{one}`" for one in get_args(annotation))
    if get_origin(annotation) in {UnionType, Union}:  # the second is what a Literal beside None makes
        return " or ".join(_type(one) for one in get_args(annotation) if one is not NoneType)
    if get_origin(annotation) is tuple:
        return "list of texts"
    return _WORDS[annotation]


def _default(value: object) -> str:
    if value is None or value == ():
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"`{value}`"


if __name__ == "__main__":
    print(write(_ROOT))  # noqa: T201 - a command's output
