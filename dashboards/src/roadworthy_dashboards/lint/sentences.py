"""Whether a text a person reads is made of sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator

_ENDS = (".", "?", "!")
_NOT_DONE = re.compile(r"\b(?:TODO|TBD|FIXME|XXX)\b")
# A word in small letters after a full stop: two halves of a sentence, or a full stop too many. `e.g. so` is none.
_BROKEN = re.compile(r"(?<!e\.g)(?<!i\.e)(?<!etc)(?<!\.\.)[.?!] +([a-z]\S*)")


def unfinished(text: str) -> Iterator[str]:
    """Yield what keeps a text from being sentences, as words that go on from "its description"; nothing for no text."""
    said = text.strip()
    if not said:
        return
    if not said.endswith(_ENDS):
        yield "does not end as a sentence"
    if _NOT_DONE.search(said):
        yield "is not finished"
    for word in _BROKEN.findall(said):
        # A word of the metrics, or one that is explained, keeps its small letters.
        if "_" not in word and not word.endswith(":"):
            yield f"has a sentence that begins with {word!r}"
