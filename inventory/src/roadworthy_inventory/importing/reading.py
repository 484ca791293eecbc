"""A file of unknown make becomes a table: its header, its rows with their lines, and notes of what was found out.

CSV in any of four delimiters and XLSX; JSON of the GLPI agent is made a table too, so that one way leads on from
here. Text is streamed: memory holds a piece and a row, whatever the size of the file.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

from roadworthy_inventory.importing import archive, glpi_agent
from roadworthy_inventory.importing.decoding import ByteStream, Decoder, Lines, Pieces, read_head
from roadworthy_inventory.importing.problems import EmptyFileError, UnreadableFileError
from roadworthy_inventory.importing.quotes import Spanning, ending
from roadworthy_inventory.importing.values import Cell
from roadworthy_inventory.importing.workbooks import open_sheet

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
COLUMNS = 2_000
_TITLE_LINES = 25  # a header further down is none
_SAMPLE_ROWS = 100
_JSON_BYTES = 64 * 1024 * 1024
ZIP = b"PK\x03\x04"
_SIGNATURES = {
    b"\xd0\xcf\x11\xe0": "is an old binary spreadsheet (XLS) or protected by a password",
    b"\x1f\x8b": "is packed by gzip",
    b"%PDF": "is a PDF document",
    b"<?xml": "is an XML document",
    b"<!DOC": "is a web page",
    b"<html": "is a web page",
}

Row = tuple[int, Sequence[Cell]]


class Table:
    """A header and the rows under it.

    `header`: column names, each once (a second `Category` is `Category (2)`), never empty. `rows`: iterator of (line
    of the file where the row begins, 1-based; cells), as many cells as the row has; blank rows are left out. `typed`:
    cells may be numbers and dates (XLSX), else all are text. `notes`: what was sniffed, for a person. `repeated`:
    {column: the first of the same name}, counted from 0. `sheet`: the sheet of a workbook it is, one of `sheets`.
    """

    __slots__ = (
        "_decoder",
        "_notes",
        "_spanning",
        "file",
        "header",
        "header_line",
        "repeated",
        "rows",
        "sheet",
        "sheets",
        "typed",
    )

    def __init__(
        self, file: str, header: Sequence[Cell], header_line: int, rows: Iterator[Row], notes: list[str]
    ) -> None:
        self._decoder: Decoder | None = None
        self._spanning: Spanning | None = None
        self._notes = notes
        self.file = file
        self.typed = False
        self.sheet: str | None = None
        self.sheets: tuple[str, ...] = ()
        self.header_line = header_line
        self.header = _named(header, notes)
        self.repeated = _repeated(header)
        self.rows = rows

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found out so far; the encoding may only show far down the file."""
        if self._decoder is None:
            return tuple(self._notes)
        encoding = f"encoding {self._decoder.encoding}"
        if self._decoder.encoding == "Windows-1252":
            encoding += ", for it is no UTF-8"
        count = 0 if self._spanning is None else self._spanning.count
        spanning = [f"{count:,} row{'s go' if count > 1 else ' goes'} over several lines"] if count else []
        return (encoding, *self._notes, *spanning)

    @property
    def may_be_broken(self) -> bool:
        """Whether any bytes so far were no text of the encoding; cells then hold U+FFFD or NUL where they were."""
        return self._decoder is not None and self._decoder.broken

    @property
    def is_guessed(self) -> bool:
        """Whether letters beyond ASCII are read as Windows-1252 for want of anything better: any bytes are text in it."""
        return self._decoder is not None and self._decoder.encoding == "Windows-1252"

    @property
    def is_text(self) -> bool:
        """Whether every cell is a text."""
        return self._decoder is not None

    @classmethod
    def of_text(
        cls,
        decoder: Decoder,
        header: Sequence[Cell],
        header_line: int,
        rows: Iterator[Row],
        notes: list[str],
        spanning: Spanning,
    ) -> Table:
        """Return a table read from text."""
        table = cls(decoder.file, header, header_line, rows, notes)
        table._decoder = decoder
        table._spanning = spanning
        return table


def open_table(stream: ByteStream, file: str, *, sheet: str | None = None) -> Table:
    """Return the table in an open binary stream, seekable or not; `file` is its name, for messages.

    `sheet` names the sheet of a workbook, None takes the first. The stream must stay open while rows are read.
    Raises EmptyFileError where there is no header or no row, UnreadableFileError where it is no table, saying line and column
    where it can; rows raise UnreadableFileError too, for what is only found further down.
    """
    head = read_head(stream)
    if not head.strip(b" \t\r\n\0"):
        raise EmptyFileError(file, "is empty", "export it again")
    if head.startswith(ZIP):
        return _workbook(head, stream, file, sheet)
    for signature, what in _SIGNATURES.items():
        if head[:5].lower().startswith(signature.lower()):
            raise UnreadableFileError(file, what, "save it as XLSX or CSV UTF-8")
    if _is_json(head):
        return _json(head, stream, file)
    start = head[:4096]
    # A NUL here and there is a broken cell, one byte in twenty is no text.
    if start.count(0) * 20 > len(start) and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableFileError(
            file, "is binary, or UTF-16 without its mark", "save it as XLSX or CSV UTF-8"
        )
    return _text(head, stream, file)


def _is_json(head: bytes) -> bool:
    return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"{", b"["}


def is_text(head: bytes) -> bool:
    """Return whether a file that begins so is read as text, a row at a time, if it is a table at all."""
    return bool(head) and not head.startswith(ZIP) and not _is_json(head)


def _text(head: bytes, stream: ByteStream, file: str) -> Table:
    decoder = Decoder(file, head)
    sample = "".join(_sample_lines(file, head))
    delimiter, declared = _delimiter(sample)
    lines = Lines(decoder, Pieces(head, stream))
    if declared:
        next(lines)
        lines.row_ended()
    spanning = Spanning(file, delimiter)
    rows = _csv_rows(file, lines, delimiter, spanning)
    notes = [f"delimiter {DELIMITERS[delimiter]}"]
    header, header_line, first = _find_header(file, rows, notes)
    usual = Counter(len(cells) for _line, cells in first).most_common(1)
    spanning.begin(header_line, (len(header), usual[0][0]))
    return Table.of_text(decoder, header, header_line, chain(first, rows), notes, spanning)


def _sample_lines(file: str, head: bytes) -> Iterator[str]:
    """Yield the complete lines of the head, decoded apart from the real reading."""
    whole = head[: max(head.rfind(b"\n"), head.rfind(b"\r")) + 1] or head
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        whole = head[: len(head) // 2 * 2]
    return iter(Lines(Decoder(file, head), Pieces(whole, io.BytesIO())))


def _delimiter(sample: str) -> tuple[str, bool]:
    """Return the delimiter that parts the sample's lines most evenly, and whether a `sep=` line says it."""
    if sample[:5].casefold().startswith("sep=") and sample[4:5] in DELIMITERS:
        return sample[4], True
    best, most = ",", 0
    for delimiter in DELIMITERS:
        reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
        widths: Counter[int] = Counter()
        try:
            for cells in reader:
                widths[len(cells)] += len(cells) > 1
                if widths.total() >= _SAMPLE_ROWS:
                    break
        except csv.Error:
            pass  # a cell longer than csv allows: the real reading says where
        score = max((count * (width - 1) for width, count in widths.items()), default=0)
        if score > most:
            best, most = delimiter, score
    return best, False


def _csv_rows(file: str, lines: Lines, delimiter: str, spanning: Spanning) -> Iterator[Row]:
    """Yield (line, cells) of every row with anything in it."""
    ended, line, held = lines.row_ended, lines.row_started, lines.held
    try:
        for cells in csv.reader(chain(lines, ending(held)), delimiter=delimiter):
            started = line
            if len(held) > 1 and spanning.is_end(cells, held, started):
                return
            ended()
            line = lines.row_started
            if any(cells):
                yield started, cells
    except csv.Error as error:
        raise UnreadableFileError(
            file,
            f"the row that begins here cannot be read ({error})",
            "close the quote it opens, or shorten the cell",
            line=line,
        ) from None


def _find_header(file: str, rows: Iterator[Row], notes: list[str]) -> tuple[Sequence[Cell], int, list[Row]]:
    """Return the header, its line, and the rows already read under it.

    Exports put titles, filters and dates above their header: it is the first row nearly as full as the fullest of
    the rows that follow.
    """
    sample: list[Row] = []
    for row in rows:
        sample.append(row)
        if len(sample) >= _SAMPLE_ROWS:
            break
    if not sample:
        raise EmptyFileError(file, "has no rows", "export it again")
    filled = [sum(1 for cell in cells if cell not in ("", None)) for _line, cells in sample]
    # The fullest, but not one odd row of a thousand commas: the usual of the better half.
    usual = sorted(filled)[len(filled) * 3 // 4]
    place = next((number for number, count in enumerate(filled[:_TITLE_LINES]) if count * 10 >= usual * 7), 0)
    place = _short_header(sample, filled, place)
    line, header = sample[place]
    if place:
        notes.append(f"{place} title line{'s' if place > 1 else ''} above the header passed over")
    if len(header) > COLUMNS:
        raise UnreadableFileError(
            file, f"has {len(header):,} columns; at most {COLUMNS:,} are read", "export fewer", line=line
        )
    if place + 1 == len(sample):
        raise EmptyFileError(file, "has a header and no rows", "export it again", line=line)
    return header, line, sample[place + 1 :]


def _short_header(sample: Sequence[Row], filled: Sequence[int], place: int) -> int:
    """Return a full row above the chosen one where that is only wide: with a delimiter too many in a short file.

    It is then wider than every other row, and the row above is as wide as these.
    """
    others = [len(cells) for number, (_line, cells) in enumerate(sample) if number != place]
    if len(others) < 2 or len(sample[place][1]) <= max(others):
        return place
    above = ((number, len(cells)) for number, (_line, cells) in enumerate(sample[:place]))
    return next(
        (number for number, width in above if width == max(others) == filled[number] and width > 1), place
    )


def _plain(cell: Cell) -> str:
    return " ".join(str(cell).replace("\ufeff", "").split())


def _repeated(header: Sequence[Cell]) -> dict[int, int]:
    first: dict[str, int] = {}
    places = {index: first.setdefault(_plain(cell).casefold(), index) for index, cell in enumerate(header)}
    return {index: place for index, place in places.items() if place != index and _plain(header[index])}


def _named(header: Sequence[Cell], notes: list[str]) -> tuple[str, ...]:
    """Return the names of the columns, each once; the notes say which were there twice or had none."""
    names: list[str] = []
    taken: set[str] = set()
    for number, cell in enumerate(header, 1):
        plain = _plain(cell)
        if not plain:
            plain = f"Column {number}"
            notes.append(f"column {number} has no name")
        name, count = plain, 1
        while name.casefold() in taken:
            count += 1
            name = f"{plain} ({count})"
        if count > 1:
            notes.append(f"column {plain!r} is there {count} times; this one is called {name!r}")
        taken.add(name.casefold())
        names.append(name)
    return tuple(names)


def _all(head: bytes, stream: ByteStream, file: str, most: int) -> bytes:
    """Return the whole stream; UnreadableFileError beyond `most` bytes."""
    parts, size = [head], len(head)
    while part := stream.read(1024 * 1024):
        size += len(part)
        if size > most:
            raise UnreadableFileError(
                file, f"is larger than {most >> 20} MB", "save it as CSV UTF-8, or in parts"
            )
        parts.append(part)
    return b"".join(parts)


def _workbook(head: bytes, stream: ByteStream, file: str, wanted: str | None) -> Table:
    sheet = open_sheet(io.BytesIO(_all(head, stream, file, archive.FILE_BYTES)), file, wanted)
    notes = [f"sheet {sheet.name!r} of {len(sheet.names)}", *sheet.notes]
    try:
        header, line, first = _find_header(file, sheet.rows, notes)
    except EmptyFileError as error:
        if len(sheet.names) < 2:
            raise
        said = f"sheet {sheet.name!r} {error.reason}"
        which = f"say which sheet is meant: {', '.join(sheet.names)}"
        raise EmptyFileError(file, said, which, line=error.line) from None
    table = Table(file, header, line, chain(first, sheet.rows), notes)
    table.typed = True
    table.sheet, table.sheets = sheet.name, sheet.names
    return table


def _json(head: bytes, stream: ByteStream, file: str) -> Table:
    header, rows = glpi_agent.table(file, _all(head, stream, file, _JSON_BYTES))
    return Table(file, header, 1, iter(rows), ["JSON"])
