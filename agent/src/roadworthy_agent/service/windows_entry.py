"""What the service manager of Windows starts: `python.exe -I windows_entry.py run --service`.

The manager talks only to the very process it started. The `roadworthy-agent.exe` pip writes and the `python.exe` of a
virtual environment both start another process and wait, so the service names the real Python and this file, which
finds the agent beside itself.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parents[2]))
    from roadworthy_agent.cli import main

    sys.exit(main())
