"""Whole pence: spread so that parts add up, summed without making nothing into nought, written for people.

An amount is an `int` of pence, negative for credits. Reading amounts from cells is `importing.values.pence`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

PENCE_PER_POUND = 100


def spread(total_pence: int, weights: Sequence[int]) -> list[int]:
    """Divide `total_pence` by `weights` (whole, not negative) so that the parts sum to it exactly.

    Largest remainder: each part is within a penny of its exact share; of equal remainders the earlier gets the
    penny. A credit is spread as the mirror of its charge, so the two cancel part by part. Raises ValueError for
    negative weights or weights that are all nought.
    """
    whole = sum(weights)
    if whole <= 0 or min(weights) < 0:
        raise ValueError("weights are whole numbers, none negative and not all nought")
    size = abs(total_pence)
    parts = [size * weight // whole for weight in weights]
    left = size - sum(parts)
    by_remainder = sorted(range(len(weights)), key=lambda at: (-(size * weights[at] % whole), at))
    for at in by_remainder[:left]:
        parts[at] += 1
    return [-part for part in parts] if total_pence < 0 else parts


def total(amounts: Iterable[int]) -> int | None:
    """Return the sum of `amounts` in pence; None where there is none, because a sum of nothing is not nought."""
    found: int | None = None
    for amount in amounts:
        found = amount if found is None else found + amount
    return found


def round_pence(exact: Fraction) -> int:
    """Return `exact` pence as whole pence, half away from zero (as invoices round)."""
    size = (2 * abs(exact.numerator) + exact.denominator) // (2 * exact.denominator)
    return -size if exact < 0 else size


def pounds(pence: int) -> str:
    """Return pence as people write them: `-£1,234.50`."""
    whole, part = divmod(abs(pence), PENCE_PER_POUND)
    return f"{'-' if pence < 0 else ''}£{whole:,}.{part:02d}"
