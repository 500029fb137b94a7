from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from moonjelly.cli import main
from moonjelly.core.errors import UsageError
from moonjelly.files.certificate_files import read_pair
from moonjelly.server.access.certificate_command import make_certificate
from moonjelly.server.access.certificates import Certificates

HOST = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


def read_certificate(certificate: str, key: str) -> tuple[bytes, bytes]:
    return read_pair(certificate, key, "tls_certificate", "tls_key")


def write_pair(folder: Path, days: int = 2) -> tuple[Path, Path]:
    folder.mkdir(exist_ok=True)
    paths = folder / "certificate.pem", folder / "key.pem"
    for path, pem in zip(paths, make_certificate([HOST], days), strict=True):
        path.write_bytes(pem)
    return paths


def write_expired(folder: Path) -> tuple[Path, Path]:
    """A pair whose time is over."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "late")])
    end = datetime.datetime(2020, 2, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(end - datetime.timedelta(days=30))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "late.pem", folder / "late-key.pem"
    paths[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            Encoding.PEM,
            PrivateFormat.PKCS8,
            NoEncryption(),
        )
    )
    return paths


def test_a_certificate_and_its_key_are_read(tmp_path: Path) -> None:
    certificate, key = write_pair(tmp_path)
    assert read_certificate(str(certificate), str(key)) == (
        certificate.read_bytes(),
        key.read_bytes(),
    )


def test_what_cannot_be_served_with_is_refused_by_option_file_and_rule(tmp_path: Path) -> None:
    certificate, key = write_pair(tmp_path / "one")
    _, other_key = write_pair(tmp_path / "other")
    late, late_key = write_expired(tmp_path)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        load_pem_private_key(key.read_bytes(), None).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
        )
    )
    for given, complaint in (
        ((certificate, other_key), rf"tls_key={other_key}: must be the key of {certificate}"),
        ((certificate, locked), rf"tls_key={locked}: must be a key in PEM without a password"),
        ((certificate, certificate), r"tls_key=.*: must be a key in PEM"),
        ((key, key), rf"tls_certificate={key}: must be certificates in PEM"),
        ((late, late_key), rf"tls_certificate={late}: has expired on 2020-02-01"),
        ((tmp_path / "none", key), r"tls_certificate=.*none: cannot be read: No such file"),
        ((certificate, tmp_path), r"tls_key=.*: must be a file"),
    ):
        with pytest.raises(UsageError, match=complaint):
            read_certificate(*map(str, given))


def test_a_replaced_certificate_is_shown_once_both_files_fit(tmp_path: Path) -> None:
    certificate, key = write_pair(tmp_path / "one")
    new_certificate, new_key = write_pair(tmp_path / "two")
    certificates = Certificates(str(certificate), str(key))
    assert certificates._fetch() is None
    new_key.replace(key)
    assert certificates._fetch() is None  # they do not fit
    new_certificate.replace(certificate)
    assert isinstance(certificates._fetch(), grpc.ServerCertificateConfiguration)
    assert certificates._fetch() is None
    certificate.unlink()
    assert certificates._fetch() is None


def test_who_vouches_for_clients_is_read_too_and_again_when_it_changes(tmp_path: Path) -> None:
    certificate, key = write_pair(tmp_path / "one")
    clients = tmp_path / "clients.pem"
    for content, complaint in (
        (None, r"tls_client_ca=.*clients.pem: cannot be read"),
        ("nothing", rf"tls_client_ca={clients}: must be certificates in PEM"),
    ):
        if content is not None:
            clients.write_text(content)
        with pytest.raises(UsageError, match=complaint):
            Certificates(str(certificate), str(key), str(clients))
    clients.write_bytes(certificate.read_bytes())
    certificates = Certificates(str(certificate), str(key), str(clients))
    clients.write_bytes(2 * certificate.read_bytes())
    assert isinstance(certificates._fetch(), grpc.ServerCertificateConfiguration)
    clients.write_text("nothing")
    assert certificates._fetch() is None  # as before


def test_the_command_makes_a_pair_that_can_be_served_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["certificate", "edge.example.org", "10.0.0.5", "::1", "--out", str(out)]) == 0
    certificate, key = out / "certificate.pem", out / "key.pem"
    chain, _ = read_certificate(str(certificate), str(key))
    assert key.stat().st_mode & 0o777 == 0o600
    names = (
        x509.load_pem_x509_certificate(chain)
        .extensions.get_extension_for_class(x509.SubjectAlternativeName)
        .value
    )
    assert names.get_values_for_type(x509.DNSName) == ["edge.example.org"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.5", "::1"]
    assert f"--tls-certificate {certificate} --tls-key {key}" in capsys.readouterr().out
    before = key.read_bytes()
    assert main(["certificate", "localhost", "--out", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert key.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["a b"], "HOST 'a b': must be a host name or an address"),
        (["host:10001"], "HOST 'host:10001': must be a host name or an address, without a port"),
        ([""], "HOST '': must be"),
        (["müller"], "a host name or an address, without a port"),
        (["localhost", "--days", "0"], "--days 0: must be 1 to 3650"),
    ],
)
def test_a_certificate_for_nobody_is_not_made(
    words: list[str], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["certificate", *words, "--out", str(out)]) == 2
    assert complaint in capsys.readouterr().err
    assert not out.exists()
