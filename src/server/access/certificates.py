"""TLS of the port: certificate and key, read again when their files change, while streams go on."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable
from pathlib import Path
from typing import cast

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ...core.errors import UsageError
from ...files.text_file import read_whole

MOST_BYTES = 1 << 20

_log = logging.getLogger(__name__)


def read_certificate(certificate: str, key: str) -> tuple[bytes, bytes]:
    """Reads a certificate, perhaps with those that vouch for it behind it, and its key.

    Returns:
        Both in PEM.

    Raises:
        UsageError: naming option, file and rule.
    """
    chain_pem = _read("tls_certificate", certificate)
    key_pem = _read("tls_key", key)
    try:
        shown = x509.load_pem_x509_certificates(chain_pem)[0]
    except ValueError:
        raise UsageError(f"tls_certificate={certificate}: must be a certificate in PEM") from None
    try:
        own = load_pem_private_key(key_pem, None).public_key()
    except (ValueError, TypeError):
        raise UsageError(f"tls_key={key}: must be a key in PEM without a password") from None
    if own != shown.public_key():
        raise UsageError(f"tls_key={key}: must be the key of {certificate}")
    end = shown.not_valid_after_utc
    if end <= datetime.datetime.now(datetime.UTC):
        raise UsageError(f"tls_certificate={certificate}: has expired on {end:%Y-%m-%d}")
    return chain_pem, key_pem


def _read(option: str, file: str) -> bytes:
    try:
        return read_whole(Path(file), MOST_BYTES)
    except UsageError as error:
        raise UsageError(f"{option}={error}") from None


class Certificates:
    """What clients of a port are shown: as the files are when they connect.

    Files that cannot be used, for example as only one of them has been replaced yet, leave what is shown.
    """

    def __init__(self, certificate: str, key: str) -> None:
        """Reads both; UsageError as of `read_certificate`."""
        self._certificate, self._key = certificate, key
        self._seen = self._look()
        self._shown = self._read()

    def credentials(self) -> grpc.ServerCredentials:
        """For a port of a gRPC server; TLS 1.2 at least."""
        # The stubs do not know that it may return None.
        fetch = cast("Callable[[], grpc.ServerCertificateConfiguration]", self._fetch)
        return grpc.dynamic_ssl_server_credentials(self._shown, fetch)

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """Called for each connection, in a thread of gRPC; None for what was shown before."""
        now = self._look()
        if now == self._seen:
            return None
        self._seen = now
        try:
            self._shown = self._read()
        except UsageError as error:
            _log.error("%s; what was read before is shown", error)
            return None
        _log.info("the certificate was read again")
        return self._shown

    def _look(self) -> object:
        try:
            facts = [Path(file).stat() for file in (self._certificate, self._key)]
        except OSError as error:
            return error.errno
        return [(one.st_ino, one.st_mtime_ns, one.st_size) for one in facts]

    def _read(self) -> grpc.ServerCertificateConfiguration:
        chain_pem, key_pem = read_certificate(self._certificate, self._key)
        return grpc.ssl_server_certificate_configuration([(key_pem, chain_pem)])
