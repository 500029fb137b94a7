"""How a client proves who it is, and makes sure who the server is."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import grpc
import grpc.aio

from ..core.addresses import is_loopback
from ..core.checks import echo
from ..files.certificate_files import read_pair, read_roots

PUBLIC = "public"
TOKEN_VARIABLE = "MOONJELLY_TOKEN"  # noqa: S105 the name of a variable
_TOKEN = re.compile(r"[!-~]{1,512}")


@dataclass(frozen=True, slots=True)
class Access:
    """What a server is shown, and what is asked of it.

    Attributes:
        token: of a tenant of the server; empty for none.
        ca: file of the certificates (PEM) that may vouch for the server's, or `public` for those that everybody
            trusts; empty for a connection without TLS.
        server_name: that its certificate must bear; empty for the host of its address.
        certificate: file of the client's own (PEM), for servers that want one; empty for none.
        key: file of its key.
    """

    token: str = field(default="", repr=False)
    ca: str = ""
    server_name: str = ""
    certificate: str = ""
    key: str = ""

    def __post_init__(self) -> None:
        if self.token and not _TOKEN.fullmatch(self.token):
            raise ValueError(
                "token: must be at most 512 printable characters of ASCII, without spaces"
            )
        if "\0" in self.ca:
            raise ValueError(f"ca={echo(self.ca)}: must be a file, or {PUBLIC}")
        for name, other in (("certificate", "key"), ("key", "certificate"), ("certificate", "ca")):
            if "\0" in getattr(self, name):
                raise ValueError(f"{name}={echo(getattr(self, name))}: must be a file")
            if getattr(self, name) and not getattr(self, other):
                raise ValueError(f"{other}: must be given with {name}")

    def check(self, address: str) -> None:
        """Looks whether an address can be used so.

        Raises:
            ValueError: if a token would travel in the clear to another host.
            UsageError: if a file cannot be used.
        """
        if self.ca:
            self._credentials()
        if self.token and not self.ca and not is_loopback(address.rpartition(":")[0].strip("[]")):
            raise ValueError("token: would travel unencrypted to another host; give ca")

    def channel(self, address: str, options: Sequence[tuple[str, object]]) -> grpc.aio.Channel:
        """A channel to an address."""
        if not self.ca:
            return grpc.aio.insecure_channel(address, options=options)
        if self.server_name:
            options = (*options, ("grpc.ssl_target_name_override", self.server_name))
        return grpc.aio.secure_channel(address, self._credentials(), options=options)

    def _credentials(self) -> grpc.ChannelCredentials:
        roots_pem = None if self.ca == PUBLIC else _read_roots(self.ca)
        if not self.certificate:
            return grpc.ssl_channel_credentials(roots_pem)
        chain_pem, key_pem = _read_pair(self.certificate, self.key)
        return grpc.ssl_channel_credentials(roots_pem, key_pem, chain_pem)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with each call."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()


NO_ACCESS = Access()
"""Neither TLS nor a token."""


def access_of(token: str | None, ca: str, certificate: str = "", key: str = "") -> Access:
    """As the SDK and the command line are given it; without a token, that of the environment."""
    if token is None:
        token = os.environ.get(TOKEN_VARIABLE, "")
    return Access(token, ca, certificate=certificate, key=key)


@functools.cache
def _read_roots(file: str) -> bytes:
    return read_roots(file, "ca")


@functools.cache
def _read_pair(certificate: str, key: str) -> tuple[bytes, bytes]:
    return read_pair(certificate, key, "certificate", "key")
