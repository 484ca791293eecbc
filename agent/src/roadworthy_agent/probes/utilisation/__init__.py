"""How much of the processor and the memory is used."""

from __future__ import annotations

from roadworthy_agent.probes.platforms import chosen
from roadworthy_agent.probes.utilisation import linux
from roadworthy_agent.probes.utilisation.linux import Sampler

__all__ = ["NAME", "WHAT", "Sampler", "collect"]

NAME = "utilisation"
WHAT = "How busy the processor and the memory are, as a mean per minute; never which program or person used them."

collect = chosen(NAME, {"linux": linux.collect})
