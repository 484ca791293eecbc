"""Takes secrets out of what is printed or logged: tokens, keys, passwords in addresses, values of secret settings.

Nothing here should ever find anything: secrets are kept as hashes or in files. It is the second line, for the day an
error of a library carries an address or a header along.
"""

from __future__ import annotations

import logging
import re

HIDDEN = "***"
# The id stays: it finds the row of a leaked token, and lets nobody in.
_TOKEN = re.compile(r"\b(rw[a-z]?1_[0-9a-f]{16})_[0-9a-f]{64}\b", re.ASCII)
_IN_ADDRESS = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/\s@'\"]*@", re.IGNORECASE)
_PARAMETER = re.compile(
    r"((?:password|passwd|secret|token|api[_-]?key|credentials|authorization|cookie)"
    r"[\"']?\s*[=:]\s*[\"']?(?:bearer\s+|basic\s+)?)[^\s\"'&,;]+",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_SECRET_NAME = re.compile(r"(^|_)(password|secret|token|credentials?|key)$")


def redact(text: str) -> str:
    """Return `text` with every secret it can be told to hold replaced by ***."""
    text = _TOKEN.sub(rf"\1_{HIDDEN}", text)
    text = _IN_ADDRESS.sub(rf"\1{HIDDEN}@", text)
    text = _SCHEME.sub(rf"\1 {HIDDEN}", text)
    return _PARAMETER.sub(rf"\1{HIDDEN}", text)


def shown_setting(name: str, value: object) -> str:
    """Return a setting's value as `check-config` shows it: secrets and passwords in addresses as ***.

    Files are named, whatever they hold: `tls_key` and all that ends in `_file`.
    """
    if value is not None and _SECRET_NAME.search(name) and name != "tls_key":
        return HIDDEN
    # Only addresses and tokens: a path may well have a folder called `token=1`.
    return _IN_ADDRESS.sub(rf"\1{HIDDEN}@", _TOKEN.sub(rf"\1_{HIDDEN}", repr(value)))


class RedactingFormatter(logging.Formatter):
    """A formatter whose lines, tracebacks included, hold no secret."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of `record`."""
        return redact(super().format(record))
