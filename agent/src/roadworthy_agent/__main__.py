"""`python -m roadworthy_agent`: the same as `roadworthy-agent`."""

from __future__ import annotations

import sys

from roadworthy_agent.cli import main

if __name__ == "__main__":
    sys.exit(main())
