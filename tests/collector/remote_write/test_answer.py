"""What a receiver's answer means."""

from __future__ import annotations

import pytest

from roadworthy_collector.remote_write.answer import Verdict, retry_after_seconds, verdict_of

NOW = 1_790_000_000.0


@pytest.mark.parametrize(
    ("status", "text", "verdict"),
    [
        (200, "", Verdict.TAKEN),
        (204, "", Verdict.TAKEN),
        (302, "", Verdict.FAULTY),
        (400, "out of order sample\n", Verdict.OUT_OF_ORDER),
        (400, "out of bounds", Verdict.OUT_OF_ORDER),
        (400, "the sample has been rejected (err-mimir-sample-timestamp-too-old)", Verdict.OUT_OF_ORDER),
        (400, "duplicate sample for timestamp", Verdict.REFUSED),
        (400, "invalid label", Verdict.REFUSED),
        (422, "", Verdict.REFUSED),
        (401, "", Verdict.FAULTY),
        (404, "out of order", Verdict.FAULTY),
        (413, "", Verdict.TOO_LARGE),
        (429, "out of order", Verdict.LATER),
        (500, "too old sample\n", Verdict.OUT_OF_ORDER),  # Prometheus 2.42 with a window
        (500, "duplicate sample for timestamp", Verdict.REFUSED),
        (500, "no space left on device", Verdict.LATER),
        (503, "", Verdict.LATER),
        (422, "out of order", Verdict.REFUSED),
        (502, "upstream says: too old sample", Verdict.LATER),  # a proxy's words
        (503, "duplicate sample for timestamp", Verdict.LATER),
        (504, "out of bounds", Verdict.LATER),
    ],
)
def test_an_answer_means_one_thing(status: int, text: str, verdict: Verdict) -> None:
    assert verdict_of(status, text) is verdict


@pytest.mark.parametrize(
    ("status", "kind", "verdict"),
    [
        (400, "text/plain; charset=utf-8", Verdict.OUT_OF_ORDER),
        (500, "Text/Plain", Verdict.OUT_OF_ORDER),
        (500, "", Verdict.OUT_OF_ORDER),
        (400, "text/html", Verdict.REFUSED),
        (500, "text/html; charset=utf-8", Verdict.LATER),
        (500, "application/json", Verdict.LATER),
    ],
)
def test_only_plain_words_are_the_receivers(status: int, kind: str, verdict: Verdict) -> None:
    assert verdict_of(status, "too old sample; your browser is too old", kind) is verdict


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        ("-5", 0.0),
        ("999999", 3600.0),
        ("Mon, 21 Sep 2026 14:13:30 GMT", 10.0),
        ("Mon, 21 Sep 2026 14:13:30 -0000", 10.0),
        ("Mon, 21 Sep 2026 13:00:00 GMT", 0.0),
        ("soon", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(value, NOW) == seconds
