"""Draw every board into a folder: `python -m support.gallery FOLDER`, from tests/; `make gallery` does."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from roadworthy_dashboards.render import RENDERED
from support.browser import chromium
from support.gallery.panels import COLUMN_PIXELS, GAP, ROW_PIXELS, Asked, drawn
from support.scraped_demo import Scraped, filled, scraped_demo, variables_of

STYLE = f"""
body {{ margin: 0; background: #f4f5f5; font: 13px/1.35 Inter, "DejaVu Sans", sans-serif; color: #24292e; }}
header {{ padding: 10px 14px 4px; font-size: 17px; font-weight: 600; }}
header small {{ font-weight: 400; font-size: 12px; color: #5b6470; margin-left: 10px; }}
nav {{ padding: 0 14px 8px; color: #5b6470; font-size: 12px; }}
nav b {{ background: #fff; border: 1px solid #d5d9de; border-radius: 2px; padding: 2px 6px; margin-right: 10px; font-weight: 400; }}
main {{ position: relative; margin: 0 10px; width: {24 * COLUMN_PIXELS}px; }}
section, h2 {{ position: absolute; box-sizing: border-box; margin: 0; }}
h2 {{ font-size: 14px; font-weight: 600; padding: 8px 4px; }}
section {{ background: #fff; border: 1px solid #e0e4e8; border-radius: 2px; overflow: hidden; padding: 8px 10px; }}
h3 {{ margin: 0 0 6px; font-size: 12.5px; font-weight: 600; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }}
.nothing {{ color: #8a929b; text-align: center; margin-top: 12%; font-size: 15px; }}
.stat {{ display: flex; gap: 16px; height: calc(100% - 24px); align-items: center; justify-content: space-around; flex-wrap: wrap; }}
.stat div {{ text-align: center; }} .stat b {{ display: block; font-size: 25px; font-weight: 600; }}
.stat.many b {{ font-size: 17px; }} .stat small {{ color: #5b6470; font-size: 11px; }}
.bars {{ display: grid; grid-template-columns: minmax(60px, 34%) 1fr auto; gap: 3px 8px; align-items: center; }}
.bars span {{ overflow: hidden; white-space: nowrap; text-overflow: ellipsis; }}
.bars i {{ background: #eef0f2; height: 14px; }} .bars u {{ display: block; height: 14px; }} .bars b {{ text-align: right; font-weight: 500; }}
table {{ border-collapse: collapse; width: 100%; }} td, th {{ border-bottom: 1px solid #eef0f2; padding: 3px 7px; text-align: left; }}
th {{ color: #1f60c4; font-weight: 500; font-size: 12px; }} .n {{ text-align: right; font-variant-numeric: tabular-nums; }}
.link {{ color: #1f60c4; }}
"""


def page(board: Mapping[str, Any], scraped: Scraped, hours: int) -> str:
    """Return a board as a page of HTML."""
    variables = variables_of(board, scraped.prometheus) | {"__rate_interval": "1h", "__interval": "30m"}
    asked = Asked(
        scraped.prometheus,
        partial(filled, variables=variables),
        scraped.now - hours * 3600,
        scraped.now,
        1800,
    )
    body, bottom = [], 0
    for panel in opened(board["panels"]):
        place = panel["gridPos"]
        box = (
            f"left:{place['x'] * COLUMN_PIXELS}px;top:{place['y'] * ROW_PIXELS}px;"
            f"width:{place['w'] * COLUMN_PIXELS - GAP}px;height:{place['h'] * ROW_PIXELS - GAP}px"
        )
        bottom = max(bottom, (place["y"] + place["h"]) * ROW_PIXELS)
        title = escape(filled(panel.get("title", ""), variables))
        if panel["type"] == "row":
            body.append(f'<h2 style="{box}">\N{BLACK DOWN-POINTING SMALL TRIANGLE} {title}</h2>')
        else:
            body.append(f'<section style="{box}"><h3>{title}</h3>{drawn(panel, asked)}</section>')
    bar = [
        f"{escape(one.get('label') or one['name'])} <b>{escape(_chosen(one, variables))}</b>"
        for one in board["templating"]["list"]
        if not one.get("hide") and one["type"] != "constant"
    ]
    return (
        f"<!doctype html><meta charset=utf-8><style>{STYLE}</style><header>{escape(board['title'])}"
        f"<small>queries of the board, answered by Prometheus over a simulated IT estate</small></header>"
        f'<nav>{"".join(bar)}</nav><main style="height:{bottom}px">{"".join(body)}</main>'
    )


def opened(panels: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the panels with those of folded rows below their rows."""
    for panel in panels:
        yield panel
        yield from panel.get("panels") or ()


def _chosen(variable: Mapping[str, Any], variables: Mapping[str, str]) -> str:
    if variable["type"] == "datasource":
        return "Prometheus"
    return "All" if variable.get("includeAll") else variables.get(variable["name"], "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--devices", type=int, default=300)
    parser.add_argument("--hours", type=int, default=30)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as work,
        scraped_demo(
            Path(work),
            devices=given.devices,
            hours=given.hours,
            step_seconds=1800,
            crowd=False,
            recorded=True,
        ) as scraped,
        chromium() as browser,
    ):
        print(f"demo scraped after {time.monotonic() - began:.0f} s")  # noqa: T201 - a command
        view = browser.new_page(viewport={"width": 24 * COLUMN_PIXELS + 24, "height": 900})
        for path in sorted(RENDERED.glob("*.json")):
            view.set_content(page(json.loads(path.read_text("utf-8")), scraped, given.hours))
            target = given.folder / f"{path.stem}.png"
            view.screenshot(path=target, full_page=True)
            print(f"{target}: {target.stat().st_size // 1024} kB")  # noqa: T201 - a command


if __name__ == "__main__":
    main()
