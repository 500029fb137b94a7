"""What control groups leave, from recorded files of the kernel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.server.memory_limits import (
    memory_groups,
    read_available_bytes,
    read_num_oom_kills,
)

MIB = 1024 * 1024
NO_LIMIT_V1 = "9223372036854771712\n"

V2_MOUNT = "29 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNTS = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
V1_OWN = "9:name=systemd:/\n4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/\n"


def reader(files: dict[str, str]) -> Callable[[Path], str]:
    """Reads as a process that sees these files, and no others."""

    def read(path: Path) -> str:
        try:
            return files[str(path)]
        except KeyError:
            raise FileNotFoundError(path) from None

    return read


def available(files: dict[str, str]) -> int | None:
    return read_available_bytes(Path("/proc/self"), reader(files))


def v2(folder: str, limit: str, used: int, stat: str = "", high: str = "max") -> dict[str, str]:
    return {
        f"{folder}/memory.max": f"{limit}\n",
        f"{folder}/memory.high": f"{high}\n",
        f"{folder}/memory.current": f"{used}\n",
        f"{folder}/memory.stat": stat,
    }


def v1(folder: str, limit: str, used: int, stat: str = "") -> dict[str, str]:
    return {
        f"{folder}/memory.limit_in_bytes": limit,
        f"{folder}/memory.usage_in_bytes": f"{used}\n",
        f"{folder}/memory.stat": stat,
    }


def proc(cgroup: str, mountinfo: str) -> dict[str, str]:
    return {"/proc/self/cgroup": cgroup, "/proc/self/mountinfo": mountinfo}


def test_page_cache_that_can_be_given_back_counts_as_free():
    stat = f"anon {20 * MIB}\nfile {430 * MIB}\nshmem {10 * MIB}\ninactive_anon 0\n"
    stat += f"inactive_file {400 * MIB}\nactive_file {20 * MIB}\nslab_reclaimable {MIB}\n"
    own = "/sys/fs/cgroup/system.slice/moonjelly.service"
    files = proc("0::/system.slice/moonjelly.service\n", V2_MOUNT)
    files |= v2(own, str(512 * MIB), 476 * MIB, stat)
    assert available(files) == (512 - 476 + 421) * MIB


def test_the_tightest_of_all_ancestors_counts():
    files = proc("0::/a.slice/b.slice/c.service\n", V2_MOUNT)
    files |= v2("/sys/fs/cgroup/a.slice/b.slice/c.service", "max", 10 * MIB)
    files |= v2("/sys/fs/cgroup/a.slice/b.slice", str(300 * MIB), 100 * MIB)
    files |= v2("/sys/fs/cgroup/a.slice", str(1000 * MIB), 900 * MIB)
    assert available(files) == 100 * MIB
    files |= v2("/sys/fs/cgroup/a.slice/b.slice/c.service", "max", 10 * MIB, high=str(50 * MIB))
    assert available(files) == 40 * MIB


def test_a_container_with_a_namespace_of_its_own_sees_its_limit_at_the_root():
    files = proc("0::/\n", V2_MOUNT) | v2("/sys/fs/cgroup", str(256 * MIB), 6 * MIB)
    assert available(files) == 250 * MIB


def test_version_1_is_read_with_its_own_names():
    folder = "/sys/fs/cgroup/memory"
    stat = (
        f"cache {90 * MIB}\ninactive_file 1\ntotal_inactive_file {80 * MIB}\ntotal_active_file 0\n"
    )
    files = proc(V1_OWN, V1_MOUNTS)
    files |= v1(folder, NO_LIMIT_V1, 4000 * MIB)
    files |= v1(f"{folder}/docker", NO_LIMIT_V1, 2000 * MIB)
    files |= v1(f"{folder}/docker/abc", f"{128 * MIB}\n", 100 * MIB, stat)
    assert available(files) == 108 * MIB


def test_version_1_in_a_container_that_is_told_the_path_outside():
    mount = "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
    files = proc(V1_OWN, mount) | v1("/sys/fs/cgroup/memory", f"{64 * MIB}\n", 4 * MIB)
    assert available(files) == 60 * MIB
    elsewhere = mount.replace("/docker/abc", "/kubepods/pod1")
    assert available(files | {"/proc/self/mountinfo": elsewhere}) == 60 * MIB


@pytest.mark.parametrize(
    "files",
    [
        {},
        proc("", ""),
        proc("0::/x\n", ""),
        proc("0::/x\n", V2_MOUNT),
        proc("0::/x\n", V2_MOUNT) | v2("/sys/fs/cgroup/x", "max", MIB),
        proc("0::/x\n", V2_MOUNT) | {"/sys/fs/cgroup/x/memory.max": "1000\n"},
    ],
)
def test_where_nothing_is_limited_nothing_is_said(files):
    assert available(files) is None


def test_a_group_beyond_its_limit_leaves_nothing():
    files = proc("0::/x\n", V2_MOUNT) | v2("/sys/fs/cgroup/x", str(MIB), 3 * MIB)
    assert available(files) == 0


def test_a_group_outside_of_the_namespace_is_looked_for_at_the_mount():
    (group, *_) = memory_groups("0::/../../other\n", V2_MOUNT)
    assert str(group.folder) == "/sys/fs/cgroup"


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=100))
def test_no_text_whatever_is_too_much(cgroup, mountinfo, text):
    for group in memory_groups(cgroup, mountinfo) + memory_groups("0::/x\n1:memory:/\n", V2_MOUNT):
        left = group.available_bytes(dict.fromkeys(group.file_names, text))
        assert left is None or left >= 0


def test_whom_the_kernel_killed_for_want_of_memory_is_counted_in_the_own_group():
    own = "/sys/fs/cgroup/system.slice/moonjelly.service"
    files = proc("0::/system.slice/moonjelly.service\n", V2_MOUNT)
    assert read_num_oom_kills(Path("/proc/self"), reader(files)) == 0
    files["/sys/fs/cgroup/system.slice/memory.events"] = "low 0\noom 9\noom_kill 9\n"
    files[f"{own}/memory.events"] = "low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 0\n"
    assert read_num_oom_kills(Path("/proc/self"), reader(files)) == 2
    files = proc(V1_OWN, V1_MOUNTS)
    files["/sys/fs/cgroup/memory/docker/abc/memory.oom_control"] = (
        "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n"
    )
    assert read_num_oom_kills(Path("/proc/self"), reader(files)) == 4
