"""How a device is connected, by kind: wire, wireless or a private tunnel; never which network. Pure but for `read`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from roadworthy_agent.probes.tree import Tree, whole_number

LAN, WIFI, VPN, NONE, UNKNOWN = "lan", "wifi", "vpn", "none", "unknown"
INTERFACES = "sys/class/net"
ROUTES, ROUTES_6 = "proc/net/route", "proc/net/ipv6_route"
MOST_INTERFACES = 256

# Hardware types of if_arp.h
ETHER, LOOPBACK, NO_HARDWARE = 1, 772, 65534
IFF_UP = 0x1
RTF_UP, RTF_REJECT = 0x1, 0x200
TUN = 0x1  # of tun_flags; a tap (0x2) belongs to a virtual machine
HALVES = frozenset(
    {"00000000", "00000080"}
)  # masks: OpenVPN puts two halves of the world over the default route


@dataclass(frozen=True, slots=True)
class Link:
    """One network interface; `metric` is that of its default route, lower goes first, None without one."""

    kind: str
    up: bool
    metric: int | None = None


def judge(links: Iterable[Link]) -> str:
    """Return lan, wifi, vpn, none or unknown: a tunnel that is up counts before what carries it."""
    up = [link for link in links if link.up]
    if any(link.kind == VPN for link in up):
        return VPN
    routed = sorted((link for link in up if link.metric is not None), key=lambda link: link.metric or 0)
    if routed:
        return routed[0].kind
    kinds = {link.kind for link in up}
    return next((kind for kind in (LAN, WIFI, UNKNOWN) if kind in kinds), NONE)


def read(tree: Tree) -> tuple[Link, ...]:
    """Return the interfaces there are, without their names."""
    metrics = parse_routes_6(tree.text(ROUTES_6) or "") | parse_routes(tree.text(ROUTES) or "")
    links = []
    for name in tree.names(INTERFACES)[:MOST_INTERFACES]:
        base = f"{INTERFACES}/{name}"
        hardware = tree.number(f"{base}/type")
        if hardware is None or hardware == LOOPBACK:
            continue
        links.append(Link(_kind(tree, base, hardware), _is_up(tree, base), metrics.get(name)))
    return tuple(links)


def _kind(tree: Tree, base: str, hardware: int) -> str:
    words = (tree.text(f"{base}/uevent") or "").split()
    if "DEVTYPE=wlan" in words or tree.exists(f"{base}/wireless") or tree.exists(f"{base}/phy80211"):
        return WIFI
    if "DEVTYPE=wireguard" in words:
        return VPN
    if (flags := hexadecimal(tree.text(f"{base}/tun_flags"))) is not None:
        return VPN if flags & TUN else UNKNOWN
    return LAN if hardware == ETHER and "DEVTYPE=wwan" not in words else UNKNOWN


def _is_up(tree: Tree, base: str) -> bool:
    """Tell whether an interface is switched on and has a link; tunnels say "unknown" where a wire says "up"."""
    flags = hexadecimal(tree.text(f"{base}/flags"))
    return bool(flags and flags & IFF_UP) and tree.text(f"{base}/operstate") in {"up", "unknown"}


def parse_routes(text: str) -> dict[str, int]:
    """Return the metric of each interface's default route from /proc/net/route (proc_net(5)); no line is a fault."""
    found: dict[str, int] = {}
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8 or fields[1] not in HALVES or fields[7] not in HALVES:
            continue
        flags, metric = hexadecimal(fields[3]), whole_number(fields[6])
        if flags is None or metric is None or not flags & RTF_UP:
            continue
        found[fields[0]] = min(metric, found.get(fields[0], metric))
    return found


def parse_routes_6(text: str) -> dict[str, int]:
    """Return the same from /proc/net/ipv6_route; its default routes go behind those of IPv4 with equal metrics."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 10 or fields[0].strip("0") or fields[1] != "00" or fields[9] == "lo":
            continue
        metric, flags = hexadecimal(fields[5]), hexadecimal(fields[8])
        if metric is None or flags is None or not flags & RTF_UP or flags & RTF_REJECT:
            continue
        found[fields[9]] = min(metric, found.get(fields[9], metric))
    return found


def hexadecimal(text: str | None) -> int | None:
    """Return a hexadecimal number of at most 64 bits, or None."""
    digits = (text or "").strip().removeprefix("0x")
    plain = digits.isascii() and digits.isalnum() and len(digits) <= 16
    try:
        return int(digits, 16) if plain else None
    except ValueError:
        return None
