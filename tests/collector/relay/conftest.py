"""A main collector for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from collector.relay.sites import Site


@pytest.fixture
def main(tmp_path: Path) -> Iterator[Site]:
    """Yield a main collector; the test says when it answers."""
    (tmp_path / "main").mkdir()
    site = Site(tmp_path / "main")
    yield site
    site.engine.dispose()
