"""The attacks of `benchmarks/hostile.py`, small and without a clock: an honest camera goes on, and afterwards nothing is left.

What they cost in time is measured there.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest
from attacks import ATTACKS, Scale, Target, attack

SMALL = Scale(
    connections=60,
    unopened_calls=60,
    silent_sessions=30,
    registers_per_s=50.0,
    spoofs_per_s=20.0,
    picture_streams=1,
    picture_fps=4.0,
    stalled_readers=2,
    half_open=30,
)
NUM_FRAMES = 100


def num_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize("name", [*ATTACKS, "all"])
async def test_an_honest_camera_goes_on_and_nothing_is_left(
    make_harness, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    harness = await make_harness(
        address_unopened_calls=20,
        address_silent_sessions=10,
        address_registers_per_s=5.0,
        session_grace_ms=500.0,
    )
    camera = await harness.stream("honest")
    await camera.result_of(harness.frame(0))
    before = num_descriptors()
    target = Target(f"127.0.0.1:{harness.port}", SMALL, ("honest",))
    attacking = asyncio.create_task(attack(target, name))
    for sequence in range(1, NUM_FRAMES):
        result = await camera.result_of(harness.frame(sequence))
        assert result.sequence == sequence
        assert result.drop.reason in ("", "too_late")  # whatever the machine has to do besides
        await asyncio.sleep(0.01)
    assert not attacking.done()
    attacking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attacking
    await harness.until(lambda: list(harness.endpoint.core.sessions) == ["honest"])
    await harness.until(lambda: harness.endpoint.core.num_held == 0)
    await harness.until(lambda: num_descriptors() <= before + 4)
    assert harness.num_free_slots == harness.config.frame_slots
    assert sum(len(record.getMessage()) for record in caplog.records) < 1 << 20
    assert not [one for one in caplog.records if one.levelname == "ERROR"]
    assert (await camera.goodbye())[0] is grpc.StatusCode.OK
