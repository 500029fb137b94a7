"""What a stream is told while the plan in force was made before it opened."""

from __future__ import annotations

import pytest

from moonjelly.core.advice import SideAdvice

SMALL, LARGE = 128, 416
SERVED = SideAdvice(SMALL, SMALL)
ON_AN_IDLE_DEVICE = SideAdvice(LARGE)


def advice(shell, gate) -> SideAdvice:
    """What comes with the answer to its next frame."""
    frame = shell.send(gate)
    shell.answer("d0", *shell.sent["d0"])
    return frame.advice


def test_a_stream_on_a_device_that_was_planned_for_nobody_may_send_what_would_be_in_time(
    shell,
) -> None:
    shell.attach("d0")
    gate = shell.join("first")
    assert advice(shell, gate) == ON_AN_IDLE_DEVICE
    shell.plan({"first": "d0"}, epoch=2)
    shell.wait(30.0)  # advice is kept for a moment
    assert advice(shell, gate) == SERVED


def test_it_is_told_what_runs_if_no_other_plan_comes(shell) -> None:
    shell.attach("d0")
    gate = shell.join("first")
    shell.wait(shell.core.rules.plan_period_ms + 1)
    assert advice(shell, gate) == SERVED


def test_beside_a_stream_that_the_plan_knows_it_is_told_what_runs(shell) -> None:
    shell.attach("d0")
    shell.join("known")
    shell.plan({"known": "d0", "new": "d0"}, epoch=2)
    shell.reply(shell.ask("new"))
    gate = shell.gates["new"]
    shell.perform(shell.core.open(gate, shell.now_ms))
    assert advice(shell, gate) == SERVED


@pytest.mark.parametrize(("slo_ms", "side_px"), [(200.0, LARGE), (50.0, SMALL)])
def test_a_side_that_even_an_idle_device_answers_too_late_is_not_advised(
    shell, slo_ms: float, side_px: int
) -> None:
    shell.attach("d0")
    assert advice(shell, shell.join("first", slo_ms)) == SideAdvice(side_px)
