"""The enrolment keys of the main collector that a relay holds: one for all its sites, or one a site.

A line of the file is a key, or a key, a space and the name of the site here whose devices enrol with it; empty lines
and those that begin with # are passed over. The key says at which site and unit of the main collector they stand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from roadworthy_collector.relay.errors import SecretError
from roadworthy_collector.relay.sealing import read_private

_LINE = re.compile(r"(rwe1_[0-9a-f]{16}_[0-9a-f]{64})(?:\s+(\S.*?))?\s*", re.ASCII)


def read_keys(path: Path) -> dict[str | None, str]:
    """Return {site: key}, None for the key of every other site; raise SecretError naming the line that is wrong."""
    found: dict[str | None, str] = {}
    for number, line in enumerate(read_private(path, "the enrolment keys").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if (match := _LINE.fullmatch(line.strip())) is None:
            # The line is not shown: it may hold most of a key.
            raise SecretError(
                f"{path}: line {number} is no enrolment key, alone or followed by a site's name"
            )
        if match[2] in found:
            raise SecretError(f"{path}: line {number}: {match[2] or 'every other site'} has a key already")
        found[match[2]] = match[1]
    if not found:
        raise SecretError(f"{path}: there is no enrolment key in it")
    return found


def key_for(keys: Mapping[str | None, str], site: str) -> str | None:
    """Return the key that devices of `site` enrol with, None if there is none for them."""
    return keys.get(site) or keys.get(None)
