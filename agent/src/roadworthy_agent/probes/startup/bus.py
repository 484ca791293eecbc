"""Asking systemd over D-Bus, read-only, as any account may.

One connection, then one small question after another: about two hundred on a desktop, once per start-up.
Whole property sets would be thirty times the bytes (https://github.com/prometheus/node_exporter/issues/1201).
"""

from __future__ import annotations

import string
import time
from errno import EACCES, ECONNREFUSED, EINVAL
from typing import Any

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.probes.startup import names
from roadworthy_agent.probes.startup.state import (
    DEFAULT_TARGET,
    FINISH,
    MANAGER,
    NEVER,
    SIGN_IN_MARKS,
    TARGETS,
    UNIT,
    SystemdState,
    UnitTimes,
)

BUS_NAME = "org.freedesktop.systemd1"
MANAGER_PATH = "/org/freedesktop/systemd1"
UNIT_INTERFACE = f"{BUS_NAME}.Unit"
ANSWER_SECONDS = 5.0
# An older systemd lacks the newer properties; a unit may be gone between being listed and being asked after.
ABSENT = frozenset(
    {
        "org.freedesktop.DBus.Error.InvalidArgs",
        "org.freedesktop.DBus.Error.UnknownInterface",
        "org.freedesktop.DBus.Error.UnknownObject",
        "org.freedesktop.DBus.Error.UnknownProperty",
        "org.freedesktop.systemd1.NoSuchUnit",
    }
)
PLAIN = frozenset(string.ascii_letters + string.digits)


def read_state() -> SystemdState:
    """Return what systemd knows.

    Raises OSError where the bus cannot be reached (PermissionError where it must not) and ProbeError where it
    answers with an error.
    """
    # Imported here: jeepney is a dependency on Linux alone, and this module is imported everywhere.
    from jeepney import DBusErrorResponse  # type: ignore[import-untyped] # jeepney has no types
    from jeepney.auth import AuthenticationError  # type: ignore[import-untyped] # as above
    from jeepney.io.blocking import open_dbus_connection  # type: ignore[import-untyped] # as above

    try:
        connection = open_dbus_connection(bus="SYSTEM")
    except AuthenticationError as error:
        raise PermissionError(EACCES, "the system bus refused this account", "system bus") from error
    except (RuntimeError, ValueError) as error:  # what jeepney makes of an address it cannot use
        raise ConnectionError(
            EINVAL, "DBUS_SYSTEM_BUS_ADDRESS is no address of a socket", "system bus"
        ) from error
    except DBusErrorResponse as error:
        raise ConnectionError(ECONNREFUSED, f"the system bus answered {error.name}", "system bus") from error
    with connection:
        return _Asker(connection).state()


def unit_path(unit: str) -> str:
    """Return the D-Bus path of a unit: every byte that is no letter or digit becomes _xx."""
    escaped = "".join(chr(byte) if chr(byte) in PLAIN else f"_{byte:02x}" for byte in unit.encode())
    return f"{MANAGER_PATH}/unit/{escaped}"


class _Asker:
    """One connection and the questions asked over it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def state(self) -> SystemdState:
        manager_interface = f"{BUS_NAME}.Manager"
        manager = {
            name: value
            for name in MANAGER
            if isinstance(value := self._get(MANAGER_PATH, manager_interface, name), int)
        }
        finish = manager.get(FINISH, 0)
        marks = {
            name: value
            for name in (*TARGETS, *SIGN_IN_MARKS)
            if isinstance(value := self._get(unit_path(name), UNIT_INTERFACE, UNIT[1]), int)
        }
        target = self._get(unit_path(DEFAULT_TARGET), UNIT_INTERFACE, "Id")
        jobs = self._call(MANAGER_PATH, manager_interface, "ListJobs")[0]
        running = tuple(job[1] for job in jobs if job[2] == "start" and job[3] == "running")
        return SystemdState(
            manager=manager,
            units=tuple(self._units(finish, running)),
            marks=marks,
            default_target=target if isinstance(target, str) else None,
            running_jobs=running,
            now=time.monotonic_ns() // 1000,
        )

    def _units(self, finish: int, running: tuple[str, ...]) -> list[UnitTimes]:
        """Return the times of units that began to start before the start-up was finished."""
        found = []
        for row in self._call(MANAGER_PATH, f"{BUS_NAME}.Manager", "ListUnits")[0]:
            name, load_state, path = row[0], row[2], row[6]
            if load_state != "loaded" or (name not in running and not names.worth_asking(name)):
                continue
            activating = self._instant(path, UNIT[0])
            if activating == 0 or (finish and activating > finish):
                continue
            found.append(UnitTimes(name, activating, *(self._instant(path, each) for each in UNIT[1:])))
        return found

    def _instant(self, path: str, name: str) -> int:
        value = self._get(path, UNIT_INTERFACE, name)
        return value if isinstance(value, int) and value != NEVER else 0

    def _get(self, path: str, interface: str, name: str) -> Any:
        """Return a property, None where this systemd does not have it: older ones lack the newer instants."""
        body = self._call(path, "org.freedesktop.DBus.Properties", "Get", "ss", (interface, name), ABSENT)
        return body[0][1] if body else None

    def _call(
        self,
        path: str,
        interface: str,
        method: str,
        signature: str | None = None,
        body: tuple[Any, ...] = (),
        tolerated: frozenset[str] = frozenset(),
    ) -> tuple[Any, ...]:
        # Here and not above, see read_state
        from jeepney import (
            DBusAddress,
            HeaderFields,
            MessageType,
            new_method_call,
        )

        address = DBusAddress(path, bus_name=BUS_NAME, interface=interface)
        question = new_method_call(address, method, signature, body)
        answer = self._connection.send_and_get_reply(question, timeout=ANSWER_SECONDS)
        if answer.header.message_type is not MessageType.error:
            return tuple(answer.body)
        name = str(answer.header.fields.get(HeaderFields.error_name))
        if name in tolerated:
            return ()
        if name == "org.freedesktop.DBus.Error.AccessDenied":
            raise PermissionError(EACCES, f"systemd does not let this account call {method}", "system bus")
        raise ProbeError(f"systemd answered {method} with {name}")
