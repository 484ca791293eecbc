"""Secrets of a relay: files only its account can read, and tokens sealed with a key that is not in the database.

A token must be in clear to be sent, so it cannot be hashed. Sealed (AES-256-GCM, bound to its device) it is worth
nothing to who gets the database alone: a backup, a copy, a reader of the PostgreSQL server. Who is root on the relay
or runs as its account has the key as well.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from roadworthy_collector.relay.errors import SecretError

SEAL_FILE = "relay-seal.key"
_NONCE_BYTES = 12
_KEY_BYTES = 32


def read_private(path: Path, what: str) -> str:
    """Return the text of a file that only its owner can read; raise SecretError saying what to do otherwise."""
    try:
        if sys.platform != "win32" and path.stat().st_mode & 0o077:
            raise SecretError(f"{path}: {what} can be read by others; run: chmod 600 {path}")
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SecretError(f"{path}: cannot read {what}: {error}") from None


def write_private(path: Path, text: str) -> None:
    """Write a new file that only its owner can read, whole or not at all; raise FileExistsError if it is there."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(partial, path)  # unlike a rename it never replaces what another process has just made
    finally:
        partial.unlink()


class Seal:
    """Seals and opens tokens."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    @classmethod
    def of(cls, data: Path, *, make: bool) -> Seal:
        """Return the seal of the data folder; with `make` its key is made if it is not there.

        Raises SecretError where the key cannot be read or is none.
        """
        path = data / SEAL_FILE
        if make and not path.exists():
            try:
                write_private(path, secrets.token_hex(_KEY_BYTES) + "\n")
            except FileExistsError:
                pass  # another process was faster; its key is as good
            except OSError as error:
                raise SecretError(f"{path}: cannot keep the relay's key here: {error.strerror}") from None
        text = read_private(path, "the key that opens this relay's tokens").strip()
        try:
            key = bytes.fromhex(text)
        except ValueError:
            key = b""
        if len(key) != _KEY_BYTES:
            raise SecretError(f"{path}: this is no key of a relay; put the file back from where it was kept")
        return cls(key)

    def seal(self, token: str, device: int) -> bytes:
        """Return a token as it is kept in the row of `device`."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, token.encode(), str(device).encode())

    def open(self, sealed: bytes, device: int) -> str:
        """Return a kept token; raise SecretError if another key sealed it or it is another device's."""
        nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, text, str(device).encode()).decode()
        except InvalidTag:
            raise SecretError(
                f"{SEAL_FILE} is not the key that sealed this relay's tokens; put back the one that is, "
                "or have the devices enrolled again: roadworthy relay resume --all"
            ) from None
