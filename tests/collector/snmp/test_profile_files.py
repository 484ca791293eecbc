"""Profiles are read strictly: each wrong one of the folder is refused with the message on its first line."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadworthy_collector.snmp.profile import Profile, ProfileError
from roadworthy_collector.snmp.profile_file import (
    parse_profile,
    profiles_in,
    read_profile,
    shipped_profiles,
)

WRONG = sorted((Path(__file__).parent / "wrong_profiles").glob("*.toml"))
# Families whose readings the docs promise in full.
FULL = {
    "ups-mib",
    "apc-ups",
    "apc-rpdu2",
    "apc-rpdu",
    "apc-easy-pdu",
    "eaton-xups",
    "eaton-epdu",
    "raritan-pdu2",
    "servertech-sentry3",
    "servertech-sentry4",
    "hpe-pdu",
    "hpe-pdu2",
    "hpe-pdu3",
    "dell-idrac",
    "hpe-ilo",
    "power-ethernet",
    "entity-sensor",
    "entity",
    "host-resources",
    "printer-mib",
    "energy-object",
}


@pytest.fixture(scope="module")
def profiles() -> tuple[Profile, ...]:
    return shipped_profiles()


@pytest.mark.parametrize("path", WRONG, ids=lambda path: path.stem)
def test_a_wrong_profile_is_refused_with_its_message(path: Path) -> None:
    said = path.read_text("utf-8").split("\n", 1)[0].removeprefix("# ")
    with pytest.raises(ProfileError) as caught:
        read_profile(path)
    # A list of known keys grows; what comes before it is the message.
    assert str(caught.value) == said or (said.endswith("known: ") and str(caught.value).startswith(said))


def test_every_wrong_profile_is_right_but_for_its_fault(tmp_path: Path) -> None:
    right = next(path for path in WRONG if path.stem == "capital-name").read_text("utf-8")
    text = right.replace('"Input"', '"input_power"')
    (tmp_path / "capital-name.toml").write_text(text, "utf-8")
    assert [profile.name for profile in profiles_in(tmp_path)] == ["capital-name"]


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="cannot be read"):
        read_profile(tmp_path / "none.toml")


def test_a_number_that_is_too_large_for_toml_is_no_traceback() -> None:
    with pytest.raises(ProfileError, match="no TOML"):
        parse_profile('name = "a"\nleast = 1e9999999999999999999\n', name="a.toml")


def test_the_promised_families_are_shipped_in_full(profiles: tuple[Profile, ...]) -> None:
    assert {profile.name for profile in profiles if profile.tier == 1} == FULL


def test_a_vendors_profile_outranks_every_generic_one(profiles: tuple[Profile, ...]) -> None:
    generic = [profile.rank for profile in profiles if profile.match.is_generic]
    particular = [profile.rank for profile in profiles if not profile.match.is_generic]
    assert max(generic) < min(particular)
    assert len(set(generic)) == len(generic)


def test_each_reading_names_its_object_and_mib(profiles: tuple[Profile, ...]) -> None:
    for profile in profiles:
        assert profile.evidence
        assert profile.trap
        assert all(spec.object and spec.mib for spec in profile.readings), profile.name


def test_no_unit_of_power_or_energy_is_apparent(profiles: tuple[Profile, ...]) -> None:
    for profile in profiles:
        for spec in profile.readings:
            units = [unit for unit in (spec.unit, *spec.units.values()) if unit is not None]
            if spec.kind in {"active_power", "energy", "nameplate_power"}:
                assert not any("VA" in unit.text for unit in units), (profile.name, spec.name)
            if spec.kind == "apparent_power":
                assert all(unit.text.endswith("VA") for unit in units), (profile.name, spec.name)


def test_the_first_request_asks_few_oids(profiles: tuple[Profile, ...]) -> None:
    present = {oid for profile in profiles if profile.match.is_generic for oid in profile.match.present}
    # With sysObjectID, sysDescr and sysName it is one request of at most twenty.
    assert len(present) + 3 <= 20
