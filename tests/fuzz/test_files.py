"""Files of every kind, bent: each is read, or refused with one line that names it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import strategies as st
from mangling import mangled

from moonjelly.core.errors import UsageError
from moonjelly.core.records import FrameRecord
from moonjelly.experiment_manager.experiment_file import SHIPPED_DIR, read_experiment
from moonjelly.experiment_manager.hosts.host import read_hosts
from moonjelly.experiment_manager.listed_cameras import LISTS_DIR, read_camera_list
from moonjelly.files.csv_log import read_records
from moonjelly.links.traces import read_trace
from moonjelly.planning_tool.problem_file import read_problem
from moonjelly.planning_tool.yardsticks import read_yardsticks
from moonjelly.scheduling.planning.registry import PLANNERS, planner
from moonjelly.scheduling.planning.rules import violations
from moonjelly.server.config_flags import read_config
from moonjelly.simulation.recorded_sizes import read_frame_sizes
from moonjelly.simulation.scenario_file import read_scenario
from moonjelly.simulation.simulation import Simulation
from moonjelly.zoos import load_latency_profile, load_qualities, load_variants

MOST_FRAMES, MOST_DEVICES = 300, 20
ROOT = Path(__file__).parents[2]
PROFILES = ROOT / "profiles"


def text_of(path: Path, num_lines: int = 60) -> str:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(lines[:num_lines])


CONFIG = """\
host: 127.0.0.1
port: 10001
insecure: false
zoo: traffic
variants: [traffic-n-128, traffic-s-416]
devices: [cpu:0-1, replayed:gpu]
max_batch_size: 8
planner: pricing
plan_period_ms: 500
batcher: interval:20
rate_tolerance_ratio: 1.2
seed: 7
"""
SCENARIO = """\
seconds: 2
seed: 1
zoo: replayed-gpu
devices: {gpu: 2}
streams:
  - {name: cam, count: 2, fps: 15, slo_ms: 150, join_step_s: 0.1, link: {mbps: 20, wire_ms: 2}}
  - name: phone
    fps: 5
    slo_ms: 300
    leave_s: 1.5
    phase_s: 0.1
    frame_size_ratio: 1.1
    frame_size_spread: 0.2
    jitter_p50_ms: 1
    jitter_p99_ms: 5
    policy: ladder
    ladder: size,quality
    link: {mbps: 8}
server: {planner: pricing, plan_period_ms: 500, batcher: deadline, sampling: log-normal}
"""
HOSTS = """\
here: {role: server, root: /tmp/moonjelly, listen: 127.0.0.1}
cameras:
  role: clients
  root: /tmp/moonjelly
  address: 127.0.0.1
  port: 22
  user: someone
  python: /usr/bin/python3
  known_hosts: /etc/hostname
"""
PROBLEM = json.dumps(
    {
        "name": "small",
        "devices": [{"id": "d0", "type": "gpu"}],
        "variants": [
            {
                "name": "v128",
                "input_size": 128,
                "accuracy": 0.2,
                "frame_kbits": 80.3,
                "latency_ms": {"gpu": [5.0, 6.5]},
            }
        ],
        "clients": [
            {"id": "c0", "fps": 15, "slo_ms": 100, "bandwidth_kbps": 20480.0, "wire_ms": 0.5}
        ],
        "overhead_ms": 1.0,
    },
    indent=1,
)
FRAMES = (
    ",".join(FrameRecord._fields)
    + "\n"
    + ",".join(str(k) for k in range(len(FrameRecord._fields)))
    + "\n"
)


def simulate(path: Path) -> None:
    scenario = read_scenario(path)
    rate_fps = sum(stream.fps for stream in scenario.streams)
    if scenario.seconds * rate_fps < MOST_FRAMES and len(scenario.devices) < MOST_DEVICES:
        simulation = Simulation(scenario)
        simulation.run_until(1000.0 * scenario.seconds + 60_000.0)
        simulation.results()


def plan(path: Path) -> None:
    problem = read_problem(path)
    for name in PLANNERS:
        if name != "exact":  # takes its time, and plans as the others do
            assert violations(problem, planner(name).plan(problem, None, random.Random(0))) == []


KINDS: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    "server options": (CONFIG, "server.yaml", read_config),
    "scenario": (SCENARIO, "scenario.yaml", simulate),
    "experiment": (text_of(SHIPPED_DIR / "small.yaml"), "experiment.yaml", read_experiment),
    "cameras": (
        text_of(LISTS_DIR / "mixed-8.yaml"),
        "cameras.yaml",
        lambda path: read_camera_list(path.name, path.parent),
    ),
    "hosts": (HOSTS, "hosts.yaml", read_hosts),
    "problem": (PROBLEM, "problem.json", plan),
    "yardsticks": (
        "name,served_bound,accuracy_bound\nsmall,1.0,0.5\n",
        "yardsticks.csv",
        read_yardsticks,
    ),
    "latencies": (
        text_of(PROFILES / "replayed-gpu" / "latency-gpu.csv"),
        "latency-gpu.csv",
        load_latency_profile,
    ),
    "variants": (text_of(PROFILES / "traffic" / "variants.csv"), "variants.csv", load_variants),
    "qualities": (text_of(PROFILES / "traffic" / "qualities.csv"), "q.csv", load_qualities),
    "trace": (
        text_of(ROOT / "network_shaping" / "lte_like_mbps.txt"),
        "lte_mbps.txt",
        read_trace,
    ),
    "timed trace": (
        "time_s,mbps\n0,10\n0.5,12.5\n1.5,3\n",
        "trace.csv",
        read_trace,
    ),
    "frame sizes": ("side_px,kbits\n128,40\n160,50\n", "s.csv", read_frame_sizes),
    "run log": (FRAMES, "frames.csv", lambda path: read_records(path, FrameRecord)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_bent_file_is_read_or_refused_in_one_line(fuzz, tmp_path, kind) -> None:
    text, name, read = KINDS[kind]
    path = tmp_path / name

    def check(number: int) -> None:
        path.write_bytes(mangled(text, number))
        try:
            read(path)
        except UsageError as error:
            assert "\n" not in str(error)
            assert len(str(error)) < 1000

    fuzz(check, st.integers(0, 2**64 - 1), examples=25)
