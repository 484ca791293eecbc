"""What a collector can be told, and what it says when told wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import URL, text

from roadworthy_collector.config_check import check
from roadworthy_collector.errors import SettingsError
from roadworthy_collector.settings import LOOPBACK, load
from roadworthy_collector.store.engine import open_engine
from roadworthy_collector.store.libpq import in_the_clear


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONFIG", "PORT", "DATA", "HOST", "SHARDS"):
        monkeypatch.delenv(f"ROADWORTHY_{name}", raising=False)
    for name in ("HOST", "HOSTADDR", "SERVICE", "SSLMODE"):
        monkeypatch.delenv(f"PG{name}", raising=False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 8470", "prot: unknown setting"),
        ("port = 0", "port: Input should be greater than or equal to 1"),
        ('port = "many"', "port: Input should be a valid integer, unable to parse string as an integer"),
        ("shards = 257", "shards: Input should be less than or equal to 256"),
        (
            'reporting_timezone = "London"',
            "reporting_timezone: Value error, no time zone is called 'London'; use a name such as Europe/London",
        ),
        (
            "half_hour_retention_days = 14\nstate_half_hour_retention_days = 15",
            (
                "state_half_hour_retention_days: Value error, device state goes with its half-hours: at most "
                "half_hour_retention_days, 14 days"
            ),
        ),
        (
            "report_interval_seconds = 59",
            "report_interval_seconds: Input should be greater than or equal to 60",
        ),
    ],
)
def test_a_wrong_file_is_named_with_the_setting(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "collector.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: {said}"


def test_a_file_that_is_no_toml_or_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "collector.toml"
    with pytest.raises(SettingsError, match=f"^{path}: cannot read the settings: No such file or directory$"):
        load(path)
    path.write_text("port =")
    with pytest.raises(SettingsError, match=f"^{path}: not valid TOML: "):
        load(path)


def test_a_wrong_variable_is_named_as_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADWORTHY_PORT", "http")
    with pytest.raises(SettingsError, match=r"^ROADWORTHY_PORT: Input should be a valid integer"):
        load()


@pytest.mark.parametrize(
    "place",
    [
        "rw@127.0.0.1/rw",
        "rw@localhost:5433/rw",
        "rw@[::1]/rw",
        "rw@/rw",
        "rw@/rw?host=/run/postgresql",
        "rw@/rw?host=127.0.0.1:5433&host=localhost",
        "rw@db.example/rw?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        "rw@db.example/rw?sslmode=verify-ca",
    ],
)
def test_a_database_here_or_with_tls_is_taken(place: str) -> None:
    assert load(database_url=f"postgresql://{place}").database_url == f"postgresql://{place}"


@pytest.mark.parametrize(
    ("place", "host"),
    [
        ("rw@db.example/rw", "db.example"),
        ("rw@10.0.0.5:5432/rw?sslmode=require", "10.0.0.5"),
        ("rw@db.example/rw?sslmode=prefer", "db.example"),
        ("rw@db.example/rw?sslmode=disable&sslmode=verify-full", "db.example"),
        ("rw@/rw?host=127.0.0.1:5432&host=db.example:5432", "db.example:5432"),
        ("rw@/rw?host=127.0.0.1,db.example", "db.example"),
        ("rw@localhost/rw?hostaddr=10.0.0.5", "10.0.0.5"),
        ("rw@localhost.example/rw", "localhost.example"),
    ],
)
def test_a_database_over_the_network_without_tls_must_be_meant(place: str, host: str) -> None:
    url = f"postgresql://{place}"
    with pytest.raises(SettingsError) as caught:
        load(database_url=url)
    assert f"what is said to {host} would cross the network unprotected; add ?sslmode=verify-full" in str(
        caught.value
    )
    assert load(database_url=url, database_plain=True).database_url == url


@pytest.mark.parametrize(
    ("place", "variables", "exposed"),
    [
        ("rw@/rw", {"PGHOST": "db.example"}, "db.example (which PGHOST names)"),
        ("rw@/rw", {"PGHOST": "/run/postgresql,db.example"}, "db.example (which PGHOST names)"),
        ("rw@localhost/rw", {"PGHOSTADDR": "10.0.0.5"}, "10.0.0.5 (which PGHOSTADDR names)"),
        ("rw@/rw", {"PGSERVICE": "estate"}, "the service estate (which PGSERVICE names)"),
        ("rw@localhost/rw", {"PGSERVICE": "estate"}, "the service estate (which PGSERVICE names)"),
        ("rw@/rw?service=estate", {}, "the service estate"),
        # A service's own sslmode wins over the variable, and is not known here.
        (
            "rw@/rw",
            {"PGSERVICE": "estate", "PGSSLMODE": "verify-full"},
            "the service estate (which PGSERVICE names)",
        ),
        ("rw@db.example/rw", {"PGSSLMODE": "require"}, "db.example"),
        ("rw@db.example/rw?sslmode=prefer", {"PGSSLMODE": "verify-full"}, "db.example"),
    ],
)
def test_what_variables_of_libpq_add_to_the_url_counts(
    monkeypatch: pytest.MonkeyPatch, place: str, variables: dict[str, str], exposed: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    url = f"postgresql://{place}"
    with pytest.raises(SettingsError) as caught:
        load(database_url=url)
    assert f"what is said to {exposed} would cross the network unprotected" in str(caught.value)
    assert load(database_url=url, database_plain=True).database_url == url
    (fault,) = check(database_url=url).faults
    assert (fault.setting, exposed in fault.message) == ("database_url", True)


@pytest.mark.parametrize(
    ("place", "variables"),
    [
        ("rw@/rw", {"PGHOST": "/run/postgresql"}),
        ("rw@/rw", {"PGHOST": "", "PGHOSTADDR": "", "PGSERVICE": ""}),
        ("rw@localhost/rw", {"PGHOST": "db.example"}),  # the URL's own host wins
        ("rw@/rw", {"PGHOST": "db.example", "PGSSLMODE": "verify-full"}),
        ("rw@db.example/rw", {"PGSSLMODE": "verify-ca"}),
        ("rw@/rw?sslmode=verify-full", {"PGSERVICE": "estate"}),
        ("rw@db.example/rw?sslmode=verify-full", {"PGSSLMODE": "disable", "PGHOSTADDR": "10.0.0.5"}),
    ],
)
def test_variables_that_expose_nothing_are_fine(
    monkeypatch: pytest.MonkeyPatch, place: str, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert load(database_url=f"postgresql://{place}").database_url == f"postgresql://{place}"


@pytest.mark.needs("postgresql")
def test_libpq_goes_where_the_check_says(monkeypatch: pytest.MonkeyPatch, server_database: URL) -> None:
    """A URL without a host, and one whose host is only a name: both end where the variables say."""
    for place, variable in ((None, "PGHOST"), ("localhost", "PGHOSTADDR")):
        url = server_database._replace(host=place)  # `set` leaves what is None as it is
        assert in_the_clear(url, LOOPBACK, {variable: "10.0.0.5"}) == ("10.0.0.5", variable)
        monkeypatch.setenv(variable, "127.0.0.1")
        engine = open_engine(url)
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT inet_server_addr()::text")).startswith("127.0.0.1")
        engine.dispose()


@pytest.mark.parametrize(
    ("told", "rollups"),
    [
        ({}, "serve"),
        ({"database_url": "postgresql://rw@localhost/rw"}, "jobs"),
        ({"database_url": "postgresql://rw@localhost/rw", "rollups_at": "serve"}, "serve"),
        ({"rollups_at": "jobs"}, "jobs"),
    ],
)
def test_the_rollups_are_where_the_store_wants_them_unless_somebody_says(
    told: dict[str, str], rollups: str
) -> None:
    assert load(**told).rollups == rollups


def test_two_programs_on_one_port_are_refused_where_nobody_says_which_has_the_rollups() -> None:
    with pytest.raises(SettingsError, match="set jobs_port to another than port"):
        load(database_url="postgresql://rw@localhost/rw", port=9000, jobs_port=9000)
    assert load(port=9000, jobs_port=9000).port == 9000


def test_state_is_kept_as_long_as_half_hours_unless_told_less() -> None:
    assert load().state_retention_days == load().half_hour_retention_days == 30
    assert load(half_hour_retention_days=14).state_retention_days == 14
    both = {"half_hour_retention_days": 14, "state_half_hour_retention_days": 7}
    assert load(**both).state_retention_days == 7


def test_an_empty_variable_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "collector.toml"
    path.write_text("port = 9000")
    monkeypatch.setenv("ROADWORTHY_PORT", "")
    assert load().port == 8470
    assert load(path).port == 9000


def test_a_variable_wins_over_the_file_and_an_option_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "collector.toml"
    path.write_text("port = 9000")
    monkeypatch.setenv("ROADWORTHY_PORT", "9001")
    assert load(path).port == 9001
    assert load(path, port=9002).port == 9002
