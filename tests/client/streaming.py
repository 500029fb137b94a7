"""What the tests of streams share."""

from __future__ import annotations

import contextlib
from collections import Counter

import cv2
import numpy as np

from moonjelly import client as sdk
from moonjelly.client import ArraySource, Reason, Verdict

IMAGE = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
"""Noise: about 60 kB as a JPEG of 320 x 320."""
SOFT = cv2.GaussianBlur(IMAGE, (0, 0), 2)
FLAT = np.full((90, 160, 3), 128, np.uint8)
"""About 3 kB as a JPEG of 320 x 320."""


def few(num_frames, image=FLAT):
    return ArraySource([image], num_frames)


def reasons(answers):
    return Counter(str(a.drop.reason) if a.drop else str(a.verdict) for a in answers)


@contextlib.asynccontextmanager
async def streaming(address, source, **options):
    async with sdk.connect(address) as client, client.stream(source, **options) as stream:
        yield stream


async def collect(stream, answers):
    async with stream:
        async for answer in stream:
            answers.append(answer)


def decided(answers):
    """Those that the server knows; a machine that is busy may supersede others before they are sent."""
    known = [answer for answer in answers if answer.record.sent_ms is not None]
    assert known
    assert {a.drop.reason for a in answers if a not in known} <= {Reason.SUPERSEDED}
    return known


def check_account(stream, answers):
    """Every captured frame has exactly one answer, and the counts say the same."""
    ledger = stream.ledger
    ledger.check_invariants()
    assert ledger.lost == 0
    assert ledger.captured == len(answers)
    assert len({answer.sequence for answer in answers}) == len(answers)
    for verdict in Verdict:
        assert ledger.total(verdict) == sum(a.verdict is verdict for a in answers)
