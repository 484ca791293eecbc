"""The collector's settings: one typed object, read once, from a TOML file and ROADWORTHY_* variables."""

from __future__ import annotations

import os
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from roadworthy_collector.errors import SettingsError
from roadworthy_inventory.calendar import local_day

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Settings(BaseSettings):
    """All a collector can be told. Environment wins over the file, which wins over these defaults."""

    model_config = SettingsConfigDict(
        env_prefix="ROADWORTHY_", env_ignore_empty=True, extra="forbid", frozen=True
    )

    host: str = Field(
        default="127.0.0.1", description="Address to listen on. Beyond loopback a user must exist."
    )
    port: int = Field(default=8470, ge=1, le=65535, description="Port to listen on.")
    data: Path = Field(default=Path("data"), description="Folder of the database and secrets, mode 0700.")
    allowed_hosts: tuple[str, ...] = Field(
        default=(), description="Host names this collector answers to, besides its own address."
    )
    tls_certificate: Path | None = Field(
        default=None, description="PEM chain; ECDSA P-256 is the cheapest to serve."
    )
    tls_key: Path | None = Field(default=None, description="PEM key, mode 0600.")
    behind_tls_proxy: bool = Field(
        default=False, description="A proxy on this host ends TLS, so plain http beyond loopback is meant."
    )
    report_interval_seconds: int = Field(default=900, ge=60, le=86400, description="How often agents call.")
    reporting_timezone: str = Field(
        default="Europe/London", description="Zone of local days and financial years."
    )
    max_body_bytes: int = Field(default=1_048_576, ge=1024, description="Largest report, compressed.")
    max_report_bytes: int = Field(default=8_388_608, ge=1024, description="Largest report, decompressed.")
    queue_reports: int = Field(default=512, ge=1, description="Reports waiting for the writer before 503.")
    half_hour_retention_days: int = Field(
        default=30, ge=2, le=3660, description="How long half-hours are kept."
    )
    device_detail: bool = Field(
        default=False,
        description="Serve /metrics/devices beyond loopback; on loopback without users it is on.",
    )
    shards: int = Field(default=1, ge=1, le=256, description="Targets /sd/devices lists.")

    @field_validator("reporting_timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            message = f"no time zone is called {value!r}; use a name such as Europe/London"
            raise ValueError(message) from None
        local_day(date(2026, 1, 1), value)  # refuses a zone whose midnights no settlement period begins at
        return value

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the collector."""
        return self.host in LOOPBACK

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.data / "roadworthy.db"


def load(path: Path | None = None, **overrides: Any) -> Settings:
    """Read settings from `path` (or $ROADWORTHY_CONFIG), the environment and `overrides`.

    Raises SettingsError naming the file, the setting and what is wrong; unknown keys are refused.
    """
    if path is None and (named := os.environ.get("ROADWORTHY_CONFIG")):
        path = Path(named)
    from_file: dict[str, Any] = {}
    if path is not None:
        try:
            from_file = tomllib.loads(path.read_text("utf-8"))
        except OSError as error:
            raise SettingsError(f"{path}: cannot read the settings: {error.strerror}") from error
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"{path}: not valid TOML: {error}") from error
    environment = {
        name
        for name in Settings.model_fields
        if os.environ.get(
            f"ROADWORTHY_{name.upper()}"
        )  # pydantic-settings lets init values win over variables
    }
    values = {name: value for name, value in from_file.items() if name not in environment} | overrides
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        setting = str(first["loc"][0]) if first["loc"] else ""
        said = "unknown setting" if first["type"] == "extra_forbidden" else first["msg"]
        raise SettingsError(f"{_whose(setting, name, path, from_file, environment)}: {said}") from None


def _whose(
    setting: str, name: str, path: Path | None, from_file: dict[str, Any], environment: set[str]
) -> str:
    """Return a setting's name with where its value came from: variable, file or command line."""
    if setting in environment:
        return f"ROADWORTHY_{name.upper()}"
    return f"{path}: {name}" if path and setting in from_file else name
