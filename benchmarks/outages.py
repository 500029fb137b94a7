"""How soon a stream is served again after its link was dead for a while, through both shapers.

Cameras of 15 frame/s under an SLO of 150 ms, each over a link of its own; devices answer at once. All links are cut, both ways, at the same
moment. For each stream: from the return of its link to its first answer in time of a frame that was captured less than 1 s
before the return, or later; whether its session survived; and whether anything stale was shown. The relay holds bytes back during
a cut; the kernel loses packets, so that TCP's own timers are in the figure (needs root).

    python benchmarks/outages.py [--streams 20] [--cut-s 5] [--rounds 3] [--shapers relay kernel]

With --rto-max-ms N the system's limit between TCP's repetitions is lowered to N at both ends. It holds for a whole network namespace, so give
the benchmark its own: `unshare --net python benchmarks/outages.py --shapers kernel --rto-max-ms 1000`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from moonjelly.client.emulation import EmulatedCamera, run_cameras
from moonjelly.core.clock import MonotonicClock
from moonjelly.core.records import FrameRecord, ServerFrameRecord
from moonjelly.core.verdict import Reason
from moonjelly.core.zoo import Fit
from moonjelly.files.csv_log import read_records
from moonjelly.links.shapers import Fault, FaultKind, LinkConfig, open_shaper
from moonjelly.links.traces import constant_trace
from moonjelly.live_run.videos import VideoCamera, open_video
from moonjelly.server.running_server import RunningServer
from moonjelly.zoos import open_zoo

FPS, SLO_MS, MBPS = 15.0, 150.0, 20.0
CUT_AT_S, AFTER_S = 4.0, 8.0
FRESH_MS = 1000.0
RTO_SETTING = "net.ipv4.tcp_rto_max_ms"
SERVER = ("--zoo", "replayed-gpu", "--devices", "replayed:gpu", "--replay-latency-ratio", "0")


def cut_ms(path: Path) -> tuple[float, float]:
    """Begin and end of the outage that a link's log tells of."""
    rows = [line.split(",") for line in path.read_text().splitlines()[1:]]
    begins = [n for n, (_, rate) in enumerate(rows) if float(rate) == 0]
    return float(rows[begins[0]][0]), float(rows[begins[0] + 1][0])


def recovery(frames: list[FrameRecord], back_ms: float) -> float | None:
    """From the return of the link to the first fresh answer in time (ms); None if there was none."""
    answered = [
        frame.answered_ms
        for frame in frames
        if frame.verdict == "in_time"
        and frame.answered_ms is not None
        and frame.answered_ms >= back_ms
        and frame.captured_ms >= back_ms - FRESH_MS
    ]
    return min(answered, default=None) and min(answered) - back_ms


def run_once(
    shaper: str, num_streams: int, cut_s: float, rto_max_ms: int | None
) -> dict[str, object]:
    """One run; returns its row."""
    names = [f"camera-{number}" for number in range(num_streams)]
    seconds = CUT_AT_S + cut_s + AFTER_S
    scene = VideoCamera(open_video("scene:7"), FPS)
    sides_px = [one.input_side_px for one in open_zoo("replayed-gpu").variants]
    scene.video.encode_ahead(scene.numbers(round(seconds * FPS)), sides_px, 90, Fit.STRETCH)
    cut = Fault(CUT_AT_S, FaultKind.CUT, cut_s)
    with tempfile.TemporaryDirectory() as folder:
        out_dir = Path(folder)
        with open_shaper(shaper, names, out_dir) as links:
            if rto_max_ms is not None:
                setting = ["sysctl", "-qw", f"{RTO_SETTING}={rto_max_ms}"]
                subprocess.run(setting, check=True)
                subprocess.run([*links.server_command, *setting], check=True)
            with RunningServer(
                [*SERVER, *links.server_options, "--out-dir", folder],
                log_path=out_dir / "server.log",
                command_prefix=links.server_command,
            ) as server:
                zero_ms = MonotonicClock().now_ms()
                trace = constant_trace(MBPS)
                links.start(
                    [LinkConfig(name, server.address, trace, faults=(cut,)) for name in names],
                    zero_ms,
                )
                cameras = [
                    EmulatedCamera(
                        stream_id=name,
                        source="scene:7",
                        fps=FPS,
                        slo_ms=SLO_MS,
                        server=links.address(name),
                        bandwidth_kbps=MBPS * 1000,
                    )
                    for name in names
                ]
                results = asyncio.run(
                    run_cameras(
                        cameras, seconds, out_dir, sources=[scene] * num_streams, zero_ms=zero_ms
                    )
                )
        frames = read_records(out_dir / "frames.csv", FrameRecord)
        sessions = read_records(out_dir / "server_frames.csv", ServerFrameRecord)
        recoveries = []
        num_late_after = 0
        for name in names:
            _, back_ms = cut_ms(out_dir / f"link-{name}.csv")
            own = [frame for frame in frames if frame.stream_id == name]
            recoveries.append(recovery(own, back_ms))
            num_late_after += sum(
                frame.verdict == "late"
                and frame.answered_ms is not None
                and frame.answered_ms >= back_ms
                and frame.captured_ms < back_ms - FRESH_MS
                for frame in own
            )
    served = sorted(ms for ms in recoveries if ms is not None)
    lost = {Reason.CONNECTION_LOST, Reason.NOT_CONNECTED}
    return {
        "shaper": shaper,
        "streams": num_streams,
        "cut_s": cut_s,
        "rto_max_ms": rto_max_ms,
        "served_again": len(served),
        "recovery_median_ms": statistics.median(served) if served else None,
        "recovery_max_ms": served[-1] if served else None,
        "reconnects": len({(row.stream_id, row.session_number) for row in sessions}) - num_streams,
        "frames_lost_with_connection": sum(frame.reason in lost for frame in frames),
        "stale_answers": num_late_after,
        "problems": [str(r.problem) for r in results if r.problem],
        "recoveries_ms": recoveries,
    }


def main() -> int:
    """Prints one line a run, and writes all as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=20, help="(%(default)s)")
    parser.add_argument("--cut-s", type=float, default=5.0, help="(%(default)g)")
    parser.add_argument("--rounds", type=int, default=3, help="of each shaper (%(default)s)")
    parser.add_argument("--shapers", nargs="+", default=["relay", "kernel"])
    parser.add_argument("--rto-max-ms", type=int, help="see above")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/outages.json"))
    arguments = parser.parse_args()
    rows = []
    for _ in range(arguments.rounds):
        for shaper in arguments.shapers:
            row = run_once(shaper, arguments.streams, arguments.cut_s, arguments.rto_max_ms)
            rows.append(row)
            print({key: value for key, value in row.items() if key != "recoveries_ms"}, flush=True)
    arguments.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
