"""A relay's jobs as one process that forwards without pause, to be killed: `python forwarder.py DATA PORT URL KEYS`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from roadworthy_collector.jobs.work import Work
from roadworthy_collector.relay import state
from roadworthy_collector.relay.forward import forward
from roadworthy_collector.settings import load
from roadworthy_collector.store.engine import open_engine, write_transaction

if __name__ == "__main__":
    settings = load(
        None,
        data=Path(sys.argv[1]),
        port=int(sys.argv[2]),
        upstream_url=sys.argv[3],
        upstream_enrolment_key_file=Path(sys.argv[4]),
    )
    engine = open_engine(settings.database)
    print("forwarding", flush=True)  # noqa: T201 - the test waits for it
    while True:
        forward(Work(engine, settings))
        with write_transaction(
            engine
        ) as connection:  # as if every pause were over: a test does not wait for time
            state.write(connection, {state.WAIT_UNTIL: None})
        time.sleep(0.02)
