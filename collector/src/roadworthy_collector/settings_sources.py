"""Where settings come from, and every fault that is in them."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_settings import SettingsError as UnreadableVariableError

from roadworthy_collector.errors import SettingsError
from roadworthy_collector.settings import Settings


class Fault(NamedTuple):
    """What is wrong with one setting.

    `where` is the file or the variable the value came from, None for an option or a default; `setting` is None where
    the file as a whole is meant.
    """

    where: str | None
    setting: str | None
    message: str

    def text(self) -> str:
        """Return it as one line."""
        variable = self.where is not None and self.where.startswith("ROADWORTHY_")
        names = (self.where, None if variable else self.setting, self.message)
        return ": ".join(name for name in names if name)


@dataclass(frozen=True)
class Sources:
    """A settings file as read, the names set by variables, and options. Options win, then variables, then the file."""

    path: Path | None = None
    from_file: Mapping[str, Any] = field(default_factory=dict)
    environment: frozenset[str] = frozenset()
    options: Mapping[str, Any] = field(default_factory=dict)

    def settings(self, without: Collection[str] = ()) -> Settings:
        """Return the settings, those named in `without` as if nobody had set them.

        Raises pydantic's ValidationError, or UnreadableVariableError for a variable that is no JSON where it has to be.
        """
        values = {
            name: value
            for name, value in (*self.from_file.items(), *self.options.items())
            if name not in without and (name in self.options or name not in self.environment)
        }
        defaults = {
            name: found.get_default() for name, found in Settings.model_fields.items() if name in without
        }
        return Settings(**values | defaults)

    def fault(self, setting: str, message: str, *, part: str | None = None) -> Fault:
        """Return a fault of `setting` with where its value came from; `part` names a place within it."""
        name = part or setting
        if setting in self.environment and setting not in self.options:
            return Fault(f"ROADWORTHY_{name.upper()}", setting, message)
        in_file = self.path is not None and setting in self.from_file and setting not in self.options
        return Fault(str(self.path) if in_file else None, name, message)

    def faults_of(self, error: ValidationError | UnreadableVariableError) -> list[Fault]:
        """Return all faults pydantic found."""
        if isinstance(error, UnreadableVariableError):
            name = next((name for name in sorted(self.environment) if f'"{name}"' in str(error)), "")
            return [self.fault(name, 'a list is written as JSON: ["one", "two"]')]
        found = []
        for one in error.errors():
            part = ".".join(str(piece) for piece in one["loc"])
            setting = str(one["loc"][0]) if one["loc"] else ""
            said = "unknown setting" if one["type"] == "extra_forbidden" else one["msg"]
            found.append(self.fault(setting, said, part=part))
        return found


def read_sources(path: Path | None, options: Mapping[str, Any]) -> Sources:
    """Read the file `path`, or the one ROADWORTHY_CONFIG names; raises SettingsError if it cannot be read."""
    if path is None and (named := os.environ.get("ROADWORTHY_CONFIG")):
        path = Path(named)
    from_file: dict[str, Any] = {}
    if path is not None:
        try:
            from_file = tomllib.loads(path.read_text("utf-8"))
        except OSError as error:
            raise SettingsError(f"{path}: cannot read the settings: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path}: not valid TOML: {error}") from error
    # pydantic-settings lets init values win over variables, so it is looked here which there are.
    environment = frozenset(
        name for name in Settings.model_fields if os.environ.get(f"ROADWORTHY_{name.upper()}")
    )
    return Sources(path, from_file, environment, dict(options))


def build(sources: Sources) -> Settings:
    """Return the settings; raises SettingsError with the first fault."""
    try:
        return sources.settings()
    except (ValidationError, UnreadableVariableError) as error:
        raise SettingsError(sources.faults_of(error)[0].text()) from None
