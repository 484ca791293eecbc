"""When the certificates of the settings end."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from prometheus_client.parser import text_string_to_metric_families
from support.estates import NOW, make_database
from support.web import client_of

from roadworthy_collector.metrics.certificates import Certificates, earliest_end
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import open_engine

BEGIN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def certificate(days: int) -> bytes:
    """Return a self-signed one, PEM, that ends so many days after BEGIN."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "collector")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(BEGIN).not_valid_after(BEGIN + dt.timedelta(days=days))
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def ends(days: int) -> float:
    return (BEGIN + dt.timedelta(days=days)).timestamp()


def test_of_a_chain_the_first_end_counts() -> None:
    assert earliest_end(certificate(90) + certificate(30) + certificate(900)) == ends(30)


@pytest.mark.parametrize(
    "pem", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_what_is_no_certificate_has_no_end(pem: bytes) -> None:
    assert earliest_end(pem) is None


def test_a_renewed_file_is_read_anew_and_one_that_is_gone_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(certificate(30))
    known = Certificates(Settings(data=tmp_path, remote_write_ca=path))
    assert known.ends() == {"remote_write_ca": ends(30)}
    path.write_bytes(certificate(90) + b"\n")
    assert known.ends() == {"remote_write_ca": ends(90)}
    path.unlink()
    assert known.ends() == {"remote_write_ca": None}


def test_files_that_are_not_set_are_not_told_of(tmp_path: Path) -> None:
    assert Certificates(Settings(data=tmp_path)).ends() == {}


def test_a_scrape_tells_when_they_end(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(certificate(30))
    make_database(tmp_path / "roadworthy.db")
    engine = open_engine(tmp_path / "roadworthy.db")
    client = client_of(engine, tmp_path, NOW, remote_write_ca=path)
    found = {
        family.name: family.samples for family in text_string_to_metric_families(client.get("/metrics").text)
    }
    client.close()
    engine.dispose()
    (one,) = found["roadworthy_certificate_end_timestamp_seconds"]
    assert (one.labels, one.value) == ({"certificate": "remote_write_ca"}, ends(30))
