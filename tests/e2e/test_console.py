"""The console in a real browser: Debian's chromium against `roadworthy up`, charts drawn by the jobs process."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from support import console_sample, wait_until
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
from support.polled_sample import POLLED_ID, make_polled
from support.running import Running, running

from roadworthy_collector.console import chart_style
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
    "power": "/power",
    "polled device": f"/devices/{POLLED_ID}",
    "start-ups": "/startups",
    "about": "/about",
    "runbook": "/runbooks/RoadworthyJobOverdue",
    "api": "/docs",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@contextmanager
def _collector(folder: Path) -> Iterator[Running]:
    """Run the collector on the sample estate; `serve` answers, `jobs` draws."""
    engine = console_sample.make(folder / "data" / "roadworthy.db", time.time())
    make_polled(engine, folder / "data", time.time())
    engine.dispose()
    with running("up", folder=folder) as started:
        started.wait_ready()
        yield started


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with _collector(tmp_path_factory.mktemp("console")) as started:
        yield started


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "light"), (DESKTOP, "light"), (DESKTOP, "dark")])
def test_every_page_fits_is_accessible_and_breaks_no_rule(
    browser: Browser, collector: Running, path: str, size: dict[str, int], scheme: Scheme
) -> None:
    with visit(browser, collector.address, size=size, scheme=scheme) as watched:
        page = watched.open(path)
        wait_for_charts(page)
        assert overflow(page) == 0
        _thin_out(page)
        assert serious_findings(page) == []
        assert (
            watched.errors == []
        )  # a refused resource is an error too: nothing broke the content security policy
        assert watched.elsewhere == []


def _thin_out(page: Page) -> None:
    """Leave three operations of each kind that Swagger UI shows: it draws all alike, and axe takes long over hundreds."""
    page.evaluate(
        """() => {
            const seen = {};
            for (const one of document.querySelectorAll("#swagger-ui .opblock")) {
                seen[one.className] = (seen[one.className] || 0) + 1;
                if (seen[one.className] > 3) one.remove();
            }
        }"""
    )


@pytest.mark.parametrize("path", ["/", f"/devices/{device_id(0)}", "/startups"])
def test_behind_every_chart_is_a_table_with_figures(browser: Browser, collector: Running, path: str) -> None:
    with visit(browser, collector.address) as watched:
        page = watched.open(path)
        wait_for_charts(page)
        figures = page.locator("figure").all()
        assert len(figures) == 2
        for figure in figures:
            assert figure.locator("img").get_attribute("alt")
            figure.locator("summary").click()
            expect(figure.locator("table tbody tr").first).to_be_visible()
            assert re.search(r"\d", figure.locator("table").inner_text())
        assert overflow(page) == 0
        assert serious_findings(page) == []


def test_without_javascript_everything_is_there(browser: Browser, collector: Running) -> None:
    with visit(browser, collector.address, javascript=False, size=PHONE) as watched:
        page = watched.open("/")
        expect(page.get_by_role("heading", name="Is your IT roadworthy?")).to_be_visible()
        _drawn(page)
        page.get_by_role("link", name="Devices", exact=True).click()
        page.get_by_label("Site").select_option("Custody suite")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_role("rowheader")).to_have_count(2)
        page.get_by_role("searchbox", name="Asset tag, serial number or hostname").fill("mp000118")
        page.get_by_role("button", name="Find").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("HQ-PC-0001")
        _drawn(page)
        watched.open("/docs")
        expect(
            page.get_by_role("cell", name="/api/v1/reports").or_(
                page.get_by_role("rowheader", name="/api/v1/reports")
            )
        ).to_be_visible()
        assert watched.errors == []


def _drawn(page: Page) -> None:
    """Fail unless the page's first chart has arrived as a picture of some size."""
    image = page.locator("figure img").first
    image.scroll_into_view_if_needed()
    # Charts load when they come into view, and may still be on the drawing board.
    wait_until(lambda: (image.bounding_box() or {"height": 0})["height"] > 100, what="the chart")
    address = image.evaluate("image => image.currentSrc")
    assert page.request.get(address).text().startswith("<svg")


def test_a_phone_gets_charts_drawn_for_it(browser: Browser, collector: Running) -> None:
    widths = {}
    for name, size in (("phone", PHONE), ("desktop", DESKTOP)):
        with visit(browser, collector.address, size=size) as watched:
            page = watched.open("/startups")
            wait_for_charts(page)
            widths[name] = page.locator("figure img").first.evaluate("image => image.naturalWidth")
    assert widths["phone"] < 400
    assert widths["desktop"] > 900


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_chart_opened_by_itself_keeps_its_colours_under_its_policy(
    browser: Browser, collector: Running, scheme: Scheme
) -> None:
    with visit(browser, collector.address, scheme=scheme) as watched:
        page = watched.open("/startups")
        wait_for_charts(page)
        address = page.locator("figure img").first.get_attribute("src") or ""
        page = watched.open(address)
        ground = page.locator("svg > rect, svg > g rect").first
        colour = ground.evaluate("element => getComputedStyle(element).fill")
        drawn = chart_style.DARK[chart_style.CARD] if scheme == "dark" else chart_style.CARD
        assert colour == f"rgb({', '.join(str(int(drawn[at : at + 2], 16)) for at in (1, 3, 5))})"
        assert watched.errors == []


def test_a_device_cannot_run_anything_in_the_readers_browser(browser: Browser, collector: Running) -> None:
    with visit(browser, collector.address) as watched:
        opened: list[str] = []
        watched.page.on("dialog", lambda dialog: (opened.append(dialog.message), dialog.dismiss()))
        for path in ("/", "/devices", "/startups", f"/devices/{device_id(HOSTILE_NUMBER)}"):
            page = watched.open(path)
            expect(page.get_by_text(visible(HOSTILE)).locator("visible=true").first).to_be_visible()
        assert opened == []
        assert watched.errors == []


def test_the_api_page_works_offline_under_the_policy(browser: Browser, collector: Running) -> None:
    with visit(browser, collector.address) as watched:
        page = watched.open("/docs")
        expect(page.locator("#swagger-ui .opblock-summary-path", has_text="/api/v1/reports")).to_be_visible()
        assert page.locator("#swagger-ui .opblock").count() >= 5
        page.locator("#swagger-ui .opblock-summary-control").first.click()
        expect(page.locator("#swagger-ui .opblock-body").first).to_be_visible()
        assert watched.errors == []
        assert watched.elsewhere == []


def test_the_keyboard_gets_past_the_head_of_the_page(browser: Browser, collector: Running) -> None:
    with visit(browser, collector.address) as watched:
        page = watched.open("/devices")
        page.keyboard.press("Tab")
        skip = page.get_by_role("link", name="Skip to the content")
        expect(skip).to_be_focused()
        expect(skip).to_be_in_viewport()
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()


def test_with_users_people_sign_in_give_reasons_and_sign_out(browser: Browser, tmp_path: Path) -> None:
    with _collector(tmp_path) as started, visit(browser, started.address, size=PHONE) as watched:
        engine = open_engine(started.data / "roadworthy.db")
        create_user(engine, "ada", PASSWORD, now=time.time())
        engine.dispose()
        page = watched.open(f"/devices/{device_id(0)}")
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
        assert (overflow(page), serious_findings(page)) == (0, [])
        _sign_in(page, "not the password at all")
        expect(page.get_by_role("alert")).to_have_text("Name or password is not right.")
        assert (overflow(page), serious_findings(page)) == (0, [])
        _sign_in(page, PASSWORD)
        expect(page.get_by_role("heading", level=1)).to_have_text("Why open HQ-PC-0001?")
        assert (overflow(page), serious_findings(page)) == (0, [])
        page.get_by_label("Reason, for instance a ticket number").fill("ticket 42")
        page.get_by_role("button", name="Open the device").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("HQ-PC-0001")
        assert (overflow(page), serious_findings(page)) == (0, [])
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
        # A refused sign-in is an answer of 401, and chromium says so of every 401; nothing else may be wrong.
        assert [error for error in watched.errors if "401" not in error] == []


def test_people_sign_in_where_compose_publishes_it(browser: Browser, tmp_path: Path) -> None:
    """Behind a TLS proxy by its settings, asked in plain on 127.0.0.1: browsers take Secure cookies there."""
    database = tmp_path / "data" / "roadworthy.db"
    engine = console_sample.make(database, time.time())
    create_user(engine, "ada", PASSWORD, now=time.time())
    engine.dispose()
    told = {"ROADWORTHY_HOST": "0.0.0.0", "ROADWORTHY_BEHIND_TLS_PROXY": "true"}  # noqa: S104 - what is tested
    with running("serve", folder=tmp_path, **told) as started:
        started.wait_ready()
        with visit(browser, started.address) as watched:
            page = watched.open("/about")
            _sign_in(page, PASSWORD)
            expect(page.get_by_role("heading", level=1)).to_have_text("About Roadworthy")
            page.get_by_role("button", name="Sign out").click()
            expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def _sign_in(page: Page, password: str) -> None:
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
