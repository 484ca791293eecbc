"""What the first request would otherwise wait for, made once the process answers: templates and the API's document.

Compiled on the way they cost that request a quarter of a second. They are made in a thread, piece by piece with rests
between, so that what is asked meanwhile waits no longer than the interpreter takes to switch threads.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable

# Whoever has waited for readiness asks at once, and is not to share the interpreter with this.
_FIRST_SECONDS = 0.5

_log = logging.getLogger(__name__)


class Warming:
    """Does `pieces` of work one after the other in the background; each takes milliseconds and is no loss if left out."""

    def __init__(
        self,
        pieces: Callable[[], Iterable[float]],
        *,
        first_seconds: float = _FIRST_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what yields after each piece how many seconds to rest at least; it is called in the thread.

        That is `first_seconds` after `begin`.
        """
        self._pieces = pieces
        self._first_seconds = first_seconds
        self._monotonic = monotonic
        self._stop = threading.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Begin, in the event loop; what fails is logged and leaves the rest to the requests."""
        self._task = asyncio.create_task(asyncio.to_thread(self._run))
        self._task.add_done_callback(_say)

    async def end(self) -> None:
        """Wait for the piece that is being made, and make no other."""
        self._stop.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    def _run(self) -> None:
        if self._stop.wait(self._first_seconds):
            return
        began = self._monotonic()
        for rest_seconds in self._pieces():
            if self._stop.wait(max(rest_seconds, self._monotonic() - began)):  # as long as it took
                return
            began = self._monotonic()


def _say(task: asyncio.Task[None]) -> None:
    """Log what made the work fail: a page that needs it will say the same to whoever asks for it."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("what pages need could not be made ready beforehand: %s", error, exc_info=error)
