"""The collector reads every recorded report: those of this version, of future ones, and of the agent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from roadworthy_agent.verified import marked
from roadworthy_collector.console.why import ProbeWord
from roadworthy_collector.errors import EnvelopeError
from roadworthy_collector.ingest import wire
from roadworthy_collector.ingest.decode import ReportDecoder
from roadworthy_collector.ingest.openapi import openapi_paths
from roadworthy_collector.ingest.vocabulary import WORDS

HERE = Path(__file__).parent
SCHEMA = json.loads((HERE.parents[1] / "docs" / "wire" / "report-v1.schema.json").read_text("utf-8"))
FILES = sorted((HERE / "reports").glob("*.json"))
OF_THIS_MAJOR = [path for path in FILES if path.name != "wrong-major.json"]


def names(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", OF_THIS_MAJOR, ids=names)
def test_every_recorded_report_is_read_whole(path: Path) -> None:
    body = path.read_bytes()
    decoded = ReportDecoder().decode(body)
    sent = json.loads(body)
    assert decoded.refused == []
    for name in ("probes", "periods", "days", "startups", "signins", "gaps"):
        assert len(getattr(decoded.report, name)) == len(sent.get(name, []))
    assert (decoded.report.device_id, decoded.report.seq) == (sent["device_id"], sent["seq"])


@pytest.mark.parametrize("path", OF_THIS_MAJOR, ids=names)
def test_every_recorded_report_keeps_the_contract(path: Path) -> None:
    jsonschema.validate(json.loads(path.read_text("utf-8")), SCHEMA, cls=jsonschema.Draft202012Validator)


def test_another_major_is_told_to_upgrade() -> None:
    with pytest.raises(EnvelopeError) as caught:
        ReportDecoder().decode((HERE / "reports" / "wrong-major.json").read_bytes())
    assert (caught.value.status, caught.value.code) == (426, "upgrade_required")


def places(schema: dict[str, Any], defs: dict[str, Any], at: str = "") -> Iterator[tuple[str, bool]]:
    """Yield every field a JSON Schema describes as a dotted path, and whether its object requires it."""
    for part in (schema, *schema.get("oneOf", ()), *schema.get("anyOf", ())):
        if "$ref" in part:
            yield from places(defs[part["$ref"].rpartition("/")[2]], defs, at)
        if "items" in part:
            yield from places(part["items"], defs, at)
        for name, inner in part.get("properties", {}).items():
            yield f"{at}{name}", name in part.get("required", ())
            yield from places(inner, defs, f"{at}{name}.")


def used(value: Any, at: str = "") -> Iterator[str]:
    """Yield every field of a report as a dotted path."""
    if isinstance(value, list):
        for each in value:
            yield from used(each, at)
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{at}{name}"
            yield from used(inner, f"{at}{name}.")


CONTRACT = dict(places(SCHEMA, SCHEMA["$defs"]))


def test_the_full_report_uses_every_field_of_the_contract() -> None:
    full = json.loads((HERE / "reports" / "full.json").read_text("utf-8"))
    assert set(CONTRACT) - set(used(full)) == set()


def test_the_collector_knows_the_very_fields_of_the_contract_and_requires_the_same() -> None:
    """A field the structs lack would be dropped in silence."""
    (schema,), defs = msgspec.json.schema_components([wire.Report])
    assert dict(places(schema, defs)) == CONTRACT


def enumerations(schema: dict[str, Any]) -> Iterator[frozenset[str]]:
    """Yield the examples of every enumeration of the contract."""
    for part in schema.values() if isinstance(schema, dict) else ():
        if isinstance(part, dict):
            if "examples" in part and "pattern" not in part:
                yield frozenset(part["examples"])
            yield from enumerations(part)


def test_the_collector_knows_every_word_of_the_contract() -> None:
    known = {words - {"other"} for words in WORDS.values()}
    assert set(enumerations(SCHEMA)) == known


def test_limits_are_the_contracts() -> None:
    assert {name: SCHEMA["properties"][name]["maxItems"] for name in wire.LISTS} == wire.LISTS


def test_openapi_requires_what_the_contract_requires() -> None:
    operation = openapi_paths()["/api/v1/reports"]["post"]
    described = operation["requestBody"]["content"]["application/json"]["schema"]
    assert described["required"] == SCHEMA["required"]
    assert set(described["properties"]) == set(SCHEMA["properties"])


def test_the_console_knows_the_mark_that_agents_set() -> None:
    assert ProbeWord("power", "ok", source=marked("EMI", "power", "win32")).unverified
    assert not ProbeWord("os", "ok", source=marked("/etc/os-release", "os", "linux")).unverified
