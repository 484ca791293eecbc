"""What a relay tells Prometheus of its queue, scraped as Prometheus scrapes it; a collector that is none tells nothing."""

from __future__ import annotations

import time
import urllib.request
from pathlib import Path

import pytest
from collector.relay.sites import NEWEST, Agent, Site, boot, energetic, relay_of
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update
from support.estates import NOW, Estate
from support.web import Client

from roadworthy_collector.app import create_app
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.metrics.catalogue import CATALOGUE
from roadworthy_collector.metrics.jobs_app import create_jobs_app
from roadworthy_collector.relay import bounds, outbox, state
from roadworthy_collector.relay.exporting import Exporter, acknowledge
from roadworthy_collector.relay.importing import Importer, write_acknowledgement
from roadworthy_collector.relay.signing import Told, make_key, public_hex, read_key
from roadworthy_collector.relay.trust import add
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import write_transaction

PREFIX = "roadworthy_relay_"


def told(text: str) -> dict[str, float]:
    """Return the samples about the relay, without the prefix; none has a label."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name.startswith(PREFIX):
                assert sample.labels == {}
                found[sample.name.removeprefix(PREFIX)] = sample.value
    return found


def scraped(site: Site) -> dict[str, float]:
    with urllib.request.urlopen(f"{site.address}/metrics", timeout=30) as answer:
        return told(answer.read().decode())


def test_what_waits_goes_and_is_refused_is_told(tmp_path: Path, main: Site) -> None:
    relay = relay_of(tmp_path / "relay", main)
    with relay.serving():
        assert scraped(relay) == {
            "waiting_reports": 0,
            "waiting_bytes": 0,
            "waiting_limit_bytes": relay.settings.relay_outbox_max_bytes,
            "oldest_waiting_seconds": 0,
            "refused_items_total": 0,
            "given_up_items_total": 0,
            "stopped_devices": 0,
        }
        agent = Agent(relay)
        agent.report(NEWEST, startups=[boot(1)])
        agent.report(NEWEST - 1800)
        with write_transaction(relay.engine) as connection:
            oldest = schema.relay_outbox.c.id == 1
            connection.execute(
                update(schema.relay_outbox).where(oldest).values(received_at=int(time.time()) - 7200)
            )
        waiting = scraped(relay)
        assert waiting["waiting_reports"] == 2
        assert waiting["waiting_bytes"] > 100
        assert 7200 <= waiting["oldest_waiting_seconds"] < 7200 + 600
        assert "last_success_timestamp_seconds" not in waiting  # nothing was ever forwarded
        main.options["half_hour_retention_days"] = 2
        agent.report(NEWEST - 10 * 86_400)  # the main collector keeps less than the relay
        began = time.time()
        with main.serving():
            assert relay.forward() == 3
        done = scraped(relay)
        assert (done["waiting_reports"], done["waiting_bytes"], done["oldest_waiting_seconds"]) == (0, 0, 0)
        assert began - 1 <= done["last_success_timestamp_seconds"] <= time.time()
        assert done["refused_items_total"] == 1
        agent.report(NEWEST - 3600, NEWEST - 5400)
        with write_transaction(main.engine) as connection:
            connection.execute(update(schema.tokens).values(revoked_at=1, revoked_as="revoked"))
        with main.serving():
            relay.forward(3600.0)
        assert scraped(relay)["stopped_devices"] == 1
        late = Work(relay.engine, relay.settings, clock=lambda: time.time() + 31 * 86_400)
        assert bounds.keep_bounds(late) == 1
        assert scraped(relay)["given_up_items_total"] == 2
        agent.close()


def test_by_carried_files_what_is_acknowledged_counts(tmp_path: Path, main: Site) -> None:
    (tmp_path / "relay").mkdir()
    relay = Site(tmp_path / "relay", options={"relay_file_drop": True})
    for site in (relay, main):
        make_key(site.folder)
    for reader, other, place in ((main, relay, {"site": "Custody"}), (relay, main, {})):
        with write_transaction(other.engine) as connection:
            own = state.own_id(connection)
        text = Told(own, public_hex(read_key(other.folder))).text()
        with write_transaction(reader.engine) as connection:
            add(connection, "other", text, now=int(time.time()), **place)
    agent = Agent(relay, local=True)
    relay.accept(agent, agent.body(periods=[energetic(NEWEST)]))
    with relay.serving():
        before = scraped(relay)
        (file,) = Exporter(relay.engine, relay.settings, tmp_path / "stick").run(None)
        assert scraped(relay)["waiting_reports"] == before["waiting_reports"] == 1
        Importer(main.engine, main.settings).read(Path(file.file))
        own = relay.state()[state.ID]
        said = write_acknowledgement(main.engine, main.settings, own, tmp_path / "stick", now=int(NOW))
        acknowledge(relay.engine, relay.settings, [said], now=int(NOW))
        after = scraped(relay)
    assert "last_success_timestamp_seconds" not in before
    assert (after["waiting_reports"], after["last_success_timestamp_seconds"]) == (0, NOW)
    # What a main collector refuses of a file it does not tell.
    assert after.keys() & {"refused_items_total", "stopped_devices"} == set()
    relay.engine.dispose()


def collector(estate: Estate, kind: str, **options: object) -> Client:
    settings = estate.settings(**options)
    if kind == "jobs":
        return Client(create_jobs_app(settings, estate.engine, lambda: True, clock=lambda: NOW))
    return Client(create_app(settings, estate.engine, clock=lambda: NOW))


@pytest.mark.parametrize("kind", ["serve", "jobs"])
def test_it_is_bounded_and_of_a_relay_only_whoever_is_asked(estate: Estate, kind: str) -> None:
    device = estate.device()
    for number in range(3):
        row = {"device": device, "bytes": 100, "passing": False, "body": b"x" * 100}
        estate.put(schema.relay_outbox, received_at=int(NOW) - 60 * number, **row)
    for number in range(50):  # the codes are another collector's words
        estate.put(schema.counters, name=outbox.REFUSED, label=f"code_{number}", value=2)
    where = "jobs" if kind == "jobs" else "serve"
    relay = collector(estate, kind, rollups_at=where, relay_file_drop=False, **upstream(estate))
    found = told(relay.get("/metrics").text)
    relay.close()
    assert found == {
        "waiting_reports": 3,
        "waiting_bytes": 300,
        "waiting_limit_bytes": 1_073_741_824,
        "oldest_waiting_seconds": 120,
        "refused_items_total": 100,
        "given_up_items_total": 0,
        "stopped_devices": 0,
    }
    assert {PREFIX + name for name in found} < {row.name for row in CATALOGUE if not row.labels}
    plain = collector(estate, kind, rollups_at=where)
    assert PREFIX not in plain.get("/metrics").text
    plain.close()


def upstream(estate: Estate) -> dict[str, object]:
    keys = estate.path.parent / "upstream.key"
    keys.write_text("rwe1_x\n")
    keys.chmod(0o600)
    return {"upstream_url": "https://main.example", "upstream_enrolment_key_file": keys}
