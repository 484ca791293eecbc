"""Every page of the console, opened by people who may see some of it: it answers or says no, and never fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from support.estates import NOW, Estate
from support.people import Person
from support.web import client_of

from roadworthy_collector.books import lifecycle_run, rating, reconciling
from roadworthy_collector.console import routes
from roadworthy_collector.jobs.work import Work

DEVICE = {"device_class": "laptop", "environment": "physical", "system_medium": "hdd", "model": "EliteBook"}
READERS = {
    "scoped viewer": ("viewer", ["Ops"]),
    "scoped register manager": ("register_manager", ["Ops"]),
    "auditor": ("auditor", None),
    "administrator": ("administrator", None),
}
# Signing out is a page of its own kind: it ends what the next one needs.
_NOT_OPENED = frozenset({"/logout"})
# Some pages are of something an address names (`?key=`): without it they say that there is none.
SAID = frozenset({200, 303, 403, 404, 422})


def pages() -> Iterator[str]:
    """Yield the path of every page that needs no parameter."""
    waiting: list[Any] = list(routes.router.routes)
    while waiting:
        route = waiting.pop()
        if isinstance(inner := getattr(route, "original_router", None), APIRouter):
            waiting += inner.routes
        elif isinstance(route, APIRoute) and "GET" in route.methods and "{" not in route.path:
            yield route.path


def put_worked(estate: Estate) -> None:
    """Put in devices of two units and a restricted site, worked out."""
    estate.device(**DEVICE, hostname="ours", serial="5CG0000001", site="North", unit="Ops")
    estate.device(**DEVICE, hostname="theirs", serial="5CG0000002", site="South", unit="Legal")
    estate.device(**DEVICE, hostname="hidden", serial="5CG0000003", site="Annexe", restricted=True)
    work = Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False)
    reconciling.reconcile_now(work)
    rating.rate_now(work)
    lifecycle_run.work_out(work)


@pytest.fixture
def worked(filled_once: Callable[..., Estate]) -> Estate:
    return filled_once(put_worked)


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_every_page_answers_or_says_no(worked: Estate, kind: str) -> None:
    role, units = READERS[kind]
    person = Person(worked.engine, "ada", role, units)
    client = client_of(worked.engine, worked.path.parent, NOW)
    wanted = sorted(set(pages()) - _NOT_OPENED)
    answers = {path: client.get(path, **person.cookie).status_code for path in wanted}
    client.close()
    assert len(wanted) > 40
    assert {path: status for path, status in answers.items() if status not in SAID} == {}
    assert answers["/lifecycle"] == 200


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_a_scoped_reader_is_told_of_no_restricted_site(worked: Estate) -> None:
    person = Person(worked.engine, "ada", "viewer", ["Ops"])
    client = client_of(worked.engine, worked.path.parent, NOW)
    page = client.get("/lifecycle", **person.cookie).text
    client.close()
    assert "restricted" not in page
