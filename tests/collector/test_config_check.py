"""`roadworthy check-config`: everything that is wrong, at once, with where it was set."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path

import pytest
from collector.commands import call_here
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import postgres
from support.running import call

from roadworthy_collector.config_check import check, shown_values, toml_lines
from roadworthy_collector.settings import Settings
from roadworthy_collector.settings_docs import DOCS, settings_markdown

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("config", *Settings.model_fields):
        monkeypatch.delenv(f"ROADWORTHY_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)


def faults(path: Path, text: str = "", **options: object) -> list[str]:
    path.write_text(text)
    return [fault.text() for fault in check(path, **options).faults]


def test_nothing_is_wrong_with_the_defaults(tmp_path: Path) -> None:
    found = check()
    assert found.faults == []
    assert found.settings is not None
    assert found.as_json()["settings"]["port"] == 8470


def test_all_faults_are_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong values do not hide what else is wrong: files, pairs, what does not fit together."""
    path = tmp_path / "collector.toml"
    monkeypatch.setenv("ROADWORTHY_QUEUE_REPORTS", "none")
    said = faults(
        path,
        'prot = 1\nport = 0\nshards = 257\ntls_key = "key.pem"\nupstream_ca = "ca.pem"\nhost = "0.0.0.0"\n'
        'remote_write_url = "http://elsewhere.example/write"\nrelay_file_drop = "perhaps"\n',
    )
    assert sorted(line.split(": ")[1 if line.startswith(str(path)) else 0] for line in said) == [
        "ROADWORTHY_QUEUE_REPORTS", "host", "port", "prot", "relay_file_drop", "remote_write_url", "shards",
        "tls_key", "tls_key", "upstream_ca",
    ]  # fmt: skip
    assert f"{path}: prot: unknown setting" in said
    assert f"{path}: tls_key: key.pem is missing or may not be read" in said


def test_files_that_are_named_are_looked_at(tmp_path: Path) -> None:
    path, key = tmp_path / "collector.toml", tmp_path / "keys"
    (tmp_path / "ca.pem").write_text("nothing of the kind")
    key.write_text("rwe1_nothing")
    key.chmod(0o644)
    said = faults(
        path,
        f'upstream_url = "https://main.example"\nupstream_enrolment_key_file = "{key}"\nupstream_ca = "ca.pem"\n'
        f'database_url = "postgresql://rw@localhost/rw"\ndatabase_password_file = "{tmp_path}/none"\n'
        f'data = "{path}/data"\n',
    )
    assert len(said) == 4
    for fault in (
        f"{path}: upstream_ca: ca.pem is no PEM file of certificates",
        f"{path}: data: {path} is no folder",
    ):
        assert fault in said
    assert any(line.startswith(f"{path}: database_password_file: ") for line in said)
    assert any(line.startswith(f"{path}: upstream_enrolment_key_file: ") for line in said)


def test_a_key_that_is_not_the_certificates_is_found(tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        command = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ]
        files = ["-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", "-days", "2"]
        subprocess.run([*command, *files], cwd=tmp_path, check=True, capture_output=True)
    path = tmp_path / "collector.toml"
    pair = 'tls_certificate = "ours.pem"\ntls_key = "{}.key"\nupstream_ca = "theirs.pem"\n'
    assert faults(path, pair.format("ours")) == []
    (said,) = faults(path, pair.format("theirs"))
    assert said.startswith(f"{path}: tls_certificate, tls_key: ")
    assert faults(path, pair.format("nobodys")) == [
        f"{path}: tls_key: nobodys.key is missing or may not be read"
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot read the settings"), (b"port =", "not valid TOML"), (b"\xff\xfe", "not valid TOML")],
)
def test_a_file_that_cannot_be_read_is_the_one_fault(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "collector.toml"
    if content is not None:
        path.write_bytes(content)
    (fault,) = check(path).faults
    assert (fault.where, fault.setting) == (str(path), None)
    assert said in fault.text()
    assert fault.text().count(str(path)) == 1


def test_a_list_in_a_variable_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADWORTHY_ALLOWED_HOSTS", "desk.example")
    (fault,) = check().faults
    assert fault.text() == 'ROADWORTHY_ALLOWED_HOSTS: a list is written as JSON: ["one", "two"]'


def test_the_command_says_it_for_people_and_for_programs(tmp_path: Path) -> None:
    path = tmp_path / "collector.toml"
    path.write_text('port = 0\nhost = "0.0.0.0"\n')
    done = call("check-config", "--config", str(path), folder=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 2
    assert 'reporting_timezone = "Europe/London"' in done.stdout
    done = call_here("check-config", "--config", str(path), "--format", "json", folder=tmp_path)
    found = json.loads(done.stdout)
    assert (done.returncode, [fault["setting"] for fault in found["faults"]]) == (2, ["port", "host"])
    assert found["settings"]["host"] == "0.0.0.0"  # noqa: S104 - as it was set
    assert call_here("check-config", folder=tmp_path).returncode == 0


def test_what_is_printed_is_toml_and_means_the_same(tmp_path: Path) -> None:
    path, again = tmp_path / "collector.toml", tmp_path / "again.toml"
    path.write_text(
        'allowed_hosts = ["desk.example", "caf\u00e9"]\nbehind_tls_proxy = true\ndrain_seconds = 2.5\nshards = 16\n'
        'data = "a \\"quoted\\" folder\\\\\\u007f\\n\\U0001f600"\nremote_write_url = "https://receiver.example/write"\n'
    )
    done = call("check-config", "--config", str(path), folder=tmp_path)
    again.write_text(done.stdout)
    read = tomllib.loads(done.stdout)
    assert read["allowed_hosts"] == ["desk.example", "caf\u00e9"]
    unset = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("# ")}
    assert set(read) | unset == set(Settings.model_fields)
    assert "tls_certificate" in unset
    assert done.stdout.splitlines()[-1] != ""
    first = call_here("check-config", "--config", str(path), "--format", "json", folder=tmp_path)
    second = call_here("check-config", "--config", str(again), "--format", "json", folder=tmp_path)
    assert json.loads(first.stdout)["settings"] == json.loads(second.stdout)["settings"]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # the fixture sets nothing an example changes
@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40), st.lists(st.text(max_size=10), max_size=3)
)
def test_any_text_is_read_back(text: str, names: list[str]) -> None:
    clean = [name.encode("utf-8", "replace").decode() for name in names]
    found = Settings.model_construct(reporting_timezone=text, remote_write_labels=tuple(clean))
    lines = "\n".join(toml_lines(found))
    read = tomllib.loads(lines)
    assert read["reporting_timezone"] == shown_values(found)["reporting_timezone"]
    assert read["remote_write_labels"] == shown_values(found)["remote_write_labels"]


def test_a_database_that_is_none_is_found_when_asked(tmp_path: Path) -> None:
    (tmp_path / "roadworthy.db").write_text(
        "this is no database at all, and long enough to be looked at" * 100
    )
    assert check(data=tmp_path).faults == []
    (fault,) = check(data=tmp_path, connect=True).faults
    assert (fault.setting, "not a database" in fault.message) == ("data", True)


def test_a_server_that_is_not_there_is_found_when_asked() -> None:
    url = "postgresql://rw@127.0.0.1:1/rw"
    assert check(database_url=url).faults == []
    (fault,) = check(database_url=url, connect=True).faults
    assert fault.setting == "database_url"
    assert "cannot be reached" in fault.message


@pytest.mark.needs("postgresql")
def test_a_server_that_is_there_is_well() -> None:
    url = postgres.fresh_database()
    try:
        text = url.render_as_string(hide_password=False)
        assert check(database_url=text, connect=True).faults == []
    finally:
        postgres.drop_database(url)


def test_the_page_of_the_settings_is_current() -> None:
    assert (ROOT / DOCS).read_text("utf-8") == settings_markdown(), "run `make generate`"


def test_the_targets_file_is_looked_over_and_no_secret_is_shown(tmp_path: Path) -> None:
    community, targets = tmp_path / "community", tmp_path / "targets.toml"
    community.write_text("not-to-be-shown\n")
    community.chmod(0o644)
    text = f"""
[credentials.ro]
version = "2c"
community_file = "{community}"
[[target]]
name = "ups"
host = "192.0.2.7"
credentials = "ro"
profile = "none-such"
"""
    targets.write_text(text)
    setting = f'poll_targets_file = "{targets}"'
    found = faults(tmp_path / "c.toml", setting)
    assert [part in one for part, one in zip(("community", "none-such"), found, strict=True)] == [True, True]
    assert "chmod 600" in found[0]
    assert "not-to-be-shown" not in str(found)
    community.chmod(0o600)
    targets.write_text(text.replace('profile = "none-such"\n', ""))
    assert faults(tmp_path / "c.toml", setting) == []
    targets.write_text(text.replace("host", "hoost"))
    (wrong,) = faults(tmp_path / "c.toml", setting)
    assert "line 5" in wrong
    assert "hoost" in wrong
