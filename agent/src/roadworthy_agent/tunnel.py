"""TLS to the collector, in a process of its own that ends with the call.

OpenSSL, the certificates and Python's modules for them take a third of a small agent's memory and are used for a
tenth of a second each quarter of an hour, so they are not loaded where they would stay. This file is run by its path,
without the agent's other modules (`python -I -S tunnel.py`), and imports nothing of theirs; see `apart` for who runs
it. On its descriptor 0 is one end of a socket pair:

1. it reads one line for each of FIELDS,
2. it connects, through a proxy if one is named, does the handshake, checks the certificate,
3. it answers `+`, or `-` with the kind of fault and what is wrong in words, as one line,
4. then it passes bytes both ways until one side closes. HTTP is not its business.

Where no such process can be had (Windows), the agent calls `open_tls` itself.
"""

from __future__ import annotations

import socket
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from typing import NoReturn

# Empty where there is none. `proxy_sign_in` is the value of Proxy-Authorization.
FIELDS = ("host", "port", "ca_file", "certificate", "key", "proxy_host", "proxy_port", "proxy_sign_in")
TIMEOUT_SECONDS = 30.0  # without a byte
HEAD_BYTES = 65_536  # of a proxy's answer
TRANSPORT, KEY = "transport", "key"  # kinds of fault: of the way, of the client certificate's files


class FaultError(Exception):
    """No TLS connection, for a reason a person can act on; `kind` is TRANSPORT or KEY."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class _PassphraseWantedError(Exception):
    """The key is encrypted and somebody would have to type."""


def main() -> None:
    """Be the tunnel between descriptor 0 and the collector."""
    inner = socket.socket(fileno=0)
    way = dict(zip(FIELDS, _lines(inner, len(FIELDS)), strict=True))
    try:
        outer = open_tls(way)
    except FaultError as fault:
        inner.sendall(f"-{fault.kind} {' '.join(str(fault).split())}\n".encode())
        return
    inner.sendall(b"+\n")
    try:
        _pump(inner, outer)
    except OSError:
        return  # whoever is left sees the end and knows what to make of it


def _lines(inner: socket.socket, count: int) -> list[str]:
    held = b""
    while held.count(b"\n") < count:
        data = inner.recv(4096)
        if not data:
            sys.exit()  # the agent ended before it had asked
        held += data
    return held.decode().split("\n")[:count]


def _pump(inner: socket.socket, outer: ssl.SSLSocket) -> None:
    """Pass bytes both ways until one side closes."""
    import select
    import ssl

    while True:
        ready = select.select([inner, outer], [], [])[0]
        if inner in ready:
            if not (data := inner.recv(65_536)):
                return
            outer.settimeout(TIMEOUT_SECONDS)
            outer.sendall(data)
        # A record may hold a session ticket and no data, or more data than was read.
        outer.setblocking(False)
        while outer in ready or outer.pending():
            try:
                if not (data := outer.recv(65_536)):
                    return
            except (ssl.SSLWantReadError, BlockingIOError):
                break
            inner.sendall(data)


def open_tls(way: dict[str, str]) -> ssl.SSLSocket:
    """Return a TLS connection to the collector; raises FaultError."""
    context = tls_context(way)
    plain = None
    try:
        plain = _dial(way)
        return context.wrap_socket(plain, server_hostname=way["host"])
    except (OSError, UnicodeError) as error:  # a name that cannot be one fails in its encoding
        if plain is not None:
            plain.close()
        raise FaultError(TRANSPORT, words(error)) from error


def tls_context(way: dict[str, str]) -> ssl.SSLContext:
    """Return a context that trusts `ca_file`, else the system's authorities; TLS 1.2 at least."""
    import ssl

    try:
        context = ssl.create_default_context(cafile=way["ca_file"] or None)
    except OSError as error:
        reason = error.strerror or error
        raise FaultError(TRANSPORT, f"{way['ca_file']}: cannot read the certificates: {reason}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if way["certificate"]:
        _show(context, way["certificate"], way["key"])
    return context


def _show(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Let `context` show a certificate.

    A key with a passphrase is refused: a service has nobody who types it, and OpenSSL would ask at the terminal.
    """
    import ssl

    try:
        context.load_cert_chain(certificate, key or None, password=_nobody_types)
    except _PassphraseWantedError:
        raise FaultError(
            KEY,
            f"{key or certificate}: the key has a passphrase, and a service has nobody to type it; "
            "store it without one, mode 0600",
        ) from None
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).replace("_", " ").lower()
        raise FaultError(
            KEY, f"{certificate}, {key or certificate}: no certificate with its key in PEM form: {reason}"
        ) from error
    except OSError as error:
        raise FaultError(KEY, f"{certificate}: cannot read it: {error.strerror}") from error


def _nobody_types() -> NoReturn:
    raise _PassphraseWantedError


def _dial(way: dict[str, str]) -> socket.socket:
    """Return a connection on which the collector hears what is sent."""
    through = bool(way["proxy_host"])
    host, port = (way["proxy_host"], way["proxy_port"]) if through else (way["host"], way["port"])
    plain = socket.create_connection((host, int(port)), TIMEOUT_SECONDS)
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if through:
            _ask_proxy(plain, way)
    except BaseException:
        plain.close()
        raise
    return plain


def _ask_proxy(plain: socket.socket, way: dict[str, str]) -> None:
    """Ask a proxy for the way on (RFC 9110, 9.3.6); its answer's body, if it refuses, is not for us."""
    host = f"[{way['host']}]" if ":" in way["host"] else way["host"]
    sign_in = f"Proxy-Authorization: {way['proxy_sign_in']}\r\n" if way["proxy_sign_in"] else ""
    target = f"{host}:{way['port']}"
    plain.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{sign_in}\r\n".encode())
    head, until = b"", time.monotonic() + TIMEOUT_SECONDS
    # Byte by byte: what follows the answer's head is TLS already, and none of it may be taken here.
    while not head.endswith((b"\r\n\r\n", b"\n\n")):
        # All of it in time: a byte now and then would hold an agent that speaks TLS itself for weeks.
        if (left := until - time.monotonic()) <= 0:
            raise TimeoutError
        plain.settimeout(left)
        data = plain.recv(1)
        if not data or len(head) > HEAD_BYTES:
            raise ConnectionResetError("the proxy closed the connection without an answer")
        head += data
    plain.settimeout(TIMEOUT_SECONDS)
    line = head.split(b"\n", 1)[0].decode("latin-1").split(None, 1)
    status = line[1].strip() if len(line) == 2 and line[0].startswith("HTTP/") else ""
    name = f"{way['proxy_host']}:{way['proxy_port']}"
    if status.startswith("407"):
        raise OSError(
            f"the proxy {name} asks for a sign-in; the agent knows only Basic (a user and password in "
            "HTTPS_PROXY), no NTLM and no Kerberos: let the collector through without one"
        )
    if not status.startswith("2"):
        said = status[:200] or "it does not speak HTTP"
        raise OSError(f"the proxy {name} refuses the way to the collector: {said}")


def words(error: Exception) -> str:
    """Return what went wrong with a connection in words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if verify := getattr(error, "verify_message", ""):
        return f"its certificate cannot be trusted: {verify}; set ca_file if your authority is a private one"
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


if __name__ == "__main__":
    main()
