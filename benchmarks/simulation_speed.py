"""How fast the simulator is: processor time for a simulated frame, of one core.

    python benchmarks/simulation_speed.py [SCENARIO.yaml] [--rounds 3] [--seconds 20]

Plays a scenario in turns with our client policy and estimator and with the published ones, which
cost less, each with and without the logs of a run. Prints the best round of each: other processes
only ever make it slower.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from moonjelly.reporting.summary import RunTally
from moonjelly.simulation.run_folder import simulation_logs
from moonjelly.simulation.scenario import Scenario
from moonjelly.simulation.scenario_file import read_scenario
from moonjelly.simulation.simulation import Observers, Simulation

SCENARIOS = Path(__file__).parents[1] / "src" / "simulation" / "scenarios"


def main() -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenario", type=Path, nargs="?", default=SCENARIOS / "overload.yaml")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, help="length of each run, not the scenario's")
    arguments = parser.parse_args()
    ours = read_scenario(arguments.scenario)
    if arguments.seconds is not None:
        ours = replace(ours, seconds=arguments.seconds)
    scenarios = {"ladder, change_point": ours, "best, error_based": published(ours)}
    best: dict[tuple[str, str], float] = {}
    for _ in range(arguments.rounds):
        for name, scenario in scenarios.items():
            for output, cost_us in (("", bare_us(scenario)), ("logs", logged_us(scenario))):
                key = (name, output)
                best[key] = min(best.get(key, math.inf), cost_us)
    print("| policy, estimator | output | us per frame | frames per second |")
    print("| --- | --- | --- | --- |")
    for (name, output), cost_us in best.items():
        print(f"| {name} | {output or 'none'} | {cost_us:.1f} | {1e6 / cost_us:,.0f} |")


def published(scenario: Scenario) -> Scenario:
    """The same with the published client, and the budget rule that goes with it."""
    streams = tuple(
        replace(stream, policy="best", estimator="error_based") for stream in scenario.streams
    )
    return replace(scenario, streams=streams, server=replace(scenario.server, budget_rule="full"))


def bare_us(scenario: Scenario) -> float:
    """Processor time for a frame (us) without any output."""
    return _play_us(scenario, Observers())


def logged_us(scenario: Scenario) -> float:
    """Likewise with all logs, and the counts of the summary."""
    tally = RunTally()
    with (
        tempfile.TemporaryDirectory() as folder,
        simulation_logs(Path(folder), scenario, tally.add) as observers,
    ):
        return _play_us(scenario, observers)


def _play_us(scenario: Scenario, observers: Observers) -> float:
    simulation = Simulation(scenario, observers)
    start_s = time.process_time()
    simulation.run_until(math.inf)
    took_s = time.process_time() - start_s
    return 1e6 * took_s / sum(result.ledger.captured for result in simulation.results())


if __name__ == "__main__":
    main()
