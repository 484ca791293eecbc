"""A device's class is what it says it is; what it does not say is unknown."""

from __future__ import annotations

import pytest

from roadworthy_inventory.device_class import CLASSES, chassis_types, classify, parse_chassis_types
from roadworthy_inventory.tables import TableError

HEADER = "chassis_type,name,device_class,source,as_of\n"


@pytest.mark.parametrize(
    ("chassis", "environment", "os_name", "expected"),
    [
        (3, "physical", "Windows 10 Pro", "desktop"),
        (13, "physical", None, "all_in_one"),
        (35, "physical", "Debian GNU/Linux 12 (bookworm)", "desktop"),  # mini PC
        (10, "physical", "Windows 11 Enterprise", "laptop"),
        (31, "physical", None, "laptop"),
        (30, "physical", None, "tablet"),
        (23, "physical", None, "server"),
        (7, "physical", "Windows Server 2016 Standard", "server"),  # a tower used as a server
        (1, "physical", None, "other"),
        (1, "virtual_machine", "Windows Server 2022 Standard", "virtual"),
        (10, "container", None, "virtual"),  # a container sees its host's chassis
        (None, "unknown", None, "unknown"),
        (None, "physical", "Debian GNU/Linux 12 (bookworm)", "unknown"),
        (2, "physical", None, "unknown"),
        (99, "physical", None, "unknown"),
        (10, "other", None, "laptop"),
        (3, "physical", "Observer OS", "desktop"),  # `server` is a word, not a syllable
    ],
)
def test_classify(chassis: int | None, environment: str, os_name: str | None, expected: str) -> None:
    assert classify(chassis, environment, os_name) == expected


def test_every_type_of_the_specification_has_a_class() -> None:
    assert sorted(chassis_types()) == list(range(1, 37))  # DSP0134: 01h to 24h
    assert set(chassis_types().values()) <= set(CLASSES) - {"virtual"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a,b\n",
            "chassis_types.csv: line 1: columns are a,b; expected chassis_type,name,device_class,source,as_of",
        ),
        (
            HEADER + "x,Desktop,desktop,https://example.org,2026-01-01\n",
            "line 2: chassis_type: 'x' is no number",
        ),
        (
            HEADER + "3,Desktop,desk,https://example.org,2026-01-01\n",
            "line 2: device_class: 'desk' is none of",
        ),
        (
            HEADER + "3,Desktop,desktop,ftp://example.org,2026-01-01\n",
            "line 2: source: .* is no public https address",
        ),
        (
            HEADER + "3,Desktop,desktop,https://example.org,yesterday\n",
            "line 2: as_of: 'yesterday' is no date",
        ),
        (HEADER + "3,Desktop,desktop,https://example.org\n", "line 2: 4 cells; expected 5"),
        (
            HEADER + 2 * "3,Desktop,desktop,https://example.org,2026-01-01\n",
            "line 3: chassis_type: 3 is there twice",
        ),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        parse_chassis_types(text)
