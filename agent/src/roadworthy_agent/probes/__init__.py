"""The probes, in the order they are run and explained. To add one, copy a neighbour and add its line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from roadworthy_agent.probe import Context, Probe
from roadworthy_agent.probes import (
    battery,
    hardware,
    os,
    power,
    signin,
    startup,
    state,
    storage,
    utilisation,
)

_ALL: tuple[Probe[Any], ...] = (os, hardware, storage, battery, startup, signin, state, power, utilisation)

# name -> module with NAME, WHAT and collect(context)
PROBES = MappingProxyType({probe.NAME: probe for probe in _ALL})

# Those that are asked at each sample: name -> what makes the reader
SAMPLERS: Mapping[str, Callable[[Context], Any]] = MappingProxyType(
    {probe.NAME: probe.sampler for probe in (utilisation, state, power)}
)
