"""`moonjelly certificate`: a certificate that vouches for itself, for a laboratory or a network of one's own."""

from __future__ import annotations

import argparse
import datetime
import ipaddress
import os
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ...core.checks import echo
from ...core.errors import RunError, UsageError
from ...files.whole_file import whole_file

CERTIFICATE_FILE = "certificate.pem"
KEY_FILE = "key.pem"
DEFAULT_DAYS, MOST_DAYS = 365, 3650
SETTLED = datetime.timedelta(hours=1)  # clocks of others may be behind
PRIVATE_MODE = 0o600


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument(
        "hosts",
        nargs="+",
        metavar="HOST",
        help="names and addresses by which clients reach the server",
    )
    parser.add_argument(
        "--days",
        type=int,
        default=DEFAULT_DAYS,
        metavar="N",
        help="it is valid; default: %(default)s",
    )
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR",
        help=f"of {CERTIFICATE_FILE} and {KEY_FILE}; files that are there are not overwritten; default: here",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Makes both files; returns the exit status."""
    if not 1 <= arguments.days <= MOST_DAYS:
        raise UsageError(f"--days {arguments.days}: must be 1 to {MOST_DAYS}")
    names = [_general_name(host) for host in arguments.hosts]
    certificate, key = arguments.out / CERTIFICATE_FILE, arguments.out / KEY_FILE
    for path in (certificate, key):
        if path.exists():
            raise UsageError(f"{path}: is there already")
    certificate_pem, key_pem = make_certificate(names, arguments.days)
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        with (
            whole_file(key) as draft,
            os.fdopen(
                os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE), "wb"
            ) as file,
        ):
            file.write(key_pem)
        with whole_file(certificate) as draft:
            draft.write_bytes(certificate_pem)
    except OSError as error:
        raise RunError(f"--out {arguments.out}: {error.strerror}") from None
    sys.stdout.write(
        f"moonjelly serve --tls-certificate {certificate} --tls-key {key}\n"
        f"moonjelly client --ca {certificate}    # clients need the certificate, and never the key\n"
    )
    return 0


def make_certificate(names: list[x509.GeneralName], days: int) -> tuple[bytes, bytes]:
    """Makes a key and a certificate for it, to be shown by a server or by a client.

    Returns:
        Certificate and key in PEM.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    # A name of its own: of several that may vouch, some programs try only the first of a name.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Moonjelly {serial:x}")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - SETTLED)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM), key_pem


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        name = x509.DNSName(host)
    except ValueError:
        name = None
    if name is None or not host or any(not (one.isalnum() or one in ".-*") for one in host):
        raise UsageError(f"HOST {echo(host)}: must be a host name or an address, without a port")
    return name
