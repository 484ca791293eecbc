"""Relay mode: a collector that keeps what it accepts for another one, and forwards it or writes it to signed files."""
