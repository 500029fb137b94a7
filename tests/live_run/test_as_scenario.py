from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from moonjelly.client.emulation import start_phases_s
from moonjelly.core.zoo import Fit
from moonjelly.devices.discovery import parse_devices
from moonjelly.links.traces import LinkTrace
from moonjelly.live_run.as_scenario import Chance, measured_sizes, simulated_run
from moonjelly.live_run.cameras import LiveCamera
from moonjelly.live_run.making import DrawnStreet
from moonjelly.live_run.videos import Video, VideoCamera
from moonjelly.reporting.load import MachineLoad
from moonjelly.server.config import ServerConfig
from moonjelly.simulation.recorded_sizes import RecordedSizes
from moonjelly.simulation.scenario import Sampling, ServerModel

SIZES = RecordedSizes({128: (40.0,)})
SIZES_OF = {"camera-0": SIZES, "camera-1": SIZES}
LOAD = MachineLoad(0.5, capture_late_p50_ms=0.7, capture_late_p99_ms=3.0, capture_late_max_ms=9.0)
CHANCE = Chance(LOAD, {"camera-1": 0.4})


def camera(number: int, **options: object) -> LiveCamera:
    trace = LinkTrace((5.0, 20.0), offset=number)
    values = {"fps": 10.0, "slo_ms": 150.0, "wire_ms": 2.0, **options}
    return LiveCamera(stream_id=f"camera-{number}", source="scene:3", trace=trace, **values)


def test_a_scenario_has_the_cameras_links_and_moments_of_the_live_run() -> None:
    cameras = [camera(0), camera(1, fps=25.0, slo_ms=90.0, policy="best", start_s=2.0)]
    config = ServerConfig(zoo="replayed-gpu", devices=parse_devices(["replayed:gpu"]), seed=9)
    what = simulated_run(cameras, 8.0, 5, config, config.devices, SIZES_OF, CHANCE)
    assert (what.seed, what.zoo) == (9, "replayed-gpu")
    assert what.seconds - what.streams[1].join_s == pytest.approx(8.0)
    assert what.streams[1].join_s - what.streams[0].join_s == pytest.approx(2.0)
    assert [(one.device_id, one.device_type) for one in what.devices] == [("replayed0", "gpu")]
    assert [one.phase_s for one in what.streams] == start_phases_s([10.0, 25.0], 5)
    assert [one.first_frame_s for one in what.streams] == [None, 0.4]
    for one, twin in zip(cameras, what.streams, strict=True):
        assert (twin.stream_id, twin.fps, twin.slo_ms) == (one.stream_id, one.fps, one.slo_ms)
        assert (twin.link, twin.policy) == (one.trace, one.policy)
        assert twin.first_kbps == one.trace.rate_kbps(one.start_s)
        assert twin.frame_sizes == SIZES
        assert twin.leave_s - twin.join_s == pytest.approx(8.0)
        assert (twin.jitter_p50_ms, twin.jitter_p99_ms) == (0.7, 3.0)
        assert one.wire_ms < twin.wire_ms < one.wire_ms + 1


def test_a_scenario_has_the_options_of_the_server() -> None:
    options = {
        "planner": "exact", "batcher": "fixed:3", "budget_rule": "split", "max_batch_size": 7,
        "plan_period_ms": 300.0, "max_waiting_frames": 9, "rate_tolerance_ratio": 2.0,
        "switching_cost_ratio": 0.02, "loaded_variants": 3, "no_parking": True,
    }  # fmt: skip
    config = ServerConfig(
        zoo="replayed-gpu",
        devices=parse_devices(["replayed:gpu"]),
        replay_load_ms=400.0,
        replay_clock_ms=30.0,
        **options,
    )
    what = simulated_run([camera(0)], 8.0, 5, config, config.devices, SIZES_OF)
    model = dataclasses.asdict(what.server)
    assert {name: model[name] for name in options} == options
    assert (what.server.sampling, what.server.load_ms) == (Sampling.REPLAYED, 400.0)
    assert what.server.clock_ms == 30.0
    shared = {field.name for field in dataclasses.fields(ServerModel)} & {
        field.name for field in dataclasses.fields(ServerConfig)
    }
    priced = [
        {"objective": "joules", "price_per_joule": 0.01, "clocks_mhz": "460,921"},
        {"objective": "joules", "energy_budget_w": 30.0},
        {"objective": "capped", "power_cap_w": "8"},
    ]
    for one in priced:
        config = ServerConfig(zoo="loudva", devices=parse_devices(["replayed:jetson-nano"]), **one)
        what = simulated_run([camera(0)], 8.0, 5, config, config.devices, SIZES_OF)
        assert {name: getattr(what.server, name) for name in one} == one
    assert shared == options.keys() | {name for one in priced for name in one}, (
        "an option that is new on both sides belongs into this test"
    )


def test_replayed_devices_are_as_slow_in_the_scenario_as_live() -> None:
    p50_ms = []
    for ratio in (1.0, 8.0):
        config = ServerConfig(
            zoo="replayed-gpu", devices=parse_devices(["replayed:gpu"]), replay_latency_ratio=ratio
        )
        what = simulated_run([camera(0)], 8.0, 5, config, config.devices, SIZES_OF)
        p50_ms.append(what.profiles["gpu"].by_variant["yolov4-128"].p50_ms[0])
    assert p50_ms[1] == pytest.approx(8 * p50_ms[0])


def test_sizes_are_those_that_the_cameras_send(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    video = Video(DrawnStreet("scene:5"))
    camera = VideoCamera(video, 10.0, 0.6)
    sizes = measured_sizes(camera, 6, [128, 160], Fit.LETTERBOX)
    # pictures 15, 17, 20, 22, 25 and 27, of which each fifth is encoded
    for index, number in enumerate((15, 15, 20, 20, 25, 25)):
        for side_px in (128, 160):
            kbits = 8 * len(video.encoded(number, side_px, 90, Fit.LETTERBOX)) / 1000
            assert sizes.frame_kbits(index, side_px) == pytest.approx(kbits)
