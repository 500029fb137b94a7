"""One measurement from start to table: samples, progress, and the profile written."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
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
from .clock_rows import clock_rows, write_sources
from .forecast import extremes, in_words, left_ms
from .governed import GovernedDevice
from .measuring import Amount, Visit, measure, visits
from .samples import Cell, SampleFile
from .statistics import ENOUGH_SAMPLES, summarise
from .windows import Windows


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
        clocks_mhz: at each of which all is measured; none where the device is left its own.
        listed_mhz: the clocks that the device has; what is not measured at these is predicted.
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
    clocks_mhz: tuple[int, ...] = ()
    listed_mhz: tuple[int, ...] = ()

    @property
    def opened(self) -> OpenedZoo:
        """The zoo as it is run."""
        return self.zoo.run_with(self.runtimes)

    @property
    def cells(self) -> list[Cell]:
        """Every variant with every batch size that it takes, at every clock."""
        return [
            Cell(name, size, clock_mhz)
            for name, most in self.most_at_once.items()
            for size in self.batch_sizes
            if size <= most
            for clock_mhz in self.clocks_mhz or (None,)
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
    governed: GovernedDevice | None = None,
) -> LatencyFile:
    """Takes the samples that are missing and writes the table.

    What `samples_path` holds already counts; so after an interruption the same call continues. About how long it will take is
    told once each variant has run, unless there is a limit. Clocks are set by `governed`.
    """
    clock = clock or MonotonicClock()
    visit, idle_w = visits(runner.run, campaign.amount.visit_ms), tuple[float, ...]()
    if governed is not None:
        windows = Windows(runner.run, governed, campaign.amount, clock)
        visit = windows.visit
        ends_mhz = dict.fromkeys((campaign.listed_mhz[0], campaign.listed_mhz[-1]))
        if governed.facts is not None:
            idle_w = tuple(windows.idle_w(mhz) for mhz in ends_mhz)
    with closing(SampleFile(samples_path, campaign.cells)) as file:
        _take_samples(campaign, visit, file, console, clock)
    table = LatencyFile(
        zoo=campaign.zoo.name,
        device_type=campaign.device_type,
        method=campaign.method,
        fingerprint=campaign.fingerprint,
        measured_on=datetime.now(UTC).date().isoformat(),
        source=_source(campaign, governed),
        rows=(),
        runtimes=campaign.runtimes,
        idle_w=idle_w,
    )
    most = campaign.most_at_once
    if campaign.clocks_mhz:
        table = clock_rows(table, file, most, campaign.clocks_mhz, campaign.listed_mhz)
        if governed is not None and governed.facts is not None and not table.has_energy:
            console.print(
                "no energy: some samples were taken without a meter; --refresh takes all anew"
            )
        write_sources(out.with_name(f"sources-{campaign.device_type}.csv"), table, file)
    else:
        table = replace(table, rows=summarise(file.samples, most))
    write_latency_file(out, table)
    return table


def _take_samples(
    campaign: Campaign, visit: Visit, file: SampleFile, console: Console, clock: Clock
) -> None:
    amount, start_ms = campaign.amount, clock.now_ms()
    total = amount.limit_ms or amount.num_samples * len(campaign.cells)
    with progress_bar(PERCENT, *LEFT, console=console) as progress:
        task = progress.add_task("measuring", total=total)

        def visited(cell: Cell) -> None:
            num_samples = sum(len(samples) for samples in file.samples.values())
            done = num_samples if amount.limit_ms is None else clock.now_ms() - start_ms
            at = "" if cell.clock_mhz is None else f" at {cell.clock_mhz} MHz"
            text = f"measuring {cell.variant} x {cell.batch_size}{at}"
            progress.update(task, description=text, completed=min(done, total))

        if amount.limit_ms is None:
            for cell in extremes(campaign.cells):
                if not file.samples[cell]:
                    visit(file, cell, amount.first_samples)
                    visited(cell)
            left = in_words(left_ms(file.samples, amount))
            console.print(f"this takes about {left}")
        measure(visit, file, amount, Random(campaign.seed), clock, visited)  # noqa: S311
        progress.update(task, description="measured", completed=total)


def _source(campaign: Campaign, governed: GovernedDevice | None) -> str:
    sizes = ", ".join(str(size) for size in campaign.batch_sizes)
    text = (
        f"moonjelly profile; inference + post-processing, the next batch decoded beside, of batch sizes {sizes}; "
        f"order shuffled by seed {campaign.seed}; {campaign.fingerprint.runtime}"
    )
    if campaign.amount.num_samples < ENOUGH_SAMPLES:
        text += "; p99 from the spread of all cells together"
    if len(campaign.batch_sizes) < campaign.max_batch_size:
        text += "; other batch sizes lie on the line between"
    if governed is not None:
        clocks = ", ".join(map(str, campaign.clocks_mhz))
        meter = (
            "none" if governed.facts is None else f"{governed.facts.name} ({governed.facts.scope})"
        )
        text += f"; clocks of {clocks} MHz were set and others are predicted; meter: {meter}, windows of {campaign.amount.window_ms / 1000:g} s"
    return text
