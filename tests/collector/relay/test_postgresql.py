"""The same on PostgreSQL, relay and main collector each on a database of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from collector.relay.sites import NEWEST, Agent, Site, boot, energetic, now_of, relay_of
from support import postgres

from roadworthy_collector.jobs.work import Work
from roadworthy_collector.relay import bounds, importing, signing, state, status, trust
from roadworthy_collector.relay.exporting import Exporter, acknowledge
from roadworthy_collector.relay.importing import Importer
from roadworthy_collector.store.engine import write_transaction

pytestmark = pytest.mark.needs("postgresql")


@pytest.fixture
def urls() -> Iterator[list[str]]:
    """Yield the URLs of two databases at this program's schema."""
    found = [postgres.fresh_database() for _ in range(2)]
    yield [url.render_as_string(hide_password=False) for url in found]
    for url in found:
        postgres.drop_database(url)


def test_a_relay_forwards_and_gives_up(tmp_path: Path, urls: list[str]) -> None:
    (tmp_path / "main").mkdir()
    main = Site(tmp_path / "main", options={"database_url": urls[0]})
    relay = relay_of(tmp_path / "relay", main, database_url=urls[1])
    with main.serving(), relay.serving():
        agent = Agent(relay)
        agent.report(NEWEST - 3600, startups=[boot(1)], now=now_of())
        later = Work(relay.engine, relay.settings, clock=lambda: time.time() + 31 * 86400)
        assert bounds.keep_bounds(later) == 1
        for n in range(3):
            agent.report(NEWEST - n * 900 // 1800 * 1800, now=now_of())
        agent.close()
        assert relay.forward() == relay_reports(relay)
        with write_transaction(relay.engine) as connection:
            assert status.read_status(connection, relay.settings)["items_given_up"] == {
                "periods": 1,
                "startups": 1,
            }
            assert status.resume(connection, agent.device.device_id, now=1) == 1
            assert [row["stopped"] for row in status.list_relayed(connection)] == [None]
    ours = {row["start"] for row in relay.holding()["periods"]} - {NEWEST - 3600}
    assert {row["start"] for row in main.holding()["periods"]} == ours
    main.engine.dispose()
    relay.engine.dispose()


def relay_reports(relay: Site) -> int:
    """Return how many reports were let go: what is no longer waiting of the three that came last."""
    return 3 - relay.waiting()


def test_a_file_is_written_read_and_acknowledged(tmp_path: Path, urls: list[str]) -> None:
    for name in ("main", "relay"):
        (tmp_path / name).mkdir()
    main = Site(tmp_path / "main", options={"database_url": urls[0]})
    relay = Site(tmp_path / "relay", options={"database_url": urls[1], "relay_file_drop": True})
    told = []
    for site in (main, relay):
        key = signing.make_key(site.folder)
        with write_transaction(site.engine) as connection:
            told.append(signing.Told(state.own_id(connection), signing.public_hex(key)).text())
    for site, text in ((main, told[1]), (relay, told[0])):
        with write_transaction(site.engine) as connection:
            trust.add(connection, "other", text, now=1)
    agents = [Agent(relay, local=True) for _ in range(2)]
    for agent in agents:
        relay.accept(agent, agent.body(periods=[energetic(NEWEST)]), agent.body(now=now_of()))
    (file,) = Exporter(relay.engine, relay.settings, tmp_path).run()
    (again,) = Exporter(relay.engine, relay.settings, tmp_path).run(int(time.time()) - 86400)
    importer = Importer(main.engine, main.settings)
    for one in (file, again, file):
        importer.read(Path(one.file))
    assert main.holding() == relay.holding()
    ack = importing.write_acknowledgement(main.engine, main.settings, relay.state()["id"], tmp_path, now=2)
    assert sum(row["reports"] for row in acknowledge(relay.engine, relay.settings, [ack], now=3)) == 4
    assert relay.waiting() == 0
    main.engine.dispose()
    relay.engine.dispose()
