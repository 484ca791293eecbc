"""`roadworthy relay`: a closed network's collector and its main one, over the network or by carried files."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, TaskID

from roadworthy_collector.command_support import ConfigFile, Format, checked_name, connected, show, stored
from roadworthy_collector.errors import RoadworthyError

app = typer.Typer(help="Relay: forward to a main collector, or carry signed files.", no_args_is_help=True)
trusted = typer.Typer(help="Whose carried files are read here.", no_args_is_help=True)
app.add_typer(trusted, name="trust")

Files = Annotated[list[Path], typer.Argument(help="Files, as carried here.")]
_MEBIBYTE = 1_048_576


@app.command("status", epilog="Example: roadworthy relay status --format json")
def status(config: ConfigFile = None, output: Format = "table") -> None:
    """Say where this collector forwards to, what waits and what went wrong."""
    from roadworthy_collector.relay.status import read_status

    with stored(config) as (settings, engine), engine.connect() as connection:
        found = read_status(connection, settings)
    if output == "json":
        typer.echo(json.dumps(found, indent=2))
        return
    rows = [{"": name.removesuffix("_at"), "value": _said(name, value)} for name, value in found.items()]
    show(rows, output)


@app.command("devices", epilog="Example: roadworthy relay devices --stopped")
def list_devices(
    config: ConfigFile = None,
    *,
    stopped: Annotated[bool, typer.Option("--stopped", help="Only those not forwarded any more.")] = False,
    output: Format = "table",
) -> None:
    """List this relay's devices: their ids at the main collector, what waits, why one stopped."""
    from roadworthy_collector.relay.status import list_relayed

    with stored(config) as (_, engine), engine.connect() as connection:
        show(list_relayed(connection, stopped=stopped), output)


@app.command("resume", epilog="Example: roadworthy relay resume rwd_0123... (or --all)")
def resume(
    device_id: Annotated[str | None, typer.Argument(help="rwd_..., as it is called here.")] = None,
    config: ConfigFile = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every device of this relay.")] = False,
) -> None:
    """Have devices enrolled anew with the main collector, as new devices there, and forwarded again."""
    from roadworthy_collector.relay import status as relay_status

    if (device_id is None) != everything:
        raise RoadworthyError("name one device, or say --all")
    with connected(config) as connection:
        count = relay_status.resume(connection, device_id, now=int(time.time()))
        if not count:
            raise RoadworthyError("no such device is forwarded here; see `roadworthy relay devices`")
    typer.echo(f"{count} devices are enrolled with the main collector again")


@app.command("keygen", epilog="Example: roadworthy relay keygen")
def keygen(config: ConfigFile = None) -> None:
    """Make the key this collector signs carried files with, and print what others are to trust."""
    from roadworthy_collector.relay import identity

    with stored(config) as (settings, engine):
        typer.echo(identity.make(engine, settings.data, now=int(time.time())).text())


@app.command("identity", epilog="Example: roadworthy relay identity")
def show_identity(config: ConfigFile = None) -> None:
    """Print what others are to trust: this collector's id as a relay and its public key."""
    from roadworthy_collector.relay import identity

    with stored(config) as (settings, engine):
        typer.echo(identity.read(engine, settings.data).text())


@app.command("export", epilog="Example: roadworthy relay export --to /media/stick")
def export(
    folder: Annotated[Path, typer.Option("--to", help="Folder to write to.")],
    config: ConfigFile = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Again what was received since this day (UTC), held or not."),
    ] = None,
    file_mebibytes: Annotated[int, typer.Option(min=1, max=48, help="About how large a file may be.")] = 32,
    output: Format = "table",
) -> None:
    """Write what no file holds yet to signed files; what they hold stays here until it is acknowledged."""
    from roadworthy_collector.relay.exporting import Exporter

    begin = None if since is None else int(since.replace(tzinfo=UTC).timestamp())
    with stored(config) as (settings, engine), _progress(output) as progress:
        exporter = Exporter(engine, settings, folder, file_bytes=file_mebibytes * _MEBIBYTE)
        task = progress.add_task("Writing", total=None)
        written = []
        for one in exporter.run(begin):
            written.append(asdict(one))
            progress.update(task, description=f"Writing ({len(written)} files)")
    show(written, output)
    if exporter.stayed:
        typer.echo(f"roadworthy: {exporter.stayed} reports of restricted sites stay here", err=True)


@app.command("import", epilog="Example: roadworthy relay import /media/stick/*.rwdrop --ack-to /media/stick")
def import_files(
    files: Files,
    config: ConfigFile = None,
    acknowledge_to: Annotated[
        Path | None, typer.Option("--ack-to", help="Folder for the acknowledgements to carry back.")
    ] = None,
    output: Format = "table",
) -> None:
    """Read relays' files: verified first, checked like any report, read twice without harm. Ends with 2 if one is refused."""
    from roadworthy_collector.relay.importing import Importer, missing, write_acknowledgement
    from roadworthy_collector.store.engine import require_estate

    refused = 0
    done: list[dict[str, Any]] = []
    with stored(config) as (settings, engine):
        require_estate(engine, simulated=False)
        importer = Importer(engine, settings)
        with _progress(output) as progress:
            for file in sorted(files, key=lambda path: path.name):
                task = progress.add_task(file.name, total=None)
                try:
                    result = importer.read(file, partial(_show_progress, progress, task))
                except RoadworthyError as error:
                    refused += 1
                    typer.echo(f"roadworthy: {error}", err=True)
                else:
                    done.append(asdict(result) | {"rejected": dict(result.rejected)})
        relays = sorted({str(row["relay"]) for row in done})
        for relay in relays:
            with engine.connect() as connection:
                _say_missing(relay, missing(connection, relay))
            if acknowledge_to is not None:
                path = write_acknowledgement(engine, settings, relay, acknowledge_to, now=int(time.time()))
                typer.echo(f"roadworthy: carry {path} back to relay {relay}", err=True)
    show(done, output)
    if refused:
        raise RoadworthyError(f"{refused} of {len(files)} files were refused; see above")


@app.command("ack", epilog="Example: roadworthy relay ack /media/stick/*.rwack")
def acknowledge(files: Files, config: ConfigFile = None, output: Format = "table") -> None:
    """Let go of what a main collector says it holds."""
    from roadworthy_collector.relay import exporting

    with stored(config) as (settings, engine):
        show(exporting.acknowledge(engine, settings, files, now=int(time.time())), output)


@trusted.command(
    "add", epilog="Example: roadworthy relay trust add 'Custody VLAN' rwrelay1_... --site Custody"
)
def add_trusted(
    name: Annotated[str, typer.Argument(help="What the relay is called here.")],
    public_key: Annotated[str, typer.Argument(help="rwrelay1_..., from `roadworthy relay identity` there.")],
    config: ConfigFile = None,
    site: Annotated[str, typer.Option(help="Site its devices join.")] = "unassigned",
    unit: Annotated[str, typer.Option(help="Unit its devices join.")] = "unassigned",
    every_days: Annotated[int, typer.Option(min=1, max=366, help="How often a file is expected.")] = 7,
) -> None:
    """Read the files signed with a key. Have the key told to you by somebody you know, not by the file."""
    from roadworthy_collector.relay import trust

    site, unit = checked_name("--site", site), checked_name("--unit", unit)
    with connected(config) as connection:
        now = int(time.time())
        trust.add(connection, name, public_key, now=now, site=site, unit=unit, every_days=every_days)


@trusted.command("list", epilog="Example: roadworthy relay trust list --format json")
def list_trusted(config: ConfigFile = None, output: Format = "table") -> None:
    """List whose files are read here."""
    from roadworthy_collector.relay import trust

    with stored(config) as (_, engine), engine.connect() as connection:
        show(trust.list_trusted(connection), output)


@trusted.command("remove", epilog="Example: roadworthy relay trust remove 'Custody VLAN'")
def remove_trusted(
    name: Annotated[str, typer.Argument(help="What the relay is called here.")], config: ConfigFile = None
) -> None:
    """Read no more files signed with this key; what was read stays."""
    from roadworthy_collector.relay import trust

    with connected(config) as connection:
        trust.remove(connection, name, now=int(time.time()))


@contextmanager
def _progress(output: str) -> Iterator[Progress]:
    """Show progress to a person, on standard error; scripts get none."""
    console = Console(stderr=True)
    with Progress(
        console=console, transient=True, disable=output == "json" or not console.is_terminal
    ) as progress:
        yield progress


def _show_progress(progress: Progress, task: TaskID, done: int, of: int) -> None:
    progress.update(task, completed=done, total=of)


def _say_missing(relay: str, numbers: list[int]) -> None:
    if numbers:
        some = ", ".join(map(str, numbers[:20])) + (" ..." if len(numbers) > 20 else "")
        typer.echo(f"roadworthy: of relay {relay} these files were never read here: {some}", err=True)


def _said(name: str, value: object) -> object:
    """Return a value for a person."""
    if name.endswith("_at") and isinstance(value, int):
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if isinstance(value, dict):
        return ", ".join(f"{label} {count}" for label, count in value.items()) or "none"
    return "" if value is None else value
