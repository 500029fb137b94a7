from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from moonjelly.client.sources.camera import FIRST_WAIT_MS, LONGEST_WAIT_MS, Reopening


@given(tries_ms=st.lists(st.floats(0, 6000), max_size=40), limit_ms=st.floats(1000, 60_000))
def test_waits_grow_to_a_limit_and_end_at_another(tries_ms, limit_ms):
    reopening = Reopening(limit_ms)
    now_ms, waits_ms = 0.0, []
    for try_ms in tries_ms:
        wait_ms = reopening.on_loss(now_ms)
        if wait_ms is None:
            assert now_ms >= limit_ms
            return
        assert now_ms + wait_ms <= limit_ms + 1e-6, "it is asked once more before it is given up"
        waits_ms.append(wait_ms)
        now_ms += wait_ms + try_ms
    full = [wait_ms for wait_ms in waits_ms[:-1] if wait_ms >= FIRST_WAIT_MS]
    assert full == sorted(full)
    assert all(wait_ms <= LONGEST_WAIT_MS for wait_ms in waits_ms)


def test_a_picture_ends_the_loss_and_a_mere_connection_does_not():
    reopening = Reopening(60_000)
    assert reopening.on_picture(0.0) is None
    assert [reopening.on_loss(at_ms) for at_ms in (1000.0, 1500.0)] == [250.0, 500.0]
    assert reopening.on_picture(4000.0) == 3000.0
    assert reopening.on_loss(9000.0) == 250.0
