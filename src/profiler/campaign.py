"""One measurement from start to table: samples, progress, and the profile written."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from rich.console import Console

from ..core.clock import Clock, MonotonicClock
from ..core.zoo import Runtime
from ..files.progress import LEFT, PERCENT, progress_bar
from ..zoos import (
    MAX_BATCH_SIZE,
    Fingerprint,
    LatencyFile,
    Method,
    OpenedZoo,
    write_latency_file,
)
from .batch_runner import BatchRunner
from .forecast import extremes, in_words, left_ms
from .measuring import Amount, measure, visit
from .samples import Cell, SampleFile
from .statistics import ENOUGH_SAMPLES, summarise


@dataclass(frozen=True, slots=True)
class Campaign:
    """What is measured, and how.

    Attributes:
        zoo: each of its variants is measured.
        device_type: on what, and of which machine (`fingerprint`).
        batch_sizes: rising, from 1; sizes left out are taken from the line between.
        max_batch_size: largest batch size of the table.
        amount: how many samples, and how long at most.
        seed: of the order.
        method: what the table calls itself.
        runtimes: what runs networks whose zoo leaves the choice, by name.
    """

    zoo: OpenedZoo
    device_type: str
    fingerprint: Fingerprint
    batch_sizes: tuple[int, ...]
    max_batch_size: int
    amount: Amount
    seed: int
    method: Method
    runtimes: Mapping[str, Runtime] = field(default_factory=dict)

    @property
    def opened(self) -> OpenedZoo:
        """The zoo as it is run."""
        return self.zoo.run_with(self.runtimes)

    @property
    def cells(self) -> list[Cell]:
        """Every variant with every batch size that it takes."""
        most = self.most_at_once
        return [
            Cell(name, size) for name in most for size in self.batch_sizes if size <= most[name]
        ]

    @property
    def most_at_once(self) -> dict[str, int]:
        """The largest batch size of each variant in the table."""
        networks = {one.name: one.network for one in self.zoo.zoo.variants}
        return {
            one.name: min(self.max_batch_size, networks[one.name].max_batch_size or MAX_BATCH_SIZE)
            for one in self.zoo.variants
        }


def carry_out(
    campaign: Campaign,
    runner: BatchRunner,
    samples_path: Path,
    out: Path,
    console: Console,
    clock: Clock | None = None,
) -> LatencyFile:
    """Takes the samples that are missing and writes the table.

    What `samples_path` holds already counts; so after an interruption the same call continues. About how long it will take is
    told once each variant has run, unless there is a limit.
    """
    clock = clock or MonotonicClock()
    with (
        closing(SampleFile(samples_path, campaign.cells)) as file,
        progress_bar(PERCENT, *LEFT, console=console) as progress,
    ):
        amount, start_ms = campaign.amount, clock.now_ms()
        total = amount.limit_ms or amount.num_samples * len(campaign.cells)
        task = progress.add_task("measuring", total=total)

        def visited(cell: Cell) -> None:
            num_samples = sum(len(samples) for samples in file.samples.values())
            done = num_samples if amount.limit_ms is None else clock.now_ms() - start_ms
            text = f"measuring {cell.variant} x {cell.batch_size}"
            progress.update(task, description=text, completed=min(done, total))

        if amount.limit_ms is None:
            for cell in extremes(campaign.cells):
                if not file.samples[cell]:
                    visit(runner.run, file, cell, 1, amount.visit_ms)
                    visited(cell)
            left = in_words(left_ms(file.samples, amount.num_samples))
            console.print(f"this takes about {left}")
        measure(runner.run, file, amount, Random(campaign.seed), clock, visited)  # noqa: S311
        progress.update(task, description="measured", completed=total)
        rows = summarise(file.samples, campaign.most_at_once)
    table = LatencyFile(
        zoo=campaign.zoo.name,
        device_type=campaign.device_type,
        method=campaign.method,
        fingerprint=campaign.fingerprint,
        measured_on=datetime.now(UTC).date().isoformat(),
        source=_source(campaign),
        rows=rows,
        runtimes=campaign.runtimes,
    )
    write_latency_file(out, table)
    return table


def _source(campaign: Campaign) -> str:
    sizes = ", ".join(str(size) for size in campaign.batch_sizes)
    text = (
        f"moonjelly profile; inference + post-processing, the next batch decoded beside, of batch sizes {sizes}; "
        f"order shuffled by seed {campaign.seed}; {campaign.fingerprint.runtime}"
    )
    if campaign.amount.num_samples < ENOUGH_SAMPLES:
        text += "; p99 from the spread of all cells together"
    if len(campaign.batch_sizes) < campaign.max_batch_size:
        text += "; other batch sizes lie on the line between"
    return text
