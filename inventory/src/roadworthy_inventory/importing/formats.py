"""All formats there are, and which of them a header is."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from roadworthy_inventory.importing import (
    configmgr,
    endpoint_analytics,
    glpi,
    glpi_agent,
    intune,
    ocs,
    own,
    plain,
    snipe_it,
    warranties,
)
from roadworthy_inventory.importing.fields import Format, bind, is_personal
from roadworthy_inventory.importing.items import Import, read_items
from roadworthy_inventory.importing.problems import UnknownFormatError
from roadworthy_inventory.importing.reading import Table
from roadworthy_inventory.importing.words import word_key

__all__ = ["FORMATS", "Detection", "Format", "Import", "by_name", "detect", "format_of", "read_items"]

# Of two formats that read as many columns of a header the earlier wins.
FORMATS: tuple[Format, ...] = (
    *own.FORMATS,
    *snipe_it.FORMATS,
    *glpi_agent.FORMATS,
    *glpi.FORMATS,
    *intune.FORMATS,
    *endpoint_analytics.FORMATS,
    *configmgr.FORMATS,
    *ocs.FORMATS,
    *warranties.FORMATS,
)
_NEAR_MISSES = 3
_CLEARLY_MORE = 3  # columns a plain spreadsheet reads beyond the export it looks like


@dataclass(frozen=True, slots=True)
class Detection:
    """Which format a header is, None where none fits; `reasons` say why, and what near misses lack."""

    format: Format | None
    reasons: tuple[str, ...]


def by_name(name: str) -> Format:
    """Return the format of that name; UnknownFormatError listing all where there is none."""
    every = (*FORMATS, plain.PLAIN)
    for form in every:
        if form.name == name:
            return form
    raise UnknownFormatError(name, "is no format", f"use one of: {', '.join(form.name for form in every)}")


def _missing(form: Format, keys: set[str]) -> list[str]:
    """Return what the header lacks to be of this format, in words."""
    groups = [*form.required, *([form.telling] if form.telling else [])]
    lacking = [group for group in groups if not any(word_key(alias) in keys for alias in group)]
    return [f"one of {', '.join(group)}" if len(group) > 1 else group[0] for group in lacking]


def detect(header: Sequence[str]) -> Detection:
    """Return which format a header is: the one that reads most of its columns, of those it has all the marks of."""
    keys = {word_key(name) for name in header}
    keys |= {word_key(name.rsplit(" - ", 1)[-1]) for name in header if " - " in name}
    judged = [(form, len(bind(form.columns, header).bound), _missing(form, keys)) for form in FORMATS]
    fitting = [(form, read) for form, read, missing in judged if not missing]
    near = sorted(
        ((form, read, missing) for form, read, missing in judged if missing and read > 1),
        key=lambda one: (len(one[2]), -one[1]),
    )
    misses = tuple(
        f"no {form.title}: it lacks {'; and '.join(missing)}" for form, _read, missing in near[:_NEAR_MISSES]
    )
    if not fitting:
        return Detection(None, misses or ("no format we know has two of these columns",))
    best, read = max(fitting, key=lambda one: one[1])
    others = tuple(f"could be {form.title} too" for form, _read in fitting if form is not best)
    return Detection(best, (f"{best.title}: {read} of {len(header)} columns are read", *others))


def format_of(table: Table) -> Format:
    """Return the format of a table; UnknownFormatError with the reasons where there is none.

    What no other system exports, or what holds clearly more than the export it looks like, is a plain spreadsheet.
    """
    detection = detect(table.header)
    laid = plain.lay(table.header)
    if laid.fits() and _is_plainer(detection.format, laid, table.header):
        return plain_of(table, laid)
    if detection.format is not None:
        return detection.format
    named = ", ".join(name for name in table.header[:12] if not is_personal(name))
    one_of = f"sheet {table.sheet!r} " if len(table.sheets) > 1 else ""
    others = f"say which sheet is meant ({', '.join(table.sheets)}); " if one_of else ""
    raise UnknownFormatError(
        table.file,
        f"{one_of}has a header no importer knows ({named}): {'. '.join(detection.reasons)}",
        f"{others}a plain spreadsheet needs a column for the asset tag or the serial number and one more; or "
        "say which column is which: `roadworthy register mapping FILE` prints a mapping file to edit",
        line=table.header_line,
    )


def plain_of(table: Table, laid: plain.Laid | None = None) -> Format:
    """Return a table's format as a plain spreadsheet; UnknownFormatError where two columns compete."""
    found = plain.lay(table.header) if laid is None else laid
    refused = plain.refusal(table.file, found, table.header_line)
    if refused is not None:
        raise refused
    return plain.form_for(found)


def _is_plainer(known: Format | None, laid: plain.Laid, header: Sequence[str]) -> bool:
    """Whether a header is rather a plain spreadsheet than `known`: a list of warranties has no asset tags."""
    if known is None:
        return True
    more = laid.reads - len(bind(known.columns, header).bound)
    if known.yields == "warranty":
        return more > 0 and ("tag" in laid.taken or more >= _CLEARLY_MORE)
    return known.yields == "item" and known.name != "register" and more >= _CLEARLY_MORE


def closest(name: str, names: Sequence[str]) -> str:
    """Return `; did you mean 'x'?` for a name nearly right, else nothing."""
    found = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {found[0]!r}?" if found else ""
