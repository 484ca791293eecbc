"""Test files that use one another's fixtures: tests are no package."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType


def beside(file: str, name: str) -> ModuleType:
    """Return the module at `name`, a path without its ending, as seen from the folder of `file`."""
    path = Path(file).parent / f"{name}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
