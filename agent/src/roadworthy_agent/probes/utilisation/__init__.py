"""How much of the processor and the memory is used."""

from __future__ import annotations

from roadworthy_agent.probe import Context
from roadworthy_agent.probe import Sampler as UtilisationSampler
from roadworthy_agent.probes.platforms import chosen, reader

NAME = "utilisation"
WHAT = "How busy the processor and the memory are, as a mean per minute; never which program or person used them."

collect = chosen(NAME, __name__)


def sampler(context: Context) -> UtilisationSampler | None:
    """Return what is asked at each sample, None on a platform without a reader."""
    module = reader(__name__, context.platform)
    return None if module is None else module.Sampler(context)
