"""Passwords: argon2id with the library's defaults (RFC 9106's low-memory profile, 64 MiB)."""

from __future__ import annotations

import threading
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH = 12
MAX_LENGTH = 1024
# Each check takes 64 MiB: forty guesses at once must not take 2.5 GiB.
_ROOM = threading.BoundedSemaphore(2)


@lru_cache(maxsize=1)
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@lru_cache(maxsize=1)
def _nobody() -> str:
    """Return a hash to check against when there is no such user, so that the answer takes as long."""
    with _ROOM:
        return _hasher().hash("nobody has this password")


def hash_password(password: str) -> str:
    """Return the argon2id hash of `password`."""
    with _ROOM:
        return _hasher().hash(password)


def verify(stored: str | None, password: str) -> bool:
    """Return whether `password` is the one hashed as `stored`; None (no such user) takes as long and is False."""
    against = _nobody() if stored is None else stored
    with _ROOM:
        try:
            _hasher().verify(against, password[:MAX_LENGTH])
        except (VerificationError, InvalidHashError):
            return False
    return stored is not None
