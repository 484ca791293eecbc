"""Where the sink sends to: the settings checked and the secrets read."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from roadworthy_collector.errors import SettingsError
from roadworthy_collector.remote_write.series import RESERVED
from roadworthy_collector.settings import LOOPBACK, Settings, read_secret

# Labels stand in every series of every request: a few short ones keep a request far below what receivers take.
_MOST_LABELS = 10
_LONGEST_LABEL = 128
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True)
class Target:
    """A receiver. `authorization` is the header's value, None where the receiver asks for none."""

    url: str
    host: str
    authorization: str | None = field(repr=False)
    ca: Path | None
    labels: Mapping[str, str]
    max_samples: int
    timeout_seconds: float


def read_target(settings: Settings) -> Target | None:
    """Return the configured receiver, None if there is none; raises SettingsError naming what is wrong.

    The secrets are read anew each time, so that a new token needs no restart.
    """
    url = settings.remote_write_url
    if url is None:
        return None
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "http" and host not in LOOPBACK and not settings.remote_write_plain_http:
        raise SettingsError(
            "remote_write_url: plain http to another machine; write https://, or set remote_write_plain_http "
            "if the network between is private"
        )
    if settings.remote_write_ca is not None and not settings.remote_write_ca.is_file():
        raise SettingsError(f"remote_write_ca: {settings.remote_write_ca} is no file")
    return Target(
        url=url,
        host=parts.netloc,
        authorization=_authorization(settings),
        ca=settings.remote_write_ca,
        labels=_labels(settings.remote_write_labels),
        max_samples=settings.remote_write_max_samples,
        timeout_seconds=settings.remote_write_timeout_seconds,
    )


def _authorization(settings: Settings) -> str | None:
    token, user = settings.remote_write_token_file, settings.remote_write_username
    password = settings.remote_write_password_file
    if token is not None and (user is not None or password is not None):
        raise SettingsError(
            "remote_write_token_file: a token or a user, not both; leave remote_write_username out"
        )
    if (user is None) != (password is None):
        raise SettingsError(
            "remote_write_username: remote_write_username and remote_write_password_file go together"
        )
    if token is not None:
        return f"Bearer {_sendable('remote_write_token_file', token)}"
    if user is None or password is None:
        return None
    both = f"{user}:{read_secret('remote_write_password_file', password)}"
    return "Basic " + base64.b64encode(both.encode()).decode("ascii")


def _sendable(setting: str, path: Path) -> str:
    """Return a token, which has to fit into a header."""
    token = read_secret(setting, path)
    if not token.isascii() or not token.isprintable():
        raise SettingsError(f"{setting}: {path} does not hold a token: it has characters no header takes")
    return token


def _labels(given: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not value or not _LABEL.fullmatch(name) or name.startswith("__"):
            raise SettingsError(f"remote_write_labels: {one!r} is no label; write name=value")
        if name in RESERVED:
            raise SettingsError(f"remote_write_labels: {name} is set by Roadworthy; choose another name")
        if name in found:
            raise SettingsError(f"remote_write_labels: {name} stands there twice")
        if len(one) > _LONGEST_LABEL:
            raise SettingsError(f"remote_write_labels: {name} is longer than {_LONGEST_LABEL} characters")
        found[name] = value
    if len(found) > _MOST_LABELS:
        raise SettingsError(f"remote_write_labels: more than {_MOST_LABELS} labels")
    return found
