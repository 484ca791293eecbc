"""os-release(5) in its odder writings."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.probe import Context, Status
from roadworthy_agent.probes import PROBES
from roadworthy_agent.probes.os.parse import os_facts, parse_os_release


def test_quotes_comments_and_blank_lines() -> None:
    text = '# a comment\n\nNAME=\'Arch Linux\'\nID=arch\nPRETTY_NAME="A \\"B\\" C"\nBROKEN="no end\nnot an assignment\n'
    values = parse_os_release(text)
    assert (values["NAME"], values["ID"], values["PRETTY_NAME"]) == ("Arch Linux", "arch", 'A "B" C')
    assert values["BROKEN"] == '"no end'


@given(st.text(max_size=200))
def test_any_text_is_survived(text: str) -> None:
    parse_os_release(text)


def test_a_rolling_distribution_has_a_build_and_a_reason_for_no_version() -> None:
    facts, missing = os_facts(
        {"NAME": "Arch Linux", "ID": "arch", "BUILD_ID": "rolling"},
        point_release=None, kernel="6.1", architecture="x86_64", source="s",
    )  # fmt: skip
    assert (facts.version, facts.build) == (None, "rolling")
    assert [each.field for each in missing] == ["os.version"]


def test_the_second_place_of_os_release_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/os-release").write_text('NAME="Fedora"\nVERSION_ID=41\nID=fedora\n')
    result = PROBES["os"].collect(Context.recorded(tmp_path))
    assert (result.status, result.value.version, result.source) == (Status.OK, "41", "/usr/lib/os-release")


def test_no_os_release_is_a_status_and_the_kernel_is_told_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "proc/sys/kernel").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel/osrelease").write_text("6.1.0\n")
    result = PROBES["os"].collect(Context.recorded(tmp_path))
    assert (result.status, result.value.kernel, result.value.name) == (Status.NOT_SUPPORTED, "6.1.0", None)
    assert result.reason
