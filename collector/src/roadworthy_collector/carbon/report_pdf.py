"""A report as a tagged PDF (PDF/A-2a and PDF/UA-1), by typst from `report.typ` and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from roadworthy_collector.carbon.report_shown import Frame, shown
from roadworthy_collector.errors import RoadworthyError

_TEMPLATE = Path(__file__).with_name("report.typ")
STANDARDS = ("a-2a", "ua-1")


def _compiled(content: Mapping[str, Any], frame: Frame, **how: Any) -> Any:
    # Here, because drawing costs a process 135 MB it may never need.
    import typst

    from roadworthy_collector.carbon import report_charts

    files = {"main.typ": _TEMPLATE.read_bytes()}
    files |= {f"chart-{name}.svg": svg.encode() for name, svg in report_charts.all_of(content).items()}
    try:
        return typst.compile(
            files,
            sys_inputs={"content": json.dumps(shown(content, frame))},
            timestamp=datetime.fromtimestamp(content["made_at"], UTC),
            ignore_system_fonts=True,  # so that a report looks the same wherever it is made
            **how,
        )
    except typst.TypstError as error:
        raise RoadworthyError(f"the report cannot be set as a PDF: {error}") from None


def pdf(content: Mapping[str, Any], frame: Frame) -> bytes:
    """Return the PDF; the same content and frame give the same bytes."""
    found = _compiled(content, frame, format="pdf", pdf_standards=list(STANDARDS))
    assert isinstance(found, bytes)  # noqa: S101 - one file where there is one document
    return found


def pictures(content: Mapping[str, Any], frame: Frame, *, dots_per_inch: float = 96.0) -> list[bytes]:
    """Return every page as a PNG, to look at."""
    found = _compiled(content, frame, format="png", ppi=dots_per_inch)
    return [found] if isinstance(found, bytes) else list(found)
