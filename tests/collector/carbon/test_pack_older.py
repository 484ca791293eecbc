"""Packs beside the version before: what it closed is issued here, what was closed here it cannot issue; sites restricted late."""

from __future__ import annotations

import gzip
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import update
from support.estates import Estate
from support.modules import beside

from roadworthy_collector.carbon import pack, pack_files, pack_verify, report_doors, report_pdf
from roadworthy_collector.carbon.report_compare import EVIDENCE
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.roles import Role
from roadworthy_collector.store import schema
from roadworthy_collector.store.carbon_schema import carbon_reports
from roadworthy_collector.store.engine import write_transaction

ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)


reports = beside(__file__, "test_reports")


@pytest.fixture
def full(filled_once: Callable[..., Estate]) -> Estate:
    return filled_once(reports.fill)


def folder_before(estate: Estate, number: int) -> Path:
    """Return where the version before leaves a closed report's rows, and looks for them."""
    return estate.path.parent / "reports" / f"report-{number}-rows"


def as_closed_before(estate: Estate, number: int) -> None:
    """Make a closed report what the version before leaves: no inputs, no digest of the evidence, in its folder."""
    rows = pack.collected_folder(estate.settings(), number)
    (rows / pack_files.INPUTS).unlink()
    rows.rename(folder_before(estate, number))
    content = reports.content_of(estate, number)
    del content["rules"][EVIDENCE]
    with write_transaction(estate.engine) as connection:
        mine = update(carbon_reports).where(carbon_reports.c.id == number)
        connection.execute(mine.values(content=content))


def issued(estate: Estate, number: int) -> Path:
    report_doors.take(reports.door(estate, "cat", Role.APPROVER), number, "approve")
    report_doors.take(reports.door(estate, "ann"), number, "publish")
    return Path(reports.pack_of(estate, number))


def restrict(estate: Estate, name: str) -> None:
    with write_transaction(estate.engine) as connection:
        site = update(schema.sites).where(schema.sites.c.name == name)
        assert connection.execute(site.values(restricted=True)).rowcount == 1


def texts(path: Path) -> dict[str, bytes]:
    """Return the files of a pack that are text, unpacked."""
    with zipfile.ZipFile(path) as archive:
        bodies = {name: archive.read(name) for name in archive.namelist() if not name.endswith(".pdf")}
    return {name: gzip.decompress(body) if name.endswith(".gz") else body for name, body in bodies.items()}


@ONE_STORE
@pytest.mark.usefixtures("full")
def test_a_report_the_version_before_closed_is_issued_and_verifies(estate: Estate) -> None:
    number = reports.closed(estate)
    as_closed_before(estate, number)
    path = issued(estate, number)
    found = pack_verify.verify(path, draw=report_pdf.pdf)
    assert found.differences == []
    assert pack_files.INPUTS not in texts(path)
    assert b"inputs.json" not in texts(path)["README.txt"]
    assert not folder_before(estate, number).exists()


@ONE_STORE
@pytest.mark.usefixtures("full")
def test_a_report_closed_here_has_no_rows_where_the_version_before_looks(estate: Estate) -> None:
    number = reports.closed(estate)
    # Without them it says so, and issues nothing: it would seal a pack without the inputs, which never verifies.
    assert not folder_before(estate, number).exists()
    shutil.copytree(pack.collected_folder(estate.settings(), number), folder_before(estate, number))
    path = issued(estate, number)
    assert pack_files.INPUTS in texts(path)
    assert not folder_before(estate, number).exists()


@ONE_STORE
@pytest.mark.usefixtures("full")
def test_a_site_restricted_after_its_months_were_made_is_named_nowhere(estate: Estate) -> None:
    restrict(estate, "HQ")
    path = issued(estate, reports.closed(estate))
    assert [name for name, body in texts(path).items() if b"HQ" in body] == []
    assert pack_verify.verify(path).differences == []


@ONE_STORE
@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("older", [False, True])
def test_a_site_restricted_after_closing_stops_the_issue(estate: Estate, older: bool) -> None:  # noqa: FBT001 - of a parameter
    number = reports.closed(estate)
    if older:
        as_closed_before(estate, number)
    restrict(estate, "HQ")
    with pytest.raises(RoadworthyError, match="restricted after it was closed; prepare it again"):
        issued(estate, number)
    again = report_doors.prepare(reports.door(estate, "ann"), "carbon", reports.YEAR)
    assert again == number
    report_doors.take(reports.door(estate, "ben"), number, "review")
    report_doors.take(reports.door(estate, "ann"), number, "close")
    assert b"HQ" not in texts(issued(estate, number))["inputs.json"]
