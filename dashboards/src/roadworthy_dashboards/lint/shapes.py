"""Reading JSON that anybody may have written: what is of another shape than Grafana's counts as not there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def mapping(found: Any) -> Mapping[str, Any]:
    """Return an object, {} for anything else."""
    return found if isinstance(found, dict) else {}


def objects(found: Any) -> list[Mapping[str, Any]]:
    """Return the objects of a list, [] for anything else."""
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def uid_of(source: Any) -> str:
    """Return the uid of a data source, which old boards write without its kind; "" for anything else."""
    found = mapping(source).get("uid") if isinstance(source, dict) else source
    return found if isinstance(found, str) else ""
