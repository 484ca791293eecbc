"""A display's EDID as facts: who made it, which model, how old, how large. Never its serial number.

Layout: VESA Enhanced EDID Standard 1.4 (E-EDID), base block; whatever operating system hands over the bytes.
The serial numbers (bytes 12-15 and descriptor 0xFF) are not even looked at. Extension blocks hold timings and
sound, which nobody asks for here.
"""

from __future__ import annotations

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.facts import Monitor
from roadworthy_agent.placeholders import meaningful

BLOCK_BYTES = 128
HEADER = b"\x00\xff\xff\xff\xff\xff\xff\x00"
DESCRIPTORS = (54, 72, 90, 108)  # four of 18 bytes each
DESCRIPTOR_BYTES = 18
SERIAL, NAME = 0xFF, 0xFC  # kinds of descriptor
EARLIEST_YEAR = 1994  # of the first EDID; the year's byte counts from 1990, and 0 is what nobody filled in
ROUNDING_MILLIMETRES = 10  # the size stands in whole centimetres, and in a timing in millimetres


class EdidError(ProbeError):
    """The bytes are no EDID; the text says what is wrong with them."""


def parse_edid(data: bytes, *, internal: bool | None = None) -> Monitor:
    """Return what the base block of an EDID says of a display.

    `model` is the name it gives itself, else its product code as four hexadecimal digits, as laptop panels mostly
    have no name. `internal` is known from the connector, not from the EDID. Raises EdidError for bytes that are
    no EDID or whose checksum is wrong.
    """
    block = data[:BLOCK_BYTES]
    if len(block) < BLOCK_BYTES:
        raise EdidError(f"an EDID block has {BLOCK_BYTES} bytes, this has {len(block)}")
    if not block.startswith(HEADER):
        raise EdidError("the EDID does not begin with its header")
    if sum(block) % 256:
        raise EdidError("the checksum of the EDID is wrong")
    product = int.from_bytes(block[10:12], "little")
    width, height = _size(block)
    return Monitor(
        vendor=_vendor(block),
        model=_name(block) or (f"{product:04X}" if product else None),
        year=_year(block),
        width_millimetres=width,
        height_millimetres=height,
        internal=internal,
    )


def without_serial(data: bytes) -> bytes:
    """Return the base block without its serial numbers and with a right checksum, for recordings; b"" if it is none."""
    try:
        parse_edid(data)
    except EdidError:
        return b""
    block = bytearray(data[:BLOCK_BYTES])
    block[12:16] = bytes(4)
    block[126] = 0  # the extension blocks are left out
    for start in DESCRIPTORS:
        if _kind(block, start) not in {None, NAME}:  # what is no timing and no name may hold anything
            block[start : start + DESCRIPTOR_BYTES] = b"\0\0\0\x10" + bytes(14)
    block[127] = -sum(block[:127]) & 0xFF
    return bytes(block)


def _vendor(block: bytes) -> str | None:
    """Return three letters of five bits each, 1 being A; None where one of them is no letter."""
    word = int.from_bytes(block[8:10], "big")
    letters = [(word >> shift) & 0x1F for shift in (10, 5, 0)]
    if not all(1 <= letter <= 26 for letter in letters):
        return None
    return "".join(chr(ord("A") + letter - 1) for letter in letters)


def _kind(block: bytes | bytearray, start: int) -> int | None:
    """Return what a descriptor describes; None for a timing, which begins with its pixel clock."""
    return None if block[start] or block[start + 1] else block[start + 3]


def _name(block: bytes) -> str | None:
    for start in DESCRIPTORS:
        if _kind(block, start) == NAME:
            text = block[start + 5 : start + DESCRIPTOR_BYTES].partition(b"\n")[0].decode("ascii", "ignore")
            return meaningful("".join(letter for letter in text if letter.isprintable()))
    return None


def _year(block: bytes) -> int | None:
    year = 1990 + block[17]
    return year if year >= EARLIEST_YEAR else None


def _size(block: bytes) -> tuple[int | None, int | None]:
    """Return width and height in millimetres, from the first timing where it agrees with the whole centimetres.

    One of the two being 0 means an aspect ratio, both 0 a projector.
    """
    width, height = block[21] * 10, block[22] * 10
    if not width or not height:
        return None, None
    start = DESCRIPTORS[0]
    if _kind(block, start) is None:
        fine_width = block[start + 12] | (block[start + 14] & 0xF0) << 4
        fine_height = block[start + 13] | (block[start + 14] & 0x0F) << 8
        # Some timings carry an aspect ratio (16 x 9 mm) or another panel's size.
        if max(abs(fine_width - width), abs(fine_height - height)) <= ROUNDING_MILLIMETRES:
            return fine_width, fine_height
    return width, height
