from __future__ import annotations

import numpy as np
import pytest
from fake_server import FakeServer

from moonjelly import client as sdk
from moonjelly.client import ArraySource, Verdict

IMAGE = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)


def few(num_frames):
    return ArraySource([IMAGE], num_frames)


async def test_ten_lines_are_enough():
    async with FakeServer() as server:
        async with sdk.connect(server.address) as client:
            async with client.stream(few(10), fps=100, slo_ms=2000) as stream:
                answers = [answer async for answer in stream]
    assert [answer.sequence for answer in answers] == list(range(10))
    assert {answer.verdict for answer in answers} == {Verdict.IN_TIME}
    first = answers[0]
    assert first.detections.boxes == pytest.approx(np.array([[0.1, 0.2, 0.3, 0.4]]))
    assert stream.class_names[first.detections.class_ids[0]] == "bus"
    assert 0 < first.latency_ms < 2000
    assert server.num_goodbyes == 1
    stream.ledger.check_invariants()
    assert stream.ledger.lost == stream.ledger.duplicated == 0
