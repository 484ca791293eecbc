"""Reconciliation of register, MDM export and agents: seconds of CPU beside a naive dictionary join on serial.

    python bench/reconcile.py [--devices 100000] [--seed 1]

The estate is made by hand of what real ones hold: of `--devices` machines 96 in 100 are in the register, 94 in the
MDM and 90 have an agent; UUIDs read in the other byte order by one source, placeholders for serials, docks whose
network address is shared, typing mistakes, devices enrolled twice. Prints CPU seconds of bringing the texts into the
canonical form, of reconciling two and three sides, and of `{serial: item}`, and what each found.
"""

# ruff: noqa: S311 - draws devices, hides nothing
from __future__ import annotations

import argparse
import random
import time
import uuid
from collections.abc import Callable
from typing import Any

from roadworthy_inventory.reconcile import Identity, identity, reconcile

Texts = tuple[str, str | None, str | None, str | None, tuple[str, ...]]


def timed(what: Callable[[], Any]) -> tuple[float, Any]:
    """Return the CPU seconds of a call, and its result."""
    start = time.process_time()
    found = what()
    return time.process_time() - start, found


def estate(devices: int, seed: int) -> tuple[list[Texts], list[Texts], list[Texts]]:
    """Return what the three sources say of the machines, as texts."""
    draw = random.Random(seed)
    register: list[Texts] = []
    mdm: list[Texts] = []
    agents: list[Texts] = []
    docks = [f"00:e0:4c:{n >> 8:02x}:{n & 255:02x}:01" for n in range(max(1, devices // 400))]
    for number in range(devices):
        serial = "Default string" if draw.random() < 0.005 else f"5CG{number:07d}"
        own = uuid.UUID(int=draw.getrandbits(128), version=4)
        macs = (f"3c:52:82:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}",)
        if draw.random() < 0.3:
            macs = (*macs, draw.choice(docks))
        tag = f"FP{number:06d}"
        if draw.random() < 0.96:
            typed = serial if draw.random() > 0.01 else serial.replace("5", "S", 1)
            register.append(
                (f"item-{number}", typed, None if draw.random() < 0.5 else str(own), tag, macs[:1])
            )
        if draw.random() < 0.94:
            swapped = uuid.UUID(bytes_le=own.bytes) if draw.random() < 0.1 else own
            mdm.append((f"mdm-{number}", serial, str(swapped).upper(), None, macs))
            if draw.random() < 0.01:
                mdm.append((f"mdm-{number}-again", serial, str(own), None, macs))
        if draw.random() < 0.9:
            agents.append((f"rw-{number}", serial, str(own), tag if draw.random() < 0.4 else None, macs))
    for side in (register, mdm, agents):
        draw.shuffle(side)
    return register, mdm, agents


def canonical(side: list[Texts]) -> list[Identity]:
    return [
        identity(key, serial=serial, uuid=own, tag=tag, macs=macs) for key, serial, own, tag, macs in side
    ]


def naive(register: list[Identity], other: list[Identity]) -> int:
    """Join on the serial alone, the last one wins: what a spreadsheet does."""
    by_serial = {item.serial: item for item in register}
    return sum(record.serial in by_serial for record in other)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--devices", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    texts = estate(asked.devices, asked.seed)
    seconds, sides = timed(lambda: [canonical(side) for side in texts])
    print(f"canonical form of {sum(map(len, texts)):,} records: {seconds:.2f} s CPU")
    register, mdm, agents = sides
    seconds, found = timed(lambda: naive(register, mdm))
    print(
        f"naive join on serial, register x MDM:        {seconds:.2f} s CPU, {found:,} joined, right or wrong"
    )
    for name, third in (("register x MDM", []), ("register x MDM x agents", agents)):
        seconds, result = timed(lambda third=third: reconcile(register, mdm, third))
        wrong = sum(
            len({key.split("-")[1] for key in match.group if key is not None}) > 1 for match in result.matches
        )
        rate = result.match_rate
        print(
            f"{name + ':':44} {seconds:.2f} s CPU, {len(result.matches):,} matched ({wrong} wrong), "
            f"{rate.numerator:,} of {rate.denominator:,} register items; {len(result.review):,} to review, "
            f"{len(result.orphans):,} orphans, {len(result.ghosts):,} ghosts, {len(result.shared):,} shared keys"
        )


if __name__ == "__main__":
    main()
