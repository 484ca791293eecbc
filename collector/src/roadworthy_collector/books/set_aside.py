"""The rows an import set aside, as a file people put right and import by itself."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any, Protocol

from roadworthy_inventory.importing.problems import BadRow


class Corrected(Protocol):
    """An import that knows what its correction file looks like."""

    @property
    def correction_header(self) -> Sequence[str]: ...  # noqa: D102 - the class says it

    def correction_row(self, bad: BadRow, /) -> Sequence[Any]: ...  # noqa: D102 - the class says it


def correction_text(under_way: Corrected, bad: Sequence[BadRow]) -> str | None:
    """Return the correction file of rows that were set aside, in order of their lines; None where there are none."""
    if not bad:
        return None
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(under_way.correction_header)
    writer.writerows(under_way.correction_row(one) for one in sorted(bad, key=lambda one: one.line))
    return text.getvalue()
