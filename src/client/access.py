"""How a client proves who it is, and makes sure who the server is."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import grpc.aio

from ..core.addresses import is_loopback
from ..core.checks import echo
from ..core.errors import UsageError
from ..files.text_file import read_whole

PUBLIC = "public"
TOKEN_VARIABLE = "MOONJELLY_TOKEN"  # noqa: S105 the name of a variable
MOST_BYTES = 1 << 20
_TOKEN = re.compile(r"[!-~]{1,512}")
_BEGIN = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Access:
    """What a server is shown, and what is asked of it.

    Attributes:
        token: of a tenant of the server; empty for none.
        ca: file of the certificates (PEM) that may vouch for the server's, or `public` for those that everybody
            trusts; empty for a connection without TLS.
        server_name: that its certificate must bear; empty for the host of its address.
    """

    token: str = field(default="", repr=False)
    ca: str = ""
    server_name: str = ""

    def __post_init__(self) -> None:
        if self.token and not _TOKEN.fullmatch(self.token):
            raise ValueError(
                "token: must be at most 512 printable characters of ASCII, without spaces"
            )
        if "\0" in self.ca:
            raise ValueError(f"ca={echo(self.ca)}: must be a file, or {PUBLIC}")

    def check(self, address: str) -> None:
        """Looks whether an address can be used so.

        Raises:
            ValueError: if a token would travel in the clear to another host.
            UsageError: if the file of `ca` cannot be read.
        """
        if self.ca not in ("", PUBLIC):
            _read_roots(self.ca)
        if self.token and not self.ca and not is_loopback(address.rpartition(":")[0].strip("[]")):
            raise ValueError("token: would travel unencrypted to another host; give ca")

    def channel(self, address: str, options: Sequence[tuple[str, object]]) -> grpc.aio.Channel:
        """A channel to an address."""
        if not self.ca:
            return grpc.aio.insecure_channel(address, options=options)
        roots = None if self.ca == PUBLIC else _read_roots(self.ca)
        if self.server_name:
            options = (*options, ("grpc.ssl_target_name_override", self.server_name))
        return grpc.aio.secure_channel(
            address, grpc.ssl_channel_credentials(roots), options=options
        )

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with each call."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()


NO_ACCESS = Access()
"""Neither TLS nor a token."""


def access_of(token: str | None, ca: str) -> Access:
    """As the SDK and the command line are given it; without a token, that of the environment."""
    return Access(os.environ.get(TOKEN_VARIABLE, "") if token is None else token, ca)


@functools.cache
def _read_roots(path: str) -> bytes:
    try:
        roots = read_whole(Path(path), MOST_BYTES)
    except UsageError as error:
        raise UsageError(f"ca={error}") from None
    if _BEGIN not in roots:
        raise UsageError(f"ca={path}: must be certificates in PEM")
    return roots
