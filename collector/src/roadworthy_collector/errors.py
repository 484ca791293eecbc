"""What can go wrong, as one small tree.

RoadworthyError
├── SettingsError      the settings are wrong; permanent until somebody edits them
├── StoreError         the database cannot be used as it is
│   ├── SchemaError    its schema is older or newer than this program
│   └── EstateError    it is a simulated estate where a real one is meant, or the other way round
├── AddressError       the address cannot be listened on
├── NotFoundError      there is nothing of that name or id, or not for whoever asks
└── EnvelopeError      a report is refused as a whole (see `ingest`)
"""

from __future__ import annotations


class RoadworthyError(Exception):
    """Something a person can act on; its text says what, where and what to do."""


class SettingsError(RoadworthyError):
    """The settings are wrong."""


class StoreError(RoadworthyError):
    """The database cannot be used as it is."""


class SchemaError(StoreError):
    """The database's schema is not this program's."""


class EstateError(StoreError):
    """A simulated estate where a real one is meant, or the other way round."""


class AddressError(RoadworthyError):
    """The address cannot be listened on."""


class NotFoundError(RoadworthyError):
    """There is nothing of that name or id, or not for whoever asks."""


class EnvelopeError(RoadworthyError):
    """A report is refused as a whole.

    `code` is one of the documented error codes, `field` the offending field if one can be named, `status` the
    HTTP status, `retry_after_seconds` set where trying again later can help.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.field = field
        self.retry_after_seconds = retry_after_seconds
