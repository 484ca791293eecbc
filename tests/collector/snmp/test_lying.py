"""Agents that are dead, slow or lie: each poll of them ends in a typed error that names the device, in bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.snmp_responder import Agent, Responder, response

from roadworthy_collector.snmp.exchange import Exchange, untaken
from roadworthy_collector.snmp.port import (
    BadAnswerError,
    Community,
    DeadlineError,
    DeniedError,
    NoAnswerError,
    Oid,
    SnmpError,
    Target,
    User,
    Value,
)
from roadworthy_collector.snmp.pysnmp_port import PysnmpPort
from roadworthy_collector.snmp.repetitions import FEWER_SECONDS
from roadworthy_collector.snmp.session import MOST_OIDS

SYS_NAME = (1, 3, 6, 1, 2, 1, 1, 5, 0)

TABLE = (1, 3, 6, 1, 4, 1, 99999, 1)
VALUES: dict[Oid, Value] = {(*TABLE, column, row): 1000 * row for column in (1, 2) for row in range(50)}
FIRST = [(*TABLE, 1, row) for row in range(50)]
AGENTS = {
    "127.7.0.1": Agent(VALUES, "dead"),
    "127.7.0.2": Agent(VALUES, "truncated"),
    "127.7.0.3": Agent(VALUES, "other_request"),
    "127.7.0.4": Agent(VALUES, "garbage"),
    "127.7.0.5": Agent(VALUES, "backwards"),
    "127.7.0.6": Agent(VALUES, "endless"),
    "127.7.0.7": Agent(VALUES, "refuses"),
    "127.7.0.8": Agent(VALUES, "elsewhere"),
    "127.7.0.9": Agent(VALUES, delay_seconds=0.35),
    "127.7.0.10": Agent(VALUES, delay_seconds=0.06),
    "127.7.0.11": Agent(VALUES, delay_seconds=0.06),
    "127.7.0.12": Agent(VALUES, most_oids=6),
    "127.7.0.13": Agent(VALUES, most_rows=6),
    "127.7.0.14": Agent(VALUES, most_rows=6, silent=False),
    "127.7.0.15": Agent({**VALUES, (*TABLE, 3, 0): 1 << 40, (*TABLE, 3, 1): -5, (*TABLE, 3, 2): b"\0\xff"}),
    "127.7.0.16": Agent(VALUES, delay_seconds=0.06),
}


class Network:
    """The agents, one port for all tests, and its clock's lead."""

    def __init__(self, responder: Responder) -> None:
        self.responder = responder
        self.runner = asyncio.Runner()
        self.lead = 0.0
        self.port = PysnmpPort(monotonic=lambda: asyncio.get_running_loop().time() + self.lead)

    def target(self, number: int) -> Target:
        host = f"127.7.0.{number}"
        return Target(
            f"device {number}",
            host,
            Community("2c", "public"),
            port=self.responder.port,
            timeout_seconds=5.0,
            retries=1,
            deadline_seconds=20.0,
        )

    def get(self, target: Target, oids: Sequence[Oid]) -> Mapping[Oid, Value]:
        async def run() -> Mapping[Oid, Value]:
            return await self.port.begin(target).get(oids)

        return self.runner.run(run())

    def walk(self, target: Target, prefix: Oid = TABLE) -> Mapping[Oid, Value]:
        async def run() -> Mapping[Oid, Value]:
            return await self.port.begin(target).walk(prefix)

        return self.runner.run(run())

    def rows_asked(self, number: int) -> list[int]:
        """Return how many rows each bulk request to a device asked for, and forget them."""
        host = f"127.7.0.{number}"
        found = [one.third for where, one in self.responder.asked if where == host]
        self.responder.asked.clear()
        return found


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with Responder(AGENTS) as responder:
        one = Network(responder)
        with one.runner:
            yield one
            one.runner.run(one.port.close())


@pytest.mark.parametrize(
    ("number", "kind", "said"),
    [
        (1, NoAnswerError, "no answer to 2 tries of 0.1 s"),
        (2, BadAnswerError, "is no whole SNMP message"),
        (3, BadAnswerError, "answers another request"),
        (4, BadAnswerError, "is no whole SNMP message"),
        (7, DeniedError, "may not read"),
        (8, NoAnswerError, "no answer"),
        (9, DeadlineError, "later than after 0.1 s; raise its timeout_seconds"),
    ],
)
def test_a_get_that_is_not_answered_says_why_and_by_whom(
    network: Network, caplog: pytest.LogCaptureFixture, number: int, kind: type[SnmpError], said: str
) -> None:
    # The slow one answers its first try while the second is waited for.
    target = replace(network.target(number), timeout_seconds=0.1, retries=3 if number == 9 else 1)
    with pytest.raises(SnmpError, match=said) as caught:
        network.get(target, FIRST[:2])
    assert type(caught.value) is kind
    assert str(caught.value).startswith(f"device {number} (127.7.0.{number}")
    assert not caplog.records  # what a device sends is no error of ours


@pytest.mark.parametrize(
    ("number", "said"), [(5, "goes backwards at 1.3.6"), (6, "more than 2000 rows below 1.3.6")]
)
def test_a_walk_that_does_not_go_on_or_does_not_end_is_ended(
    network: Network, number: int, said: str
) -> None:
    with pytest.raises(BadAnswerError, match=f"^device {number} .*{said}"):
        network.walk(network.target(number))
    assert network.responder.requests[f"127.7.0.{number}"] <= 2000 / 20 + 1


def test_a_device_that_answers_but_takes_too_long_altogether_is_told_so(network: Network) -> None:
    slow = replace(network.target(16), max_repetitions=2, deadline_seconds=0.3)
    with pytest.raises(DeadlineError, match=r"^device 16 .*not through after 0.3 s .*deadline_seconds"):
        network.walk(slow)


def test_one_request_is_in_flight_for_a_device_and_many_for_the_network(network: Network) -> None:
    async def run() -> float:
        began = asyncio.get_running_loop().time()
        some = [network.port.begin(network.target(number)) for number in (10, 11) for _ in range(4)]
        await asyncio.gather(*(session.get(FIRST[:3]) for session in some))
        return asyncio.get_running_loop().time() - began

    network.runner.run(run())
    # Eight sessions at once: each device had one of them at a time.
    assert network.responder.most_at_once["127.7.0.10"] == 1
    assert network.responder.most_at_once["127.7.0.11"] == 1


def test_a_get_that_is_too_big_is_asked_in_parts(network: Network) -> None:
    found = network.get(network.target(12), FIRST)
    assert found == {oid: VALUES[oid] for oid in FIRST}
    assert list(found) == FIRST
    asked = [len(one.oids) for where, one in network.responder.asked if where == "127.7.0.12"]
    assert max(asked) == MOST_OIDS


@pytest.mark.parametrize("number", [13, 14], ids=["silent", "too big"])
def test_a_device_that_cannot_answer_many_rows_is_asked_for_fewer_for_some_hours(
    network: Network, number: int
) -> None:
    target = replace(network.target(number), timeout_seconds=0.5, retries=0)
    assert network.walk(target) == VALUES
    assert network.rows_asked(number)[:3] == [20, 10, 5]
    assert network.walk(target) == VALUES
    assert set(network.rows_asked(number)) == {5}
    network.lead += FEWER_SECONDS
    assert network.walk(target) == VALUES
    assert network.rows_asked(number)[0] == 20


def test_numbers_of_all_sizes_octets_and_what_is_missing(network: Network) -> None:
    target = network.target(15)
    wanted = [(*TABLE, 3, 0), (*TABLE, 3, 1), (*TABLE, 9, 9), (*TABLE, 3, 2)]
    assert list(network.get(target, wanted).values()) == [1 << 40, -5, b"\0\xff"]
    assert list(network.walk(target, (*TABLE, 3)).values()) == [1 << 40, -5, b"\0\xff"]


def test_a_host_nobody_knows_does_not_answer(network: Network) -> None:
    with pytest.raises(NoAnswerError, match=r"^lost: no-such-host\.invalid is no known address"):
        network.get(replace(network.target(1), name="lost", host="no-such-host.invalid"), FIRST[:1])


REQUEST = response(b"public", b"\x12\x34\x56", 0, [])


def test_each_device_may_have_a_community_of_its_own() -> None:
    """And one that answers in another community than it was asked by has not answered."""
    asked = {f"127.78.0.{number}": f"c {number}".encode() for number in range(1, 4)}
    agents = {
        host: Agent({SYS_NAME: host.encode()}, community=community) for host, community in asked.items()
    }
    with Responder(agents) as responder, asyncio.Runner() as runner:
        port = PysnmpPort()

        async def get(host: str, community: bytes) -> dict[Oid, Value]:
            target = Target(
                host,
                host,
                Community("2c", community.decode()),
                port=responder.port,
                timeout_seconds=0.2,
                retries=0,
            )
            return dict(await port.begin(target).get([SYS_NAME]))

        for _ in range(2):
            for host, community in asked.items():
                assert runner.run(get(host, community)) == {SYS_NAME: host.encode()}
        for host in list(asked)[:2]:
            with pytest.raises(NoAnswerError):
                runner.run(get(host, asked["127.78.0.3"]))
        # Forgetting where devices are hurts none that is asked again.
        port.keep({("127.78.0.1", responder.port)})
        assert runner.run(get("127.78.0.2", b"c 2")) == {SYS_NAME: b"127.78.0.2"}
        runner.run(port.close())


def test_no_repr_tells_a_secret() -> None:
    """What a debugger or a crash reporter prints of the objects at hand: datagrams hold the community in plain."""
    community, user = Community("2c", "s3cret"), User("reader", auth_key="s3cret", priv_key="s3cret")
    heard = Exchange(sent=[b"0(s3cret"], heard=b"0(s3cret")
    assert "s3cret" not in f"{community!r} {user!r} {Target('a', 'a', community)!r} {heard!r}"


def test_a_changed_key_leaves_no_engine_behind_for_ever() -> None:
    """Each pair of keys of one user name needs an engine: one that was not used for hours is closed."""
    now = [0.0]
    with asyncio.Runner() as runner:
        port = PysnmpPort(monotonic=lambda: now[0])

        async def engines() -> int:
            made = []
            for number in range(3):
                user = User("reader", auth_key=f"a-long-word-{number}")
                made.append(port.engine(Target("a", "127.78.0.9", user)).engine)
                now[0] += 8_000.0
            return sum(one.transport_dispatcher is not None for one in made)

        assert runner.run(engines()) == 1
        runner.run(port.close())


DEVICE = Target("device 1", "10.0.0.1", Community("2c", "public"))


@given(heard=st.binary(max_size=60), cut=st.integers(0, len(REQUEST) - 1), changed=st.integers(0, 255))
def test_whatever_is_heard_has_a_name(heard: bytes, cut: int, changed: int) -> None:
    mixed = REQUEST[:cut] + bytes([changed]) + REQUEST[cut + 1 :]
    for one in (heard, REQUEST[:cut], mixed):
        said = untaken(DEVICE, Exchange(sent=[REQUEST], heard=one))
        assert isinstance(said, BadAnswerError | DeadlineError | DeniedError)
        assert str(said).startswith("device 1 (10.0.0.1:161): ")
    assert type(untaken(DEVICE, Exchange(sent=[REQUEST], heard=REQUEST))) is DeadlineError
    assert type(untaken(DEVICE, Exchange(sent=[REQUEST], heard=REQUEST[:cut]))) is BadAnswerError


def test_an_answer_in_another_community_or_version_is_not_late() -> None:
    other = response(b"other", b"\x12\x34\x56", 0, [])
    first = REQUEST.replace(b"\x02\x01\x01", b"\x02\x01\x00", 1)
    for heard in (other, first):
        said = untaken(DEVICE, Exchange(sent=[REQUEST], heard=heard))
        assert type(said) is BadAnswerError
        assert "in another version or community" in str(said)
        assert "other" not in str(said).replace("another", "")
