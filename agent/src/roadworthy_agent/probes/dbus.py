"""Asking a service over D-Bus on Linux: one connection, read-only, and an answer in time or none.

jeepney builds and parses the messages. The waiting is done here: its own connection waits for the first answer of
a bus without limit, and a bus that hangs must not hold up a sample.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Mapping
from errno import EACCES, EAGAIN, ECONNREFUSED, ECONNRESET, EINVAL, ENOENT, ETIMEDOUT
from types import TracebackType
from typing import Any, Self

from roadworthy_agent.errors import ProbeError

ANSWER_SECONDS = 5.0
PROPERTIES = "org.freedesktop.DBus.Properties"
ACCESS_DENIED = "org.freedesktop.DBus.Error.AccessDenied"
# An older service lacks the newer properties; an object may be gone between being listed and being asked after.
ABSENT = frozenset(
    {
        "org.freedesktop.DBus.Error.InvalidArgs",
        "org.freedesktop.DBus.Error.UnknownInterface",
        "org.freedesktop.DBus.Error.UnknownMethod",
        "org.freedesktop.DBus.Error.UnknownObject",
        "org.freedesktop.DBus.Error.UnknownProperty",
        "org.freedesktop.login1.NoSuchSession",
        "org.freedesktop.login1.NoSuchUser",
        "org.freedesktop.systemd1.NoSuchUnit",
    }
)
NO_SERVICE = frozenset(
    {"org.freedesktop.DBus.Error.NameHasNoOwner", "org.freedesktop.DBus.Error.ServiceUnknown"}
)
NO_AUTO_START = 2  # flag of the D-Bus specification: a guest that only looks starts nobody's service
BUS_NAME = "org.freedesktop.DBus"
BUS_PATH = "/org/freedesktop/DBus"
MOST_BYTES = 1 << 22  # of one answer: a desktop lists some hundred units in 100 kB


class NoServiceError(ProbeError):
    """Nobody on the bus answers to the service's name."""


class Bus:
    """One connection and the questions asked over it. Use `system` or `peer` to make one, then as a context manager."""

    def __init__(self, connection: socket.socket, answer_seconds: float = ANSWER_SECONDS) -> None:
        from jeepney import Parser  # type: ignore[import-untyped] # jeepney has no types

        self._socket = connection
        self._answer_seconds = answer_seconds
        self._deadline: float | None = None
        self._parser = Parser()
        self._serial = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def within(self, seconds: float | None) -> None:
        """Let all questions from now on take so long together; None for no limit beside that of each answer."""
        self._deadline = None if seconds is None else time.monotonic() + seconds

    def get(self, service: str, path: str, interface: str, name: str) -> Any:
        """Return a property, None where this service does not have it."""
        body = self.call(service, path, PROPERTIES, "Get", "ss", (interface, name), ABSENT)
        return body[0][1] if body and isinstance(body[0], tuple) and len(body[0]) > 1 else None

    def all(self, service: str, path: str, interface: str) -> Mapping[str, Any] | None:
        """Return all properties of an interface, None where the object is gone."""
        body = self.call(service, path, PROPERTIES, "GetAll", "s", (interface,), ABSENT)
        if not body or not isinstance(body[0], dict):
            return None
        return {name: value[1] for name, value in body[0].items()}

    def call(
        self,
        service: str,
        path: str,
        interface: str,
        method: str,
        signature: str | None = None,
        body: tuple[Any, ...] = (),
        tolerated: frozenset[str] = frozenset(),
    ) -> tuple[Any, ...]:
        """Return what a method answers, nothing where it answers with a tolerated error.

        Raises PermissionError where this account must not ask, NoServiceError where nobody answers to the name,
        ProbeError for any other answer, TimeoutError (an OSError) for none.
        """
        from jeepney import DBusAddress, HeaderFields, MessageType, new_method_call

        address = DBusAddress(path, bus_name=service, interface=interface)
        question = new_method_call(address, method, signature, body)
        question.header.flags = NO_AUTO_START
        answer = self._ask(question)
        if answer.header.message_type is not MessageType.error:
            return tuple(answer.body)
        name = str(answer.header.fields.get(HeaderFields.error_name))
        if name in tolerated:
            return ()
        if name == ACCESS_DENIED:
            raise PermissionError(EACCES, f"this account must not call {method}", "system bus")
        if name in NO_SERVICE:
            raise NoServiceError(f"nobody on the system bus answers to {service}")
        raise ProbeError(f"{service} answered {method} with {name}")

    def _ask(self, question: Any) -> Any:
        from jeepney import HeaderFields

        self._serial += 1
        serial = self._serial
        until = time.monotonic() + self._answer_seconds
        if self._deadline is not None:
            until = min(until, self._deadline)
        self._wait_until(until)
        self._socket.sendall(question.serialise(serial=serial))
        while True:
            message = self._next_message(until)
            if message.header.fields.get(HeaderFields.reply_serial) == serial:
                return message

    def _next_message(self, until: float) -> Any:
        """Return the next whole message, whatever it is."""
        try:
            while (message := self._parser.get_next_message()) is None:
                if self._parser.bytes_desired() > MOST_BYTES:
                    raise ProbeError("the system bus announced an answer larger than any there is")
                self._wait_until(until)
                data = self._socket.recv(1 << 16)
                if not data:
                    raise ConnectionResetError(ECONNRESET, "the connection was closed", "system bus")
                self._parser.add_data(data)
        # What jeepney makes of bytes that are no message: it asserts, and goes as deep as types are nested.
        except (struct.error, ValueError, LookupError, TypeError, AssertionError, RecursionError) as error:
            raise ProbeError("the system bus sent something that is no D-Bus message") from error
        return message

    def _wait_until(self, until: float) -> None:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError(ETIMEDOUT, "no answer in time on the system bus")
        self._socket.settimeout(left)


def system(answer_seconds: float = ANSWER_SECONDS, *, within: float | None = None) -> Bus:
    """Return a connection to the system bus; `within` seconds for connecting and all questions together.

    Raises OSError where it cannot be reached, PermissionError where this account is refused.
    """
    from jeepney.bus import get_bus  # type: ignore[import-untyped] # jeepney has no types

    try:
        address = get_bus("SYSTEM")
    except (RuntimeError, ValueError) as error:  # what jeepney makes of an address it cannot use
        raise ConnectionError(
            EINVAL, "DBUS_SYSTEM_BUS_ADDRESS is no address of a socket", "system bus"
        ) from error
    bus = _connected(address, answer_seconds, within, "the system bus")
    try:
        bus.call(BUS_NAME, BUS_PATH, BUS_NAME, "Hello")
    except (ProbeError, PermissionError) as error:
        bus.close()
        raise ConnectionError(ECONNREFUSED, f"the system bus refused: {error}", "system bus") from error
    except OSError:
        bus.close()
        raise
    return bus


def peer(path: str, name: str, answer_seconds: float = ANSWER_SECONDS) -> Bus:
    """Return a connection to one service's own socket, where there is no bus between.

    `name` is what an error calls it: a path may hold the number of an account.
    """
    return _connected(path, answer_seconds, None, name)


def _connected(address: str, answer_seconds: float, within: float | None, name: str) -> Bus:
    from jeepney.auth import AuthenticationError  # type: ignore[import-untyped] # jeepney has no types
    from jeepney.io.blocking import prep_socket  # type: ignore[import-untyped] # as above

    began = time.monotonic()
    try:
        connection = prep_socket(address, timeout=min(answer_seconds, within or answer_seconds))
    except AuthenticationError as error:
        raise PermissionError(EACCES, f"{name} refused this account") from error
    except FileNotFoundError as error:
        raise FileNotFoundError(ENOENT, f"{name} is not there") from error
    except BlockingIOError as error:  # its queue of callers is full
        raise TimeoutError(EAGAIN, f"{name} takes no more callers") from error
    except OSError as error:
        raise type(error)(error.errno, f"{name}: {error.strerror or error}") from error
    bus = Bus(connection, answer_seconds)
    if within is not None:
        bus.within(within - (time.monotonic() - began))
    return bus
