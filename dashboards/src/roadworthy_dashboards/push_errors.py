"""What can go wrong with a Grafana.

    PushError
    ├── TokenError            no token, or a file others can read
    ├── BadUrlError           the address, or the file of certificates
    ├── UnreachableError      nobody answers
    │   ├── TlsError          no TLS there, or a certificate that is not trusted
    │   ├── TimedOutError     no answer in time
    │   └── BrokenError       5xx
    ├── BadAnswerError        what answers is no Grafana
    └── RefusedError          4xx
        ├── UnknownTokenError 401
        ├── ForbiddenError    403
        ├── NotFoundError     404
        ├── ConflictError     409, or what a file provides
        └── ChangedError      412

Every text says what, where, and what to do; `code` is what the command ends with.
"""

from __future__ import annotations


class PushError(Exception):
    """Something about pushing or comparing; `code` is the exit code: what was asked for is wrong."""

    code = 2


class TokenError(PushError):
    """There is no token, or others can read it."""


class BadUrlError(PushError):
    """The address is none a token may be sent to."""


class UnreachableError(PushError):
    """Grafana does not answer; trying again later may help."""

    code = 3


class TlsError(UnreachableError):
    """What answers speaks no TLS, or its certificate is not trusted."""


class TimedOutError(UnreachableError):
    """No answer in time."""


class BrokenError(UnreachableError):
    """Grafana answered that it failed itself."""


class BadAnswerError(PushError):
    """What answers is no Grafana, or one this was not written for."""

    code = 4


class RefusedError(PushError):
    """Grafana refuses; the same again will be refused again."""

    code = 4


class UnknownTokenError(RefusedError):
    """401."""


class ForbiddenError(RefusedError):
    """403."""


class NotFoundError(RefusedError):
    """404."""


class ConflictError(RefusedError):
    """409, or what is there comes from a file."""


class ChangedError(RefusedError):
    """412."""


_TODO: dict[int, tuple[type[RefusedError], str]] = {
    401: (UnknownTokenError, "the token is not known or has ended; make a new one for the service account"),
    403: (ForbiddenError, "the token may not; docs/dashboards.md lists the rights it needs"),
    404: (NotFoundError, "there is nothing there; does --url have Grafana's sub-path?"),
    409: (ConflictError, "another one has this name; rename that one, or use what is there"),
    412: (ChangedError, "somebody else changed it, or took its name; look at it in Grafana and push again"),
    429: (RefusedError, "too many requests; try again later"),
}


def refusal(url: str, doing: str, status: int, said: str) -> PushError:
    """Return the error for an answer of 400 and above: `doing` is what was tried, `said` Grafana's own words."""
    text = f"{url}: could not {doing}: it answers {status}"
    text += f" ({said})" if said else ""
    if status >= 500:
        return BrokenError(f"{text}; look at its log, and try again later")
    kind, todo = _TODO.get(
        status, (RefusedError, "what was sent is not to its liking; is it Grafana 11 to 13?")
    )
    return kind(f"{text}; {todo}")
