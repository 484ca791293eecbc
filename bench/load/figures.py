"""What was measured, as one JSON object: the names stand in docs/performance.md and do not change."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from load.measure import Measured
    from load.processes import Process
    from load.task import Figures


def percentile(values: Iterable[float], percent: float) -> float | None:
    """Return the nearest rank, None of nothing."""
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)] if ordered else None


def milliseconds(seconds: float | None) -> float | None:
    """Return seconds as they are printed."""
    return None if seconds is None else round(seconds * 1e3, 2)


def summary(found: Measured) -> dict[str, Any]:
    """Return a run's figures. Costs are of the measured time; a report is one that was acknowledged in it."""
    wanted, figures = found.wanted, found.figures
    count = figures.answered
    server = found.collector_cpu_seconds + found.store_cpu_seconds
    told: dict[str, Any] = {
        "devices": wanted.devices,
        "store": wanted.store,
        "reports_per_s": round(count / found.seconds, 1),
        "p50_ms": milliseconds(percentile(figures.latencies, 50)),
        "p99_ms": milliseconds(percentile(figures.latencies, 99)),
        "cpu_ms_per_report": _each(server, count),
        "rss_mb": _mb(found.most),
        "body_bytes": round(figures.body_bytes / count, 1) if count else None,
        "request_bytes": round(figures.request_bytes / count, 1) if count else None,
        "generator_cpu_ms_per_report": _each(found.generator_cpu_seconds, count),
        "server_cpu_share": round(server / found.seconds, 3),
        "mode": wanted.mode,
        "connections": "new" if wanted.new_connections or wanted.mode == "herd" else wanted.connections,
        "tls": ("rsa-2048" if wanted.rsa else "ecdsa-p256") if wanted.tls else None,
        "jobs": wanted.with_jobs,
        "seconds": round(found.seconds, 1),
        "reports": count,
        "refused": dict(figures.refused),
        "rejected": dict(figures.rejected),
        "broken": figures.broken,
        "ledger": found.ledger.json(),
    }
    if found.store_processes:
        told["store_cpu_ms_per_report"] = _each(found.store_cpu_seconds, count)
        told["store_pss_mb"] = round(sum(one.pss_bytes for one in found.store_processes) / 1e6, 1)
    if wanted.mode == "open":
        told |= {"rate": wanted.rate, "never_sent": figures.never_sent}
        told["generator_behind_ms"] = milliseconds(figures.behind_seconds)
    if wanted.mode == "herd":
        told["herd"] = _herd(found)
    if found.recovered_seconds is not None:
        told["recovered_seconds"] = round(found.recovered_seconds, 2)
    return told


def faults(found: Measured) -> list[str]:
    """Return what is wrong with a run, in words: reports lost, doubled or refused; never that it was slow.

    429 and 503 ask an agent to come again and are no fault, unless it never gets through.
    """
    figures, wanted = found.figures, found.wanted
    wrong = found.ledger.faults()
    for_good = {
        said: times
        for said, times in figures.refused.items()
        if not (said.startswith("429") or said.startswith("5"))  # noqa: PIE810 - two rules, not one
    }
    if for_good:
        wrong.append(f"reports refused for good: {for_good}")
    if figures.rejected:
        wrong.append(f"items rejected: {dict(figures.rejected)}")
    if figures.miscounted:
        wrong.append(f"{figures.miscounted} answers count other items than were sent")
    if wanted.mode == "herd" and figures.left:
        wrong.append(f"{figures.left} reports never got through")
    if not figures.acked:
        wrong.append("not one report was acknowledged")
    return wrong


def _herd(found: Measured) -> dict[str, Any]:
    """Return what a herd met: how steep it was, and how often a report had to be sent."""
    figures = found.figures
    firsts = figures.first_by_second
    return {
        "window_seconds": found.wanted.window_seconds,
        "compress": found.wanted.compress,
        "calls": found.wanted.calls,
        "peak_per_s": max(figures.by_second.values(), default=0),
        "first_calls": sum(firsts.values()),
        "last_first_call_second": max(firsts, default=None),
        "sent_times": {str(times): count for times, count in sorted(figures.attempts.items())},
        "never_through": figures.left,
    }


def _each(seconds: float, count: int) -> float | None:
    return round(seconds / count * 1e3, 4) if count else None


def _mb(processes: Iterable[Process]) -> float:
    return round(sum(one.rss_bytes for one in processes) / 1e6, 1)


def ceiling_summary(figures: Figures, seconds: float, cpu_seconds: float) -> dict[str, Any]:
    """Return what the generator reaches where nothing holds it back."""
    return {
        "reports_per_s": round(figures.answered / seconds, 1),
        "generator_cpu_ms_per_report": _each(cpu_seconds, figures.answered),
        "generator_cores": round(cpu_seconds / seconds, 3),
    }
