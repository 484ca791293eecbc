"""Keeps the facts."""
