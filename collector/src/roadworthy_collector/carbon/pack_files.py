"""The files of an evidence pack: what each is called, how rows are written and read, and how the ZIP is put together.

The ZIP is written one way only - stored, in this order, with one time - so that it can be written again from what is
in it and compared byte by byte. Rows are gzipped CSV, written and read as a stream.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Self

from roadworthy_collector.carbon.pack_numbers import NumberError, ensure_cells
from roadworthy_collector.errors import RoadworthyError

MANIFEST, SEAL = "manifest.json", "manifest.sha256"
DAYS, MACHINES, DEVICES, GROUPS = "days.csv.gz", "machines.csv.gz", "devices.csv.gz", "groups.csv.gz"
RESTS, FACTORS, LINES = "rests.json", "factors.csv", "lines.csv"
REPORT, SIGNOFF, README, PDF = "report.json", "signoff.json", "README.txt", "report.pdf"
READINGS, SUPPLIES, SUPPLY_SITES = "readings.csv.gz", "supplies.csv", "supply_sites.csv"
CHANGES, METER_FILES = "changes.csv", "meter_files.csv"
INPUTS = "inputs.json"
EXCLUSIONS, CONTACTS, CERTIFICATE = "exclusions.csv", "contacts.csv", "certificate.txt"
# What the closing leaves, and what publishing adds; the order they have in the ZIP.
METERS = (SUPPLIES, SUPPLY_SITES, CHANGES, METER_FILES, READINGS)
ROWS_BEFORE = (DAYS, MACHINES, DEVICES, GROUPS, RESTS, *METERS)  # that the version before left
ROWS = (*ROWS_BEFORE, INPUTS)
PAPERS = (EXCLUSIONS, CONTACTS, CERTIFICATE)
NAMES = (README, REPORT, SIGNOFF, FACTORS, LINES, *PAPERS, PDF, *ROWS, MANIFEST, SEAL)
COLUMNS = {
    DAYS: (
        "device", "date", "place", "in_use_seconds", "idle_seconds", "locked_seconds", "asleep_seconds", "off_seconds",
        "unobserved_seconds", "observed_seconds", "cpu_mean_ratio", "joules",
    ),
    MACHINES: ("device", "device_id", "class", "model", "made", "chips", "cores", "memory_gb"),
    DEVICES: (
        "month", "device", "site", "unit", "class", "model", "days", "metered_joules", "sensor_joules",
        "modelled_joules", "assumed_joules", "low_joules", "high_joules", "unknown_seconds",
    ),
    GROUPS: (
        "month", "place", "site", "unit", "class", "model", "devices", "days", "metered_joules", "sensor_joules",
        "modelled_joules", "assumed_joules", "own_down_squared", "own_up_squared", "shared", "unknown_seconds",
    ),
    FACTORS: ("key", "title", "unit", "set", "days", "value", "status", "note", "source", "as_of"),
    LINES: ("line", "title", "source", "places", "kwh", "journals_kwh"),
    # Thousandths of a kWh; of a register's unit where the channel is `register`.
    READINGS: (
        "supply", "day", "channel", "thousandths", "actual", "half_hours", "estimated_half_hours",
        "estimated_thousandths", "unstated_half_hours", "unstated_thousandths", "digits", "kwh_thousandths_per_unit",
        "reset_before", "import",
    ),
    SUPPLIES: (
        "line", "supply", "name", "fuel", "sites", "responsible_from", "responsible_to", "basis", "first_actual",
        "last_actual", "kwh", "estimated_kwh", "unstated_kwh", "export_kwh", "expected_half_hours",
        "missing_half_hours", "settled_half_hourly", "left_out",
    ),
    SUPPLY_SITES: ("supply", "site", "kind", "tenure", "from", "to", "share"),
    CHANGES: ("day", "change", "supply", "site", "tenure"),
    METER_FILES: (
        "import", "file", "digest", "imported_at", "imported_by", "rows_read", "rows_good", "rows_bad",
    ),
    EXCLUSIONS: ("what", "why", "count", "unit"),
    CONTACTS: ("name", "did", "at", "reach"),
}  # fmt: skip
# Columns of numbers, which are read within bounds; those of `lines.csv` are fractions of their own.
NUMBERS = {
    DAYS: ("device", *COLUMNS[DAYS][3:-1]),
    MACHINES: ("device", "chips", "cores", "memory_gb"),
    DEVICES: ("device", *COLUMNS[DEVICES][6:]),
    GROUPS: ("devices", *COLUMNS[GROUPS][7:-2], "unknown_seconds"),
    READINGS: COLUMNS[READINGS][3:],
    SUPPLIES: ("kwh", "estimated_kwh", "unstated_kwh", "export_kwh", "expected_half_hours", "missing_half_hours"),
    SUPPLY_SITES: ("share",),
    METER_FILES: ("import", "rows_read", "rows_good", "rows_bad"),
}  # fmt: skip
MOST_JSON_BYTES = 64 * 1024 * 1024
_MOST_PDF_BYTES = 256 * 1024 * 1024
_MOST_ROWS_BYTES = 64 * 1024**3
_MOST_LINE = 256 * 1024  # characters in a line of CSV
MOST_RATIO = 100  # unpacked bytes by packed ones; rows of numbers stay far below
_FREE_BYTES = 16 * 1024 * 1024  # unpacked whatever the ratio
_PIECE = 1024 * 1024
_TIME = (1980, 1, 1, 0, 0, 0)


class PackError(RoadworthyError):
    """An evidence pack that cannot be read or does not fit; the message names the file."""


@contextmanager
def gzipped(path: Path) -> Iterator[Any]:
    """Yield a CSV writer on a new gzip file that holds no time and no name, so that its bytes follow from its rows."""
    with (
        path.open("xb") as raw,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed,
        io.TextIOWrapper(packed, "utf-8", newline="") as text,
    ):
        path.chmod(0o600)
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS[path.name])
        yield writer


def csv_bytes(name: str, rows: Iterable[Sequence[Any]]) -> bytes:
    """Return a small CSV file of the pack."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS[name])
    writer.writerows(rows)
    return text.getvalue().encode()


class Unzipped:
    """A pack opened for reading: only names of a pack, each once, within bounds. PackError for anything else."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise PackError(f"{path}: cannot be read as an evidence pack ({error})") from None
        try:
            self.names = self._checked()
        except PackError:
            self._zip.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def _checked(self) -> tuple[str, ...]:
        infos = self._zip.infolist()
        names = [one.filename for one in infos]
        if len(infos) > len(NAMES):
            raise PackError(f"{self._path}: {len(infos)} files are in it; a pack has at most {len(NAMES)}")
        for one in infos:
            if one.filename not in NAMES or names.count(one.filename) > 1:
                raise PackError(f"{self._path}: {one.filename!r} is no file of a pack, or there twice")
            if one.compress_type != zipfile.ZIP_STORED or one.flag_bits & 0x1:
                raise PackError(
                    f"{self._path}: {one.filename} is packed or locked; a pack stores its files plain"
                )
            most = _MOST_ROWS_BYTES if one.filename in ROWS else MOST_JSON_BYTES
            most = _MOST_PDF_BYTES if one.filename == PDF else most
            if one.file_size > min(most, self._path.stat().st_size):
                raise PackError(
                    f"{self._path}: {one.filename} says it has {one.file_size:,} bytes, more than can be"
                )
        for name in (MANIFEST, SEAL, REPORT):
            if name not in names:
                raise PackError(
                    f"{self._path}: {name} is missing; this is no evidence pack, or a part of one"
                )
        return tuple(names)

    @contextmanager
    def _opened(self, name: str) -> Iterator[IO[bytes]]:
        try:
            with self._zip.open(name) as found:
                yield found
        except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError, RuntimeError) as error:
            raise PackError(f"{self._path}: {name}: is damaged ({error})") from None

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield a file's bytes as they are stored."""
        with self._opened(name) as found:
            while piece := found.read(_PIECE):
                yield piece

    def read(self, name: str) -> bytes:
        """Return a small file whole."""
        return b"".join(self.pieces(name))

    def size(self, name: str) -> int:
        """Return how many bytes a file has."""
        return self._zip.getinfo(name).file_size

    def sha256(self, name: str) -> str:
        """Return a file's digest."""
        return _digest(self.pieces(name))

    def rows(self, name: str) -> Iterator[dict[str, str]]:
        """Yield the rows of a CSV file, unpacked as a stream; PackError where it is none or grows beyond bounds."""
        with self._opened(name) as raw:
            yield from _rows(name, raw, _FREE_BYTES + MOST_RATIO * self._zip.getinfo(name).file_size)


class Folder:
    """The rows of a report that is being closed, read as they will be read of its pack."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def names(self) -> tuple[str, ...]:
        """The files that are there."""
        return tuple(name for name in NAMES if (self._path / name).is_file())

    def read(self, name: str) -> bytes:
        """Return a small file whole."""
        return (self._path / name).read_bytes()

    def sha256(self, name: str) -> str:
        """Return a file's digest."""
        return file_digest(self._path / name)

    def rows(self, name: str) -> Iterator[dict[str, str]]:
        """Yield the rows of a CSV file."""
        with (self._path / name).open("rb") as raw:
            yield from _rows(name, raw, _MOST_ROWS_BYTES)


Reader = Unzipped | Folder


def evidence_digest(pack: Reader) -> str:
    """Return one digest of all rows behind a report, which the report itself names from closing on."""
    there = [name for name in ROWS if name in pack.names]
    return _digest(f"{pack.sha256(name)}  {name}\n".encode() for name in there)


def _rows(name: str, raw: IO[bytes], most: int) -> Iterator[dict[str, str]]:
    plain: Any = gzip.GzipFile(fileobj=raw) if name.endswith(".gz") else raw
    reader = csv.DictReader(_lines(plain, most, name), strict=True)
    if tuple(reader.fieldnames or ()) != COLUMNS[name]:
        raise PackError(f"{name}: its columns are not those of a pack")
    numbers = NUMBERS.get(name, ())
    try:
        for row in reader:
            if None in row or None in row.values():
                raise PackError(f"{name}: line {reader.line_num} has not the columns it should have")
            ensure_cells(name, reader.line_num, row, numbers)
            yield row
    except NumberError as error:
        raise PackError(str(error)) from None
    except (csv.Error, gzip.BadGzipFile, EOFError, UnicodeDecodeError) as error:
        raise PackError(f"{name}: line {reader.line_num}: is damaged ({error})") from None


def _lines(plain: IO[bytes], most: int, name: str) -> Iterator[str]:
    seen = 0
    while line := plain.readline(_MOST_LINE):
        seen += len(line)
        if seen > most or len(line) >= _MOST_LINE:
            raise PackError(f"{name}: unpacks to more than it can hold; it is not read")
        yield line.decode()


def _digest(pieces: Iterable[bytes]) -> str:
    found = hashlib.sha256()
    for piece in pieces:
        found.update(piece)
    return found.hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file on disk."""
    return _digest(_file_pieces(path))


def _file_pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


class Hashed:
    """Takes what a ZIP is written of, in order, without going back; writes it on to `target` where there is one."""

    def __init__(self, target: IO[bytes] | None = None) -> None:
        self._target = target
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        """Take some bytes."""
        self._hash.update(data)
        if self._target is not None:
            self._target.write(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: the target's owner closes it."""

    @property
    def digest(self) -> str:
        """The SHA-256 of all that was written."""
        return self._hash.hexdigest()


def write_zip(target: Hashed, files: Iterable[tuple[str, Iterable[bytes]]]) -> None:
    """Write (name, pieces of bytes) as a pack's ZIP."""
    # Hashed cannot seek, so sizes follow each file and no header is written twice.
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload]  # a writer is enough
        for name, pieces in files:
            info = zipfile.ZipInfo(name, _TIME)
            info.external_attr = 0o600 << 16
            with archive.open(info, "w", force_zip64=True) as entry:
                for piece in pieces:
                    entry.write(piece)


def pieces_of(path: Path) -> Iterable[bytes]:
    """Return a file on disk as pieces."""
    return _file_pieces(path)


def written_again(pack: Unzipped) -> str:
    """Return the digest the whole ZIP has where nothing beside its files was changed."""
    sink = Hashed()
    write_zip(sink, ((name, pack.pieces(name)) for name in pack.names))
    return sink.digest
