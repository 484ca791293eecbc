"""The books of an IT estate: pure functions over dated, sourced tables, and no I/O but reading those."""

__version__ = "0.1.0"
