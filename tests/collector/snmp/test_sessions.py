"""What one poll makes of agents that answer by the letter and of those that do not: each has its own typed failure."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Literal

import pytest
from typer.testing import CliRunner

from roadworthy_collector.snmp import cli
from roadworthy_collector.snmp.asking import Asking
from roadworthy_collector.snmp.matching import SYS_DESCR, SYS_OBJECT_ID
from roadworthy_collector.snmp.port import BadAnswerError, Community, EndlessError, Oid, Target, Value
from roadworthy_collector.snmp.profile_file import shipped_profiles
from roadworthy_collector.snmp.reading import read_device
from roadworthy_collector.snmp.recording import read_recording
from roadworthy_collector.snmp.redfish import RedfishAsker
from roadworthy_collector.snmp.repetitions import Repetitions
from roadworthy_collector.snmp.session import Answered, AskingSession, Kind, Rows
from roadworthy_collector.snmp.targets import Login, Polled

FOLDER = Path(__file__).parents[2] / "devices" / "snmp" / "apc_ap8959eu3"
VALUES = read_recording(FOLDER / "walk.snmprec")
TABLE = (1, 3, 6, 1, 4, 1, 99999, 1)
SOME: dict[Oid, Value] = {(*TABLE, 1, row): row for row in range(1, 5)}
GEN_ERR, NO_SUCH_NAME = 5, 2
Lie = Callable[[Kind, Sequence[Oid], Rows], Answered | Rows]


def says_no_such_name(_kind: Kind, _oids: Sequence[Oid], _rows: Rows) -> Answered:
    return Answered(NO_SUCH_NAME, 1, [])


def knows_nothing(_kind: Kind, _oids: Sequence[Oid], rows: Rows) -> Rows:
    return [(oid, None) for oid, _ in rows]


def answers_others(kind: Kind, _oids: Sequence[Oid], rows: Rows) -> Rows:
    return [((*oid[:-1], oid[-1] + 7), value) for oid, value in rows] if kind == "get" else rows


def leaves_out_half(kind: Kind, _oids: Sequence[Oid], rows: Rows) -> Rows:
    return rows[: max(1, len(rows) // 2)] if kind == "get" else rows


def leaves_out_what_is_missing(kind: Kind, _oids: Sequence[Oid], rows: Rows) -> Rows:
    return [row for row in rows if row[1] is not None] if kind == "get" else rows


def never_ends(kind: Kind, oids: Sequence[Oid], rows: Rows) -> Rows:
    return rows if kind == "get" else [((*oids[0], 0, 1 + number), 5) for number in range(20)]


def goes_back(kind: Kind, oids: Sequence[Oid], rows: Rows) -> Rows:
    return rows if kind == "get" else [((*oids[0][:-1], oids[0][-1] - 1), 5)]


def begins_anew(kind: Kind, oids: Sequence[Oid], rows: Rows) -> Rows:
    return rows if kind == "get" or rows[0][1] is not None else [(SYS_DESCR, b"a card")]


def breaks(_kind: Kind, _oids: Sequence[Oid], _rows: Rows) -> Rows:
    raise KeyError("what nobody thought of")


class Agent(AskingSession):
    """Answers by RFC 1157 or 3416 from values, and as `lie` makes of it; none asked for nothing is answered."""

    def __init__(self, target: Target, values: Mapping[Oid, Value], lie: Lie | None = None) -> None:
        super().__init__(target, Repetitions(time.monotonic))
        self._values = values
        self._oids = sorted(values)
        self._lie = lie
        self._first = isinstance(target.credentials, Community) and target.credentials.version == "1"

    async def ask(self, kind: Kind, oids: Sequence[Oid], repetitions: int = 0) -> Answered:
        self.requests += 1
        if not oids:
            return Answered(GEN_ERR, 0, [])
        if kind == "get":
            rows: Rows = [(oid, self._values.get(oid)) for oid in oids]
        else:
            behind = [oid for oid in self._oids if oid > oids[0]][: max(1, repetitions)]
            rows = [(oid, self._values[oid]) for oid in behind] or [(oids[0], None)]
        told = rows if self._lie is None else self._lie(kind, oids, rows)
        if isinstance(told, Answered):
            return told
        missing = [place for place, (_, value) in enumerate(told, 1) if value is None]
        return Answered(NO_SUCH_NAME, missing[0], []) if self._first and missing else Answered(0, 0, told)


class Port:
    """Agents by host."""

    def __init__(self, lies: Mapping[str, Lie | None]) -> None:
        self._lies = lies

    def begin(self, target: Target) -> Agent:
        return Agent(target, VALUES, self._lies[target.host])

    def keep(self, places: Collection[tuple[str, int]]) -> None:
        """Nothing is remembered."""

    async def close(self) -> None:
        """There are no sockets."""


def target(version: Literal["1", "2c"] = "2c", host: str = "10.0.0.1") -> Target:
    return Target("a card", host, Community(version, "public"))


def get(agent: Agent, oids: Sequence[Oid]) -> Mapping[Oid, Value]:
    return asyncio.run(agent.get(oids))


def test_a_request_for_nothing_is_never_sent() -> None:
    agent = Agent(target("1"), SOME)
    missing = [(*TABLE, 9, row) for row in range(3)]
    assert get(agent, missing) == {}
    assert get(agent, []) == {}
    assert get(agent, [*missing, *SOME]) == SOME
    assert agent.requests == 3 + 4


@pytest.mark.parametrize("version", ["1", "2c"])
@pytest.mark.parametrize("lie", [says_no_such_name, knows_nothing])
def test_a_device_that_tells_nothing_of_itself_has_given_a_bad_answer(
    version: Literal["1", "2c"], lie: Lie
) -> None:
    with pytest.raises(
        BadAnswerError, match=r"^a card \(10.0.0.1\): it answers, but tells nothing of itself"
    ):
        asyncio.run(read_device(Agent(target(version), VALUES, lie), shipped_profiles()))


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        (answers_others, "holds none of them"),
        (never_ends, "more than 2000 rows"),
        (lambda *_: [], "holds none of them"),
    ],
)
def test_agents_that_answer_something_else_are_named_so(lie: Lie, said: str) -> None:
    agent = Agent(target(), VALUES, lie)
    with pytest.raises(BadAnswerError, match=said):
        asyncio.run(read_device(agent, shipped_profiles()))
    assert agent.requests < 250  # two tables without an end are enough


def test_an_agent_that_leaves_out_values_is_asked_again_for_those() -> None:
    assert get(Agent(target(), SOME, leaves_out_half), list(SOME)) == SOME
    honest = asyncio.run(read_device(Agent(target(), VALUES), shipped_profiles()))
    halved = asyncio.run(read_device(Agent(target(), VALUES, leaves_out_half), shipped_profiles()))
    assert halved.readings == honest.readings
    missing = (*TABLE, 9, 1)
    agent = Agent(target(), SOME, leaves_out_what_is_missing)
    assert get(agent, [missing, *SOME]) == SOME
    assert agent.requests == 2


def test_a_walk_that_goes_back_out_of_its_table_is_no_end() -> None:
    with pytest.raises(BadAnswerError, match="goes backwards"):
        asyncio.run(Agent(target(), SOME, goes_back).walk((*TABLE, 2)))
    answer = asyncio.run(read_device(Agent(target(), VALUES, goes_back), shipped_profiles()))
    assert [one for one in answer.refusals if "goes backwards" in one.reason]


def test_an_agent_that_begins_anew_behind_its_last_row_has_ended() -> None:
    for prefix, found in (((*TABLE, 1), SOME), ((*TABLE, 2), {})):
        assert asyncio.run(Agent(target(), SOME, begins_anew).walk(prefix)) == found


def test_only_what_has_too_many_rows_is_endless() -> None:
    with pytest.raises(EndlessError, match=r"^a card .*more than 3 rows below 1\.3\.6"):
        asyncio.run(Agent(target(), SOME).walk((*TABLE, 1), most_rows=3))


FILE = """
[credentials.x]
version = "1"
community_env = "SESSION_TEST"
[defaults]
credentials = "x"
"""


def test_whatever_one_device_answers_the_others_are_polled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lies: dict[str, Lie | None] = {"good": None, "nothing": says_no_such_name, "fault": breaks}
    monkeypatch.setenv("SESSION_TEST", "public")
    monkeypatch.setattr(cli, "_port", lambda: Port(lies))
    file = tmp_path / "targets.toml"
    file.write_text(FILE + "".join(f'[[target]]\nname = "{one}"\nhost = "{one}"\n' for one in lies))
    how = ["poll", "--once", "--dry-run", "--targets", str(file), "--format", "json"]
    ended = CliRunner().invoke(cli.app, how)
    rows = {row["target"]: row for row in json.loads(ended.stdout)}
    assert {name: row["outcome"] for name, row in rows.items()} == {
        "good": "ok",
        "nothing": "bad_answer",
        "fault": "bad_answer",
    }
    assert rows["good"]["readings"] > 5
    assert (
        rows["fault"]["why"]
        == "fault (fault): its answer could not be read (KeyError); the log has the whole fault"
    )
    assert [record.message for record in caplog.records] == ["fault: its answer ends in a fault: KeyError"]


def test_a_fault_is_logged_when_it_begins_and_when_it_ends(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("SESSION_TEST", "public")
    lies: dict[str, Lie | None] = {"a": breaks}
    asking = Asking(Port(lies), shipped_profiles(), RedfishAsker())
    login = Login(version="2c", community_env="SESSION_TEST")
    polled = Polled(name="a", host="a", protocol="snmp", port=161, login=login, login_name="x")
    codes = [asyncio.run(asking.ask(polled)).code for _ in range(2)]
    lies["a"] = None
    codes.append(asyncio.run(asking.ask(polled)).code)
    assert codes == ["bad_answer", "bad_answer", "ok"]
    assert [(record.message, record.exc_info is not None) for record in caplog.records] == [
        ("a: its answer ends in a fault: KeyError", True),
        ("a: its answer is read again", False),
    ]


def test_every_first_question_asks_what_every_agent_has() -> None:
    answer = asyncio.run(read_device(Agent(target(), {SYS_OBJECT_ID: (1, 3, 6)}), shipped_profiles()))
    assert answer.profiles == ()
