"""The int8 zoo is for processors that are good at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from moonjelly.core.errors import UsageError
from moonjelly.devices.config import DeviceConfig, DeviceKind
from moonjelly.server.zoo import zoo_for
from moonjelly.zoos import usual, usual_zoo

CPU = DeviceConfig("cpu0", "cpu-1core", DeviceKind.CPU, cores=(0,))
GPU = DeviceConfig("cuda0", "h100", DeviceKind.CUDA, gpu=0)
REPLAYED = DeviceConfig("gpu0", "gpu", DeviceKind.REPLAYED)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fpu sse2 avx512f avx512_vnni", True), ("fpu avx2 avx_vnni", True), ("fp asimd asimddp", True), ("fpu avx2", False), ("", False)],
)  # fmt: skip
def test_flags_tell(tmp_path: Path, flags: str, expected: bool) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(f"processor\t: 0\nflags\t\t: {flags}\n\nprocessor\t: 1\n")
    assert usual.multiplies_bytes(path) is expected
    assert not usual.multiplies_bytes(tmp_path / "none")


@pytest.mark.parametrize("is_good", [True, False])
def test_a_zoo_is_chosen_where_none_is_named(
    is_good: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usual, "multiplies_bytes", lambda: is_good)
    best = "traffic-int8" if is_good else "traffic"
    assert usual_zoo(on_cpu=True) == zoo_for("auto", [CPU]) == best
    for devices in ([GPU], [CPU, GPU], [REPLAYED]):
        assert zoo_for("auto", devices) == "traffic"
    assert zoo_for("mine", [CPU]) == "mine"


def test_no_zoo_is_called_auto() -> None:
    from moonjelly.zoo_tool.taking_in import zoo_folder

    with pytest.raises(UsageError, match="zoo=auto"):
        zoo_folder("auto")
