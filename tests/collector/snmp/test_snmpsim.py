"""Our recordings, served over the wire by snmpsim, read by pysnmp as they do from the file."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.snmp_agents import snmpsim

from roadworthy_collector.snmp.dictionary_port import DictionaryPort
from roadworthy_collector.snmp.port import Community, Port, Target
from roadworthy_collector.snmp.profile_file import shipped_profiles
from roadworthy_collector.snmp.pysnmp_port import PysnmpPort
from roadworthy_collector.snmp.reading import read_device
from roadworthy_collector.snmp.recorder import as_json

DEVICES = Path(__file__).parents[2] / "devices" / "snmp"
SERVED = (
    "apc_ap8959eu3",
    "eaton_93pm-20",
    "raritan_px3-5190r",
    "dell_poweredge-r750-idrac9",
    "hp_laserjet-m507",
    "rittal_pdu-metered-cmc3",
)
PROFILES = shipped_profiles()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, PysnmpPort, int]]:
    recordings = {name: DEVICES / name / "walk.snmprec" for name in SERVED}
    with snmpsim(tmp_path_factory.mktemp("snmpsim"), recordings) as number, asyncio.Runner() as runner:
        port = PysnmpPort()
        yield runner, port, number
        runner.run(port.close())


@pytest.mark.parametrize(("name", "version"), [*((name, "2c") for name in SERVED), (SERVED[0], "1")])
def test_a_device_reads_over_the_wire_as_from_its_file(
    served: tuple[asyncio.Runner, PysnmpPort, int], name: str, version: str
) -> None:
    runner, wire, number = served
    community = Community("1" if version == "1" else "2c", name)
    target = Target(
        name, "127.0.0.1", community, port=number, timeout_seconds=2, retries=9, deadline_seconds=60
    )

    async def read(port: Port) -> dict[str, object]:
        return as_json(await read_device(port.begin(target), PROFILES))

    over_wire = runner.run(read(wire))
    assert over_wire["readings"]
    assert over_wire == runner.run(read(DictionaryPort.of_recording(DEVICES / name / "walk.snmprec")))
