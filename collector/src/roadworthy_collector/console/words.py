"""The words people read for what devices send. Unknown words from a newer agent fall through unchanged."""

from __future__ import annotations

DEVICE_STATES = {
    "reporting": ("Reporting", "heard within its interval"),
    "late": ("Late", "overdue, heard within three intervals"),
    "missing": ("Missing", "not heard for three intervals"),
    "retired": ("Retired", "taken out of service"),
}
# What can be measured: the probe's name, in words, and what the whole of it covers.
PROBES = {
    "utilisation": "Processor and memory use",
    "startup": "Start-ups",
    "hardware": "Make, model, processor and memory",
    "storage": "Disks",
    "os": "Operating system",
    "state": "Device state (in use, idle, locked, asleep)",
    "power": "Electricity",
    "battery": "Battery",
    "signin": "Sign-ins",
}
READINGS = {
    "active_power": "power",
    "apparent_power": "apparent power",
    "supply": "supply left",
    "charge": "battery charge",
    "runtime": "battery lasts",
    "utilisation": "in use",
    "hours": "hours of use",
    "nameplate_power": "power it is made for",
    "nameplate_apparent_power": "apparent power it is made for",
    "idle_power": "power when idle, not of now",
    "paper": "paper left",
    "memory": "memory built in",
    "duration": "for so long",
    "since": "counts since",
}
POLLS = {"snmp": "Polls by SNMP", "redfish": "Polls by Redfish"}
STATUSES = {
    "ok": "measured",
    "no_permission": "no permission",
    "not_supported": "not supported on this device",
    "no_data_yet": "no data yet",
    "virtual_machine": "not seen from inside a virtual machine",
    "container": "not seen from inside a container",
    "off_by_policy": "off by policy",
    "error": "error",
    "other": "other (a newer agent's word)",
    "silent": "no status sent",
}
PHASES = {
    "firmware": "Firmware",
    "loader": "Boot loader",
    "kernel": "Kernel",
    "initrd": "Initial disk",
    "userspace": "System services",
    "soft_reboot": "Soft restart",
    "disk_unlock_wait": "Waiting for the disk password",
    # Windows
    "boot_devices": "Devices to start from",
    "kernel_init": "Kernel's own set-up",
    "kernel_other": "Other work of the kernel",
    "driver_init": "Drivers",
    "device_init": "Devices",
    "critical_services": "Critical services",
    "read_ahead": "Reading ahead",
    "system_devices": "Other devices",
    "session_init": "Session set-up",
    "machine_profile": "Machine policy and profile",
    "user_profile": "User profile",
    "explorer_init": "Desktop",
    "other_sign_in": "Other sign-in work",
    "main_path": "Up to the desktop",
    "start_up": "Start-up",
    "post_boot": "Settling down",
    "until_services": "Up to the services",
    "sign_in_wait": "Waiting for a person",
    "resume": "Waking up",
    "resume_drivers": "Waking the devices",
    "hibernation_read": "Reading memory back",
    # macOS
    "kernel_to_login_window": "System, up to the login window",
    # Sign-ins
    "authentication": "Checking the password",
    "policy": "Group Policy",
    "policy_beside": "Group Policy, beside the rest",
    "programs": "Sign-in programs",
    "sign_in_prompt": "Waiting for a PIN or prompt",
    "user_manager": "User services",
    "session": "Session",
    "desktop": "Desktop",
    "other": "Other work",
}
KINDS = {
    "cold": "cold start",
    "restart": "restart",
    "fast_startup": "fast start-up",
    "hibernate": "from hibernation",
    "resume": "wake from sleep",
    "update": "with updates",
    "dirty": "after an unclean stop",
    "first": "first ever",
    "soft_reboot": "soft restart",
    "container": "container start",
    "unknown": "kind unknown",
    "other": "other kind",
}
STARTUP_QUALITIES = {
    "measured": "measured",
    "approximate": "approximate",
    "suspect": "suspect",
    "unfinished": "not finished yet",
}
FACTORS = {
    "unit": "systemd unit",
    "service": "service",
    "driver": "driver",
    "application": "application",
    "device": "device",
    "policy": "policy",
    "profile": "profile",
    "subscriber": "sign-in subscriber",
    "run_key": "start-up program",
    "component": "system component",
    "shutdown": "during shutdown",
}
CREDENTIALS = {"cached": "checked on the device", "network": "checked over the network"}
CONNECTIONS = {"lan": "on a cable", "wifi": "on Wi-Fi", "vpn": "over a VPN", "none": "without a network"}
GAPS = {"off": "off", "asleep": "asleep", "unobserved": "unobserved"}
BASES = {
    "boot_id_changed": "the device had started anew",
    "suspend_clock": "the clock that runs on during sleep",
    "agent_not_running": "the agent was not running",
    "spool_full": "the agent's storage was full",
}
USE_STATES = {
    "in_use": "In use",
    "idle": "Idle",
    "locked": "Locked",
    "asleep": "Asleep",
    "off": "Off",
    "unobserved": "Unobserved",
}
CLASSES = {
    "desktop": "desktop",
    "laptop": "laptop",
    "tablet": "tablet",
    "server": "server",
    "virtual": "virtual machine",
    "container": "container",
    "ups": "UPS",
    "pdu": "PDU",
    "printer": "printer",
    "switch": "switch",
    "controller": "management controller",
    "unknown": "class unknown",
}
MEDIA = {
    "hdd": "hard disk",
    "ssd": "solid state (SATA)",
    "nvme": "solid state (NVMe)",
    "emmc": "eMMC",
    "sd": "SD card",
    "virtual": "virtual disk",
    "unknown": "medium unknown",
}
ENVIRONMENTS = {
    "physical": "physical machine",
    "virtual_machine": "virtual machine",
    "container": "container",
    "unknown": "not known whether physical or virtual",
}
QUALITIES = {
    "metered": "metered (a meter at the wall)",
    "sensor": "sensor (read on the device)",
    "modelled": "modelled",
    "assumed": "assumed",
}
SCOPES = {
    "cpu": "Processor",
    "memory": "Memory",
    "gpu": "Graphics",
    "machine": "Whole machine",
    "wall": "At the wall",
}
# A look and a shape for each rating, as device states have.
LOOKS = {
    "meets": "ok",
    "needs attention": "attention",
    "action required": "error",
    "observing": "blank",
    "no data": "blank",
}
# Roles as people read them; which may do what is `security.roles.RIGHTS`.
ROLES = {
    "viewer": "viewer",
    "service_desk": "service desk",
    "register_manager": "register manager",
    "finance_preparer": "finance preparer",
    "sustainability_preparer": "sustainability preparer",
    "approver": "approver",
    "auditor": "auditor",
    "administrator": "administrator",
}


def probe(name: str) -> str:
    """Return what an agent's probe, or a way of polling, is about in words."""
    return say(PROBES | POLLS, name)


def say(words: dict[str, str], key: str | None) -> str:
    """Return the words for `key`, or the key itself with its underscores opened."""
    if key is None:
        return "unknown"
    return words.get(key, key.replace("_", " "))
