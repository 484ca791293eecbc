"""What several tests share: free ports, waiting for conditions, real parts."""

from __future__ import annotations

import functools
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

# part -> the program that must be on PATH
PARTS = {
    "prometheus": "prometheus",
    "promtool": "promtool",
    "chromium": "chromium",
    "nspawn": "systemd-nspawn",
    "debootstrap": "debootstrap",
    "systemd-analyze": "systemd-analyze",
    "tinyproxy": "tinyproxy",
    "dmidecode": "dmidecode",
    "postgresql": "initdb",
    "nginx": "nginx",
    "alertmanager": "prometheus-alertmanager",
    "pushgateway": "prometheus-pushgateway",
    "victoria-metrics": "victoria-metrics",
    "snmpd": "snmpd",
    "snmp-exporter": "prometheus-snmp-exporter",
}
# Debian keeps some programs off PATH.
_ELSEWHERE = {"initdb": "usr/lib/postgresql/*/bin", "nginx": "usr/sbin", "snmpd": "usr/sbin"}


def free_port() -> int:
    """Return a TCP port nobody on loopback holds at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], T], *, timeout: float = 30.0, what: str = "the condition") -> T:
    """Call `condition` until it returns something true, and return that; fail after `timeout` seconds.

    It is asked often at first, because most conditions come true at once, and every 50 ms later on.
    """
    deadline = time.monotonic() + timeout
    pause = 0.002
    while True:
        if result := condition():
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s for {what}")
        time.sleep(pause)
        pause = min(2 * pause, 0.05)


def missing_part(name: str) -> str | None:
    """Return why the real part `name` cannot run here, or None if it can."""
    if name == "tmpfs":
        return None if _may_mount() else "this account may not mount a small disk"
    program = PARTS[name]
    if shutil.which(program) or any(Path("/").glob(f"{_ELSEWHERE.get(program, 'nowhere')}/{program}")):
        return None
    return f"{program} is not installed"


@functools.cache
def _may_mount() -> bool:
    """Return whether this account may mount a file system; tried where nobody else sees it."""
    if sys.platform != "linux" or not shutil.which("unshare"):
        return False
    tried = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0
