"""Lines for `tc -batch` that shape one interface, and the process that carries them out."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator, Sequence

from ...core.errors import RunError
from .namespaces import run_tool

BITS_PER_BYTE = 8
WIRE_RATIO = 1514 / 1448
"""Bytes of a full Ethernet frame per byte of TCP payload in it: the kernel counts the former."""
BURST_MS = 0.5
"""How far the kernel may lie behind the rate and still make up for it; its timers need some of it."""
MIN_BURST_BYTES = 1540
QUEUE_MS = 10_000.0
"""A queue this long (at the rate of the moment) loses nothing that a sender would still wait for."""
_MAX_QUEUE_BYTES = 1_000_000_000
_END_TIMEOUT_S = 5.0

HandOver = Callable[[Sequence[str]], None]
"""Takes lines for `tc`."""


def root_rate_line(device: str, rate_kbps: float) -> str:
    """Lets an interface send at a rate (1000 bit/s of TCP payload); 0 loses whatever is sent."""
    if rate_kbps == 0:
        return f"qdisc replace dev {device} root blackhole"
    rate_bps, burst_bytes, queue_bytes = token_bucket(rate_kbps)
    return (
        f"qdisc replace dev {device} root tbf rate {rate_bps}bit burst {burst_bytes} "
        f"limit {queue_bytes}"
    )


def delay_line(device: str, delay_ms: float, jitter_ms: float) -> str:
    """Delays what an interface sends; the kernel needs netem for it."""
    jitter = f" {jitter_ms:.3f}ms" if jitter_ms else ""
    return f"qdisc replace dev {device} root netem delay {delay_ms:.3f}ms{jitter} limit 100000"


def token_bucket(rate_kbps: float) -> tuple[int, int, int]:
    """Rate on the wire (bit/s), burst and queue (bytes) for a rate of TCP payload (1000 bit/s)."""
    rate_bps = max(1000, round(rate_kbps * 1000 * WIRE_RATIO))
    burst_bytes = max(MIN_BURST_BYTES, round(rate_bps / BITS_PER_BYTE * BURST_MS / 1000))
    queue_bytes = round(rate_bps / BITS_PER_BYTE * QUEUE_MS / 1000)
    return rate_bps, burst_bytes, min(_MAX_QUEUE_BYTES, queue_bytes + burst_bytes)


def set_now(lines: Sequence[str], namespace: str | None = None) -> None:
    """Carries lines out, in a namespace if one is given, before it returns; RunError if the kernel refuses."""
    run_tool([*_tc(namespace), "-batch", "-"], "".join(f"{line}\n" for line in lines))


@contextlib.contextmanager
def traffic_control(namespace: str | None = None) -> Iterator[HandOver]:
    """Runs a `tc` that waits for lines, so that a change costs no new process, and little time.

    Whether what was handed over could be carried out shows at the end.

    Raises:
        RunError: if `tc` ended early, or could not carry a line out.
    """
    process = subprocess.Popen(
        [*_tc(namespace), "-force", "-batch", "-"], stdin=subprocess.PIPE, text=True
    )

    def hand_over(lines: Sequence[str]) -> None:
        if process.stdin is None:
            raise RuntimeError("tc has no pipe")
        try:
            process.stdin.write("".join(f"{line}\n" for line in lines))
            process.stdin.flush()
        except BrokenPipeError:
            raise RunError("tc ended early; its message stands above") from None

    try:
        yield hand_over
    finally:
        try:
            process.communicate(timeout=_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.returncode:
        raise RunError("tc: a link could not be set to its rate; its message stands above")


def _tc(namespace: str | None) -> list[str]:
    return ["tc", "-netns", namespace] if namespace else ["tc"]
