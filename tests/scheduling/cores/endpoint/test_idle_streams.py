from __future__ import annotations

from dataclasses import replace

from moonjelly.core.codes import Code
from moonjelly.core.verdict import Reason
from moonjelly.scheduling.limits import Limits, LimitTable


def limited(shell, **limits: float) -> None:
    shell.core.limits = LimitTable(Limits(**limits))


def test_a_stream_that_sends_nothing_is_ended(shell) -> None:
    shell.core.rules = replace(shell.core.rules, session_idle_ms=10_000.0)
    quiet, busy = shell.join("quiet"), shell.join("busy")
    for _ in range(12):
        shell.wait(1000.0)
        shell.send(busy)
        shell.answer("d0", *shell.sent["d0"])
    assert list(shell.core.sessions) == ["busy"]
    (ended,) = shell.calls_ended
    assert (ended.gate, ended.code) == (quiet, Code.DEADLINE_EXCEEDED)
    assert ended.detail == "no frame came for 10 s"


def test_a_slow_stream_has_ten_of_its_periods(shell) -> None:
    shell.core.rules = replace(shell.core.rules, session_idle_ms=1000.0)
    shell.plan({"slow": "d0"})
    shell.reply(shell.ask("slow", fps=0.5))
    shell.perform(shell.core.open(shell.gates["slow"], shell.now_ms))
    shell.wait(19_000.0)
    assert "slow" in shell.core.sessions
    shell.wait(2000.0)
    assert not shell.core.sessions


def test_silent_streams_of_an_address_are_bounded_and_busy_ones_are_not_counted(shell) -> None:
    limited(shell, address_silent_sessions=2)
    gates = [shell.join(name) for name in "abc"]
    assert shell.refusals == {}  # nobody is silent yet
    shell.wait(3000.0)
    shell.send(gates[0])
    request = shell.ask("d")
    assert shell.refusals[request] == "silent streams of one address: must be at most 2"
    assert shell.ask("b") not in shell.refusals  # takes its own place again
    shell.send(gates[1])
    assert shell.ask("e") not in shell.refusals


def test_streams_of_an_address_are_bounded_and_the_same_name_again_is_no_more(shell) -> None:
    limited(shell, address_sessions=2)
    shell.join("a")
    waiting = shell.ask("b")
    assert shell.refusals[shell.ask("c")] == "streams of one address: must be at most 2"
    assert waiting not in shell.refusals
    assert shell.ask("a") not in shell.refusals


def test_a_frame_beyond_the_bits_of_its_address_is_dropped_and_its_stream_goes_on(shell) -> None:
    limited(shell, address_mbits_per_s=40.0)
    gate = shell.join("a")
    note = shell.send(gate, kbits=50_000.0).note
    assert note.drop.reason is Reason.RATE_EXCEEDED
    assert note.detail == "frames of one address: must be at most 40 Mbit/s"
    assert shell.send(gate).note is None
