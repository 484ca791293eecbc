"""The table for people."""

from __future__ import annotations

from typing import Any

from load.ledger import Ledger
from load.measure import Measured


def table(found: Measured, told: dict[str, Any]) -> str:
    """Return a run's figures in lines."""
    wanted, figures = found.wanted, found.figures
    how = {
        "closed": f"{wanted.connections} {'new ' if wanted.new_connections else 'kept '}connections, closed loop",
        "open": f"{wanted.rate:g} reports a second due at random times (open loop), "
        f"{'a new connection each' if wanted.new_connections else f'{wanted.connections} kept connections'}",
        "herd": f"all within {wanted.window_seconds:g} s, time {wanted.compress:g} times as fast, new connections",
    }[wanted.mode]
    lines = [
        f"{wanted.devices:,} devices, {wanted.store}, {told['tls'] or 'plain http'}, {how}, {found.seconds:.1f} s",
        _line("acknowledged, each on the disk before", f"{told['reports_per_s']:,.0f}", "reports/s"),
        _line("latency p50 / p99", f"{_text(told['p50_ms'])} / {_text(told['p99_ms'])}", "ms"),
        _line("processor time of the server", _text(told["cpu_ms_per_report"]), "ms a report"),
        _line("    of all its time", f"{told['server_cpu_share']:.2f}", "cores"),
    ]
    if found.store_processes:
        lines.append(_line("    of it PostgreSQL", _text(told["store_cpu_ms_per_report"]), "ms a report"))
    lines.append(
        _line("processor time of the generator", _text(told["generator_cpu_ms_per_report"]), "ms a report")
    )
    lines.append(_line("memory of the collector (RSS, at its most)", f"{told['rss_mb']:.0f}", "MB"))
    lines += [_line(f"    {one.name}", f"{one.rss_bytes / 1e6:.0f}", "MB") for one in found.most]
    if found.store_processes:
        lines.append(_line("memory of PostgreSQL (PSS)", f"{told['store_pss_mb']:.0f}", "MB"))
    lines.append(
        _line(
            "a body, compressed / a whole request",
            f"{_text(told['body_bytes'])} / {_text(told['request_bytes'])}",
            "bytes",
        )
    )
    for what, some in (("refused", figures.refused), ("items rejected", figures.rejected)):
        lines += [_line(f"{what}: {said}", f"{times:,}", "times") for said, times in sorted(some.items())]
    return "\n".join([*lines, *_extras(found, told), _ledger(found.ledger)])


def _ledger(ledger: Ledger) -> str:
    said = "every acknowledged item is held exactly once" if ledger.balanced else "; ".join(ledger.faults())
    return (
        f"    ledger: {ledger.acknowledged:,} items acknowledged, {ledger.held:,} held, "
        f"{ledger.unsure:,} of them unanswered: {said}"
    )


def _extras(found: Measured, told: dict[str, Any]) -> list[str]:
    """Return the lines only some modes have."""
    lines = []
    if found.figures.broken:
        lines.append(
            _line("connections that broke with a report unanswered", f"{found.figures.broken:,}", "times")
        )
    if found.recovered_seconds is not None:
        lines.append(_line("from kill -9 until it took reports again", f"{found.recovered_seconds:.2f}", "s"))
    if found.wanted.mode == "open":
        lines.append(
            _line("the generator itself was late by at most", _text(told["generator_behind_ms"]), "ms")
        )
        if found.figures.never_sent:
            lines.append(
                _line(
                    "due but never sent: no connection came free", f"{found.figures.never_sent:,}", "reports"
                )
            )
    if "herd" in told:
        herd = told["herd"]
        lines.append(_line("most acknowledged in one second", f"{herd['peak_per_s']:,}", "reports"))
        lines.append(
            _line("the last device's first report was held after", _text(herd["last_first_call_second"]), "s")
        )
        sent = ", ".join(f"{count:,} sent {times}x" for times, count in herd["sent_times"].items())
        lines.append(f"    {sent}; {herd['never_through']:,} never got through")
    return lines


def peers_table(peers: dict[str, Any]) -> str:
    """Return the peers' figures in lines."""
    lines = ["beside it, in the same run"]
    if gateway := peers.get("pushgateway"):
        lines.append(
            _line(
                f"Pushgateway, {gateway['groups']} groups of 10 metrics",
                f"{gateway['pushes_per_s']:,.0f}",
                "pushes/s",
            )
        )
        lines.append(_line("    latency p50 / p99", f"{gateway['p50_ms']} / {gateway['p99_ms']}", "ms"))
        lines.append(_line("    processor time", _text(gateway["cpu_ms_per_push"]), "ms a push"))
    if least := peers.get("prototype"):
        lines.append(
            _line("the least that takes them durably", f"{least['reports_per_s']:,.0f}", "reports/s")
        )
        lines.append(_line("    latency p50 / p99", f"{least['p50_ms']} / {least['p99_ms']}", "ms"))
        lines.append(_line("    processor time", _text(least["cpu_ms_per_report"]), "ms a report"))
    for name, rate in peers.get("sqlite3", {}).items():
        rows = int(name.split("_")[3])
        what = "a commit each" if rows == 1 else f"{rows} in a commit"
        lines.append(_line(f"plain sqlite3, durable rows, {what}", f"{rate:,.0f}", "rows/s"))
    return "\n".join(lines)


def _line(what: str, value: str, unit: str) -> str:
    return f"    {what:<52}{value:>18} {unit}"


def _text(value: object) -> str:
    return "-" if value is None else str(value)
