"""The displays on Linux: /sys/class/drm, one folder per connector, its EDID readable by any account."""

from __future__ import annotations

import re

from roadworthy_agent.facts import Monitor
from roadworthy_agent.probe import Missing, Status
from roadworthy_agent.probes.hardware.edid import BLOCK_BYTES, EdidError, parse_edid, without_serial
from roadworthy_agent.probes.tree import Tree

DRM = "sys/class/drm"
FIELD = "hardware.monitors"
MOST_MONITORS = 16  # what the wire takes
# card0-eDP-1, card1-HDMI-A-2, card0-DP-3; connector types: the kernel's drivers/gpu/drm/drm_connector.c
CONNECTOR = re.compile(r"card\d+-(?P<kind>[A-Za-z-]+?)-\d+")
INTERNAL = frozenset({"eDP", "LVDS", "DSI", "DPI", "SPI"})
NO_DISPLAY = frozenset({"Virtual", "Writeback"})


def read_monitors(tree: Tree) -> tuple[tuple[Monitor, ...], list[Missing]]:
    """Return the connected displays, and why one is not told."""
    names = tree.names(DRM)
    if not names:
        return (), [Missing(FIELD, Status.NOT_SUPPORTED, f"the kernel shows no graphics card in /{DRM}")]
    found: list[Monitor] = []
    missing: list[Missing] = []
    for name, internal in _connected(tree, names):
        content = tree.read(f"{DRM}/{name}/edid", BLOCK_BYTES)
        if not content.data:
            reason = content.reason or f"the display at {name} gives no EDID"
            missing.append(Missing(FIELD, content.status if content.reason else Status.NOT_SUPPORTED, reason))
            continue
        try:
            found.append(parse_edid(content.data, internal=internal))
        except EdidError as error:
            missing.append(Missing(FIELD, Status.ERROR, f"{name}: {error}"))
    if len(found) > MOST_MONITORS:
        missing.append(
            Missing(FIELD, Status.NOT_SUPPORTED, f"more than {MOST_MONITORS} displays: the rest is left out")
        )
    return tuple(found[:MOST_MONITORS]), missing


def record(tree: Tree) -> dict[str, bytes]:
    """Return the displays' EDIDs for a recording, without serial numbers."""
    return {
        path: without_serial(tree.read(path).data or b"")
        for name, _ in _connected(tree, tree.names(DRM))
        for path in (f"{DRM}/{name}/edid",)
    }


def _connected(tree: Tree, names: list[str]) -> list[tuple[str, bool | None]]:
    """Return name and "built in" of each connector a display hangs on.

    `status` is the only sign: some drivers keep the EDID of a display that was pulled out.
    """
    found = []
    for name in names:
        connector = CONNECTOR.fullmatch(name)
        if connector is None or connector["kind"] in NO_DISPLAY:
            continue
        if tree.text(f"{DRM}/{name}/status") == "connected":
            kind = connector["kind"]
            found.append((name, None if kind == "Unknown" else kind in INTERNAL))
    return found
