"""How much memory control groups leave to this process, and whom it was too little for; from the text of the kernel's files alone.

Version 2 and version 1 of control groups, and both at once. A group is bounded by its own limit
and by those of all its ancestors. Page cache that the kernel would give back counts as free.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, slots=True)
class _Version:
    """What the files of a version are called."""

    limits: tuple[str, ...]
    used: str
    reclaimable: tuple[str, ...]  # keys of memory.stat, descendants included
    events: str


_V2 = _Version(
    ("memory.max", "memory.high"),
    "memory.current",
    ("inactive_file", "active_file", "slab_reclaimable"),
    "memory.events",
)
_V1 = _Version(
    ("memory.limit_in_bytes",),
    "memory.usage_in_bytes",
    ("total_inactive_file", "total_active_file"),
    "memory.oom_control",
)


@dataclass(frozen=True, slots=True)
class MemoryGroup:
    """A control group that bounds this process: a folder and what to read there."""

    folder: PurePosixPath
    version: _Version

    def available_bytes(self, files: Mapping[str, str]) -> int | None:
        """What the group leaves, by the text of its files; None if it has no limit."""
        limits = [_whole(files.get(name, "")) for name in self.version.limits]
        known = [limit for limit in limits if limit is not None]
        used = _whole(files.get(self.version.used, ""))
        if not known or used is None:
            return None
        facts = _facts(files.get("memory.stat", ""))
        reclaimable = sum(_whole(facts.get(key, "")) or 0 for key in self.version.reclaimable)
        return max(0, min(known) - max(0, used - reclaimable))

    @property
    def file_names(self) -> tuple[str, ...]:
        """The files that `available_bytes` looks at."""
        return (*self.version.limits, self.version.used, "memory.stat")


def memory_groups(cgroup: str, mountinfo: str) -> list[MemoryGroup]:
    """The groups that bound a process, its own first.

    Args:
        cgroup: text of `/proc/self/cgroup`.
        mountinfo: text of `/proc/self/mountinfo`.
    """
    own: dict[_Version, PurePosixPath] = {}
    for line in cgroup.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            own[_V2] = PurePosixPath(path)
        elif "memory" in controllers.split(","):
            own[_V1] = PurePosixPath(path)
    groups: list[MemoryGroup] = []
    for version, root, mount in _mounts(mountinfo):
        if version not in own:
            continue
        below = _below(own[version], root)
        groups += (
            MemoryGroup(mount.joinpath(*below[:depth]), version)
            for depth in range(len(below), -1, -1)
        )
    return groups


def read_available_bytes(
    proc: Path = Path("/proc/self"), read: Callable[[Path], str] = Path.read_text
) -> int | None:
    """What the tightest group of this process leaves; None where nothing is limited."""
    texts = [_read(proc / name, read) for name in ("cgroup", "mountinfo")]
    left = [
        group.available_bytes(
            {name: _read(Path(group.folder / name), read) for name in group.file_names}
        )
        for group in memory_groups(*texts)
    ]
    return min((one for one in left if one is not None), default=None)


def read_num_oom_kills(
    proc: Path = Path("/proc/self"), read: Callable[[Path], str] = Path.read_text
) -> int:
    """How many processes of this one's group the kernel has killed for want of memory; 0 where it does not tell."""
    texts = [_read(proc / name, read) for name in ("cgroup", "mountinfo")]
    for group in memory_groups(*texts):
        facts = _facts(_read(Path(group.folder / group.version.events), read))
        num_kills = _whole(facts.get("oom_kill", ""))
        if num_kills is not None:
            return num_kills
    return 0


def _facts(text: str) -> dict[str, str]:
    """A file of lines with a key and a value each."""
    return {key: value for key, _, value in (line.partition(" ") for line in text.splitlines())}


def _mounts(mountinfo: str) -> list[tuple[_Version, PurePosixPath, PurePosixPath]]:
    """Where memory groups are mounted: version, the group at the mount's root, the mount."""
    found: list[tuple[_Version, PurePosixPath, PurePosixPath]] = []
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        fields, kind = left.split(), right.split()
        if len(fields) < 5 or not kind:  # noqa: PLR2004
            continue
        root, mount = (PurePosixPath(_unescape(text)) for text in fields[3:5])
        if kind[0] == "cgroup2":
            found.append((_V2, root, mount))
        elif kind[0] == "cgroup" and "memory" in kind[-1].split(","):
            found.append((_V1, root, mount))
    return found


def _below(own: PurePosixPath, root: PurePosixPath) -> Sequence[str]:
    """The way from a mount's root to a group; none where it is not told, as in some containers."""
    try:
        parts = own.relative_to(root).parts
    except ValueError:
        return ()
    return () if ".." in parts else parts


def _whole(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() else None


def _unescape(text: str) -> str:
    for code, character in (("040", " "), ("011", "\t"), ("012", "\n"), ("134", "\\")):
        text = text.replace(f"\\{code}", character)
    return text


def _read(path: Path, read: Callable[[Path], str]) -> str:
    try:
        return read(path)
    except (OSError, UnicodeDecodeError):
        return ""
