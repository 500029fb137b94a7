"""Whose streams a server takes: a YAML file of tenants, each known by the hash of its token.

tenants:
  - name: north
    token_sha256: 5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8
    max_streams: 8    # at a time; optional, as all below
    max_fps: 120      # of all of them together
    priority: -5      # or weight: 3121
    min_fps: 30       # or min_share_ratio: 0.25
"""

from __future__ import annotations

import hashlib
import hmac
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ...core.checks import echo, require_id
from ...core.errors import UsageError
from ...files.yaml_file import read_yaml
from ...scheduling.quotas import Quota, Quotas
from ...scheduling.sharing.entitlements import Entitlement, Entitlements, check_floors, weights_of

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
        priority: see `Entitlement`, as for all below.
    """

    name: str
    token_sha256: str
    max_streams: int | None = None
    max_fps: float | None = None
    priority: int | None = None
    weight: int | None = None
    min_fps: float | None = None
    min_share_ratio: float | None = None

    def __post_init__(self) -> None:
        require_id("name", self.name)
        Quota(self.max_streams, self.max_fps)
        _ = self.entitlement
        if not _HASH.fullmatch(self.token_sha256):
            raise ValueError(
                f"token_sha256={echo(self.token_sha256)}: must be 64 of 0-9a-f; `moonjelly tenant` makes one"
            )

    @property
    def entitlement(self) -> Entitlement:
        """What it is entitled to beside others; ValueError as of that."""
        return Entitlement(
            priority=self.priority,
            weight=self.weight,
            min_fps=self.min_fps,
            min_share_ratio=self.min_share_ratio,
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
        check_floors(self.entitlements.values())

    @property
    def entitlements(self) -> Entitlements:
        """What each of them is entitled to."""
        return {one.name: one.entitlement for one in self.tenants}

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


class TenantWeights:
    """The weight of each tenant, by the file as it was when it was last told to read it.

    Attributes:
        by_tenant: changes as the file does.
    """

    def __init__(self, path: str) -> None:
        """Reads the file, if there is one."""
        self.by_tenant: dict[str, int] = {}
        self._path = path
        self.reread()

    def reread(self) -> None:
        """Reads the file again; a broken one, of which endpoints tell, changes nothing."""
        if not self._path:
            return
        with suppress(UsageError):
            weights = weights_of(read_tenants(self._path).entitlements)
            for gone in self.by_tenant.keys() - weights.keys():
                del self.by_tenant[gone]
            self.by_tenant.update(weights)
