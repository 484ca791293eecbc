"""The folder under test."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def deploy() -> Path:
    return Path(__file__).parents[2] / "deploy"
