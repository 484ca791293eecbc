"""The console in a real browser: Debian's chromium against `roadworthy up`, charts drawn by the jobs process."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from support import console_sample
from support.browser import (
    DESKTOP,
    PHONE,
    Scheme,
    chromium,
    overflow,
    serious_findings,
    visit,
    wait_for_charts,
)
from support.console_sample import HOSTILE, MACHINES, device_id
from support.running import Running, running

from roadworthy_collector.console.present import visible
from roadworthy_collector.security.users import create_user
from roadworthy_collector.store.engine import open_engine

pytestmark = pytest.mark.needs("chromium")

PASSWORD = "correct horse battery staple"  # noqa: S105 - a test's own
HOSTILE_NUMBER = next(number for number, machine in enumerate(MACHINES) if machine.hostname == HOSTILE)
PAGES = {
    "overview": "/",
    "devices": "/devices",
    "device": f"/devices/{device_id(0)}",
    "hostile device": f"/devices/{device_id(HOSTILE_NUMBER)}",
    "device without data": f"/devices/{device_id(91)}",
    "start-ups": "/startups",
    "about": "/about",
    "api": "/docs",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with _collector(tmp_path_factory.mktemp("console")) as started:
        yield started


def _collector(folder: Path) -> object:
    console_sample.make(folder / "data" / "roadworthy.db", time.time()).dispose()
    return _ready(running("up", folder=folder))
