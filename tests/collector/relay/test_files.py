"""Files carried by hand: what is in the main collector afterwards, and everything that is refused."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from collector.ingest.samples import rows
from collector.relay.sites import NEWEST, Agent, Site, boot, energetic, now_of
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from roadworthy_collector.relay import dropfile, importing, signing, state, trust
from roadworthy_collector.relay.dropfile import AckLine, Body, DeviceLine, Header, ReportLine
from roadworthy_collector.relay.errors import DropError, RelayError, SecretError
from roadworthy_collector.relay.exporting import Exporter, Written, acknowledge
from roadworthy_collector.relay.importing import Importer
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.schema import audit, devices, relay_files, relay_imports, relay_outbox

DAY = 86400
RELAY = "ab" * 8


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Site]:
    """Yield a relay that writes files, with two devices that have reported."""
    (tmp_path / "relay").mkdir()
    site = Site(tmp_path / "relay", options={"relay_file_drop": True})
    signing.make_key(site.folder)
    for n in range(2):
        agent = Agent(site, local=True)
        first = agent.body(
            periods=[energetic(NEWEST), energetic(NEWEST - 1800)], startups=[boot(n)], now=now_of()
        )
        site.accept(agent, first, agent.body(periods=[energetic(NEWEST - 3600)]))
        with write_transaction(site.engine) as connection:
            mine = devices.c.id == agent.device.row
            connection.execute(update(devices).where(mine).values(hostname=f"pc-{n}"))
    yield site
    site.engine.dispose()


def told(site: Site) -> str:
    with write_transaction(site.engine) as connection:
        relay = state.own_id(connection)
    return signing.Told(relay, signing.public_hex(signing.read_key(site.folder))).text()


def trusting(reader: Site, other: Site, name: str = "other", **options: Any) -> None:
    text = told(other)
    with write_transaction(reader.engine) as connection:
        trust.add(connection, name, text, now=int(time.time()), **options)


def export(site: Site, folder: Path, since: int | None = None, **options: Any) -> list[Written]:
    return list(Exporter(site.engine, site.settings, folder, **options).run(since))


def take(site: Site, *files: Written) -> list[importing.Imported]:
    importer = Importer(site.engine, site.settings)
    return [importer.read(Path(file.file)) for file in files]


def everything(site: Site) -> dict[str, Any]:
    """Return all a file could change, but for the imports noted and the audit."""
    return site.holding() | {"devices": site.devices()}


def test_a_file_brings_everything_and_twice_changes_nothing(tmp_path: Path, main: Site, relay: Site) -> None:
    trusting(main, relay, "Custody", site="Custody", unit="Custody")
    (file,) = export(relay, tmp_path / "stick")
    (result,) = take(main, file)
    assert (result.reports, result.devices_new, result.accepted, dict(result.rejected)) == (4, 2, 8, {})
    assert main.holding() == relay.holding()
    assert {(row["hostname"], row["site"]) for row in main.devices()} == {("pc-0", 2), ("pc-1", 2)}
    before = everything(main)
    assert take(main, file)[0].already
    (again,) = export(relay, tmp_path / "stick", since=int(time.time()) - DAY)
    assert again.sequence == 2
    (result,) = take(main, again)
    assert (result.already, result.reports, result.devices_new, result.accepted) == (False, 4, 0, 8)
    after = everything(main)
    assert after == before
    actions = [row["action"] for row in rows(main.engine, audit)]
    assert actions.count("relay.import") == 2
    assert "relay.trust" in actions


def test_a_device_is_as_old_as_its_relay_says_not_as_the_file(
    tmp_path: Path, main: Site, relay: Site
) -> None:
    trusting(main, relay, every_days=14)
    (file,) = export(relay, tmp_path)
    later = Importer(main.engine, main.settings, clock=lambda: time.time() + 5 * DAY)
    later.read(Path(file.file))
    heard = {row["last_report_at"] for row in relay.devices()}
    assert {row["last_report_at"] for row in main.devices()} <= heard | {at + 1 for at in heard}
    assert {row["next_call_seconds"] for row in main.devices()} == {14 * DAY}


def test_half_hours_past_retention_are_refused_and_counted_and_start_ups_kept(
    tmp_path: Path, main: Site, relay: Site
) -> None:
    trusting(main, relay)
    (file,) = export(relay, tmp_path)
    late = Importer(main.engine, main.settings, clock=lambda: time.time() + 40 * DAY)
    result = late.read(Path(file.file))
    assert (result.accepted, result.rejected["too_old"]) == (2, 8)  # six half-hours and two open ones
    assert main.holding()["periods"] == []
    assert len(main.holding()["startups"]) == 2


def test_only_what_no_file_holds_is_written_and_a_small_bound_makes_more_files(
    tmp_path: Path, main: Site, relay: Site
) -> None:
    trusting(main, relay)
    files = export(relay, tmp_path, file_bytes=600)
    assert [file.sequence for file in files] == list(range(1, len(files) + 1))
    assert len(files) > 1
    assert sum(file.reports for file in files) == 4
    assert export(relay, tmp_path) == []
    take(main, *reversed(files))
    assert main.holding() == relay.holding()


def test_an_acknowledgement_lets_go_of_what_the_main_collector_holds_and_of_nothing_else(
    tmp_path: Path, main: Site, relay: Site
) -> None:
    trusting(main, relay)
    signing.make_key(main.folder)
    trusting(relay, main, "main")
    first, *rest = export(relay, tmp_path, file_bytes=600)
    take(main, first)
    ack = importing.write_acknowledgement(main.engine, main.settings, relay.state()["id"], tmp_path, now=1)
    done = acknowledge(relay.engine, relay.settings, [ack], now=2)
    assert done == [{"sequence": 1, "reports": first.reports}]
    assert relay.waiting() == sum(file.reports for file in rest)
    assert acknowledge(relay.engine, relay.settings, [ack], now=3) == []
    with pytest.raises(DropError, match="no acknowledgement for this relay"):
        acknowledge(main.engine, main.settings, [Path(first.file)], now=3)


def test_an_acknowledgement_of_another_file_with_that_number_lets_go_of_nothing(
    tmp_path: Path, relay: Site
) -> None:
    export(relay, tmp_path)
    key = Ed25519PrivateKey.generate()
    with write_transaction(relay.engine) as connection:
        trust.add(connection, "main", signing.Told(RELAY, signing.public_hex(key)).text(), now=1)
    body = Body()
    body.add(AckLine(1, "0" * 64))
    compressed, digest = body.finish()
    own = relay.state()["id"]
    header = Header(1, "acknowledgement", RELAY, 1, 1, 0, body.bytes, digest, to=own)
    path = tmp_path / "forged.rwack"
    path.write_bytes(dropfile.build(key, header, compressed))
    assert acknowledge(relay.engine, relay.settings, [path], now=2) == []
    assert relay.waiting() == 4


def test_missing_numbers_are_told(tmp_path: Path, main: Site, relay: Site) -> None:
    trusting(main, relay)
    files = export(relay, tmp_path, file_bytes=1)
    assert len(files) == 4
    take(main, files[0], files[3])
    with main.engine.connect() as connection:
        assert importing.missing(connection, relay.state()["id"]) == [2, 3]
    take(main, files[1], files[2])
    with main.engine.connect() as connection:
        assert importing.missing(connection, relay.state()["id"]) == []
    assert main.holding() == relay.holding()


def test_a_file_that_was_begun_is_written_again_under_its_number(
    tmp_path: Path, main: Site, relay: Site
) -> None:
    trusting(main, relay)
    exporter = Exporter(relay.engine, relay.settings, tmp_path)
    with relay.engine.connect() as connection:
        last = connection.scalar(select(func.max(relay_outbox.c.id))) or 0
    assert exporter._take(None, 0, last) == 1  # and killed before the file was written
    (agent, _) = relay.agents
    relay.accept(agent, agent.body(periods=[energetic(NEWEST - 9000)]))
    files = export(relay, tmp_path)
    assert [(file.sequence, file.reports) for file in files] == [(1, 4), (2, 1)]
    take(main, *files)
    assert main.holding() == relay.holding()


def test_restricted_sites_are_in_no_file(tmp_path: Path, relay: Site) -> None:
    relay.restrict("unassigned")
    exporter = Exporter(relay.engine, relay.settings, tmp_path)
    assert list(exporter.run()) == []
    assert exporter.stayed == 4
    assert relay.waiting() == 0


def test_the_key_of_another_relay_is_refused(tmp_path: Path, main: Site, relay: Site) -> None:
    (file,) = export(relay, tmp_path)
    with pytest.raises(DropError, match="not trusted here"):
        take(main, file)
    key = signing.public_hex(signing.read_key(relay.folder))
    with write_transaction(main.engine) as connection:
        trust.add(connection, "another", signing.Told(RELAY, key).text(), now=1)
    with pytest.raises(DropError, match=f"may speak for relay {RELAY}"):
        take(main, file)
    with write_transaction(main.engine) as connection:
        trust.remove(connection, "another", now=2)
    with pytest.raises(DropError, match="not trusted here"):
        take(main, file)
    assert not any(everything(main).values())


def test_a_collector_does_not_read_its_own_files(tmp_path: Path, relay: Site) -> None:
    trusting(relay, relay, "myself")
    (file,) = export(relay, tmp_path)
    with pytest.raises(DropError, match="wrote it itself"):
        take(relay, file)


def test_a_file_that_came_through_this_collector_before_is_refused(tmp_path: Path, main: Site) -> None:
    with write_transaction(main.engine) as connection:
        own = state.own_id(connection)
    path, relay_key = signed(tmp_path, [DeviceLine("rwd_" + "0" * 32, relayed_by=own)])
    trusted(main, relay_key)
    with pytest.raises(DropError, match="two forward to each other"):
        Importer(main.engine, main.settings).read(path)


def signed(folder: Path, lines: list[Any], **changes: Any) -> tuple[Path, Ed25519PrivateKey]:
    """Write a file signed with a new key, its header changed before signing."""
    key = Ed25519PrivateKey.generate()
    body = Body()
    for line in lines:
        body.add(line)
    compressed, digest = body.finish()
    reports = sum(isinstance(line, ReportLine) for line in lines)
    fields = {
        "format": 1,
        "kind": "reports",
        "relay": RELAY,
        "sequence": 1,
        "made_at": 1,
        "reports": reports,
        "body_bytes": body.bytes,
        "body_sha256": digest,
    }
    header = Header(**{**fields, **changes})
    path = folder / "signed.rwdrop"
    path.write_bytes(dropfile.build(key, header, compressed))
    return path, key


def trusted(site: Site, key: Ed25519PrivateKey) -> None:
    with write_transaction(site.engine) as connection:
        trust.add(connection, "signer", signing.Told(RELAY, signing.public_hex(key)).text(), now=1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 2}, "of format 2"),
        ({"kind": "acknowledgement"}, "holds no reports"),
        ({"reports": 1}, "as many reports as its header says"),
        ({"body_sha256": "0" * 64}, "not the one its header tells of"),
        ({"body_bytes": 3}, "decompresses to more"),
        ({"body_bytes": 1000}, "not the one its header tells of"),
        ({"body_bytes": 2**40}, "would decompress to more"),
    ],
)
def test_a_signed_file_that_is_not_what_it_says_is_refused_whole(
    tmp_path: Path, main: Site, changes: dict[str, Any], said: str
) -> None:
    path, key = signed(tmp_path, [DeviceLine("rwd_" + "0" * 32)], **changes)
    trusted(main, key)
    with pytest.raises(DropError, match=said):
        Importer(main.engine, main.settings).read(path)
    assert main.devices() == []


def test_a_zip_bomb_ends_where_its_header_ends(tmp_path: Path, main: Site) -> None:
    import zlib

    key = Ed25519PrivateKey.generate()
    bomb = zlib.compressobj(9, wbits=31)
    body = b"".join(bomb.compress(b"\0" * 1_048_576) for _ in range(300)) + bomb.flush()
    header = Header(1, "reports", RELAY, 1, 1, 0, 1000, "0" * 64)
    path = tmp_path / "bomb.rwdrop"
    path.write_bytes(dropfile.build(key, header, body))
    trusted(main, key)
    with pytest.raises(DropError, match="decompresses to more than its header says"):
        Importer(main.engine, main.settings).read(path)


def test_altered_anywhere_or_cut_short_anywhere_a_file_is_refused(
    tmp_path: Path, main: Site, relay: Site
) -> None:
    trusting(main, relay)
    (file,) = export(relay, tmp_path)
    whole = Path(file.file).read_bytes()
    with main.engine.connect() as connection:
        relay_of = trust.relay_of(connection)
    dropfile.open_signed(whole, relay_of).check()

    @settings(max_examples=200)
    @given(st.integers(0, len(whole) - 1), st.integers(1, 255))
    def altered(place: int, bits: int) -> None:
        changed = bytearray(whole)
        changed[place] ^= bits
        with pytest.raises(DropError):
            dropfile.open_signed(bytes(changed), relay_of)

    @settings(max_examples=100)
    @given(st.integers(0, len(whole) - 1))
    def cut(length: int) -> None:
        with pytest.raises(DropError):
            dropfile.open_signed(whole[:length], relay_of)

    @settings(max_examples=50)
    @given(st.binary(min_size=1, max_size=100))
    def followed(more: bytes) -> None:
        with pytest.raises(DropError):
            dropfile.open_signed(whole + more, relay_of)

    altered()
    cut()
    followed()


def test_keys_are_private_made_once_and_told_in_one_form(tmp_path: Path, relay: Site, main: Site) -> None:
    assert (relay.folder / signing.KEY_FILE).stat().st_mode & 0o077 == 0
    with pytest.raises(SecretError, match="is there already"):
        signing.make_key(relay.folder)
    with pytest.raises(SecretError, match="relay keygen"):
        signing.read_key(main.folder)
    (main.folder / signing.KEY_FILE).write_text("no key")
    with pytest.raises(SecretError, match="chmod 600"):
        signing.read_key(main.folder)
    (main.folder / signing.KEY_FILE).chmod(0o600)
    with pytest.raises(SecretError, match="no Ed25519 key"):
        signing.read_key(main.folder)
    text = told(relay)
    with write_transaction(main.engine) as connection:
        with pytest.raises(RelayError, match="no key of a relay"):
            trust.add(connection, "x", "rwrelay1_12", now=1)
        trust.add(connection, "x", text, now=1)
        with pytest.raises(RelayError, match="trusted already"):
            trust.add(connection, "y", text, now=1)
        with pytest.raises(RelayError, match="nobody trusted"):
            trust.remove(connection, "z", now=1)
        assert [row["name"] for row in trust.list_trusted(connection)] == ["x"]


def test_a_collector_that_keeps_nothing_for_files_says_so(tmp_path: Path, main: Site) -> None:
    with pytest.raises(RelayError, match="relay_file_drop"):
        export(main, tmp_path)
    assert rows(main.engine, relay_files) == rows(main.engine, relay_imports) == []
    assert json.dumps(main.state()) == "{}"
