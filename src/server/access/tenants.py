"""Whose streams a server takes: a YAML file of tenants, each known by the hash of its token.

tenants:
  - name: north
    token_sha256: 5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8
    max_streams: 8    # at a time; optional
    max_fps: 120      # of all of them together; optional
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from pathlib import Path

from ...core.checks import echo, require_id
from ...core.errors import UsageError
from ...files.yaml_file import read_yaml
from ...scheduling.quotas import Quota, Quotas

MOST_TENANTS = 1000
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Tenant:
    """Somebody who may stream.

    Attributes:
        name: of it, in logs and reports.
        token_sha256: what its token hashes to, in hexadecimal digits.
        max_streams: how many streams it may have at a time; None for as many as there is room for.
        max_fps: what its streams may have together (frame/s); None likewise.
    """

    name: str
    token_sha256: str
    max_streams: int | None = None
    max_fps: float | None = None

    def __post_init__(self) -> None:
        require_id("name", self.name)
        Quota(self.max_streams, self.max_fps)
        if not _HASH.fullmatch(self.token_sha256):
            raise ValueError(
                f"token_sha256={echo(self.token_sha256)}: must be 64 of 0-9a-f; `moonjelly tenant` makes one"
            )


@dataclass(frozen=True, slots=True)
class Tenants:
    """All of them, of different names and tokens."""

    tenants: tuple[Tenant, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.tenants) <= MOST_TENANTS:
            raise ValueError(f"tenants: must be 1 to {MOST_TENANTS}")
        for field in ("name", "token_sha256"):
            values = [getattr(one, field) for one in self.tenants]
            twice = next((one for one in values if values.count(one) > 1), None)
            if twice is not None:
                raise ValueError(f"tenants: {field} {twice} is there twice")

    @property
    def quotas(self) -> Quotas:
        """What each of them may have."""
        return {one.name: Quota(one.max_streams, one.max_fps) for one in self.tenants}

    def find(self, token: str) -> str | None:
        """The name of the tenant with that token. Takes as long whoever it is."""
        digest = hash_of(token)
        found = None
        for one in self.tenants:
            if hmac.compare_digest(one.token_sha256, digest):
                found = one.name
        return found


def hash_of(token: str) -> str:
    """The hash of a token, as it stands in the file. Tokens are long and random, so it needs no salt."""
    return hashlib.sha256(token.encode()).hexdigest()


def read_tenants(path: str) -> Tenants:
    """Reads the file.

    Raises:
        UsageError: naming option, file, line, value and rule.
    """
    try:
        return read_yaml(Path(path)).read(Tenants)
    except UsageError as error:
        raise UsageError(f"tenants={error}") from None
