"""Both units in a real systemd, with all their hardening: the agent reports to the collector beside it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.systemd_root import Bind, Boot, boot, own_copy, systemd_root, write_unit

REPOSITORY = Path(__file__).parents[2]
SYSTEMD = REPOSITORY / "deploy/systemd"

# The steps of deploy/README.md, and then a look around. `ask` is an HTTP GET.
SCRIPT = r"""
ask() { python3 -c "import sys, urllib.request as r; sys.stdout.write(r.urlopen(sys.argv[1], timeout=5).read().decode())" "$1"; }
until_says() { # address, text, seconds
    for _ in $(seq $(($3 * 5))); do ask "$1" 2>/dev/null | grep -q "$2" && return 0; sleep 0.2; done
    return 1
}
systemd-sysusers
systemctl start roadworthy-collector
python3 /srv/relay.py &
until_says http://127.0.0.1:8470/readyz ready 60
runuser -u roadworthy -- /opt/roadworthy/bin/roadworthy enrol-key create --config /etc/roadworthy/collector.toml \
    > /root/enrolment.key
chmod 600 /root/enrolment.key
agent=/opt/roadworthy/bin/roadworthy-agent
# The repository may lie in a /tmp, where everybody may write: then the agent rightly refuses to run as root from it.
xargs chmod go-w < /srv/above
runuser -u roadworthy -- $agent service install > /out/not-root 2>&1
$agent service install --dry-run > /out/dry-run
ls /etc/systemd/system/roadworthy-agent.service > /out/after-dry-run 2>&1
$agent service install --server https://127.0.0.1:8443 --key-file /root/enrolment.key > /out/install 2>&1
systemctl show -P MainPID roadworthy-agent > /out/first-pid
$agent service install > /out/again 2>&1
systemctl show -P MainPID roadworthy-agent > /out/second-pid
$agent service status --json > /out/status
until_says http://127.0.0.1:8470/metrics/devices roadworthy_device_info 60
ask http://127.0.0.1:8470/metrics/devices > /out/devices
ask http://127.0.0.1:8470/metrics > /out/metrics
chart=$(ask http://127.0.0.1:8470/ | grep -oE '/charts/[0-9a-z]+\.svg' | head -n 1)
until_says "http://127.0.0.1:8470$chart" '<svg' 60 && ask "http://127.0.0.1:8470$chart" > /out/chart
pid=$(systemctl show -P MainPID roadworthy-agent)
grep -E 'Uid|CapEff|NoNewPrivs|Seccomp:' /proc/$pid/status > /out/agent-status
rm /etc/roadworthy/agent-secrets/enrolment.key
systemctl restart roadworthy-agent
systemctl is-active roadworthy-collector roadworthy-agent > /out/active
stat -c '%n %a %U' /var/lib/roadworthy /var/lib/private/roadworthy-agent > /out/folders
ls -l /run/roadworthy-agent-open /srv/sys/class/powercap/*/ > /out/open
systemctl is-enabled roadworthy-agent-log > /out/log-unit
systemctl start roadworthy-agent-log && systemctl show -P Result roadworthy-agent-log >> /out/log-unit
pid=$(systemctl show -P MainPID roadworthy-agent)
cd /run/roadworthy-agent-open
for copy in kernel-log kernel-log.wake; do
    stat -c '%n %a %u' $copy
    nsenter -t $pid -m -S "$(stat -c %u /proc/$pid)" -G "$(stat -c %g /proc/$pid)" cat $PWD/$copy
done > /out/kernel-log 2>&1
cd /
systemctl stop roadworthy-agent
ls -l /run/roadworthy-agent-open /srv/sys/class/powercap/*/ > /out/closed 2>&1
$agent service status > /out/status-stopped; echo $? >> /out/status-stopped
systemctl start roadworthy-agent
$agent service remove > /out/remove 2>&1
ls /run/roadworthy-agent-open > /out/after-remove 2>&1
ls -d /etc/roadworthy/agent.toml /var/lib/private/roadworthy-agent/spool.db >> /out/after-remove 2>&1
$agent service status >> /out/after-remove 2>&1
pgrep -f 'roadworthy-agent run' >> /out/after-remove
$agent service remove > /out/remove-again 2>&1
$agent service remove --purge > /out/purge 2>&1
find /etc /run /usr /var /opt/roadworthy/lib -xdev -name '*roadworthy-agent*' > /out/left 2>/dev/null
ls -A /etc/roadworthy >> /out/left
systemctl list-units --all --plain --no-legend 'roadworthy-agent*' >> /out/left
systemctl stop roadworthy-collector
systemctl show -P Result roadworthy-collector roadworthy-agent > /out/results
journalctl --no-pager -u roadworthy-collector -u roadworthy-agent > /out/journal
"""

# Ends TLS before the collector, as a proxy would: the agent speaks it in a process that it has to be able to start.
RELAY = r"""
import socket, ssl, threading
def pump(taken, given):
    try:
        while data := taken.recv(65536): given.sendall(data)
    except OSError: pass
    finally: given.close()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/srv/tls/server.pem", "/srv/tls/server.key")
listener = socket.create_server(("127.0.0.1", 8443))
while True:
    try: agent = context.wrap_socket(listener.accept()[0], server_side=True)
    except OSError: continue
    collector = socket.create_connection(("127.0.0.1", 8470))
    for ends in ((agent, collector), (collector, agent)): threading.Thread(target=pump, args=ends, daemon=True).start()
"""


def certificate(folder: Path) -> None:
    """Make a certificate for 127.0.0.1 that vouches for itself, and its key."""
    folder.mkdir(parents=True)
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
            "-keyout", "server.key", "-out", "server.pem",
        ],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip


# A container has no kernel log of its own
DMESG = 'Environment="ROADWORTHY_DMESG=cat /srv/dmesg"\n'
LOG = """\
[    3.000000] usb 1-4: SerialNumber: 4C530001230523105203
[    4.100000] EXT4-fs (sda2): recovery complete
[  217.939227] PM: suspend entry (deep)
"""


def install(root: Path) -> tuple[Bind, ...]:
    """Install as deploy/README.md says, with links to this clone's environment in place of a copy of it."""
    for folder in ("opt/roadworthy/bin", "opt/roadworthy/lib", "etc/roadworthy", "usr/lib/sysusers.d"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    binaries = Path(sys.executable).parent
    for program in ("roadworthy", "roadworthy-agent"):
        (root / "opt/roadworthy/bin" / program).symlink_to(binaries / program)
    shutil.copy(
        SYSTEMD / "roadworthy-collector.sysusers.conf", root / "usr/lib/sysusers.d/roadworthy-collector.conf"
    )
    shutil.copy(SYSTEMD / "collector.toml", root / "etc/roadworthy")
    counter = root / "srv/sys/class/powercap/intel-rapl:0/energy_uj"
    counter.parent.mkdir(parents=True)
    counter.write_text("42\n")
    counter.chmod(0o400)
    certificate(root / "srv/tls")
    (root / "srv/relay.py").write_text(RELAY)
    above = {
        folder for path in (REPOSITORY, *interpreter()) for folder in path.parents if folder != Path("/")
    }
    (root / "srv/above").write_text("".join(f"{folder}\n" for folder in sorted(above)))
    (root / "srv/dmesg").write_text(LOG)
    collector = "roadworthy-collector.service"
    write_unit(root, collector, (SYSTEMD / collector).read_text("utf-8"), wanted_by=None)
    for unit in (collector, "roadworthy-agent.service"):
        # This clone may be in somebody's home or in /tmp, which the units rightly hide; an installation is in /opt.
        shown = f"BindReadOnlyPaths={REPOSITORY}\n" if in_tmp(REPOSITORY) else ""
        trusted = "Environment=ROADWORTHY_AGENT_CA_FILE=/srv/tls/server.pem\n"
        drop_in = f"ProtectHome=no\n{shown}Environment=ROADWORTHY_SYS=/srv/sys\n{trusted}{DMESG}"
        add_drop_in(root, unit, drop_in)
    add_drop_in(root, "roadworthy-agent-log.service", DMESG)
    return tuple(
        Bind(path, str(path)) for path in (REPOSITORY, binaries.parent, *interpreter()) if seen(root, path)
    )


def add_drop_in(root: Path, unit: str, text: str) -> None:
    folder = root / f"etc/systemd/system/{unit}.d"
    folder.mkdir(parents=True)
    (folder / "test.conf").write_text(f"[Service]\n{text}")


def in_tmp(path: Path) -> bool:
    """Say whether `path` is where a unit's PrivateTmp would hide it."""
    return any(path.is_relative_to(folder) for folder in ("/tmp", "/var/tmp"))  # noqa: S108 - asked, not used


def interpreter() -> list[Path]:
    """Return where this Python really is, unless it is the system's own, which the root has as well."""
    base = Path(sys.base_prefix).resolve()
    return [] if base == Path("/usr") else [base]


def seen(root: Path, path: Path) -> bool:
    """Make the way to `path` passable in the root, whose /root is closed to others; always true."""
    for parent in reversed(path.relative_to("/").parents):
        inside = root / parent
        inside.mkdir(exist_ok=True)
        inside.chmod(inside.stat().st_mode | 0o055)
    return True


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boot]:
    folder = tmp_path_factory.mktemp("units")
    with own_copy(systemd_root(), folder) as root:
        binds = install(root)
        yield boot(root, SCRIPT, folder / "out", binds=binds, timeout=240)


@pytest.mark.needs("nspawn", "debootstrap")
def test_both_units_work_under_their_hardening(booted: Boot) -> None:
    files = booted.files
    said = json.dumps(files, indent=1) + booted.log
    assert files["active"].split() == ["active", "active"], said
    assert "roadworthy_device_info{" in files["devices"], said
    assert 'roadworthy_ingest_reports_total{outcome="accepted"}' in files["metrics"], said
    assert "<svg" in files["chart"], said
    assert files["results"].split() == ["success", "success"], said


@pytest.mark.needs("nspawn", "debootstrap")
def test_the_agent_runs_without_any_right(booted: Boot) -> None:
    status = dict(line.split(":\t", 1) for line in booted.files["agent-status"].splitlines())
    assert status["CapEff"].strip() == "0000000000000000"
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Seccomp"].strip() == "2"
    assert "0" not in status["Uid"].split()
    folders = dict(line.split(" ", 1) for line in booted.files["folders"].splitlines())
    assert folders["/var/lib/roadworthy"] == "700 roadworthy"
    assert folders["/var/lib/private/roadworthy-agent"].startswith("700 ")


@pytest.mark.needs("nspawn", "debootstrap")
def test_energy_counters_are_open_while_the_agent_runs_and_only_then(booted: Boot) -> None:
    assert "-r--r-----" in booted.files["open"]
    assert "-r--------" in booted.files["closed"]
    assert "No such file" in booted.files["closed"]


@pytest.mark.needs("nspawn", "debootstrap")
def test_of_the_kernels_log_the_agent_is_shown_a_few_lines_at_its_start_and_after_wakings(
    booted: Boot,
) -> None:
    """The unit for wakings is started by hand: a container cannot sleep."""
    assert booted.files["log-unit"].split() == ["enabled", "success"], booted.files["journal"]
    lines = LOG.splitlines()[1:]
    assert booted.files["kernel-log"].splitlines() == [
        "kernel-log 640 0", *lines, "kernel-log.wake 640 0", *lines,
    ]  # fmt: skip


@pytest.mark.needs("nspawn", "debootstrap")
def test_installing_the_service_asks_for_root_and_changes_nothing_the_second_time(booted: Boot) -> None:
    files = booted.files
    assert "only root can install or remove a service" in files["not-root"]
    assert "would write /etc/systemd/system/roadworthy-agent.service" in files["dry-run"]
    assert "No such file" in files["after-dry-run"]
    assert "run systemctl restart roadworthy-agent.service" in files["install"]
    assert "agent.service (" in files["again"]
    assert files["again"].count("nothing to do") >= 3, files["again"]
    assert "restart" not in files["again"]
    assert files["first-pid"] == files["second-pid"]
    status = json.loads(files["status"])
    assert [status[name] for name in ("installed", "running", "enabled")] == [True] * 3, status
    assert status["as_this_version_writes_it"] is True
    assert status["program"] == "/opt/roadworthy/bin/roadworthy-agent"
    assert files["status-stopped"].splitlines()[0].startswith("roadworthy-agent.service: not running")
    assert files["status-stopped"].endswith("1\n")


@pytest.mark.needs("nspawn", "debootstrap")
def test_removing_the_service_keeps_its_state_and_purging_leaves_nothing(booted: Boot) -> None:
    files = booted.files
    assert "State, settings and key are kept" in files["remove"]
    after = files["after-remove"]
    assert "cannot access '/run/roadworthy-agent-open'" in after
    assert "/etc/roadworthy/agent.toml\n" in after
    assert "/var/lib/private/roadworthy-agent/spool.db\n" in after
    assert after.endswith("not installed; run: roadworthy-agent service install\n"), after  # and no process
    assert "ended with" not in files["remove-again"]
    assert files["left"] == "collector.toml\n"
