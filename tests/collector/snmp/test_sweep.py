"""A sweep asks what it was told to, as fast as it was told to, and says who answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support.snmp_responder import Agent, Responder

from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.snmp.dictionary_port import DictionaryPort
from roadworthy_collector.snmp.port import Community, NoAnswerError
from roadworthy_collector.snmp.profile_file import shipped_profiles
from roadworthy_collector.snmp.pysnmp_port import PysnmpPort
from roadworthy_collector.snmp.recording import read_recording
from roadworthy_collector.snmp.sweep import MOST_RATE, Seen, addresses, sweep

DEVICES = Path(__file__).parents[2] / "devices" / "snmp"
PROFILES = shipped_profiles()
PUBLIC = Community("2c", "public")


def test_a_range_is_its_hosts() -> None:
    assert addresses("10.1.2.0/30") == ["10.1.2.1", "10.1.2.2"]
    assert addresses("10.1.2.7/32") == ["10.1.2.7"]
    assert len(addresses("10.1.16.0/20")) == 4094


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("10.0.0.0/8", "10.0.0.0/8 has 16777216 addresses, more than 4096: state smaller ranges"),
        ("10.1.2.3/28", "'10.1.2.3/28' is no range: .*host bits set; write it as 10.1.2.0/28"),
        ("pdu-7", "'pdu-7' is no range"),
        ("224.0.0.0/24", "holds addresses of groups or of nobody"),
        ("255.255.255.255/32", "holds addresses of groups or of nobody"),
        ("0.0.0.0/20", "holds addresses of groups or of nobody"),
        ("ff02::/120", "holds addresses of groups or of nobody"),
    ],
)
def test_what_is_no_range_or_too_large_is_refused(text: str, said: str) -> None:
    with pytest.raises(RoadworthyError, match=said):
        addresses(text)


@pytest.mark.parametrize("rate", [0, -1, MOST_RATE + 1, float("nan")])
def test_a_rate_beyond_its_bounds_is_refused_before_anybody_is_asked(rate: float) -> None:
    port = DictionaryPort(hosts={"a": NoAnswerError("asked")})
    with pytest.raises(RoadworthyError, match="rate: must lie above 0 and at most 200"):
        asyncio.run(sweep(port, PROFILES, ["a"], PUBLIC, rate=rate))


def test_a_sweep_finds_who_is_there_asks_each_once_and_keeps_its_rate() -> None:
    ups = read_recording(DEVICES / "apc_smt3000-nmc3" / "walk.snmprec")
    printer = read_recording(DEVICES / "hp_laserjet-m507" / "walk.snmprec")
    agents = {
        "127.7.1.3": Agent(ups),
        "127.7.1.6": Agent(printer),
        "127.7.1.9": Agent(ups, "dead"),
        "127.7.1.10": Agent(ups, community=b"another"),
        "127.7.1.11": Agent(ups, "garbage"),
    }
    pauses: list[float] = []
    told: list[str] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0)

    async def run(number: int) -> list[Seen]:
        port = PysnmpPort()
        try:
            return await sweep(
                port,
                PROFILES,
                addresses("127.7.1.0/28"),
                PUBLIC,
                rate=50,
                timeout_seconds=1.0,
                seen=lambda host, _found: told.append(host),
                snmp_port=number,
                sleep=pause,
            )
        finally:
            await port.close()

    with Responder(agents) as responder:
        found = asyncio.run(run(responder.port))
    assert [(one.host, one.profile) for one in found] == [
        ("127.7.1.3", "apc-ups"),
        ("127.7.1.6", "printer-mib"),
    ]
    assert found[0].object_id is not None
    assert sorted(told) == sorted(addresses("127.7.1.0/28"))
    assert pauses == [1 / 50] * 14
    # The UPS's maker has several families: which one fits takes a second question.
    assert responder.requests == {"127.7.1.3": 2, "127.7.1.6": 1, "127.7.1.9": 1, "127.7.1.11": 1}
