"""How much power the device draws, by its own instruments."""

from __future__ import annotations

from roadworthy_agent.probe import Context, PowerSampler
from roadworthy_agent.probes.platforms import chosen, reader

NAME = "power"
WHAT = "Energy by the instruments the device has (processor counters, batteries, power meters), one source for each scope; nothing is estimated here."

collect = chosen(NAME, __name__)


def sampler(context: Context) -> PowerSampler | None:
    """Return what is asked at each sample, None on a platform without a reader."""
    module = reader(__name__, context.platform)
    return None if module is None else module.Sampler(context)
