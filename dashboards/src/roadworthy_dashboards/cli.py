"""`roadworthy dashboards`: render the boards, check and lint what is committed, carry it to a Grafana."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from roadworthy_dashboards.delivery import Step, Wanted
    from roadworthy_dashboards.push import Grafana

# Where people open the console: the one address all links to it are made of, as compose hands it over.
PUBLIC_URL = "ROADWORTHY_PUBLIC_URL"

app = typer.Typer(help="Grafana dashboards: render, check, lint and push them.", no_args_is_help=True)


class Format(StrEnum):
    """How an answer is printed."""

    text = "text"
    json = "json"


Folder = Annotated[
    Path | None, typer.Option("--folder", help="Folder of the rendered JSON.", show_default=False)
]
Console = Annotated[
    str | None,
    typer.Option(
        "--console",
        envvar=PUBLIC_URL,
        help="Address people open the console at, for links to it. [default: http://127.0.0.1:8470]",
        show_default=False,
    ),
]
Shape = Annotated[Format, typer.Option("--format", help="Text for people, or JSON.")]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        help="File with the service account's token that only you can read; without it GRAFANA_TOKEN is used.",
        show_default=False,
    ),
]
CaFile = Annotated[
    Path | None,
    typer.Option(
        "--ca-file", help="Certificates (PEM) to trust instead of the usual ones.", show_default=False
    ),
]
SourceUrl = Annotated[
    str | None,
    typer.Option(
        "--datasource-url",
        help="Where Grafana's server finds Prometheus; without it data sources are left alone.",
        show_default=False,
    ),
]
GrafanaFolder = Annotated[str, typer.Option("--folder", help="Title of Grafana's folder for the boards.")]


@app.command(epilog="Example: roadworthy dashboards render --folder /var/lib/grafana/dashboards")
def render(folder: Folder = None, console: Console = None) -> None:
    """Write every board as JSON that Grafana provisions from files."""
    from roadworthy_dashboards.render import RENDERED, write

    target = folder or RENDERED
    address = _console(console)
    try:
        paths = write(target, address)
    except OSError as error:
        _end(f"{target}: cannot write the boards here: {error.strerror}; name another --folder", 2)
    for path in paths:
        typer.echo(path)


@app.command(epilog="Example: roadworthy dashboards rules --folder /etc/prometheus/roadworthy")
def rules(
    folder: Annotated[Path, typer.Option("--folder", help="Where Prometheus looks for the rule files.")],
    runbooks: Annotated[
        str | None,
        typer.Option(
            "--runbooks",
            help="Address below which the runbooks are served, if not the console's: of a site with what --pages writes. "
            "[default: /runbooks below --console]",
            show_default=False,
        ),
    ] = None,
    console: Console = None,
    pages: Annotated[
        Path | None,
        typer.Option("--pages", help="Folder to write the runbooks to as well.", show_default=False),
    ] = None,
) -> None:
    """Write recording rules and alerts for Prometheus, with links to the runbooks where people open them."""
    from roadworthy_dashboards.addresses import below
    from roadworthy_dashboards.rules import RunbookAddressError, write

    try:
        paths = write(folder, runbooks or below(_console(console)), pages)
    except RunbookAddressError as error:
        _end(f"--runbooks: {error}", 2)
    except OSError as error:
        _end(f"{error.filename or folder}: cannot be written: {error.strerror}; name another folder", 2)
    for path in paths:
        typer.echo(path)


@app.command(
    epilog="Example: roadworthy dashboards check --url https://grafana.example --token-file grafana-token"
)
def check(
    folder: Folder = None,
    console: Console = None,
    url: Annotated[
        str | None, typer.Option("--url", help="Compare with this Grafana instead.", show_default=False)
    ] = None,
    grafana_folder: Annotated[
        str, typer.Option("--grafana-folder", help="With --url: title of Grafana's folder.")
    ] = "Roadworthy",
    token_file: TokenFile = None,
    datasource_url: SourceUrl = None,
    ca_file: CaFile = None,
    shape: Shape = Format.text,
) -> None:
    """Say what is not current or asks for a metric there is not; with --url, where a Grafana has drifted.

    Ends with 1 if anything is wrong. With --url: for Grafana 11 to 13; not run against a live Grafana.
    """
    if url is not None:
        wanted = _wanted(grafana_folder, datasource_url, console)
        steps = _deliver(url, token_file, ca_file, wanted, dry_run=True, shape=shape, looking=True)
        raise typer.Exit(1 if any(step.state != "there" for step in steps) else 0)
    from roadworthy_dashboards.render import RENDERED, faults

    found = faults(folder or RENDERED, _console(console))
    if shape is Format.json:
        typer.echo(json.dumps({"faults": found}, indent=2))
    for fault in found if shape is Format.text else ():
        typer.echo(fault, err=True)
    if found:
        raise typer.Exit(1)
    if shape is Format.text:
        typer.echo("every board is current and asks only for metrics of the catalogue")


@app.command(epilog="Example: roadworthy dashboards lint --format json my-boards/")
def lint(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Boards (.json), rule files (.yaml) or folders; without any, those that come with this."
        ),
    ] = None,
    shape: Shape = Format.text,
) -> None:
    """Check boards and rule files: queries, metrics and labels, units, descriptions, variables, alerts, runbooks.

    Ends with 1 if anything is found, with 2 if a file cannot be checked.
    """
    from roadworthy_dashboards.lint.findings import LintError
    from roadworthy_dashboards.lint.run import lint as run

    try:
        result = run(paths or ())
    except LintError as error:
        _end(str(error), 2)
    if shape is Format.json:
        body = {
            "boards": result.boards,
            "rules": result.rules,
            "excluded": result.excluded,
            "findings": [finding.as_dict() for finding in result.findings],
        }
        typer.echo(json.dumps(body, indent=2, ensure_ascii=False))
    else:
        for finding in result.findings:
            typer.echo(finding)
        typer.echo(
            f"{len(result.findings)} findings in {result.boards} boards and {result.rules} rules; "
            f"{result.excluded} let pass, for the reasons in exclusions.toml",
            err=True,
        )
    raise typer.Exit(1 if result.findings else 0)


@app.command(
    epilog="Example: roadworthy dashboards push --url https://grafana.example --token-file grafana-token"
)
def push(
    *,
    url: Annotated[str, typer.Option("--url", help="Grafana's address, with its sub-path if it has one.")],
    token_file: TokenFile = None,
    folder: GrafanaFolder = "Roadworthy",
    datasource_url: SourceUrl = None,
    console: Console = None,
    ca_file: CaFile = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.")
    ] = False,
    shape: Shape = Format.text,
) -> None:
    """Create or bring up to date folder, data source and boards in a Grafana; what is as it should be is left alone.

    For Grafana 11 to 13; not run against a live Grafana. Ends with 2 for a wrong token or address, 3 if Grafana does not
    answer, 4 if it refuses.
    """
    wanted = _wanted(folder, datasource_url, console)
    _deliver(url, token_file, ca_file, wanted, dry_run=dry_run, shape=shape, looking=False)


def _wanted(folder: str, datasource_url: str | None, console: str | None) -> Wanted:
    from roadworthy_dashboards.delivery import Wanted
    from roadworthy_dashboards.render import rendered

    if datasource_url and not re.fullmatch(r"https?://[^\s@]+", datasource_url):
        _end("--datasource-url: write http://prometheus:9090, without a name or password in it", 2)
    boards = [json.loads(text) for text in rendered(_console(console)).values()]
    return Wanted(folder, boards, datasource_url or "")


def _deliver(
    url: str,
    token_file: Path | None,
    ca_file: Path | None,
    wanted: Wanted,
    *,
    dry_run: bool,
    shape: Format,
    looking: bool,
) -> list[Step]:
    """Go through folder, data source and boards, print each, and return them; end the program at an error."""
    from roadworthy_dashboards.delivery import push, read_token
    from roadworthy_dashboards.push import Grafana
    from roadworthy_dashboards.push_errors import PushError

    done: list[Step] = []
    try:
        with Grafana(url, read_token(token_file), ca_file=ca_file) as grafana:
            _warn_of_version(grafana)
            for step in push(grafana, wanted, dry_run=dry_run):
                done.append(step)
                if shape is Format.text:
                    typer.echo(_line(step, dry_run=dry_run, looking=looking))
    except PushError as error:
        if shape is Format.json:
            _print_steps(done)
        _end(str(error), error.code)
    if shape is Format.json:
        _print_steps(done)
    return done


def _warn_of_version(grafana: Grafana) -> None:
    from roadworthy_dashboards.push import MAJORS

    version = grafana.version()
    major = version.partition(".")[0]
    if major.isdecimal() and int(major) not in MAJORS:
        typer.echo(f"roadworthy: written for Grafana 11 to 13, and this is {version}", err=True)


def _line(step: Step, *, dry_run: bool, looking: bool) -> str:
    words = {"there": "unchanged", "missing": "created", "differs": "changed"}
    if looking:
        words = {"there": "as it should be", "missing": "missing", "differs": "differs"}
    elif dry_run:
        words |= {"missing": "would be created", "differs": "would be changed"}
    what = f" ({step.what})" if step.what else ""
    return f"{step.kind} {step.uid}: {words[step.state]}{what}"


def _print_steps(steps: Sequence[Step]) -> None:
    typer.echo(json.dumps([step.as_dict() for step in steps], indent=2, ensure_ascii=False))


def _console(address: str | None) -> str:
    from roadworthy_dashboards.addresses import CONSOLE

    if address is None:
        return CONSOLE
    if not re.fullmatch(r"https?://[^\s@?#]+", address):
        words = "write https://roadworthy.example, without a name, a password or a question in it"
        _end(f"--console (or {PUBLIC_URL}): {words}", 2)
    return address.rstrip("/")


def _end(words: str, code: int) -> NoReturn:
    typer.echo(f"roadworthy: {words}", err=True)
    raise typer.Exit(code)
