"""Commands about people: users with roles and scopes, their tokens, erasing devices, legal holds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from roadworthy_collector.command_support import (
    ConfigFile,
    Format,
    connected,
    password_from_person,
    show,
    stored,
)
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.roles import Reader, Role

if TYPE_CHECKING:  # a command that needs no database is not to load what speaks to one
    from sqlalchemy import Connection

DAY_SECONDS = 86_400
Name = Annotated[str, typer.Argument(help="Who.")]
Units = Annotated[
    list[str] | None,
    typer.Option(
        "--unit",
        help="Only this unit (a path, or a name) and those below it; again for more, none for every unit.",
    ),
]
Reason = Annotated[str, typer.Option(help="Why; it goes on the record.")]

users = typer.Typer(help="People who may sign in: users, roles, scopes, tokens.", no_args_is_help=True)
user_tokens = typer.Typer(help="Tokens for a user's scripts.", no_args_is_help=True)
holds = typer.Typer(help="Legal holds: keep named devices' facts for a time.", no_args_is_help=True)


def add_to(app: typer.Typer, devices: typer.Typer) -> None:
    """Register these commands on `app`, and `erase` among those about devices."""
    users.add_typer(user_tokens, name="tokens")
    app.add_typer(users, name="user")
    app.add_typer(holds, name="hold")
    devices.command("erase", epilog="Example: roadworthy devices erase rwd_... --reason 'request 2026-114'")(
        erase_device
    )


@users.command("create", epilog="Example: roadworthy user create ada --role service_desk < password-file")
@users.command("add", hidden=True)
def create_user(
    name: Name,
    config: ConfigFile = None,
    role: Annotated[Role, typer.Option(help="What they are here for.")] = Role.ADMINISTRATOR,
    unit: Units = None,
) -> None:
    """Make a user; the password is asked for, or read from standard input. Ends open access on loopback."""
    from roadworthy_collector.security import users as accounts

    password = password_from_person(confirm=True)
    with stored(config) as (_, engine):
        accounts.create_user(engine, name, password, now=time.time(), role=role, units=unit or None)


@users.command("password", epilog="Example: roadworthy user password ada < password-file")
def set_password(name: Name, config: ConfigFile = None) -> None:
    """Give a user another password, asked for or read from standard input; ends their sessions."""
    from roadworthy_collector.security import users as accounts

    password = password_from_person(confirm=True)
    with stored(config) as (_, engine):
        accounts.set_password(engine, name, password, now=time.time())


@users.command("role", epilog="Example: roadworthy user role ada auditor")
def set_role(
    name: Name,
    role: Annotated[Role, typer.Argument(help="What they are here for.")],
    config: ConfigFile = None,
) -> None:
    """Give a user another role, from their next request on."""
    from roadworthy_collector.security import users as accounts

    with stored(config) as (_, engine):
        accounts.set_role(engine, name, role, now=time.time())


@users.command("scope", epilog="Example: roadworthy user scope ada --unit Traffic --unit Custody")
def set_scope(
    name: Name,
    config: ConfigFile = None,
    unit: Units = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every unit.")] = False,
) -> None:
    """Let a user's role hold for some units only, or for every unit again."""
    from roadworthy_collector.security import users as accounts

    if everything == bool(unit):
        raise RoadworthyError("say either --unit, once or more, or --all")
    with stored(config) as (_, engine):
        accounts.set_scope(engine, name, unit or None, now=time.time())


@users.command("delete", epilog="Example: roadworthy user delete ada")
@users.command("remove", hidden=True)
def delete_user(name: Name, config: ConfigFile = None) -> None:
    """Delete a user with their sessions and tokens."""
    from roadworthy_collector.security import users as accounts

    with stored(config) as (_, engine):
        accounts.delete_user(engine, name, now=time.time())


@users.command("list", epilog="Example: roadworthy user list --format json")
def list_users(config: ConfigFile = None, output: Format = "table") -> None:
    """List the users with their roles and units."""
    from roadworthy_collector.security import users as accounts

    with stored(config) as (_, engine):
        show([user._asdict() for user in accounts.list_users(engine)], output)


@user_tokens.command(
    "create", epilog="Example: roadworthy user tokens create ada --days 90 --note 'nightly export'"
)
def create_token(
    name: Name,
    config: ConfigFile = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="Days until it expires.")] = 90,
    note: Annotated[str | None, typer.Option(help="What it is for.")] = None,
) -> None:
    """Make a token with the user's role and scope and print it once; only its hash is kept."""
    from roadworthy_collector.security import user_tokens as tokens

    with connected(config) as connection:
        issued = tokens.create_user_token(
            connection, name, now=int(time.time()), expires_in_seconds=days * DAY_SECONDS, note=note
        )
    typer.echo(issued.text)


@user_tokens.command("list", epilog="Example: roadworthy user tokens list ada")
def list_tokens(
    name: Annotated[str | None, typer.Argument(help="Whose; everybody's if not said.")] = None,
    config: ConfigFile = None,
    output: Format = "table",
) -> None:
    """List tokens by id."""
    from roadworthy_collector.security import user_tokens as tokens

    with connected(config) as connection:
        show(tokens.list_user_tokens(connection, name), output)


@user_tokens.command("revoke", epilog="Example: roadworthy user tokens revoke 3f1c9a0b5d7e2468")
def revoke_token(token_id: Annotated[str, typer.Argument(help="Its id.")], config: ConfigFile = None) -> None:
    """Refuse this token from now on."""
    from roadworthy_collector.security import user_tokens as tokens

    with connected(config) as connection:
        if not tokens.revoke_user_token(connection, token_id, now=int(time.time())):
            raise RoadworthyError(
                f"no user token in force has the id {token_id}; see `roadworthy user tokens list`"
            )


@holds.command("place", epilog="Example: roadworthy hold place rwd_... --days 90 --reason 'tribunal 2026/77'")
def place_hold(
    devices: Annotated[list[str], typer.Argument(help="rwd_..., one or more.")],
    reason: Reason,
    config: ConfigFile = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="Days until it expires.")] = 90,
) -> None:
    """Ask for a hold and print its id: in force at once, and for longer than a week only if it is approved."""
    from roadworthy_collector.security import holds as rules

    with connected(config) as connection:
        hold = rules.place(
            connection, devices, reason=reason, expires_in_seconds=days * DAY_SECONDS, now=int(time.time())
        )
    typer.echo(hold)


@holds.command("approve", epilog="Example: roadworthy hold approve 3 --as grace < password-file")
def approve_hold(
    hold: Annotated[int, typer.Argument(help="Its id.")],
    name: Annotated[
        str,
        typer.Option("--as", help="The approver; their password is asked for, or read from standard input."),
    ],
    config: ConfigFile = None,
) -> None:
    """Let a hold last until it expires; by an approver who did not ask for it."""
    from roadworthy_collector.security import holds as rules

    _as_approver(
        name, config, lambda connection, reader, now: rules.approve(connection, hold, reader, now=now)
    )


def _as_approver(name: str, config: ConfigFile, approve: Callable[[Connection, Reader, int], None]) -> None:
    """Run `approve` in a transaction, as the user of this name, whose password is asked for."""
    from roadworthy_collector.security import access
    from roadworthy_collector.store.engine import write_transaction

    password = password_from_person(confirm=False)
    with stored(config) as (_, engine):
        now = time.time()
        reader = access.reader_by_password(engine, name, password, now)
        with write_transaction(engine) as connection:
            approve(connection, reader, int(now))


@holds.command("lift", epilog="Example: roadworthy hold lift 3 --reason 'tribunal 2026/77 closed'")
def lift_hold(
    hold: Annotated[int, typer.Argument(help="Its id.")], reason: Reason, config: ConfigFile = None
) -> None:
    """End a hold that waits for approval; of an approved one ask for it, and an approver agrees by approve-lift."""
    from roadworthy_collector.security import holds as rules

    with connected(config) as connection:
        state = rules.lift(connection, hold, reason=reason, now=int(time.time()))
    if state == "lift_asked":
        typer.echo(
            f"hold {hold} stays in force until an approver agrees: roadworthy hold approve-lift {hold} --as NAME"
        )


@holds.command("approve-lift", epilog="Example: roadworthy hold approve-lift 3 --as grace < password-file")
def approve_lift(
    hold: Annotated[int, typer.Argument(help="Its id.")],
    name: Annotated[
        str,
        typer.Option("--as", help="The approver; their password is asked for, or read from standard input."),
    ],
    config: ConfigFile = None,
) -> None:
    """End an approved hold somebody asked to lift; by an approver who did not ask for it."""
    from roadworthy_collector.security import holds as rules

    _as_approver(
        name, config, lambda connection, reader, now: rules.approve_lift(connection, hold, reader, now=now)
    )


@holds.command("list", epilog="Example: roadworthy hold list")
def list_holds(config: ConfigFile = None, output: Format = "table") -> None:
    """List the holds, newest first, with their devices."""
    from roadworthy_collector.security import holds as rules

    with connected(config) as connection:
        show(rules.list_holds(connection, time.time()), output)


def erase_device(
    device_id: Annotated[str, typer.Argument(help="rwd_...")],
    reason: Reason,
    config: ConfigFile = None,
    *,
    wait: Annotated[
        bool, typer.Option(help="Wait until it is done; without, the jobs process does it within seconds.")
    ] = True,
) -> None:
    """Delete all that tells of a device; its energy stays in its sites' sums. It cannot be undone."""
    from roadworthy_collector.jobs.privacy import erase
    from roadworthy_collector.jobs.work import Work
    from roadworthy_collector.security import erasure
    from roadworthy_collector.store.engine import write_transaction

    with stored(config) as (settings, engine):
        with write_transaction(engine) as connection:
            device = erasure.begin(connection, device_id, reason=reason, now=int(time.time()))
        if not wait:
            typer.echo(f"{device_id}: retired, its tokens are gone; its facts follow within seconds")
            return
        # Until every process has forgotten the tokens it remembers, a report could bring facts back.
        time.sleep(erasure.WAIT_SECONDS)
        erase(Work(engine, settings), device)
        typer.echo(f"{device_id}: erased")
