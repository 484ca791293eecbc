"""Which probes have run on a real machine of which system, so that figures of the others can be marked.

The matrix with its particulars is docs/probes/README.md; a test holds the two together. A cell is verified where the
probe has run on a real system of that kind (a virtual machine counts for what it has) and a test or a person compared
what it said with another instrument. Parsing published readings of real machines is not that.
"""

from __future__ import annotations

NOT_VERIFIED = "not field-verified"

# (probe, sys.platform's word)
FIELD_VERIFIED = frozenset(
    {
        ("os", "linux"),
        ("hardware", "linux"),
        ("storage", "linux"),
        ("startup", "linux"),
        ("state", "linux"),
        ("utilisation", "linux"),
    }
)
FAMILIES = {"linux": "linux", "windows": "win32", "macos": "darwin"}  # the wire's word for a system


def is_verified(probe: str, platform: str) -> bool:
    """Tell whether a probe's figures were compared with another instrument on a real system of that platform."""
    return (probe, platform) in FIELD_VERIFIED


def marked(source: str | None, probe: str, platform: str) -> str | None:
    """Return a probe's source with the mark where it belongs; a blank stays a blank."""
    if source is None or is_verified(probe, platform) or source.endswith(f"({NOT_VERIFIED})"):
        return source
    mark = f" ({NOT_VERIFIED})"
    return source[: 128 - len(mark)] + mark  # the contract takes 128 letters of a source
