"""Every format from a file in its own shape: recognised, read, and without the people in it."""

from __future__ import annotations

import datetime as dt
import io
import json
from typing import Any

import pytest

from roadworthy_inventory.importing.fields import bind, is_personal
from roadworthy_inventory.importing.formats import FORMATS, by_name, detect, format_of, read_items
from roadworthy_inventory.importing.problems import BadRow, UnknownFormatError
from roadworthy_inventory.importing.reading import open_table
from roadworthy_inventory.importing.rows import (
    IMPORT_ONLY,
    BookValue,
    Experience,
    Maintenance,
    ManagedDevice,
    UpgradeEligibility,
    Warranty,
)
from roadworthy_inventory.register import FIELDS, RegisterItem

ON = dt.date(2026, 11, 1)
# One person, planted in every format; nothing of her may come out anywhere.
PERSON = ("Petronella Quux", "pquux", "pquux@force.example", "07700900123", "Petronella", "Quux")


def lines(*rows: str) -> bytes:
    return "\r\n".join(rows).encode() + b"\r\n"


AGENT = {
    "deviceid": "LF014-2024-01-01-10-00-00",
    "itemtype": "Computer",
    "content": {
        "versionclient": "GLPI-Agent_v1.7",
        "hardware": {
            "name": "LF014",
            "uuid": "0055ADC9-1D3A-E411-8043-B05D95113232",
            "chassis_type": "Notebook",
            "lastloggeduser": "pquux",
            "winowner": "Petronella Quux",
        },
        "bios": {
            "assettag": "RW0001",
            "ssn": "9E113232H",
            "smanufacturer": "TOSHIBA",
            "smodel": "PORTEGE Z30-A",
            "skunumber": "PT243E",
            "bdate": "2014-04-10",
        },
        "operatingsystem": {"full_name": "Fedora release 25", "version": "25"},
        "networks": [
            {"description": "lo", "status": "up", "mac": "00:00:00:00:00:00", "virtualdev": True},
            {"description": "eth0", "status": "up", "mac": "B0:5D:95:11:32:32", "virtualdev": False},
            {"description": "virbr0", "status": "up", "mac": "52:54:00:FA:20:0E", "virtualdev": True},
        ],
        "users": [{"login": "pquux"}],
        "local_users": [{"id": "1", "login": "pquux", "name": "Petronella Quux"}],
    },
}
OCS_HEADER = (
    "Last inventory;Computer;Computer Id;Connected user;Operating system;RAM (MB);OS Version;Manufacturer;"
    "BIOS Serial number;Model;BIOS Date;MAC address"
)

# name of the format: (file, what its first row is)
SAMPLES: dict[str, tuple[bytes, object]] = {
    "snipe_it_import": (
        "\ufeff".encode()
        + lines(
            "Company,Name,Asset Tag,Category,Supplier,Manufacturer,Location,Order Number,Model,Model Notes,"
            "Model Number,Asset Notes,Purchase Date,Purchase Cost,Checkout Type,Checked Out To: Username,"
            "Checked Out To: First Name,Checked Out To: Last Name,Checked Out To: Email,"
            "Checked Out To: Location,Asset EOL Date",
            "Force,LAP-1,RW0001,Laptops,Acme,Dell,HQ,PO7,Latitude 5420,,L5420,bought used,1/23/23,£1200.50,user,"
            "pquux,Petronella,Quux,pquux@force.example,HQ,1/23/27",
        ),
        RegisterItem(
            tag="RW0001",
            kind="laptop",
            supplier="Acme",
            manufacturer="Dell",
            site="HQ",
            order_number="PO7",
            model="Latitude 5420",
            model_number="L5420",
            notes="bought used",
            unit="Force",
            lifecycle_state="deployed",
            purchased=dt.date(2023, 1, 23),
            purchase_cost_pence=120050,
            planned_end=dt.date(2027, 1, 23),
        ),
    ),
    "snipe_it_report": (
        lines(
            "ID,Company,Asset Name,Asset Tag,Model,Model No.,Category,Manufacturer,Serial,Purchased,Cost,EOL,Warranty,"
            "Warranty Expires,Current Value,Diff,Fully Depreciated,Order Number,Supplier,Location,Checked Out,Type,"
            "Username,Employee No.,Manager,Department,Title,Phone,Email,Status,Checkout Date,Created At,Notes,URL",
            "1,Force,LAP-1,RW0001,Latitude,L5420,Laptop,Dell,S1,2023-01-23,1200.50,48,36 months,2026-01-22,300,900,"
            "2026-01-23,PO7,Acme,HQ,Petronella Quux,user,pquux,77,Petronella Quux,Crime,DC,07700900123,"
            "pquux@force.example,Ready to Deploy,2023-02-01,2023-01-23,,https://x.example",
        ),
        RegisterItem(
            tag="RW0001",
            serial="S1",
            kind="laptop",
            manufacturer="Dell",
            model="Latitude",
            model_number="L5420",
            unit="Force / Crime",
            site="HQ",
            supplier="Acme",
            order_number="PO7",
            lifecycle_state="deployed",
            purchased=dt.date(2023, 1, 23),
            purchase_cost_pence=120050,
            warranty_start=dt.date(2023, 1, 23),
            warranty_end=dt.date(2026, 1, 22),
            planned_end=dt.date(2027, 1, 22),
        ),
    ),
    "snipe_it_depreciation": (
        lines(
            'Asset Tag,"Asset ",Serial,Checked Out,Location,Purchased,Cost,Current Value,Diff',
            "RW0001,LAP-1,S1,Petronella Quux,HQ,2023-01-23,1200.50,300.25,-900.25",
        ),
        BookValue(
            tag="RW0001",
            serial="S1",
            site="HQ",
            purchased=dt.date(2023, 1, 23),
            purchase_cost_pence=120050,
            current_value_pence=30025,
            difference_pence=-90025,
        ),
    ),
    "snipe_it_maintenance": (
        lines(
            "Asset Tag,Asset Name,Supplier,Asset Maintenance Type,Title,Start Date,Completion Date,"
            "Asset Maintenance Time (in days),Cost,Manager",
            "RW0001,LAP-1,Fixit,Repair,Petronella Quux dropped it,2026-01-05,2026-01-09,4,£89.99,Petronella Quux",
        ),
        Maintenance(
            tag="RW0001",
            kind="Repair",
            supplier="Fixit",
            started=dt.date(2026, 1, 5),
            completed=dt.date(2026, 1, 9),
            days=4,
            cost_pence=8999,
        ),
    ),
    "glpi_csv": (
        lines(
            '"Name";"Entity";"Location";"Type";"Model";"Status";"UUID";"Characteristics - Serial number";'
            '"Inventory number";"Last inventory date";"Alternate username";"User";"Technician in charge";'
            '"Manufacturer";"Operating system - Name";"Financial and administrative information - Date of purchase";'
            '"Financial - Value";"Financial - Warranty duration";"Financial - Start date of warranty";'
            '"Batteries - Serial number"',
            '"LAP-1";"Force > Crime";"HQ";"Notebook";"Latitude";"In use";"4c4c4544-0042";"S1";"RW0001";'
            '"2026-10-30 08:00:00";"pquux";"Petronella Quux";"Petronella Quux";"Dell";"Windows 11 Pro";"2023-01-23";'
            '"1200.50";"36";"2023-02-01";"BAT9"',
        ),
        RegisterItem(
            tag="RW0001",
            serial="S1",
            uuid="4c4c4544-0042",
            kind="laptop",
            manufacturer="Dell",
            model="Latitude",
            unit="Force / Crime",
            site="HQ",
            lifecycle_state="deployed",
            os_name="Windows 11 Pro",
            purchased=dt.date(2023, 1, 23),
            purchase_cost_pence=120050,
            warranty_start=dt.date(2023, 2, 1),
            warranty_end=dt.date(2026, 1, 31),
            last_seen=dt.date(2026, 10, 30),
        ),
    ),
    "glpi_agent": (
        json.dumps(AGENT, indent=1).encode(),
        RegisterItem(
            tag="RW0001",
            serial="9E113232H",
            uuid="0055ADC9-1D3A-E411-8043-B05D95113232",
            macs=("b0:5d:95:11:32:32",),
            kind="laptop",
            manufacturer="TOSHIBA",
            model="PORTEGE Z30-A",
            model_number="PT243E",
            lifecycle_state="deployed",
            os_name="Fedora release 25",
            os_version="25",
            bios_date=dt.date(2014, 4, 10),
        ),
    ),
    "intune_devices": (
        lines(
            "Device ID,Device name,Enrollment date,Last check-in,Azure AD Device ID,OS version,Serial number,"
            "Manufacturer,Model,IMEI,Last EAS sync time,Wi-Fi MAC,Category,UserId,Primary user UPN,"
            "Primary user email address,Primary user display name,Compliance,Managed by,Ownership,Encrypted,OS,"
            "SkuFamily,Phone number,EthernetMAC",
            "id-1,PHONE-1,2024-02-03 10:00:00.0000000,2026-10-20 09:22:10.0000000,x,17.1,S1,Apple,iPhone 13,3526,"
            "2026-10-25 09:22:10.0000000,AABBCCDDEEFF,,pquux,pquux@force.example,pquux@force.example,"
            "Petronella Quux,Compliant,Intune,Company,True,iOS,,07700900123,",
        ),
        ManagedDevice(
            device_id="id-1",
            name="PHONE-1",
            serial="S1",
            imei="3526",
            macs=("aa:bb:cc:dd:ee:ff",),
            manufacturer="Apple",
            model="iPhone 13",
            os_name="iOS",
            os_version="17.1",
            enrolled=dt.date(2024, 2, 3),
            last_seen=dt.date(2026, 10, 20),
            last_sync=dt.date(2026, 10, 25),
            owned_by="corporate",
            compliance="Compliant",
            managed_by="Intune",
            encrypted=True,
        ),
    ),
    "intune_upgrade": (
        lines(
            "DeviceId,DeviceName,SerialNumber,Manufacturer,Model,OSVersion,Ownership,UpgradeEligibility,"
            "RamCheckFailed,StorageCheckFailed,TpmCheckFailed,ProcessorFamilyCheckFailed,UPN",
            "id-1,LAP-1,S1,Dell,Latitude,10.0.19045,Corporate,notCapable,False,False,True,True,pquux@force.example",
        ),
        UpgradeEligibility(
            device_id="id-1",
            name="LAP-1",
            serial="S1",
            manufacturer="Dell",
            model="Latitude",
            os_version="10.0.19045",
            owned_by="Corporate",
            eligibility="not capable",
            failed=("tpm", "processor"),
            checked=4,
        ),
    ),
    "endpoint_analytics": (
        lines(
            "DeviceId,DeviceName,Manufacturer,Model,CoreBootTime,GPBootTime,CoreLogonTime,GPLogonTime,"
            "DesktopUsableTime,EndpointAnalyticsScore,StartupPerformanceScore,AppReliabilityScore,HealthStatus,"
            "MeanTimeToFailure,UserName",
            "id-1,LAP-1,Dell,Latitude,42,0,31,-1,7,-2,61,-1,2,2147483647,pquux",
        ),
        Experience(
            device_id="id-1",
            name="LAP-1",
            manufacturer="Dell",
            model="Latitude",
            core_boot_seconds=42.0,
            gp_boot_seconds=0.0,
            core_logon_seconds=31.0,
            desktop_usable_seconds=7.0,
            startup_score=61.0,
            health="needs attention",
        ),
    ),
    "configmgr": (
        lines(
            "ResourceID,Netbios_Name0,SerialNumber0,Manufacturer0,Model0,Caption0,LastHWScan,ReleaseDate0,"
            "User_Name0,TopConsoleUser",
            "16777220,LAP-1,S1,Dell Inc.,Latitude,Microsoft Windows 11 Enterprise,2026-10-30T08:00:00,03/04/2021,"
            "pquux,pquux",
        ),
        RegisterItem(
            serial="S1",
            manufacturer="Dell Inc.",
            model="Latitude",
            lifecycle_state="deployed",
            os_name="Microsoft Windows 11 Enterprise",
            last_seen=dt.date(2026, 10, 30),
            bios_date=dt.date(2021, 3, 4),
        ),
    ),
    "ocs": (
        lines(
            OCS_HEADER,
            "2026-10-30 08:00:00;LAP-1;LAP-1-2020;pquux;Microsoft Windows 10 Pro;8192;10.0.19045;Dell;S1;Latitude;"
            "03/04/2021;AA:BB:CC:DD:EE:FF",
        ),
        RegisterItem(
            serial="S1",
            macs=("aa:bb:cc:dd:ee:ff",),
            manufacturer="Dell",
            model="Latitude",
            lifecycle_state="deployed",
            os_name="Microsoft Windows 10 Pro",
            os_version="10.0.19045",
            last_seen=dt.date(2026, 10, 30),
            bios_date=dt.date(2021, 3, 4),
        ),
    ),
    "warranties": (
        lines("serial,start,end,level,contact name", "S1,2023-02-01,2026-01-31,ProSupport,Petronella Quux"),
        Warranty(serial="S1", start=dt.date(2023, 2, 1), end=dt.date(2026, 1, 31), level="ProSupport"),
    ),
    "register": (
        lines(
            "Asset tag,Kind,Lifecycle state,Usage profile,Purchase cost (GBP),User name",
            "RW0001,laptop,deployed,shared,1200.50,pquux",
        ),
        RegisterItem(
            tag="RW0001",
            kind="laptop",
            lifecycle_state="deployed",
            usage_profile="shared",
            purchase_cost_pence=120050,
        ),
    ),
}


def read(body: bytes, **options: Any) -> tuple[list[object], Any]:
    table = open_table(io.BytesIO(body), "file.csv")
    under_way = read_items(table, format_of(table), on=ON, **options)
    return [value for _line, value in under_way], under_way


def test_every_format_has_a_sample() -> None:
    assert set(SAMPLES) == {form.name for form in FORMATS}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_recognised_and_read(name: str) -> None:
    body, row = SAMPLES[name]
    found, under_way = read(body)
    assert under_way.format.name == name
    assert found == [row], under_way.report().problems
    report = under_way.report()
    assert (report.rows_read, report.good, report.quarantined) == (1, 1, 0)


@pytest.mark.parametrize("name", SAMPLES)
def test_no_person_comes_out_of_a_good_row(name: str) -> None:
    found, under_way = read(SAMPLES[name][0])
    said = repr((found, under_way.report(), under_way.correction_header))
    assert not [word for word in PERSON if word in said]


@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "glpi_agent"])
@pytest.mark.parametrize("damage", ["nothing in it", "one cell too many"])
def test_no_person_comes_out_of_a_bad_row(name: str, damage: str) -> None:
    header, row = SAMPLES[name][0].decode("utf-8-sig").splitlines()
    delimiter = ";" if ";" in header else ","
    # A row without anything to know it by, and one that has slipped by a cell from the start.
    cells = row.split(delimiter)
    titles = header.replace('"', "").split(delimiter)
    personal = [number for number, title in enumerate(titles) if is_personal(title)]
    if damage == "nothing in it":
        bad = [cell if number in personal else "" for number, cell in enumerate(cells)]
    else:
        bad = ["slipped", *cells]
    aside: list[BadRow] = []
    found, under_way = read(lines(header, delimiter.join(bad)), quarantine=aside.append)
    assert found == []
    assert len(aside) == 1
    said = repr((aside, under_way.report(), [under_way.correction_row(one) for one in aside]))
    assert not [word for word in PERSON if word in said]


def test_no_format_reads_a_column_about_people() -> None:
    for form in FORMATS:
        for column in form.columns:
            assert not [alias for alias in column.aliases if is_personal(alias)], form.name


@pytest.mark.parametrize(
    "header",
    [
        *(
            "Full Name",
            "Email",
            "E-mail",
            "Username",
            "User",
            "Primary user UPN",
            "Primary user display name",
        ),
        *("Phone number", "Checked Out To: Last Name", "Assigned to", "Employee No.", "Alternate username"),
        *(
            "Technician in charge",
            "Connected user",
            "Manager",
            "Officer",
            "Collar number",
            "last_logged_user",
        ),
        *(
            "Financial - User",
            "Custodian",
            "USER NAME",
            "Mobile No",
            "Owner",
            "Staff number",
            "userPrincipalName",
        ),
    ],
)
def test_headers_about_people(header: str) -> None:
    assert is_personal(header)


@pytest.mark.parametrize(
    "header",
    [
        *(
            "Device name",
            "Name",
            "Group name",
            "Management name",
            "Managed by",
            "Legal owner",
            "Ownership",
            "Model",
        ),
        *("Usage profile", "Unit", "Supplier", "Manufacturer", "Phone model", "Business group", "Location"),
        *("IP address", "MAC address", "Computer", "Title of contract", "Order number", "Company"),
    ],
)
def test_headers_not_about_people(header: str) -> None:
    assert not is_personal(header)


def test_headers_are_known_in_any_spelling() -> None:
    form = by_name("intune_devices")
    spellings = (
        ("Device ID", "Serial number", "Last check-in", "OS version"),
        ("DeviceId", "SerialNumber", "LastContact", "OSVersion"),
        ("DEVICE_ID", "serial_number", "last check in", " os  version "),
    )
    for header in spellings:
        assert detect(header).format is form
        assert {one.column.field for one in bind(form.columns, header).bound} == {
            *("device_id", "serial", "last_seen", "os_version")
        }


def test_both_spellings_of_intune_give_the_same_rows() -> None:
    one, _import = read(lines("Device ID,Serial number,Last check-in,OS", "i,S1,2026-10-01,Windows"))
    other, _import = read(lines("DeviceId,SerialNumber,LastContact,OS", "i,S1,2026-10-01,Windows"))
    assert one == other


def test_near_misses_say_what_they_lack() -> None:
    detection = detect(("Asset Tag", "Model", "Category", "Manufacturer", "Serial"))
    assert detection.format is None
    assert any(
        reason.startswith("no Snipe-IT assets") and "Purchase Date" in reason for reason in detection.reasons
    )
    with pytest.raises(
        UnknownFormatError, match=r"file\.csv: line 1: has a header no importer knows \(A, B\)"
    ):
        read(lines("A,B,E-mail", "1,2,x@example.org"))
    with pytest.raises(UnknownFormatError, match="use one of: register, snipe_it_import"):
        by_name("excel")


def test_of_two_formats_that_fit_the_one_that_reads_more_wins() -> None:
    detection = detect(
        (
            "Asset Tag",
            "Asset ",
            "Serial",
            "Checked Out",
            "Location",
            "Purchased",
            "Cost",
            "Current Value",
            "Diff",
        )
    )
    assert detection.format is by_name("snipe_it_depreciation")


def test_what_was_dropped_and_passed_over_is_said() -> None:
    _found, under_way = read(SAMPLES["snipe_it_report"][0])
    notes = " | ".join(under_way.report().notes)
    assert "columns about people dropped unread: Checked Out, Username, Employee No., Manager" in notes
    assert "columns not asked for: ID, Asset Name" in notes
    _found, under_way = read(SAMPLES["endpoint_analytics"][0])
    assert IMPORT_ONLY in under_way.report().notes


def test_a_column_of_addresses_is_dropped_whatever_its_name() -> None:
    found, under_way = read(
        lines(
            "Asset Tag,Model,Purchase Date,Company,Supplier",
            *(f"A{n},M,2024-01-01,F,p{n}@x.example" for n in range(9)),
        )
    )
    assert all(isinstance(item, RegisterItem) and item.supplier is None for item in found)
    assert "dropped for holding e-mail addresses: Supplier" in under_way.report().notes
    assert "x.example" not in repr(under_way.report())


# --- what single formats are known to trip over ---


def snipe(
    *rows: str, header: str = "Asset Tag,Model,Company,Purchase Date,Warranty,Status"
) -> tuple[list[Any], Any]:
    return read(lines(header, *rows))


def test_a_warranty_of_three_years_is_not_one_of_three_months() -> None:
    (item,), _import = snipe("A1,M,F,2024-03-01,3 years,Deployed")
    assert item.warranty_end == dt.date(2027, 2, 28)


def test_status_words() -> None:
    rows = [
        "Ready to Deploy",
        "Out for Repair",
        "Lost/Stolen",
        "Pending",
        "Broken - Not Fixable",
        "In Use",
        "DEPLOYED",
    ]
    found, _import = snipe(*(f"A{number},M,F,,,{word}" for number, word in enumerate(rows)))
    assert [item.lifecycle_state for item in found] == [
        *("stores", "repair", "lost_or_stolen", "build", "awaiting_disposal", "deployed", "deployed")
    ]


def test_words_we_do_not_know_are_unknown_with_a_warning() -> None:
    (item,), under_way = snipe("A1,M,F,,,Archived")
    assert item.lifecycle_state == "unknown"
    report = under_way.report()
    assert report.warnings_by_code == {"unknown_word": 1}
    assert (report.warnings[0].line, report.warnings[0].column) == (2, "Status")


def test_the_bad_sample_with_lone_carriage_returns_duplicate_headers_and_broken_bytes() -> None:
    body = (
        b"Full Name,Email,Username,Company,item Name,Category,Model name,Manufacturer,Model Number,Serial,Asset Tag,"
        b"Location,Category,Notes,Purchase Date,Purchase Cost,Company,Status,Warranty,Supplier\r"
        b'P Q,p@x.example,pq,Alpha,n,quam,m,L,6.37702E+15,ser-1,970882174-8,D,quam,"Curabitur, in",4/5/16,133289.59,'
        b"Alpha,Lost,14,Blogspan\r"
        b"P Q,p@x.example,pq,,n,j,c,F,5.02E+18,ser-2,544574073-0,Caf\xe9,j,,3/28/16,763.46,,Lost,12,Oyope\r"
        b"P Q,p@x.example,pq,,n,j,c,F,x,ser-3,544574073-1,Caf\x81,j,,3/8/16,763.46,,Lost,12,Oyope\r"
    )
    found, under_way = read(body)
    assert [item.purchased for item in found if isinstance(item, RegisterItem)] == [
        dt.date(2016, 4, 5),
        dt.date(2016, 3, 28),
    ]
    report = under_way.report()
    assert report.by_code == {"broken_bytes": 1}
    assert (report.problems[0].line, report.problems[0].column) == (4, "Location")
    assert "column 'Category' is there 2 times; this one is called 'Category (2)'" in report.notes


def test_lifelong_warranty_of_glpi() -> None:
    found, under_way = read(
        lines(
            "Serial number,Inventory number,Warranty duration,Date of purchase", "S1,T1,Lifelong,2020-01-01"
        )
    )
    assert found == [
        RegisterItem(tag="T1", serial="S1", warranty_level="Lifelong", purchased=dt.date(2020, 1, 1))
    ]
    (warning,) = under_way.report().warnings
    assert (warning.line, warning.column, warning.code) == (2, "Warranty duration", "no_end")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_glpi_in_any_delimiter(delimiter: str) -> None:
    body = SAMPLES["glpi_csv"][0].replace(b'";"', f'"{delimiter}"'.encode())
    assert read(body)[0] == [SAMPLES["glpi_csv"][1]]


def test_firmware_dates_are_month_first_beside_dates_that_are_not() -> None:
    found, _import = read(lines(OCS_HEADER, "25/10/2026 08:00;C;I;u;W;1;10;D;S1;L;03/04/2021;"))
    (item,) = found
    assert isinstance(item, RegisterItem)
    assert (item.last_seen, item.bios_date) == (dt.date(2026, 10, 25), dt.date(2021, 3, 4))


OTHER_UUID = "4c4c4544-0042-3510-8052-b4c04f4d3732"


def test_agents_many_in_one_file() -> None:
    other = {**AGENT, "content": {"versionclient": "x", "hardware": {"uuid": OTHER_UUID}}}
    for body in (json.dumps([AGENT, other]), json.dumps(AGENT) + "\n" + json.dumps(other)):
        found, _import = read(body.encode())
        assert [item.uuid for item in found if isinstance(item, RegisterItem)] == [
            "0055ADC9-1D3A-E411-8043-B05D95113232",
            OTHER_UUID,
        ]


def test_agents_that_say_nothing_of_themselves_are_set_aside() -> None:
    found, under_way = read(json.dumps({"deviceid": "d", "content": {"versionclient": "x"}}).encode())
    assert (found, under_way.report().by_code) == ([], {"no_identity": 1})


def test_phones_count_as_used_by_mail_too() -> None:
    device = SAMPLES["intune_devices"][1]
    assert isinstance(device, ManagedDevice)
    assert device.unused_days(ON) == 7
    assert ManagedDevice().unused_days(ON) is None
    assert device.as_item() == RegisterItem(
        serial="S1",
        macs=("aa:bb:cc:dd:ee:ff",),
        manufacturer="Apple",
        model="iPhone 13",
        lifecycle_state="deployed",
        os_name="iOS",
        os_version="17.1",
        last_seen=dt.date(2026, 10, 25),
    )


@pytest.mark.parametrize(
    ("said", "is_"),
    [
        ("0", "upgraded"),
        ("capable", "capable"),
        ("Not capable", "not capable"),
        ("", "unknown"),
        ("9", "unknown"),
    ],
)
def test_eligibility_by_name_and_number(said: str, is_: str) -> None:
    found, _import = read(lines("DeviceId,UpgradeEligibility", f"id,{said}"))
    assert [row.eligibility for row in found if isinstance(row, UpgradeEligibility)] == [is_]


def test_every_field_of_an_item_is_read_by_some_format() -> None:
    own = {column.field for column in by_name("register").columns}
    assert own == set(FIELDS)
