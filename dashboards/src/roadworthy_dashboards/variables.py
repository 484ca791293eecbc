"""The variables of the boards: what stands in the bar at their top."""

from __future__ import annotations

from collections.abc import Sequence

from roadworthy_dashboards.addresses import CONSOLE
from roadworthy_dashboards.sdk import common_model as model
from roadworthy_dashboards.sdk import dashboard
from roadworthy_dashboards.sdk import dashboard_model as board_model

# A variable of every board, so that a board works with whatever its Grafana calls the data source.
SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
_ALL = "$__all"

Variable = (
    dashboard.QueryVariable
    | dashboard.TextBoxVariable
    | dashboard.ConstantVariable
    | dashboard.DatasourceVariable
)


def datasource() -> dashboard.DatasourceVariable:
    """Return the choice of the Prometheus that is asked."""
    return dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")


def job(family: str = "roadworthy_estate_info") -> dashboard.QueryVariable:
    """Return the choice of the scrape jobs that have `family`; all of them unless somebody chooses."""
    return _many(_query("job", "Job", f"label_values({family}, job)"))


def several(name: str, label: str, family: str) -> dashboard.QueryVariable:
    """Return a choice of any of the values of the label `name` of a family; all of them unless somebody chooses.

    The matcher that goes with it is `name=~"$name"`.
    """
    return _many(_query(name, label, _values(name, family)))


def typed(name: str, label: str, description: str) -> dashboard.TextBoxVariable:
    """Return a box to type or paste a value in."""
    return dashboard.TextBoxVariable(name).label(label).description(description).default_value("")


def console() -> dashboard.ConstantVariable:
    """Return where the console is.

    A constant: a box would let a made-up address to a board carry links to wherever its maker likes. `roadworthy
    dashboards render --console` writes another one.
    """
    return dashboard.ConstantVariable("console").label("Console").value(CONSOLE)


def bar(extra: Sequence[Variable], job_family: str) -> list[Variable]:
    """Return the variables of a board in their order."""
    return [datasource(), job(job_family), *extra]


def _values(name: str, family: str) -> str:
    return f'label_values({family}{{job=~"$job"}}, {name})'


def _query(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .query(query)
        .datasource(SOURCE)
        .refresh(board_model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(board_model.VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
    )


def _many(variable: dashboard.QueryVariable) -> dashboard.QueryVariable:
    everything = board_model.VariableOption(selected=True, text=["All"], value=[_ALL])
    return variable.multi(True).include_all(True).all_value(".+").current(everything)
