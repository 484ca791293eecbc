"""`roadworthy dashboards`: render the boards, and check what is committed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Grafana dashboards: render them, check them.", no_args_is_help=True)
Folder = Annotated[
    Path | None, typer.Option("--folder", help="Folder of the rendered JSON.", show_default=False)
]


@app.command(epilog="Example: roadworthy dashboards render --folder /var/lib/grafana/dashboards")
def render(folder: Folder = None) -> None:
    """Write every board as JSON that Grafana provisions from files."""
    from roadworthy_dashboards.render import RENDERED, write

    target = folder or RENDERED
    try:
        paths = write(target)
    except OSError as error:
        typer.echo(
            f"roadworthy: {target}: cannot write the boards here: {error.strerror}; name another --folder",
            err=True,
        )
        raise typer.Exit(2) from None
    for path in paths:
        typer.echo(path)


@app.command(epilog="Example: roadworthy dashboards check")
def check(folder: Folder = None) -> None:
    """Say what is not current or asks for a metric there is not; end with 1 if anything is wrong."""
    from roadworthy_dashboards.render import RENDERED, faults

    found = faults(folder or RENDERED)
    for fault in found:
        typer.echo(fault, err=True)
    if found:
        raise typer.Exit(1)
    typer.echo("every board is current and asks only for metrics of the catalogue")
