"""Reading the batteries on Linux: /sys/class/power_supply, for any account.

https://docs.kernel.org/power/power_supply_class.html: micro-watt-hours, micro-ampere-hours. Any attribute may
answer ENODEV or be absent, and one that does must not hide the others
(https://github.com/prometheus/node_exporter/issues/3108).
"""

from __future__ import annotations

import re

from roadworthy_agent.facts import Battery
from roadworthy_agent.probe import Context, Missing, ProbeResult, Status
from roadworthy_agent.probes import environment
from roadworthy_agent.probes.battery.parse import BatteryTexts, battery, clean
from roadworthy_agent.probes.tree import Content, Tree, whole_number

SUPPLIES = "sys/class/power_supply"
MOST_BATTERIES = 16  # what the wire takes
LONGEST_TEXT = 4096  # one page is all an attribute of sysfs can hold
NUMBERS = {
    "energy_full": "energy_full",
    "energy_full_design": "energy_full_design",
    "charge_full": "charge_full",
    "charge_full_design": "charge_full_design",
    "cycles": "cycle_count",
}
TEXTS = {"vendor": "manufacturer", "model": "model_name", "technology": "technology"}
# A mouse's battery is named by its address where its driver forgot to say scope=Device
ADDRESS = re.compile(r"([0-9a-f]{2}[:._-]){5}[0-9a-f]{2}", re.IGNORECASE)
NOT_BUILT_IN = re.compile(r"/usb\d+/|/bluetooth/|/hid|/[0-9A-F]{4}:[0-9A-F]{4}:[0-9A-F]{4}\.")

# The plain files this probe reads, for a recording: no serial_number.
FILES = tuple(
    f"{SUPPLIES}/*/{name}"
    for name in ("type", "scope", "present", "manufacturer", "model_name", "technology", *NUMBERS.values())
)


def collect(context: Context) -> ProbeResult[tuple[Battery, ...]]:
    """Read every battery of the device; a device without one has an empty list, which is an answer."""
    tree = Tree(context.root)
    where = environment.detect(tree)
    if where.kind == environment.CONTAINER:
        reason = "a container sees the batteries of its host, which reports for itself"
        return ProbeResult("battery", Status.CONTAINER, reason=reason, source=f"/{SUPPLIES}")
    if not tree.exists(SUPPLIES):
        reason = f"/{SUPPLIES} is not there: the kernel was built without batteries"
        return ProbeResult("battery", Status.NOT_SUPPORTED, reason=reason, source=f"/{SUPPLIES}")
    names = [name for name in tree.names(SUPPLIES) if is_battery(tree, name)]
    if names and where.kind == environment.VIRTUAL_MACHINE:
        reason = "a virtual machine is shown its host's battery or a made-up one"
        return ProbeResult("battery", Status.VIRTUAL_MACHINE, reason=reason, source=f"/{SUPPLIES}")
    found: list[Battery] = []
    missing: list[Missing] = []
    for name in names[:MOST_BATTERIES]:
        each, without = battery(read_battery(tree, name), f"/{SUPPLIES}/{name}")
        found.append(each)
        missing += without
    missing += tree.unsaid("battery", *(each.reason for each in missing))
    return ProbeResult("battery", Status.OK, tuple(found), source=f"/{SUPPLIES}", missing=tuple(missing))


def is_battery(tree: Tree, name: str) -> bool:
    """Tell whether a power supply is a battery of this device: no mouse's, no empty bay."""
    base = f"{SUPPLIES}/{name}"
    if tree.text(f"{base}/type") != "Battery" or tree.text(f"{base}/scope") == "Device":
        return False
    if ADDRESS.search(name) or NOT_BUILT_IN.search(tree.link(base) or ""):
        return False
    return tree.text(f"{base}/present") != "0"


def read_battery(tree: Tree, name: str) -> BatteryTexts:
    """Return what one battery says."""
    base = f"{SUPPLIES}/{name}"
    contents = {field: tree.read(f"{base}/{attribute}", 64) for field, attribute in NUMBERS.items()}
    faults = {field: fault for field, content in contents.items() if (fault := _fault(content))}
    numbers = {field: whole_number(content.text) for field, content in contents.items()}
    told = {field: tree.read(f"{base}/{attribute}", LONGEST_TEXT) for field, attribute in TEXTS.items()}
    faults |= {field: _wordless(content) for field, content in told.items() if not clean(content.text)}
    return BatteryTexts(
        name=name,
        vendor=told["vendor"].text or None,
        model=told["model"].text or None,
        technology=told["technology"].text or None,
        faults=faults,
        **numbers,
    )


def record(context: Context) -> dict[str, bytes]:
    """Return where the power supplies lead, which tells built-in ones; all else is in plain files."""
    tree = Tree(context.root)
    pairs = ((f"{SUPPLIES}/{name}", tree.link(f"{SUPPLIES}/{name}")) for name in tree.names(SUPPLIES))
    text = "".join(
        f"{path} {target}\n" for path, target in pairs if target and not ADDRESS.search(path + target)
    )
    return {"roadworthy/links": text.encode()} if text else {}


def _wordless(content: Content) -> Missing:
    """Return why a file gave no name of anything."""
    if content.status is Status.NOT_SUPPORTED:
        return Missing("", content.status, "the battery does not tell it")
    if content.data is None:
        return content.missing("")
    return Missing("", Status.NOT_SUPPORTED, f"/{content.path} holds no name")


def _fault(content: Content) -> Missing | None:
    """Return why a file that is there gave no number."""
    if content.status in {Status.NO_PERMISSION, Status.ERROR}:
        return content.missing("")
    if content.text and whole_number(content.text) is None:
        return Missing("", Status.ERROR, f"/{content.path} holds no whole number")
    return None
