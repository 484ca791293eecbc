"""Carbon settings: read exactly, wrong ones named by key, kept as editions; by store, API, form and command."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from support.estates import NOW, Estate
from support.people import Person
from support.web import Client, client_of
from typer.testing import CliRunner

from roadworthy_collector.carbon import settings_edition
from roadworthy_collector.carbon.settings_reading import CarbonSettingsError
from roadworthy_collector.carbon.settings_text import parse
from roadworthy_collector.cli import app
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.carbon.quantities import Co2e, MissingFactorError

ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
# Every line of the example that is a setting, taken out of its comment.
FULL = re.sub(r"(?m)^# (?=[a-z0-9_]+ = |\[)", "", settings_edition.EXAMPLE)


def save(estate: Estate, text: str, by: str = "pam") -> str:
    with write_transaction(estate.engine) as connection:
        return settings_edition.save(connection, text, actor=by, now=int(NOW)).digest


def test_the_example_as_it_is_says_nothing() -> None:
    found = parse(settings_edition.EXAMPLE)
    assert (found.rule, found.boundary, dict(found.years), found.base_year) == (None, None, {}, None)
    assert (found.targets, found.contracts, found.hosting, found.appraisal) == ((), (), (), None)
    assert found.grid_intensity is None
    with pytest.raises(CarbonSettingsError, match='factor_rule = "majority"'):
        found.require_rule()
    with pytest.raises(MissingFactorError):
        found.prices.on(dt.date(2026, 1, 1))


def test_every_line_of_the_example_is_read_exactly() -> None:
    found = parse(FULL)
    year = found.of_year(2025)
    assert (found.rule, year.fte, year.revenue_gbp_m) == ("majority", Fraction("6120.5"), Fraction("412.3"))
    assert year.not_comparable == ("The custody suites joined in 2026/27.",)
    assert found.of_year(2024).fte is None
    assert found.base_year is not None
    assert (found.base_year.began, found.base_year.emissions) == (2019, Co2e(Fraction(15_000_000)))
    assert found.base_year.threshold_ratio == Fraction(5, 100)
    assert found.targets[0].reduction_ratio == Fraction(1, 2)
    assert found.contracts[0].last == dt.date(2026, 3, 31)
    assert found.contracts[0].factor.kgco2e_per_kwh == 0
    assert found.prices.on(dt.date(2025, 6, 1)).gbp_per_tco2e == Decimal(95)
    assert found.prices.cost(Co2e(Fraction(1500)), dt.date(2025, 6, 1)) == Decimal("142.50")
    assert found.hosting[0].kwh == (90_000, 110_000, 140_000)
    assert found.appraisal is not None
    assert found.appraisal.marginal_kgco2e_per_kwh == {2026: Fraction(1, 5)}
    assert found.grid_intensity is not None
    assert found.grid_intensity.region == 13


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = ", "are no TOML"),
        ("faktor = 1", "faktor: unknown key"),
        ('factor_rule = "mean"', "factor_rule: is majority or blended"),
        ('boundary = ""', "boundary: write a text of 1 to 4000"),
        ("years = 1", "years: write"),
        ('[years."2025"]\nfte = 1', 'years."2025"'),
        ('[years."2025/26"]\nfte = "1"', 'years."2025/26": fte: write a number'),
        ('[years."2025/26"]\nfte = true', "fte: write a number"),
        ('[years."2025/26"]\nfte = 0', "fte: a ratio needs more than nought"),
        ('[years."2025/26"]\nfte = -1', "fte: is a number from 0"),
        ('[years."2025/26"]\nfte = nan', "fte: is a number from 0"),
        ('[years."2025/26"]\nfte = 1e400', "fte: is a number from 0"),
        ('[years."2025/26"]\nfte = 1.0000000001', "more than 9 decimal places"),
        ('[years."2025/26"]\nstaff = 1', "staff: unknown key"),
        ('[years."2025/26"]\nfte = 1\n[years."2025-26"]\nfte = 2', "write one table a year"),
        ('[years."2025/26"]\nnot_comparable = "no"', "not_comparable: is a list"),
        ('[base_year]\nyear = "2019/20"\ntco2e = 5\nthreshold_percent = 5', "a base year needs it"),
        ('boundary = "all"\n[base_year]\nyear = "2019/20"\ntco2e = 5', "threshold_percent: is missing"),
        (
            'boundary = "all"\n[base_year]\nyear = "2019/20"\ntco2e = 0\nthreshold_percent = 5',
            "without emissions",
        ),
        ('[[target]]\nby = "2030/31"\nreduction_percent = 0\nsource = "x"', "reduction of 0 is none"),
        ('[[target]]\nby = "2030/31"\nreduction_percent = 101\nsource = "x"', "target 1: reduction_percent"),
        ('[target]\nby = "2030/31"', "target: write [[target]]"),
        (
            '[[contract]]\nsupply = "1200012345679"\nkgco2e_per_kwh = 0\nsource = "x"',
            "contract 1: from: is missing",
        ),
        (
            '[[contract]]\nsupply = "1200012345679"\nfrom = "2025-04-01"\nkgco2e_per_kwh = 0\nsource = "x"',
            "write a day, without quotes",
        ),
        (
            '[[contract]]\nsupply = "1200012345678"\nfrom = 2025-04-01\nkgco2e_per_kwh = 0\nsource = "x"',
            "contract 1: supply: MPAN 1200012345678 does not check",
        ),
        (
            '[[contract]]\nsupply = "1200012345679"\nfrom = 2025-04-01\nto = 2025-03-01\nkgco2e_per_kwh = 0\nsource = "x"',
            "is before it begins",
        ),
        (
            (
                '[[contract]]\nsupply = "12 0001 2345 679"\nfrom = 2025-04-01\nkgco2e_per_kwh = 0\nsource = "x"\n'
                '[[contract]]\nsupply = "1200012345679"\nfrom = 2025-06-01\nkgco2e_per_kwh = 0\nsource = "x"'
            ),
            "contract 2: supply 1200012345679 has two factors on 2025-06-01",
        ),
        (
            "[[internal_price]]\nsince = 2025-04-01\ngbp_per_tco2e = 95",
            "internal_price 1: source: is missing",
        ),
        (
            '[[internal_price]]\nsince = 2025-04-01\ngbp_per_tco2e = 9\nsource = "x"\n' * 2,
            "two internal carbon prices begin on 2025-04-01",
        ),
        ('[[hosting]]\nyear = "2025/26"\nname = "x"\nsource = "y"\nkwh = [1, 2]', "low, likely, high"),
        ('[[hosting]]\nyear = "2025/26"\nname = "x"\nsource = "y"\nkwh = [3, 2, 1]', "are not in order"),
        ('[appraisal]\nsource = "x"', "appraisal: marginal_kgco2e_per_kwh: is missing"),
        (
            '[appraisal]\nsource = "x"\nmarginal_kgco2e_per_kwh = {soon = 1}\nvalue_gbp_per_tco2e = {}',
            "soon: is no calendar year",
        ),
        ("[grid_intensity]\nfetch = 1", "fetch: is true or false"),
        ("[grid_intensity]\nfetch = true\nregion = 18", "region: is a number from 1 to 17"),
        ("#" * 60_001, "are longer than 60,000"),
    ],
)
def test_what_is_wrong_is_named_by_its_key(text: str, says: str) -> None:
    with pytest.raises(CarbonSettingsError, match=re.escape(says)):
        parse(text)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(CarbonSettingsError):
        assert parse(text).digest


def test_editions_are_kept_and_audited(estate: Estate) -> None:
    with estate.engine.connect() as connection:
        assert settings_edition.current(connection).made_at is None
        assert settings_edition.settings(connection).rule is None
    digest = save(estate, 'factor_rule = "blended"')
    with estate.engine.connect() as connection:
        assert settings_edition.settings(connection).rule == "blended"
        changes = settings_edition.try_text(
            connection, 'factor_rule = "majority"\n[years."2025/26"]\nfte = 2'
        )
        assert [tuple(one) for one in changes] == [
            ("factor_rule", "blended", "majority"),
            ("years.2025/26.fte", None, "2"),
        ]
    with pytest.raises(RoadworthyError, match="what holds already"):
        save(estate, 'factor_rule    = "blended" # still')
    save(estate, FULL, by="otto")
    with estate.engine.connect() as connection:
        held = settings_edition.editions(connection)
        rows = connection.execute(
            select(schema.audit)
            .where(schema.audit.c.action == "carbon.settings.save")
            .order_by(schema.audit.c.id)
        ).all()
    assert [one["made_by"] for one in held] == ["otto", "pam"]
    assert rows[0].subject == digest
    assert rows[0].detail["changed"] == ["factor_rule"]
    assert rows[1].detail["before"] == digest


@pytest.fixture
def client(estate: Estate) -> Iterator[Client]:
    client = client_of(estate.engine, estate.path.parent, NOW)
    yield client
    client.close()


@ONE_STORE
def test_by_the_api_and_the_form(estate: Estate, client: Client) -> None:
    pam = Person(estate.engine, "pam", "sustainability_preparer")
    vera = Person(estate.engine, "vera", "viewer")
    path, text = "/api/v1/carbon/settings", 'factor_rule = "majority"'
    assert client.get(path, **vera.bearer).json()["made_at"] is None
    assert client.get(f"{path}/example", **vera.bearer).text == settings_edition.EXAMPLE
    assert client.request("PUT", path, json={"text": text}, **vera.bearer).status_code == 403
    found = client.post(f"{path}/try", json={"text": text}, **pam.bearer).json()
    assert found["changes"] == [{"setting": "factor_rule", "before": None, "after": "majority"}]
    assert client.request("PUT", path, json={"text": "x"}, **pam.bearer).status_code == 422
    assert client.request("PUT", path, json={"text": text}, **pam.bearer).json()["made_by"] == "pam"
    page = "/carbon/settings"
    assert "<textarea" in client.get(page, **pam.cookie).text
    assert "<textarea" not in client.get(page, **vera.cookie).text
    form: dict[str, Any] = {"csrf": pam.csrf, "text": 'factor_rule = "<b>"', "do": "try"}
    answer = client.post(page, data=form, **pam.cookie)
    assert answer.status_code == 422
    assert "&lt;b&gt;" in answer.text
    answer = client.post(page, data=form | {"text": 'boundary = "<i>"\r\n'}, **pam.cookie)
    assert answer.status_code == 200
    assert "&lt;i&gt;" in answer.text
    assert client.post(page, data=form | {"csrf": ""}, **pam.cookie).status_code == 403
    saved = form | {"text": 'boundary = "all sites"', "do": "save"}
    assert client.post(page, data=saved, **pam.cookie).status_code == 303
    assert "all sites" in client.get(page, **vera.cookie).text
    una = Person(estate.engine, "una", "viewer", [_unit(estate)])
    assert client.get(page, **una.cookie).status_code == 403


def _unit(estate: Estate) -> str:
    estate.unit("Traffic")
    return "Traffic"


@ONE_STORE
def test_by_the_commands(estate: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADWORTHY_DATA", str(estate.path.parent))
    file = tmp_path / "carbon.toml"
    file.write_text(FULL, "utf-8")

    def run(*words: str, **given: Any) -> Any:
        return CliRunner().invoke(app, ["carbon", "settings", *words], **given)

    assert run("example").stdout == settings_edition.EXAMPLE
    assert "factor_rule" in run("try", str(file)).output
    assert "is in force" in run("save", "-", input=FULL).output
    assert run("show").stdout == FULL
    assert "none" in run("try", str(file)).output
    done = run("save", str(tmp_path / "none.toml"))
    assert "cannot be read" in str(done.exception)
