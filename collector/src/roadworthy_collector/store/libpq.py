"""Whom PostgreSQL's own library would speak to, and how well protected, given a URL and its environment variables.

libpq takes each parameter from the first place that says it: the URL, the file of a service, a variable, its default
(https://www.postgresql.org/docs/current/libpq-envars.html and libpq-pgservice.html). A URL without a host is
therefore no promise that nobody beyond this machine is spoken to.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import URL

# https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION: the others know not whom they speak to.
_PROTECTED = frozenset({"verify-full", "verify-ca"})


class Exposed(NamedTuple):
    """A place beyond this machine, and the variable that names it, None where the URL does."""

    place: str
    variable: str | None = None

    def text(self) -> str:
        """Return it for a message."""
        return self.place if self.variable is None else f"{self.place} (which {self.variable} names)"


def in_the_clear(
    url: URL, here: Collection[str], environment: Mapping[str, str] = os.environ
) -> Exposed | None:
    """Return the first place beyond this machine that could be spoken to without knowing it is the right one.

    None if there is none. `here` are the names of this machine. A service may name any place, whatever the URL says
    beside it, and is itself taken for one: only the URL's own `sslmode` counts against it.
    """
    told = url.normalized_query
    mode = url.query.get("sslmode")
    services = _said(told.get("service", ()), "PGSERVICE", environment)
    if mode is None and not services:
        mode = environment.get("PGSSLMODE")
    if mode in _PROTECTED:
        return None
    if services:
        return Exposed(f"the service {services[0].place}", services[0].variable)
    hosts = _said([url.host or "", *told.get("host", ())], "PGHOST", environment)
    # Looked at also where the URL names a host: libpq connects to the address, and the host is then only a name.
    addresses = _said(told.get("hostaddr", ()), "PGHOSTADDR", environment)
    return next((one for one in hosts + addresses if not _on_this_machine(one.place, here)), None)


def _said(in_url: Iterable[str], variable: str, environment: Mapping[str, str]) -> list[Exposed]:
    """Return what the URL says of a parameter, else the variable; several values are separated by commas."""
    found = [Exposed(one) for text in in_url for one in text.split(",") if one]
    return found or [Exposed(one, variable) for one in environment.get(variable, "").split(",") if one]


def _on_this_machine(host: str, here: Collection[str]) -> bool:
    """Return whether it is a Unix socket or loopback; a port after a colon is SQLAlchemy's."""
    return host.startswith(("/", "@")) or host in here or host.rpartition(":")[0] in here
