"""What files about devices yield besides register items: frozen rows, missing values None."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from roadworthy_inventory.register import UNKNOWN, RegisterItem

IMPORT_ONLY = "import only, no agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedDevice:
    """A device as mobile device management knows it. `name` is the device's own, `sku_family` Windows' edition.

    `last_seen`: last check-in; `last_sync`: last mail synchronisation, which a phone in use has too. `owned_by`:
    `corporate`, `personal` or as told.
    """

    device_id: str | None = None
    name: str | None = None
    serial: str | None = None
    imei: str | None = None
    macs: tuple[str, ...] = ()
    manufacturer: str | None = None
    model: str | None = None
    os_name: str | None = None
    os_version: str | None = None
    sku_family: str | None = None
    enrolled: dt.date | None = None
    last_seen: dt.date | None = None
    last_sync: dt.date | None = None
    owned_by: str | None = None
    category: str | None = None
    compliance: str | None = None
    managed_by: str | None = None
    encrypted: bool | None = None

    def last_used(self) -> dt.date | None:
        """Return the later of check-in and mail synchronisation; None where neither is known."""
        return max((day for day in (self.last_seen, self.last_sync) if day is not None), default=None)

    def unused_days(self, on: dt.date) -> int | None:
        """Return the days since it was last used, at least 0; None where that is unknown."""
        used = self.last_used()
        return None if used is None else max(0, (on - used).days)

    def as_item(self) -> RegisterItem:
        """Return the register item an IT estate without a register can start from; its state is deployed."""
        return RegisterItem(
            serial=self.serial,
            macs=self.macs,
            manufacturer=self.manufacturer,
            model=self.model,
            lifecycle_state="deployed",
            os_name=self.os_name,
            os_version=self.os_version,
            last_seen=self.last_used(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeEligibility:
    """What Intune holds of a device's fitness for Windows 11: `upgraded`, `capable`, `not capable` or `unknown`.

    `failed`: names of the failed checks (ram, storage, cores, speed, tpm, secure_boot, processor, 64_bit, os);
    `checked`: how many checks had an answer.
    """

    device_id: str | None = None
    name: str | None = None
    serial: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    os_version: str | None = None
    owned_by: str | None = None
    eligibility: str = UNKNOWN
    failed: tuple[str, ...] = ()
    checked: int = 0
    source: str = IMPORT_ONLY


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """Start-up and sign-in times of a device from Endpoint Analytics: its own figures, not measured by our agent.

    Seconds as the source rounds them; scores 0 to 100; `health` is `unknown`, `insufficient data`, `needs attention`
    or `meeting goals`, the source's words. `minutes_to_failure` None: no crash seen, or not known.
    """

    device_id: str | None = None
    name: str | None = None
    serial: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    core_boot_seconds: float | None = None
    gp_boot_seconds: float | None = None
    core_logon_seconds: float | None = None
    gp_logon_seconds: float | None = None
    desktop_usable_seconds: float | None = None
    median_seconds: float | None = None
    seconds_per_process: float | None = None
    score: float | None = None
    startup_score: float | None = None
    app_reliability_score: float | None = None
    minutes_to_failure: float | None = None
    health: str = UNKNOWN
    source: str = IMPORT_ONLY


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """One line of a maintenance log; `cost_pence` may be negative (a credit), `days` is the source's own count."""

    tag: str
    kind: str | None = None
    supplier: str | None = None
    started: dt.date | None = None
    completed: dt.date | None = None
    days: int | None = None
    cost_pence: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BookValue:
    """What an item stood at in a depreciation report, in pence."""

    tag: str
    serial: str | None = None
    site: str | None = None
    purchased: dt.date | None = None
    purchase_cost_pence: int | None = None
    current_value_pence: int | None = None
    difference_pence: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Warranty:
    """A warranty by serial; `end` is its last day."""

    serial: str
    start: dt.date | None = None
    end: dt.date | None = None
    level: str | None = None
