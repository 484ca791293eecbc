"""Real SNMP agents on loopback: Debian's snmpd, and snmpsim from this project's environment."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from support import wait_until

PUBLIC, SYSTEM_ONLY = "public", "system-only"
# What snmpd knows; the passwords are for a process on loopback that lives as long as a test.
SNMPD = f"""
rocommunity {PUBLIC} 127.0.0.1
view system included .1.3.6.1.2.1.1
rocommunity6 {PUBLIC} ::1
rocommunity {SYSTEM_ONLY} 127.0.0.1 -V system
createUser reader SHA-256 "authentication-word" AES "privacy-word"
createUser strong SHA-512 "authentication-word" AES-256 "privacy-word"
createUser unread SHA-256 "authentication-word" AES "privacy-word"
rouser reader authPriv
rouser strong authPriv
syslocation somewhere
"""


def free_udp_port() -> int:
    """Return a UDP port nobody on loopback holds at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def snmpd(folder: Path) -> Iterator[int]:
    """Run Debian's snmpd with `SNMPD` and give its port."""
    port, log, config = free_udp_port(), folder / "snmpd.log", folder / "snmpd.conf"
    config.write_text(SNMPD)
    command = ["snmpd", "-f", "-Lo", "-C", "-c", config, f"udp:127.0.0.1:{port},udp6:[::1]:{port}"]
    environment = {"SNMP_PERSISTENT_DIR": str(folder), "MIBS": ""}
    with _running(command, log, environment):
        wait_until(lambda: "NET-SNMP version" in log.read_text(), what="snmpd")
        yield port


@contextmanager
def snmpsim(folder: Path, recordings: Mapping[str, Path]) -> Iterator[int]:
    """Run snmpsim with recordings, each under its community, and give its port."""
    port, log, data = free_udp_port(), folder / "snmpsim.log", folder / "data"
    data.mkdir()
    for community, recording in recordings.items():
        (data / f"{community}.snmprec").write_bytes(recording.read_bytes())
    program = Path(sys.executable).with_name("snmpsim-command-responder")
    command = [
        program, "--v3-engine-id=auto", f"--data-dir={data}", f"--cache-dir={folder / 'cache'}",
        f"--agent-udpv4-endpoint=127.0.0.1:{port}", f"--variation-modules-dir={folder / 'none'}",
    ]  # fmt: skip
    if os.getuid() == 0:
        # It refuses to be root unless it is told whom to be; here, that is nobody else.
        command += ["--process-user=root", "--process-group=root"]
    with _running(command, log, {}):
        wait_until(lambda: f"127.0.0.1:{port}" in log.read_text(), what="snmpsim")
        yield port


@contextmanager
def _running(command: list[str | Path], log: Path, environment: Mapping[str, str]) -> Iterator[None]:
    path = f"{os.environ['PATH']}:/usr/sbin"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **environment, "PATH": path}
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)
