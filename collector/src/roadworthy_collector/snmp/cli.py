"""`roadworthy snmp`: try a device, record one, poll all once, look for some, and say what feeds what."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import Progress

from roadworthy_collector.command_support import ConfigFile, Format, show, stored
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.settings import load, read_secret
from roadworthy_collector.snmp.feeds_cli import feeds
from roadworthy_collector.snmp.overlaps_cli import list_overlaps
from roadworthy_collector.snmp.port import Community, Port, Target
from roadworthy_collector.snmp.profile import Profile
from roadworthy_collector.snmp.readings import DeviceAnswer
from roadworthy_collector.snmp.targets import Polled, read_targets

app = typer.Typer(help="SNMP: try, record and poll power units, printers and switches.", no_args_is_help=True)

Host = Annotated[str, typer.Argument(help="A target's name in the targets file, or an address.")]
Targets = Annotated[
    Path | None, typer.Option("--targets", help="Targets file (TOML); the settings' where it is left out.")
]
CommunityFile = Annotated[
    Path | None, typer.Option(help="0600 file with the community, for an address that is in no file.")
]
Version = Annotated[Literal["1", "2c"], typer.Option(help="With --community-file.")]
PortNumber = Annotated[int, typer.Option("--port", min=1, max=65535, help="UDP port, with --community-file.")]


_RECORD_SECONDS = 600.0  # a whole switch takes longer than a poll may


@app.command("profiles", epilog="Example: roadworthy snmp profiles --format json")
def list_profiles(output: Format = "table") -> None:
    """List the families of devices that are known, with what they read."""
    rows = [
        {
            "profile": one.name,
            "family": one.title,
            "kind": one.kind,
            "tier": one.tier,
            "reads": ", ".join(dict.fromkeys(spec.kind for spec in one.readings)),
            "mib": one.mib,
        }
        for one in _profiles()
    ]
    show(rows, output)


@app.command(
    "try", epilog="Example: roadworthy snmp try rack-4-pdu-a   (or: ... try 10.1.2.3 --community-file F)"
)
def try_device(
    host: Annotated[
        str | None, typer.Argument(help="A target's name in the targets file, or an address.")
    ] = None,
    config: ConfigFile = None,
    targets: Targets = None,
    community_file: CommunityFile = None,
    version: Version = "2c",
    port: PortNumber = 161,
    *,
    recording: Annotated[Path | None, typer.Option(help="A .snmprec file in place of a device.")] = None,
    output: Format = "table",
) -> None:
    """Ask one device once and explain: which profile fits and why, each reading, each refusal. Nothing is kept."""
    from roadworthy_collector.snmp.recorder import as_json

    if recording is not None:
        answer = asyncio.run(_recorded(recording))
    elif host is None:
        raise RoadworthyError("name a target or an address, or a --recording")
    else:
        polled = _polled(host, config, targets, community_file, version, port)
        answer = asyncio.run(_asked(polled))
        if polled.profile is not None:
            typer.echo(f"only the profile that the target names was tried: {polled.profile}", err=True)
    if output == "json":
        told = as_json(answer) | {"why": list(answer.why)}
        typer.echo(
            json.dumps(told | {"requests": answer.requests, "seconds": round(answer.seconds, 3)}, indent=2)
        )
    else:
        _explain(answer)
    if not answer.profiles:
        raise typer.Exit(1)


@app.command("record", epilog="Example: roadworthy snmp record rack-4-pdu-a recordings/apc_ap8853")
def record_device(
    host: Host,
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    config: ConfigFile = None,
    targets: Targets = None,
    community_file: CommunityFile = None,
    version: Version = "2c",
    port: PortNumber = 161,
) -> None:
    """Record what a device answers, without texts that tell whose it is; look at the file before you share it."""
    from roadworthy_collector.snmp import recorder
    from roadworthy_collector.snmp.asking import tried_of

    polled = _polled(host, config, targets, community_file, version, port)
    profiles = tried_of(polled, _profiles())

    async def record() -> tuple[dict[Any, Any], dict[str, Any]]:
        target = replace(polled.target(), deadline_seconds=_RECORD_SECONDS)
        made = _port()
        try:
            values = recorder.sanitised(await recorder.walk_device(made.begin(target)), profiles)
        finally:
            await made.close()
        return values, await recorder.expected_of(values, profiles)

    values, expected = asyncio.run(record())
    recorder.write_recording(folder, values, expected)
    typer.echo(f"{folder}: {len(values)} values, {len(expected['readings'])} readings")


@app.command("poll", epilog="Example: roadworthy snmp poll --once --dry-run")
def poll_once(
    config: ConfigFile = None,
    targets: Targets = None,
    *,
    once: Annotated[
        bool, typer.Option("--once", help="Ask every target once; running polls are the jobs process's.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Keep nothing.")] = False,
    output: Format = "table",
) -> None:
    """Poll every target once and say how each went; ends with 1 if any failed."""
    from roadworthy_collector.snmp.poll_kept import keep

    if not once:
        raise RoadworthyError("continuous polls run in the jobs process (`roadworthy up`); here, give --once")
    file = _targets_file(config, targets)
    polled = read_targets(file)
    if not dry_run:
        with stored(config):
            pass  # that there is no database is said before anybody is asked
    outcomes = asyncio.run(_poll_all(polled, quiet=output == "json"))
    doubles = {} if dry_run else keep(config, file, polled, outcomes)
    rows = [
        {
            "target": one.polled.name,
            "outcome": _word(one, doubles),
            "profile": one.answer.profiles[0] if one.answer and one.answer.profiles else None,
            "watts": None if one.answer is None else _whole_watts(one.answer),
            "readings": None if one.answer is None else len(one.answer.readings),
            "refused": None if one.answer is None else len(one.answer.refusals),
            "seconds": round(one.seconds, 3),
            "why": doubles.get(one.polled.name, _why(one)),
        }
        for one in outcomes
    ]
    show(rows, output)
    counts = Counter(str(row["outcome"]) for row in rows)
    if output != "json":
        typer.echo(", ".join(f"{count} {name}" for name, count in counts.most_common()))
    if counts.keys() - {"ok"}:
        raise typer.Exit(1)


@app.command("sweep", epilog="Example: roadworthy snmp sweep 10.1.2.0/28 --rate 5 --community-file community")
def sweep_range(
    network: Annotated[str, typer.Argument(help="The range to ask, such as 10.1.2.0/28.")],
    rate: Annotated[float, typer.Option(help="Hosts a second.")],
    community_file: Annotated[Path, typer.Option(help="0600 file with the community.")],
    version: Version = "2c",
    port: PortNumber = 161,
    output: Format = "table",
) -> None:
    """Ask every address of a range once who it is. Tell whoever watches the network before you do."""
    from roadworthy_collector.snmp.sweep import addresses, sweep

    hosts = addresses(network)
    credentials = Community(version, read_secret("--community-file", community_file))

    async def run() -> list[dict[str, Any]]:
        made = _port()
        with Progress(console=Console(stderr=True), disable=output == "json") as progress:
            task = progress.add_task(network, total=len(hosts))
            try:
                found = await sweep(
                    made, _profiles(), hosts, credentials, rate=rate, snmp_port=port,
                    seen=lambda _host, _found: progress.advance(task),
                )  # fmt: skip
            finally:
                await made.close()
        return [asdict(one) for one in found]

    show(asyncio.run(run()), output)


@app.command("targets", epilog="Example: roadworthy snmp targets --failing")
def list_targets(
    config: ConfigFile = None,
    *,
    failing: Annotated[bool, typer.Option("--failing", help="Only those that do not answer now.")] = False,
    output: Format = "table",
) -> None:
    """List who is polled and how the last poll of each went, those at restricted sites too."""
    from roadworthy_collector.snmp.shown import list_targets as read

    with stored(config) as (_, engine), engine.connect() as connection:
        show(read(connection, failing=failing), output)


@app.command("readings", epilog="Example: roadworthy snmp readings rwd_... --format json")
def show_readings(
    device_id: Annotated[str, typer.Argument(help="rwd_...")],
    config: ConfigFile = None,
    output: Format = "table",
) -> None:
    """Show what a polled device told last, and what of it was refused; one at a restricted site too."""
    from roadworthy_collector.snmp.shown import read_readings

    with stored(config) as (_, engine), engine.connect() as connection:
        found = read_readings(connection, device_id)
    if output == "json":
        typer.echo(json.dumps(found, indent=2))
        return
    typer.echo(f"{found['name']}, {found['device_class']} {found['model'] or ''}".strip())
    shown = ("name", "index", "value", "text", "unit", "place", "quality", "label")
    show([{name: one[name] for name in shown} for one in found["readings"]], output)
    for one in found["refused"]:
        typer.echo(f"refused: {one['name']} {one['index']}: {one['reason']}")
    for name, up in found["flags"].items():
        typer.echo(f"{name.replace('_', ' ')}: {'yes' if up else 'no'}")


app.command("overlaps", epilog="Example: roadworthy snmp overlaps --month 2026-10")(list_overlaps)
app.add_typer(feeds, name="feeds")


def _profiles() -> tuple[Profile, ...]:
    from roadworthy_collector.snmp.profile_file import shipped_profiles

    return shipped_profiles()


def _port() -> Port:
    from roadworthy_collector.snmp.pysnmp_port import PysnmpPort

    return PysnmpPort()


def _targets_file(config: Path | None, targets: Path | None) -> Path:
    path = targets or load(config).poll_targets_file
    if path is None:
        raise RoadworthyError("name a targets file with --targets, or as poll_targets_file in the settings")
    return path


def _polled(
    host: str, config: Path | None, targets: Path | None, community_file: Path | None, version: str, port: int
) -> Polled:
    """Return the target called `host`, or one made of the options."""
    from roadworthy_collector.snmp.targets import Login

    if community_file is not None:
        login = Login(version="1" if version == "1" else "2c", community_file=str(community_file))
        return Polled(
            name=host, host=host, protocol="snmp", port=port, login=login, login_name="--community-file"
        )
    path = _targets_file(config, targets)
    for one in read_targets(path):
        if host in {one.name, one.host}:
            return one
    raise RoadworthyError(
        f"{path}: there is no target called {host}; give --community-file to ask an address"
    )


async def _asked(polled: Polled) -> DeviceAnswer:
    """Return what a device answers, by SNMP or Redfish."""
    from roadworthy_collector.snmp.asking import tried_of
    from roadworthy_collector.snmp.reading import read_device
    from roadworthy_collector.snmp.redfish import RedfishAsker

    if polled.protocol == "redfish":
        return await RedfishAsker().read(polled)
    port = _port()
    try:
        return await read_device(port.begin(polled.target()), tried_of(polled, _profiles()))
    finally:
        await port.close()


async def _recorded(path: Path) -> DeviceAnswer:
    from roadworthy_collector.snmp.dictionary_port import DictionaryPort
    from roadworthy_collector.snmp.reading import read_device

    target = Target(path.name, path.name, Community("2c", "recording"))
    return await read_device(DictionaryPort.of_recording(path).begin(target), _profiles())


async def _poll_all(polled: tuple[Polled, ...], *, quiet: bool) -> list[Any]:
    """Return the outcome of each target, all asked at once within the poller's lanes."""
    from roadworthy_collector.snmp.asking import Asking
    from roadworthy_collector.snmp.poller import LANES
    from roadworthy_collector.snmp.redfish import RedfishAsker

    port, lanes = _port(), asyncio.Semaphore(LANES)
    asking = Asking(port, _profiles(), RedfishAsker())
    with Progress(console=Console(stderr=True), disable=quiet) as progress:
        task = progress.add_task("polling", total=len(polled))

        async def one(target: Polled) -> Any:
            async with lanes:
                outcome = await asking.ask(target)
            progress.advance(task)
            return outcome

        try:
            return await asyncio.gather(*(one(target) for target in polled))
        finally:
            await port.close()


def _word(one: Any, doubles: Mapping[str, str]) -> str:
    if one.polled.name in doubles:
        return "duplicate"
    return one.code if one.answer is None or one.answer.profiles else "no_profile"


def _why(one: Any) -> str | None:
    """Return why a poll gave nothing; None where it gave something."""
    from roadworthy_collector.snmp.keeping import unfit

    reason: str | None = one.reason
    return unfit(one.polled) if reason is None and one.answer and not one.answer.profiles else reason


def _whole_watts(answer: DeviceAnswer) -> float | None:
    from roadworthy_collector.snmp.whole import whole_watts

    return whole_watts(answer)


def _explain(answer: DeviceAnswer) -> None:
    """Print what matched, each reading and each refusal."""
    who = {name: value for name, value in asdict(answer.identity).items() if value is not None}
    typer.echo("; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in who.items()))
    for sentence in answer.why or ("no profile fits this device; docs/snmp/adding.md says how to add one",):
        typer.echo(sentence)
    typer.echo(f"{answer.requests} requests, {answer.seconds:.2f} s")
    if answer.readings:
        show(
            [
                {
                    "reading": one.name,
                    "row": one.index,
                    "value": _value_text(one.value, one.unit),
                    "kind": one.kind,
                    "place": one.place,
                    "known": one.quality,
                    "called": one.label,
                }
                for one in answer.readings
            ],
            "table",
        )
    if answer.refusals:
        typer.echo("refused:")
        show(
            [
                {"reading": one.name, "row": one.index, "code": one.code, "why": one.reason}
                for one in answer.refusals
            ],
            "table",
        )
    if raised := [name for name, up in answer.flags.items() if up]:
        typer.echo(f"needs attention: {', '.join(raised)}")


def _value_text(value: float | str, unit: str) -> str:
    """Return a value with every figure it has, as the device's own display shows it: 12345600 Wh, not 1.23e+07."""
    from roadworthy_collector.snmp.values import plain_text

    return value if isinstance(value, str) else f"{plain_text(Decimal(repr(value)))} {unit}"
