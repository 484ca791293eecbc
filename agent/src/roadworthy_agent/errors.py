"""What can go wrong, as one small tree.

AgentError
├── SettingsError       the settings are wrong; permanent until somebody edits them
├── StateError          the state folder cannot be used as it is
│   └── HeldError       another agent runs with it
├── KeyFileError        the enrolment key cannot be used as it is
├── ServiceError        the service cannot be installed or removed
├── RecordError         a recording cannot be made
├── ProbeError          one probe cannot make sense of what it read; becomes its status, ends nothing else
├── TransportError      no answer came: network, TLS, a broken reply; worth trying again
└── AnswerError         the collector answered with an error; carries its code and whether trying again can help
"""

from __future__ import annotations


class AgentError(Exception):
    """Something a person can act on; its text says what, where and what to do."""


class SettingsError(AgentError):
    """The settings are wrong."""


class StateError(AgentError):
    """The state folder cannot be used as it is."""


class HeldError(StateError):
    """Another agent runs with this state folder."""


class KeyFileError(AgentError):
    """The enrolment key cannot be used as it is."""


class ServiceError(AgentError):
    """The service cannot be installed, removed or run."""


class RecordError(AgentError):
    """A recording cannot be made."""


class ProbeError(AgentError):
    """One probe cannot make sense of what it read."""


class TransportError(AgentError):
    """No answer came; trying again later may help."""


class AnswerError(AgentError):
    """The collector answered with an error.

    `code` is one of the documented codes (`http_<status>` where the answer is not one of ours), `field` the
    offending field where one was named, `retry_after_seconds` what Retry-After said.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.field = field
        self.retry_after_seconds = retry_after_seconds
