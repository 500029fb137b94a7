"""Four honest cameras beside an attacker, each attack alone and then all together, on loopback.

The cameras have 15 frame/s, an SLO of 150 ms and 20 kB pictures of 320 x 320 px, sent at their scheduled times whatever comes back; the server
has one replayed GPU, so that nobody but the endpoint, the scheduler and the decoders works. The attacker (`attacks.py`) is a process of lower
priority on core 0. What is asked of the server, for each attack:

    in time       at least 99 % of the cameras' frames, or at most 1 point less than without an attack, before and after all of them
    memory        the endpoint's own (anonymous) grows by at most 64 MiB at any time
    descriptors   of the endpoint: as many as before, 5 s after the attack
    log           the server's messages grow by at most 1 MiB
    afterwards    5 s after the attack a new camera is served: all frames of 2 s are answered, in time or not

    python benchmarks/hostile.py [--seconds 60] [--attack NAME]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from attacks import ATTACKS
from load import CameraCount, run_cameras, scene_jpeg

from moonjelly.server.running_server import RunningServer

FPS, SLO_MS, SIDE_PX, JPEG_BYTES, NUM_CAMERAS = 15.0, 150.0, 320, 20_000, 4
OPEN_LIMIT_S = 20.0
CALM_S = 5.0  # afterwards everything is as it was
AFTER_S = 2.0
LOOK_S = 0.25
SPARE_DESCRIPTORS = 4
MIB = 1 << 20
NONE = "none"
COLUMNS = "attack        in time  p99 ms  memory MiB  descriptors  log kB  afterwards  endpoint, scheduler (cores)"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attack did.

    Attributes:
        in_time_ratio: of the cameras' frames.
        drops: those that the server gave up, by reason.
        lost: how the server ended streams of cameras, if it did.
        p99_ms: of the answered ones.
        memory_growth_mib: of the endpoint, at its highest.
        num_descriptors_left: more than before, once it is calm.
        log_bytes: that came to the server's messages.
        after_ratio: frames answered of a new camera, once it is calm.
        endpoint_cores: how busy it was while the cameras streamed.
        scheduler_cores: likewise.
    """

    attack: str
    in_time_ratio: float
    drops: dict[str, int]
    lost: list[str]
    p99_ms: float
    memory_growth_mib: float
    num_descriptors_left: int
    log_bytes: int
    after_ratio: float
    endpoint_cores: float
    scheduler_cores: float

    def broken(self, calm_ratio: float) -> list[str]:
        """What of it is not as it should be, where without attack that ratio is in time."""
        return [
            what
            for what, is_kept in (
                ("in time", self.in_time_ratio >= min(0.99, calm_ratio - 0.01)),
                ("memory", self.memory_growth_mib <= 64),
                ("descriptors", self.num_descriptors_left <= SPARE_DESCRIPTORS),
                ("log", self.log_bytes <= MIB),
                ("afterwards", self.after_ratio == 1.0),
            )
            if not is_kept
        ]


class Watch:
    """Looks at a process now and then, in a thread."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._before = self.most = self._own_bytes()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    @property
    def growth_mib(self) -> float:
        """Of its own memory, at its highest."""
        return (self.most - self._before) / MIB

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(LOOK_S):
            self.most = max(self.most, self._own_bytes())

    def _own_bytes(self) -> int:
        memory = self._process.memory_info()
        return int(memory.rss - memory.shared)


@contextlib.contextmanager
def attacking(address: str, name: str) -> Iterator[None]:
    """An attacker beside what is done meanwhile; nobody, if it is `none`."""
    if name == NONE:
        yield
        return
    script = Path(__file__).with_name("attacks.py")
    prefix = ["nice", "-n", "10", "taskset", "-c", "0", sys.executable, str(script)]
    process = subprocess.Popen([*prefix, address, name])
    try:
        yield
        if process.poll() is not None:
            raise RuntimeError(f"the attacker ended with status {process.returncode}")
    finally:
        process.kill()
        process.wait()


def stream(
    address: str, seconds: float, num_cameras: int, on_open: Callable[[], object] = lambda: None
) -> list[CameraCount]:
    """The cameras."""
    jpeg = scene_jpeg(SIDE_PX, JPEG_BYTES)
    return asyncio.run(
        run_cameras(address, num_cameras, FPS, SLO_MS, jpeg, SIDE_PX, seconds, on_open)
    )


def measure(server: RunningServer, name: str, seconds: float, log: Path) -> Outcome:
    """One attack, from the calm before to the calm after."""
    endpoint, scheduler = (process_of(server.pid, role) for role in ("endpoint", "scheduler"))
    descriptors, log_bytes = endpoint.num_fds(), log.stat().st_size
    spent_s = [_cpu_s(one) for one in (endpoint, scheduler)]
    opened = threading.Semaphore(0)
    with ThreadPoolExecutor(1) as pool, Watch(endpoint) as watch:
        streaming = pool.submit(stream, server.address, seconds, NUM_CAMERAS, opened.release)
        for _ in range(NUM_CAMERAS):  # they share an address with the attacker, so they come first
            if not opened.acquire(timeout=OPEN_LIMIT_S):
                raise RuntimeError("a camera was not served before the attack")
        with attacking(server.address, name):
            cameras = streaming.result()
    cores = [
        (_cpu_s(one) - before_s) / seconds
        for one, before_s in zip((endpoint, scheduler), spent_s, strict=True)
    ]
    time.sleep(CALM_S)
    num_left = endpoint.num_fds() - descriptors
    (newcomer,) = stream(server.address, AFTER_S, 1)
    offered = sum(one.offered for one in cameras)
    latencies = sorted(ms for one in cameras for ms in one.latencies_ms)
    return Outcome(
        attack=name,
        in_time_ratio=sum(ms <= SLO_MS for ms in latencies) / offered,
        drops=dict(sum((Counter(one.drops) for one in cameras), Counter())),
        lost=[one.lost for one in cameras if one.lost],
        p99_ms=latencies[int(len(latencies) * 0.99)] if latencies else 0.0,
        memory_growth_mib=watch.growth_mib,
        num_descriptors_left=num_left,
        log_bytes=log.stat().st_size - log_bytes,
        after_ratio=len(newcomer.answered_ms) / newcomer.offered,
        endpoint_cores=cores[0],
        scheduler_cores=cores[1],
    )


def process_of(supervisor: int, role: str) -> psutil.Process:
    """The process of a server with that role."""
    for child in psutil.Process(supervisor).children():
        if role in child.cmdline():
            return child
    raise RuntimeError(f"there is no {role}")


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def main() -> int:
    """Prints a row for each attack, and writes all as JSON; returns how many break a bar."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="of each attack")
    parser.add_argument("--attack", choices=[*ATTACKS, "all"], help="only this one")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/hostile.json"))
    arguments = parser.parse_args()
    if not 5 <= arguments.seconds <= 3600:
        parser.error(f"--seconds={arguments.seconds:g}: must be 5 to 3600")
    names = [arguments.attack] if arguments.attack else [*ATTACKS, "all"]
    outcomes: list[Outcome] = []
    num_broken = 0
    options = ["--zoo", "replayed-gpu", "--devices", "replayed:gpu"]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "server.log"
        with RunningServer(options, log_path=log) as server:
            measure(server, NONE, 5.0, log)  # warms up
            print(COLUMNS, flush=True)
            for name in (NONE, *names, NONE):
                one = measure(server, name, arguments.seconds, log)
                outcomes.append(one)
                broken = one.broken(outcomes[0].in_time_ratio)
                num_broken += bool(broken)
                print(
                    f"{name:12} {one.in_time_ratio:8.2%}  {one.p99_ms:6.0f}  {one.memory_growth_mib:10.1f}  "
                    f"{one.num_descriptors_left:11d}  {one.log_bytes / 1000:6.1f}  {one.after_ratio:10.0%}  "
                    f"{one.endpoint_cores:8.2f}  {one.scheduler_cores:9.2f}  "
                    f"{'BROKEN: ' + ', '.join(broken) if broken else ''} {one.drops or ''} {one.lost or ''}",
                    flush=True,
                )
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps([asdict(one) for one in outcomes], indent=1) + "\n")
    return num_broken


if __name__ == "__main__":
    sys.exit(main())
