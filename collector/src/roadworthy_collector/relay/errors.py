"""What can go wrong with a relay.

RelayError            a person can act on it
├── SecretError       a key file is missing, open to others or not the one that sealed the tokens
├── NothingReadError  no file of that relay was read here
├── DropError         a carried file is refused: altered, cut short, of an unknown key, not for this collector
├── UnreachableError  the main collector gave no answer of a Roadworthy collector; temporary
└── RefusalError      it gave a typed answer other than 200
"""

from __future__ import annotations

from roadworthy_collector.errors import NotFoundError, RoadworthyError


class RelayError(RoadworthyError):
    """Something is wrong with a relay."""


class SecretError(RelayError):
    """A key file cannot be used."""


class NothingReadError(RelayError, NotFoundError):
    """No file of that relay was read here."""


class DropError(RelayError):
    """A carried file is refused; nothing of it was read."""


class UnreachableError(RelayError):
    """The main collector gave no answer that can be one."""


class RefusalError(RelayError):
    """The main collector's typed answer; `code` is `http_<status>` where something on the way answered."""

    def __init__(
        self, status: int, code: str, message: str, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after_seconds = retry_after_seconds
