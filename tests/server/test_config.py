from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest

from moonjelly.core.addresses import is_loopback
from moonjelly.core.errors import UsageError
from moonjelly.devices.config import DeviceConfig, DeviceKind
from moonjelly.files.document import Document
from moonjelly.server.config import ServerConfig

BAD = {
    "port": [-1, 65_536, "10001", 80.0, True, None],
    "host": ["", "*", "999.1.1.1", "a b", "host\n", "1.2.3", 7, "::", "192.168.1.1"],
    "endpoints": [0, -1, 10**6, 1.5],
    "planner": ["", "a b", "bogus", "Pricing", 3],
    "batcher": ["", 3, "bogus", "fixed:0"],
    "budget_rule": ["", "bogus", "elastic:0", 3],
    "max_batch_size": [0, 257],
    "plan_period_ms": [0, -1, math.nan, math.inf, "500", True],
    "seed": [-1, 2**63],
    "loaded_variants": [0],
    "decode_threads": [0, 65],
    "frame_slots": [1, 4097],
    "max_frame_bytes": [0, 4 * 1024 * 1024],  # above what a message can hold
    "max_sessions": [0],
    "max_connections": [15, 1e3],
    "connection_idle_ms": [999.0, math.inf],
    "session_idle_ms": [0, math.nan],
    "address_connections": [0],
    "address_unopened_calls": [0, -1],
    "address_health_calls": [0],
    "address_registers_per_s": [0, math.inf],
    "address_sessions": [0],
    "address_silent_sessions": [0, 1.5],
    "address_mbits_per_s": [39, math.nan],  # below what one frame may have
    "address_mpixels_per_s": [8.9, "many"],
    "max_waiting_frames": [0],
    "rate_tolerance_ratio": [0.5, math.nan],
    "session_grace_ms": [-1.0],
    "drain_grace_ms": [-1.0, math.inf],
    "replay_latency_ratio": [-0.1, math.nan],
    "replay_load_ms": [-1.0, 60_001.0],
    "out_dir": ["http://x/y", "file:/tmp", "a\0b", 3],
    "zoo": ["", "../x y\0", "s3://bucket", "a b", "/a\0b"],
    "log_level": ["loud", "INFO", ""],
    "insecure": ["yes", 1],
    "variants": [("../x",), ("",)],
}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in BAD.items() for value in values]
)
def test_a_bad_value_is_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"^server.yaml: {key}: "):
        Document(Path("server.yaml"), {key: value}).read(ServerConfig)


def test_the_defaults_are_sound_and_serve_this_machine_alone() -> None:
    config = ServerConfig()
    assert is_loopback(config.host)
    assert config.port == 10001


def test_certificates_of_clients_need_one_of_the_server() -> None:
    with pytest.raises(ValueError, match=r"^tls_certificate: must be given with tls_client_ca"):
        ServerConfig(tls_client_ca="clients.pem")


def test_a_host_that_others_reach_has_to_be_called_insecure() -> None:
    with pytest.raises(ValueError, match="say insecure"):
        ServerConfig(host="10.0.0.1")
    assert ServerConfig(host="10.0.0.1", insecure=True).host == "10.0.0.1"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_hosts_need_no_flag(host: str) -> None:
    assert ServerConfig(host=host).host == host


def test_a_whole_number_is_taken_for_a_number() -> None:
    config = Document(None, {"plan_period_ms": 250}).read(ServerConfig)
    assert isinstance(config.plan_period_ms, float)


def test_options_reach_children_unchanged() -> None:
    config = ServerConfig(
        port=0,
        devices=(
            DeviceConfig("cpu0", "cpu-2cores", cores=(2, 3)),
            DeviceConfig("cuda0", "nvidia-h200", DeviceKind.CUDA, gpu=0),
        ),
        variants=("a", "b"),
        plan_period_ms=123.5,
        log_level="debug",
    )
    assert ServerConfig.from_json(config.to_json()) == config


def test_every_option_has_a_line_of_help() -> None:
    assert all(item.metadata["help"] for item in dataclasses.fields(ServerConfig))


@pytest.mark.parametrize(
    "values",
    [
        {"device_id": ""},
        {"device_id": "a/b"},
        {"device_type": "a b"},
        {"cores": (1, 1)},
        {"kind": "replayed", "slowdown": "1"},
    ],
)
def test_a_bad_device_is_refused(values: dict[str, object]) -> None:
    sound: dict[str, object] = {"device_id": "cpu0", "device_type": "cpu-1core", "cores": (0,)}
    rule = "must be|is listed twice|like 10:2"
    with pytest.raises(ValueError, match=rule):
        DeviceConfig(**(sound | values))


def test_a_device_is_listed_once() -> None:
    device = DeviceConfig("cpu0", "cpu-1core", cores=(0,))
    with pytest.raises(ValueError, match="listed twice"):
        ServerConfig(devices=(device, device))


@pytest.mark.parametrize("name", ["deadline", "fixed:8", "interval:20"])
def test_every_batcher_can_be_configured(name: str) -> None:
    assert ServerConfig(batcher=name).batcher == name


@pytest.mark.parametrize("name", ["fixed:0", "fixed:x", "interval:-1", "rash"])
def test_a_batcher_that_cannot_be_made_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="batcher"):
        ServerConfig(batcher=name)
