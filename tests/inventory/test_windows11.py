"""Windows 11: the published boundary cases, each reason, and unknown where it is not told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.tables import TableError
from roadworthy_inventory.windows11 import Eligibility, Machine, by_name, eligibility, parse_processors

GIB = 2**30
GOOD = Machine(
    cpu_vendor="GenuineIntel",
    cpu_family=6,
    cpu_model=0x8E,
    cpu_stepping=10,
    memory_bytes=8 * GIB,
    system_disk_bytes=256 * 10**9,
    boot_mode="uefi",
    secure_boot=False,  # capable is enough
    tpm_version="2.0",
)


def test_a_machine_that_has_everything() -> None:
    assert eligibility(GOOD) == Eligibility("eligible")


@pytest.mark.parametrize(
    ("vendor", "family", "model", "stepping", "answer"),
    [
        ("GenuineIntel", 6, 0x5F, 0, "not_eligible"),
        ("GenuineIntel", 6, 0x60, 0, "eligible"),
        ("GenuineIntel", 6, 0x8E, 8, "not_eligible"),
        ("GenuineIntel", 6, 0x8E, 9, "unknown"),  # 7th generation and Amber Lake alike: Setup asks for more
        ("GenuineIntel", 6, 0x8E, 10, "eligible"),
        ("GenuineIntel", 6, 0x8E, 12, "eligible"),
        ("GenuineIntel", 6, 0x8E, 13, "not_eligible"),
        ("GenuineIntel", 6, 0x9E, 9, "unknown"),
        ("GenuineIntel", 6, 0x9E, 10, "eligible"),
        ("GenuineIntel", 6, 0x9E, 13, "eligible"),
        ("GenuineIntel", 6, 0x9E, 14, "not_eligible"),
        ("GenuineIntel", 6, 85, 4, "unknown"),  # the two published rules differ
        ("GenuineIntel", 6, None, None, "unknown"),
        ("GenuineIntel", 15, 6, 4, "unknown"),
        ("AuthenticAMD", 0x16, 0x30, 1, "not_eligible"),
        ("AuthenticAMD", 0x17, 0x01, 1, "not_eligible"),
        ("AuthenticAMD", 0x17, 0x11, 0, "not_eligible"),
        ("AuthenticAMD", 0x17, 0x08, 2, "eligible"),
        ("AuthenticAMD", 0x17, 0x18, 1, "eligible"),
        ("AuthenticAMD", 0x19, 0x50, 0, "eligible"),
        ("Qualcomm Technologies Inc", None, None, None, "eligible"),
        ("CentaurHauls", 7, 0x3B, 0, "unknown"),
        (None, None, None, None, "unknown"),
    ],
)
def test_the_processor_by_cpuid(
    vendor: str | None, family: int | None, model: int | None, stepping: int | None, answer: str
) -> None:
    machine = replace(GOOD, cpu_vendor=vendor, cpu_family=family, cpu_model=model, cpu_stepping=stepping)
    found = eligibility(machine)
    assert found.answer == answer
    assert bool(found.reasons) == (answer == "not_eligible")
    assert bool(found.missing) == (answer == "unknown")


def test_the_name_settles_what_the_rules_dispute() -> None:
    disputed = replace(GOOD, cpu_stepping=9)
    assert (
        eligibility(replace(disputed, cpu_name="Intel(R) Core(TM) i5-7200U CPU @ 2.50GHz")).answer
        == "not_eligible"
    )
    assert (
        eligibility(replace(disputed, cpu_name="Intel(R) Core(TM) m3-8100Y CPU @ 1.10GHz")).answer
        == "eligible"
    )
    # ... and never what CPUID settles
    assert eligibility(replace(GOOD, cpu_name="Intel(R) Core(TM) i5-7200U")).answer == "eligible"


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz", "eligible"),
        ("Intel Core i5+8400", "eligible"),  # a misprint the maker's own list once had
        ("13th Gen Intel(R) Core(TM) i7-1365U", "eligible"),
        ("Intel(R) Core(TM) i7-10610U", "eligible"),
        ("Intel(R) Core(TM) Ultra 5 125U", "eligible"),
        ("Intel(R) Core(TM) i3-6100", "not_eligible"),
        ("Intel(R) Core(TM) i7 CPU 860 @ 2.80GHz", "unknown"),
        ("Intel(R) Core(TM) i7-7820HQ CPU @ 2.90GHz", "unknown"),
        ("Intel(R) Core(TM) i9-7900X", "unknown"),
        ("Intel(R) Core(TM)2 Duo E8400", "not_eligible"),
        ("AMD Ryzen 5 PRO 4650U with Radeon Graphics", "eligible"),
        ("AMD Ryzen 5 2500U", "unknown"),
        ("AMD A8-7600", "not_eligible"),
        ("Intel(R) Xeon(R) Gold 6130", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_the_processor_by_name_alone(name: str | None, answer: str) -> None:
    assert by_name(name)[0] == answer
    alone = replace(GOOD, cpu_vendor=None, cpu_family=None, cpu_model=None, cpu_stepping=None, cpu_name=name)
    assert eligibility(alone).answer == answer


@pytest.mark.parametrize(
    ("changed", "answer", "what"),
    [
        ({"memory_bytes": 3 * GIB + 1}, "eligible", ""),  # a 4 GB machine whose graphics reserve a part
        ({"memory_bytes": 3 * GIB}, "not_eligible", "memory"),
        ({"memory_bytes": None}, "unknown", "size of the memory"),
        ({"system_disk_bytes": 64 * GIB}, "eligible", ""),
        ({"system_disk_bytes": 64 * GIB - 1}, "unknown", "disk: 68.7 GB is 64 GB as disks are sold"),
        ({"system_disk_bytes": 64 * 10**9 - 1}, "not_eligible", "disk"),
        ({"system_disk_bytes": None}, "unknown", "size of the system disk"),
        ({"tpm_version": "1.2"}, "not_eligible", "tpm"),
        ({"tpm_version": "none"}, "not_eligible", "tpm"),
        ({"tpm_version": None}, "unknown", "version of the TPM"),
        ({"boot_mode": "legacy", "secure_boot": None}, "unknown", "firmware: it starts in legacy mode"),
        (
            {"boot_mode": "legacy", "secure_boot": None, "environment": "virtual_machine"},
            "not_eligible",
            "firmware",
        ),
        ({"boot_mode": "unknown", "secure_boot": None}, "unknown", "firmware: whether it is UEFI"),
        ({"secure_boot": None}, "unknown", "firmware: whether it has Secure Boot"),
        ({"secure_boot": True, "boot_mode": None}, "eligible", ""),
        ({"cpu_cores": 1}, "not_eligible", "cores"),
        ({"cpu_mhz": 900}, "not_eligible", "clock"),
    ],
)
def test_each_requirement(changed: dict[str, object], answer: str, what: str) -> None:
    found = eligibility(replace(GOOD, **changed))  # type: ignore[arg-type]  # a mapping of its own fields
    assert found.answer == answer
    named = [reason.requirement for reason in found.reasons] or list(found.missing)
    assert [one for one in named if not one.startswith(what)] == []
    assert bool(named) == (answer != "eligible")


def test_all_reasons_are_told_and_settings_marked() -> None:
    found = eligibility(
        replace(
            GOOD, cpu_model=60, memory_bytes=2 * GIB, tpm_version="none", boot_mode=None, secure_boot=None
        )
    )
    assert [reason.requirement for reason in found.reasons] == ["processor", "memory", "tpm"]
    assert [reason.may_be_a_setting for reason in found.reasons] == [False, False, True]
    assert found.missing == ("firmware: whether it is UEFI with Secure Boot",)


@pytest.mark.parametrize(
    ("said", "answer", "basis"),
    [
        (0, "eligible", "intune"),
        ("Upgraded", "eligible", "intune"),
        (3, "eligible", "intune"),
        ("Capable", "eligible", "intune"),
        (2, "not_eligible", "intune"),
        ("Not capable", "not_eligible", "intune"),
        (1, "not_eligible", "rule"),
        ("Unknown", "not_eligible", "rule"),
        ("", "not_eligible", "rule"),
        ("surprise", "not_eligible", "rule"),
    ],
)
def test_what_intune_found_wins(said: object, answer: str, basis: str) -> None:
    found = eligibility(replace(GOOD, tpm_version="1.2", upgrade_eligibility=said))  # type: ignore[arg-type]  # hostile
    assert (found.answer, found.basis) == (answer, basis)


@given(
    st.builds(Machine, cpu_vendor=st.sampled_from(("GenuineIntel", "AuthenticAMD", "x")), cpu_name=st.text())
)
def test_anything_gets_an_answer_with_its_why(machine: Machine) -> None:
    found = eligibility(machine)
    assert found.answer == "eligible" or found.reasons or found.missing


def test_a_wrong_rule_is_refused_with_its_line() -> None:
    header = "vendor,family,model,stepping,verdict,note,source,as_of\n"
    with pytest.raises(TableError, match="line 2: model: 'x' is no range"):
        parse_processors(header + "GenuineIntel,6,x,,eligible,,https://example.org,2026-01-01\n")
    with pytest.raises(TableError, match="line 2: verdict: 'maybe' is none of"):
        parse_processors(header + "GenuineIntel,6,,,maybe,,https://example.org,2026-01-01\n")
