"""What the power probe's tests share: a made-up device whose counters and clock are turned by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from roadworthy_agent.probe import Context

RANGE = 262143328850  # what every Intel package with a unit of 61 uJ states


@dataclass
class HandClock:
    """The three clocks a look needs."""

    up: float = 1000.0
    asleep: float = 0.0

    def boot_id(self) -> str:
        return "boot"

    def boottime(self) -> float:
        return self.up + self.asleep

    def monotonic(self) -> float:
        return self.up

    def wall(self) -> float:
        return 1_778_580_000.0


@dataclass
class MadeUp:
    """A live device below a folder: files are really opened and read."""

    root: Path
    clock: HandClock = field(default_factory=HandClock)

    def context(self, **changes: object) -> Context:
        return Context(root=self.root, clock=self.clock, **changes)  # type: ignore[arg-type]  # forwarded as given

    def put(self, path: str, text: str | bytes | int) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else f"{text}\n".encode())

    def zone(self, ident: str, name: str, energy: int | None = 1_000_000_000, **more: int) -> None:
        folder = f"sys/class/powercap/{ident}"
        self.put(f"{folder}/name", name)
        if energy is not None:
            self.put(f"{folder}/energy_uj", energy)
        for key, value in ({"max_energy_range_uj": RANGE} | more).items():
            self.put(f"{folder}/{key}", value)

    def energy(self, ident: str, microjoules: int) -> None:
        self.put(f"sys/class/powercap/{ident}/energy_uj", microjoules)

    def supply(self, name: str, **values: str | int) -> None:
        for key, value in values.items():
            self.put(f"sys/class/power_supply/{name}/{key}", value)

    def chip(self, number: int, name: str, **values: str | int) -> None:
        self.put(f"sys/class/hwmon/hwmon{number}/name", name)
        for key, value in values.items():
            self.put(f"sys/class/hwmon/hwmon{number}/{key}", value)
