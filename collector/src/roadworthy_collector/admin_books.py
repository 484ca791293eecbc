"""Commands about reconciliation and ratings."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from roadworthy_collector.command_support import (
    ConfigFile,
    Format,
    connected,
    show,
    stored,
)
from roadworthy_collector.errors import RoadworthyError

reconcile = typer.Typer(
    help="Register, MDM export and agents brought together: run, gaps, review, decide.", no_args_is_help=True
)
ratings = typer.Typer(help="Ratings: run, list, why; and their rules.", no_args_is_help=True)
rules = typer.Typer(help="The rules of the rating: show, try, save.", no_args_is_help=True)
ratings.add_typer(rules, name="rules")
_ACTOR = "command line"
_LONGEST_FILE_BYTES = 1 << 20
_IN_GAP = (
    "id", "state", "tag", "serial", "kind", "model", "lifecycle_state", "hostname", "device_id", "mdm_name",
    "mdm_serial", "unit", "site", "last_report_at",
)  # fmt: skip
_Limit = Annotated[int, typer.Option(min=1, max=100_000, help="Rows at most.")]


def add_to(app: typer.Typer) -> None:
    """Register these commands on `app`."""
    app.add_typer(reconcile, name="reconcile")
    app.add_typer(ratings, name="ratings")


def _share(pair: list[int]) -> str:
    return f"{pair[0]:,} of {pair[1]:,}" + (f" ({pair[0] / pair[1]:.1%})" if pair[1] else "")


def _waterfall(found: dict[str, Any]) -> list[dict[str, Any]]:
    from roadworthy_collector.books.waterfall import waterfall

    told = {(place, state): count for place, state, count in found["counts"]}
    return [step._asdict() for step in waterfall(told, with_mdm=found["mdm_batch"] is not None)]


def _with_agent(found: dict[str, Any]) -> int:
    from roadworthy_collector.books.waterfall import with_agent

    return with_agent({(place, state): count for place, state, count in found["counts"]})


@reconcile.command("run", epilog="Example: roadworthy reconcile run")
def run_reconciliation(config: ConfigFile = None, output: Format = "table") -> None:
    """Bring register, newest MDM export and agents together now; the jobs process does it hourly."""
    from roadworthy_collector.books.reconciling import reconcile_now
    from roadworthy_collector.jobs.work import Work

    with stored(config) as (settings, engine):
        found = reconcile_now(Work(engine, settings, rests=False))
    if output == "json":
        typer.echo(json.dumps(found, indent=2))
        return
    steps = _waterfall(found)
    if output == "table":
        steps = [
            step | {"share": None if step["share"] is None else f"{step['share']:.1%}"} for step in steps
        ]
    show(steps, output)
    typer.echo(f"with an agent, in the MDM export or not: {_share([_with_agent(found), steps[0]['items']])}")
    typer.echo(f"register items matched: {_share(found['match_rate'])}")
    typer.echo(f"agents matched: {_share(found['device_rate'])}")
    typer.echo(
        "the rows: roadworthy reconcile gaps PLACE; what waits for a person: roadworthy reconcile review"
    )


@reconcile.command("gaps", epilog="Example: roadworthy reconcile gaps no_agent")
def list_gap(
    place: Annotated[
        Literal[
            "not_in_mdm",
            "no_agent",
            "silent",
            "reporting",
            "ghost",
            "register",
            "in_mdm",
            "with_both",
            "with_agent",
            "reporting_this_week",
            "mdm",
            "agents",
            "former",
        ],
        typer.Argument(
            help="Where the records stand (ghost: not in the register), or which sum is to be listed."
        ),
    ],
    config: ConfigFile = None,
    state: Annotated[
        Literal["matched", "undecided", "orphan", "agent", "mdm", "both"] | None,
        typer.Option(help="Only those; the last three are of ghosts."),
    ] = None,
    limit: _Limit = 1000,
    output: Format = "table",
) -> None:
    """List the records behind a gap, without those at restricted sites."""
    from roadworthy_collector.books import lists

    with stored(config) as (_, engine), engine.connect() as connection:
        page = lists.gap(connection, place, state=state or "", limit=limit)
    rows = [{name: row[name] for name in _IN_GAP} for row in page.rows]
    empty = {name for name in _IN_GAP if output == "table" and all(row[name] is None for row in rows)}
    show([{name: value for name, value in row.items() if name not in empty} for row in rows], output)
    if page.next is not None:
        typer.echo(f"the first {limit:,} only; ask for more with --limit", err=True)


@reconcile.command("review", epilog="Example: roadworthy reconcile review")
def list_review(config: ConfigFile = None, limit: _Limit = 100, output: Format = "table") -> None:
    """List the pairs that agree in one key only, or compete: for a person to decide."""
    from roadworthy_collector.books import lists

    with stored(config) as (_, engine), engine.connect() as connection:
        page = lists.gap(connection, "review", limit=limit)
    rows = [
        {
            "id": row["id"],
            "why": row["state"],
            "one": "; ".join(f"{end['side']}: {end['said']}" for end in row["ends"][0]),
            "other": "; ".join(f"{end['side']}: {end['said']}" for end in row["ends"][1]),
            "agree": ", ".join(row["detail"]["agreed"]),
            "contradict": ", ".join(row["detail"]["contradicting"]),
        }
        for row in page.rows
    ]
    show(rows, output)


@reconcile.command("decide", epilog="Example: roadworthy reconcile decide 1234 --same")
def decide_pair(
    pair: Annotated[int, typer.Argument(help="Its id in `roadworthy reconcile review`.")],
    config: ConfigFile = None,
    *,
    same: Annotated[bool, typer.Option("--same/--different", help="One machine, or two.")],
) -> None:
    """Say whether two records are one machine; it holds in every reconciliation from now on, and is audited."""
    from roadworthy_collector.books import reviewing

    with connected(config) as connection:
        pairs = reviewing.decide(connection, pair, same=same, now=int(time.time()), actor=_ACTOR)
    for one, other in pairs:
        typer.echo(f"{one} and {other}: {'one machine' if same else 'not the same'}")


@reconcile.command("decisions", epilog="Example: roadworthy reconcile decisions")
def list_decisions(config: ConfigFile = None, output: Format = "table") -> None:
    """List what people decided."""
    from roadworthy_collector.books import reviewing

    with stored(config) as (_, engine), engine.connect() as connection:
        show(reviewing.list_decisions(connection), output)


@reconcile.command("withdraw", epilog="Example: roadworthy reconcile withdraw agent:rwd_... register:12")
def withdraw_decision(
    one: Annotated[str, typer.Argument(help="As `roadworthy reconcile decisions` names it.")],
    other: Annotated[str, typer.Argument(help="The other record.")],
    config: ConfigFile = None,
) -> None:
    """Forget a decision; the pair goes by its keys again."""
    from roadworthy_collector.books import reviewing

    with connected(config) as connection:
        reviewing.withdraw(connection, one, other, now=int(time.time()), actor=_ACTOR)


@ratings.command("run", epilog="Example: roadworthy ratings run")
def run_ratings(config: ConfigFile = None, output: Format = "table") -> None:
    """Rate every device now, and what is known from imports alone; the jobs process does it hourly."""
    from roadworthy_collector.books import standing
    from roadworthy_collector.books.rating import rate_now
    from roadworthy_collector.jobs.work import Work

    with stored(config) as (settings, engine):
        found = rate_now(Work(engine, settings, rests=False))
        with engine.connect() as connection:
            hint = standing.unreconciled(connection)
    if hint is not None:
        typer.echo(hint, err=True)
    if output == "json":
        typer.echo(json.dumps(found, indent=2))
        return
    rows = [
        {"rating": word, "devices": count, "import only": found["imported"]["counts"][word]}
        for word, count in found["estate"]["counts"].items()
    ]
    show(rows, output)
    typer.echo(f"rated: {_share([found['estate']['rated'], found['estate']['devices']])}")
    typer.echo(f"rules: {found['rules']}, edition {found['edition'][:12]}")


@ratings.command("list", epilog="Example: roadworthy ratings list --rating 'action required' --site HQ")
def list_ratings(
    config: ConfigFile = None,
    rating: Annotated[
        Literal["meets", "needs attention", "action required", "observing", "no data"] | None,
        typer.Option(help="Only those."),
    ] = None,
    site: Annotated[str | None, typer.Option(help="Only those of this site.")] = None,
    unit: Annotated[
        str | None, typer.Option(help="Only those of this unit (a path or a name) and below it.")
    ] = None,
    rule: Annotated[str | None, typer.Option(help="Only those that meet this rule.")] = None,
    limit: _Limit = 1000,
    output: Format = "table",
    *,
    imported: Annotated[
        bool, typer.Option("--imported", help="Those from imports alone: no agent reports for them.")
    ] = False,
) -> None:
    """List the ratings with their reasons, without those at restricted sites."""
    from roadworthy_collector.books import lists

    wanted = lists.Wanted(rating or "", site or "", unit or "", rule or "", imported)
    with stored(config) as (_, engine), engine.connect() as connection:
        page = lists.list_ratings(connection, wanted, limit=limit)
    if output == "json":
        typer.echo(json.dumps(page.rows, indent=2))
        return
    names = (
        ("tag", "serial", "name", "model") if imported else ("device_id", "hostname", "asset_tag", "model")
    )
    rows = [
        {name: row[name] for name in names}
        | {
            "rating": row["verdict"],
            "rules": ", ".join(one["rule"] for one in row["reasons"] if "exception" not in one),
            "reasons": "; ".join(one["sentence"] for one in row["reasons"] if "exception" not in one),
        }
        for row in page.rows
    ]
    show(rows, output)
    if page.next is not None:
        typer.echo(f"the first {limit:,} only; ask for more with --limit", err=True)


@ratings.command("why", epilog="Example: roadworthy ratings why FP0123")
def why_rating(
    name: Annotated[str, typer.Argument(help="A device id (rwd_...), an asset tag or a serial number.")],
    config: ConfigFile = None,
    output: Format = "table",
) -> None:
    """Say how a device, or what imports alone tell of, is rated, by which rules, and what could not be judged."""
    from roadworthy_collector.books import standing

    with stored(config) as (_, engine), engine.connect() as connection:
        row = standing.why(connection, name)
    if output == "json":
        typer.echo(json.dumps(row, indent=2))
        return
    known = "" if row["device_id"] else "import only, no agent; "
    typer.echo(f"{name}: {row['verdict']} ({known}rules edition {row['rules'][:12]})")
    for one in row["reasons"]:
        covered = f" [exception {one['exception']}]" if "exception" in one else ""
        observed = " [observed still: demands nothing yet]" if one.get("demoted") else ""
        typer.echo(
            f"  {one['rating']}: {one['sentence']} ({one['rule']}; source: {one['source']}){covered}{observed}"
        )
    for said, names in standing.by_reason(row["not_judged"]).items():
        typer.echo(f"  not judged: {said} ({', '.join(names)})")


@rules.command("show", epilog="Example: roadworthy ratings rules show > rules.toml")
def show_rules(config: ConfigFile = None) -> None:
    """Print the rules in force, as a file to edit."""
    from roadworthy_collector.books import rules as editions

    with stored(config) as (_, engine), engine.connect() as connection:
        found, text, about = editions.current(connection)
    typer.echo(text, nl=not text.endswith("\n"))
    typer.echo(f"{found.name}: edition {found.digest}, by {about['made_by']}", err=True)


def _text_of(file: Path) -> str:
    try:
        if file.stat().st_size > _LONGEST_FILE_BYTES:
            raise RoadworthyError(f"{file}: is larger than a rules file can be")
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RoadworthyError(f"{file}: cannot be read: {error}") from None


@rules.command("try", epilog="Example: roadworthy ratings rules try rules.toml")
def try_rules(
    file: Annotated[Path, typer.Argument(help="The rules (TOML).")],
    config: ConfigFile = None,
    limit: _Limit = 20,
    output: Format = "table",
) -> None:
    """Say what other rules would make of devices and of what imports alone tell of; nothing is saved."""
    from roadworthy_collector.books.rating_trying import try_text

    text = _text_of(file)
    with stored(config) as (settings, engine):
        found = try_text(engine, text, time.time(), settings.reporting_timezone)
    parts = {"agent": found.agents, "imports alone": found.imported}
    moves = [
        {"known from": title, "rating now": before, "then": after, "devices": count}
        for title, one in parts.items()
        for (before, after), count in sorted(one.moves.items())
    ]
    if output == "json":
        told = {"devices": found.agents.devices, "imported": found.imported.devices, "moves": moves}
        typer.echo(json.dumps(told, indent=2))
        return
    show(moves, output)
    for name in ("added", "removed", "changed"):
        if changed := getattr(found.agents, f"rules_{name}"):
            typer.echo(f"rules {name}: {', '.join(changed)}")
    for one in (*found.agents.changes[:limit], *found.imported.changes[:limit]):
        typer.echo(f"{found.tags.get(one.device, one.device)}: {one.before} -> {one.after}")
    typer.echo(
        f"{len(found.agents.changes):,} of {found.agents.devices:,} devices with an agent would change"
    )
    typer.echo(
        f"{len(found.imported.changes):,} of {found.imported.devices:,} known from imports alone would change"
    )


@rules.command("save", epilog="Example: roadworthy ratings rules save rules.toml")
def save_rules(
    file: Annotated[Path, typer.Argument(help="The rules (TOML).")], config: ConfigFile = None
) -> None:
    """Put rules in force from the next rating on; the edition before is kept, and it is audited."""
    from roadworthy_collector.books import rules as editions

    text = _text_of(file)
    with connected(config) as connection:
        found = editions.save(connection, text, now=int(time.time()), actor=_ACTOR)
    typer.echo(f"{found.name}: edition {found.digest} is in force")
