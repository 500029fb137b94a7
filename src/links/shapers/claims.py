"""Which laboratories of this machine live: each holds a lock, which the kernel takes from the dead.

A laboratory claims a run id and a block of addresses with a file `/run/moonjelly/laboratory/RUN.json` that it
keeps locked. Whoever starts locks the folder, and removes the laboratories whose files nobody
holds any more: neither a live one's nor anything else's.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ...core.errors import RunError

CLAIMS_DIR = Path("/run/moonjelly/laboratory")
_RUN_ID_PATTERN = re.compile(r"[0-9a-f]{6}")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a laboratory may use while it lives.

    Attributes:
        run_id: part of all its names.
        block: number of its block of addresses.
    """

    run_id: str
    block: int


@contextlib.contextmanager
def claim(
    num_blocks: int, remove: Callable[[str], None], claims_dir: Path = CLAIMS_DIR
) -> Iterator[Claim]:
    """Sweeps what the dead left, claims a run id and a block, and gives both back at the end.

    Raises:
        RunError: if all blocks are taken, or the folder cannot be written.
    """
    with contextlib.ExitStack() as stack:
        try:
            with _locked_folder(claims_dir):
                taken = _sweep(claims_dir, remove)
                block = next((n for n in range(num_blocks) if n not in taken), None)
                if block is None:
                    raise RunError(f"{claims_dir}: all {num_blocks} blocks of addresses are in use")
                claimed = Claim(secrets.token_hex(3), block)
                path = claims_dir / f"{claimed.run_id}.json"
                file = stack.enter_context(path.open("x", encoding="utf-8"))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                json.dump({"block": block, "pid": os.getpid(), "since_s": time.time()}, file)
                file.flush()
        except OSError as error:
            raise RunError(f"{claims_dir}: {error.strerror}") from None
        try:
            yield claimed
        finally:
            remove(claimed.run_id)
            path.unlink(missing_ok=True)


def sweep(remove: Callable[[str], None], claims_dir: Path = CLAIMS_DIR) -> None:
    """Removes what dead laboratories left; RunError if the folder cannot be read."""
    if not claims_dir.exists():
        return
    try:
        with _locked_folder(claims_dir):
            _sweep(claims_dir, remove)
    except OSError as error:
        raise RunError(f"{claims_dir}: {error.strerror}") from None


def _sweep(claims_dir: Path, remove: Callable[[str], None]) -> set[int]:
    """Removes what dead laboratories left, and returns the blocks of those that live."""
    taken: set[int] = set()
    for path in claims_dir.glob("*.json"):
        if not _RUN_ID_PATTERN.fullmatch(path.stem):
            continue
        with path.open(encoding="utf-8") as file:
            if _is_held(file):
                taken.add(int(json.load(file)["block"]))
            else:
                remove(path.stem)
                path.unlink()
    return taken


def _is_held(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


@contextlib.contextmanager
def _locked_folder(claims_dir: Path) -> Iterator[None]:
    claims_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (claims_dir / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
