"""Redfish from a real HTTPS server: both kinds of power resources, who is asked, and every way it can fail."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
import subprocess
import threading
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from roadworthy_collector.snmp.memory import Memory
from roadworthy_collector.snmp.port import (
    BadAnswerError,
    DeadlineError,
    DeniedError,
    NoAnswerError,
    SnmpError,
)
from roadworthy_collector.snmp.readings import DeviceAnswer
from roadworthy_collector.snmp.redfish import RedfishAsker
from roadworthy_collector.snmp.targets import Login, Polled
from roadworthy_collector.snmp.telling import tell

ROOT: dict[str, Any] = {
    "/redfish/v1/": {
        "RedfishVersion": "1.14.0",
        "Chassis": {"@odata.id": "/redfish/v1/Chassis"},
        "Systems": {"@odata.id": "/redfish/v1/Systems"},
    },
    "/redfish/v1/Systems": {"Members": [{"@odata.id": "/redfish/v1/Systems/1"}]},
    "/redfish/v1/Systems/1": {
        "Manufacturer": "Example",
        "Model": "Rack Server 2U",
        "SerialNumber": " EX0004711 ",
        "BiosVersion": "2.10",
        "AssetTag": "",
        "HostName": "srv-12",
    },
    "/redfish/v1/Chassis": {"Members": [{"@odata.id": "/redfish/v1/Chassis/1"}]},
}
METRICS: dict[str, Any] = {
    "/redfish/v1/Chassis/1": {
        "Id": "1",
        "EnvironmentMetrics": {"@odata.id": "/redfish/v1/Chassis/1/Metrics"},
    },
    "/redfish/v1/Chassis/1/Metrics": {"PowerWatts": {"Reading": 231.5}, "EnergykWh": {"Reading": 1204.25}},
}
POWER: dict[str, Any] = {
    "/redfish/v1/Chassis/1": {"Id": "1", "Power": {"@odata.id": "/redfish/v1/Chassis/1/Power"}},
    "/redfish/v1/Chassis/1/Power": {
        "PowerControl": [{"PowerConsumedWatts": 187}, {"Name": "CPU", "PowerConsumedWatts": 60}]
    },
}
BASIC = "Basic " + b64encode(b"monitor:read only").decode()


class Controller(ThreadingHTTPServer):
    """A management controller: resources by path, the account it knows, and what it was asked."""

    daemon_threads = True

    def __init__(self, certificate: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.resources: dict[str, Any] = {}
        self.coding: str | None = None  # what it says that its answers are packed as
        self.asked: list[tuple[str, str]] = []
        self.hold = threading.Event()
        self.hold.set()


class Handler(BaseHTTPRequestHandler):
    server: Controller

    def do_GET(self) -> None:
        self.server.asked.append((self.command, self.path))
        self.server.hold.wait(20)
        status, body = 200, self.server.resources.get(self.path)
        if self.headers["Authorization"] != BASIC:
            status, body = 401, {}
        elif body is None:
            status, body = 404, {}
        elif isinstance(body, int):
            status, body = body, {}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        if self.server.coding is not None:
            self.send_header("Content-Encoding", self.server.coding)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 - noted, so that a test sees that nobody asks so

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    key, made, both = folder / "key.pem", folder / "cert.pem", folder / "both.pem"
    new = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "1",
    ]
    subject = ["-subj", "/CN=controller", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = [*new, *subject, "-keyout", str(key), "-out", str(made)]
    subprocess.run(command, check=True, capture_output=True)
    both.write_bytes(made.read_bytes() + key.read_bytes())
    return both


@pytest.fixture
def controller(certificate: Path) -> Iterator[Controller]:
    with Controller(certificate) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        server.resources = ROOT | METRICS
        yield server
        server.hold.set()
        server.shutdown()


@pytest.fixture
def polled(controller: Controller, certificate: Path, tmp_path: Path) -> Polled:
    password = tmp_path / "password"
    password.write_text("read only\n", "utf-8")
    password.chmod(0o600)
    return Polled(
        name="srv-12 bmc",
        host="127.0.0.1",
        protocol="redfish",
        port=controller.server_address[1],
        login=Login(user="monitor", password_file=str(password)),
        login_name="bmc",
        ca_file=certificate,
        timeout_seconds=5.0,
        retries=0,
    )


def read(polled: Polled) -> DeviceAnswer:
    return asyncio.run(RedfishAsker().read(polled))


def test_power_and_energy_of_a_newer_controller(controller: Controller, polled: Polled) -> None:
    answer = read(polled)
    assert [(one.name, one.index, one.value, one.unit, one.quality) for one in answer.readings] == [
        ("system_power", "1", 231.5, "W", "sensor"),
        ("system_energy", "1", 1_204_250.0, "Wh", "sensor"),
    ]
    who = answer.identity
    assert (who.kind, who.vendor, who.model, who.serial) == (
        "management_controller",
        "Example",
        "Rack Server 2U",
        "EX0004711",
    )
    assert (who.asset_tag, who.name, answer.refusals) == (None, "srv-12", ())
    assert {method for method, _ in controller.asked} == {"GET"}


def test_power_of_an_older_controller_is_the_whole_chassis_once(
    controller: Controller, polled: Polled
) -> None:
    controller.resources = ROOT | POWER
    answer = read(polled)
    assert [(one.kind, one.value) for one in answer.readings] == [("active_power", 187.0)]


def chassis(name: str, watts: float | None, **links: Any) -> dict[str, Any]:
    """Return a chassis with its metrics, or without any where `watts` is None."""
    path = f"/redfish/v1/Chassis/{name}"
    own: dict[str, Any] = {"Id": name, "Links": links}
    if watts is None:
        return {path: own}
    return {
        path: own | {"EnvironmentMetrics": {"@odata.id": f"{path}/Metrics"}},
        f"{path}/Metrics": {"PowerWatts": {"Reading": watts}},
    }


def link(name: str) -> dict[str, str]:
    return {"@odata.id": f"/redfish/v1/Chassis/{name}"}


def test_a_chassis_within_another_is_shown_and_not_added(controller: Controller, polled: Polled) -> None:
    """An enclosure with a sled, which says so itself, and boards in it, of which only the other side says so."""
    names = ("Gpu1", "Sled", "Tray", "Enc", "Beside")
    members = {"/redfish/v1/Chassis": {"Members": [link(name) for name in names]}}
    enclosure = chassis("Enc", 1000.0, Contains=[link("Sled")])
    controller.resources = (
        ROOT
        | members
        | enclosure
        | chassis("Sled", 700.0, ContainedBy=link("Enc"), Contains=[link("Tray")])
        | chassis("Tray", None, Contains=[link("Gpu1")], ContainedBy=link("Sled"))
        | chassis("Gpu1", 600.0)
        | chassis("Beside", 50.0, Contains=[link("Beside"), 5])  # links that lead nowhere
    )
    answer = read(polled)
    told = {one.index: (one.name, one.place, one.value) for one in answer.readings}
    assert told == {
        "Enc": ("system_power", "system", 1000.0),
        "Sled": ("chassis_power", "supply_unit", 700.0),
        "Gpu1": ("part_power", "sensor", 600.0),
        "Beside": ("system_power", "system", 50.0),
    }
    report = tell(
        answer, Memory("0" * 16), device_id=f"rwd_{'0' * 32}", at=1.8e9, name="enc", version="1"
    ).report
    assert report.now is not None
    assert [one.latest_watts for one in report.now.energy] == [1050.0]
    # An enclosure that has no power of its own hides nobody.
    controller.resources |= chassis("Enc", None, Contains=[link("Sled")])
    controller.resources["/redfish/v1/Chassis/Enc"].pop("EnvironmentMetrics", None)
    assert {one.index: one.place for one in read(polled).readings}["Sled"] == "system"


def enclosure_of(*serials: str, systems_of: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a controller of several systems in one chassis of 4,000 W, with what else the chassis links to."""
    systems = {
        f"/redfish/v1/Systems/{number}": {"SerialNumber": serial, "Model": "Node"}
        for number, serial in enumerate(serials, 1)
    }
    members = {"/redfish/v1/Systems": {"Members": [{"@odata.id": path} for path in systems]}}
    whole = chassis("Enc", 4000.0, **(systems_of or {}))
    whole["/redfish/v1/Chassis/Enc"] |= {
        "SerialNumber": "ENC77",
        "Model": "Enclosure",
        "Manufacturer": "Example",
    }
    return ROOT | members | systems | whole | {"/redfish/v1/Chassis": {"Members": [link("Enc")]}}


def test_a_controller_of_several_systems_is_no_one_servers(controller: Controller, polled: Polled) -> None:
    controller.resources = enclosure_of("NODE1", "NODE2", "NODE3")
    answer = read(polled)
    who = answer.identity
    assert (who.kind, who.vendor, who.model, who.serial) == ("pdu", "Example", "Enclosure", "ENC77")
    assert "3 systems share it (NODE1, NODE2, NODE3)" in answer.why[1]
    assert [(one.place, one.value) for one in answer.readings] == [("system", 4000.0)]
    # Two chassis beside each other are no one thing either.
    beside = {"/redfish/v1/Chassis": {"Members": [link("Enc"), link("1")]}}
    controller.resources |= METRICS | beside
    who = read(polled).identity
    assert (who.kind, who.model, who.serial) == ("pdu", None, None)


@pytest.mark.parametrize(
    ("serials", "links", "serial"),
    [
        (("NODE1", "NODE2"), {"ComputerSystems": [{"@odata.id": "/redfish/v1/Systems/2/"}]}, "NODE2"),
        (("NODE1", " node1"), {}, "NODE1"),  # one machine told twice
        (("NODE1", "NODE2"), {"ComputerSystems": [5, {}]}, "ENC77"),
    ],
)
def test_a_chassis_of_one_system_is_that_servers(
    controller: Controller, polled: Polled, serials: tuple[str, ...], links: dict[str, Any], serial: str
) -> None:
    controller.resources = enclosure_of(*serials, systems_of=links)
    assert read(polled).identity.serial == serial
    controller.resources["/redfish/v1/Systems/2"] |= {"SystemType": {}}  # no word, which says nothing
    assert read(polled).identity.serial == serial


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (None, "missing"),
        (0, "sentinel"),
        (-1, "out_of_range"),
        ("231", "not_a_number"),
        (True, "not_a_number"),
        (65535, "sentinel"),
        (32767.0, "sentinel"),
        (4294967295, "sentinel"),
    ],
)
def test_what_is_no_power_is_refused_with_its_reason(
    controller: Controller, polled: Polled, told: object, code: str
) -> None:
    controller.resources["/redfish/v1/Chassis/1/Metrics"] = {"PowerWatts": {"Reading": told}}
    answer = read(polled)
    assert ([one.code for one in answer.refusals], answer.readings) == ([code], ())


def test_a_controller_without_power_says_so(controller: Controller, polled: Polled) -> None:
    controller.resources = ROOT | {"/redfish/v1/Chassis/1": {"Id": "1"}}
    assert [one.reason for one in read(polled).refusals] == ["no chassis has power metrics"]


@pytest.mark.parametrize(
    ("resources", "error", "words"),
    [
        ({"/redfish/v1/": 503}, BadAnswerError, "HTTP 503 for /redfish/v1/"),
        ({"/redfish/v1/": b"<html>"}, BadAnswerError, "/redfish/v1/ is no JSON"),
        ({"/redfish/v1/": []}, BadAnswerError, "/redfish/v1/ is no resource"),
        ({"/redfish/v1/": b"[" * 1_000_001}, BadAnswerError, "larger than 1000000 bytes"),
        (
            {"/redfish/v1/": {"Chassis": {"@odata.id": "https://elsewhere.example/"}}},
            BadAnswerError,
            "a link leads out of the service",
        ),
        ({"/redfish/v1/": 403}, DeniedError, "the account may not read"),
    ],
)
def test_what_a_controller_does_wrong_is_named(
    controller: Controller, polled: Polled, resources: dict[str, Any], error: type[SnmpError], words: str
) -> None:
    controller.resources |= resources
    with pytest.raises(error, match=words):
        read(polled)


def test_a_certificate_nobody_vouches_for_is_refused(polled: Polled) -> None:
    with pytest.raises(DeniedError, match="name its certificate or authority as ca_file"):
        read(replace(polled, ca_file=None))


def test_a_controller_that_is_off_or_hangs(controller: Controller, polled: Polled) -> None:
    with pytest.raises(NoAnswerError, match="no answer to 1 tries"):
        read(replace(polled, port=1))
    controller.hold.clear()
    with pytest.raises(DeadlineError, match=r"not through after 0\.3 s"):
        read(replace(polled, deadline_seconds=0.3))


def test_the_password_is_in_no_text_of_an_error(
    controller: Controller, polled: Polled, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("something else\n", "utf-8")
    with pytest.raises(DeniedError) as caught:
        read(polled)
    assert "something else" not in str(caught.value)
    assert controller.asked == [("GET", "/redfish/v1/")]


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"a": ' * 50_000,
        b"\x1f\x8b\x08 packed, though nobody asked for it",
        {"Chassis": {"@odata.id": "/redfish/v1/\x00\n"}},
        {"Chassis": {"@odata.id": "/redfish/v1/" + "x" * 70_000}},
        {"Chassis": {"@odata.id": "/redfish/v1/\ud800"}},
    ],
    ids=["deep list", "deep object", "packed", "control characters", "long link", "half a character"],
)
def test_no_answer_is_a_fault_of_ours(controller: Controller, polled: Polled, body: Any) -> None:
    controller.resources = ROOT | METRICS | {"/redfish/v1/": body}
    with pytest.raises(BadAnswerError):
        read(polled)


def test_a_controller_that_packs_unasked_is_read(controller: Controller, polled: Polled) -> None:
    plain = read(polled).readings
    controller.resources = {
        path: gzip.compress(json.dumps(told).encode()) for path, told in controller.resources.items()
    }
    controller.coding = "GZip"
    assert read(polled).readings == plain


@pytest.mark.parametrize(
    ("coding", "body", "words"),
    [
        ("br", b"{}", "/redfish/v1/ is packed as 'br', though nothing packed was asked for"),
        ("gzip", b"{}", "/redfish/v1/ is said to be packed as gzip and is not"),
        ("gzip", gzip.compress(b"{}" + b" " * 100)[:-9], "packed as gzip and breaks off"),
        ("gzip", gzip.compress(b" " * 1_000_001), "larger than 1000000 bytes when it is unpacked"),
    ],
    ids=["another way", "not packed", "broken off", "too large"],
)
def test_a_packed_answer_that_cannot_be_read_is_named(
    controller: Controller, polled: Polled, coding: str, body: bytes, words: str
) -> None:
    controller.resources, controller.coding = {"/redfish/v1/": body}, coding
    with pytest.raises(BadAnswerError, match=words):
        read(polled)


@pytest.mark.parametrize("number", ["1" * 400, "1e999", "-" + "9" * 40, '"231"', "true"])
def test_numbers_beyond_reason_are_refused(controller: Controller, polled: Polled, number: str) -> None:
    metrics = f'{{"PowerWatts": {{"Reading": {number}}}, "EnergykWh": {{"Reading": {number}}}}}'.encode()
    controller.resources = ROOT | METRICS | {"/redfish/v1/Chassis/1/Metrics": metrics}
    answer = read(polled)
    assert answer.readings == ()
    assert {one.code for one in answer.refusals} == {"not_a_number"}
    assert max(len(one.reason) for one in answer.refusals) < 256


def test_half_characters_are_no_text_of_a_device(controller: Controller, polled: Polled) -> None:
    system = b'{"Model": "Rack \\ud800\\u0000 2U", "SerialNumber": " EX1\\u0007 "}'
    controller.resources = ROOT | METRICS | {"/redfish/v1/Systems/1": system}
    who = read(polled).identity
    assert (who.model, who.serial) == ("Rack ? 2U", "EX1")
