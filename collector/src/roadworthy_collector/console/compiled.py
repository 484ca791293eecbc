"""Keeps compiled templates where Python keeps compiled modules, in `__pycache__`, and for the same reason.

To compile all of them takes a second, once a process. Where that folder cannot be written nothing is kept.
"""

from __future__ import annotations

import hashlib
import sys
from contextlib import suppress
from functools import cached_property
from importlib.util import cache_from_source
from pathlib import Path

import jinja2
from jinja2.bccache import Bucket

from roadworthy_collector import __version__
from roadworthy_collector.console import present

_HERE = Path(__file__).parent


class Compiled(jinja2.FileSystemBytecodeCache):
    """Compiled templates beside the compiled modules of `sources`, which say how a template is compiled."""

    def __init__(self, *sources: Path) -> None:
        """Take the modules that make the environment; `present` is what values in the text of a template go through."""
        beside = Path(cache_from_source(str(_HERE / "template.py")))
        super().__init__(str(beside.parent), f"{beside.stem}-%s.jinja")
        self._sources = (*sources, Path(present.__file__))

    @cached_property
    def _compiler(self) -> str:
        told = hashlib.sha256(f"{__version__} {jinja2.__version__}".encode())
        for source in self._sources:
            told.update(source.read_bytes())
        return told.hexdigest()

    def get_source_checksum(self, source: str) -> str:
        """Return what differs whenever the compiled template would: Jinja's own knows the template's text alone."""
        return hashlib.sha256(f"{self._compiler} {source}".encode()).hexdigest()

    def load_bytecode(self, bucket: Bucket) -> None:
        """Load a compiled template into `bucket`, if it is there and can be read."""
        with suppress(OSError):
            super().load_bytecode(bucket)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a compiled template, if Python keeps compiled modules and the folder can be written."""
        if not sys.dont_write_bytecode:
            with suppress(OSError):
                super().dump_bytecode(bucket)
