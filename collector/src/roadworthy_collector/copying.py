"""How far a long copy is, on stderr: a moving bar at a terminal, else a line now and then for a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from roadworthy_collector.store.backup import Progress

LINE_SECONDS = 10.0
_MEGABYTE = 1_000_000


@contextmanager
def progress_on_stderr(
    stream: TextIO | None = None, *, monotonic: Callable[[], float] = time.monotonic
) -> Iterator[Progress]:
    """Yield what `backup` calls; what takes less than LINE_SECONDS says nothing outside a terminal."""
    stream = stream or sys.stderr
    if stream.isatty():
        with _bar(stream) as progress:
            yield progress
    else:
        yield _lines(stream, monotonic)


def _lines(stream: TextIO, monotonic: Callable[[], float]) -> Progress:
    said = monotonic()

    def progress(copied_bytes: int, all_bytes: int | None) -> None:
        nonlocal said
        if monotonic() - said < LINE_SECONDS:
            return
        said = monotonic()
        of = "" if all_bytes is None else f" of {all_bytes // _MEGABYTE}"
        print(f"roadworthy: {copied_bytes // _MEGABYTE}{of} MB copied", file=stream, flush=True)

    return progress


@contextmanager
def _bar(stream: TextIO) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("copying"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(file=stream), transient=True) as bar:
        task = bar.add_task("copying", total=None)
        yield lambda copied_bytes, all_bytes: bar.update(task, completed=copied_bytes, total=all_bytes)
