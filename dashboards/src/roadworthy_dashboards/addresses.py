"""Where the console is, unless somebody says otherwise: links of boards and alerts lead there.

Apart from what uses it, because the collector reads the runbooks and must not load a board for that.
"""

from __future__ import annotations

CONSOLE = "http://127.0.0.1:8470"


def below(console: str) -> str:
    """Return where a console shows the runbooks."""
    return f"{console.rstrip('/')}/runbooks"


RUNBOOKS = below(CONSOLE)
