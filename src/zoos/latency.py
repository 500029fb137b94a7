"""`latency-<device type>.csv`: how long each variant takes at each batch size on one device type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from ..core.checks import require_id
from ..core.errors import UsageError
from ..core.mode import ModeTable
from ..core.profile import BatchLatency, LatencyProfile
from ..core.variant import Variant
from ..core.zoo import Runtime
from ..files.table import ID_RULE, Row, Table, read_table, write_table
from .fingerprint import Fingerprint

SCHEMA = "1"
MAX_BATCH_SIZE = 256
MIN_LATENCY_MS = 0.01
MAX_LATENCY_MS = 60_000.0
MAX_FALL_RATIO = 0.2
COLUMNS = ("variant", "device_type", "batch_size", "p50_ms", "p99_ms", "num_samples")


class Method(StrEnum):
    """How a profile came about."""

    MEASURED = "measured"
    QUICK = "quick"  # measured in a hurry: few samples, p99 estimated
    SYNTHETIC = "synthetic"  # computed, or published by others; fits no machine, for replay alone


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """One row of the table: a variant at a batch size."""

    variant: str
    batch_size: int
    p50_ms: float
    p99_ms: float
    num_samples: int


@dataclass(frozen=True, slots=True)
class LatencyFile:
    """A latency profile with its origin.

    Attributes:
        zoo: whose variants were measured.
        device_type: what they ran on.
        method: how the numbers came about.
        fingerprint: of the machine; for synthetic ones, what is imitated.
        measured_on: date of the measurement (ISO), or of the formula.
        source: one sentence: how, or by which formula.
        rows: by variant, batch sizes 1, 2, ... without holes.
        runtimes: what ran networks whose zoo leaves the choice, by name.
    """

    zoo: str
    device_type: str
    method: Method
    fingerprint: Fingerprint
    measured_on: str
    source: str
    rows: tuple[LatencyRow, ...]
    runtimes: Mapping[str, Runtime] = field(default_factory=dict)

    def profile(self) -> LatencyProfile:
        """The table as planning and batching take it; each p99 at least that of the batch before."""
        grouped: dict[str, list[LatencyRow]] = {}
        for row in self.rows:
            grouped.setdefault(row.variant, []).append(row)
        tables: dict[str, BatchLatency] = {}
        for variant, rows in grouped.items():
            rows.sort(key=lambda row: row.batch_size)
            tables[variant] = BatchLatency.monotone(
                tuple(row.p50_ms for row in rows), tuple(row.p99_ms for row in rows)
            )
        return LatencyProfile(self.device_type, tables)


def read_latency_file(path: Path, variants: Sequence[Variant] | None = None) -> LatencyFile:
    """Reads and checks a latency profile, of exactly these variants where they are given.

    Raises:
        UsageError: with `file:row:column: rule` where it is broken.
    """
    table = read_table(path, COLUMNS)
    if table.note("schema") != SCHEMA:
        raise table.note_error("schema", f"must be {SCHEMA}; measure again with this version")
    try:
        method = Method(table.note("method"))
    except ValueError:
        raise table.note_error("method", f"must be one of {', '.join(Method)}") from None
    device_type = table.note("device_type")
    for key in ("zoo", "device_type"):
        try:
            require_id(key, table.note(key))
        except ValueError:
            raise table.note_error(key, ID_RULE) from None
    num_cores = table.note("num_cores")
    if not (num_cores.isascii() and num_cores.isdigit()):
        raise table.note_error("num_cores", "must be a whole number")
    names = None if variants is None else {variant.name for variant in variants}
    rows = tuple(_parse(row, device_type, names) for row in table.rows)
    _check_batches(table, rows)
    for name in sorted(names or ()):
        if all(row.variant != name for row in rows):
            raise UsageError(
                f"{path}:{table.rows[-1].number}:variant: {name} of the zoo is missing"
            )
    return LatencyFile(
        zoo=table.note("zoo"),
        device_type=device_type,
        method=method,
        fingerprint=Fingerprint(
            table.note("processor"),
            int(num_cores),
            table.note("runtime"),
            table.notes.get("weights", ""),
        ),
        measured_on=table.note("measured_on"),
        source=table.note("source"),
        rows=rows,
        runtimes=_parse_runtimes(table),
    )


def _parse_runtimes(table: Table) -> dict[str, Runtime]:
    pairs = [one.partition("=") for one in table.notes.get("runtimes", "").split(", ") if one]
    try:
        return {name: Runtime(runtime) for name, _, runtime in pairs}
    except ValueError:
        raise table.note_error("runtimes", f"must be of {', '.join(Runtime)}") from None


def _parse(row: Row, device_type: str, names: set[str] | None) -> LatencyRow:
    variant = row.id_of("variant")
    if names is not None and variant not in names:
        raise row.error("variant", "is no variant of the zoo")
    if row.text("device_type") != device_type:
        raise row.error("device_type", f"must be {device_type}, as said at the top")
    parsed = LatencyRow(
        variant=variant,
        batch_size=row.count_of("batch_size", 1, MAX_BATCH_SIZE),
        p50_ms=row.number_of("p50_ms", MIN_LATENCY_MS, MAX_LATENCY_MS),
        p99_ms=row.number_of("p99_ms", MIN_LATENCY_MS, MAX_LATENCY_MS),
        num_samples=row.count_of("num_samples", 0, 10**9),
    )
    if parsed.p99_ms < parsed.p50_ms:
        raise row.error("p99_ms", f"must be at least p50_ms={parsed.p50_ms:g}")
    return parsed


def _check_batches(table: Table, rows: Sequence[LatencyRow]) -> None:
    """Checks that each variant has batch 1, 2, ... once each, and that latency does not fall."""
    found: dict[str, dict[int, tuple[Row, LatencyRow]]] = {}
    for line, row in zip(table.rows, rows, strict=True):
        sizes = found.setdefault(row.variant, {})
        if row.batch_size in sizes:
            raise line.error("batch_size", f"{row.variant} has this batch size twice")
        sizes[row.batch_size] = (line, row)
    for variant, sizes in found.items():
        before = 0.0
        for expected, size in enumerate(sorted(sizes), 1):
            line, row = sizes[size]
            if size != expected:
                raise line.error("batch_size", f"{variant} has no batch size {expected}")
            if row.p99_ms < (1 - MAX_FALL_RATIO) * before:
                raise line.error(
                    "p99_ms",
                    f"must not fall by more than {MAX_FALL_RATIO:.0%} from batch size {size - 1}",
                )
            before = row.p99_ms


def load_latency_profile(path: Path, variants: Sequence[Variant] | None = None) -> LatencyProfile:
    """Reads a latency profile as planning and batching take it.

    Raises:
        UsageError: with `file:row:column: rule` where it is broken, or lacks one of `variants`.
    """
    return read_latency_file(path, variants).profile()


def mode_table(profile: LatencyProfile, variants: Sequence[Variant], max_batch: int) -> ModeTable:
    """What the modes of these variants cost, for `Problem.tables`.

    Raises:
        UsageError: if a variant was not profiled.
    """
    found: list[BatchLatency] = []
    for variant in variants:
        latency = profile.by_variant.get(variant.name)
        if latency is None:
            raise UsageError(
                f"profile of {profile.device_type}: has no latency of variant {variant.name}"
            )
        found.append(latency)
    return ModeTable(
        tuple(one.p99_ms[:max_batch] for one in found),
        tuple(one.p50_ms[:max_batch] for one in found),
    )


def write_latency_file(path: Path, file: LatencyFile) -> None:
    """Writes a latency profile, whole or not at all."""
    notes = {
        "schema": SCHEMA,
        "zoo": file.zoo,
        "device_type": file.device_type,
        "method": str(file.method),
        **{
            key: str(value)
            for key, value in asdict(file.fingerprint).items()
            if value or key != "weights"
        },
        "measured_on": file.measured_on,
        "source": file.source,
    }
    if file.runtimes:
        notes["runtimes"] = ", ".join(f"{name}={one}" for name, one in file.runtimes.items())
    rows = (
        (
            row.variant,
            file.device_type,
            row.batch_size,
            f"{row.p50_ms:.3f}",
            f"{row.p99_ms:.3f}",
            row.num_samples,
        )
        for row in file.rows
    )
    write_table(path, notes, COLUMNS, rows)
