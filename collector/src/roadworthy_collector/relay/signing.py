"""The key a collector signs carried files with, and the form in which its public half is told.

`rwrelay1_<16 hex digits of the relay's id>_<64 hex digits of its Ed25519 public key>` is what one administrator
reads to another: it binds the key to the one relay it may speak for.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from roadworthy_collector.relay.errors import SecretError
from roadworthy_collector.relay.sealing import read_private, write_private

KEY_FILE = "relay-signing.key"
PUBLIC_BYTES, SIGNATURE_BYTES = 32, 64
_TOLD = re.compile(r"rwrelay1_([0-9a-f]{16})_([0-9a-f]{64})", re.ASCII)


class Told(NamedTuple):
    """A relay's id and its public key, both in hex."""

    relay: str
    public_key: str

    def text(self) -> str:
        """Return the form in which it is told."""
        return f"rwrelay1_{self.relay}_{self.public_key}"


def parse_told(text: str) -> Told | None:
    """Return what `text` tells, None if it has not the form."""
    match = _TOLD.fullmatch(text.strip())
    return None if match is None else Told(match[1], match[2])


def make_key(data: Path) -> Ed25519PrivateKey:
    """Make the signing key in the data folder (0600) and return it; raise SecretError if one is there."""
    path = data / KEY_FILE
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        write_private(path, text.decode())
    except FileExistsError:
        raise SecretError(
            f"{path} is there already; see `roadworthy relay identity`. To change the key move the file away first, "
            "and have the new one trusted where files are read"
        ) from None
    except OSError as error:
        raise SecretError(f"{path}: cannot keep the key here: {error.strerror}") from None
    return key


def read_key(data: Path) -> Ed25519PrivateKey:
    """Return the signing key; raise SecretError saying what to do if it is not there or is none."""
    path = data / KEY_FILE
    if not path.exists():
        raise SecretError(
            f"{path}: this collector has no key to sign files with; run: roadworthy relay keygen"
        )
    try:
        key = serialization.load_pem_private_key(read_private(path, "the signing key").encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None  # said below
    if not isinstance(key, Ed25519PrivateKey):
        raise SecretError(f"{path}: this is no Ed25519 key in PEM; put the file back from where it was kept")
    return key


def public_hex(key: Ed25519PrivateKey) -> str:
    """Return the public half, 64 hex digits."""
    return key.public_key().public_bytes_raw().hex()


def verifies(public_key: str, signature: bytes, message: bytes) -> bool:
    """Return whether `signature` over `message` is of the key (64 hex digits)."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
