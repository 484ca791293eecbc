"""Sign-ins: a day and no time, not even by the moment of the report that carries them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from agent.devices import TEN, Device, ManualClock

from roadworthy_agent import history, once, signins
from roadworthy_agent.report import Factor, Phase, SigninRecord

DAY = TEN // 86_400 * 86_400
RECORD = SigninRecord(
    key="boot-1:c2",
    began_boottime_seconds=150.0,
    final=True,
    quality="measured",
    total_seconds=21.5,
    connection="wifi",
    phases=(Phase("profile", 21.5, counted=True),),
    factors=(Factor("subscriber", "GPClient", 9.0), Factor("subscriber", "Secret", 2.0)),
)


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    device = Device(ManualClock(), tmp_path / "state")
    device.recorder.begin()
    yield device
    device.close()


def waiting(device: Device) -> list[dict[str, Any]]:
    device.confirm()
    history.freeze(device.spool)
    return [content for part, content in device.outbox.items(500) if part.item == "signin"]


def test_a_sign_in_leaves_after_its_day_without_key_and_time(device: Device) -> None:
    signins.keep(device.spool, [RECORD], device.clock.boottime(), suppress=["secret"])
    device.measure(3600)
    assert waiting(device) == []
    device.measure(86_400)
    [told] = waiting(device)
    assert told["day"] == DAY
    assert told["final"]
    assert told["total_seconds"] == 21.5
    assert [factor["name"] for factor in told["factors"]] == ["GPClient", "suppressed"]
    assert RECORD.key not in json.dumps(told)
    assert "began_boottime_seconds" not in told
    assert len(told["signin_id"]) == 32


def test_it_goes_out_once_however_often_it_is_seen(device: Device) -> None:
    signins.keep(device.spool, [RECORD], device.clock.boottime())
    device.measure(86_400)
    [told] = waiting(device)
    for part, _content in device.outbox.items(500):
        device.outbox._let_go(part)
    signins.keep(device.spool, [RECORD, replace(RECORD, total_seconds=99.0)], device.clock.boottime())
    assert waiting(device) == []
    assert told["revision"] == 1


def test_what_becomes_known_later_is_a_higher_revision(device: Device) -> None:
    early = replace(RECORD, final=False, quality="unfinished", total_seconds=None, phases=())
    signins.keep(device.spool, [early], 200.0)
    signins.keep(device.spool, [RECORD], 260.0)
    device.measure(86_400)
    [told] = waiting(device)
    assert (told["revision"], told["final"], told["quality"]) == (2, True, "measured")


def test_their_order_says_nothing_of_the_day(device: Device) -> None:
    records = [
        replace(RECORD, key=f"c{n}", began_boottime_seconds=150.0 + n, total_seconds=float(n))
        for n in range(40)
    ]
    signins.keep(device.spool, records, 400.0)
    device.measure(86_400)
    told = waiting(device)
    assert len(told) == 40
    assert [one["signin_id"] for one in told] == sorted(one["signin_id"] for one in told)
    assert [one["total_seconds"] for one in told] != sorted(one["total_seconds"] for one in told)


def test_a_sign_in_of_a_boot_without_a_place_is_given_up(device: Device) -> None:
    device.clock.wrong_by = -1_700_000_000.0
    signins.keep(device.spool, [RECORD], device.clock.boottime())
    device.measure(600)
    device.clock.restart("boot-2", 60)
    device.clock.wrong_by = 0.0
    device.restart_agent()
    device.measure(2 * 86_400)
    assert waiting(device) == []


def test_a_sign_in_around_midnight_does_not_stand_out(device: Device) -> None:
    """Seen and sent at five past midnight, or sent while still under way, it would tell when it was."""
    device.measure(DAY + 86_400 - device.clock.true - 120)
    begun = device.clock.uptime
    early = replace(
        RECORD, began_boottime_seconds=begun, final=False, quality="unfinished", total_seconds=None
    )
    device.measure(240)
    signins.keep(device.spool, [early], device.clock.uptime)
    assert waiting(device) == []
    device.measure(600)
    signins.keep(device.spool, [replace(RECORD, began_boottime_seconds=begun)], device.clock.uptime)
    assert waiting(device) == []
    device.measure(1200)
    [told] = waiting(device)
    assert (told["day"], told["quality"], told["final"]) == (DAY, "measured", True)


def test_a_suppressed_name_is_not_shown_by_once() -> None:
    told = once._signin(0, RECORD, 0.0, ["SECRET"])
    assert [factor["name"] for factor in told["factors"]] == ["GPClient", "suppressed"]
