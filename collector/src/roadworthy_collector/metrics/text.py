"""Prometheus' text format 0.0.4, joined by hand.

prometheus_client needs a second for 100,000 to 200,000 samples, so a million take longer than Prometheus waits for a
scrape; joining strings takes a tenth of that (bench/scrape.py). The tests read everything back with prometheus_client's own parser.
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def escaped(value: str) -> str:
    """Return `value` as it may stand between the quotes of a label."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def labels(names: Sequence[str], values: Sequence[str]) -> str:
    """Return `{a="x",b="y"}`, or nothing where there is no label."""
    if not names:
        return ""
    pairs = ",".join(f'{name}="{escaped(value)}"' for name, value in zip(names, values, strict=True))
    return f"{{{pairs}}}"


def number(value: float) -> str:
    """Return `value` as the format wants it; repr keeps every bit of a float."""
    return repr(value) if isinstance(value, float) else str(int(value))


def known(value: float | None) -> bool:
    """Whether `value` may become a sample: nothing, NaN and infinity are not measurements."""
    return value is not None and math.isfinite(value)


def le(bound: float) -> str:
    """Return a bucket's upper bound as its label value."""
    return "+Inf" if math.isinf(bound) else repr(float(bound))


def joined(parts: Iterable[str]) -> bytes:
    """Return the body of an answer."""
    return "".join(parts).encode()
