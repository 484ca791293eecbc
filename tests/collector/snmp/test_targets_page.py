"""What docs/snmp/targets.md shows is a targets file that can be read."""

from __future__ import annotations

import re
from pathlib import Path

from roadworthy_collector.snmp.port import User
from roadworthy_collector.snmp.targets import read_targets

PAGE = (Path(__file__).parents[3] / "docs" / "snmp" / "targets.md").read_text("utf-8")


def test_the_examples_of_the_page_are_one_file(tmp_path: Path) -> None:
    blocks = [re.sub(r"(?m)^    ", "", block) for block in re.findall(r"(?m)(?:^    .*\n|^\n)+", PAGE)]
    toml = [block for block in blocks if block.lstrip().startswith("[")]
    (listed,) = (block for block in blocks if block.lstrip().startswith("name,host"))
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    text = "\n".join(toml).replace("/etc/roadworthy", str(secrets))
    for name in ("snmp-auth", "snmp-priv", "snmp-v1", "redfish"):
        (secrets / name).write_text("a long enough secret")
        (secrets / name).chmod(0o600)
    (tmp_path / "printers.csv").write_text(listed.strip() + "\n")
    (tmp_path / "targets.toml").write_text(
        'include = ["printers.csv"]\n[defaults]\ncredentials = "monitor"\n' + text
    )
    targets = {one.name: one for one in read_targets(tmp_path / "targets.toml")}
    assert len(targets) == 5
    pdu = targets["rack 4 PDU A"].target().credentials
    assert isinstance(pdu, User)
    assert (pdu.auth_protocol, pdu.priv_protocol) == ("sha512", "aes256")
    assert targets["db-1 controller"].account() == ("roadworthy", "a long enough secret")
    assert targets["printer 3rd floor"].unit == "Housing"
    assert targets["archive UPS"].target().max_repetitions == 4
