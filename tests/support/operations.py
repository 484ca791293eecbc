"""What can be sent wrongly to an operation of the API, by its own document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def may_be_wrong(operation: Mapping[str, Any]) -> bool:
    """Return whether it takes parameters or a body with a schema: of a body that may be any bytes nothing is wrong."""
    bodies = operation.get("requestBody", {}).get("content", {})
    return bool(operation.get("parameters")) or any("json" in kind or "form" in kind for kind in bodies)
