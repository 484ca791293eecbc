"""The collector as one plain process, for tests that kill it: `python server.py DATABASE PORT [TIMES]`.

With TIMES it is started so often, each time when the one before is dead, from a process that has imported everything:
that takes longer than all the rest of it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import uvicorn

from roadworthy_collector.app import create_app
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import open_engine


def serve(database: Path, port: int) -> None:
    """Answer until told to end."""
    settings = Settings(data=database.parent, port=port)
    app = create_app(settings, open_engine(database))
    uvicorn.run(app, port=settings.port, log_level="warning", access_log=False)


def serve_in_turn(database: Path, port: int, times: int) -> None:
    """Answer from one process after another."""
    for _ in range(times):
        child = os.fork()
        if not child:
            serve(database, port)
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    where, at, *often = sys.argv[1:]
    if often:
        serve_in_turn(Path(where), int(at), int(often[0]))
    else:
        serve(Path(where), int(at))
