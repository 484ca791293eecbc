from __future__ import annotations

from pathlib import Path

import pytest

from roadworthy_agent import settings
from roadworthy_agent.cli import main
from roadworthy_agent.errors import SettingsError

CONFIGS = Path(__file__).parent / "configs"
INVALID = sorted(CONFIGS.glob("invalid-*.toml"))
EMPTY: dict[str, str] = {}


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_each_wrong_file_gets_its_exact_message(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = path.with_suffix(".message").read_text().strip().replace("{path}", str(path))
    with pytest.raises(SettingsError) as caught:
        settings.load(path, EMPTY)
    assert str(caught.value) == expected
    assert main(["--config", str(path), "check-config"]) == 2
    assert capsys.readouterr().err == f"roadworthy-agent: {expected}\n"


def test_every_wrong_file_has_a_message() -> None:
    assert len(INVALID) >= 26
    assert {path.stem for path in INVALID} == {path.stem for path in CONFIGS.glob("*.message")}


def test_a_good_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(
        'server = "https://roadworthy.example.org/base/"\nstate_dir = "/srv/roadworthy"\n'
        'enrolment_key_file = "/run/key"\nca_file = "/etc/ca.pem"\nsample_interval_seconds = 30\n'
        'spool_max_bytes = 4194304\nsuppress = ["vpn.service"]\nallow = ["smart", "ipmi"]\n'
        'collection_policy = "daily"\nproxy = "http://proxy.example.org:3128/"\n'
        'client_certificate = "/etc/device.pem"\nclient_key = "/etc/device.key"\n'
    )
    assert settings.load(path, EMPTY) == settings.Settings(
        server="https://roadworthy.example.org/base",
        state_dir=Path("/srv/roadworthy"),
        enrolment_key_file=Path("/run/key"),
        ca_file=Path("/etc/ca.pem"),
        sample_interval_seconds=30,
        spool_max_bytes=4_194_304,
        suppress=("vpn.service",),
        allow=("ipmi", "smart"),
        collection_policy="daily",
        proxy="http://proxy.example.org:3128",
        client_certificate=Path("/etc/device.pem"),
        client_key=Path("/etc/device.key"),
    )


def test_nothing_beyond_the_usual_is_read_and_the_device_decides_how_closely_unless_told() -> None:
    found = settings.load(None, EMPTY)
    assert (found.allow, found.collection_policy, found.proxy) == ((), "auto", None)
    given = {"ROADWORTHY_AGENT_ALLOW": "application_names, smart", "ROADWORTHY_AGENT_PROXY": "none"}
    assert settings.load(None, given).allow == ("smart", "application_names")
    assert settings.load(None, given).proxy == "none"


def test_a_variable_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text('server = "https://one.example.org"\nsample_interval_seconds = 30\n')
    found = settings.load(
        None,
        {
            "ROADWORTHY_AGENT_CONFIG": str(path),
            "ROADWORTHY_AGENT_SERVER": "http://127.0.0.1:1",
            "ROADWORTHY_AGENT_SUPPRESS": "a.service, b.service",
            "ROADWORTHY_AGENT_SPOOL_MAX_BYTES": "3000000",
        },
    )
    assert found.server == "http://127.0.0.1:1"
    assert found.sample_interval_seconds == 30
    assert found.suppress == ("a.service", "b.service")
    assert found.spool_max_bytes == 3_000_000


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("SERVR", "x", "ROADWORTHY_AGENT_SERVR: unknown setting 'servr'; did you mean 'server'?"),
        (
            "SAMPLE_INTERVAL_SECONDS",
            "soon",
            (
                "ROADWORTHY_AGENT_SAMPLE_INTERVAL_SECONDS: sample_interval_seconds: 'soon' must be a whole number "
                "of seconds from 5 to 58"
            ),
        ),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.load(None, {f"ROADWORTHY_AGENT_{name}": value})
    assert str(caught.value) == message


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"nowhere.toml: cannot read the settings: No such file or directory$"
    ):
        settings.load(tmp_path / "nowhere.toml", EMPTY)
    (tmp_path / "latin.toml").write_bytes(b'server = "\xe9"\n')
    with pytest.raises(SettingsError, match=r"latin.toml: not UTF-8 text: byte 10 cannot be read$"):
        settings.load(tmp_path / "latin.toml", EMPTY)


@pytest.mark.parametrize("address", ["http://127.0.0.1:8470", "http://[::1]:8470", "http://localhost:8470"])
def test_plain_http_is_for_loopback(address: str) -> None:
    assert settings.load(None, {"ROADWORTHY_AGENT_SERVER": address}).server == address


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1.example.org", "http://localhost.example.org", "http://10.0.0.1"]
)
def test_plain_http_is_for_nothing_that_looks_like_loopback(address: str) -> None:
    with pytest.raises(SettingsError, match="plain http"):
        settings.load(None, {"ROADWORTHY_AGENT_SERVER": address})


def test_the_readme_lists_every_setting() -> None:
    readme = (Path(__file__).parents[2] / "agent/README.md").read_text()
    assert all(f"`{setting.name}`" in readme for setting in settings.SETTINGS)
