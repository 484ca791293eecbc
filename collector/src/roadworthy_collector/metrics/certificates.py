"""When the certificates of the settings end: read from their files, anew only where a file has changed."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509

from roadworthy_collector.settings import Settings

_SETTINGS = {
    "server": "tls_certificate",
    "client_ca": "tls_client_ca",
    "upstream_ca": "upstream_ca",
    "remote_write_ca": "remote_write_ca",
}
_Stamp = tuple[int, int]


class Certificates:
    """The certificates `settings` name; a file is parsed again only when its time or size is another."""

    def __init__(self, settings: Settings) -> None:
        self._paths: dict[str, Path] = {
            name: path for name, field in _SETTINGS.items() if (path := getattr(settings, field)) is not None
        }
        self._held: dict[str, tuple[_Stamp, float | None]] = {}

    def ends(self) -> dict[str, float | None]:
        """Return {certificate: UTC epoch seconds of the earliest end in its file}, None where it cannot be read."""
        return {name: self._end(name, path) for name, path in self._paths.items()}

    def _end(self, name: str, path: Path) -> float | None:
        try:
            told = path.stat()
            stamp = told.st_mtime_ns, told.st_size
            if name not in self._held or self._held[name][0] != stamp:
                self._held[name] = stamp, earliest_end(path.read_bytes())
        except OSError:
            return None
        return self._held[name][1]


def earliest_end(pem: bytes) -> float | None:
    """Return when the first certificate of a PEM file ends, UTC epoch seconds; None where there is none."""
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError:
        return None
    return min(one.not_valid_after_utc.timestamp() for one in found)
