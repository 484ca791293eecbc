"""What the structs of a report are made of: bounded texts and numbers, and their common base."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

MAX_INTEGER = 2**63 - 1  # what the database holds

Text = Annotated[str, Meta(max_length=256)]
Source = Annotated[str, Meta(max_length=128)]
Word = Annotated[str, Meta(max_length=64)]  # a value of an enumeration
Name = Annotated[str, Meta(pattern="^[a-z_]{1,32}$")]
Key = Annotated[str, Meta(min_length=1, max_length=96)]
BootId = Annotated[str, Meta(min_length=1, max_length=64)]
Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
Amount = Annotated[float, Meta(ge=0, le=MAX_INTEGER)]
DeviceId = Annotated[str, Meta(pattern="^rwd_[0-9a-f]{32}$")]
Instance = Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
Seq = Annotated[int, Meta(ge=1, le=MAX_INTEGER)]


class Part(Struct, omit_defaults=True, gc=False):
    """What all parts of a report have in common. They hold no cycles, so the collector of cycles skips them."""
