"""The commands that look after a collector, put together."""

from __future__ import annotations

import typer

from roadworthy_collector import (
    admin_audit,
    admin_books,
    admin_database,
    admin_devices,
    admin_identity,
    admin_keys,
    admin_money,
    admin_people,
    admin_register,
)


def add_to(app: typer.Typer) -> None:
    """Register these commands on `app`."""
    admin_keys.add_to(app)
    admin_devices.add_to(app)
    admin_database.add_to(app)
    admin_people.add_to(app, admin_devices.devices)
    admin_audit.add_to(app)
    admin_books.add_to(app)
    admin_money.add_to(app)
    admin_identity.add_to(admin_devices.devices)
    admin_register.add_to(app)
