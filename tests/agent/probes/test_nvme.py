"""The health log of NVMe disks, against the figures smartctl printed of real ones."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.probes.storage.health import HealthError
from roadworthy_agent.probes.storage.nvme import LOG_BYTES, parse_health_log


def page(**fields: int) -> bytes:
    """Return a log page; a healthy disk at 38 degrees unless `fields` says otherwise."""
    values = {
        "warning": 0,
        "kelvin": 311,
        "spare": 100,
        "threshold": 10,
        "used": 0,
        "hours": 0,
        "errors": 0,
    } | fields
    data = bytearray(LOG_BYTES)
    data[0], data[3], data[4], data[5] = (values[name] for name in ("warning", "spare", "threshold", "used"))
    data[1:3] = values["kelvin"].to_bytes(2, "little")
    data[128:144] = values["hours"].to_bytes(16, "little")
    data[160:176] = values["errors"].to_bytes(16, "little")
    return bytes(data)


# Printed by smartctl: telegraf's plugins/inputs/smart/smart_test.go (MIT), and linuxhw/SMART,
# NVMe/Toshiba/KBG30/KBG30ZMS256G NVMe 256GB/0B407B2D6EC4 (figures only).
@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ({"warning": 0x09, "used": 16, "hours": 6038}, (0.16, 1.0, 6038, 0, True)),  # Transcend TS128GMTE850
        ({"used": 0, "hours": 1290, "kelvin": 320}, (0.0, 1.0, 1290, 0, False)),  # Samsung 970 EVO
        ({"used": 9, "hours": 1125, "kelvin": 305, "threshold": 50}, (0.09, 1.0, 1125, 0, False)),  # Toshiba
    ],
)
def test_real_disks(printed: dict[str, int], expected: tuple[Any, ...]) -> None:
    found = parse_health_log(page(**printed))
    assert (
        found.wear_ratio,
        found.spare_ratio,
        found.power_on_hours,
        found.media_errors,
        found.failing,
    ) == expected
    assert (found.source, found.reasons) == ("NVMe health log", {})


def test_a_disk_may_outlive_its_rating() -> None:
    assert parse_health_log(page(used=255)).wear_ratio == 2.55


@pytest.mark.parametrize(
    ("warning", "failing"),
    [(0, False), (0x02, False), (0x01, True), (0x04, True), (0x08, True), (0x10, True)],
)
def test_a_warm_disk_is_not_a_failing_one(warning: int, *, failing: bool) -> None:
    assert parse_health_log(page(warning=warning)).failing is failing


def test_figures_that_cannot_be_are_missing_with_a_reason() -> None:
    found = parse_health_log(page(spare=101, hours=1 << 100, errors=(1 << 128) - 1))
    assert (found.spare_ratio, found.power_on_hours, found.media_errors) == (None, None, None)
    assert set(found.reasons) == {"spare_ratio", "power_on_hours", "media_errors"}


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"", "512 bytes"), (bytes(511), "512 bytes"), (bytes(512), "blank"), (b"\xff" * 512, "blank")],
)
def test_what_is_no_log_page_is_a_typed_error(data: bytes, why: str) -> None:
    with pytest.raises(HealthError, match=why):
        parse_health_log(data)


@given(st.binary(min_size=500, max_size=600))
def test_any_bytes_give_what_the_wire_takes(data: bytes) -> None:
    try:
        found = parse_health_log(data)
    except HealthError:
        return
    assert found.wear_ratio is not None
    assert 0 <= found.wear_ratio <= 2.55
    assert found.spare_ratio is None or 0 <= found.spare_ratio <= 1
    assert found.media_errors is None or 0 <= found.media_errors < 1 << 53
