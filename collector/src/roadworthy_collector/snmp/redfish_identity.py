"""Who a controller says it is by Redfish: a server's own, or one that several servers share. Pure.

The controller of a blade enclosure, or of several nodes in one chassis, tells the power of all of them. It is no one
server's: taken for its first one's it would speak for that one with the watts of all. It is a unit that feeds others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from roadworthy_collector.snmp.readings import Identity
from roadworthy_collector.snmp.values import text_of
from roadworthy_inventory.identity import normalise_serial

_MOST_NAMED = 8


def who_tells(
    root: Mapping[str, Any], systems: Sequence[Mapping[str, Any]], powered: Sequence[Mapping[str, Any]]
) -> tuple[Identity, tuple[str, ...]]:
    """Return the identity, and in words where it is no one server's.

    `root` is the service's, `powered` the outermost chassis that tell their power.
    """
    servers = _servers(systems)
    if len(servers) > 1:
        whose = _whose(servers, powered)
        if whose is None:
            return _of_several(root, powered), (_shared_by(servers),)
        servers = [whose]
    if not servers:
        return Identity(kind="management_controller", vendor=text(root.get("Vendor"))), ()
    system = servers[0]
    return (
        Identity(
            kind="management_controller",
            vendor=text(system.get("Manufacturer")),
            model=text(system.get("Model")),
            # SKU is where some makers keep the service tag; SerialNumber is the standard's.
            serial=text(system.get("SerialNumber")),
            part_number=text(system.get("PartNumber")),
            firmware=text(system.get("BiosVersion")),
            asset_tag=text(system.get("AssetTag")),
            name=text(system.get("HostName")),
        ),
        (),
    )


def _servers(systems: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the systems that are machines of their own: what shares a serial number is one, what is composed is none."""
    found: dict[str, Mapping[str, Any]] = {}
    for number, system in enumerate(systems):
        kind = system.get("SystemType")
        if not isinstance(kind, str) or kind == "Physical":
            found.setdefault(normalise_serial(text(system.get("SerialNumber"))) or f"\0{number}", system)
    return list(found.values()) or list(systems[:1])


def _whose(
    servers: Sequence[Mapping[str, Any]], powered: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """Return the one server whose chassis all those with power are, as they say themselves; None where they do not."""
    paths: set[str] = set()
    for chassis in powered:
        links = chassis.get("Links")
        told = links.get("ComputerSystems") if isinstance(links, dict) else None
        some = [link(one) for one in told] if isinstance(told, list) else []
        if not some:
            return None
        paths.update((one or "").rstrip("/") for one in some)
    return next(
        (one for one in servers if len(paths) == 1 and (link(one) or "").rstrip("/") in paths),
        None,
    )


def _of_several(root: Mapping[str, Any], powered: Sequence[Mapping[str, Any]]) -> Identity:
    """Return the identity of the chassis they share, where it is one. A power unit: what hangs on it has to be said."""
    if len(powered) != 1:
        return Identity(kind="pdu", vendor=text(root.get("Vendor")))
    chassis = powered[0]
    return Identity(
        kind="pdu",
        vendor=text(chassis.get("Manufacturer")) or text(root.get("Vendor")),
        model=text(chassis.get("Model")),
        serial=text(chassis.get("SerialNumber")),
        part_number=text(chassis.get("PartNumber")),
        asset_tag=text(chassis.get("AssetTag")),
    )


def _shared_by(servers: Sequence[Mapping[str, Any]]) -> str:
    serials = [text(one.get("SerialNumber")) or "without a serial number" for one in servers[:_MOST_NAMED]]
    more = f" and {len(servers) - _MOST_NAMED} more" if len(servers) > _MOST_NAMED else ""
    return (
        f"{len(servers)} systems share it ({', '.join(serials)}{more}), so it is no one server's controller but a unit "
        "that feeds them: say so by `roadworthy snmp feeds state UNIT --fed SERVER` for each"
    )


def link(part: Any) -> str | None:
    """Return where a link of JSON leads, None where it is none."""
    path = part.get("@odata.id") if isinstance(part, dict) else None
    return path if isinstance(path, str) else None


def text(value: Any) -> str | None:
    """Return a text of JSON as others are kept, None where it is none."""
    # A controller may escape half a character or a control character, which no database keeps.
    return text_of(value.encode("utf-8", "replace")) if isinstance(value, str) else None
