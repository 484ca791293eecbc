"""One process of the generator: `python bench/load/worker.py`, told what to do on its standard input.

It reads a task, prepares, writes `ready`, reads when to begin (seconds since the epoch), sends, and writes its
figures into the task's file.
"""

from __future__ import annotations

import asyncio
import gc
import os
import ssl
import sys
import time
import traceback
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import uvloop  # the line above lets this file run by itself

from load.drivers import Closed, Driver, Open
from load.herd import Herd
from load.task import Figures, Task
from load.work import Pushes, Reports, Work

DRIVERS: dict[str, type[Driver]] = {"closed": Closed, "open": Open, "herd": Herd}


async def drive(task: Task, work: Work, begin: float) -> Figures:
    """Send, and return what came of it."""
    asyncio.get_running_loop().set_exception_handler(_give_up)
    context = ssl.create_default_context(cafile=task.ca_file) if task.tls else None
    driver = DRIVERS[task.mode](task, work, context)
    return await driver.run(time.perf_counter() + begin - time.time())


def _give_up(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """End at once on a fault of the generator itself: figures of half a load would pass for the collector's."""
    fault = context.get("exception")
    if isinstance(fault, OSError):  # a connection that ended while it was written to; its loss is told apart
        return
    sys.stderr.write("".join(traceback.format_exception(fault)) if fault else f"{context.get('message')}\n")
    sys.stderr.flush()
    os._exit(1)


def main() -> None:
    task = Task.read(sys.stdin.readline())
    work: Work = Reports(task) if task.target == "collector" else Pushes(task)
    # What was prepared lives to the end: a sweep through a million objects would look like a slow collector.
    gc.collect()
    gc.freeze()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    begin = float(sys.stdin.readline())
    uvloop.run(drive(task, work, begin)).write(Path(task.result))


if __name__ == "__main__":
    main()
