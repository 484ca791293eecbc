"""Carried files through the API: the same code, checks and audit as the commands, between two real collectors."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from collector.ingest.samples import rows
from collector.relay.sites import NEWEST, Agent, Site, boot, energetic, now_of
from support.people import Person

from roadworthy_collector.relay import signing
from roadworthy_collector.store.schema import audit


class Desk:
    """An administrator of one collector that runs, who has nothing but its API."""

    def __init__(self, site: Site, stack: ExitStack) -> None:
        self.site = site
        stack.enter_context(site.serving())
        headers = Person(site.engine, "ada", "administrator", now=time.time()).bearer["headers"]
        self._client = stack.enter_context(
            httpx.Client(base_url=f"{site.address}/api/v1/relay", headers=headers, timeout=60)
        )

    def ask(self, method: str, path: str, status: int = 200, **sent: Any) -> httpx.Response:
        answer = self._client.request(method, path, **sent)
        assert answer.status_code == status, answer.text
        return answer

    def trust(self, other: Desk, name: str, **more: Any) -> None:
        told = other.ask("GET", "/identity").json()["identity"]
        self.ask("POST", "/trust", 204, json={"name": name, "public_key": told, **more})

    def export(self, **wanted: Any) -> list[httpx.Response]:
        """Ask for file after file until there is none."""
        found = []
        while (answer := self._client.post("/export", json=wanted)).status_code != 204:
            assert answer.status_code == 200, answer.text
            found.append(answer)
            wanted["after"] = int(answer.headers["Roadworthy-Next"])
        return found

    def refusal(self, path: str, content: bytes) -> str:
        answer = self.ask("POST", path, 422, content=content).json()["error"]
        assert answer["code"] == "relay_refused"
        return str(answer["message"])

    def audited(self) -> list[tuple[str, str]]:
        found = [(row["actor"], row["action"]) for row in rows(self.site.engine, audit)]
        return [row for row in found if row[1].startswith("relay.")]


@pytest.fixture
def desks(tmp_path: Path, main: Site) -> Iterator[tuple[Desk, Desk]]:
    """Yield the desks of a main collector and of a relay with reports of two devices, who trust each other."""
    (tmp_path / "relay").mkdir()
    relay = Site(tmp_path / "relay", options={"relay_file_drop": True})
    for n in range(2):
        agent = Agent(relay, local=True)
        first = agent.body(periods=[energetic(NEWEST)], startups=[boot(n)], now=now_of())
        relay.accept(agent, first, agent.body(periods=[energetic(NEWEST - 1800)]))
    with ExitStack() as stack:
        stack.callback(relay.engine.dispose)
        near, far = Desk(main, stack), Desk(relay, stack)
        for desk in (near, far):
            desk.ask("POST", "/identity", 201)
        near.trust(far, "Custody", site="Custody")
        far.trust(near, "main")
        yield near, far


def test_a_file_there_and_an_acknowledgement_back(desks: tuple[Desk, Desk]) -> None:
    near, far = desks
    (file,) = far.export()
    relay = far.ask("GET", "/identity").json()["relay"]
    assert f"roadworthy-{relay}-00000001.rwdrop" in file.headers["content-disposition"]
    read = near.ask("POST", "/import?name=stick.rwdrop", content=file.content).json()
    assert (read["file"], read["relay"], read["sequence"]) == ("stick.rwdrop", relay, 1)
    assert (read["reports"], read["devices_new"], read["accepted"], read["rejected"]) == (4, 2, 6, {})
    assert (read["already"], read["missing"]) == (False, [])
    assert near.site.holding() == far.site.holding()
    assert near.ask("POST", "/import", content=file.content).json()["already"]
    ack = near.ask("GET", f"/acknowledgements/{relay}").content
    done = far.ask("POST", "/acknowledge", content=ack).json()
    assert done == {"rows": [{"sequence": 1, "reports": 4}]}
    assert far.site.waiting() == 0
    assert far.ask("POST", "/acknowledge", content=ack).json() == {"rows": []}
    assert far.export() == []
    told = {"relay.keygen", "relay.trust", "relay.export", "relay.acknowledge"}
    assert set(far.audited()) == {("ada", action) for action in told}
    assert near.audited().count(("ada", "relay.import")) == 1


def test_many_files_in_the_wrong_order_and_those_that_are_missing(desks: tuple[Desk, Desk]) -> None:
    near, far = desks
    from roadworthy_collector.relay.exporting import Exporter

    exporter = Exporter(far.site.engine, far.site.settings, far.site.folder / "stick", file_bytes=1)
    files = [Path(one.file).read_bytes() for one in exporter.run()]
    assert len(files) == 4
    last = near.ask("POST", "/import", content=files[3]).json()
    assert (last["sequence"], last["missing"]) == (4, [1, 2, 3])
    for number in (1, 0, 2):
        found = near.ask("POST", "/import", content=files[number]).json()
    assert found["missing"] == []
    assert near.site.holding() == far.site.holding()
    again = far.export(since=int(time.time()) - 86_400)
    assert [one.headers["Roadworthy-Reports"] for one in again] == ["4"]
    assert near.ask("POST", "/import", content=again[0].content).json()["devices_new"] == 0
    assert near.site.holding() == far.site.holding()


def test_what_was_altered_or_is_not_for_here_is_refused_whole(desks: tuple[Desk, Desk]) -> None:
    near, far = desks
    (file,) = far.export()
    whole = file.content
    assert "its signature does not hold" in near.refusal("/import?name=stick", whole[:-1] + b"!")
    assert "its signature does not hold" in near.refusal("/import", whole[:-9])
    assert "no file of a relay" in near.refusal("/import", b"PK\x03\x04")
    assert "no file of a relay" in near.refusal("/import", b"")
    assert "not trusted here" in far.refusal("/import", whole)
    assert "no acknowledgement for this relay" in near.refusal("/acknowledge", whole)
    assert near.site.devices() == []
    near.ask("GET", f"/acknowledgements/{'0' * 16}", 404)
    near.ask("POST", "/import", content=whole)
    ack = near.ask("GET", f"/acknowledgements/{far.site.state()['id']}").content
    assert "its signature does not hold" in far.refusal("/acknowledge", ack[:-1] + b"!")
    assert "holds no reports" in far.refusal("/import", ack)
    assert far.site.waiting() == 4
    assert "keeps nothing for files" in near.ask("POST", "/export", 422, json={}).json()["error"]["message"]


def test_more_than_a_file_may_be_is_not_read(desks: tuple[Desk, Desk]) -> None:
    near, _ = desks

    def too_much() -> Iterator[bytes]:
        for _ in range(65):
            yield bytes(1_048_576)

    assert near.ask("POST", "/import", 413, content=too_much()).json()["error"]["code"] == "too_large"


def test_a_key_is_made_once_and_its_private_half_is_told_nobody(desks: tuple[Desk, Desk]) -> None:
    near, _ = desks
    key = signing.read_key(near.site.folder)
    private = key.private_bytes_raw().hex()
    again = near.ask("POST", "/identity", 422)
    assert again.json()["error"]["code"] == "relay_refused"
    shown = near.ask("GET", "/identity")
    assert shown.json()["public_key"] == signing.public_hex(key)
    pem = (near.site.folder / signing.KEY_FILE).read_text().splitlines()[1]
    for answer in (again, shown):
        assert private not in answer.text
        assert pem not in answer.text
    assert (near.site.folder / signing.KEY_FILE).stat().st_mode & 0o077 == 0
    assert near.audited().count(("ada", "relay.keygen")) == 1


def test_without_a_key_there_is_nothing_to_tell(main: Site) -> None:
    with ExitStack() as stack:
        desk = Desk(main, stack)
        assert desk.ask("GET", "/identity", 422).json()["error"]["code"] == "relay_refused"
        desk.ask("GET", f"/acknowledgements/{'0' * 16}", 422)


@pytest.mark.parametrize("role", ["register_manager", "auditor", "viewer"])
def test_only_an_administrator_carries_files(main: Site, role: str) -> None:
    """A file tells of every device of the whole IT estate."""
    with main.serving():
        headers = Person(main.engine, "bob", role, now=time.time()).bearer["headers"]
        with httpx.Client(base_url=f"{main.address}/api/v1/relay", headers=headers, timeout=60) as client:
            for method, path in (
                ("GET", "/identity"),
                ("POST", "/identity"),
                ("POST", "/export"),
                ("POST", "/import"),
                ("POST", "/acknowledge"),
                ("GET", f"/acknowledgements/{'0' * 16}"),
            ):
                answer = client.request(method, path, json={} if method == "POST" else None)
                assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_allowed")
    assert not (main.folder / signing.KEY_FILE).exists()
