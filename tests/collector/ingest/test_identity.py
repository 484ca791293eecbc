"""One device or two: whatever happens to one device it stays one, and two that share a token are told apart."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy_collector.ingest import identity
from roadworthy_collector.ingest.identity import Held, Spoken, State, Verdict

DAY = 86_400
WAIT = DAY
PARTS = ("system_uuid", "system_serial", "board_serial", "disk_serial", "mac")
NOBODY = Held(None, None, None, float("-inf"))


def hardware(word: str) -> dict[str, str]:
    return {part: f"{part} of {word}" for part in PARTS}


@dataclass
class Disk:
    """What an agent keeps, and so what a copy of its disk holds."""

    instance: str = "i1"
    seq: int = 0
    known_fingerprint: dict[str, str] = field(default_factory=dict)
    pending: Spoken | None = None


@dataclass
class Collector:
    """The collector's side of one device: what it holds and says."""

    enrolled: dict[str, str]
    now: int = 1_000_000_000
    state: State = field(default_factory=State)
    held: Held = NOBODY
    verdicts: list[Verdict] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    def take(self, spoken: Spoken) -> Verdict:
        believed = spoken._replace(sent_at=min(spoken.raw_sent_at, self.now))
        kept = identity.read(identity.write(self.state))  # as between two processes
        verdict, events = identity.judge(
            kept, self.held, believed, self.enrolled, now=self.now, wait_seconds=WAIT
        )
        self.state = kept
        self.verdicts.append(verdict)
        self.events += events
        if verdict is Verdict.OWN and believed.sent_at >= self.held.sent_at:
            self.held = Held(spoken.instance, spoken.boot, spoken.seq, believed.sent_at)
        return verdict


@dataclass
class Machine:
    """Hardware, a disk and a running boot."""

    collector: Collector
    parts: dict[str, str]
    name: str
    disk: Disk = field(default_factory=Disk)
    boots: int = 0
    boot: str = ""
    light_due: bool = True
    stopped: bool = False

    def start(self) -> None:
        self.boots += 1
        self.boot = f"{self.name} boot {self.boots}"
        self.light_due = True

    def call(self, *, answered: bool = True) -> None:
        """Send as the agent does: what is on its way, the question for the time, then a full report."""
        for _ in range(3):
            if self.stopped or not self._send(answered=answered):
                return

    def _send(self, *, answered: bool) -> bool:
        """Send one report; return whether another follows."""
        if self.disk.pending is None:
            self.disk.pending = self.composed()
        sent = self.disk.pending
        verdict = self.collector.take(sent)
        self.stopped = verdict is Verdict.CLONED
        if verdict is not Verdict.OWN or not answered:
            return False
        self.disk.pending = None
        self.disk.seq = sent.seq
        if sent.fingerprint is not None:
            self.disk.known_fingerprint = dict(sent.fingerprint)
        if identity.wants_facts(self.collector.state, sent.boot):
            self.disk.known_fingerprint = {}
        light, self.light_due = not sent.full, False
        return light

    def composed(self) -> Spoken:
        now = float(self.collector.now)
        news = self.parts != self.disk.known_fingerprint
        facts = dict(self.parts) if news and not self.light_due else None
        full = not self.light_due
        return Spoken(self.disk.instance, self.boot, self.disk.seq + 1, now, now, full, facts)


def enrolled(name: str = "a") -> Machine:
    collector = Collector(hardware(name))
    machine = Machine(collector, hardware(name), name)
    machine.start()
    machine.call()
    return machine


def copied(machine: Machine, name: str, *changed: str) -> Machine:
    """Return another machine with a copy of the disk; only the parts named differ, all if none is named."""
    other = hardware(name)
    parts = {part: other[part] if not changed or part in changed else machine.parts[part] for part in PARTS}
    made = Machine(machine.collector, parts, name, copy.deepcopy(machine.disk))
    made.start()
    return made


def take_turns(*machines: Machine, rounds: int, every: int = 900) -> None:
    for _ in range(rounds):
        for machine in machines:
            machine.collector.now += every // len(machines)
            machine.call()


class Story:
    """What happens to one machine; a method an event. `frozen`: its disk is put back at each start."""

    def __init__(self, *, frozen: bool) -> None:
        self.machine = enrolled()
        self.collector = self.machine.collector
        self.frozen = frozen
        self.disks = [copy.deepcopy(self.machine.disk)]
        self.snapshots: list[tuple[Disk, str, bool]] = []
        self.sent: list[Spoken] = []
        self.parts_replaced = False

    def tell(self, events: list[tuple[str, int]]) -> None:
        for what, how in events:
            getattr(self, what)(how)
            self.disks.append(copy.deepcopy(self.machine.disk))

    def call(self, how: int) -> None:
        self.collector.now += how * 1000
        self.sent.append(self.machine.disk.pending or self.machine.composed())
        self.machine.call()

    def lose_the_answer(self, how: int) -> None:
        self.collector.now += how
        self.sent.append(self.machine.disk.pending or self.machine.composed())
        self.machine.call(answered=False)

    def deliver_an_old_one_again(self, how: int) -> None:
        old = self.sent[how % len(self.sent)] if self.sent else None
        if old is not None and old.raw_sent_at < self.collector.held.sent_at:
            self.collector.take(old)

    def restart(self, how: int) -> None:
        self.collector.now += how
        if self.frozen:
            self.machine.disk = copy.deepcopy(self.disks[0])
        self.machine.start()
        self.machine.call()

    def have_reports_refused(self, how: int) -> None:
        self.machine.disk.pending = None
        self.machine.disk.seq += how % 20

    def restore_the_disk(self, how: int) -> None:
        self.machine.disk = copy.deepcopy(self.disks[how % len(self.disks)])
        self.machine.start()
        self.machine.call()

    def go_back_to_a_snapshot(self, how: int) -> None:
        """Two states of the running machine are kept at most: who saves and changes over runs two machines in turn."""
        if how % 2 < len(self.snapshots):
            disk, self.machine.boot, self.machine.light_due = copy.deepcopy(self.snapshots[how % 2])
            self.machine.disk = disk
        else:
            self.snapshots.append(
                copy.deepcopy((self.machine.disk, self.machine.boot, self.machine.light_due))
            )
        self.machine.call()

    def reinstall(self, how: int) -> None:
        self.machine.disk = Disk(instance=f"i{len(self.sent)}-{how}")
        self.machine.call()

    def replace_a_part(self, how: int) -> None:
        self._replace(PARTS[how % len(PARTS)])

    def replace_the_mainboard(self, how: int) -> None:
        self.collector.now += how
        self._replace("system_uuid", "board_serial", "mac")

    def _replace(self, *parts: str) -> None:
        if self.parts_replaced:
            return
        self.parts_replaced = True
        self.snapshots.clear()  # of a memory that ran on the old parts
        self.machine.parts = self.machine.parts | dict.fromkeys(parts, "new")
        self.machine.start()
        self.machine.call()


EVENTS = st.tuples(
    st.sampled_from([name for name in vars(Story) if not name.startswith("_") and name != "tell"]),
    st.integers(1, 200),
)


@settings(max_examples=400, deadline=None)
@given(events=st.lists(EVENTS, max_size=40), frozen=st.booleans())
def test_whatever_happens_to_one_device_it_is_one(*, events: list[tuple[str, int]], frozen: bool) -> None:
    """Restarts, lost answers, old disks, snapshots, a part that is replaced or once a mainboard."""
    story = Story(frozen=frozen)
    story.tell(events)
    story.machine.call()
    story.collector.now += WAIT
    story.machine.call()
    story.machine.call()
    assert Verdict.CLONED not in story.collector.verdicts
    assert "shared" not in story.collector.events
    assert story.collector.verdicts[-1] is Verdict.OWN


@settings(max_examples=100, deadline=None)
@given(
    before=st.integers(0, 30), apart=st.integers(0, 5), order=st.lists(st.booleans(), min_size=4, max_size=30)
)
def test_a_copy_on_other_hardware_trades_and_the_owner_is_never_asked_to(
    before: int, apart: int, order: list[bool]
) -> None:
    owner = enrolled()
    take_turns(owner, rounds=before)
    copy_of_it = copied(owner, "b")
    take_turns(owner, rounds=apart)
    for first in [*order, True, False, True, False]:
        take_turns(owner if first else copy_of_it, rounds=1)
    assert copy_of_it.stopped
    assert not owner.stopped
    assert identity.may_trade(owner.collector.state, owner.collector.enrolled, copy_of_it.parts)
    assert not identity.may_trade(owner.collector.state, owner.collector.enrolled, owner.parts)


def test_nothing_of_a_copy_is_taken_while_it_is_not_clear_whose_it_is() -> None:
    owner = enrolled()
    other = copied(owner, "b")
    other.call()
    assert owner.collector.verdicts[-2:] == [
        Verdict.OWN,
        Verdict.HELD,
    ]  # its question for the time holds nothing
    assert not other.stopped


def test_a_copy_whose_owner_was_silent_is_found_when_the_owner_comes_back() -> None:
    owner = enrolled()
    other = copied(owner, "b")
    take_turns(other, rounds=3, every=DAY)
    assert "repaired" in owner.collector.events
    assert not other.stopped
    owner.start()
    take_turns(owner, other, rounds=6)
    assert other.stopped
    assert not owner.stopped


def test_copies_that_differ_from_each_other_are_told_although_the_owner_is_gone() -> None:
    """An image of a machine that was wiped, on a room full of others."""
    image = enrolled()
    room = [copied(image, f"m{number}") for number in range(30)]
    take_turns(*room, rounds=3)
    assert all(machine.stopped for machine in room)


def test_virtual_copies_that_differ_in_one_fact_are_told_by_taking_turns() -> None:
    owner = enrolled()
    take_turns(owner, rounds=10)
    other = copied(owner, "b", "system_uuid")
    take_turns(owner, other, rounds=6)
    assert owner.collector.events.count("shared") == 1
    assert other.stopped
    assert not owner.stopped
    owner.collector.now += 8 * DAY
    owner.call()
    assert identity.write(owner.collector.state) is None or owner.collector.state.shared_at is None


def test_two_halves_of_one_running_machine_are_noticed_and_neither_is_evicted() -> None:
    """A virtual machine copied with its memory: same boot, same numbers, same hardware."""
    one = enrolled()
    take_turns(one, rounds=5)
    two = copied(one, "a")
    two.boot, two.light_due = one.boot, one.light_due
    take_turns(one, two, rounds=8)
    assert "shared" in one.collector.events
    assert not one.stopped
    assert not two.stopped


def test_without_hardware_facts_nothing_is_checked() -> None:
    collector = Collector({})
    one = Machine(collector, {}, "c")
    one.start()
    one.call()
    other = Machine(collector, {}, "d", copy.deepcopy(one.disk))
    other.start()
    other.call()
    assert collector.verdicts == [Verdict.OWN] * len(collector.verdicts)


@given(st.dictionaries(st.sampled_from(PARTS), st.sampled_from(["1", "2"])), st.data())
def test_a_fingerprint_is_completed_only_by_the_same_hardware(
    known: dict[str, str], data: st.DataObject
) -> None:
    told = data.draw(st.dictionaries(st.sampled_from(PARTS), st.sampled_from(["1", "2"])))
    more = identity.completed(known, told)
    if more is None:
        return
    assert identity.differing(known, told) == 0
    assert {name: more[name] for name in known} == known
    assert set(more) == set(known) | set(told)
    assert not known or set(known) & set(told)


@given(st.integers(1, 2**40))
def test_what_is_remembered_is_read_as_it_was_written(now: int) -> None:
    state = State(others=[identity.Stream("i", "b", 3, now)], returns=[now], shared_at=now)
    assert identity.read(identity.write(state)) == state
    assert identity.write(State()) is None
    assert identity.read(None) == State()
