"""How long it takes from a sign-in to a usable desktop."""

from __future__ import annotations

from roadworthy_agent.probes.platforms import chosen

NAME = "signin"
WHAT = "How long sign-ins take and what part of it, by day; never who signed in and never at what time."

collect = chosen(NAME, __name__)
