"""The SMART / Health Information log page of an NVMe disk, whatever operating system hands over the bytes.

Layout: NVM Express Base Specification 2.0, 5.16.1.3 (Log Identifier 02h), 512 bytes, little-endian.
"""

from __future__ import annotations

from roadworthy_agent.probes.storage.health import Health, HealthError, count, hours

LOG_BYTES = 512
# Bits of the critical warning that speak of the disk itself: spare below its threshold, reliability degraded,
# read-only, backup of its memory failed, persistent memory read-only. Bit 1 is a temperature, and passes.
FAILING_BITS = 0b11_1101


def parse_health_log(page: bytes) -> Health:
    """Return what the log page says.

    The share of life used runs to 2.55: "percentage used" may exceed 100 and stops at 255. Raises HealthError for
    a page that is too short or that nobody has written.
    """
    if len(page) < LOG_BYTES:
        raise HealthError(f"the NVMe health log has {LOG_BYTES} bytes, this has {len(page)}")
    if len(set(page[:LOG_BYTES])) == 1:
        # Bridges and virtual controllers answer with a blank page; no disk has a temperature of 0 K and no spare.
        raise HealthError("the NVMe health log is blank")
    warning, spare, used = page[0], page[3], page[5]
    on_hours, errors = _counter(page, 128), _counter(page, 160)
    reasons = {}
    if spare > 100:
        reasons["spare_ratio"] = f"the disk tells {spare} % of its spare left"
    if hours(on_hours) is None:
        reasons["power_on_hours"] = f"{on_hours} hours is longer than any disk has run"
    if count(errors) is None:
        reasons["media_errors"] = "the count of media errors cannot be"
    return Health(
        source="NVMe health log",
        wear_ratio=used / 100,
        spare_ratio=spare / 100 if spare <= 100 else None,
        power_on_hours=hours(on_hours),
        media_errors=count(errors),
        failing=bool(warning & FAILING_BITS),
        reasons=reasons,
    )


def _counter(page: bytes, offset: int) -> int:
    return int.from_bytes(page[offset : offset + 16], "little")
