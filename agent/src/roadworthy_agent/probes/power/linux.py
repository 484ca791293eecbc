"""Energy and power on Linux: every instrument the device has, one source for each scope."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from roadworthy_agent.probe import Context, ProbeResult
from roadworthy_agent.probes import environment
from roadworthy_agent.probes.power import battery, hwmon, ipmi, looks, nvml, rapl
from roadworthy_agent.probes.power.choose import Candidate, Choice, Kind, choose
from roadworthy_agent.probes.power.files import ERRORS, Files, amount, failed
from roadworthy_agent.probes.tree import Content, Tree
from roadworthy_agent.reading import BatteryFlow, Missing, PowerReading, Scope, Status

# Best first. What stands below is refused while something above it gives a figure.
ORDER: Final = (
    Kind("rapl", Scope.CPU, "the processor's own energy counters, with nothing else beside them"),
    Kind(
        "acpi", Scope.MACHINE, "the firmware's meter of the whole machine, with an accuracy it states itself"
    ),
    Kind("dcmi", Scope.MACHINE, "the management controller's meter of the power supplies' input"),
    Kind("chip", Scope.MACHINE, "a chip that sees the output of the whole power supply"),
    Kind(
        "psys", Scope.MACHINE, "a counter, so nothing is lost between samples, and it passed its comparison"
    ),
    Kind("battery", Scope.MACHINE, "the batteries' discharge is the whole draw while they carry the machine"),
    Kind("gpu", Scope.GPU, "the cards' own figures; different cards do not overlap"),
)

# Plain files this probe reads; no serial number is among them.
FILES: Final = (
    "sys/class/powercap/*/name",
    "sys/class/powercap/*/energy_uj",
    "sys/class/powercap/*/max_energy_range_uj",
    "sys/class/powercap/*/constraint_[0-9]_max_power_uw",
    "sys/class/powercap/*/constraint_[0-9]_power_limit_uw",
    *(
        f"sys/class/hwmon/*/{below}{name}"
        for below in ("", "device/")
        for name in (
            "name", "power*_average", "power*_input", "power*_label", "power*_enable", "power*_is_battery",
            "power*_accuracy", "energy*_input", "energy*_label", "energy*_enable", "in1_input", "in1_label",
            "curr*_input",
        )
    ),
    "sys/class/hwmon/*/device/power/runtime_status",
    *(
        f"sys/class/power_supply/*/{name}"
        for name in ("type", "scope", "present", "online", "status", "power_now", "current_now", "voltage_now")
    ),
)  # fmt: skip

MOST_FAILED = 8  # files told by name
RECHOOSE_SECONDS = 900.0  # drivers are loaded and cards plugged in while the agent runs
LOOK_SECONDS = 1.0
ELSEWHERE = {
    environment.CONTAINER: (Status.CONTAINER, "a container sees the counters of its host, which reports for itself"),
    environment.VIRTUAL_MACHINE: (
        Status.VIRTUAL_MACHINE,
        "a virtual machine has no instruments of its own: what shows is its host's or made up",
    ),
}  # fmt: skip


class Sampler:
    """Chooses its sources at construction and every quarter of an hour; a reading in between costs microseconds.

    Asking a management controller is the exception (opt-in): it answers within some tens of milliseconds, and the
    wait ends after half a second.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tree = Tree(context.root)
        self._files = Files(self._tree, live=context.live)
        self._driver = nvml.Driver()
        self._elsewhere = ELSEWHERE.get(environment.detect(self._tree).kind)
        recorded = None if context.live else looks.parse(self._tree.text(looks.RECORDED) or "")
        self._looks = looks.Looks(recorded)
        self._chosen_at: float | None = None
        self._believed = False  # whether psys passed its latest comparison
        # Once refused, psys stays refused until sources are chosen anew.
        self._doubt: Candidate | None = None
        if self._elsewhere is None:
            self._find(context.clock.monotonic())

    def close(self) -> None:
        """Let go of every file and of the graphics cards."""
        self._files.close()
        self._driver.close()

    @property
    def wants_look(self) -> bool:
        """Whether a second reading would tell more: psys, or dies that may mirror each other."""
        scopes = [zone.scope for zone in self._zones] if self._elsewhere is None else []
        return Scope.MACHINE in scopes or scopes.count(Scope.CPU) > 1

    def read(self) -> ProbeResult[PowerReading]:
        """Return what the instruments say now."""
        if self._elsewhere is not None:
            status, reason = self._elsewhere
            return ProbeResult("power", status, PowerReading(), reason=reason)
        now = self._context.clock.monotonic()
        due = self._chosen_at is None or not 0 <= now - self._chosen_at < RECHOOSE_SECONDS
        if due or battery.names(self._files) != self._supplies.names:
            self._find(now)
        batteries, online = battery.read(self._files, self._supplies)
        flow = battery.flow(batteries, online=online)
        carried = battery.candidate(batteries, online=online)
        offers = [*self._refused, *self._rapl(flow), *hwmon.candidates(self._files, self._channels)]
        offers += self._dcmi()
        offers += self._nvidia()
        if carried is not None:
            offers.append(carried)
        if any(each.registers and each.status is Status.NOT_SUPPORTED for each in offers):
            self._chosen_at = None  # something has gone: look around again next time
        return _result(choose(joined(offers), ORDER), flow, self._unbounded, self._failed)

    def _find(self, now: float) -> None:
        """Look around for sources: what there is, what of it is refused for good."""
        self._files.close()  # a battery that comes back under another name left its files open
        self._files.failed.clear()
        self._zones, parts = rapl.find(self._files)
        self._unbounded = rapl.unbounded(self._files, self._zones)
        self._channels, chips = hwmon.find(self._files)
        self._refused = [*parts, *chips]
        self._supplies = battery.find(self._files)
        # A file that tells what an instrument is: without it a sum may lack a part, so that is never passed over
        failed = islice(self._files.failed.values(), MOST_FAILED)
        self._failed = tuple(content.missing("power.sources") for content in failed)
        self._has_nvidia = nvml.here(self._tree) if self._context.live else self._tree.exists(nvml.RECORDED)
        self._dcmi_path = _dcmi_path(self._tree, live=self._context.live)
        self._chosen_at, self._doubt = now, None

    def _rapl(self, flow: BatteryFlow | None) -> list[Candidate]:
        contents = {zone.id: self._files.read(f"{zone.path}/energy_uj", keep=True) for zone in self._zones}
        watts = flow.watts if flow is not None and flow.discharging else None
        counters = {name: amount(content) for name, content in contents.items()}
        seen = self._looks.step(self._zones, looks.moment(self._context.clock, counters, watts))
        battery_watts = self._looks.battery_watts
        offers = rapl.candidates(self._zones, contents, seen, battery_watts, believed=self._believed)
        psys = next((each for each in offers if each.kind == "psys"), None)
        if psys is None:
            return offers
        if not psys.registers and psys.status is Status.NOT_SUPPORTED:
            self._doubt = self._doubt or psys
        self._believed = psys.readable and self._doubt is None
        return [self._doubt if each is psys and self._doubt is not None else each for each in offers]

    def _nvidia(self) -> list[Candidate]:
        if not self._has_nvidia:
            return []
        if not self._context.live:
            return nvml.offers(nvml.parse(self._tree.text(nvml.RECORDED) or ""))
        return nvml.offers(self._driver.read(self._files))

    def _dcmi(self) -> list[Candidate]:
        if self._dcmi_path is None:
            return []
        if "ipmi" not in self._context.allow:
            return [ipmi.not_allowed()]
        content = (
            ask_dcmi(self._files, self._dcmi_path) if self._context.live else self._tree.read(ipmi.RECORDED)
        )
        return [ipmi.unanswered(content) if content.data is None else ipmi.offer(content.data)]


def collect(context: Context) -> ProbeResult[PowerReading]:
    """Look once; twice, a second apart, where only that tells whether a counter can be believed."""
    sampler = Sampler(context)
    try:
        result = sampler.read()
        if context.live and sampler.wants_look:
            context.sleep(LOOK_SECONDS)
            result = sampler.read()
    finally:
        sampler.close()
    return result


def joined(offers: list[Candidate]) -> list[Candidate]:
    """Return the candidates with all graphics cards as one: they do not overlap, so together they are the scope."""
    cards = [each for each in offers if each.kind == "gpu" and each.registers]
    if len(cards) < 2:
        return offers
    errors = [each.relative_error for each in cards]
    known = [each for each in errors if each is not None]
    blank = next((each for each in cards if each.reason is not None), cards[0])
    together = Candidate(
        "gpu",
        Scope.GPU,
        "+".join(each.source for each in cards),
        tuple(register for each in cards for register in each.registers),
        blank.status,
        blank.reason,
        max(known) if len(known) == len(errors) else None,
    )
    return [*(each for each in offers if each not in cards), together]


def _result(
    choice: Choice,
    flow: BatteryFlow | None,
    unbounded: Mapping[str, Missing],
    failed: tuple[Missing, ...],
) -> ProbeResult[PowerReading]:
    reading = PowerReading(choice.meters, choice.refused, flow)
    source = ", ".join(f"{meter.scope}: {meter.source}" for meter in choice.meters) or None
    missing = choice.missing + failed
    if unbounded:
        keys = {register.key for meter in choice.meters for register in meter.registers}
        missing += tuple(each for zone, each in unbounded.items() if zone in keys)
    return ProbeResult("power", choice.status, reading, reason=choice.reason, source=source, missing=missing)


def _dcmi_path(tree: Tree, *, live: bool) -> str | None:
    if not live:
        return ipmi.RECORDED if tree.exists(ipmi.RECORDED) else None
    return next((path for path in ipmi.DEVICES if tree.exists(path)), None)


def ask_dcmi(files: Files, path: str) -> Content:
    """Ask the management controller; never raises: what went wrong is in the status."""
    try:
        return Content(path, ipmi.ask(str(files.tree.root / path)))
    except TimeoutError as error:
        return Content(path, None, Status.NO_DATA_YET, f"/{path}: {error.strerror}")
    except OSError as error:
        return failed(path, error.errno)


def record(context: Context) -> dict[str, bytes]:
    """Return what a recorded tree needs beside the plain files: a later reading, cards, the controller, refusals."""
    files = Files(Tree(context.root), live=True)
    found = dict(_recorded_counters(context, files))
    if nvml.here(files.tree):
        driver = nvml.Driver()
        found[nvml.RECORDED] = nvml.to_json(driver.read(files))
        driver.close()
    path = _dcmi_path(files.tree, live=True)
    if path is not None and "ipmi" in context.allow and (answer := ask_dcmi(files, path).data) is not None:
        found[ipmi.RECORDED] = answer
    if lines := list(_answers(context, files)):
        found[ERRORS] = "".join(f"{line}\n" for line in lines).encode()
    files.close()
    return found


def _recorded_counters(context: Context, files: Files) -> Iterator[tuple[str, bytes]]:
    zones, _ = rapl.find(files)
    if not zones:
        return

    def now() -> looks.Moment:
        read = {zone.id: amount(files.read(f"{zone.path}/energy_uj")) for zone in zones}
        return looks.moment(context.clock, read, None)

    before = now()
    context.sleep(LOOK_SECONDS)
    yield looks.RECORDED, looks.to_json(before, now())


def _answers(context: Context, files: Files) -> Iterator[str]:
    """Give "path ERRNO" for each file that is there and answers with an error other than a missing right."""
    for pattern in FILES:
        for path in sorted(context.root.glob(pattern)):
            below = path.relative_to(context.root).as_posix()
            number = files.errno_of(below)
            if number not in {None, errno.EACCES, errno.EPERM, errno.ENOENT, errno.EISDIR}:
                yield f"{below} {errno.errorcode.get(number or 0, 'EIO')}"
