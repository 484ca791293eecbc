"""TLS as the collector serves it: 1.2 at least, and, where it is set, certificates of those who call."""

from __future__ import annotations

import os
import ssl
import sys
from pathlib import Path

from roadworthy_collector.errors import SettingsError
from roadworthy_collector.settings import Settings

_ASKED = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


def server_context(settings: Settings) -> ssl.SSLContext | None:
    """Return what connections are served with, None where the collector serves plain http.

    Raises SettingsError naming what is wrong with the certificate, its key or the authority of client certificates.
    """
    _ensure_complete(settings)
    if settings.tls_certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # The library's own default may be lowered by the system's configuration; this may not.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_RENEGOTIATION
    # For TLS 1.2: forward secrecy and authenticated encryption only. Those of TLS 1.3 are all fit.
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    _load_certificate(context, settings.tls_certificate, settings.tls_key)
    context.verify_mode = _ASKED[settings.tls_client_certificates]
    if settings.tls_client_ca is not None:
        _readable("tls_client_ca", settings.tls_client_ca)
        try:
            context.load_verify_locations(settings.tls_client_ca)
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"tls_client_ca: {settings.tls_client_ca} is no PEM file of certificates: {error}"
            ) from None
    return context


def _ensure_complete(settings: Settings) -> None:
    """Raise SettingsError where one setting needs another that is not there."""
    if settings.tls_certificate is None:
        if settings.tls_key is not None:
            raise SettingsError("tls_key: there is no tls_certificate to go with it")
        if settings.tls_client_certificates != "none":
            raise SettingsError(
                "tls_client_certificates: only a collector with a tls_certificate of its own can ask for them; "
                "a proxy that ends TLS asks for them itself"
            )
    elif settings.tls_client_certificates != "none" and settings.tls_client_ca is None:
        raise SettingsError(
            "tls_client_certificates: name the authority they are checked against in tls_client_ca"
        )
    if settings.tls_client_ca is not None and settings.tls_client_certificates == "none":
        raise SettingsError(
            "tls_client_ca: nothing is checked against it while tls_client_certificates is `none`"
        )


def _load_certificate(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    for name, path in (("tls_certificate", certificate), ("tls_key", key)):
        if path is not None:
            _readable(name, path)
    # Without a tls_key the key stands in the chain's own file, which is then as secret.
    _ensure_private("tls_certificate" if key is None else "tls_key", key or certificate)
    try:
        # Without a passphrase to give, OpenSSL would ask for one at a terminal nobody watches.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"tls_certificate, tls_key: {certificate} and {key or 'no key'} "
            f"are no PEM chain and its key without a passphrase: {error}"
        ) from None


def _readable(name: str, path: Path) -> None:
    if not os.access(path, os.R_OK):
        raise SettingsError(f"{name}: {path} is missing or may not be read")


def _ensure_private(name: str, path: Path) -> None:
    """Raise SettingsError where anybody but its owner can read a private key, as for files with passwords."""
    if sys.platform != "win32" and path.stat().st_mode & 0o077:
        raise SettingsError(f"{name}: {path} holds the private key and can be read by others; chmod 600 it")
