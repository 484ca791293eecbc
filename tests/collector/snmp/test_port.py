"""SNMP by pysnmp, asked of Debian's snmpd in all three versions."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.snmp_agents import PUBLIC, SYSTEM_ONLY, snmpd
from typer.testing import CliRunner

from roadworthy_collector.cli import app
from roadworthy_collector.security.redact import redact
from roadworthy_collector.snmp.port import (
    Community,
    DeniedError,
    NoAnswerError,
    SnmpError,
    Target,
    User,
)
from roadworthy_collector.snmp.pysnmp_port import PysnmpPort

pytestmark = pytest.mark.needs("snmpd")

SYSTEM = (1, 3, 6, 1, 2, 1, 1)
SYS_DESCR, SYS_OBJECT_ID, SYS_UP_TIME, SYS_LOCATION = ((*SYSTEM, n, 0) for n in (1, 2, 3, 6))
SYS_OR_ID = (*SYSTEM, 9, 1, 2)
MISSING = (1, 3, 6, 1, 4, 1, 99999, 1, 0)
READER = User("reader", "sha256", "authentication-word", "aes128", "privacy-word")
STRONG = User("strong", "sha512", "authentication-word", "aes256", "privacy-word")
EVERY = [Community("1", PUBLIC), Community("2c", PUBLIC), READER, STRONG]
NAMES = ["v1", "v2c", "v3 SHA-256 AES-128", "v3 SHA-512 AES-256"]


class Asked:
    """The agent, and one port for all tests: an engine is dear."""

    def __init__(self, port: int) -> None:
        self.runner = asyncio.Runner()
        self.port = PysnmpPort()
        self.target = Target(
            "the agent", "127.0.0.1", EVERY[1], port=port, timeout_seconds=2.0, deadline_seconds=20.0
        )

    def get(
        self, credentials: Community | User, *oids: tuple[int, ...], **how: float | str
    ) -> dict[tuple[int, ...], object]:
        session = self.port.begin(replace(self.target, credentials=credentials, **how))  # type: ignore[arg-type]
        return dict(self.runner.run(session.get(oids)))

    def walk(
        self, credentials: Community | User, prefix: tuple[int, ...]
    ) -> tuple[dict[object, object], int]:
        session = self.port.begin(replace(self.target, credentials=credentials))
        return dict(self.runner.run(session.walk(prefix))), session.requests


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    with snmpd(tmp_path_factory.mktemp("snmpd")) as port:
        one = Asked(port)
        with one.runner:
            yield one
            one.runner.run(one.port.close())


@pytest.mark.parametrize("credentials", EVERY, ids=NAMES)
def test_an_agent_is_asked_over_ipv6(asked: Asked, credentials: Community | User) -> None:
    assert asked.get(credentials, SYS_LOCATION, host="::1") == {SYS_LOCATION: b"somewhere"}


@pytest.mark.parametrize("credentials", EVERY, ids=NAMES)
def test_values_come_as_numbers_octets_and_oids_and_missing_ones_are_left_out(
    asked: Asked, credentials: Community | User
) -> None:
    found = asked.get(credentials, SYS_DESCR, MISSING, SYS_OBJECT_ID, (*MISSING[:-1], 1), SYS_UP_TIME)
    assert list(found) == [SYS_DESCR, SYS_OBJECT_ID, SYS_UP_TIME]
    description, object_id, ticks = found.values()
    assert isinstance(description, bytes)
    assert description.startswith(b"Linux ")
    assert isinstance(object_id, tuple)
    assert object_id[:7] == (1, 3, 6, 1, 4, 1, 8072)
    assert isinstance(ticks, int)


def test_what_is_missing_altogether_is_nothing(asked: Asked) -> None:
    for credentials in EVERY[:3]:
        assert asked.get(credentials, MISSING) == {}
        assert asked.walk(credentials, MISSING[:-2])[0] == {}


def test_walks_are_the_same_in_every_version_and_dearer_in_the_first(asked: Asked) -> None:
    found, first = asked.walk(EVERY[0], SYS_OR_ID)
    assert len(found) > 5
    assert list(found) == sorted(found)  # type: ignore[type-var] # OIDs
    assert first == len(found) + 1
    for credentials in EVERY[1:]:
        again, requests = asked.walk(credentials, SYS_OR_ID)
        assert again == found
        assert requests == 1


def test_a_walk_ends_where_the_view_does(asked: Asked) -> None:
    for version in ("1", "2c"):
        found, _ = asked.walk(Community(version, SYSTEM_ONLY), (1, 3, 6, 1))  # type: ignore[arg-type]
        assert {oid[:7] for oid in found} == {SYSTEM}  # type: ignore[index] # OIDs
    assert asked.get(Community("2c", SYSTEM_ONLY), (1, 3, 6, 1, 2, 1, 25, 1, 1, 0)) == {}


def denied(asked: Asked, credentials: Community | User) -> str:
    with pytest.raises(SnmpError) as caught:
        # Without the privacy key an agent answers nothing after it has said who it is.
        asked.get(credentials, SYS_DESCR, timeout_seconds=0.8, retries=0)
    assert type(caught.value) is DeniedError
    text = str(caught.value)
    assert text.startswith("the agent (127.0.0.1")
    return text


@pytest.mark.parametrize(
    "user",
    [
        replace(READER, auth_key="another-word"),
        replace(READER, priv_key="another-word"),
        replace(READER, auth_protocol="sha512"),
        replace(READER, name="nobody"),
        replace(READER, priv_key=None),
        replace(READER, auth_key=None, priv_key=None),
        replace(READER, name="unread"),
    ],
    ids=[
        "authentication key",
        "privacy key",
        "protocol",
        "user",
        "without privacy",
        "without both",
        "no view",
    ],
)
def test_wrong_credentials_are_told_as_denied_and_never_shown(asked: Asked, user: User) -> None:
    text = denied(asked, user)
    assert "-word" not in text
    assert redact(text) == text  # the second line against secrets leaves the reason as it is
    # The right ones, of a user with the same name, hold beside the wrong ones.
    assert asked.get(READER, SYS_LOCATION) == {SYS_LOCATION: b"somewhere"}


def test_an_engine_is_shared_by_all_but_users_of_one_name_with_other_keys(asked: Asked) -> None:
    def engine(credentials: Community | User) -> object:
        async def get() -> object:
            return asked.port.engine(replace(asked.target, credentials=credentials))

        return asked.runner.run(get())

    assert engine(READER) is engine(STRONG)
    assert engine(READER) is engine(EVERY[0])
    assert engine(READER) is not engine(replace(READER, auth_key="a-second-word"))


def test_a_wrong_community_is_not_answered(asked: Asked) -> None:
    asked_once = replace(asked.target, credentials=Community("2c", "other"), timeout_seconds=0.1, retries=0)
    with pytest.raises(NoAnswerError, match=r"the agent .*does not know this community"):
        asked.runner.run(asked.port.begin(asked_once).get([SYS_DESCR]))


@pytest.fixture
def community_file(tmp_path: Path) -> Path:
    path = tmp_path / "community"
    path.write_text(PUBLIC)
    path.chmod(0o600)
    return path


def test_commands_find_try_and_record_a_real_agent(
    asked: Asked, community_file: Path, tmp_path: Path
) -> None:
    how = ["--community-file", str(community_file), "--port", str(asked.target.port)]
    found = CliRunner().invoke(
        app, ["snmp", "sweep", "127.0.0.1/32", "--rate", "5", *how, "--format", "json"]
    )
    assert found.exit_code == 0, found.output
    (seen,) = json.loads(found.stdout)
    assert seen["host"] == "127.0.0.1"
    assert seen["object_id"].startswith("1.3.6.1.4.1.8072")

    tried = CliRunner().invoke(app, ["snmp", "try", "127.0.0.1", *how, "--format", "json"])
    assert "host-resources" in json.loads(tried.stdout)["profiles"]

    folder = tmp_path / "recording"
    recorded = CliRunner().invoke(app, ["snmp", "record", "127.0.0.1", str(folder), *how])
    assert recorded.exit_code == 0, recorded.output
    written = (folder / "walk.snmprec").read_bytes()
    assert b"somewhere" not in written
    assert re.search(rb"\b" + re.escape(seen["name"].encode()) + rb"\b", written) is None
    assert (
        ".".join(str(byte) for byte in b"strong").encode() not in written
    )  # a user's name, in Net-SNMP's own rows
    (tmp_path / "replayed").write_bytes(written)
    replayed = CliRunner().invoke(
        app, ["snmp", "try", "--recording", str(tmp_path / "replayed"), "--format", "json"]
    )
    assert json.loads(replayed.stdout)["readings"]
