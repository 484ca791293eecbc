"""The targets file: what it says, every way it can be wrong with the message, and that it never tells a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadworthy_collector.settings import SettingsError
from roadworthy_collector.snmp.port import Community, User
from roadworthy_collector.snmp.targets import TargetsError, as_json, read_targets

LOGIN = '[credentials.old]\ncommunity_env = "COMMUNITY"\n'
GOOD = """
include = ["more.csv"]

[defaults]
credentials = "new"
site = "County Hall"
every_seconds = 120

[credentials.new]
user = "monitor"
auth_key_file = "auth"
priv_key_env = "PRIV"

[credentials.old]
version = "1"
community_file = "community"

[[target]]
name = "rack 4 pdu a"
host = "10.1.2.3"
[target.feeds]
3 = "A-00417"
all = ["A-00418", "A-00419"]

[[target]]
name = "old ups"
host = "ups.example"
credentials = "old"
port = 1161
unit = "Estates"
"""


def written(folder: Path, text: str, **others: str) -> Path:
    for name, content in others.items():
        (folder / name.replace("_csv", ".csv")).write_text(content, "utf-8")
    path = folder / "targets.toml"
    path.write_text(text, "utf-8")
    return path


def secret(folder: Path, name: str, text: str, mode: int = 0o600) -> None:
    (folder / name).write_text(text + "\n", "utf-8")
    (folder / name).chmod(mode)


def test_targets_defaults_and_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    secret(tmp_path, "auth", "a-long-key")
    secret(tmp_path, "community", "between us")
    rows = "name,host,credentials,every_seconds,asset_tag\nprinter 1,10.1.2.9,old,600, A-9\nprinter 2,2001:db8::9,,,\n"
    pdu, ups, printer, other = read_targets(written(tmp_path, GOOD, more_csv=rows))
    assert (pdu.site, pdu.unit, pdu.every_seconds, pdu.port) == ("County Hall", "unassigned", 120.0, 161)
    assert pdu.feeds == {"3": ("A-00417",), "": ("A-00418", "A-00419")}
    assert pdu.target({"PRIV": "another-key"}).credentials == User(
        "monitor", "sha256", "a-long-key", "aes128", "another-key"
    )
    assert (ups.port, ups.unit, ups.target({}).credentials) == (1161, "Estates", Community("1", "between us"))
    assert (printer.every_seconds, printer.login_name, printer.asset_tag) == (600.0, "old", "A-9")
    assert (other.host, other.every_seconds, other.asset_tag) == ("2001:db8::9", 120.0, None)


@pytest.mark.parametrize(
    ("feeds", "said"),
    [
        ('3 = ["A-1", "A-2"]', "outlet 3: one device hangs on an outlet"),
        ('all = ["A-1", "nothing known"]', '"nothing known" and a device beside it contradict each other'),
        ('3 = "Nothing  Known"', 'would be looked for as a device; write "nothing known"'),
        ('3 = " "', "outlet 3: names no device"),
        ("all = []", "all: names no device"),
        ('3 = "Rack 4 PDU A"', "outlet 3: a device cannot feed itself"),
        ('all = ["A-1", "A-1"]', "all: A-1 is there twice"),
        ('3 = "A-1"\nall = ["A-1", "A-2"]', "outlet 3: A-1 is under `all` too"),
    ],
)
def test_statements_that_end_each_other_are_refused(tmp_path: Path, feeds: str, said: str) -> None:
    text = GOOD.replace('all = ["A-00418", "A-00419"]', feeds).replace('3 = "A-00417"\n', "")
    with pytest.raises(TargetsError, match=said):
        read_targets(written(tmp_path, text, more_csv="name,host\n"))


@pytest.mark.parametrize(
    ("login", "said"),
    [
        (
            'user = "m"\ncommunity_file = "c"',
            "user and community_file: a device is asked in a user's name or by",
        ),
        ('version = "2c"\nuser = "m"', "user: version 2c asks by a community"),
        (
            'version = "1"\ncommunity_env = "C"\npriv_key_env = "P"',
            "priv_key_env: version 1 asks by a community",
        ),
        ('version = "3"\nuser = "m"\ncommunity_env = "C"', "community_env: version 3 asks in a user's name"),
        ('community_env = "C"\nauth_key_file = "a"', "auth_key_file and community_env: a device is asked"),
    ],
)
def test_credentials_that_say_two_things_are_refused_with_their_line(
    tmp_path: Path, login: str, said: str
) -> None:
    with pytest.raises(TargetsError) as caught:
        read_targets(written(tmp_path, f"\n[credentials.x]\n{login}\n"))
    assert str(caught.value).startswith(f"{tmp_path / 'targets.toml'}: line 2: credentials.x: {said}")


@pytest.mark.parametrize("host", ["999.1.2.3", ":::::::", "10.1.2", "1.2.3.04", "4711", "fe80::g", "::1%"])
def test_what_looks_like_an_address_must_be_one(tmp_path: Path, host: str) -> None:
    text = f'{LOGIN}[[target]]\nname = "a"\nhost = "{host}"\ncredentials = "old"\n'
    with pytest.raises(TargetsError, match="is no host name or address"):
        read_targets(written(tmp_path, text))


def test_an_address_spelt_in_two_ways_is_one_device(tmp_path: Path) -> None:
    head = f'{LOGIN}[defaults]\ncredentials = "old"\n'
    some = [
        f'[[target]]\nname = "{name}"\nhost = "{host}"\n'
        for name, host in (("a", "fe80::2%eth1"), ("b", "::1"))
    ]
    assert len(read_targets(written(tmp_path, head + "".join(some)))) == 2
    again = '[[target]]\nname = "c"\nhost = "0:0:0:0:0:0:0:1"\n'
    with pytest.raises(TargetsError, match="c: 0:0:0:0:0:0:0:1, port 161, is asked as b too"):
        read_targets(written(tmp_path, head + "".join(some) + again))


def test_no_text_of_a_target_tells_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    secret(tmp_path, "auth", "a-long-key")
    secret(tmp_path, "community", "between us")
    told = []
    for polled in read_targets(written(tmp_path, GOOD, more_csv="name,host\n")):
        target = polled.target({"PRIV": "another-key"})
        told += [repr(polled), str(as_json(polled)), repr(target), str(target)]
    assert not [
        text for text in told if "a-long-key" in text or "another-key" in text or "between us" in text
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[target]\n", "no TOML: Expected ']]' at the end of an array declaration (at line 1, column 9)"),
        ('[[target]]\nhost = "x"\n', "line 1: target[0]: Object missing required field `name`"),
        (
            LOGIN + '[[target]]\nname = "a"\nhost = "x"\nprot = 5\n',
            "line 3: target[0]: Object contains unknown field `prot`",
        ),
        (
            LOGIN + '[[target]]\nname = "a"\nhost = "x"\nport = "snmp"\n',
            "line 6: target[0].port: Expected `int | null`, got `str`",
        ),
        (
            '[credentials.old]\ncommunity = "public"\n',
            "line 1: credentials.old: community: no secret stands in this file; name community_file or community_env",
        ),
        (
            LOGIN + '[[target]]\nname = "a"\nhost = "x"\n',
            "line 3: a: it names no credentials, and neither do the defaults",
        ),
        (
            LOGIN + '[[target]]\nname = "a"\nhost = "x"\ncredentials = "b"\n',
            "line 3: a: there is no [credentials.b] in the file",
        ),
        (
            LOGIN + '[[target]]\nname = "a"\nhost = "x y"\ncredentials = "old"\n',
            "line 3: a: host: 'x y' is no host name or address",
        ),
        (
            LOGIN + '[[target]]\nname = "a"\nhost = "x"\ncredentials = "old"\nevery_seconds = 5\n',
            "line 3: a: every_seconds: must lie between 30 and 3600",
        ),
        (
            LOGIN + '[defaults]\ncredentials = "old"\n' + '[[target]]\nname = "a"\nhost = "x"\n' * 2,
            "line 5: a is there twice; names tell targets apart",
        ),
        (
            LOGIN + '[[target]]\nname = " "\nhost = "x"\ncredentials = "old"\n',
            "line 3: name: is empty",
        ),
        *(
            (
                LOGIN + f'[[target]]\nname = "a"\nhost = "x"\ncredentials = "old"\n{wrong}\n',
                f"line 3: a: {key}: at most {most} characters, all of them printable",
            )
            for wrong, key, most in (
                (f'site = "{"s" * 129}"', "site", 128),
                ('unit = "a\\u0000b"', "unit", 128),
                ('asset_tag = "a\\u001b[2Jb"', "asset_tag", 256),
                (f'feeds = {{ "{"9" * 65}" = "b" }}', "feeds: outlet", 64),
                ('feeds = { 3 = "b\\nc" }', "feeds", 256),
            )
        ),
        (
            LOGIN + '[[target]]\nname = "a\\u0007"\nhost = "x"\ncredentials = "old"\n',
            "line 3: name: at most 128 characters, all of them printable",
        ),
        (
            LOGIN + '[[target]]\nname = "a"\nhost = "x"\ncredentials = "old"\nfeeds = { "" = "b" }\n',
            "line 3: a: feeds: an outlet without a name; say `all` of the whole",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(TargetsError) as caught:
        read_targets(path)
    assert str(caught.value) == f"{path}: {message}"


def test_one_device_under_two_names_is_refused_with_both_places(tmp_path: Path) -> None:
    text = (
        'include = ["more.csv"]\n'
        + LOGIN
        + LOGIN.replace("old", "other")
        + '[defaults]\ncredentials = "old"\n'
    )
    one = '[[target]]\nname = "a"\nhost = "ups.example"\n'
    head = "name,host,port,credentials\n"
    path = written(tmp_path, text + one, more_csv=head + "b,UPS.example,,other\nc,ups.example,1161,\n")
    assert [polled.name for polled in read_targets(path)] == [
        "a",
        "b",
        "c",
    ]  # other credentials, another port
    path = written(tmp_path, text + one, more_csv=head + "b,UPS.example,,\n")
    with pytest.raises(TargetsError) as caught:
        read_targets(path)
    assert str(caught.value) == (
        f"{tmp_path / 'more.csv'}: line 2: b: UPS.example, port 161, is asked as a too ({path}: line 8); "
        "leave one of the two out, or its energy counts twice"
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("name,address\n", "line 1: column 2 is none of those known; columns are name, host, port, "),
        ("name\na\n", "line 1: name and host are needed, each once; "),
        ("name,host,host\na,b,c\n", "line 1: name and host are needed, each once; "),
        ('name,host\n"a"b,c\n', "line 2: no CSV: "),
        ("name,host\n" + "a" * 140_000 + ",b\n", "line 2: no CSV: field larger than field limit"),
        ("name,host\na,b,c\n", "line 2: has another number of columns than the header"),
        ("name,host,port\na,b,x\n", "line 2: Expected `int | null`, got `str`"),
    ],
)
def test_a_wrong_csv_file_is_named(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(TargetsError) as caught:
        read_targets(written(tmp_path, 'include = ["more.csv"]\n', more_csv=rows))
    assert str(caught.value).startswith(f"{tmp_path / 'more.csv'}: {message}")


@pytest.mark.parametrize(
    ("login", "message"),
    [
        ("", "credentials.x: community_file or community_env is missing"),
        ('version = "3"', "credentials.x: user is missing: SNMP version 3 asks in a user's name"),
        (
            'community_file = "open"',
            "credentials.x: community_file: open can be read by others; chmod 600 it",
        ),
        ('community_env = "NOWHERE"', "credentials.x: community_env: the variable NOWHERE is not set"),
        (
            'community_env = "s3cret-word"',
            "credentials.x: community_env: the variable it names (no name is shown: it may be a secret) is not set",
        ),
        (
            'community_env = "A"\ncommunity_file = "open"',
            "credentials.x: community_file and community_env say it twice; leave one out",
        ),
        ('user = "m"\nauth_key_env = "SHORT"', "credentials.x: the auth_key has fewer than 8 characters"),
        ('user = "m"\npriv_key_env = "LONG"', "credentials.x: a priv_key needs an auth_key beside it"),
    ],
)
def test_credentials_that_cannot_be_used_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, login: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    secret(tmp_path, "open", "public", 0o644)
    text = f'[credentials.x]\n{login}\n[[target]]\nname = "a"\nhost = "x"\ncredentials = "x"\n'
    (polled,) = read_targets(written(tmp_path, text))
    with pytest.raises(SettingsError) as caught:
        polled.target({"A": "a", "SHORT": "short", "LONG": "long enough"})
    assert str(caught.value) == message


def test_redfish_wants_an_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    secret(tmp_path, "password", "read only")
    text = (
        '[credentials.bmc]\nuser = "monitor"\npassword_file = "password"\n'
        '[[target]]\nname = "a"\nhost = "x"\ncredentials = "bmc"\nprotocol = "redfish"\n'
    )
    (polled,) = read_targets(written(tmp_path, text))
    assert (polled.port, polled.account()) == (443, ("monitor", "read only"))
    (without,) = read_targets(written(tmp_path, text.replace('password_file = "password"\n', "")))
    with pytest.raises(TargetsError, match="password_file or password_env is missing"):
        without.account()
