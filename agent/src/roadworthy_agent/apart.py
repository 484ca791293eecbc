"""A connection over TLS whose TLS is done by a process beside the agent: see `tunnel`, which that process runs.

A process is started for each call that needs a connection and is gone with it, so that what TLS needs is not held
between two calls. It is started, not forked: a fork of a process with threads may inherit a lock nobody opens.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from roadworthy_agent import tunnel
from roadworthy_agent.errors import KeyFileError, TransportError

LINE_BYTES = 4096  # of the tunnel's first answer


def possible() -> bool:
    """Return whether this agent can start a tunnel: Python installed as files, on a system with posix_spawn."""
    return (
        sys.platform != "win32"
        and bool(sys.executable)
        and not getattr(sys, "frozen", False)
        and Path(tunnel.__file__).is_file()
    )


class Apart:
    """One end of the socket pair, and the process at the other; as much of a socket as an exchange needs."""

    def __init__(self, way: dict[str, str], seconds: float) -> None:
        """Start the process and wait until it is connected, at most `seconds`.

        Raises TransportError or KeyFileError with what it says, OSError where it cannot be started or says nothing.
        """
        self._socket, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = _start(theirs)
        except OSError:
            self._socket.close()
            raise
        try:
            self._connect(way, time.monotonic() + seconds)
        except BaseException:
            self.close()
            raise

    def _connect(self, way: dict[str, str], deadline: float) -> None:
        self._socket.settimeout(max(0.001, deadline - time.monotonic()))
        self._socket.sendall("".join(f"{way[name]}\n" for name in tunnel.FIELDS).encode())
        said = b""
        while not said.endswith(b"\n"):
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            data = self._socket.recv(LINE_BYTES)
            if not data or len(said) > LINE_BYTES:
                raise ConnectionAbortedError("the process that speaks TLS ended without a word")
            said += data
        if said != b"+\n":
            kind, _blank, text = said.decode("utf-8", "replace")[1:].strip().partition(" ")
            raise KeyFileError(text) if kind == tunnel.KEY else TransportError(text)

    def settimeout(self, seconds: float) -> None:
        """Set how long one operation may take."""
        self._socket.settimeout(seconds)

    def sendall(self, data: bytes) -> None:
        """Send bytes to the collector."""
        self._socket.sendall(data)

    def recv(self, most: int) -> bytes:
        """Return bytes of the collector's, none where the connection has ended."""
        return self._socket.recv(most)

    def close(self) -> None:
        """End the connection and its process."""
        self._socket.close()
        if self._process is not None:
            process, self._process = self._process, None
            _end(process)


if sys.platform == "win32":

    def _start(_theirs: socket.socket) -> int | None:
        raise OSError("no tunnel process on this system")

    def _end(_process: int) -> None:
        pass

else:

    def _start(theirs: socket.socket) -> int | None:
        """Start the tunnel with `theirs` as its descriptor 0.

        Nothing of the way is in its arguments, which every user may read: a proxy's address can hold a password.
        A process group of its own keeps a terminal's Ctrl-C from it; it ends with the agent, whose end it sees.
        """
        actions: list[Any] = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0)]
        command = [sys.executable, "-I", "-S", tunnel.__file__]
        return os.posix_spawn(
            sys.executable,
            command,
            os.environ,
            file_actions=actions,
            setpgroup=0,
            setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGPIPE),
        )

    def _end(process: int) -> None:
        """End a process and take its exit code, so that it leaves no trace."""
        # Whoever started the agent may have told it to ignore SIGCHLD: the kernel then takes the exit code itself.
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
