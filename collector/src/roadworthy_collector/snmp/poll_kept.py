"""What `roadworthy snmp poll --once` keeps: what the jobs process would, and the statements of what hangs on what."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

import typer

from roadworthy_collector.command_support import stored
from roadworthy_collector.snmp import feeding, keeping, shown
from roadworthy_collector.snmp.targets import Polled
from roadworthy_collector.store.engine import write_transaction

_AT_ONCE = 8  # outcomes in a transaction


def keep(
    config: Path | None, polled: Sequence[Polled], outcomes: Sequence[keeping.Outcome]
) -> dict[str, str]:
    """Keep polls and state feeds; return {target: why} of those that are a device counted already.

    What the targets file says is fed and cannot be found is said on the error output.
    """
    with stored(config) as (settings, engine):
        with write_transaction(engine) as connection:
            keeping.sync(connection, polled)
        for place in range(0, len(outcomes), _AT_ONCE):
            with write_transaction(engine) as connection:
                some = outcomes[place : place + _AT_ONCE]
                keeping.write_outcomes(connection, some, settings, version=version("roadworthy-collector"))
        write = partial(write_transaction, engine)
        for one in feeding.take_all(write, polled, now=time.time(), zone=settings.reporting_timezone):
            typer.echo(one, err=True)
        with engine.connect() as connection:
            told = shown.list_targets(connection)
    return {one["name"]: one["reason"] for one in told if one["outcome"] == keeping.DUPLICATE}
