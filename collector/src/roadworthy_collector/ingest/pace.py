"""When a device should call again: pure, and always the same for a device under the same load."""

from __future__ import annotations

from hashlib import blake2b

SPREAD_RATIO = 0.1  # of the interval, when little is going on
STRETCH_RATIO = 1.0  # of the interval, on top of it, when the queue is full
MIN_INTERVAL_SECONDS = 60
MAX_INTERVAL_SECONDS = 86_400  # an agent obeys nothing longer


def next_call(device_id: str, interval_seconds: int, load_ratio: float = 0.0) -> int:
    """Return in how many seconds a device should call again.

    The interval, spread over a tenth of it by the device's id: machines switched on together drift apart and stay
    apart. `load_ratio` says how full the queue is, 0 to 1 (anything else is taken for the nearer of the two): the
    fuller, the wider they are spread, at 1 from nine tenths of the interval to twice it, so that a herd that came
    together after an outage does not come back together.
    """
    share = int.from_bytes(blake2b(device_id.encode(), digest_size=4).digest(), "big") / 2**32
    stretch = STRETCH_RATIO * min(max(load_ratio, 0.0), 1.0)
    seconds = round(interval_seconds * (1 + stretch - (SPREAD_RATIO + stretch) * share))
    return max(MIN_INTERVAL_SECONDS, min(MAX_INTERVAL_SECONDS, seconds))
