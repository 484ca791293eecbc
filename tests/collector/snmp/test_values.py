"""Raw values become numbers, words and dates, or a reason why not: whatever comes, nothing is raised or made up."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_collector.snmp.profile import DateForm, ReadingSpec, Share, Unit
from roadworthy_collector.snmp.profile_keys import SYMBOLS, Keys
from roadworthy_collector.snmp.values import (
    EVERYWHERE_SENTINELS,
    PLAUSIBLE,
    Beside,
    Trouble,
    bits_set,
    date_of,
    quantity,
    text_of,
    word,
)

WATTS = Unit("W", Decimal(1))
SPEC = ReadingSpec(
    name="power", kind="active_power", place="input", mib="A-MIB", object="power", oid=(1, 3, 0), unit=WATTS
)
RAW = st.one_of(
    st.integers(-(1 << 63), (1 << 64) - 1),
    st.binary(max_size=40),
    st.lists(st.integers(0, 1 << 32), max_size=6).map(tuple),
    st.sampled_from(
        [-1, 65535, -32768, 2147483647, -2147483648, 4294967295, 0, b"", b"-1", b"12.5", b"nan", b"1e9"]
    ),
)
SCALES = st.one_of(st.none(), st.integers(-(1 << 31), 1 << 31))


def unit(text: str, kind: str) -> Unit:
    return Keys({}, "here").unit("unit", text, kind)


def code_of(found: object) -> str:
    assert isinstance(found, Trouble)
    return found.code


@given(
    raw=RAW,
    kind=st.sampled_from(sorted(PLAUSIBLE)),
    numeric_text=st.booleans(),
    negative_is_missing=st.booleans(),
    share=st.booleans(),
    scales=st.tuples(SCALES, SCALES, SCALES, SCALES, SCALES),
    told=st.booleans(),
    data=st.data(),
)
def test_a_quantity_is_finite_and_plausible_or_refused(
    raw: Any,
    kind: Any,
    numeric_text: Any,
    negative_is_missing: Any,
    share: Any,
    scales: tuple[int | None, ...],
    told: Any,
    data: st.DataObject,
) -> None:
    symbol = data.draw(st.sampled_from(sorted(SYMBOLS[kind])))
    spec = replace(
        SPEC,
        kind=kind,
        numeric_text=numeric_text,
        negative_is_missing=negative_is_missing,
        share=Share(column=(1, 3)) if share else None,
    )
    digits, exponent, entity_scale, factor, whole = scales
    beside = Beside(unit(symbol, kind) if told else None, digits, exponent, entity_scale, factor, whole)
    found = quantity(raw, spec, beside)
    if isinstance(found, Trouble):
        assert found.reason
        return
    least, most = PLAUSIBLE[kind]
    assert math.isfinite(found)
    assert float(least) <= found <= float(most)
    assert raw not in EVERYWHERE_SENTINELS


@given(kind=st.sampled_from(["active_power", "energy", "nameplate_power"]), amount=st.decimals(0, 1000))
def test_apparent_power_is_no_unit_of_power_or_energy(kind: str, amount: Decimal) -> None:
    for symbol in ("VA", "kVA", "VAh", "var", "va"):
        with pytest.raises(Exception, match="is no unit of"):
            unit(f"{amount} {symbol}", kind)


@pytest.mark.parametrize(
    ("raw", "text", "kind", "value"),
    [
        (187, "0.01 kW", "active_power", 1870.0),
        (123456, "0.1 kWh", "energy", 12_345_600.0),
        (360_000, "10 J", "energy", 1000.0),
        (3600, "J", "energy", 1.0),
        (6832, "mA", "current", 6.832),
        (2304, "0.1 V", "voltage", 230.4),
        (420, "0.1 %", "load", 0.42),
        (97, "0.01 ratio", "power_factor", 0.97),
        (37, "min", "runtime", 2220.0),
        (324_000, "0.01 s", "runtime", 3240.0),
        (770, "0.1 degF", "temperature", 25.0),
        (-40, "degF", "temperature", -40.0),
        (-123, "0.1 degC", "temperature", -12.3),
    ],
)
def test_a_unit_says_what_a_step_is_worth(raw: int, text: str, kind: Any, value: float) -> None:
    found = quantity(raw, replace(SPEC, kind=kind), Beside(unit(text, kind)))
    assert found == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("raw", "text", "kind", "believed", "value"),
    [
        (65535, "Wh", "energy", (), 65535.0),
        (32767, "Wh", "energy", (), 32767.0),
        (65535, "s", "runtime", (), 65535.0),
        (65535, "mA", "current", (32767, 65535), 65.535),
        (65534, "W", "active_power", (), 65534.0),
    ],
)
def test_an_end_of_16_bits_is_a_fair_value_of_what_is_counted_and_where_a_profile_says_so(
    raw: int, text: str, kind: Any, believed: tuple[int, ...], value: float
) -> None:
    spec = replace(SPEC, kind=kind, believed=frozenset(believed))
    assert quantity(raw, spec, Beside(unit(text, kind))) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("raw", "changed", "code"),
    [
        (-1, {"negative_is_missing": True}, "sentinel"),
        (-1, {}, "out_of_range"),
        (65535, {}, "sentinel"),
        (32767, {}, "sentinel"),
        (65535, {"kind": "load"}, "sentinel"),
        (32767, {"kind": "voltage", "numeric_text": True}, "sentinel"),
        (65535, {"kind": "current"}, "sentinel"),
        (32767, {"kind": "temperature"}, "sentinel"),
        (b"65535", {"numeric_text": True}, "sentinel"),
        (12345, {"sentinels": frozenset({12345})}, "sentinel"),
        (-32768, {}, "sentinel"),
        (4294967295, {}, "sentinel"),
        (2147483647, {}, "sentinel"),
        (6_000_000, {}, "out_of_range"),
        (12, {"most": Decimal(10)}, "out_of_range"),
        (0, {"least": Decimal(1)}, "out_of_range"),
        (b"12", {}, "not_a_number"),
        (b"twelve", {"numeric_text": True}, "not_a_number"),
        ((1, 3, 6), {}, "not_a_number"),
    ],
)
def test_what_is_no_power_is_refused_with_its_code(raw: Any, changed: dict[str, Any], code: str) -> None:
    assert code_of(quantity(raw, replace(SPEC, **changed), Beside(WATTS))) == code


def test_numbers_as_text_are_read_where_the_profile_says_so() -> None:
    spec = replace(SPEC, numeric_text=True)
    assert quantity(b" 246\0", spec, Beside(WATTS)) == 246.0
    assert quantity(b"12,5", spec, Beside(WATTS)) == 12.5


@pytest.mark.parametrize(
    ("beside", "value"),
    [
        (Beside(WATTS, digits=3), 6.832),
        (Beside(WATTS, exponent=-3), 6.832),
        (Beside(WATTS, exponent=2), 683_200.0),
        (Beside(WATTS, entity_scale=9), 6832.0),
        (Beside(WATTS, entity_scale=8), 6.832),
        (Beside(WATTS, entity_scale=10, digits=4), 683.2),
        (Beside(WATTS, factor=-10), 683.2),
        (Beside(WATTS, factor=10), 68_320.0),
        (Beside(WATTS, factor=0), 6832.0),
    ],
)
def test_columns_beside_a_value_scale_it(beside: Beside, value: float) -> None:
    assert quantity(6832, SPEC, beside) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    "beside",
    [
        Beside(None),
        Beside(WATTS, digits=-1),
        Beside(WATTS, digits=40),
        Beside(WATTS, exponent=-99),
        Beside(WATTS, entity_scale=0),
    ],
)
def test_a_scale_that_is_not_told_or_cannot_be_is_no_number(beside: Beside) -> None:
    assert code_of(quantity(6832, SPEC, beside)) == "unknown_unit"


@pytest.mark.parametrize(
    ("level", "whole", "expected"), [(6400, 20000, 0.32), (0, 100, 0.0), (100, 100, 1.0)]
)
def test_a_supply_is_a_share_of_what_it_can_hold(level: int, whole: int, expected: float) -> None:
    spec = replace(SPEC, kind="supply", share=Share(column=(1, 3)), unit=None)
    assert quantity(level, spec, Beside(whole=whole)) == pytest.approx(expected)


@pytest.mark.parametrize("whole", [None, 0, -1, -2])
def test_a_share_of_an_unknown_whole_is_refused(whole: int | None) -> None:
    spec = replace(SPEC, kind="supply", share=Share(column=(1, 3)), unit=None)
    assert code_of(quantity(40, spec, Beside(whole=whole))) == "unknown_unit"


@given(raw=RAW)
def test_words_are_the_profiles_or_refused(raw: Any) -> None:
    states = replace(SPEC, kind="state", unit=None, states={1: "on", 2: "off"})
    bits = replace(SPEC, kind="state", unit=None, bits={0: "low paper", 14: "overdue"})
    for spec in (states, bits):
        found = word(raw, spec)
        assert isinstance(found, Trouble) or found in {
            "on",
            "off",
            "none",
            "low paper",
            "overdue",
            "low paper, overdue",
        }


@given(st.binary(max_size=8))
def test_bits_count_from_the_most_significant(raw: bytes) -> None:
    written = "".join(f"{octet:08b}" for octet in raw)
    assert bits_set(raw) == {place for place, digit in enumerate(written) if digit == "1"}


@given(raw=st.one_of(st.none(), RAW), form=st.sampled_from(get_args(DateForm)))
def test_dates_and_texts_never_raise(raw: Any, form: Any) -> None:
    found = date_of(raw, form)
    assert found is None or len(found) <= 200
    if form != "text" and found is not None:
        assert len(found) == len("2024-01-31")


@pytest.mark.parametrize(
    ("raw", "form", "iso"),
    [
        (b"03/21/19", "month_day_year", "2019-03-21"),
        (b"06/30/99", "month_day_year", "1999-06-30"),
        (b"05/17/2022", "month_day_year", "2022-05-17"),
        (b"13/17/2022", "month_day_year", None),
        (b"02/30/2022", "month_day_year", None),
        (b"unknown", "month_day_year", None),
        (b"2020-02-29", "iso_date", "2020-02-29"),
        (b"2020-02-29T10:00:00", "iso_date", "2020-02-29"),
        (b"2021-02-29", "iso_date", None),
        (bytes.fromhex("07E304110C000000"), "date_and_time", "2019-04-17"),
        (bytes.fromhex("07E304110C0000002B0100"), "date_and_time", "2019-04-17"),
        (bytes.fromhex("0000000000000000"), "date_and_time", None),
        (bytes.fromhex("07E3"), "date_and_time", None),
        (b"04-Mar-2021", "free", "2021-03-04"),
        (b"4 March 2021", "free", "2021-03-04"),
        (b"2021-03-04", "free", "2021-03-04"),
        (b"31/01/2024", "free", "2024-01-31"),
        (b"01/31/2024", "free", "2024-01-31"),
        (b"03/04/2024", "free", None),
        (b"03/03/2024", "free", "2024-03-03"),
        (b"03/31/24", "free", None),
        (b"last spring", "free", None),
        (b"20220317094512.000000+060", "compact", "2022-03-17"),
        (b"20220317094512", "compact", "2022-03-17"),
        (b"20220230094512.000000+060", "compact", None),
        (b"00000000000000.000000+000", "compact", None),
        (b"20220317", "compact", None),
        (b"06/02/2022 14:03:51", "month_day_year", "2022-06-02"),
    ],
)
def test_dates_are_read_in_their_form_only(raw: bytes, form: Any, iso: str | None) -> None:
    assert date_of(raw, form) == iso


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"Smart-UPS 3000\0\0", "Smart-UPS 3000"),
        (b"  two\r\n lines ", "two lines"),
        ("Büro".encode(), "Büro"),
        (b"B\xfcro", "Büro"),
        (b"N/A", None),
        (b"", None),
        (None, None),
        (4711, "4711"),
        ((1, 3), None),
    ],
)
def test_text_is_what_a_person_reads(raw: Any, text: str | None) -> None:
    assert text_of(raw) == text
