"""One real browser for the tests: Debian's chromium, driven by Playwright, with nothing of its own on the network."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PHONE, DESKTOP = {"width": 375, "height": 812}, {"width": 1280, "height": 900}
_QUIET_MILLISECONDS, _LATEST_SECONDS = 100, 30
Scheme = Literal["light", "dark"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's chromium in a new profile; end it with the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), headless=True, args=list(FLAGS), chromium_sandbox=False
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watched:
    """A page and everything that went wrong on it: console errors, refused resources, requests elsewhere."""

    page: Page
    origin: str
    errors: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    asked: int = 0
    under_way: set[Request] = field(default_factory=set)

    def open(self, path: str) -> Page:
        """Go to `path`, wait for all of it and what its scripts ask for, and return the page."""
        answer = self.page.goto(self.origin + path, wait_until="load")
        assert answer is not None
        self._quiet()
        return self.page

    def _quiet(self) -> None:
        """Wait until nothing was under way for a while; Playwright's own `networkidle` takes 0.5 s for that."""
        deadline = time.monotonic() + _LATEST_SECONDS
        while time.monotonic() < deadline:
            before = self.asked
            self.page.wait_for_timeout(_QUIET_MILLISECONDS)
            if self.asked == before and not self.under_way:
                return
        raise AssertionError(f"{self.page.url} still waits for {sorted(one.url for one in self.under_way)}")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.errors.append(f"{self.page.url}: {message.text}")

    def _request(self, request: Request) -> None:
        self.asked += 1
        self.under_way.add(request)
        if not request.url.startswith((self.origin, "data:", "blob:", "about:")):
            self.elsewhere.append(request.url)

    def _over(self, request: Request) -> None:
        self.under_way.discard(request)

    def listen(self) -> None:
        """Begin to take down what goes wrong."""
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.errors.append(f"{self.page.url}: {error}"))
        self.page.on("request", self._request)
        for over in ("requestfinished", "requestfailed"):
            self.page.on(over, self._over)


@contextmanager
def visit(
    browser: Browser,
    origin: str,
    *,
    size: dict[str, int] | None = None,
    scheme: Scheme = "light",
    javascript: bool = True,
) -> Iterator[Watched]:
    """Open a fresh context on `origin`, under the page's own content security policy."""
    context = browser.new_context(
        viewport=size or DESKTOP,  # type: ignore[arg-type] # a TypedDict of the same two keys
        color_scheme=scheme,
        java_script_enabled=javascript,
        locale="en-GB",
    )
    try:
        watched = Watched(context.new_page(), origin)
        watched.listen()
        yield watched
    finally:
        context.close()


def wait_for_charts(page: Page) -> None:
    """Wait until every chart of the page, also those further down, is drawn and loaded; a broken one fails."""
    for image in page.locator("figure img").all():
        image.scroll_into_view_if_needed()
        image.evaluate("image => image.decode()")


def serious_findings(page: Page) -> list[str]:
    """Return axe-core's serious and critical findings on the page, each with what it was found on."""
    response = Axe().run(page, options={"resultTypes": ["violations"]}).response
    return [
        f"{finding['id']} ({finding['impact']}): {node['html'][:160]} {node.get('failureSummary', '')}"
        for finding in response["violations"]
        if finding["impact"] in {"serious", "critical"}
        for node in finding["nodes"]
    ]


def overflow(page: Page) -> int:
    """Return by how many pixels the page is wider than the window."""
    width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return int(width)


def photograph(page: Page, path: Path, *, whole: bool = True) -> None:
    """Save a picture of the page once its charts are drawn."""
    wait_for_charts(page)
    page.evaluate("window.scrollTo(0, 0)")
    page.screenshot(path=path, full_page=whole)
