"""What becomes of a start-up when systemd runs but cannot be asked; that it can is in test_systemd_boot.py."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.probe import Context, Status
from roadworthy_agent.probes import PROBES, dbus
from roadworthy_agent.probes.startup.bus import unit_path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is a Linux program")


@pytest.fixture
def systemd_runs(tmp_path: Path) -> Context:
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    return Context(root=tmp_path)


@pytest.fixture
def refusing_bus(tmp_path: Path) -> Iterator[str]:
    """Run a bus that lets nobody in."""
    path = tmp_path / "bus"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def refuse() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
                while connection.recv(1024):
                    connection.sendall(b"REJECTED EXTERNAL\r\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        yield f"unix:path={path}"
        thread.join(timeout=60)


@pytest.mark.parametrize(
    "address", ["unix:path=/nonexistent/bus", "tcp:host=127.0.0.1,port=1", "garbage", "unix:path=/dev/null"]
)
def test_a_bus_that_cannot_be_reached_is_an_error_with_a_reason(
    systemd_runs: Context, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    result = PROBES["startup"].collect(systemd_runs)
    assert result.status is Status.ERROR
    assert (result.reason or "").startswith("systemd cannot be asked: ")
    assert result.value[0].total_seconds is None


def test_a_bus_that_refuses_the_account_is_no_permission(
    systemd_runs: Context, monkeypatch: pytest.MonkeyPatch, refusing_bus: str
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", refusing_bus)
    result = PROBES["startup"].collect(systemd_runs)
    assert result.status is Status.NO_PERMISSION
    assert "refused this account" in (result.reason or "")


def test_paths_of_units_are_escaped() -> None:
    assert unit_path("default.target") == "/org/freedesktop/systemd1/unit/default_2etarget"
    assert unit_path("display-manager.service").endswith("/display_2dmanager_2eservice")


FIELDS = b"\x05\x01u\x00" + struct.pack("<I", 1)  # it answers message 1


@pytest.mark.parametrize(
    "said",
    [
        b"x\2\0\1" + bytes(12),
        b"l\2\0\1" + struct.pack("<III", 0xFFFFFFFF, 1, len(FIELDS)) + FIELDS,
        b"l\2\0\1" + struct.pack("<III", 9000, 1, len(FIELDS) + 7) + FIELDS + b"\x08\x01g\x00\x01v\0\0" + b"\x01v\0" * 3000,
        b"l\2\0\1" + struct.pack("<III", 8, 1, len(FIELDS) + 7) + FIELDS + b"\x08\x01g\x00\x05a(so\0" + bytes(12),
    ],
    ids=["no byte order", "four gigabytes", "variants in variants", "a type that does not end"],
)  # fmt: skip
def test_an_answer_that_is_no_message_is_told_as_one(said: bytes) -> None:
    ours, theirs = socket.socketpair()
    with theirs, dbus.Bus(ours, 1.0) as bus:
        theirs.sendall(said)
        with pytest.raises(ProbeError, match=r"no D-Bus message|larger than any"):
            bus.all("org.freedesktop.login1", "/a", "org.freedesktop.login1.Session")
