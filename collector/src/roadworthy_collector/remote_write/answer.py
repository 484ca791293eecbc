"""What the receiver's answer to a request means.

    2xx                       taken
    400, 422                  these samples are not to be had; each request holds many, so what is wrong is searched for
    413                       too much in one request
    429, 5xx, no answer       later, and not before Retry-After
    any other status          the request as a whole is not to be had: wrong path, wrong token; never sent again

Some versions of Prometheus answer 500 to a sample that is too old. It would be sent for ever, so the text decides there.
Only with 400 and 500, and only plain text: a proxy's page (502, 503, 504, HTML) is no word of the receiver's.
https://prometheus.io/docs/specs/prw/remote_write_spec/#retries-backoff
"""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import NamedTuple

# What receivers say of samples older than they take (Prometheus, Mimir, Thanos).
_OUT_OF_ORDER = ("out of order", "out-of-order", "out of bounds", "out-of-bounds", "too old", "too-old")
_DUPLICATE = ("duplicate sample", "duplicate-timestamp", "new-value-for-timestamp")
_LONGEST_WAIT_SECONDS = 3600.0


class Verdict(Enum):
    """What is to be done with what was sent."""

    TAKEN = "taken"
    REFUSED = "refused"
    OUT_OF_ORDER = "out of order"  # refused, and so is all that is older
    TOO_LARGE = "too large"
    FAULTY = "faulty"
    LATER = "later"


class Answer(NamedTuple):
    """What a request came to. `code` is the HTTP status, `timeout` or `connection`; `said` the receiver's words."""

    verdict: Verdict
    code: str
    said: str = ""
    retry_after_seconds: float | None = None


def verdict_of(status: int, text: str, content_type: str | None = None) -> Verdict:
    """Return what an HTTP status, with the text beside it and that text's Content-Type, means for what was sent."""
    if 200 <= status < 300:
        return Verdict.TAKEN
    if status == 413:
        return Verdict.TOO_LARGE
    if status in {400, 500} and _is_plain(content_type):
        said = text.lower()
        if any(words in said for words in _OUT_OF_ORDER):
            return Verdict.OUT_OF_ORDER
        if any(words in said for words in _DUPLICATE):
            return Verdict.REFUSED
    if status in {400, 422}:
        return Verdict.REFUSED
    return Verdict.LATER if status == 429 or status >= 500 else Verdict.FAULTY


def _is_plain(content_type: str | None) -> bool:
    """Return whether a text is plain, or nobody says what it is."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    return kind in {"", "text/plain"}


def retry_after_seconds(value: str | None, now: float) -> float | None:
    """Return how long Retry-After asks to wait, an hour at most; None if it says nothing that can be read."""
    if value is None:
        return None
    try:
        seconds = float(int(value))
    except ValueError:
        try:
            when = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now
    return min(_LONGEST_WAIT_SECONDS, max(0.0, seconds))
