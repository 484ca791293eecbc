"""A disk's raw answers as one JSON document, the same in a recording and in what a root step leaves for the agent.

`parse_document` turns it into values, `compose` makes one. Keys, bytes in hexadecimal:

    nvme_log           512 bytes of the SMART / Health Information log page
    ata_attributes     512 bytes of SMART READ DATA
    ata_status         [LBA mid, LBA high] after SMART RETURN STATUS
    ata_statistics     {page: 512 bytes} of the device statistics log, pages 1, 3, 4 and 7
    missing            {"status", "reason"}: there was no answer
"""

from __future__ import annotations

import json
from typing import Any

from roadworthy_agent.probes.storage import nvme, smart
from roadworthy_agent.probes.storage.health import Health, HealthError, NoHealth
from roadworthy_agent.probes.storage.smart import AtaAnswers
from roadworthy_agent.reading import Status

LONGEST_DOCUMENT = 32_768


def parse_document(text: str, *, model: str | None, rotates: bool) -> Health | NoHealth:
    """Return what a disk's document says.

    `model` decides whether a maker's own wear attribute is known, `rotates` leaves wear out of a hard disk.
    Raises HealthError for a document nobody here wrote and for answers that cannot be.
    """
    document = _document(text)
    if "missing" in document:
        return _no_health(document["missing"])
    if "nvme_log" in document:
        return nvme.parse_health_log(_bytes(document["nvme_log"]))
    if "ata_attributes" in document or "ata_statistics" in document:
        return smart.parse_health(_answers(document), model=model, rotates=rotates)
    raise HealthError("the health document holds no answer of a disk")


def _document(text: str) -> dict[str, Any]:
    if len(text) > LONGEST_DOCUMENT:
        raise HealthError(f"the health document is longer than {LONGEST_DOCUMENT} characters")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HealthError("the health document is no JSON") from error
    if not isinstance(document, dict):
        raise HealthError("the health document is no object")
    return document


def _no_health(value: Any) -> NoHealth:
    if not isinstance(value, dict):
        raise HealthError("`missing` of the health document is no object")
    try:
        status = Status(str(value.get("status")))
    except ValueError as error:
        raise HealthError("`missing` of the health document has an unknown status") from error
    reason = value.get("reason")
    return NoHealth(status, reason[:256] if isinstance(reason, str) and reason else "no reason was noted")


def _bytes(value: Any) -> bytes:
    if not isinstance(value, str):
        raise HealthError("an answer in the health document is no text of hexadecimal digits")
    try:
        return bytes.fromhex(value)
    except ValueError as error:
        raise HealthError("an answer in the health document is no text of hexadecimal digits") from error


def _answers(document: dict[str, Any]) -> AtaAnswers:
    status = document.get("ata_status")
    registers = None
    if isinstance(status, list) and len(status) == 2 and all(isinstance(each, int) for each in status):
        registers = (status[0], status[1])
    pages = document.get("ata_statistics")
    attributes = document.get("ata_attributes")
    return AtaAnswers(
        attributes=None if attributes is None else _bytes(attributes),
        status=registers,
        statistics={
            int(page): _bytes(raw)
            for page, raw in (pages.items() if isinstance(pages, dict) else ())
            if page.isascii() and page.isdigit() and len(page) < 4
        },
    )


def compose(**answers: Any) -> bytes:
    """Return a document of a disk's answers; bytes become hexadecimal."""
    return json.dumps(_plain(answers), separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value
