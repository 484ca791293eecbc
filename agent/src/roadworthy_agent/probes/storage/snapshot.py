"""The root step that reads the disks' health, so that the agent needs no right: `python -m ...storage.snapshot FOLDER`.

It asks every disk on NVMe and ATA and writes what it answered to FOLDER/<name>.json, for everybody to read: the
answers hold no serial number. It reads no settings and takes nothing from the network. deploy/systemd has a
service and a timer for it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from roadworthy_agent.probes.storage import ioctl
from roadworthy_agent.probes.storage.linux import askable, read_block
from roadworthy_agent.probes.tree import Tree

USAGE = "usage: python -m roadworthy_agent.probes.storage.snapshot FOLDER\n"


def write_snapshots(folder: Path, tree: Tree, ask: Callable[[str, str], bytes] = ioctl.ask) -> list[str]:
    """Write a document for each disk that can be asked; return their names. Files of disks that are gone go."""
    names = []
    for name in tree.names("sys/block"):
        bus = askable(tree, read_block(tree, name))
        if bus is not None:
            new = folder / f".{name}.new"
            new.write_bytes(ask(name, bus))
            new.chmod(0o644)
            new.replace(folder / f"{name}.json")
            names.append(name)
    for path in folder.glob("*.json"):
        if path.stem not in names:
            path.unlink()
    return names


def main(arguments: list[str]) -> int:
    """Run the step; 0 if the folder could be written, whatever the disks answered."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.stderr.write(USAGE)
        return 2
    folder = Path(arguments[0])
    try:
        folder.mkdir(mode=0o755, exist_ok=True)
        names = write_snapshots(folder, Tree(Path(os.sep)))
    except OSError as error:
        sys.stderr.write(f"{folder}: cannot write there: {error.strerror}; run as root\n")
        return 1
    sys.stdout.write(f"asked {', '.join(names) or 'no disk'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
