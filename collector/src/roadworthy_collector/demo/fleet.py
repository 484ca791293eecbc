"""What the simulated IT estate consists of, as tables: sites, units, models, operating systems, groups of devices.

Nothing here describes a real organisation, a real maker's machine or a real person: the county, the sites, the
makers and the models are invented. Operating systems are real, because their support dates are. The shares are
chosen so that every shape a console must be able to show is there (docs/demo.md says which and why).
"""

from __future__ import annotations

from dataclasses import dataclass

ORGANISATION = "Exampleshire Public Service"


@dataclass(frozen=True, slots=True)
class Site:
    """Where devices stand; `kind` as in the `sites` table."""

    name: str
    kind: str
    restricted: bool = False


@dataclass(frozen=True, slots=True)
class Model:
    """A model of device and how it behaves.

    `startup_seconds` is the median of a cold start-up, `spread` the sigma of its natural logarithm; watts are what
    the whole machine draws idle and busy (before the power supply's losses).
    """

    vendor: str
    name: str
    chassis_type: int | None
    cpu: str
    cores: int
    threads: int
    memory_gib: int
    medium: str
    disk_gb: int
    bios_date: str
    idle_watts: float
    busy_watts: float
    startup_seconds: float
    spread: float = 0.25
    environment: str = "physical"
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class OperatingSystem:
    """What a device says it runs; None where it does not say."""

    family: str
    id: str | None
    name: str | None
    version: str | None
    build: str | None
    kernel: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Devices alike: `share` of them in a thousand, `pattern` names a row of `patterns.PATTERNS`."""

    share: int
    site: str
    unit: str
    model: str
    os: str
    pattern: str


SITES = (
    Site("Headquarters", "force"),
    Site("Northgate Station", "force"),
    Site("Riverside Station", "force"),
    Site("Harbour Station", "force"),
    Site("Custody Centre East", "force"),
    Site("Custody Centre West", "force"),
    Site("Data Centre A", "data_centre"),
    Site("Homeworking", "home"),
    Site("Patrol Vehicles", "vehicle"),
    Site("Partnership Hub", "partner"),
    Site("Annexe R", "force", restricted=True),
)

# child: parent; the tree is four deep, and the devices hang at different depths of it.
UNITS: dict[str, str | None] = {
    ORGANISATION: None,
    "Corporate Services": ORGANISATION,
    "Finance and Procurement": "Corporate Services",
    "People": "Corporate Services",
    "Digital and Data": "Corporate Services",
    "Service Desk": "Digital and Data",
    "Infrastructure Operations": "Digital and Data",
    "Local Services": ORGANISATION,
    "North Area": "Local Services",
    "Northgate Response": "North Area",
    "Northgate Neighbourhood": "North Area",
    "South Area": "Local Services",
    "Riverside Response": "South Area",
    "Harbour Neighbourhood": "South Area",
    "Custody": "Local Services",
    "Specialist Services": ORGANISATION,
    "Investigation": "Specialist Services",
    "Digital Forensics": "Investigation",
    "Roads": "Specialist Services",
}

MODELS: dict[str, Model] = {
    # Hard disks still booting: slow, and slower every month.
    "tower_2014": Model(
        "Alder", "D2 Tower", 7, "Intel Core i3-4130", 2, 4, 4, "hdd", 500, "2014-06-12", 34, 82, 265, 0.35
    ),
    "small_2016": Model(
        "Alder", "D5 Small", 4, "Intel Core i5-6500", 4, 4, 8, "hdd", 500, "2016-09-02", 22, 78, 148, 0.30
    ),
    # The one that takes half an hour: a custody terminal with 4 GB, a hard disk and everything at start-up.
    "terminal_2013": Model(
        "Cedar", "T1 Terminal", 3, "Intel Pentium G2020", 2, 2, 4, "hdd", 250, "2013-04-20", 30, 64, 1180, 0.45
    ),
    "small_2019": Model(
        "Alder", "D7 Small", 4, "Intel Core i5-9500", 6, 6, 16, "ssd", 256, "2019-07-16", 15, 86, 41, 0.20
    ),
    "mini_2022": Model(
        "Birch", "M3 Mini", 35, "Intel Core i5-12500T", 6, 12, 16, "nvme", 256, "2022-08-30", 9, 58, 24, 0.18
    ),
    "all_in_one_2018": Model(
        "Birch", "A24 All-in-One", 13, "Intel Core i5-8500T", 6, 6, 8, "ssd", 256, "2018-10-09", 32, 74, 52, 0.22
    ),
    "laptop_2017": Model(
        "Cedar", "L4 Notebook", 10, "Intel Core i5-7200U", 2, 4, 8, "ssd", 256, "2017-11-28", 8, 29, 63, 0.30
    ),
    "laptop_2020": Model(
        "Birch", "L14 Notebook", 10, "AMD Ryzen 5 PRO 4650U", 6, 12, 16, "nvme", 256, "2020-10-21", 6, 34, 29, 0.22
    ),
    "laptop_2024": Model(
        "Alder", "L5 Notebook", 10, "Intel Core Ultra 5 125U", 12, 14, 16, "nvme", 512, "2024-05-14", 5, 37, 17, 0.15
    ),
    "notebook_2020": Model(
        "Damson", "B13 Notebook", 9, "Apple M1", 8, 8, 16, "nvme", 512, "2020-11-17", 3, 22, 21, 0.12
    ),
    "tablet_2021": Model(
        "Cedar", "V2 Rugged Tablet", 30, "Intel Core i5-1145G7", 4, 8, 8, "nvme", 256, "2021-03-09", 6, 24, 33, 0.25
    ),
    "workstation_2021": Model(
        "Birch", "W9 Workstation", 7, "AMD Ryzen 9 5950X", 16, 32, 64, "nvme", 2000, "2021-12-01", 68, 310, 46, 0.20
    ),
    "server_2015": Model(
        "Cedar", "R2 Rack", 23, "Intel Xeon E5-2640 v3", 16, 32, 128, "hdd", 4000, "2015-10-05", 168, 380, 318, 0.20
    ),
    "server_2020": Model(
        "Cedar", "R6 Rack", 23, "AMD EPYC 7302", 32, 64, 256, "ssd", 3840, "2020-06-18", 145, 410, 204, 0.15
    ),
    "server_2023": Model(
        "Alder", "B1 Blade", 28, "AMD EPYC 9254", 24, 48, 384, "nvme", 3840, "2023-11-07", 150, 460, 176, 0.12
    ),
    "virtual": Model(
        "QEMU", "Standard PC (Q35 + ICH9, 2009)", 1, "QEMU Virtual CPU", 4, 4, 16, "virtual", 120, "2014-04-01",
        0, 0, 19, 0.25, "virtual_machine", "kvm",
    ),
    "container": Model(
        "QEMU", "Standard PC (Q35 + ICH9, 2009)", 1, "QEMU Virtual CPU", 2, 2, 4, "virtual", 20, "2014-04-01",
        0, 0, 3, 0.20, "container", "systemd-nspawn",
    ),
    # Its maker left every text of the firmware as it was: the agent drops such words, so maker, model and serial are
    # not known. Nor does it say anything about its chassis: its class stays unknown, and is counted as unknown.
    "unknown_box": Model(
        "", "", 2, "Intel Celeron J1900", 4, 4, 8, "ssd", 120, "2015-01-30",
        10, 21, 58, 0.30,
    ),
}  # fmt: skip

OPERATING_SYSTEMS: dict[str, OperatingSystem] = {
    "win10_22h2": OperatingSystem("windows", "windows", "Windows 10 Enterprise", "22H2", "19045"),
    "win10_21h2": OperatingSystem("windows", "windows", "Windows 10 Enterprise", "21H2", "19044"),
    "win10_ltsc": OperatingSystem("windows", "windows", "Windows 10 Enterprise LTSC", "1809", "17763"),
    "win11_23h2": OperatingSystem("windows", "windows", "Windows 11 Enterprise", "23H2", "22631"),
    "win11_24h2": OperatingSystem("windows", "windows", "Windows 11 Enterprise", "24H2", "26100"),
    "win11_25h2": OperatingSystem("windows", "windows", "Windows 11 Enterprise", "25H2", "26200"),
    "server_2012r2": OperatingSystem("windows", "windows", "Windows Server 2012 R2 Standard", "6.3", "9600"),
    "server_2016": OperatingSystem("windows", "windows", "Windows Server 2016 Standard", "1607", "14393"),
    "server_2022": OperatingSystem("windows", "windows", "Windows Server 2022 Standard", "21H2", "20348"),
    "debian_10": OperatingSystem(
        "linux", "debian", "Debian GNU/Linux 10 (buster)", "10", None, "4.19.0-27-amd64"
    ),
    "debian_11": OperatingSystem(
        "linux", "debian", "Debian GNU/Linux 11 (bullseye)", "11", None, "5.10.0-35-amd64"
    ),
    "debian_12": OperatingSystem(
        "linux", "debian", "Debian GNU/Linux 12 (bookworm)", "12", None, "6.1.0-41-amd64"
    ),
    "debian_13": OperatingSystem(
        "linux", "debian", "Debian GNU/Linux 13 (trixie)", "13", None, "6.12.57+deb13-amd64"
    ),
    "ubuntu_2004": OperatingSystem(
        "linux", "ubuntu", "Ubuntu 20.04.6 LTS", "20.04", None, "5.4.0-216-generic"
    ),
    "ubuntu_2204": OperatingSystem(
        "linux", "ubuntu", "Ubuntu 22.04.5 LTS", "22.04", None, "5.15.0-161-generic"
    ),
    "rhel_8": OperatingSystem(
        "linux", "rhel", "Red Hat Enterprise Linux 8.10 (Ootpa)", "8.10", None, "4.18.0-553"
    ),
    "macos_13": OperatingSystem("macos", "macos", "macOS Ventura", "13.7.8", "22H730", "22.6.0"),
    "unsaid": OperatingSystem("linux", None, None, None, None),
}

GROUPS = (
    Group(44, "Headquarters", "Finance and Procurement", "small_2019", "win11_24h2", "office"),
    Group(26, "Headquarters", "Finance and Procurement", "small_2016", "win10_22h2", "office"),
    Group(34, "Headquarters", "People", "all_in_one_2018", "win11_23h2", "office"),
    Group(18, "Headquarters", "People", "laptop_2020", "win11_24h2", "hybrid"),
    Group(20, "Headquarters", "Service Desk", "mini_2022", "win11_25h2", "office"),
    Group(8, "Headquarters", "Service Desk", "small_2019", "debian_12", "office"),
    Group(12, "Headquarters", "Infrastructure Operations", "laptop_2024", "win11_25h2", "hybrid"),
    Group(10, "Headquarters", "Infrastructure Operations", "workstation_2021", "debian_13", "office"),
    Group(56, "Headquarters", "Investigation", "small_2019", "win11_24h2", "office"),
    Group(28, "Headquarters", "Investigation", "tower_2014", "win10_22h2", "office"),
    Group(62, "Northgate Station", "Northgate Response", "small_2016", "win10_22h2", "shift"),
    Group(38, "Northgate Station", "Northgate Response", "mini_2022", "win11_24h2", "shift"),
    Group(36, "Northgate Station", "Northgate Neighbourhood", "small_2019", "win11_24h2", "office"),
    Group(18, "Northgate Station", "North Area", "tower_2014", "win10_21h2", "office"),
    Group(58, "Riverside Station", "Riverside Response", "mini_2022", "win11_24h2", "shift"),
    Group(34, "Riverside Station", "Riverside Response", "tower_2014", "win10_22h2", "shift"),
    Group(28, "Riverside Station", "South Area", "all_in_one_2018", "win11_23h2", "office"),
    Group(44, "Harbour Station", "Harbour Neighbourhood", "small_2016", "win10_22h2", "shift"),
    Group(20, "Harbour Station", "Harbour Neighbourhood", "laptop_2017", "win10_22h2", "office"),
    Group(12, "Harbour Station", "Harbour Neighbourhood", "unknown_box", "ubuntu_2004", "kiosk"),
    Group(26, "Custody Centre East", "Custody", "terminal_2013", "win10_ltsc", "custody"),
    Group(18, "Custody Centre East", "Custody", "mini_2022", "win11_24h2", "custody"),
    Group(30, "Custody Centre West", "Custody", "small_2019", "win11_24h2", "custody"),
    Group(10, "Data Centre A", "Infrastructure Operations", "server_2015", "server_2012r2", "server"),
    Group(12, "Data Centre A", "Infrastructure Operations", "server_2015", "debian_10", "server"),
    Group(12, "Data Centre A", "Infrastructure Operations", "server_2020", "server_2016", "server"),
    Group(10, "Data Centre A", "Infrastructure Operations", "server_2020", "rhel_8", "server"),
    Group(8, "Data Centre A", "Infrastructure Operations", "server_2023", "debian_13", "server"),
    Group(16, "Data Centre A", "Digital and Data", "virtual", "server_2022", "server"),
    Group(22, "Data Centre A", "Digital and Data", "virtual", "debian_11", "server"),
    Group(6, "Data Centre A", "Digital and Data", "container", "debian_12", "server"),
    Group(58, "Homeworking", "Corporate Services", "laptop_2020", "win11_24h2", "hybrid"),
    Group(46, "Homeworking", "Investigation", "laptop_2024", "win11_25h2", "hybrid"),
    Group(40, "Homeworking", "Local Services", "laptop_2017", "win10_22h2", "hybrid"),
    Group(12, "Homeworking", "Digital and Data", "laptop_2020", "ubuntu_2204", "hybrid"),
    Group(30, "Patrol Vehicles", "Roads", "tablet_2021", "win11_23h2", "vehicle"),
    Group(10, "Partnership Hub", "Northgate Neighbourhood", "laptop_2017", "win10_22h2", "office"),
    Group(4, "Partnership Hub", "Local Services", "unknown_box", "unsaid", "kiosk"),
    Group(12, "Annexe R", "Digital Forensics", "workstation_2021", "win11_24h2", "office"),
    Group(6, "Annexe R", "Digital Forensics", "workstation_2021", "ubuntu_2204", "office"),
    Group(6, "Annexe R", "Digital Forensics", "notebook_2020", "macos_13", "office"),
)
