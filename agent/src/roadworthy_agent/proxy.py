"""Which proxy stands before the collector.

A proxy is plain HTTP that takes CONNECT (RFC 9110, 9.3.6), without a sign-in or with a Basic one (RFC 7617). NTLM and
Kerberos would need the account of a person or machine, and a configuration script (PAC) is a JavaScript program: an
agent that runs neither says so instead of failing in silence.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import SplitResult, unquote, urlsplit

from roadworthy_agent.errors import TransportError

DIRECT = "none"  # the setting that says: no proxy, whatever the environment holds
DEFAULT_PORT = 8080
EXAMPLE = "http://proxy.example.org:3128"
VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


def proxy_for(host: str, environment: Mapping[str, str], setting: str | None = None) -> SplitResult | None:
    """Return the proxy to `host`: the setting's, else that of HTTPS_PROXY or ALL_PROXY, or None.

    NO_PROXY lists hosts and domains the variables are not for (`*`: none at all); a proxy in the settings is meant
    for this collector and always taken. Raises TransportError where it cannot be used.
    """
    if setting is not None:
        return None if setting == DIRECT else parse_proxy(setting, "proxy")
    named = next((name for name in VARIABLES if environment.get(name)), None)
    if named is None or _excepted(host, environment.get("NO_PROXY") or environment.get("no_proxy") or ""):
        return None
    return parse_proxy(environment[named], named)


def _excepted(host: str, exceptions: str) -> bool:
    wanted = host.casefold()
    for entry in exceptions.split(","):
        domain = entry.strip().lstrip(".").casefold()
        if domain and (domain in {"*", wanted} or wanted.endswith(f".{domain}")):
            return True
    return False


def parse_proxy(address: str, name: str) -> SplitResult:
    """Return a proxy's address; raises TransportError that names the variable and never repeats a password."""
    if fault := proxy_fault(address):
        raise TransportError(f"{name} {fault}")
    return urlsplit(_with_scheme(address))


def proxy_fault(address: str) -> str | None:
    """Return what is wrong with a proxy's address, to follow the name of the setting, or None."""
    try:
        parts = urlsplit(_with_scheme(address))
        host, _port = parts.hostname, parts.port
    except ValueError:
        return f"must be an address such as {EXAMPLE}"
    if "pac" in parts.scheme or parts.path.casefold().endswith((".pac", ".dat")):
        return f"names a configuration script (PAC), which the agent does not run; name the proxy, as in {EXAMPLE}"
    if parts.scheme != "http" or not host:
        return f"must be an address such as {EXAMPLE}"
    return None


def _with_scheme(address: str) -> str:
    return address if "//" in address else f"http://{address}"


def proxy_headers(proxy: SplitResult) -> dict[str, str]:
    """Return the header that signs in at the proxy, if its address holds a user."""
    if not proxy.username:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
