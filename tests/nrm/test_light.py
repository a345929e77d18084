"""The light rules against numbers that the study's own script produced, bit for bit, and its published means."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable
from itertools import chain, repeat
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from nrm.light import LightWorld
from nrm.sampling import Steady
from nrm.substrate import Reading, plain_sum
from nrm.workload import Workload

DATA = Path(__file__).parents[1] / "data" / "nrm"
FACTORS = ("energy_pooling", "reality_sources")


def _runs() -> list[Any]:
    runs = []
    for kind in ("light_off", "light_on"):
        for run in json.loads(gzip.decompress((DATA / f"{kind}.json.gz").read_bytes()))["runs"]:
            name = f"{run['cpu_percent']:g}-{run['memory_percent']:g}-{run['condition']}-{run['np_seed']}"
            runs.append(pytest.param(run, id=name))
    return runs


@pytest.mark.parametrize("run", _runs())
def test_light_rules_reproduce_the_recorded_run(run: dict[str, Any]) -> None:
    on = [name for name, word in zip(FACTORS, run["condition"].split("-"), strict=True) if word == "ON"]
    reading = Reading(run["cpu_percent"], run["memory_percent"], 0.0)
    world = Workload(rules="light").model(on, Steady(reading), seed=run["np_seed"])
    assert isinstance(world, LightWorld)
    population = []
    for cycle in range(run["cycles"]):
        recorded = run["state_at_start_of_cycle"].get(str(cycle))
        if recorded is not None:
            assert recorded == {
                "n": len(world.agents),
                "sum_energy": plain_sum(agent.energy for agent in world.agents),
                "energies": [agent.energy for agent in world.agents[:16]],
                "depths": [agent.depth for agent in world.agents[:16]],
            }
        population.append(world.step(cycle).population)
    assert population == list(chain.from_iterable(repeat(*pair) for pair in run["history_rle"]))
    assert hashlib.sha256(json.dumps(population).encode()).hexdigest() == run["sha256"]
    assert fmean(population) == run["mean"]


@pytest.mark.parametrize(
    ("on", "metrics", "start", "mean"),
    [
        ((), (2.24, 71.67), [*range(2, 15), 14], 13.974),
        (
            ("reality_sources",),
            (2.24, 71.67),
            [2, 4, 7, 11, 16, 22, 29, 36, 44, 54, 67, 84, 100],
            99.72533333333334,
        ),
        (
            (),
            (0.0, 50.0),
            [2, 4, 7, 11, 16, 22, 29, 36, 43, 50, 57, 65, 75, 88, 95, 95, 96, 98, 100],
            99.69633333333333,
        ),
        ((), (74.0, 76.0), [*range(2, 14), 13], 12.978),
        (("reality_sources",), (0.0, 70.0), [2, 4], 99.72066666666667),
    ],
    ids=["published off-off", "sources", "half full", "busy", "published off-on"],
)
def test_light_populations_are_the_published_ones(
    populations: Callable[..., list[int]],
    on: tuple[str, ...],
    metrics: tuple[float, float],
    start: list[int],
    mean: float,
) -> None:
    population = populations(*metrics, *on, rules="light")
    assert population[: len(start)] == start
    assert fmean(population) == mean


def test_light_visits_are_the_living_at_the_start_of_the_cycle() -> None:
    world = Workload(rules="light").model([], Steady(Reading(2.24, 71.67, 0.0)), seed=0)
    records = [world.step(cycle) for cycle in range(20)]
    assert [r.visits for r in records] == [1, *(r.population for r in records[:-1])]


def test_pooling_draws_of_another_seed_give_another_run(populations: Callable[..., list[int]]) -> None:
    a, b = (
        populations(2.24, 71.67, "energy_pooling", rules="light", cycles=100, seed=seed) for seed in (0, 1)
    )
    assert a != b
