"""The model by itself, built as a run builds it: a condition stepped under constant metrics, or a plan of its waits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from conf.compose import compose_one, composer
from conf.validate import checked, workload_spec
from probes import build
from probes.meters import Meters
from probes.protocols import Condition, Scene, Simulation

CYCLES = 3000
STUDY = (2.24, 71.67)
"""CPU and memory [%] that the study's own scripts were given for the reference trajectories."""


class Course(NamedTuple):
    """One condition: what every cycle recorded of populations and visits, and the samples of the last cycle."""

    population: Sequence[int]
    visits: Sequence[int]
    last_samples: int


def course(
    *,
    on: Sequence[str] = (),
    metrics: tuple[float, float] = STUDY,
    cycles: int = CYCLES,
    words: Sequence[str] = (),
) -> Course:
    """Step one condition of C256, or as the overrides ``words`` say, with constant metrics and nothing written."""
    cpu, memory = metrics
    constant = ["metrics=constant", f"cpu_percent={cpu}", f"memory_percent={memory}"]
    given = ["optimization=cached", *(f"workload.{word}" for word in constant), *words]
    with composer():
        config = compose_one(["experiment=c256", *given]).config
    workload, meters = build.workload(workload_spec(config)), Meters()
    mechanisms = {name: name in on for name in config["mechanism"]}
    condition = Condition(name="all", position=0, cycles=cycles, mechanisms=mechanisms)
    with TemporaryDirectory() as scratch:
        simulation = workload.start(condition, Scene(0, Path(scratch), meters))
        try:
            return _stepped(simulation, list(workload.observables), meters, cycles)
        finally:
            simulation.close()


def _stepped(simulation: Simulation, names: Sequence[str], meters: Meters, cycles: int) -> Course:
    population, visits, before = [], [], 0
    for cycle in range(cycles):
        before = meters.sampling_calls
        record = dict(zip(names, simulation.step(cycle), strict=True))
        population.append(int(record["population"] or 0))
        visits.append(int(record["visits"] or 0))
    return Course(population, visits, meters.sampling_calls - before)


def planned_h(*words: str) -> float:
    """Return the hours that C256, or what ``words`` make of it, will sleep, commit and ask psutil."""
    with composer():
        conditions, workload = checked(compose_one(["experiment=c256", *words]))
    return sum(workload.planned_s(condition) for condition in conditions) / 3600
