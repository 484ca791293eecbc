"""The words other systems use for a lifecycle state, a kind of item or a usage profile, in ours.

A word that is not here becomes `unknown` (a kind: `other`) with a warning, and a mapping file can say what it means.
"""

from __future__ import annotations

from types import MappingProxyType

from roadworthy_inventory.register import ITEM_KINDS, LIFECYCLE_STATES, UNKNOWN, USAGE_PROFILES


def word_key(text: str) -> str:
    """Return a word for comparing: letters and digits in lower case."""
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def _table(ours: tuple[str, ...], theirs: dict[str, str]) -> MappingProxyType[str, str]:
    found = {word_key(word): word for word in (*ours, UNKNOWN)}
    for word, texts in theirs.items():
        found.update({word_key(text): word for text in texts.split(", ")})
    return MappingProxyType(found)


LIFECYCLE_WORDS = _table(
    LIFECYCLE_STATES,
    {
        "ordered": "on order, order placed, awaiting delivery, requested",
        "stores": "stock, in stock, in store, in stores, store, spare, spares, available, ready to deploy, unassigned, "
        "received, delivered, new",
        "build": "pending, in build, being built, imaging, staging, in preparation, preparation, to be built",
        "deployed": "in use, active, live, in service, production, assigned, issued, in production, operational, used",
        "loan": "on loan, loaned, loaned out, loan pool",
        "repair": "in repair, out for repair, under repair, out for diagnostics, pending diagnostics, faulty, broken, "
        "rma, maintenance, in maintenance",
        "exhibit": "evidence, seized, held as evidence",
        "lost_or_stolen": "lost, stolen, missing, lost/stolen",
        "awaiting_disposal": "for disposal, to be disposed, pending disposal, retired, decommissioned, "
        "broken - not fixable, end of life, obsolete, surplus, scrap, to scrap",
        "disposed": "scrapped, recycled, sold, written off, destroyed, donated",
    },
)
KIND_WORDS = _table(
    ITEM_KINDS,
    {
        "desktop": "desktops, desktop pc, pc, pcs, workstation, workstations, tower, mini tower, low profile desktop, "
        "all in one, all-in-one, mini pc, space-saving, lunch box, computer",
        "laptop": "laptops, notebook, notebooks, sub notebook, portable, ultrabook, convertible, laptop pc",
        "tablet": "tablets, detachable, ipad, ipads, tablet pc",
        "server": "servers, blade, rack mount chassis, main server chassis, blade enclosure, virtual host",
        "thin_client": "thin clients, thin client pc, terminal, zero client",
        "phone": "phones, mobile phone, mobile phones, mobile, smartphone, smartphones, iphone, cell phone, handset",
        "monitor": "monitors, display, displays, screen, screens",
        "dock": "docks, docking station, docking stations",
        "printer": "printers, mfd, mfp, multifunction printer, multi function device",
        "ups": "upses, uninterruptible power supply",
        "pdu": "pdus, rack pdu, rack pdus, power distribution unit, power distribution units, metered pdu, switched pdu",
        "network": "network equipment, networking, switch, switches, router, routers, firewall, access point, "
        "access points, networking equipment",
        "other": "miscellaneous, accessory, accessories, peripheral, peripherals",
    },
)
PROFILE_WORDS = _table(
    USAGE_PROFILES,
    {
        "personal": "personal issue, one to one, 1:1, individual",
        "shared": "hot desk, hotdesk, multi-user, shared device",
        "custody": "custody suite",
        "control_room": "control, dispatch, force control room",
        "kiosk": "public terminal, digital signage",
        "meeting_room": "meeting, conference room, teams room",
        "training": "training room, classroom",
        "vehicle_terminal": "vehicle, mdt, in-car",
        "pool": "loan pool, pooled",
    },
)
WORDS = MappingProxyType(
    {"lifecycle_state": LIFECYCLE_WORDS, "kind": KIND_WORDS, "usage_profile": PROFILE_WORDS}
)
FALLBACK = MappingProxyType({"lifecycle_state": UNKNOWN, "kind": "other", "usage_profile": UNKNOWN})
ALLOWED = MappingProxyType(
    {
        "lifecycle_state": (*LIFECYCLE_STATES, UNKNOWN),
        "kind": ITEM_KINDS,
        "usage_profile": USAGE_PROFILES,
    }
)
