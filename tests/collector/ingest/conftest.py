"""A database and a device for each ingest test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from collector.ingest.samples import Device, add_device, fresh_database
from sqlalchemy import Engine


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Yield an engine on a database made by the migrations."""
    with fresh_database(tmp_path) as engine:
        yield engine


@pytest.fixture
def device(engine: Engine) -> Device:
    """Return a device with a token."""
    return add_device(engine)
