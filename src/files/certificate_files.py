"""Certificates and keys in PEM, checked before anybody is shown them."""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ..core.errors import UsageError
from .text_file import read_whole

MOST_BYTES = 1 << 20


def read_pair(
    certificate: str, key: str, certificate_option: str, key_option: str
) -> tuple[bytes, bytes]:
    """Reads a certificate, perhaps with those that vouch for it behind it, and its key.

    Args:
        certificate: file.
        key: file.
        certificate_option: as its user knows that file.
        key_option: likewise.

    Returns:
        Both in PEM.

    Raises:
        UsageError: naming option, file and rule.
    """
    chain_pem = _read(certificate_option, certificate)
    key_pem = _read(key_option, key)
    shown = _certificates(chain_pem, certificate_option, certificate)[0]
    try:
        own = load_pem_private_key(key_pem, None).public_key()
    except (ValueError, TypeError):
        raise UsageError(f"{key_option}={key}: must be a key in PEM without a password") from None
    if own != shown.public_key():
        raise UsageError(f"{key_option}={key}: must be the key of {certificate}")
    end = shown.not_valid_after_utc
    if end <= datetime.datetime.now(datetime.UTC):
        raise UsageError(f"{certificate_option}={certificate}: has expired on {end:%Y-%m-%d}")
    return chain_pem, key_pem


def read_roots(file: str, option: str) -> bytes:
    """Reads certificates that may vouch for others, in PEM; UsageError naming option, file and rule."""
    roots_pem = _read(option, file)
    _certificates(roots_pem, option, file)
    return roots_pem


def _certificates(pem: bytes, option: str, file: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise UsageError(f"{option}={file}: must be certificates in PEM") from None


def _read(option: str, file: str) -> bytes:
    try:
        return read_whole(Path(file), MOST_BYTES)
    except UsageError as error:
        raise UsageError(f"{option}={error}") from None
