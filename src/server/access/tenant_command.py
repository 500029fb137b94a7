"""`moonjelly tenant`: an entry for the file of a server's tenants, and the token that it is the hash of."""

from __future__ import annotations

import argparse
import secrets
import sys

from ...core.errors import UsageError
from .tenants import Tenant, hash_of

TOKEN_BYTES = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("name", metavar="NAME", help="of the tenant, in logs and reports")


def run(arguments: argparse.Namespace) -> int:
    """Writes the entry to standard output, and the token, which stands nowhere else, to standard error."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    try:
        tenant = Tenant(arguments.name, hash_of(token))
    except ValueError as error:
        raise UsageError(str(error)) from None
    sys.stdout.write(f"  - name: {tenant.name}\n    token_sha256: {tenant.token_sha256}\n")
    sys.stdout.flush()
    sys.stderr.write(f"token of {tenant.name}, shown this once: {token}\n")
    return 0
