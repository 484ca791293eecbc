"""How one gets from board to board and on to the console: with the time range and the variables kept."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from roadworthy_dashboards.sdk import dashboard
from roadworthy_dashboards.sdk import dashboard_model as model

TAG = "roadworthy"
# Who a board is for: a tag of the board, and a list in the bar of every board.
AUDIENCES: Mapping[str, str] = MappingProxyType(
    {
        "desktop-support": "Desktop support",
        "sustainability": "Sustainability",
        "replacement": "Replacement",
        "operations": "Operations",
    }
)
# Where a board is. They never change: bookmarks, runbooks and the console point at them.
UIDS: Mapping[str, str] = MappingProxyType(
    {
        "estate_overview": "roadworthy-estate",
        "slow_starts": "roadworthy-slow-starts",
        "one_device": "roadworthy-device",
        "legacy_and_ageing": "roadworthy-legacy",
        "cost_shares": "roadworthy-cost-shares",
        "carbon": "roadworthy-carbon",
        "power_and_ups": "roadworthy-power",
        "collector_health": "roadworthy-collector",
    }
)
Link = dict[str, object]
# What every board has: a link to another one takes it along.
_KEPT = "${__url_time_range}&${datasource:queryparam}&${job:queryparam}"


def board_links() -> list[dashboard.DashboardLink]:
    """Return the lists in the bar of a board: all boards, then those of each audience."""
    lists = {TAG: "All boards", **AUDIENCES}
    return [_list(title, tag) for tag, title in lists.items()]


def to_board(name: str, title: str, **variables: str) -> Link:
    """Return a data link to the board `name` (a key of UIDS), its variables set; time, data source and job are kept.

    `cell("Site")` and `label("site")` are what a variable is usually set to.
    """
    chosen = "".join(f"&var-{key}={value}" for key, value in variables.items())
    return _link(title, f"/d/{UIDS[name]}?{_KEPT}{chosen}")


def in_words(name: str, title: str) -> str:
    """Return a link to a board for the Markdown of a note, with the same kept.

    Without a slash before it, for nobody puts the sub-path of a Grafana before a link in a note.
    """
    return f"[{title}](d/{UIDS[name]}?{_KEPT})"


def to_console(path: str, title: str) -> Link:
    """Return a data link to a page of the console (`/devices?site=...`), opened beside the board.

    The board needs the variable `console`. It is put in as it stands: encoding it would break `http://`.
    """
    return {**_link(title, f"${{console:raw}}{path}"), "targetBlank": True}


def console_page(title: str, path: str) -> dashboard.DashboardLink:
    """Return a link in the bar of a board to a page of the console, opened beside it.

    The board needs the variable `console`, and those that stand in `path`.
    """
    return (
        dashboard.DashboardLink(title)
        .type(model.DashboardLinkType.LINK)
        .url(f"${{console:raw}}{path}")
        .icon("external link")
        .target_blank(True)
    )


def cell(column: str) -> str:
    """Return what stands in a column of the row that is clicked, by the title of the column."""
    return f'${{__data.fields["{column}"]:percentencode}}'


def label(name: str) -> str:
    """Return what a label of the series that is clicked says; the query has to leave it."""
    return f"${{__field.labels.{name}:percentencode}}"


def _list(title: str, tag: str) -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink(title)
        .type(model.DashboardLinkType.DASHBOARDS)
        .tags([tag])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
        .icon("dashboard")
    )


def _link(title: str, url: str) -> Link:
    return {"title": title, "url": url, "targetBlank": False}
