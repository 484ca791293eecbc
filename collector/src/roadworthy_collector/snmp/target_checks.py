"""What a targets file may not say though every key of it is well formed: each check returns the words, None where all is well."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address

WHOLE = "all"  # in `feeds`: not one outlet but the whole unit
NOTHING_KNOWN = "nothing known"  # what hangs there runs no agent and is no device of this collector
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9A-Fa-f:]+(?:%[A-Za-z0-9._-]+)?")
_KEYS = ("auth_key_file", "auth_key_env", "priv_key_file", "priv_key_env")
_COMMUNITIES = ("community_file", "community_env")


def wrong_host(host: str) -> str | None:
    """Say that a host can be none: a name that ends in a number is an address, and looked up as one (RFC 1123, 2.1)."""
    if _HOST.fullmatch(host) is not None:
        if ":" not in host and not host.rpartition(".")[2].isdigit():
            return None
        try:
            ip_address(host)
        except ValueError:
            pass
        else:
            return None
    return f"{host!r} is no host name or address"


def one_spelling(host: str) -> str:
    """Return a host in the spelling all of its spellings share: an IPv6 address has many."""
    try:
        return str(ip_address(host))
    except ValueError:
        return host.lower()


def wrong_feeds(feeds: Mapping[str, Sequence[str]], own: str) -> str | None:
    """Say what of `feeds` ("" is all of the unit) contradicts itself; `own` is the unit's name.

    Two statements that end each other would each be made anew, and the ledger with it, again and again.
    """
    for outlet, named in feeds.items():
        where = f"outlet {outlet}" if outlet else WHOLE
        if not named or not all(one.strip() for one in named):
            return f'{where}: names no device; leave it out, or say "{NOTHING_KNOWN}"'
        for one in named:
            if one != NOTHING_KNOWN and " ".join(one.split()).casefold() == NOTHING_KNOWN:
                return f'{where}: {one!r} would be looked for as a device; write "{NOTHING_KNOWN}"'
            if one.strip().casefold() == own.strip().casefold():
                return f"{where}: a device cannot feed itself"
        if outlet and len(named) > 1:
            return f"{where}: one device hangs on an outlet; behind a strip, say `{WHOLE}` of the whole"
        if NOTHING_KNOWN in named and len(named) > 1:
            return f'{where}: "{NOTHING_KNOWN}" and a device beside it contradict each other'
    return _said_twice(feeds)


def _said_twice(feeds: Mapping[str, Sequence[str]]) -> str | None:
    whole = Counter(feeds.get("", ()))
    for one, times in whole.items():
        if times > 1:
            return f"{WHOLE}: {one} is there twice"
    for outlet, named in feeds.items():
        for one in named:
            if outlet and one in whole and one != NOTHING_KNOWN:
                return f"outlet {outlet}: {one} is under `{WHOLE}` too; leave one of the two out"
    return None


def wrong_login(version: str | None, given: Iterable[str]) -> str | None:
    """Say which keys of credentials (`given`: their names) a device asked with this version would never be asked by."""
    keys = set(given)
    community = next((key for key in _COMMUNITIES if key in keys), None)
    users = [key for key in ("user", *_KEYS) if key in keys]
    if version in {"1", "2c"} and users:
        return f"{users[0]}: version {version} asks by a community; leave it out, or the version"
    if version == "3" and community is not None:
        return f"{community}: version 3 asks in a user's name; leave it out"
    if users and community is not None:
        return f"{users[0]} and {community}: a device is asked in a user's name or by a community; leave one of them out"
    return None
