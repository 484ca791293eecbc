"""A polled device and a target that does not answer, written as the jobs process writes them."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import Engine

from roadworthy_collector.settings import Settings
from roadworthy_collector.snmp import keeping
from roadworthy_collector.snmp.dictionary_port import DictionaryPort
from roadworthy_collector.snmp.port import Community, Target
from roadworthy_collector.snmp.profile_file import shipped_profiles
from roadworthy_collector.snmp.reading import read_device
from roadworthy_collector.snmp.targets import Login, Polled
from roadworthy_collector.store.engine import write_transaction

RECORDINGS = Path(__file__).parents[1] / "devices" / "snmp"
POLLED_ID = f"rwd_{'5a' * 16}"


def polled(name: str, host: str) -> Polled:
    """Return a target nobody could ask: its credentials are nowhere."""
    login = Login(version="2c", community_env="NOWHERE")
    return Polled(
        name=name, host=host, protocol="snmp", port=161, login=login, login_name="x", site="Headquarters"
    )


def make_polled(engine: Engine, data: Path, now: float, recording: str = "apc_smt3000-nmc3") -> str:
    """Poll a recording once, and one target in vain; return the id of the device that came of it."""
    port = DictionaryPort.of_recording(RECORDINGS / recording / "walk.snmprec")
    session = port.begin(Target("comms 1", "192.0.2.1", Community("2c", "")))
    # In a thread of its own: beside a browser's driver there is an event loop in this one.
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(lambda: asyncio.run(read_device(session, shipped_profiles()))).result()
    one, silent = polled("comms 1", "192.0.2.1"), polled("comms 2", "192.0.2.2")
    outcomes = [
        keeping.Outcome(one, now, 0.1, answer),
        keeping.Outcome(silent, now, 4.0, code="no_answer", reason="comms 2: no answer from 192.0.2.2"),
    ]
    with write_transaction(engine) as connection:
        keeping.sync(connection, [one, silent])
        keeping.write_outcomes(
            connection, outcomes, Settings(data=data), version="0.0.0", random_hex=lambda size: "5a" * size
        )
    return POLLED_ID
