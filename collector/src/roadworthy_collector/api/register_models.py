"""What the API of the register takes and answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from roadworthy_collector.api.calls import PlaceName, Sent, one_line

Tag = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64), AfterValidator(one_line)
]
UnitPath = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128), AfterValidator(one_line)
]


class Item(BaseModel):
    """An item of the register; dates as YYYY-MM-DD, money in whole pence, null or `unknown` where nobody has told."""

    id: int
    tag: str | None
    serial: str | None
    uuid: str | None
    macs: list[str]
    kind: str
    manufacturer: str | None
    model: str | None
    model_number: str | None
    lifecycle_state: str
    usage_profile: str
    unit: str | None
    cost_centre: str | None
    command: str | None
    site: str | None
    legal_owner: str | None
    supplier: str | None
    order_number: str | None
    system: str | None
    purchased: str | None
    purchase_cost_pence: int | None
    lease_end: str | None
    warranty_start: str | None
    warranty_end: str | None
    warranty_level: str | None
    planned_end: str | None
    os_name: str | None
    os_version: str | None
    last_seen: str | None
    notes: str | None
    bios_date: str | None
    disposed_on: str | None
    updated_at: int


class Items(BaseModel):
    """A page of items by row id; `next` is null on the last one. `restricted` counts those left out of every page."""

    rows: list[Item]
    next: int | None
    total: int
    restricted: int
    states: dict[str, int]
    known: dict[str, int]


class Event(BaseModel):
    """A change of an item: {field: [before, after]} in words."""

    batch: int
    kind: str
    file_name: str | None
    at: int
    by: str
    undone_at: int | None
    new: bool
    fields: dict[str, tuple[str, str]]


class Linked(BaseModel):
    """A device the item is or was, from `first` until before `until`."""

    device_id: str
    hostname: str | None
    first: str
    until: str | None
    told: dict[str, str | float] = Field(description="Make, model, firmware and the like, as it says itself.")


class ItemInFull(BaseModel):
    """An item with its history, newest first, and its devices."""

    item: Item
    history: list[Event]
    devices: list[Linked]


class Problem(BaseModel):
    """What is wrong with a row of a file: its line, the column by its header."""

    line: int
    column: str
    code: str
    message: str
    value: str
    quarantines: bool


class ItemChange(BaseModel):
    """What happens to an item: {field: [before, after]} in words."""

    item: str
    new: bool
    fields: dict[str, tuple[str, str]]


class Imported(BaseModel):
    """How an import went; `same_as` is the batch this very file already is, and then nothing was done.

    `problems` and `warnings` are the first thousand, `changes` the first hundred. `corrections` is the correction file
    as text, null where no row was set aside.
    """

    file: str
    kind: str
    format: str
    dry_run: bool
    batch: int | None
    same_as: int | None
    rows_read: int
    good: int
    quarantined: int
    new: int
    changed: int
    unchanged: int
    made: dict[str, list[str]]
    problems: list[Problem]
    warnings: list[Problem]
    notes: list[str]
    changes: list[ItemChange]
    corrections: str | None


class Batch(BaseModel):
    """An import or a change by hand; times in UTC epoch seconds."""

    id: int
    kind: str
    format: str
    file_name: str | None
    file_sha256: str | None
    made_at: int
    made_by: str
    rows_read: int
    rows_good: int
    rows_bad: int
    problems: dict[str, int] | None
    new: int
    changed: int
    undone_at: int | None
    undone_by: str | None
    unfinished: bool


class Batches(BaseModel):
    """A page of batches, newest first; `next` is null on the last one."""

    rows: list[Batch]
    next: int | None


class Undone(BaseModel):
    """What undoing did; `left` are [item, why] of the first thousand that stay as they are."""

    batch: int
    restored: int
    removed: int
    rows: int
    left_count: int
    left: list[tuple[str, str]]


class Change(Sent):
    """What is to become of the items of these tags; what is not said stays."""

    tags: list[Tag] = Field(min_length=1, max_length=5000)
    unit: UnitPath | None = None
    site: PlaceName | None = None
    state: str | None = Field(None, max_length=32)
    profile: str | None = Field(None, max_length=32)
    kind: str | None = Field(None, max_length=32)
    enrol: bool = False
    retire_devices: bool = False
    dry_run: bool = False


class Changed(BaseModel):
    """What a change did, or would do; `warnings` are [tag, why its new state is unusual].

    `duplicates` stood in the list more than once, `retired` counts devices put out of service. `made`: {kind: names} of
    places that were or would be made.
    """

    dry_run: bool
    batch: int | None
    new: int
    changed: int
    unchanged: int
    not_found: list[str]
    warning_count: int
    warnings: list[tuple[str, str]]
    changes: list[ItemChange]
    duplicates: list[str]
    retired: int
    made: dict[str, list[str]]
