"""SHA-256 without OpenSSL.

`hashlib` loads OpenSSL's library, 3.6 MB, for what the interpreter can do by itself. Its own module has had two names;
where it has neither, hashlib is as right and only larger.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

OWN = ("_sha2", "_sha256")  # CPython from 3.12, and before


def sha256(data: bytes) -> bytes:
    """Return the 32 bytes of a digest."""
    digest: bytes = _maker()(data).digest()
    return digest


@cache
def _maker() -> Any:
    for name in OWN:
        try:
            return import_module(name).sha256
        except ImportError:
            continue
    return import_module("hashlib").sha256
