"""Slows down guessing: failed sign-ins are counted per account and for the whole process."""

from __future__ import annotations

import threading
from collections import deque
from math import ceil

ACCOUNT_FAILURES, ACCOUNT_SECONDS = 10, 600.0
PROCESS_FAILURES, PROCESS_SECONDS = 100, 300.0
# A guesser may invent names: more than this many are never remembered.
_ACCOUNTS = 1000


class LoginLimiter:
    """Failures within a sliding window, in this process's memory; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accounts: dict[str, deque[float]] = {}
        self._process: deque[float] = deque()

    def wait_seconds(self, account: str, now: float) -> int:
        """Return how long this account has to wait before it may try again; 0 if it may now."""
        with self._lock:
            return max(
                _wait(self._accounts.get(_key(account), deque()), ACCOUNT_FAILURES, ACCOUNT_SECONDS, now),
                _wait(self._process, PROCESS_FAILURES, PROCESS_SECONDS, now),
            )

    def failed(self, account: str, now: float) -> None:
        """Count one failure."""
        with self._lock:
            if len(self._accounts) >= _ACCOUNTS:
                self._accounts.pop(next(iter(self._accounts)))
            self._accounts.setdefault(_key(account), deque(maxlen=ACCOUNT_FAILURES)).append(now)
            self._process.append(now)

    def succeeded(self, account: str) -> None:
        """Forget an account's failures."""
        with self._lock:
            self._accounts.pop(_key(account), None)


def _key(account: str) -> str:
    return account[:64].lower()


def _wait(failures: deque[float], allowed: int, window_seconds: float, now: float) -> int:
    while failures and failures[0] <= now - window_seconds:
        failures.popleft()
    return ceil(failures[0] + window_seconds - now) if len(failures) >= allowed else 0
