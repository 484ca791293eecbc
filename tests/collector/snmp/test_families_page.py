"""docs/snmp/families.md says what the profiles say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from roadworthy_collector.snmp.families import BEGIN, END, PAGE, families_markdown, families_page
from roadworthy_collector.snmp.port import Oid, oid_text
from roadworthy_collector.snmp.profile_file import shipped_profiles

SHORTEST_OID = 6  # patterns of rows are shorter
ROOT = Path(__file__).parents[3]
# fmt: off
KEYS = (
    "oid", "column", "rows", "where", "trust", "sentinels", "believed",
    "negative_is_missing", "least", "most", "not_believed", "expected", "single",
    "unit", "units", "unit_column", "digits", "exponent", "entity_scale",
    "factor", "numeric_text", "share_of", "states", "bits", "wraps_bits",
    "label", "labels", "label_text", "form", "quality", "quality_column", "qualities", "accuracy",
    "total", "object", "mib", "kind", "place", "name",
)
# fmt: on


def test_the_page_is_made_from_the_profiles() -> None:
    page = (ROOT / PAGE).read_text("utf-8")
    assert families_page(page, shipped_profiles()) == page, "run `make generate`"


def test_every_family_has_its_readings_units_source_and_trap() -> None:
    text = families_markdown(shipped_profiles())
    for profile in shipped_profiles():
        section = text.split(f"### {profile.name}\n", 1)[1].split("\n### ", 1)[0]
        assert profile.trap in section
        assert profile.mib in section
        for spec in profile.readings:
            assert f"| {spec.name}" in section
            assert spec.object in section
        for oid in every_oid(profile):
            assert oid_text(oid) in section, f"{profile.name}: {oid_text(oid)}"


def every_oid(part: Any) -> Iterator[Oid]:
    """Yield all OIDs anywhere in a profile: readings, identity, flags, and whatever helps them."""
    if isinstance(part, tuple) and part and all(isinstance(one, int) for one in part):
        if len(part) > SHORTEST_OID:
            yield part
    elif isinstance(part, tuple):
        for one in part:
            yield from every_oid(one)
    elif is_dataclass(part):
        for one in fields(part):
            yield from every_oid(getattr(part, one.name))


def test_a_page_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="has lost the marks"):
        families_page(f"{END}{BEGIN}", ())


def test_the_page_on_adding_names_every_key_of_a_reading() -> None:
    said = (ROOT / "docs" / "snmp" / "adding.md").read_text("utf-8")
    for key in KEYS:
        assert f"`{key}`" in said, key
