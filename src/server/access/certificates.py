"""TLS of the port: certificate and key, read again when their files change, while streams go on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import cast

import grpc

from ...core.errors import UsageError
from ...files.certificate_files import read_pair, read_roots

_log = logging.getLogger(__name__)


class Certificates:
    """What clients of a port are shown, and whom of them it takes: as the files are when they connect.

    Files that cannot be used, for example as only one of them has been replaced yet, leave what is shown.
    """

    def __init__(self, certificate: str, key: str, client_ca: str = "") -> None:
        """Reads them; UsageError as of `read_pair`.

        Args:
            certificate: file of the server's.
            key: file of its key.
            client_ca: file of those that may vouch for the clients'; empty where clients need none.
        """
        self._certificate, self._key, self._client_ca = certificate, key, client_ca
        self._seen = self._look()
        self._shown = self._read()

    def credentials(self) -> grpc.ServerCredentials:
        """For a port of a gRPC server; TLS 1.2 at least."""
        # The stubs do not know that it may return None.
        fetch = cast("Callable[[], grpc.ServerCertificateConfiguration]", self._fetch)
        return grpc.dynamic_ssl_server_credentials(
            self._shown, fetch, require_client_authentication=bool(self._client_ca)
        )

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
            files = [one for one in (self._certificate, self._key, self._client_ca) if one]
            facts = [Path(file).stat() for file in files]
        except OSError as error:
            return error.errno
        return [(one.st_ino, one.st_mtime_ns, one.st_size) for one in facts]

    def _read(self) -> grpc.ServerCertificateConfiguration:
        chain_pem, key_pem = read_pair(self._certificate, self._key, "tls_certificate", "tls_key")
        roots = read_roots(self._client_ca, "tls_client_ca") if self._client_ca else None
        return grpc.ssl_server_certificate_configuration([(key_pem, chain_pem)], roots)
