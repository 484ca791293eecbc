"""What psutil says of processor and memory, as values that can be recorded."""

from __future__ import annotations

import psutil

from roadworthy_agent.windows.raw import Raw


def look() -> Raw:
    """Return the processors' times in seconds since the start, and memory in bytes."""
    memory = psutil.virtual_memory()
    return Raw(
        {
            "cpu_seconds": dict(psutil.cpu_times()._asdict()),
            "memory": {"total": memory.total, "available": memory.available},
        }
    )
