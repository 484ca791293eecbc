"""The probes, in the order they are run and explained. To add one, copy a neighbour and add its line here."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from roadworthy_agent.probe import Probe
from roadworthy_agent.probes import hardware, os, startup, storage, utilisation

_ALL: tuple[Probe[Any], ...] = (os, hardware, storage, startup, utilisation)

# name -> module with NAME, WHAT and collect(context)
PROBES = MappingProxyType({probe.NAME: probe for probe in _ALL})
