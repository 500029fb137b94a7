"""Records what real clients send over shaped links, for `estimators.py` to replay.

A real server with a replayed GPU, real clients, real TCP in between: one camera for each trace, all at the
same time, each over a link of its own. The kernel's shaper needs root, and takes no `--wire-ms`.

    python benchmarks/record_link.py [--shaper relay|kernel] [--seconds 170] [--wire-ms 20] [--out FOLDER] [TRACE ...]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import sys
import tempfile
from pathlib import Path

from link_recording import RecordedFrame, Recording, write_recording

from moonjelly.adapting.estimators import SentFrame
from moonjelly.client import Client
from moonjelly.client.options import StreamOptions
from moonjelly.core.clock import MonotonicClock
from moonjelly.core.errors import MoonjellyError
from moonjelly.core.zoo import Fit
from moonjelly.links.shapers import LinkConfig, open_shaper
from moonjelly.links.traces import read_trace
from moonjelly.live_run.videos import VideoCamera, open_video
from moonjelly.server.running_server import RunningServer
from moonjelly.zoos import open_zoo

TRACES = [
    Path("network_shaping") / f"{name}_mbps.txt" for name in ("lte_like", "wifi_like", "synthetic")
]
SERVER_ARGUMENTS = ["--zoo", "replayed-gpu", "--devices", "replayed:gpu", "--log-level", "warning"]
SOURCE = "scene:3"
BITS_PER_BYTE, BITS_PER_KBIT = 8, 1000
FIRST_KBPS = 5000.0


async def record(
    address: str, source: VideoCamera, name: str, zero_ms: float, arguments: argparse.Namespace
) -> list[RecordedFrame]:
    """Streams for a while; returns the frames that were sent."""
    options = StreamOptions(
        fps=arguments.fps,
        slo_ms=arguments.slo_ms,
        stream_id=name,
        bandwidth_kbps=FIRST_KBPS,
        num_frames=round(arguments.seconds * arguments.fps),
        zero_ms=zero_ms,
    )
    frames = []
    async with Client(address) as client, client.stream_of(source, options) as stream:
        async for answer in stream:
            row = answer.record
            if row.sent_ms is None or row.side_px is None or row.jpeg_bytes is None:
                continue
            kbits = row.jpeg_bytes * BITS_PER_BYTE / BITS_PER_KBIT
            sent = SentFrame(row.sequence, row.side_px, kbits, row.sent_ms)
            frames.append(RecordedFrame(sent, row.network_ms, stream.wire_ms))
    return sorted(frames, key=lambda one: one.frame.sequence)


async def record_all(
    addresses: dict[str, str], zero_ms: float, arguments: argparse.Namespace
) -> dict[str, list[RecordedFrame]]:
    """Streams over all links at the same time; frames by name of the link."""
    source = VideoCamera(open_video(SOURCE), arguments.fps)
    numbers = source.numbers(round(arguments.seconds * arguments.fps))
    sides_px = [one.input_side_px for one in open_zoo("replayed-gpu").variants]
    source.video.encode_ahead(numbers, sides_px, 90, Fit.STRETCH)
    frames = await asyncio.gather(
        *(record(address, source, name, zero_ms, arguments) for name, address in addresses.items())
    )
    return dict(zip(addresses, frames, strict=True))


def read_rates(path: Path) -> list[tuple[float, float]]:
    """What a link was set to: since when (ms), rate (kbit/s)."""
    with path.open(encoding="utf-8") as file:
        return [(float(row["at_ms"]), float(row["rate_kbps"])) for row in csv.DictReader(file)]


def run(arguments: argparse.Namespace) -> None:
    """Records, and writes the files."""
    suffix = f"-{arguments.wire_ms:g}ms" if arguments.wire_ms else ""
    paths = {
        f"{path.stem.removesuffix('_mbps')}-{arguments.shaper}{suffix}": path
        for path in arguments.traces
    }
    with contextlib.ExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        shaper = stack.enter_context(open_shaper(arguments.shaper, list(paths), logs))
        server = stack.enter_context(
            RunningServer(
                [*SERVER_ARGUMENTS, *shaper.server_options], command_prefix=shaper.server_command
            )
        )
        zero_ms = MonotonicClock().now_ms()
        shaper.start(
            [
                LinkConfig(name, server.address, read_trace(path), wire_ms=arguments.wire_ms)
                for name, path in paths.items()
            ],
            zero_ms,
        )
        addresses = {name: shaper.address(name) for name in paths}
        recorded = asyncio.run(record_all(addresses, zero_ms, arguments))
        arguments.out.mkdir(parents=True, exist_ok=True)
        for name, frames in recorded.items():
            rates = read_rates(logs / f"link-{name}.csv")
            write_recording(arguments.out, Recording(name, frames, rates))
            num_acked = sum(frame.net_ms is not None for frame in frames)
            print(
                f"{name}: {len(frames)} frames sent, {num_acked} acknowledged,"
                f" wire {frames[-1].wire_ms:.2f} ms"
            )


def main() -> int:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("traces", type=Path, nargs="*", default=TRACES, metavar="TRACE")
    parser.add_argument("--shaper", choices=("relay", "kernel"), default="relay")
    parser.add_argument("--seconds", type=float, default=170.0)
    parser.add_argument("--fps", type=float, default=15.0)
    parser.add_argument("--slo-ms", type=float, default=100.0)
    parser.add_argument("--wire-ms", type=float, default=0.0, help="one-way delay added (relay)")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/links"))
    arguments = parser.parse_args()
    try:
        run(arguments)
    except MoonjellyError as error:
        sys.stderr.write(f"{parser.prog}: error: {error}\n")
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
