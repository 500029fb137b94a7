"""Tells a process that was forked from one that used gRPC: there gRPC's threads are missing, and calls hang."""

from __future__ import annotations

import os


class _Process:
    """What this process did with gRPC.

    Attributes:
        has_used_grpc: whether it made a channel, or the one that it was forked from.
        was_forked: whether it was forked after that.
    """

    has_used_grpc = False
    was_forked = False


def use_grpc() -> None:
    """Notes that gRPC is used from now on.

    Raises:
        RuntimeError: if this process was forked from one that used it.
    """
    check_not_forked()
    _Process.has_used_grpc = True


def check_not_forked() -> None:
    """Raises RuntimeError if this process was forked from one that used gRPC."""
    if _Process.was_forked:
        raise RuntimeError(
            "this process was forked from one that used gRPC, which does not work in both; start it with "
            'multiprocessing.get_context("spawn"), or fork before the first client is entered'
        )


def was_forked() -> bool:
    """Whether this process was forked from one that used gRPC."""
    return _Process.was_forked


def _note_fork() -> None:
    _Process.was_forked = _Process.has_used_grpc


os.register_at_fork(after_in_child=_note_fork)
