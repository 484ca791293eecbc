"""The collector as one plain process, for tests that kill it: `python server.py DATABASE PORT`."""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn

from roadworthy_collector.app import create_app
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import open_engine

if __name__ == "__main__":
    database = Path(sys.argv[1])
    settings = Settings(data=database.parent, port=int(sys.argv[2]))
    uvicorn.run(
        create_app(settings, open_engine(database)),
        port=settings.port,
        log_level="warning",
        access_log=False,
    )
