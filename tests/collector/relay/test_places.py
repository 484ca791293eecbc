"""Where relayed devices come to stand: sites and keys, restricted sites, chains and loops of relays."""

from __future__ import annotations

from pathlib import Path

import pytest
from collector.ingest.samples import rows
from collector.relay.sites import NEWEST, Agent, Site, energetic, relay_of
from collector.relay.upstreams import canned, enrolled
from sqlalchemy import update

from roadworthy_collector.errors import SettingsError
from roadworthy_collector.relay.errors import SecretError
from roadworthy_collector.relay.keys import key_for, read_keys
from roadworthy_collector.settings import load
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.schema import devices, sites


def names(site: Site) -> dict[int, str]:
    return {row["id"]: row["name"] for row in rows(site.engine, sites)}


def move(site: Site, agent: Agent, name: str, *, restricted: bool = False) -> None:
    site.key(site=name)
    row = next(row for row in rows(site.engine, sites) if row["name"] == name)
    with write_transaction(site.engine) as connection:
        mine = devices.c.id == agent.device.row
        connection.execute(update(devices).where(mine).values(site=row["id"]))
    if restricted:
        site.restrict(name)


def reporting(site: Site, *names: str, restricted: bool = False) -> None:
    """Have a device at each of the sites named report once."""
    for name in names:
        agent = Agent(site, local=True)
        move(site, agent, name, restricted=restricted)
        site.accept(agent, agent.body(periods=[energetic(NEWEST)]))


def test_a_site_may_have_a_key_of_its_own(tmp_path: Path, main: Site) -> None:
    relay = relay_of(
        tmp_path / "relay", main, "# keys", main.key(site="Main hall"), f"{main.key(site='Cells')} Block C"
    )
    reporting(relay, "Block C", "Front desk")
    with main.serving():
        relay.forward()
    assert [names(main)[row["site"]] for row in main.devices()] == ["Cells", "Main hall"]


def test_a_site_without_a_key_waits_and_is_said(tmp_path: Path, main: Site) -> None:
    relay = relay_of(tmp_path / "relay", main, f"{main.key(site='Cells')} Block C")
    reporting(relay, "Front desk", "Block C")
    with main.serving():
        assert relay.forward() == 1
    assert "no key for a site" in relay.state()["enrol_fault"]
    assert relay.waiting() == 1


def test_a_restricted_device_goes_only_to_a_restricted_site(tmp_path: Path, main: Site) -> None:
    relay = relay_of(tmp_path / "relay", main, main.key(site="Annexe"))
    reporting(relay, "Annexe R", restricted=True)
    with main.serving():
        relay.forward()
        assert main.devices() == []
        assert relay.relayed()[0]["stopped"] == "site_not_restricted"
        main.restrict("Annexe")
        from roadworthy_collector.relay.status import resume

        with write_transaction(relay.engine) as connection:
            resume(connection, None, now=0)
        assert relay.forward() == 1
    (device,) = main.devices()
    assert (names(main)[device["site"]], device["hostname"]) == ("Annexe", None)


def test_a_device_whose_site_becomes_restricted_stops_at_once(tmp_path: Path, main: Site) -> None:
    relay = relay_of(tmp_path / "relay", main)
    reporting(relay, "Annexe R")
    with main.serving():
        assert relay.forward() == 1
        relay.restrict("Annexe R")
        (agent,) = relay.agents
        relay.accept(agent, agent.body(periods=[energetic(NEWEST - 1800)]))
        assert relay.forward() == 0
    assert relay.relayed()[0]["stopped"] == "site_restricted"


def test_an_older_main_collector_gets_nothing_of_a_restricted_device(tmp_path: Path, main: Site) -> None:
    with canned() as old:
        old.enrol = enrolled  # it has never heard of the question, so it does not answer it
        relay = relay_of(tmp_path / "relay", main, upstream_url=old.address)
        reporting(relay, "Annexe R", restricted=True)
        relay.forward()
        assert old.enrolments[0]["restricted"] is True
        assert "hostname" not in old.enrolments[0]
        assert old.asked == []
    assert relay.relayed()[0]["stopped"] == "site_not_restricted"


def test_a_relay_behind_a_relay_works_and_its_way_is_told(tmp_path: Path, main: Site) -> None:
    near = relay_of(tmp_path / "near", main)
    far = relay_of(tmp_path / "far", near)
    reporting(far, "Cells")
    with main.serving(), near.serving():
        assert far.forward() == 1
        assert near.forward() == 1
    assert main.holding() == far.holding()
    assert main.devices()[0]["relayed_by"] == f"{far.state()['id']},{near.state()['id']}"


def test_two_collectors_that_forward_to_each_other_are_refused(tmp_path: Path, main: Site) -> None:
    one = relay_of(tmp_path / "one", main)
    two = relay_of(tmp_path / "two", one)
    one.options |= {"upstream_url": two.address}
    (one.folder / "upstream.key").write_text(two.key() + "\n")
    reporting(one, "Cells")
    with one.serving(), two.serving():
        assert one.forward() == 1
        assert two.forward() == 0
        assert two.relayed()[0]["stopped"] == "relay_loop"
        assert "forward to each other" in two.state()["enrol_fault"]
    assert len(one.devices()) == len(two.devices()) == 1


def test_a_collector_that_forwards_to_itself_is_refused(tmp_path: Path, main: Site) -> None:
    relay = relay_of(tmp_path / "relay", main)
    relay.options |= {"upstream_url": relay.address}
    (relay.folder / "upstream.key").write_text(relay.key() + "\n")
    reporting(relay, "Cells")
    with relay.serving():
        assert relay.forward() == 0
    assert relay.relayed()[0]["stopped"] == "relay_loop"
    assert len(relay.devices()) == 1


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("", "there is no enrolment key"),
        ("# nothing\n\n", "there is no enrolment key"),
        ("rwe1_12", "line 1 is no enrolment key"),
        ("{key}\n{key}", "line 2: every other site has a key already"),
        ("{key} HQ\n{key} HQ", "line 2: HQ has a key already"),
    ],
)
def test_a_wrong_key_file_is_told_by_its_line_and_never_shown(tmp_path: Path, lines: str, said: str) -> None:
    path = tmp_path / "keys"
    key = "rwe1_" + "a" * 16 + "_" + "b" * 64
    path.write_text(lines.format(key=key))
    path.chmod(0o600)
    with pytest.raises(SecretError, match=said) as caught:
        read_keys(path)
    assert "bbbb" not in str(caught.value)


def test_the_key_of_a_site_wins_over_the_one_for_all(tmp_path: Path) -> None:
    keys = {None: "all", "HQ": "hq"}
    assert (key_for(keys, "HQ"), key_for(keys, "Annexe"), key_for({"HQ": "hq"}, "Annexe")) == (
        "hq",
        "all",
        None,
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"upstream_url": "http://main.example"}, "plain http goes only to this machine"),
        ({"upstream_url": "main.example"}, "no address of a collector"),
        ({"upstream_url": "https://a:b@main.example"}, "no user or password here"),
        ({"upstream_url": "https://main.example"}, "upstream_enrolment_key_file: .*enrolment key"),
        (
            {"upstream_url": "https://m", "upstream_enrolment_key_file": "k", "relay_file_drop": True},
            "not both",
        ),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load(None, **values)
