"""A newer dump: the same rows, no boolean trusted, an override on top, and anything else refused by name."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.endoflife import Change, EndOfLifeError, changes, merged, read_dump, read_override
from roadworthy_inventory.lifecycle import System, os_support, support_of
from roadworthy_inventory.tables import TableError


def release(name: str, eol: str | None, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "codename": None,
        "label": name,
        "releaseDate": "2024-10-01",
        "isLts": False,
        "ltsFrom": None,
        "isEol": False,
        "eolFrom": eol,
        "isMaintained": True,
        "latest": None,
        **more,
    }


def product(name: str, *releases: dict[str, Any], category: str = "os") -> dict[str, Any]:
    return {
        "name": name,
        "category": category,
        "label": name,
        "links": {"html": f"https://endoflife.date/{name}"},
        "releases": list(releases),
    }


def body(*products: dict[str, Any], **more: Any) -> bytes:
    answer = {
        "schema_version": "1.2.1",
        "generated_at": "2026-12-01T00:00:00+00:00",
        "total": len(products),
        "result": list(products),
        **more,
    }
    return json.dumps(answer).encode()


BUILD = {"latest": {"name": "10.0.26100", "date": None, "link": None}}
WINDOWS = product(
    "windows",
    release("11-24h2-iot-lts", "2034-10-10", eoasFrom="2029-10-09", **BUILD),
    release("11-24h2-e-lts", "2029-10-09", eoasFrom="2029-10-09", **BUILD),
    release("11-24h2-e", "2027-10-12", eoasFrom="2027-10-12", **BUILD),
    release("11-24h2-w", "2026-10-13", eoasFrom="2026-10-13", **BUILD),
    release("10-22h2", "2025-10-14", eoesFrom="2028-10-10", latest={"name": "10.0.19045"}),
    release("7-sp1", "2020-01-14", label="Windows 7 SP1"),
    release("8.1", "2023-01-10", label="Windows 8.1"),
)


def test_windows_by_edition_and_build() -> None:
    rows = read_dump(body(WINDOWS)).rows
    for edition, end in (
        ("IoTEnterpriseS", "2034-10-10"),
        ("EnterpriseS", "2029-10-09"),
        ("Enterprise", "2027-10-12"),
        ("Professional", "2026-10-13"),
    ):
        system = System(os_id="windows", name="Windows 11", build="26100.1", edition=edition)
        assert support_of(system, date(2026, 1, 1), rows=rows).date == date.fromisoformat(end)
    system = System(os_id="windows", name="Windows 10 Pro", version="22H2")
    found = support_of(system, date(2026, 1, 1), rows=rows)
    assert (found.date, found.paid_until) == (date(2025, 10, 14), date(2028, 10, 10))
    assert found.source == "https://endoflife.date/windows"
    assert found.as_of == date(2026, 12, 1)


def test_servers_and_their_channels() -> None:
    rows = read_dump(
        body(
            product(
                "windows-server",
                release("2019", "2029-01-09", eoasFrom="2024-01-09", latest={"name": "10.0.17763"}),
                release("1809-sac", "2020-11-10", eoasFrom="2020-11-10", latest={"name": "10.0.17763"}),
                release("2012-r2", "2023-10-10", eoasFrom="2018-10-09", eoesFrom="2026-10-13"),
                release("2003-sp1", "2009-04-14"),
                release("2003-sp2", "2015-07-14"),
            )
        )
    ).rows
    ends = {(row.version, row.edition, row.kind): str(row.end_of_support) for row in rows}
    assert ends == {
        ("2019", "", "mainstream"): "2024-01-09",
        ("2019", "", "extended"): "2029-01-09",
        ("1809", "channel", "mainstream"): "2020-11-10",
        ("2012 R2", "", "mainstream"): "2018-10-09",
        ("2012 R2", "", "extended"): "2023-10-10",
        ("2012 R2", "", "paid"): "2026-10-13",
        ("2003", "", "mainstream"): "2015-07-14",
    }


def test_a_single_product_and_its_undated_releases() -> None:
    one = product("macos", release("26", None), release("13", "2025-09-15"))
    dump = read_dump(body(result=one))
    assert [(row.version, row.kind, row.end_of_support) for row in dump.rows] == [
        ("26", "undated", None),
        ("13", "mainstream", date(2025, 9, 15)),
    ]
    assert dump.generated_on == date(2026, 12, 1)
    assert dump.skipped == ()


def test_booleans_are_never_trusted() -> None:
    # Built years ago: the date is what counts, whatever the boolean says on the day it was built.
    rows = read_dump(
        body(product("debian", release("12", "2026-06-10", isEol=False, eoesFrom="2028-06-30")))
    ).rows
    system = System(os_id="debian", version="12")
    assert support_of(system, date(2028, 7, 1), rows=rows).status == "ended"
    assert support_of(system, date(2027, 1, 1), rows=rows).date == date(2028, 6, 30)  # LTS is free
    rows = read_dump(body(product("debian", release("12", "2026-06-10", isEol=True)))).rows
    assert support_of(system, date(2024, 1, 1), rows=rows).status == "supported"


def test_ended_without_a_date_is_no_date() -> None:
    dump = read_dump(body(product("android", release("4", None, isEol=True))))
    assert dump.rows == ()
    assert dump.skipped == ("android 4: is said to have ended, but no day is named",)


def test_unknown_names_are_listed_and_other_categories_left() -> None:
    dump = read_dump(
        body(product("windows", release("12-surprise", "2040-01-01")), product("php", category="lang"))
    )
    assert dump.rows == ()
    assert dump.skipped == ("windows 12-surprise: it is not known which release this name means",)


def test_what_changed_against_the_shipped_rows_and_the_override_on_top() -> None:
    shipped = os_support()
    newer = read_dump(
        body(
            product(
                "debian", release("13", "2028-08-09", eoesFrom="2031-01-31"), release("14", "2031-01-01")
            ),
            product("macos", release("14", "2026-09-14")),
        )
    ).rows
    rows = merged(shipped, newer)
    assert changes(shipped, rows) == (
        Change("debian", "13", "", "support", date(2030, 6, 30), date(2031, 1, 31), dated=True),
        Change("debian", "14", "", "support", None, date(2031, 1, 1), dated=True),
        Change("macos", "14", "", "support", None, date(2026, 9, 14), dated=True),
    )
    assert changes(shipped, merged(shipped)) == ()
    header = "product,version,edition,build,end_of_support,kind,source,licence,as_of\n"
    override = read_override(header + "debian,13,,,2029-01-01,lts,https://example.org,own,2026-12-01\n")
    system = System(os_id="debian", version="13")
    found = support_of(system, date(2028, 12, 1), rows=merged(shipped, newer, override))
    assert (found.date, found.source) == (date(2029, 1, 1), "https://example.org")
    assert found.paid_until == date(2035, 6, 30)  # of which neither spoke
    with pytest.raises(TableError, match=r"override.csv: line 2: kind: 'x' is none of"):
        read_override(header + "debian,13,,,2029-01-01,x,https://example.org,own,2026-12-01\n")


@pytest.mark.parametrize(
    ("given_bytes", "message"),
    [
        (b"", "the file is empty"),
        (b" \n", "the file is empty"),
        (b"<!DOCTYPE html><title>404</title>", "this is a web page"),
        (b"\xef\xbb\xbf <html>", "this is a web page"),
        (b"\xff\xfe{", "no text in UTF-8"),
        (b'{"schema_version": "1.2.1",\n "result": [', r"no whole JSON \(line 2, column"),
        (b'[{"cycle": "12", "eol": "2026-06-10"}]', "older API v0"),
        (b'"text"', "schema_version is missing"),
        (b"{}", "schema_version is missing"),
        (b'{"schema_version": 1}', "schema_version is missing"),
        (b'{"schema_version": "2.0.0"}', r"schema_version is 2.0.0; version 1.x"),
        (b"[" * 100_000, "nested deeper|no whole JSON"),
        (body(generated_at=None), "generated_at"),
        (body(generated_at="yesterday"), "generated_at: 'yesterday' is no date"),
        (body(result="x"), "result holds no products"),
        (body(result=["x"]), "result holds no products"),
        (body({"name": "debian", "category": "os"}), "this is the summary"),
        (body(product("debian", release("12", "soon"))), "debian 12: eolFrom: 'soon' is no date"),
        (body({**product("debian"), "releases": [{}]}), "debian: a release without a name"),
        (body({**product("debian"), "releases": "x"}), "debian: releases are missing"),
    ],
)
def test_anything_else_is_refused_by_name(given_bytes: bytes, message: str) -> None:
    with pytest.raises(EndOfLifeError, match=message):
        read_dump(given_bytes)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(
    st.binary()
    | st.dictionaries(st.sampled_from(("result", "total")), json_values).map(lambda more: body(**more))
)
def test_hostile_bytes_are_an_error_of_its_own(given_bytes: bytes) -> None:
    with suppress(EndOfLifeError):
        assert read_dump(given_bytes).generated_on


@given(json_values)
def test_hostile_releases_are_an_error_of_their_own(value: object) -> None:
    one = product(
        "windows", {**release("11-24h2-w", "2026-10-13"), "latest": value, "label": value, "eoesFrom": value}
    )
    with suppress(EndOfLifeError):
        assert {row.version for row in read_dump(body(one)).rows} == {"24H2"}


def test_a_release_keeps_the_build_the_dump_does_not_name() -> None:
    vista = release("6-sp2", "2017-04-11", label="Windows Vista SP2", latest={"name": "10.0.6200"})
    rows = merged(
        os_support(), read_dump(body(product("windows", vista, release("11-24h2-w", "2026-10-13")))).rows
    )
    builds = {(row.product, row.version): row.build for row in rows}
    assert builds["windows-vista", "SP2"] == "6002"  # the dump's is wrong
    assert builds["windows-11", "24H2"] == "26100"
