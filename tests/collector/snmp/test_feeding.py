"""What hangs on what: statements begin and end, contradict one another, and come from three sources."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select
from support.estates import NOW, Estate

from roadworthy_collector.carbon import asked
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.snmp import feeding
from roadworthy_collector.snmp.called import find_device
from roadworthy_collector.snmp.feeding import Feed
from roadworthy_collector.snmp.outlets import unchecked
from roadworthy_collector.snmp.targets import NOTHING_KNOWN, Login, Polled
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.snmp_schema import feeds, snmp_targets

DAY = dt.date(2026, 9, 1)
LATER = DAY + dt.timedelta(days=10)
TODAY = DAY + dt.timedelta(days=20)


@pytest.fixture
def rack(estate: Estate) -> dict[str, int]:
    """Return a PDU, a UPS and two servers, by host name."""
    found = {name: estate.device(hostname=name, device_class=name[:3]) for name in ("pdu-a", "ups-1")}
    for number in (1, 2):
        serial = {"serial": f"EX{number}", "asset_tag": f"A-{number}"}
        found[f"srv-{number}"] = estate.device(hostname=f"srv-{number}", device_class="server", **serial)
    return found


def state(estate: Estate, feeder: str, outlet: str, fed: str | None, since: dt.date = DAY) -> int:
    with write_transaction(estate.engine) as connection:
        return feeding.state(connection, feeder, outlet, fed, since, now=int(NOW), actor="ann")


def held(estate: Estate, first: dt.date = DAY, last: dt.date = TODAY) -> list[Feed]:
    with estate.engine.connect() as connection:
        return feeding.read_feeds(connection, first, last)


def test_an_outlet_feeds_one_device_at_a_time(estate: Estate, rack: dict[str, int]) -> None:
    state(estate, "pdu-a", "3", "A-1")
    state(estate, "PDU-A", "3", "ex2", LATER)
    first, second = held(estate)
    assert first == Feed(rack["pdu-a"], "3", rack["srv-1"], DAY, LATER)
    assert second == Feed(rack["pdu-a"], "3", rack["srv-2"], LATER, None)
    assert [first.holds_on(day) for day in (DAY, LATER - dt.timedelta(days=1), LATER)] == [True, True, False]
    assert held(estate, LATER, LATER) == [second]


def test_a_whole_unit_feeds_many_and_nothing_known_ends_them(estate: Estate, rack: dict[str, int]) -> None:
    state(estate, "ups-1", "", "srv-1")
    state(estate, "ups-1", "", "pdu-a")
    assert [one.fed for one in held(estate)] == [rack["srv-1"], rack["pdu-a"]]
    state(estate, "ups-1", "", None, LATER)
    assert [(one.fed, one.valid_to) for one in held(estate)] == [
        (rack["srv-1"], LATER),
        (rack["pdu-a"], LATER),
        (None, None),
    ]


def test_what_feeds_nothing_is_refused(estate: Estate, rack: dict[str, int]) -> None:
    estate.device(hostname="prn-1", device_class="printer")
    with pytest.raises(RoadworthyError, match="nothing hangs on a printer"):
        state(estate, "prn-1", "", "pdu-a")
    assert not held(estate)
    assert rack


def test_nothing_feeds_itself_through_however_many(estate: Estate, rack: dict[str, int]) -> None:
    state(estate, "ups-1", "", "pdu-a")
    state(estate, "pdu-a", "3", "srv-1")
    with pytest.raises(RoadworthyError, match="cannot feed itself"):
        state(estate, "pdu-a", "", "pdu-a")
    with pytest.raises(RoadworthyError, match="two cannot feed each other"):
        state(estate, "srv-1", "", "ups-1")


def test_a_name_that_is_nobodys_or_two_devices_is_refused(estate: Estate, rack: dict[str, int]) -> None:
    assert rack
    estate.device(hostname="srv-1")
    with pytest.raises(NotFoundError, match="more than one device is called srv-1"):
        state(estate, "pdu-a", "3", "srv-1")
    with pytest.raises(NotFoundError, match="no device in service is called srv-9"):
        state(estate, "pdu-a", "3", "srv-9")


def test_a_statement_ends_once(estate: Estate, rack: dict[str, int]) -> None:
    assert rack
    number = state(estate, "pdu-a", "3", "srv-1")
    with write_transaction(estate.engine) as connection:
        feeding.end(connection, number, LATER, now=int(NOW), actor="ann")
        with pytest.raises(NotFoundError):
            feeding.end(connection, number, LATER, now=int(NOW), actor="ann")
    assert [one.valid_to for one in held(estate)] == [LATER]
    with estate.engine.connect() as connection:
        assert feeding.list_feeds(connection) == []
        (row,) = feeding.list_feeds(connection, ended=True)
    assert (row["feeder_name"], row["fed_name"], row["stated_by"]) == ("pdu-a", "srv-1", "ann")


def polled(**hanging: tuple[str, ...]) -> Polled:
    told: dict[str, Any] = {"protocol": "snmp", "port": 161, "login": Login(), "login_name": "x"}
    named = {outlet.removeprefix("o"): names for outlet, names in hanging.items()}
    return Polled(name="rack 4", host="10.0.0.1", feeds=named, **told)


def take(estate: Estate, target: Polled, today: dt.date = DAY, *, now: int = int(NOW)) -> list[str]:
    with write_transaction(estate.engine) as connection:
        return feeding.take_from_targets(connection, [target], now=now, today=today)


def test_the_targets_file_is_what_holds_from_the_day_it_says_so(estate: Estate, rack: dict[str, int]) -> None:
    row = {"host": "10.0.0.1", "protocol": "snmp"}
    assert take(estate, polled(o3=("srv-1",))) == []  # it has not answered yet
    assert held(estate) == []
    estate.put(snmp_targets, name="rack 4", device=rack["pdu-a"], **row)
    assert take(estate, polled(o3=("srv-1",), o4=(NOTHING_KNOWN,))) == []
    assert take(estate, polled(o3=("srv-1",), o4=(NOTHING_KNOWN,)), LATER) == []
    assert [(one.outlet, one.fed, one.valid_to) for one in held(estate)] == [
        ("3", rack["srv-1"], None),
        ("4", None, None),
    ]
    take(estate, polled(o3=("srv-2",)), LATER)
    assert [(one.outlet, one.fed, one.valid_from, one.valid_to) for one in held(estate)] == [
        ("3", rack["srv-1"], DAY, LATER),
        ("3", rack["srv-2"], LATER, None),
        ("4", None, DAY, LATER),
    ]


def test_a_device_that_is_not_found_ends_nothing(estate: Estate, rack: dict[str, int]) -> None:
    estate.put(snmp_targets, name="rack 4", device=rack["pdu-a"], host="10.0.0.1", protocol="snmp")
    take(estate, polled(o3=("srv-1",)))
    (said,) = take(estate, polled(o3=("srv-1-renamed",)), LATER)
    assert said.startswith("rack 4, outlet 3: no device in service is called srv-1-renamed")
    assert [(one.fed, one.valid_to) for one in held(estate)] == [(rack["srv-1"], None)]


def test_a_controller_measures_the_server_whose_serial_it_tells(estate: Estate, rack: dict[str, int]) -> None:
    controller = estate.device(hostname="bmc-1", device_class="controller", serial="ex1 ")
    estate.device(hostname="bmc-9", device_class="controller", serial="NOBODY9")
    estate.device(hostname="bmc-0", device_class="controller", serial="To Be Filled By O.E.M.")
    for day in (DAY, LATER):
        with write_transaction(estate.engine) as connection:
            assert feeding.take_controllers(connection, now=int(NOW), today=day) == 1
    assert held(estate) == [Feed(controller, "", rack["srv-1"], DAY, None)]
    with estate.engine.connect() as connection:
        assert connection.scalars(select(feeds.c.source)).all() == ["register"]
    estate.device(hostname="srv-1b", device_class="server", serial="EX1")
    with write_transaction(estate.engine) as connection:  # which of the two it is, nobody knows now
        assert feeding.take_controllers(connection, now=int(NOW), today=LATER) == 0
    assert [one.valid_to for one in held(estate)] == [LATER]


def test_of_some_units_only_what_stands_there(estate: Estate, rack: dict[str, int]) -> None:
    assert rack
    elsewhere = estate.device(hostname="srv-x", unit="Elsewhere")
    it = estate.unit("IT")
    with write_transaction(estate.engine) as connection:
        scope = frozenset({it})
        with pytest.raises(NotFoundError):
            feeding.state(connection, "pdu-a", "3", "srv-x", DAY, now=1, actor="ann", scope=scope)
        number = feeding.state(connection, "srv-x", "1", "srv-1", DAY, now=1, actor="ann")
        assert feeding.list_feeds(connection, scope=frozenset({it})) == []
        with pytest.raises(NotFoundError):
            feeding.end(connection, number, LATER, now=1, actor="ann", scope=frozenset({it}))
    assert elsewhere


def test_what_cannot_be_keeps_nothing_else_waiting(estate: Estate, rack: dict[str, int]) -> None:
    estate.put(snmp_targets, name="rack 4", device=rack["pdu-a"], host="10.0.0.1", protocol="snmp")
    state(estate, "pdu-a", "9", "ups-1")
    said = take(estate, polled(o3=("PDU-A",), o4=("srv-1",), o5=("srv-2",)))
    assert said == ["rack 4, outlet 3: a device cannot feed itself"]
    assert {one.outlet for one in held(estate)} == {"3", "4", "5", "9"} - {"3"}
    other = replace(polled(o1=("pdu-a", "srv-1")), name="ups")
    estate.put(snmp_targets, name="ups", device=rack["ups-1"], host="10.0.0.2", protocol="snmp")
    assert take(estate, replace(other, feeds={"": ("pdu-a",)})) == [
        "ups, outlet all: the feeder hangs on that very device: two cannot feed each other"
    ]


def test_what_cannot_be_has_no_month_made_anew(estate: Estate, rack: dict[str, int]) -> None:
    """It is tried again every time the file is read, and changes nothing: only what was written asks for months."""
    estate.put(snmp_targets, name="rack 4", device=rack["pdu-a"], host="10.0.0.1", protocol="snmp")

    def asked_for() -> dict[str, int]:
        with estate.engine.connect() as connection:
            return asked.read(connection)

    assert len(take(estate, polled(o3=("pdu-a",)))) == 1
    assert asked_for() == {}
    both = polled(o3=("pdu-a",), o4=("srv-1",))
    assert len(take(estate, both)) == 1
    once = asked_for()
    assert once == {"2026-09": int(NOW) + 1}
    assert len(take(estate, both, now=int(NOW) + 600)) == 1
    assert asked_for() == once


def test_names_are_found_as_one_by_one(estate: Estate, rack: dict[str, int]) -> None:
    """Many names are looked for in one pass: by id, host name, serial number or asset tag, and never one of two."""
    estate.device(hostname="SRV-2", device_class="server")
    device_id = estate.device(hostname="srv-4", device_class="server", device_id="rwd_four")
    estate.put(snmp_targets, name="rack 4", device=rack["pdu-a"], host="10.0.0.1", protocol="snmp")
    said = take(estate, polled(o1=(" A-1",), o2=("srv-2",), o3=("rwd_four",), o4=("RWD_FOUR",)))
    assert [one[:50] for one in said] == [
        "rack 4, outlet 2: more than one device is called s",
        "rack 4, outlet 4: no device in service is called R",
    ]
    assert [(one.outlet, one.fed) for one in held(estate)] == [("1", rack["srv-1"]), ("3", device_id)]


def test_who_says_what_a_serial_number_tells_too_is_not_ended_by_it(
    estate: Estate, rack: dict[str, int]
) -> None:
    """The file, and a person, go before what is found: else each run would end the other's and ask for the month anew."""
    bmc = estate.device(hostname="bmc-1", device_class="controller", serial="EX1")
    other = estate.device(hostname="bmc-2", device_class="controller", serial="EX2")
    estate.put(snmp_targets, name="rack 4", device=bmc, host="10.0.0.1", protocol="snmp")
    third = estate.device(hostname="bmc-3", device_class="controller", serial="EX2")
    with write_transaction(estate.engine) as connection:
        feeding.take_controllers(connection, now=int(NOW), today=DAY)
    assert {one.feeder for one in held(estate)} == {bmc, other, third}
    state(estate, "bmc-2", "", None)
    state(estate, "bmc-3", "", "srv-1")  # its board was changed: the serial number is that of another server
    looks = []
    for number in range(3):
        feeding.take_all(
            estate.engine.connect,
            lambda: write_transaction(estate.engine),
            [replace(polled(), feeds={"": ("srv-1",)})],
            now=NOW + 600 * number,
            zone="UTC",
        )
        with estate.engine.connect() as connection:
            looks.append((asked.read(connection), feeding.list_feeds(connection, ended=True)))
    assert looks[0] == looks[1] == looks[2]
    found = [
        (one["feeder_name"], one["fed_name"], one["source"]) for one in looks[0][1] if one["valid_to"] is None
    ]
    assert found == [
        ("bmc-1", "srv-1", "targets"),
        ("bmc-2", None, "stated"),
        ("bmc-3", "srv-1", "stated"),
    ]
    # Once the file says nothing of it any more, the serial number speaks.
    feeding.take_all(
        estate.engine.connect,
        lambda: write_transaction(estate.engine),
        [polled()],
        now=NOW + 1800,
        zone="UTC",
    )
    with estate.engine.connect() as connection:
        assert {one["source"] for one in feeding.list_feeds(connection)} == {"register", "stated"}
    assert rack


def metered(*outlets: str, **labels: str) -> dict[str, Any]:
    """Return the latest readings of a PDU that meters some outlets."""
    usual = {
        "name": "outlet_power",
        "kind": "active_power",
        "place": "outlet",
        "quality": "metered",
        "value": 1.0,
    }
    rows = [{**usual, "index": one, "label": labels.get(f"o{one}"), "source": "snmp x 1"} for one in outlets]
    return {"now": {"readings": rows}}


def test_an_outlet_that_the_unit_has_not_is_refused_with_those_it_told(
    estate: Estate, rack: dict[str, int]
) -> None:
    pdu = estate.device(hostname="pdu-m", device_class="pdu", now=metered("10", "2", "1", o2="web A"))
    refused = [{"name": "outlet_power", "index": "3", "code": "sentinel", "reason": "-1"}]
    estate.put(snmp_targets, name="rack 4", device=pdu, host="10.0.0.1", protocol="snmp", refused=refused)
    told = r"pdu-m has no outlet 999; it told of 1, 2 \(web A\), 3, 10$"
    with pytest.raises(RoadworthyError, match=told):
        state(estate, "pdu-m", "999", "srv-1")
    (said,) = take(estate, polled(o999=("srv-1",), o3=("srv-2",)))
    assert said.startswith("rack 4, outlet 999: pdu-m has no outlet 999")
    state(estate, "pdu-m", "2", "srv-1")
    assert {(one.outlet, one.fed) for one in held(estate)} == {("3", rack["srv-2"]), ("2", rack["srv-1"])}


def test_an_outlet_nobody_can_check_is_taken_with_a_word(estate: Estate, rack: dict[str, int]) -> None:
    estate.device(hostname="pdu-plain", device_class="pdu", now={"now": {"readings": []}})
    estate.device(hostname="pdu-m", device_class="pdu", now=metered("1", "2"))
    state(estate, "pdu-a", "999", "srv-1")
    state(estate, "pdu-plain", "7", "srv-2")
    doubts = []
    with estate.engine.connect() as connection:
        for name, outlet in (
            ("pdu-a", "999"),
            ("pdu-plain", "7"),
            ("pdu-m", "2"),
            ("pdu-m", ""),
            ("pdu-a", ""),
        ):
            doubts.append(unchecked(connection, find_device(connection, name), outlet))
    assert doubts[0] is not None
    assert "never polled" in doubts[0]
    assert doubts[1] is not None
    assert "tells nothing of single outlets" in doubts[1]
    assert doubts[2:] == [None, None, None]
    assert rack


def test_what_the_targets_file_says_is_changed_there(estate: Estate, rack: dict[str, int]) -> None:
    """A statement that the file would end again minutes later is refused; what the file does not speak of is taken."""
    estate.put(snmp_targets, name="rack 4", device=rack["pdu-a"], host="10.0.0.1", protocol="snmp")
    said = replace(polled(), feeds={"3": ("srv-1",), "": ("ups-1",)})
    assert take(estate, said) == []
    for outlet, fed in (("3", "srv-2"), ("3", None), ("3", "srv-1"), ("", None)):
        with pytest.raises(
            RoadworthyError, match=r"the targets file says what hangs on outlet \w+ .*change it there"
        ):
            state(estate, "pdu-a", outlet, fed)
    assert {(one.outlet, one.fed) for one in held(estate)} == {("3", rack["srv-1"]), ("", rack["ups-1"])}
    state(estate, "pdu-a", "4", "srv-2")
    state(estate, "pdu-a", "", "srv-2")
    with estate.engine.connect() as connection:
        number = next(one["id"] for one in feeding.list_feeds(connection) if one["outlet"] == "3")
    with write_transaction(estate.engine) as connection:
        feeding.end(connection, number, LATER, now=int(NOW), actor="ann")
    state(estate, "pdu-a", "3", "srv-2", LATER)
