"""How a device that is on is used."""

from __future__ import annotations

from roadworthy_agent.probe import Context, StateSampler
from roadworthy_agent.probes.platforms import chosen, reader

NAME = "state"
WHAT = "Seconds in use, idle and locked, to find devices left on for nobody; never who, and no key, window or file."

collect = chosen(NAME, __name__)


def sampler(context: Context) -> StateSampler | None:
    """Return what is asked at each sample, None on a platform without a reader."""
    module = reader(__name__, context.platform)
    return None if module is None else module.Sampler(context)
