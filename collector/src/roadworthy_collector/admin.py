"""The commands that look after a collector, put together."""

from __future__ import annotations

import typer

from roadworthy_collector import (
    admin_audit,
    admin_benefits,
    admin_books,
    admin_calibration,
    admin_carbon,
    admin_carbon_bridge,
    admin_database,
    admin_devices,
    admin_disposal,
    admin_energy,
    admin_exceptions,
    admin_export,
    admin_identity,
    admin_keys,
    admin_legacy,
    admin_lifecycle,
    admin_meters,
    admin_money,
    admin_organisation,
    admin_organisation_groups,
    admin_people,
    admin_register,
    admin_report,
    admin_staff_time,
)


def add_to(app: typer.Typer) -> None:
    """Register these commands on `app`."""
    admin_keys.add_to(app)
    admin_devices.add_to(app)
    admin_database.add_to(app)
    admin_people.add_to(app, admin_devices.devices)
    admin_audit.add_to(app)
    admin_books.add_to(app)
    admin_exceptions.add_to(app)
    admin_lifecycle.add_to(app)
    admin_legacy.add_to(app)
    admin_money.add_to(app)
    admin_organisation.add_to(app)
    admin_organisation_groups.add_to(admin_organisation.organisation)
    admin_identity.add_to(admin_devices.devices)
    admin_register.add_to(app)
    admin_export.add_to(app)
    admin_staff_time.add_to(app)
    admin_benefits.add_to(app)
    admin_disposal.add_to(app)
    admin_carbon.add_to(app)
    admin_meters.add_to(app)
    admin_report.add_to(app)
    admin_energy.add_to(admin_carbon.carbon)
    admin_calibration.add_to(admin_carbon.carbon)
    admin_carbon_bridge.add_to(admin_carbon.carbon)
