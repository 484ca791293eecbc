"""The runbooks in the console: where the shipped alerts link to, and that what is shown is what is committed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from support.databases import make_sqlite
from support.people import Person
from support.web import Client, client_of

from roadworthy_collector.console import runbooks
from roadworthy_collector.console.markdown import sections
from roadworthy_collector.store.engine import open_engine
from roadworthy_dashboards.addresses import CONSOLE
from roadworthy_dashboards.rules import offer_runbooks, rule_files, runbook_pages

NOW = 1_790_000_000.0
HEADINGS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
ALERTS: list[dict[str, Any]] = [
    rule
    for text in rule_files().values()
    for group in yaml.safe_load(text)["groups"]
    for rule in group["rules"]
    if "alert" in rule
]
NAMES = sorted({rule["alert"] for rule in ALERTS})
VOID = {"br", "hr", "img", "link", "meta", "input", "path", "circle"}


class Page(HTMLParser):
    """What a page has: its elements with their attributes, its headings, and what is written in it in Markdown."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[str] = []
        self._open: list[tuple[str, bool]] = []
        self._written: list[str] = []
        self.feed(text)
        self.close()
        self.words = "".join(self._written).split()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in VOID:
            return
        inside = bool(self._open) and self._open[-1][1]
        self._open.append((tag, inside or "written" in (dict(attrs).get("class") or "").split()))
        if tag == "h2":
            self.headings.append("")
        if tag == "pre":  # a block of its own
            self._written.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop()[0] == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1][1]:
            self._written.append(data)
        if any(tag == "h2" for tag, _ in self._open):
            self.headings[-1] += data


def words_of(markdown: str) -> list[str]:
    """Return the words of a runbook without its marks, found without a parser of Markdown."""
    lines, fenced = [], False
    for line in markdown.splitlines():
        if line.strip().startswith("```"):
            fenced = not fenced
        elif fenced:
            lines.append(line)
        else:
            unmarked = re.sub(r"^ *(#+|\d+\.|-) |`", "", line)
            lines.append(re.sub(r"\*+(?=\w)|(?<=[\w.,)])\*+", "", unmarked))
    return " ".join(lines).split()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path = tmp_path_factory.mktemp("runbooks") / "roadworthy.db"
    make_sqlite(path, at=NOW, real=True)
    engine = open_engine(path)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def client(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    client = client_of(engine, tmp_path_factory.mktemp("data"), NOW)
    yield client
    client.close()


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_links_to_its_runbook_as_it_is_committed(client: Client, name: str) -> None:
    (address,) = {rule["annotations"]["runbook_url"] for rule in ALERTS if rule["alert"] == name}
    assert address.startswith(f"{CONSOLE}/")
    answer = client.get(address.removeprefix(CONSOLE))
    assert answer.status_code == 200
    page = Page(answer.text)
    assert page.headings[:4] == HEADINGS
    assert page.words == words_of(runbook_pages()[f"{name}.md"])
    shown = " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())
    for rule in ALERTS:
        if rule["alert"] == name:
            assert rule["labels"]["severity"] in shown


def test_the_list_has_every_alert_by_audience_the_worst_first(client: Client) -> None:
    text = client.get("/runbooks").text
    rows = re.findall(r'href="/runbooks/(\w+)">.*?</svg>(\w+)</span>', text)
    audience = {rule["alert"]: rule["labels"]["audience"] for rule in ALERTS}
    worst_first = ["critical", "warning", "info"]
    assert rows == [
        (rule["alert"], rule["labels"]["severity"])
        for rule in sorted(
            ALERTS,
            key=lambda rule: (
                audience[rule["alert"]],
                worst_first.index(rule["labels"]["severity"]),
                rule["alert"],
            ),
        )
    ]
    assert Page(text).headings == [f"For {name.replace('_', ' ')}" for name in sorted(set(audience.values()))]
    assert 'href="/runbooks"' in client.get("/about").text


def test_a_runbook_leads_to_those_it_names(client: Client) -> None:
    assert "RoadworthyJobFailing" in runbook_pages()["RoadworthyJobOverdue.md"]
    links = [
        dict(attributes).get("href")
        for tag, attributes in Page(client.get("/runbooks/RoadworthyJobOverdue").text).elements
        if tag == "a"
    ]
    assert "/runbooks/RoadworthyJobFailing" in links
    assert "/runbooks/RoadworthyJobOverdue" not in links


@pytest.mark.parametrize(
    "name",
    [
        "RoadworthyNothing",
        "RoadworthyJobOverdue.md.md",
        "roadworthyjoboverdue",
        "%2e%2e",
        "..%2frules%2frecording.yaml",
        "%2e%2e/rules/__init__.py",
        "..%5Crunbooks%5CRoadworthyJobOverdue.md",
        ".md",
        "RoadworthyJobOverdue%00",
        "%3Cb%3E",
    ],
)
def test_what_is_no_runbook_is_not_found(client: Client, name: str) -> None:
    answer = client.get(f"/runbooks/{name}")
    assert answer.status_code == 404
    assert "Meaning" not in answer.text
    assert "<b>" not in answer.text


def test_who_is_not_signed_in_comes_back_to_the_runbook_after(tmp_path: Path) -> None:
    path = tmp_path / "roadworthy.db"
    make_sqlite(path, at=NOW, real=True)
    engine = open_engine(path)
    person = Person(engine, "ada", "viewer", ["unassigned"])
    client = client_of(engine, tmp_path, NOW)
    try:
        answer = client.get("/runbooks/RoadworthyJobOverdue.md")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/login?next=/runbooks/RoadworthyJobOverdue.md"
        for page in ("/runbooks", "/runbooks/RoadworthyJobOverdue.md"):
            assert client.get(page, **person.cookie).status_code == 200
    finally:
        client.close()
        engine.dispose()


def test_without_dashboards_the_pages_say_where_runbooks_come_from(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runbooks, "GROUP", "roadworthy.offered_by_nobody")
    page = client.get("/runbooks")
    assert page.status_code == 200
    assert "roadworthy-dashboards, which is not installed beside this collector. Install it" in page.text
    one = client.get("/runbooks/RoadworthyJobOverdue.md")
    assert one.status_code == 404
    assert "roadworthy-dashboards, which is not installed" in one.text


def test_what_is_offered_is_every_alert_with_its_text() -> None:
    assert [(row["alert"], row["severity"]) for row in offer_runbooks()] == [
        (rule["alert"], rule["labels"]["severity"]) for rule in ALERTS
    ]
    assert {row["alert"]: row["text"] for row in offer_runbooks()} == {
        name.removesuffix(".md"): text for name, text in runbook_pages().items()
    }


# What Markdown may do

HARMFUL = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![p](http://h/p.png)",
    "[a](javascript:alert(1))",
    "[a](java&#x73;cript:alert(1))",
    "[a](data:text/html,x)",
    "[a](file:///etc/passwd)",
    "[a](//elsewhere.example/)",
    "[a](///elsewhere.example/)",
    "[a](/\\elsewhere.example)",
    "<javascript:alert(1)>",
    "[a][r]\n\n[r]: vbscript:x\n",
    '[a](/x "t\\" onclick=\\"b")',
    '``` x" onclick="b\n</code><b>\n```',
    "[a]([b](javascript:x))",
)
MADE = {
    "p",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "ul",
    "ol",
    "li",
    "pre",
    "code",
    "em",
    "strong",
    "a",
    "blockquote",
    "hr",
    "br",
}
KEPT = {"a": {"href", "title"}, "h2": {"id"}, "ol": {"start"}, "code": {"class"}}


@given(
    st.lists(
        st.sampled_from((*HARMFUL, "\n", "\n\n", "> ", "- ", "1. ", "## ", "`", "*", "    ")) | st.text()
    )
)
def test_whatever_is_written_nothing_of_it_is_html(pieces: list[str]) -> None:
    made = "".join(sections("".join(pieces)))
    for tag, attributes in Page(made).elements:
        assert tag in MADE
        assert set(attributes) <= KEPT.get(tag, set())
        address = attributes.get("href") or ""
        assert re.match(r"https?:", address) or not re.match(r"[\w+.-]*:|[/\\]{2}", address), address


@pytest.mark.parametrize("harmful", HARMFUL)
def test_what_could_do_harm_is_shown_as_text(harmful: str) -> None:
    made = "".join(sections(harmful))
    assert "<script" not in made
    assert "<img" not in made
    assert "<b>" not in made
    assert not re.search(r'href="(?!/x"|/%5C|%5B|http://h/p.png)', made), made


def test_links_to_here_and_to_the_web_are_kept() -> None:
    (made,) = sections("[a](RoadworthyOther.md) [b](/devices?state=missing#x) [c](https://example.org/d)")
    assert re.findall('href="([^"]+)"', made) == [
        "RoadworthyOther.md",
        "/devices?state=missing#x",
        "https://example.org/d",
    ]
