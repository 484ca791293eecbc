"""The collector's settings: one typed object, read once, from a TOML file and ROADWORTHY_* variables."""

from __future__ import annotations

import os
import sys
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy import URL, make_url

from roadworthy_collector.errors import SettingsError
from roadworthy_collector.settings_checks import (
    LOOPBACK,
    checked_database,
    checked_grafana,
    checked_receiver,
    checked_upstream,
    one_line,
)
from roadworthy_inventory.calendar import local_day

__all__ = ["LOOPBACK", "CollectionPolicy", "LogFormat", "LogLevel", "Settings", "load", "read_secret"]

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
CollectionPolicy = Literal["off", "daily", "half-hourly"]


class Settings(BaseSettings):
    """All a collector can be told. Environment wins over the file, which wins over these defaults."""

    model_config = SettingsConfigDict(
        env_prefix="ROADWORTHY_", env_ignore_empty=True, extra="forbid", frozen=True
    )

    host: str = Field(
        default="127.0.0.1", description="Address to listen on. Beyond loopback a user must exist."
    )
    port: int = Field(default=8470, ge=1, le=65535, description="Port to listen on.")
    jobs_port: int = Field(
        default=8471, ge=1, le=65535, description="Port of `roadworthy jobs`, if it exposes the roll-ups."
    )
    drain_seconds: float = Field(
        default=0.0,
        ge=0,
        le=300,
        description="How long `serve`, told to end, says that it is not ready and still answers.",
    )
    data: Path = Field(default=Path("data"), description="Folder of the database and secrets, mode 0700.")
    database_plain: bool = Field(
        default=False,
        description="The database beyond this machine is on a private network: no TLS is meant.",
    )
    database_url: str | None = Field(
        default=None,
        description="PostgreSQL instead of SQLite: postgresql://user@host/database?sslmode=verify-full, without a "
        "password.",
    )
    database_password_file: Path | None = Field(
        default=None, description="File with that user's password, mode 0600."
    )
    rollups_at: Literal["serve", "jobs"] | None = Field(
        default=None,
        validate_default=True,
        description="Whose /metrics has the roll-ups: by default jobs with database_url, where several `serve` may "
        "run and each would have them, else serve.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        default=(), description="Host names this collector answers to, besides its own address."
    )
    tls_certificate: Path | None = Field(
        default=None, description="PEM chain; ECDSA P-256 is the cheapest to serve."
    )
    tls_key: Path | None = Field(default=None, description="PEM key, mode 0600.")
    tls_client_certificates: Literal["none", "optional", "required"] = Field(
        default="none",
        description="Certificates of those who call: not asked for, checked if sent, or required of everybody.",
    )
    tls_client_ca: Path | None = Field(
        default=None,
        description="PEM certificates of the authorities client certificates are checked against.",
    )
    audit_retention_days: int = Field(
        default=2190, ge=366, le=36_600, description="How long the audit is kept; six years if not said."
    )
    behind_tls_proxy: bool = Field(
        default=False, description="A proxy on this host ends TLS, so plain http beyond loopback is meant."
    )
    log_format: LogFormat = Field(default="text", description="Lines for people, or json: one object a line.")
    log_level: LogLevel = Field(default="info", description="Least level that is logged.")
    report_interval_seconds: int = Field(default=900, ge=60, le=86400, description="How often agents call.")
    reporting_timezone: str = Field(
        default="Europe/London", description="Zone of local days and financial years."
    )
    protective_marking: str = Field(
        default="OFFICIAL",
        max_length=64,
        description="Protective marking written on every table that is exported; one line.",
    )
    max_body_bytes: int = Field(default=1_048_576, ge=1024, description="Largest report, compressed.")
    max_report_bytes: int = Field(default=8_388_608, ge=1024, description="Largest report, decompressed.")
    queue_reports: int = Field(default=512, ge=1, description="Reports waiting for the writer before 503.")
    half_hour_retention_days: int = Field(
        default=30, ge=2, le=3660, description="How long half-hours are kept."
    )
    state_half_hour_retention_days: int | None = Field(
        default=None,
        ge=2,
        le=3660,
        description="How long device state in half-hours is kept; by default, and at most, half_hour_retention_days.",
    )
    site_half_hour_retention_days: int = Field(
        default=1200, ge=32, le=36_600, description="How long half-hours of whole sites are kept."
    )
    daily_retention_days: int = Field(
        default=2600, ge=32, le=36_600, description="How long a device's daily totals are kept."
    )
    startup_retention_days: int = Field(
        default=1200, ge=32, le=36_600, description="How long start-ups are kept."
    )
    signin_retention_days: int = Field(
        default=400, ge=32, le=36_600, description="How long sign-ins are kept."
    )
    gap_retention_days: int = Field(
        default=400, ge=32, le=36_600, description="How long it is kept when a device was off or not watched."
    )
    quarantine_retention_days: int = Field(
        default=30, ge=1, le=3660, description="How long refused items are kept for a person to look at."
    )
    enrolments_per_minute: int = Field(
        default=600, ge=1, le=100_000, description="Devices one process enrols in a minute; the rest wait."
    )
    token_rotation_days: int = Field(
        default=90,
        ge=0,
        le=3660,
        description="Oldest a device's token grows before it is replaced; 0: any age.",
    )
    token_rotations_per_minute: int = Field(
        default=600, ge=1, le=100_000, description="Tokens one process replaces in a minute."
    )
    clone_wait_hours: int = Field(
        default=24,
        ge=0,
        le=720,
        description="How long reports of other hardware than was enrolled wait for the enrolled one to speak.",
    )
    collection_policy_personal: CollectionPolicy = Field(
        default="daily", description="Asked of devices one person uses: off, daily or half-hourly."
    )
    collection_policy_shared: CollectionPolicy = Field(
        default="half-hourly", description="Asked of devices several people use."
    )
    collection_policy_kiosk: CollectionPolicy = Field(
        default="half-hourly", description="Asked of kiosks and screens."
    )
    collection_policy_server: CollectionPolicy = Field(default="half-hourly", description="Asked of servers.")
    collection_policy_unknown: CollectionPolicy = Field(
        default="half-hourly",
        description="Asked of devices without a usage profile; a laptop by itself tells days.",
    )
    device_detail: bool = Field(
        default=False,
        description="Serve /metrics/devices beyond loopback; on loopback without users it is on.",
    )
    shards: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="Targets /sd/devices lists; by default one for up to 1,024 devices, doubling with them.",
    )
    upstream_url: str | None = Field(
        default=None, description="Main collector this relay forwards to: https://host[:port]."
    )
    upstream_enrolment_key_file: Path | None = Field(
        default=None,
        validate_default=True,
        description="File with the main collector's enrolment keys for this relay's devices, mode 0600.",
    )
    upstream_ca: Path | None = Field(
        default=None, description="PEM file of who signs the main collector's certificate."
    )
    relay_file_drop: bool = Field(
        default=False, description="Keep reports for files carried to the main collector by hand."
    )
    relay_outbox_max_bytes: int = Field(
        default=1_073_741_824, ge=1_048_576, description="Most a relay keeps for its main collector."
    )
    relay_outbox_max_days: int = Field(
        default=30, ge=1, le=3660, description="How long a relay keeps for its main collector."
    )
    poll_targets_file: Path | None = Field(
        default=None,
        description="TOML file of power units, printers and switches to poll by SNMP or Redfish.",
    )
    grafana_url: str | None = Field(
        default=None, description="Where people open Grafana: the console links devices to their board there."
    )
    remote_write_url: str | None = Field(
        default=None,
        description="Receiver of closed half-hours by remote write 1.0: https://host/api/v1/write.",
    )
    remote_write_plain_http: bool = Field(
        default=False, description="The receiver beyond this machine is on a private network: http is meant."
    )
    remote_write_token_file: Path | None = Field(
        default=None, description="File with the receiver's bearer token, mode 0600."
    )
    remote_write_username: str | None = Field(
        default=None, description="User at the receiver, instead of a token."
    )
    remote_write_password_file: Path | None = Field(
        default=None, description="File with that user's password, mode 0600."
    )
    remote_write_ca: Path | None = Field(
        default=None, description="PEM file of who signs the receiver's certificate."
    )
    remote_write_labels: tuple[str, ...] = Field(
        default=(), description="Constant labels of what is sent, each as name=value."
    )
    remote_write_max_samples: int = Field(
        default=5000, ge=100, le=20_000, description="Samples in one request to the receiver."
    )
    remote_write_timeout_seconds: float = Field(
        default=30.0, ge=1, le=300, description="How long the receiver may take for a request."
    )
    remote_write_queue_hours: int = Field(
        default=72,
        ge=1,
        le=720,
        description="How long half-hours wait for the receiver before they are dropped.",
    )
    remote_write_queue_periods: int = Field(
        default=5_000_000, ge=1000, description="How many half-hours wait before the oldest are dropped."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings names it
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings names it
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Look through the variables only where one is ours: that takes longer than all the rest."""
        told = {name.upper() for name in os.environ}
        ours = {f"ROADWORTHY_{name.upper()}" for name in settings_cls.model_fields}
        return (init_settings, env_settings) if told & ours else (init_settings,)

    @field_validator("rollups_at")
    @classmethod
    def _two_ports(cls, value: str | None, info: ValidationInfo) -> str | None:
        if (value or _rollups(info.data.get("database_url"))) == "jobs" and info.data.get(
            "port"
        ) == info.data.get("jobs_port"):
            message = "`serve` and `jobs` listen on different ports; set jobs_port to another than port"
            raise ValueError(message)
        return value

    @field_validator("state_half_hour_retention_days")
    @classmethod
    def _states_go_first(cls, value: int | None, info: ValidationInfo) -> int | None:
        longest = info.data.get("half_hour_retention_days")
        if value is not None and longest is not None and value > longest:
            message = (
                f"device state goes with its half-hours: at most half_hour_retention_days, {longest} days"
            )
            raise ValueError(message)
        return value

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

    @field_validator("protective_marking")
    @classmethod
    def _one_line(cls, value: str) -> str:
        return one_line(value)

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str | None, info: ValidationInfo) -> str | None:
        return checked_database(value, plain=bool(info.data.get("database_plain")))

    _known_grafana = field_validator("grafana_url")(checked_grafana)
    _may_receive = field_validator("remote_write_url")(checked_receiver)
    _may_be_upstream = field_validator("upstream_url")(checked_upstream)

    @field_validator("upstream_enrolment_key_file")
    @classmethod
    def _key_for_upstream(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None and info.data.get("upstream_url") is not None:
            message = "with upstream_url it must name a file with an enrolment key of the main collector"
            raise ValueError(message)
        return value

    @field_validator("relay_file_drop")
    @classmethod
    def _one_way(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic calls it so
        if value and info.data.get("upstream_url") is not None:
            message = "a relay forwards to upstream_url or writes files, not both"
            raise ValueError(message)
        return value

    @property
    def is_relay(self) -> bool:
        """Whether accepted reports are kept for another collector."""
        return self.upstream_url is not None or self.relay_file_drop

    @property
    def collection_policies(self) -> dict[str, str]:
        """What is asked of the devices of each usage profile; a device's own setting holds where it is stricter."""
        return {
            "personal": self.collection_policy_personal,
            "shared": self.collection_policy_shared,
            "kiosk": self.collection_policy_kiosk,
            "server": self.collection_policy_server,
            "unknown": self.collection_policy_unknown,
        }

    @property
    def state_retention_days(self) -> int:
        """How long device state in half-hours is kept: as long as the half-hours, unless told less."""
        return self.state_half_hour_retention_days or self.half_hour_retention_days

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the collector."""
        return self.host in LOOPBACK

    @property
    def rollups(self) -> Literal["serve", "jobs"]:
        """Whose /metrics has the roll-ups: `rollups_at`, or what fits the store where it says nothing."""
        return self.rollups_at or _rollups(self.database_url)

    @property
    def sqlite_file(self) -> Path:
        """The SQLite file."""
        return self.data / "roadworthy.db"

    @property
    def database(self) -> Path | URL:
        """The SQLite file, or where PostgreSQL is, with the password; raises SettingsError if that cannot be read."""
        if self.database_url is None:
            return self.sqlite_file
        url = make_url(self.database_url)
        if self.database_password_file is None:
            return url
        return url.set(password=read_secret("database_password_file", self.database_password_file))


def _rollups(database_url: str | None) -> Literal["serve", "jobs"]:
    """Return whose /metrics has the roll-ups where nobody says so: a PostgreSQL may have several `serve`."""
    return "serve" if database_url is None else "jobs"


def read_secret(setting: str, path: Path) -> str:
    """Return the first line of a file only its owner can read; raise SettingsError naming the setting otherwise."""
    try:
        if sys.platform != "win32" and path.stat().st_mode & 0o077:
            raise SettingsError(f"{setting}: {path} can be read by others; chmod 600 it")
        text = path.read_text("utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{setting}: {path}: the secret cannot be read: {error}") from None
    if not text:
        raise SettingsError(f"{setting}: {path} is empty")
    return text


def load(path: Path | None = None, **overrides: Any) -> Settings:
    """Read settings from `path` (or $ROADWORTHY_CONFIG), the environment and `overrides`.

    Raises SettingsError naming the file, the setting and what is wrong; unknown keys are refused.
    """
    from roadworthy_collector.settings_sources import build, read_sources  # which imports this module

    return build(read_sources(path, overrides))
