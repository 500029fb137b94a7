"""What a call ends with."""

from __future__ import annotations

from moonjelly.core.codes import Code
from moonjelly.server.endpoint.problems import SessionError


def test_details_are_cut_to_512_bytes() -> None:
    error = SessionError(Code.INTERNAL, "ä" * 400)
    assert len(error.detail.encode()) <= 512
    assert set(error.detail) == {"ä"}
