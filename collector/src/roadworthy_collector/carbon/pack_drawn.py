"""Makes a pack's papers again out of its report and sign-off: the PDF to the byte, the certificate, the readme, CRC's words.

Only by the version that made the pack: another may draw or word a page otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from roadworthy_collector import __version__
from roadworthy_collector.carbon import pack_files as files
from roadworthy_collector.carbon import pack_papers as papers
from roadworthy_collector.carbon import report_crc, report_crc_tables
from roadworthy_collector.carbon.pack_files import Unzipped
from roadworthy_collector.carbon.report_shown import Frame
from roadworthy_collector.carbon.supplies import CrcSupply
from roadworthy_inventory.carbon.crc_rates import RateBook

SINCE = 4  # packs of older layouts were drawn and worded by a program before this one
ISSUED = "published"
Draw = Callable[[Mapping[str, Any], Frame], bytes]


def same_version(manifest: Mapping[str, Any]) -> bool:
    """Return whether this program is the version that made a pack, and made it of what is sealed."""
    return manifest.get("code_version") == __version__ and int(manifest.get("version", 0)) >= SINCE


def differing(
    pack: Unzipped,
    content: Mapping[str, Any],
    manifest: Mapping[str, Any],
    draw: Draw | None,
    remarks: list[str],
) -> Iterator[str]:
    """Yield each paper that is not what report and sign-off come to; what was not made again goes into `remarks`."""
    signed = json.loads(pack.read(files.SIGNOFF))
    number, marking = int(manifest["report"]), str(signed["marking"])
    if signed["report"] != number:
        yield f"{files.SIGNOFF} is of report {signed['report']} and the manifest of {number}"
    if not same_version(manifest):
        remarks.append(
            f"{files.PDF}, {files.CERTIFICATE} and {files.README} are held against their hashes alone: they were made by "
            f"version {manifest.get('code_version')} in layout {manifest.get('version')}, and this is {__version__} with layout "
            f"{SINCE}"
        )
        return
    name = f"roadworthy-{content['kind']}-{content['began']}-{number}.zip"
    for paper, text in (
        (files.CERTIFICATE, papers.certificate(content, number, marking)),
        (files.README, papers.readme(content, number, name, marking)),
    ):
        if pack.read(paper) != text.encode():
            yield f"{paper} is not what {files.REPORT} and {files.SIGNOFF} come to"
    if draw is None:
        remarks.append(f"{files.PDF} was not drawn again: it is held against its hash alone")
        return
    plain = {key: value for key, value in content.items() if key != "restates"}
    frame = Frame(marking, ISSUED, number, signed["steps"], content.get("restates"))
    if pack.read(files.PDF) == draw(plain, frame):
        remarks.append(
            f"{files.PDF} was drawn again of {files.REPORT} and {files.SIGNOFF}: the same to the byte"
        )
    else:
        yield f"{files.PDF} is not what this program draws of {files.REPORT} and {files.SIGNOFF}"


def crc_words(
    content: Mapping[str, Any],
    rows: Sequence[CrcSupply],
    journals: Mapping[str, Fraction],
    rates: RateBook | None,
) -> Iterator[str]:
    """Yield each sentence of a CRC report's first page that its readings do not say."""
    choice = report_crc_tables.Choice.of_rules(content["rules"])
    worked = report_crc_tables.work_out(int(content["began"]), rows, journals, choice, rates)
    made = [*report_crc.sentences(int(content["began"]), worked, rows), *report_crc.METHOD]
    told = [*content["sentences"], *content["method"]]
    for text in told:
        if text not in made:
            yield f"{files.REPORT}: {text!r} is printed and does not follow from the readings"
    for text in made:
        if text not in told:
            yield f"{files.REPORT}: {text!r} follows from the readings and is not printed"
