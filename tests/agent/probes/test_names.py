"""Which part of a unit's name may leave the device."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.probes.startup.names import is_alias, kind_of, private_words, reduce_name, worth_asking

PRIVATE = frozenset({"jsmith", "hq-dt-0042", "pi"})


@pytest.mark.parametrize(
    ("unit", "shown"),
    [
        ("NetworkManager-wait-online.service", "NetworkManager-wait-online.service"),
        ("plymouth-quit-wait.service", "plymouth-quit-wait.service"),
        ("systemd-udev-settle.service", "systemd-udev-settle.service"),
        ("dbus.socket", "dbus.socket"),
        # templates
        ("getty@tty1.service", "getty@tty1.service"),
        ("modprobe@efi_pstore.service", "modprobe@efi_pstore.service"),
        ("user@1001.service", "user@.service"),
        ("user-runtime-dir@1001.service", "user-runtime-dir@.service"),
        ("openvpn-client@jsmith.service", "openvpn-client@.service"),
        ("netctl@HomeWifi-5G.service", "netctl@.service"),
        ("systemd-backlight@backlight:amdgpu_bl0.service", "systemd-backlight@.service"),
        ("systemd-cryptsetup@luks\\x2d7ad4271d\\x2d53db.service", "systemd-cryptsetup@.service"),
        ("systemd-fsck@dev-disk-by\\x2duuid-7ad4271d.service", "systemd-fsck@.service"),
        ("lvm2-pvscan@8:2.service", "lvm2-pvscan@.service"),
        ("modprobe@../../x.service", "modprobe@.service"),
        # mounts
        ("-.mount", "-.mount"),
        ("boot-efi.mount", "boot-efi.mount"),
        ("home.mount", "home.mount"),
        ("home-jsmith.mount", "home-*.mount"),
        ("media-jsmith-STICK.mount", "media-*.mount"),
        ("mnt-fs01-private.mount", "mnt-*.mount"),
        ("srv-projects.automount", "srv-*.automount"),
        ("snap-firefox-3206.mount", "snap-*.mount"),
        ("run-user-1000.mount", "run-*.mount"),
        ("run-credentials-systemd\\x2dsysctl.service.mount", "run-*.mount"),
        ("sys-kernel-debug.mount", "sys-kernel-debug.mount"),
        ("sys-fs-fuse-connections.mount", "sys-fs-fuse-connections.mount"),
        ("proc-sys-fs-binfmt_misc.automount", "proc-sys-fs-binfmt_misc.automount"),
        ("operations-kestrel.mount", "*.mount"),
        # swaps
        ("dev-sda3.swap", "dev-sda3.swap"),
        ("dev-disk-by\\x2duuid-5b3c.swap", "*.swap"),
        ("swap.img.swap", "swap.img.swap"),
        # devices
        ("dev-sda7.device", "dev-sda7.device"),
        ("dev-nvme0n1p2.device", "dev-nvme0n1p2.device"),
        ("dev-dm\\x2d0.device", "dev-dm-0.device"),
        ("dev-mmcblk0p1.device", "dev-mmcblk0p1.device"),
        ("dev-disk-by\\x2did-nvme\\x2dWDS200T1X0E\\x2d00AFY0_20515N800199.device", "dev-disk-by-id-*.device"),
        ("dev-disk-by\\x2duuid-13189658350875092958.device", "dev-disk-by-uuid-*.device"),
        ("dev-disk-by\\x2dlabel-JSMITH.device", "dev-disk-by-label-*.device"),
        ("dev-disk-by\\x2dpath-pci.device", "dev-disk-*.device"),
        ("dev-mapper-luks\\x2d7ad4.device", "dev-mapper-*.device"),
        ("dev-ttyS0.device", "dev-*.device"),
        ("sys-devices-pci0000:00-net-wlan0.device", "sys-*.device"),
        ("sys-subsystem-net-devices-enx9cebe8000002.device", "sys-subsystem-net-*.device"),
        # what someone typed into a plain name
        ("hq-dt-0042-backup.service", "*-backup.service"),
        ("sync-jsmith.service", "sync-*.service"),
        ("JSmith.service", "*.service"),
        ("piper.service", "piper.service"),
        ("run-rb3e1a2c4d5f60718.service", "run-*.service"),
        ("backup-20261121.service", "backup-*.service"),
        ("wol-00-11-22-33-44-55.service", "wol-*.service"),
        ("job-7ad4271d-53db-4cfb-8d81-89dde550b661.service", "job-*.service"),
        ("m\\xc3\\xbcller-sync.service", "*-sync.service"),
        ("müller.service", "*.service"),
        # no work of their own
        ("session-2.scope", None),
        ("user-1001.slice", None),
        ("graphical.target", None),
        ("fstrim.timer", None),
        ("cups.path", None),
        ("nonsense", None),
        (".service", None),
    ],
)  # fmt: skip
def test_what_is_shown(unit: str, shown: str | None) -> None:
    assert reduce_name(unit, PRIVATE) == shown


SECRET = st.sampled_from(
    ["jsmith", "hq-dt-0042", "Z2A00001XQ77", "S4EVNX0N123456", "7ad4271d-53db-4cfb-8d81-89dde550b661"]
)
WHERE = st.sampled_from(
    [
        "user@{}.service", "home-{}.mount", "media-x-{}.mount", "dev-disk-by\\x2did-ata\\x2d{}.device",
        "systemd-cryptsetup@{}.service", "openvpn@{}.service", "{}.mount", "dev-disk-by\\x2duuid-{}.swap",
        "systemd-fsck@dev-{}.service", "dev-mapper-{}.device", "sys-x-{}.device", "netctl@{}.service",
    ]
)  # fmt: skip


@given(SECRET, WHERE)
def test_nothing_planted_survives(secret: str, where: str) -> None:
    found = reduce_name(where.format(secret), PRIVATE)
    assert found is not None
    assert secret.casefold() not in found.casefold()


@given(st.text(min_size=1, max_size=60), st.sampled_from(["service", "mount", "device", "swap", "socket"]))
def test_any_name_gives_printable_ascii_of_bounded_length(stem: str, kind: str) -> None:
    found = reduce_name(f"{stem}.{kind}", PRIVATE)
    if found is not None:
        assert found.isascii()
        assert found.isprintable()
        assert len(found) <= 128


def test_aliases_of_devices_are_not_worth_asking_after() -> None:
    assert not worth_asking("dev-disk-by\\x2duuid-1.device")
    assert worth_asking("dev-sda1.device")
    assert not worth_asking("graphical.target")
    assert is_alias("dev-mapper-*.device")
    assert not is_alias("home-*.mount")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cups.service", "service"),
        ("dev-sda1.device", "device"),
        ("home.mount", "unit"),
        ("modprobe@drm.service", "driver"),
    ],
)
def test_the_kind_of_factor(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_accounts_of_people_homes_and_the_host_name_are_private() -> None:
    accounts = "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/:/x\nJSmith:x:1000:1000::/home/j:/bin/sh\nnobody:x:65534:1::/:/x\nbroken"
    assert private_words(accounts, ["anna"], "HQ-DT-0042.example.org") == {
        "jsmith",
        "anna",
        "hq-dt-0042.example.org",
        "hq-dt-0042",
    }
