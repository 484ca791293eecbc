"""What `roadworthy snmp poll --once` keeps: what the jobs process would, and the statements of what hangs on what."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

import typer

from roadworthy_collector.command_support import stored
from roadworthy_collector.snmp import feeding, keeping, refused_feeds, shown
from roadworthy_collector.snmp.targets import Polled
from roadworthy_collector.store.engine import write_transaction

_AT_ONCE = 8  # outcomes in a transaction


def keep(
    config: Path | None, targets_file: Path, polled: Sequence[Polled], outcomes: Sequence[keeping.Outcome]
) -> dict[str, str]:
    """Keep polls and state feeds; return {target: why} of those that are a device counted already.

    The targets of another file than the collector's own are polled beside its own, and take nobody's place.

    What the targets file says is fed and cannot be found is said on the error output.
    """
    with stored(config) as (settings, engine):
        own = settings.poll_targets_file
        whole = own is None or own.resolve() == targets_file.resolve()
        with write_transaction(engine) as connection:
            keeping.sync(connection, polled, whole=whole)
        for place in range(0, len(outcomes), _AT_ONCE):
            with write_transaction(engine) as connection:
                some = outcomes[place : place + _AT_ONCE]
                keeping.write_outcomes(connection, some, settings, version=version("roadworthy-collector"))
        write = partial(write_transaction, engine)
        zone = settings.reporting_timezone
        said = feeding.take_all(engine.connect, write, polled, now=time.time(), zone=zone, whole=whole)
        for one in said:
            typer.echo(one, err=True)
        refused_feeds.note(engine.connect, write, polled, sorted(set(said)))
        with engine.connect() as connection:
            told = shown.list_targets(connection)
    return {one["name"]: one["reason"] for one in told if one["outcome"] == keeping.DUPLICATE}
