"""A collector behind TLS, as small as one can be: each connection gets one good answer."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

from agent.devices import TEN


def read_request(peer: socket.socket) -> None:
    """Read a request to its end: closing on unread bytes would reset the connection under the answer."""
    with peer.makefile("rb") as lines:
        length = 0
        while (line := lines.readline()).strip():
            name, _colon, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        lines.read(length)


@contextlib.contextmanager
def serving(
    context: ssl.SSLContext, see: Callable[[ssl.SSLSocket], None] = lambda _peer: None
) -> Iterator[int]:
    """Serve on a free port, which is yielded; `see` is shown each connection before its request is read."""
    body = json.dumps({"rejected": [], "server_time": float(TEN), "next_call": 900}).encode()
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    plain, _address = server.accept()
                except OSError:
                    return
                with (
                    contextlib.suppress(OSError),
                    plain,
                    context.wrap_socket(plain, server_side=True) as peer,
                ):
                    see(peer)
                    read_request(peer)
                    peer.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:  # also where a test fails: a server that goes on would hold up the whole run
            server.shutdown(socket.SHUT_RDWR)
    thread.join()
