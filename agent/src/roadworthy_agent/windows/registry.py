"""Reading the registry through winreg, always in the 64-bit view."""

from __future__ import annotations

import sys
from typing import Any

from roadworthy_agent.windows.machine import RegistryValue, WindowsMachine

MOST_KEYS = 4096
HIVE = "HKLM\\"


def read_value(key: str, name: str) -> RegistryValue | None:
    """Return one value below HKLM; None where there is none or this account may not read it."""
    if sys.platform != "win32":
        return None
    import winreg

    try:
        with winreg.OpenKey(
            winreg.HKEY_LOCAL_MACHINE, below(key), 0, winreg.KEY_READ | winreg.KEY_WOW64_64KEY
        ) as opened:
            value, _kind = winreg.QueryValueEx(opened, name)
    except OSError:
        return None
    return plain(value)


def read_keys(key: str) -> tuple[str, ...]:
    """Return the names of the sub-keys of a key below HKLM, sorted; () where there are none."""
    if sys.platform != "win32":
        return ()
    import winreg

    names: list[str] = []
    try:
        with winreg.OpenKey(
            winreg.HKEY_LOCAL_MACHINE, below(key), 0, winreg.KEY_READ | winreg.KEY_WOW64_64KEY
        ) as opened:
            names.extend(winreg.EnumKey(opened, number) for number in range(MOST_KEYS))
    except OSError:  # the end of the list too
        pass
    return tuple(sorted(names))


def below(key: str) -> str:
    """Return a key's path below the only hive this agent reads; raises ValueError for another."""
    if not key.upper().startswith(HIVE):
        raise ValueError(f"{key}: only keys of HKLM are read")
    return key[len(HIVE) :]


def plain(value: Any) -> RegistryValue | None:
    """Return what winreg gave as one of the port's types; other kinds are None."""
    if isinstance(value, list):
        return tuple(str(each) for each in value)
    if isinstance(value, bool) or not isinstance(value, (int, str, bytes)):
        return None
    if isinstance(value, int) and not 0 <= value < 1 << 64:  # a REG_QWORD is the largest there is
        return None
    return value


def text_of(machine: WindowsMachine, key: str, name: str) -> str | None:
    """Return a registry text without blanks at its ends or twice in a row, None where there is no text."""
    value = machine.registry(key, name)
    return " ".join(value.split()) or None if isinstance(value, str) else None
