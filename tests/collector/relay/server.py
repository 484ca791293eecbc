"""A relay as one plain process, for tests that kill it: `python server.py DATA PORT URL KEYS`."""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn

from roadworthy_collector.app import create_app
from roadworthy_collector.settings import load
from roadworthy_collector.store.engine import open_engine

if __name__ == "__main__":
    settings = load(
        None,
        data=Path(sys.argv[1]),
        port=int(sys.argv[2]),
        upstream_url=sys.argv[3],
        upstream_enrolment_key_file=Path(sys.argv[4]),
    )
    app = create_app(settings, open_engine(settings.database))
    uvicorn.run(app, port=settings.port, log_level="critical", access_log=False)
