"""os-release(5) in its odder writings."""

from __future__ import annotations

from pathlib import Path

import pytest
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


@pytest.mark.parametrize(
    ("release", "edition", "kind"),
    [
        ({"VARIANT": "Workstation Edition", "VARIANT_ID": "workstation"}, "Workstation Edition", "client"),
        ({"VARIANT": "Server", "VARIANT_ID": "server"}, "Server", "server"),
        ({"VARIANT_ID": "something-new"}, None, None),
        ({"VERSION": "22.04.4 LTS (Jammy Jellyfish)"}, None, None),
    ],
)
def test_a_variant_tells_edition_and_kind_where_there_is_one(
    release: dict[str, str], edition: str | None, kind: str | None
) -> None:
    facts, _ = os_facts(release, point_release=None, kernel=None, architecture=None, source="s")
    assert (facts.edition, facts.installation_type) == (edition, kind)
    assert facts.long_term is None  # years of support are no servicing channel


def test_a_release_file_that_cannot_be_read_is_no_missing_file(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text("NAME=Debian\n")
    (tmp_path / "roadworthy").mkdir()
    (tmp_path / "roadworthy/unreadable").write_text("etc/os-release\n")
    result = PROBES["os"].collect(Context.recorded(tmp_path))
    assert (result.status, result.value.name) == (Status.NO_PERMISSION, None)
    assert result.reason == "/etc/os-release: Permission denied"


@pytest.mark.parametrize(
    "content", [b"\x00\xff\x00garbage", b"<html>not found</html>\n", b"=\n==\n#NAME=x\n"]
)
def test_a_release_file_of_garbage_is_an_error_and_the_second_place_is_tried(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_bytes(content)
    assert PROBES["os"].collect(Context.recorded(tmp_path)).status is Status.ERROR
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/os-release").write_text("ID=fedora\n")
    result = PROBES["os"].collect(Context.recorded(tmp_path))
    assert (result.status, result.source) == (Status.OK, "/usr/lib/os-release")


def test_a_huge_release_file_is_read_as_far_as_it_makes_sense(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    lines = "NAME=Debian\n" + "JUNK=" + "'" * 100_000 + "\n" + "X=y\n" * 300_000
    (tmp_path / "etc/os-release").write_text(lines)
    result = PROBES["os"].collect(Context.recorded(tmp_path))
    assert (result.status, result.value.name) == (Status.OK, "Debian")


@given(st.binary(max_size=400))
def test_any_release_file_gives_facts_the_wire_takes(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    root = tmp_path_factory.mktemp("os")
    (root / "etc").mkdir()
    (root / "etc/os-release").write_bytes(content)
    result = PROBES["os"].collect(Context.recorded(root))
    assert result.status in {Status.OK, Status.ERROR}
    assert result.value.family == "linux"
