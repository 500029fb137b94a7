"""`latency-<device type>.csv`: what each variant takes at each batch size, and clock, on one device type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from ..core.checks import require_id, require_not_negative
from ..core.errors import UsageError
from ..core.mode import ModeTable
from ..core.profile import BatchLatency, LatencyProfile
from ..core.variant import Variant
from ..core.zoo import Runtime
from ..files.table import ID_RULE, Row, Table, read_table, write_table
from .fingerprint import Fingerprint

SCHEMA = "1"
CLOCK_SCHEMA = "2"  # may have the columns of clocks and energy
MAX_BATCH_SIZE = 256
MIN_LATENCY_MS = 0.01
MAX_LATENCY_MS = 60_000.0
MAX_FALL_RATIO = 0.2
MAX_CLOCK_MHZ = 100_000.0
MIN_POWER_W, MAX_POWER_W = 0.001, 100_000.0
MAX_ENERGY_RATIO = 2.0  # of what is said of energy to power x time: beyond that a unit is wrong
MOST_IDLE_POWERS = 2  # at the lowest clock, at the highest
ENOUGH_CELLS = 6  # fewer do not tell how a variant goes with batch size and clock
COLUMNS = ("variant", "device_type", "batch_size", "p50_ms", "p99_ms", "num_samples")
CLOCK_COLUMNS = ("clock_mhz", "power_w", "energy_mj")


class Method(StrEnum):
    """How a profile came about."""

    MEASURED = "measured"
    QUICK = "quick"  # measured in a hurry: few samples, p99 estimated
    SYNTHETIC = "synthetic"  # computed, or published by others; fits no machine, for replay alone


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """One row of the table: a variant at a batch size and a clock.

    Attributes:
        clock_mhz: None where the device was left its own.
        power_w: the mean while such batches run one after the other; None where it is unknown.
        energy_mj: what a batch takes; None where it was not metered.
    """

    variant: str
    batch_size: int
    p50_ms: float
    p99_ms: float
    num_samples: int
    clock_mhz: float | None = None
    power_w: float | None = None
    energy_mj: float | None = None

    @property
    def batch_mj(self) -> float | None:
        """What a batch takes: as metered, or else power by time (W ms are mJ)."""
        if self.energy_mj is None and self.power_w is not None:
            return self.power_w * self.p50_ms
        return self.energy_mj


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
        rows: by variant, batch sizes 1, 2, ... without holes; those below the highest clock may have some.
        runtimes: what ran networks whose zoo leaves the choice, by name.
        idle_w: what the device draws while nothing runs, at any clock or at the lowest and the highest; empty where it is unknown.
    """

    zoo: str
    device_type: str
    method: Method
    fingerprint: Fingerprint
    measured_on: str
    source: str
    rows: tuple[LatencyRow, ...]
    runtimes: Mapping[str, Runtime] = field(default_factory=dict)
    idle_w: tuple[float, ...] = ()

    @property
    def has_energy(self) -> bool:
        """Whether it says what any batch takes."""
        return any(row.batch_mj is not None for row in self.rows)

    @property
    def clocks_mhz(self) -> tuple[float, ...]:
        """The clocks of its rows, the lowest first; none where the device was left its own."""
        return tuple(sorted({row.clock_mhz for row in self.rows if row.clock_mhz is not None}))

    def profile(self) -> LatencyProfile:
        """The table as planning and batching take it; each p99 at least that of the batch before.

        At the highest clock, which a device that nobody sets has under load.
        """
        clock_mhz = max(self.clocks_mhz, default=None)
        grouped: dict[str, list[LatencyRow]] = {}
        for row in self.rows:
            if row.clock_mhz == clock_mhz:
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
    table = read_table(path, COLUMNS, CLOCK_COLUMNS)
    schema = table.note("schema")
    if schema not in {SCHEMA, CLOCK_SCHEMA}:
        raise table.note_error(
            "schema", f"must be {SCHEMA} or {CLOCK_SCHEMA}; measure again with this version"
        )
    for column in CLOCK_COLUMNS:
        if schema == SCHEMA and column in table.rows[0].cells:
            raise table.note_error("schema", f"must be {CLOCK_SCHEMA}, as there is {column}")
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
        idle_w=_parse_idle(table),
    )


def _parse_runtimes(table: Table) -> dict[str, Runtime]:
    pairs = [one.partition("=") for one in table.notes.get("runtimes", "").split(", ") if one]
    try:
        return {name: Runtime(runtime) for name, _, runtime in pairs}
    except ValueError:
        raise table.note_error("runtimes", f"must be of {', '.join(Runtime)}") from None


def _parse_idle(table: Table) -> tuple[float, ...]:
    texts = table.notes["idle_w"].split(",") if "idle_w" in table.notes else []
    try:
        values = [require_not_negative("idle_w", float(text), MAX_POWER_W) for text in texts]
    except ValueError:
        values = []
    if len(values) != len(texts) or len(values) > MOST_IDLE_POWERS:
        rule = f"must be 0 to {MAX_POWER_W:g}, or two such: at the lowest clock and at the highest"
        raise table.note_error("idle_w", rule)
    return tuple(values)


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
        clock_mhz=row.number_or_none("clock_mhz", 1.0, MAX_CLOCK_MHZ),
        power_w=row.number_or_none("power_w", MIN_POWER_W, MAX_POWER_W),
        energy_mj=row.number_or_none(
            "energy_mj", MIN_POWER_W * MIN_LATENCY_MS, MAX_POWER_W * MAX_LATENCY_MS
        ),
    )
    if parsed.p99_ms < parsed.p50_ms:
        raise row.error("p99_ms", f"must be at least p50_ms={parsed.p50_ms:g}")
    if parsed.energy_mj is not None and parsed.power_w is not None:
        expected_mj = parsed.power_w * parsed.p50_ms
        if not 1 <= MAX_ENERGY_RATIO * parsed.energy_mj / expected_mj <= MAX_ENERGY_RATIO**2:
            rule = f"must be of a batch: within {MAX_ENERGY_RATIO:g} times power_w x p50_ms"
            raise row.error("energy_mj", f"{rule}, {expected_mj:g}")
    return parsed


def _check_batches(table: Table, rows: Sequence[LatencyRow]) -> None:
    """Checks that each variant has batch 1, 2, ... once each, and that latency does not fall.

    So at the highest clock, which is what a device runs at that nobody sets. Holes at others are filled, see `prediction`.
    """
    top_mhz = max((row.clock_mhz for row in rows if row.clock_mhz is not None), default=None)
    found: dict[tuple[str, float | None], dict[int, tuple[Row, LatencyRow]]] = {}
    for line, row in zip(table.rows, rows, strict=True):
        if top_mhz is not None and row.clock_mhz is None:
            raise line.error("clock_mhz", "must be given, as it is in other rows")
        sizes = found.setdefault((row.variant, row.clock_mhz), {})
        if row.batch_size in sizes:
            raise line.error("batch_size", f"{row.variant} has this batch size twice{_at(row)}")
        sizes[row.batch_size] = (line, row)
    for (variant, clock_mhz), sizes in found.items():
        if (variant, top_mhz) not in found:
            line, _ = next(iter(sizes.values()))
            raise line.error("clock_mhz", f"{variant} must be measured at {top_mhz:g} MHz too")
        before: LatencyRow | None = None
        for expected, size in enumerate(sorted(sizes), 1):
            line, row = sizes[size]
            if size != expected and clock_mhz == top_mhz:
                raise line.error("batch_size", f"{variant} has no batch size {expected}{_at(row)}")
            if before and row.p99_ms < (1 - MAX_FALL_RATIO) * before.p99_ms:
                raise line.error(
                    "p99_ms",
                    f"must not fall by more than {MAX_FALL_RATIO:.0%} from batch size "
                    f"{before.batch_size}",
                )
            before = row
    _check_holes(table, rows, len({clock_mhz for _, clock_mhz in found}))


def _at(row: LatencyRow) -> str:
    return "" if row.clock_mhz is None else f" at {row.clock_mhz:g} MHz"


def _check_holes(table: Table, rows: Sequence[LatencyRow], num_clocks: int) -> None:
    """Checks that a variant which lacks cells has enough to fill these from."""
    cells: dict[str, list[int]] = {}
    powered: Counter[str] = Counter()
    for row in rows:
        cells.setdefault(row.variant, []).append(row.batch_size)
        powered[row.variant] += row.batch_mj is not None
    for variant, sizes in cells.items():
        wanted = num_clocks * max(sizes)
        least = min(wanted, ENOUGH_CELLS)
        line = next(line for line in table.rows if line.cells["variant"] == variant)
        rule = f"of {wanted} cells{{}}, too few to fill the others: measure at least {least}"
        if len(sizes) < least:
            raise line.error("batch_size", f"{variant} has {len(sizes)} {rule.format('')}")
        if powered.total() and powered[variant] < least:
            known = f"{variant} has {powered[variant]}"
            raise line.error("power_w", f"{known} {rule.format(' with power')}")


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
    values = [(row.clock_mhz, row.power_w, row.energy_mj) for row in file.rows]
    has_more = any(value is not None for row in values for value in row)
    notes = {
        "schema": CLOCK_SCHEMA if has_more else SCHEMA,
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
    if file.idle_w:
        notes["idle_w"] = ", ".join(f"{one:.12g}" for one in file.idle_w)
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
            *("" if value is None else f"{value:.12g}" for value in more if has_more),
        )
        for row, more in zip(file.rows, values, strict=True)
    )
    write_table(path, notes, (*COLUMNS, *CLOCK_COLUMNS) if has_more else COLUMNS, rows)
