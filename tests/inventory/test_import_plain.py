"""A plain spreadsheet is known by its usual headers, or the refusal says what to do; a mapping can be begun from it."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.importing import generic, plain
from roadworthy_inventory.importing.formats import by_name, format_of, plain_of, read_items
from roadworthy_inventory.importing.own import export_row
from roadworthy_inventory.importing.problems import RepeatedColumnError, UnknownFormatError
from roadworthy_inventory.importing.reading import Table, open_table
from roadworthy_inventory.register import RegisterItem

ON = dt.date(2026, 11, 20)
ROW = '"FP1","5CG1","Cedar","L4","Laptop","In use","HQ","Ops > Custody","25/12/2023","1,200.00","36"'


def table(*lines: str) -> Table:
    return open_table(io.BytesIO("\n".join(lines).encode()), "assets.csv")


def read(*lines: str) -> tuple[list[RegisterItem], Any]:
    source = table(*lines)
    under_way = read_items(source, format_of(source), on=ON)
    return [item for _line, item in under_way], under_way.report()


@pytest.mark.parametrize(
    "header",
    [
        "Asset tag,Serial number,Make,Model,Type,Status,Location,Department,Purchase date,Purchase cost,Warranty months",
        "Tag,Serial,Manufacturer,Model,Category,State,Site,Unit,Purchased,Price,Warranty (months)",
        "ASSET_NO,S/N,make,MODEL NAME,kind,status,LOCATION,group,Purchased on,Cost (£),warranty_months",
        (
            " asset  number ,serial_no,Brand,Product,Asset type,Lifecycle state,Building,Division,Date purchased,"
            "Cost (pounds),Warranty period (months)"
        ),
    ],
)
def test_usual_headers_need_no_mapping(header: str) -> None:
    (item,), report = read(header, ROW)
    assert item == RegisterItem(
        tag="FP1", serial="5CG1", manufacturer="Cedar", model="L4", kind="laptop", lifecycle_state="deployed", site="HQ",
        unit="Ops / Custody", purchased=dt.date(2023, 12, 25), purchase_cost_pence=120_000,
        warranty_start=dt.date(2023, 12, 25), warranty_end=dt.date(2026, 12, 24),
    )  # fmt: skip
    assert any("columns taken:" in note and "as asset tag" in note for note in report.notes)


def test_what_was_taken_left_out_and_dropped_is_told() -> None:
    _items, report = read(
        "Tag,Model,Type,Category,Wibble,Assigned to,Email", "FP1,L4,Laptop,IT,3,Ann,a@b.example"
    )
    notes = " | ".join(report.notes)
    assert "Tag as asset tag; Model as model; Type as kind" in notes
    assert "Category left out, for Type is taken as kind" in notes
    assert "columns about people dropped unread: Assigned to, Email" in notes
    assert "Wibble" in notes
    assert "no purchase date" in notes
    assert "no lifecycle state" in notes
    assert "Ann" not in repr(report)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("Asset tag,Asset No,Model", "'Asset tag' and 'Asset No' could both be the asset tag"),
        ("Tag,Price,Cost,Model", "'Price' and 'Cost' could both be the purchase cost"),
        ("Tag,Purchased,Invoice date", "'Purchased' and 'Invoice date' could both be the purchase date"),
    ],
)
def test_of_two_columns_that_matter_none_is_guessed(header: str, said: str) -> None:
    with pytest.raises(UnknownFormatError) as refused:
        read(header, "1,2,3,4"[: 2 * header.count(",") + 1])
    assert said in str(refused.value)
    assert "roadworthy register mapping FILE" in str(refused.value)
    assert "assets.csv: line 1" in str(refused.value)


def test_without_a_tag_or_serial_it_says_what_is_needed() -> None:
    with pytest.raises(UnknownFormatError, match="needs a column for the asset tag or the serial number"):
        read("Make,Model,Price", "Cedar,L4,3")


def test_other_systems_exports_stay_theirs() -> None:
    source = table("Device ID,Serial number,Last check-in,OS,Model", "i,S1,2026-10-01,Windows,L4")
    assert format_of(source).name == "intune_devices"
    source = table("Serial number,Warranty start,Warranty end,Service level", "S1,2024-01-01,2027-01-01,NBD")
    assert format_of(source).name == "warranties"


def test_a_register_with_warranty_dates_is_no_list_of_warranties() -> None:
    source = table(
        "Asset tag,Serial number,Model,Warranty start,Warranty end", "T,S1,L4,2024-01-01,2027-01-01"
    )
    assert format_of(source).name == "spreadsheet"


def test_it_can_be_asked_for_by_name() -> None:
    assert by_name("spreadsheet") is plain.PLAIN
    source = table("Asset tag,Purchased,Current value,Model", "T,2024-01-01,3,L4")
    assert plain_of(source).name == "spreadsheet"


def test_a_started_mapping_reads_the_file_as_the_plain_format_does() -> None:
    lines = (
        'Tag,S/N,Make,Type,Status,Team,Purchased,Price (£),Warranty months,Assigned to,Wib"ble',
        "FP1,5CG1,Cedar,Laptop,With officer,Ops > Custody,25/12/2023,900,36,Ann,3",
    )
    text = plain.starter(table(*lines))
    assert '"Price (£)" = "purchase_cost"' in text
    assert 'unit_separator = ">"' in text
    assert '# "With officer" = ""' in text
    assert "Ann" not in text
    text = text.replace('# "With officer" = ""', '"With officer" = "deployed"')
    mapping = generic.parse_mapping(text, "assets.toml")
    source = table(*lines)
    ((_line, item),) = read_items(source, generic.check(mapping, source), on=ON)
    assert item.lifecycle_state == "deployed"
    assert item.purchase_cost_pence == 90_000
    assert item.unit == "Ops / Custody"


def test_a_started_mapping_leaves_competing_columns_to_a_person() -> None:
    text = plain.starter(table("Asset tag,Asset No,Serial", "1,2,3"))
    assert text.count("# one of several that could be it: keep one") == 2
    assert generic.parse_mapping(text, "m").form.columns[0].field == "serial"


@given(
    st.lists(
        st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=20), min_size=1, max_size=8
    )
)
def test_a_started_mapping_is_always_toml_that_maps_nothing_twice(names: list[str]) -> None:
    source = Table("f.csv", ["Asset tag", *names], 1, iter([(2, ["T", *names])]), [])
    assert generic.parse_mapping(plain.starter(source), "m").form.columns


def test_money_is_mapped_in_pounds_by_either_name() -> None:
    for name in ("purchase_cost", "purchase_cost_pence"):
        mapping = generic.parse_mapping(f'[columns]\n"T" = "tag"\n"P" = "{name}"\n', "m")
        source = table("T,P", "A,12.34")
        ((_line, item),) = read_items(source, generic.check(mapping, source), on=ON)
        assert item.purchase_cost_pence == 1234
    assert "purchase_cost" in generic.FIELDS
    assert "purchase_cost_pence" not in generic.FIELDS


@pytest.mark.parametrize("name", ["Serial", "Tag", "Purchase cost", "Warranty end", "Purchased"])
def test_a_header_twice_is_refused_where_the_columns_differ(name: str) -> None:
    header = f"Asset tag,Serial number,Model,{name},{name}"
    header = header.replace("Asset tag,", "") if name == "Tag" else header.replace("Serial number,", "")
    same, other = ("2020-01-02", "2021-01-02") if name in {"Warranty end", "Purchased"} else ("100", "900")
    assert len(read(header, f"A1,x,{same},{same}", f"A2,x,{other},")[0]) == 2
    with pytest.raises(
        RepeatedColumnError, match=f"{name}' is there twice, as column 3 and column 4"
    ) as refused:
        read(header, f"A1,x,{same},{same}", f"A2,x,{same},{other}")
    assert (refused.value.line, refused.value.column) == (3, name)


def test_a_header_twice_that_nothing_hangs_on_is_told_and_taken() -> None:
    items, report = read("Tag,Serial,Model,Model", "FP1,S1,a,b")
    assert items[0].model == "a"
    assert "columns not asked for: Model (2)" in report.notes


def test_control_characters_are_refused_and_neutralised() -> None:
    items, report = read("Tag,Model,Notes", "FP\x1b[31m1,a,", 'FP2,b,"one\ttwo\nthree"', "FP3,b\x9b,")
    assert [(one.tag, one.notes) for one in items] == [("FP2", "one\ttwo\nthree")]
    assert [(one.line, one.column, one.code) for one in report.problems] == [
        (2, "Tag", "control_character"),
        (5, "Model", "control_character"),
    ]
    held = RegisterItem(tag="FP\x07\x1b[31m1", notes="one\ttwo\nthree")
    assert {"FP\ufffd\ufffd[31m1", "one\ttwo\nthree"} < set(export_row(held))
