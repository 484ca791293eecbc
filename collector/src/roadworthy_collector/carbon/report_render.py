"""One content in five forms: PDF, XLSX, CSV, JSON, HTML. A serving process asks a child for those that draw."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from roadworthy_collector.books.sheets import About, as_at, csv_pieces
from roadworthy_collector.carbon.report_shown import STATE_WORDS, Frame, shown, watermark
from roadworthy_collector.errors import RoadworthyError
from roadworthy_inventory.importing.problems import neutralised

Form = Literal["pdf", "xlsx", "csv", "json", "html"]
FORMS: tuple[Form, ...] = ("pdf", "xlsx", "csv", "json", "html")
MEDIA_TYPES: Mapping[Form, str] = {
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "html": "text/html; charset=utf-8",
}
DRAWN: tuple[Form, ...] = ("pdf", "html")
_CHILD_SECONDS = 120.0
_MOST_INPUT = 64 * 1024 * 1024
_CSV_HEADER = ("table", "row", "item", "column", "value")


def file_name(content: Mapping[str, Any], frame: Frame, form: Form) -> str:
    """Return what a report's file is called."""
    number = "" if frame.number is None else f"-{frame.number}"
    return f"roadworthy-{content['kind']}-{content['began']}{number}.{form}"


def rendered(content: Mapping[str, Any], frame: Frame, form: Form) -> bytes:
    """Return the report in a form; PDF and HTML load the drawing library here."""
    if form == "json":
        return _json(content, frame)
    if form == "csv":
        return b"".join(csv_pieces(_CSV_HEADER, _csv_rows(content, frame), about(content, frame)))
    if form == "xlsx":
        from roadworthy_collector.carbon import report_xlsx

        target = io.BytesIO()
        report_xlsx.write(target, content, frame)
        return target.getvalue()
    if form == "html":
        return _html(content, frame)
    from roadworthy_collector.carbon import report_pdf

    return report_pdf.pdf(content, frame)


def about(content: Mapping[str, Any], frame: Frame) -> About:
    """Return what stands above the rows of a file."""
    mark = watermark(content, frame)
    state = f"{mark}; {STATE_WORDS[frame.state]}" if mark else STATE_WORDS[frame.state]
    said = "; ".join(
        f"{one['what']}: {one['unit'] if one['count'] is None else f'''{one['count']:,} {one['unit']}'''}"
        for one in content["exclusions"]
    )
    return About(
        f"{content['title']}, {content['year']}", as_at(content["made_at"]), state, said, frame.marking
    )


def _json(content: Mapping[str, Any], frame: Frame) -> bytes:
    told = {
        "protective_marking": frame.marking,
        "state": frame.state,
        "watermark": watermark(content, frame),
        "report": frame.number,
        "steps": list(frame.steps),
        "restates": frame.restates,
        **content,
    }
    return json.dumps(told, indent=2, ensure_ascii=False).encode() + b"\n"


def _csv_rows(content: Mapping[str, Any], frame: Frame) -> Iterator[tuple[Any, ...]]:
    """Yield every figure, cell, factor, exclusion and step as a row of its own."""
    for number, one in enumerate(content["figures"], 1):
        for column in ("value", "low", "high"):
            if one[column] is not None:
                yield ("figures", number, neutralised(f"{one['title']}, {one['unit']}"), column, one[column])
    for table in content["tables"]:
        yield from _csv_table(table)
    for number, row in enumerate(shown(content, frame)["factors"], 1):
        names = ("set", "days", "value", "unit", "status", "source")
        for name, value in zip(names, row[1:], strict=True):
            yield ("factors", number, neutralised(row[0]), name, neutralised(value))
    for number, row in enumerate(shown(content, frame)["steps"], 1):
        yield ("sign-off", number, row[0], neutralised(row[1]), neutralised(row[2]))


def _csv_table(table: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    columns = table["columns"]
    rows = [*table["rows"], *([table["total"]] if table["total"] else [])]
    for number, row in enumerate(rows, 1):
        item = neutralised(str(row.get(columns[0]["name"]) or ""))
        for column in columns[1:]:
            value = row.get(column["name"])
            if value is not None:
                plain = neutralised(value) if isinstance(value, str) else value
                yield (table["name"], number, item, column["title"], plain)


@lru_cache(maxsize=1)
def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")


def _html(content: Mapping[str, Any], frame: Frame) -> bytes:
    from roadworthy_collector.carbon import report_charts

    pictures = {
        name: "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
        for name, svg in report_charts.all_of(content).items()
    }
    text: str = _template().render(d=shown(content, frame), pictures=pictures)
    return text.encode()


def by_child(content: Mapping[str, Any], frame: Frame, form: Form) -> bytes:
    """Return the report as `rendered` does, drawn by a child: a serving process never loads the drawing library."""
    if form not in DRAWN:
        return rendered(content, frame, form)
    told = {
        "form": form,
        "content": content,
        "frame": {
            "marking": frame.marking,
            "state": frame.state,
            "number": frame.number,
            "steps": list(frame.steps),
            "restates": frame.restates,
        },
    }
    command = [sys.executable, "-m", __spec__.name]
    try:
        done = subprocess.run(  # noqa: S603 - this very program, nothing of a caller's in its arguments
            command, input=json.dumps(told).encode(), capture_output=True, timeout=_CHILD_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise RoadworthyError(f"the report was not drawn within {_CHILD_SECONDS:.0f} seconds") from None
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise RoadworthyError(f"the report cannot be drawn: {said[-1] if said else 'the child ended'}")
    return done.stdout


def pdf_by_child(content: Mapping[str, Any], frame: Frame) -> bytes:
    """Return the PDF, drawn by a child."""
    return by_child(content, frame, "pdf")


def draw_for_parent() -> int:
    """Draw what the parent asks for on standard input; answer on standard output."""
    told = json.loads(sys.stdin.buffer.read(_MOST_INPUT))
    try:
        found = rendered(told["content"], Frame(**told["frame"]), told["form"])
    except RoadworthyError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.buffer.write(found)
    return 0


if __name__ == "__main__":
    sys.exit(draw_for_parent())
