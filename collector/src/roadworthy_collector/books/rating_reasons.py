"""Which ratings have a reason: by the rule met, whether it counts or an exception takes it out, and what it asks for.

Reasons are kept as compact JSON with its keys in order: "rating" right before "rule" in a reason that counts, and
"returns_on" between them in one that an exception takes out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, not_, or_

from roadworthy_inventory.rating_measures import ACTION, ATTENTION

ASKING = (ACTION, ATTENTION)  # what a rule that is met may ask for


def by_rule(
    table: Any, *, rule: str = "", not_judged: str = "", excepted: str = "", asks: str = ""
) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions that `rule` was met, or `not_judged` was not judged; empty means any.

    `excepted`: yes where an exception takes the reason of the rule out (or any reason), no where none does. `asks`: one of
    ASKING, of a reason that counts.
    """
    met, wanted = cast(table.c.reasons, Text), f'"rule":{json.dumps(rule)}'
    counts = or_(
        *(
            met.contains(f'"rating":{json.dumps(word)},{wanted if rule else ""}', autoescape=True)
            for word in ASKING
            if asks in {"", word}
        )
    )
    if rule:
        yield met.contains(wanted, autoescape=True)
    if rule and excepted:
        yield not_(counts) if excepted == "yes" else counts
    elif excepted:
        yield table.c.excepted > 0 if excepted == "yes" else table.c.excepted == 0
    if asks:
        yield counts
    if not_judged:
        yield cast(table.c.not_judged, Text).contains(f"{json.dumps(not_judged)}:", autoescape=True)
