"""The papers of an evidence pack: factors, lines, exclusions, contacts, the certificate to be signed, what is in it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from roadworthy_collector.carbon.report_compare import EVIDENCE
from roadworthy_collector.carbon.report_shown import STEP_WORDS, written
from roadworthy_collector.carbon.settings_changes import Contact

_INPUTS = "inputs.json     what else the report was made of: the year before, factors, figures of the carbon settings\n"


class About(NamedTuple):
    """What stands around a report that is sealed; `restates`: {number, because, changes, pack, sha256} of another."""

    marking: str
    restates: Mapping[str, Any] | None = None
    contacts: Sequence[Contact] = ()


def exclusion_rows(content: Mapping[str, Any]) -> Iterator[Sequence[Any]]:
    """Yield what is left out of the figures, supplies left out by a rule one by one."""
    for one in content["exclusions"]:
        count = "not known" if one["count"] is None else one["count"]
        yield (one["what"], one["why"], count, one["unit"])
    for table in content["tables"]:
        for row in table["rows"] if table["name"] == "excluded" else ():
            kwh = "not known" if row["kwh"] is None else row["kwh"]
            yield (f"Supply {row['supply']}", f"{row['rule']}: {row['why']}", kwh, "kWh")
        for row in table["rows"] if table["name"] == "journals" else ():
            yield (f"Adjustment of {row['line']} by {row['made_by']}", row["reason"], row["kwh"], "kWh")


def contact_rows(steps: Sequence[Mapping[str, Any]], contacts: Sequence[Contact]) -> Iterator[Sequence[Any]]:
    """Yield the contacts of the carbon settings, then who took which step by account."""
    reach = {one.name.casefold(): one.reach for one in contacts}
    for one in contacts:
        yield (one.name, one.role, "", one.reach)
    for step in steps:
        at = dt.datetime.fromtimestamp(step["at"], dt.UTC).isoformat()
        did = ": ".join(one for one in (STEP_WORDS.get(step["state"], step["state"]), step["remark"]) if one)
        yield (step["person"], did, at, reach.get(step["person"].casefold(), "by the account of this name"))


def certificate(content: Mapping[str, Any], number: int, marking: str) -> str:
    """Return the form of the internal audit's certificate with the report's figures in it."""
    figures = "\n".join(
        f"  {one['title']}: {written(one['value'], one['places'])} {one['unit']}"
        for one in content["figures"]
    )
    return f"""\
Protective marking: {marking or "none stated"}
Certificate of the internal audit: {content["title"]}, {content["year"]}, report {number}

{figures}

I have had the records behind these figures examined: the list of supplies, the suppliers' statements, which supplies
are estimated, what is left out and under which rule, and changes during the year. To the best of my knowledge they
are complete and correct, but for:

  ..............................................................................................................

Name .......................................   Post .......................................

Signature ..................................   Date ......................
"""


def factor_rows(content: Mapping[str, Any]) -> Iterator[Sequence[Any]]:
    """Yield a row for each part of each factor and price."""
    for one in content["factors"]:
        for part in one["parts"]:
            told = (part[name] for name in ("set_name", "days", "value", "status", "note", "source", "as_of"))
            yield (one["key"], one["title"], one["unit"], *told)


def line_rows(content: Mapping[str, Any]) -> Iterator[Sequence[Any]]:
    """Yield the energy the sums are made of."""
    for one in content["lines"]:
        yield (
            one["name"],
            one["title"],
            one["source"],
            " ".join(one["ledger"]),
            one["kwh"],
            one["journals_kwh"],
        )


def readme(content: Mapping[str, Any], number: int, name: str, marking: str) -> str:
    """Return what is told first of a pack."""
    # A report the version before closed names no evidence, and nothing was kept of its making.
    inputs = _INPUTS if EVIDENCE in content["rules"] else ""
    return f"""\
Protective marking: {marking or "none stated"}
{content["title"]}, {content["year"]}: evidence pack of report {number}

Recompute its totals from this file alone, offline, without a database:

    roadworthy report verify {name}

It says ok, or what differs. It was made by Roadworthy {content["code_version"]}; the models' data are named in
manifest.json ("models"), and a program with other models says so.

report.json     everything the report says, with exact amounts as fractions
report.pdf      the same as it was issued
signoff.json    who prepared, reviewed, closed, approved and published it, and when
factors.csv     every factor and price used, with its set, days, status and source
lines.csv       the energy the sums are made of, and adjustments by journal
exclusions.csv  what is not in the figures, why, and how much of it there is
contacts.csv    who had a part in it, who answers for it, and how to reach them
certificate.txt the internal audit's form, to be signed
groups.csv.gz   the energy ledger by month, place, site, unit, class and model, with its errors
devices.csv.gz  the same by device and month
days.csv.gz     what each device told by day: seconds by state, joules as measured; of devices that hang on one
                another what each counts, so that no joule is there twice
machines.csv.gz what the power models are asked with; device_id is a random number and names nobody
supplies.csv    every supply with its line, sites, days of responsibility, basis and kWh (crc and secr)
supply_sites.csv  which site each supply feeds, from when to when, and as what
changes.csv     supplies that joined or left a site during the year
readings.csv.gz every day of every meter and every register reading: what decides kWh and basis
meter_files.csv the files they came in: the suppliers' statements; the digest is of the file and of how it was read
{inputs}rests.json      offsets fitted from sibling devices, by month, and what the daily rows come to
manifest.json   the SHA-256 of every file; manifest.sha256 is that of the manifest

tonnes = kWh of the lines x factor x uplift / 1000, added exactly, rounded half up once.
"""
