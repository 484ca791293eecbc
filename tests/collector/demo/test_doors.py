"""Every figure on the pages of the books opens the rows behind it, and they are as many, or as much, as it says.

Walked on the demo's IT estate. Its restricted sites are opened first: what stands there is counted and listed for nobody,
so a figure and its list differ by that, which each page says and other tests look at.
"""

from __future__ import annotations

import csv
import html
import io
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl

import pytest
from sqlalchemy import update
from support.web import Client, client_of

from roadworthy_collector.books import lifecycle_run, rating, reconciling, staff_time
from roadworthy_collector.books.tables import TABLES
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.books_schema import register_items
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.schema import sites
from roadworthy_inventory.rating_measures import RATINGS

from .conftest import NOW, Twin

PAGES = (
    "/register", "/register/batches", "/reconciliation", "/lifecycle", "/legacy", "/ratings", "/ratings/exceptions", "/costs", "/staff-time", "/benefits",
    "/contracts", "/contracts/warranties", "/disposal", "/replacement", "/organisation",
    "/organisation/groups?by=command", "/organisation/groups?by=cost_centre", "/organisation/groups?by=site",
)  # fmt: skip
DERIVED = "worked out of the figures beside it, which open"
RECORD = "a row of a list: it is one record's own value"
SUM = "the rows above it added up, each of which opens"
PUBLISHED = "published by somebody else, with a link to where"
PEOPLE = "hours of waiting: the rows behind them are single people's start-ups and sign-ins, which open for nobody here"
# (page, column or tile): why it opens nothing. A column is named by its label, a tile by its title, "*" is all of them.
CLOSED = {
    ("/register/batches", "Rows"): "rows of a file as it came in; what came of them stands beside it",
    ("/register/batches", "Set aside"): "handed back as a correction file, which imports again, and not kept",
    ("/reconciliation", "Of the register"): DERIVED,
    ("/ratings", "Rated"): DERIVED,
    ("/costs", "Change"): DERIVED,
    ("/costs", "Target"): "the plan's own line, stated in the method",
    ("/costs", "As a share"): DERIVED,
    ("/costs", "Above the target"): DERIVED,
    ("/costs", "Per cent"): PUBLISHED,
    ("/costs", "Finance says"): "finance's own control total, stated in the method",
    ("/costs", "Difference"): DERIVED,
    ("/costs", "Rows"): "rows of a file as it came in; those that count stand behind the bridge",
    (
        "/lifecycle",
        "",
    ): "words of reasons, several to a record: the records stand behind the tiles above with theirs",
    ("/staff-time", "*"): PEOPLE,
    ("/benefits", "Net by year"): RECORD,
    ("/contracts", "A year"): RECORD,
    ("/replacement", "Limit"): "the plan's own limit, stated in its file",
    ("/replacement", "Net (range)"): RECORD,
    ("/replacement", "Stays"): RECORD,
    ("/organisation", "All, each counted once"): SUM,
}
# The first row header of a line that is a sum of the lines above it.
SUMS = ("All, each counted once",)
_MONEY = r"-?£[\d,]+\.\d\d"
# How lists say how many rows they are of and what those come to, by the beginning of their addresses.
TELLING = {
    "/register?": r"whether or not it reports\. ([\d,]+) item",
    "/ratings/exceptions": r"([\d,]+) exceptions? listed",
    "/reconciliation/": r"([\d,]+) records?: ",
    "/costs/lines": rf"([\d,]+) lines?, ({_MONEY}) in all",
    "/costs/bridge": rf"([\d,]+) lines?, ({_MONEY}) in all",
    "/contracts?": rf"([\d,]+) contracts?, ({_MONEY}) a year as far as told",
    "/contracts/warranties": r"(?:Ended|Ending later|Without a date|Ending in [\d-]+) ([\d,]+) item",
    "/benefits?": r"([\d,]+) benefits?(?: of|\.)",
    "/disposal/items": (
        rf"([\d,]+) items?[^.]*\. As far as told they weigh ([\d,.]+ kg), brought ({_MONEY}) and cost ({_MONEY})"
    ),
    "/replacement?": rf"([\d,]+) items?(?:, [^.;]*)?(?:; they use ({_MONEY}|[\d,]+) of [^.]*)?\. (?:Show all )?“Stays”",
}
# Lists that do not say it, and are short enough here to be counted.
COUNTED = (
    "/lifecycle/records",
    "/legacy?",
    "/organisation/groups/rows",
    "/organisation/rows",
    "/reconciliation/review",
    "/lifecycle/dates",
)
# A sum of what each row is a part of, not how many rows there are: its list is told apart by other tests.
PARTS = {
    "Saving",
    "Double running",
    "Net",
    "Half-hours",
    "Pounds a year",
    "Ledger, pounds",
    "Scores",
    "Criteria unsigned",
}


@dataclass
class Figure:
    """A number on a page: where it stands, how it is said, and the addresses it opens."""

    place: str
    text: str = ""
    outside: str = ""
    doors: list[tuple[str, str]] = field(default_factory=list)


class Reader(HTMLParser):
    """Reads the figures of a page: cells that are numbers, and tiles."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.figures: list[Figure] = []
        self._now: Figure | None = None
        self._until, self._title, self._row, self._link = "", "", "", ""
        self._in_title = self._in_row = False

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        """Pass over `<path/>` and the like: nothing is inside."""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        told = dict(attrs)
        classes = (told.get("class") or "").split()
        if tag == "tr":
            self._row = ""
        self._in_row = self._in_row or tag == "th"
        self._in_title = self._in_title or "what" in classes
        if tag == "a":
            self._link = told["href"]
        if tag == "li" and "tile" in classes:
            self._link = ""
        if (tag == "td" and "num" in classes) or (tag == "span" and "figure" in classes):
            place = told.get("data-label") or (self._title if tag == "span" else "")
            self._now, self._until = Figure(self._row if self._row in SUMS else place.strip()), tag

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._link = ""
        if tag == "th":
            self._in_row = False
        if self._now is not None and tag == self._until:
            self.figures.append(self._now)
            self._now = None

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self._title, self._in_title = data.strip() or self._title, not data.strip()
        elif self._in_row:
            self._row = f"{self._row} {data.strip()}".strip()
        if self._now is None:
            return
        self._now.text += data
        if self._link:
            self._now.doors.append((self._link, data.strip()))
        else:
            self._now.outside += data


@pytest.fixture(scope="module")
def client(twin: Twin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    settings = Settings(data=tmp_path_factory.mktemp("doors"))
    shutil.copy(twin.settings.sqlite_file, settings.sqlite_file)
    engine = open_engine(settings.sqlite_file)
    with write_transaction(engine) as connection:
        connection.execute(update(sites).values(restricted=False))
        for number, name in enumerate(("Local policing", "Crime", "Support")):
            some = register_items.c.id % 4 == number  # every fourth is told no command
            connection.execute(update(register_items).where(some).values(command=name))
    work = Work(engine, settings, clock=lambda: float(NOW), rests=False)
    reconciling.reconcile_now(work)
    rating.rate_now(work)
    lifecycle_run.work_out(work)
    while staff_time.refresh(work):
        pass
    client = client_of(engine, settings.data, NOW)
    yield client
    client.close()
    engine.dispose()


@pytest.fixture(scope="module")
def ask(client: Client) -> Any:
    @cache
    def page(path: str) -> str:
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.text)
        return answer.text

    return page


def figures_of(page: str) -> list[Figure]:
    reader = Reader()
    reader.feed(page)
    return reader.figures


def says_a_number(text: str) -> bool:
    """Whether a text holds a number other than nought; carbon dioxide has a two in its name."""
    return re.search(r"[1-9]", text.replace("CO2", "")) is not None


@pytest.mark.parametrize("path", PAGES)
def test_every_figure_is_a_door_or_says_why_not(ask: Any, path: str) -> None:
    page = path.partition("?")[0]
    found = figures_of(ask(path))
    assert len(found) > 3, path
    shut = {one.place for one in found if says_a_number(one.outside)}
    told = {place for of, place in CLOSED if of == page}
    if told == {"*"}:
        assert shut
        return
    assert shut == told, f"{path}: open no rows, and no reason in CLOSED: {sorted(shut - told)}"


@pytest.mark.parametrize("path", [one for one in PAGES if one != "/staff-time"])
def test_a_figure_is_what_its_list_holds(ask: Any, path: str) -> None:
    seen: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for one in figures_of(ask(path)):
        for address, text in one.doors:
            if (
                says_a_number(text)
                and one.place not in PARTS
                and re.fullmatch(rf"[\d,]+|{_MONEY}|[\d,.]+ kg", text)
            ):
                seen.setdefault((one.place, address.partition("?")[0]), []).append((address, text))
    assert seen, path
    for (place, _), doors in seen.items():
        for address, text in {doors[0], doors[-1]}:
            assert text in held_by(ask, address), (path, place, address, text)


def held_by(ask: Any, address: str) -> set[str]:
    """Return how many rows an address lists, and the sums it tells of them, as pages write them."""
    address = address.partition("#")[0]
    page = ask(address)
    if address.startswith(COUNTED):
        of = (
            page.partition('id="list"')[2] or page.partition('class="filters"')[2] or page
        )  # not a chart's figures
        bodies = re.findall(r"<tbody[^>]*>(.*?)</tbody>", of, re.DOTALL)
        return {str(len(re.findall(r"<tr\b", bodies[-1])) if bodies else 0)}
    text = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split()).replace(" .", ".")
    if address.startswith("/ratings?"):
        tiles = {one.place: one.text for one in reversed(figures_of(page))}  # they come before tables
        words = [word.capitalize() for word in RATINGS]
        rated = re.search(r"[?&]rating=([^&]*)", address)
        if rated is not None:
            return {tiles[rated[1].replace("+", " ").replace("%20", " ").capitalize()]}
        return {str(sum(int(tiles[word]) for word in words))}
    if address.startswith("/devices?"):
        return set(re.findall(r"([\d,]+) devices?", text))
    pattern = next((said for begins, said in TELLING.items() if address.startswith(begins)), None)
    assert pattern is not None, f"{address}: say in TELLING how this list tells how many it is of"
    found = re.search(pattern, text)
    if found is None and "No benefit is of these." in text:
        return {"0"}
    assert found is not None, (address, pattern, text[:2000])
    return {one for one in found.groups() if one}


def test_a_count_in_a_sentence_is_what_its_list_holds(ask: Any) -> None:
    known = (*TELLING, *COUNTED)
    words = r"(?:items?|records?|lines?|payments?|from the file|measured|known|not known|typical)\b"
    found = [
        (path, html.unescape(address), number)
        for path in PAGES
        for address, number in re.findall(rf'<a href="([^"]+)">([\d,]+) {words}[^<]*</a>', ask(path))
        if address.startswith(known)
    ]
    assert len(found) > 8
    for path, address, number in found:
        assert number in held_by(ask, address), (path, address, number)


# --- a list and its file ------------------------------------------------------------------------------------

# The lists that go out as files, and the table each is.
FILES = {
    "/contracts": "contracts", "/contracts/warranties": "warranties", "/benefits": "benefits", "/replacement": "plan",
    "/ratings": "ratings", "/ratings/exceptions": "exceptions", "/costs/lines": "cost-lines",
    "/costs/bridge": "cost-bridge", "/organisation/rows": "organisation-rows",
    "/organisation/groups/rows": "organisation-site-rows", "/disposal/items": "disposal", "/legacy": "legacy-register",
    "/lifecycle/records": "lifecycle", "/lifecycle/dates": "support-dates", "/devices": "devices",
    "/reconciliation/no_agent": "reconciliation", "/reconciliation/review": "review",
}  # fmt: skip
# Ways to narrow them that no figure opens: what a form sends, or people type.
NARROWED = (
    "/contracts?stands=notice+due", "/contracts?lacks=notice&ends=later", "/contracts/warranties?month=later",
    "/benefits?net=unknown", "/benefits?cashable=no&year=2026%2F27", "/benefits?state=identified",
    "/replacement?tag=nonsense", "/replacement?action=keep", "/replacement?action=replace&uses=capital", "/replacement?unknown=hours",
    "/ratings?imported=yes", "/ratings?excepted=yes", "/ratings?excepted=no&imported=yes", "/ratings?unit=Nowhere",
    "/ratings/exceptions?state=over",
    "/costs/lines?kind=payments&member=in", "/costs/lines?none=1", "/costs/lines?text=laptop&measure=budget",
    "/costs/lines?period=3&pool=repair_parts&share=A", "/costs/lines?centre=nowhere&year=2025",
    "/costs/bridge?part=left_out&reason=nonsense&centre=nowhere&period=2", "/costs/bridge?none=1&measure=outturn",
    "/organisation/rows?kind=items&state=stores", "/disposal/items?which=weight_unknown&route=recycling",
    "/disposal/items?year=2025%2F26&category=3", "/disposal/items?category=0",
    "/legacy?search=a", "/legacy?unsigned=yes", "/legacy?red=yes", "/legacy?standing=unknown",
    "/lifecycle/dates?product=ubuntu", "/devices?q=rw", "/devices?state=missing&site=Nowhere",
    "/devices?class=laptop&model=nonsense", "/reconciliation/no_agent?state=matched",
    "/lifecycle/records?kind=mdm&unit=Nowhere",
)  # fmt: skip


def file_of(client: Client, ask: Any, address: str) -> tuple[str, dict[str, str], int]:
    """Return the table that a list goes out as, the filters of its link, and how many records the file holds."""
    path = address.partition("?")[0]
    links = [html.unescape(one) for one in re.findall(r'href="(/export/[^"]+)"', ask(address))]
    link = next(one for one in links if one.startswith(f"/export/{FILES[path]}?as=csv"))
    answer = client.get(link)
    assert answer.status_code == 200, (address, link, answer.text)
    rows = list(csv.reader(io.StringIO(answer.text.lstrip("\ufeff"))))[
        5:
    ]  # below what the file is, and its header
    told = dict(parse_qsl(link.partition("?")[2]))
    told.pop("as")
    count = (
        len({row[0] for row in rows}) if path == "/benefits" else len(rows)
    )  # a row there is a year of one
    return FILES[path], told, count


def test_a_file_holds_what_its_page_counts(client: Client, ask: Any) -> None:
    opened = {}
    for path in PAGES:
        for link in re.findall(r'href="([^"#]+)', ask(path)):
            of, _, query = html.unescape(link).partition("?")
            if of in FILES and query:
                opened[of, frozenset(dict(parse_qsl(query)))] = f"{of}?{query}"
    filters: dict[str, set[str]] = {}
    apart = []
    for address in (*opened.values(), *NARROWED):
        table, told, count = file_of(client, ask, address)
        counted = held_by(ask, address)
        if f"{count:,}" not in counted:
            apart.append((address, told, count, counted))
        filters.setdefault(table, set()).update(told)
    assert apart == []
    missed = {
        table: sorted(set(TABLES[table].filters) - filters.get(table, set()))
        for table in FILES.values()
        if set(TABLES[table].filters) - filters.get(table, set())
    }
    assert missed == {}, f"narrow the page by these as well, in NARROWED: {missed}"
