"""What a run will wait for is counted, not guessed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from nrm.planning import COMMIT_S, OVERSLEEP, PAIR_COMMIT_S, PSUTIL_S, Tally, tally
from nrm.sampling import Steady
from nrm.substrate import Reading
from nrm.workload import Workload
from probes.protocols import Condition, Scene

UNOPTIMIZED = {"sampling": "per_visit", "cpu_interval_s": 0.1, "persist": "sqlite", "persist_pairs": True}
C256 = ("energy_pooling", "spawn_throttling")


def _counted(*on: str, cycles: int = 3000, **options: Any) -> Tally:
    workload = Workload(**options)
    model = workload.model(list(on), Steady(Reading(2.24, 71.67, 0.0)), seed=0)
    return tally(model, cycles, options.get("max_agents", 100))


def test_c256_at_full_size_takes_174_hours(condition: Callable[..., Condition]) -> None:
    workload = Workload(optimization=UNOPTIMIZED)
    designs = [
        [n for n, on in zip(C256, word, strict=True) if on] for word in product((False, True), repeat=2)
    ]
    planned_s = sum(workload.planned_s(condition(*on)) for on in designs)
    assert planned_s / 3600 == pytest.approx(
        173.985, rel=0.01
    )  # from unit costs and counts of the study's own code


@pytest.mark.parametrize(
    ("on", "counts"),
    [((), (1245536, 100, 14818017, 299427)), (("spawn_throttling",), (1672836, 100, 13898944, 283910))],
    ids=["unthrottled", "throttled"],
)
def test_counts_of_3000_cycles_are_the_recorded_ones(on: tuple[str, ...], counts: tuple[int, ...]) -> None:
    assert _counted(*on) == counts


@pytest.mark.parametrize("on", [(), ("spawn_throttling",)], ids=["unthrottled", "throttled"])
@pytest.mark.parametrize("cycles", [1, 5, 8, 60])
def test_counts_ahead_are_what_then_happens(on: tuple[str, ...], cycles: int) -> None:
    world = Workload(max_agents=12).model(list(on), Steady(Reading(2.24, 71.67, 0.0)), seed=0)
    records = [world.step(cycle) for cycle in range(cycles)]
    at_start = [1, *(record.population for record in records[:-1])]
    assert _counted(*on, cycles=cycles, max_agents=12) == (
        sum(record.visits for record in records),
        world.born,
        sum(n * (n - 1) // 2 for n in at_start),
        sum(at_start),
    )


def test_samples_planned_are_samples_taken(
    scene: Scene, condition: Callable[..., Condition], psutil_calls: list[Any]
) -> None:
    workload = Workload(metrics="constant", max_agents=9, optimization={"sampling": "per_visit"})
    here = condition("reality_sources", "energy_recovery", cycles=15)
    simulation = workload.start(here, scene)
    for cycle in range(here.cycles):
        simulation.step(cycle)
    assert workload.planned_s(here) == pytest.approx(scene.meters.sampling_calls * PSUTIL_S)


@pytest.mark.parametrize(
    ("optimization", "on", "planned_s"),
    [
        ({}, (), 5 * PSUTIL_S),
        ({"cpu_interval_s": 0.01}, ("energy_pooling",), 5 * (PSUTIL_S + 0.01 * OVERSLEEP)),
        ({"persist": "sqlite"}, (), 5 * (PSUTIL_S + COMMIT_S) + 4 * COMMIT_S),
        (
            {"persist": "sqlite", "persist_pairs": True},
            ("energy_pooling",),
            5 * (PSUTIL_S + COMMIT_S) + 4 * COMMIT_S + (0 + 1 + 6 + 6 + 6) * PAIR_COMMIT_S,
        ),
    ],
    ids=["calls", "sleeps", "commits", "pairs"],
)
def test_each_cost_is_counted_by_its_own_number(
    condition: Callable[..., Condition], optimization: dict[str, Any], on: tuple[str, ...], planned_s: float
) -> None:
    workload = Workload(max_agents=4, optimization=optimization)
    assert workload.planned_s(condition(*on, cycles=5)) == pytest.approx(planned_s)


def test_counting_ends_early_where_a_cycle_is_large() -> None:
    counts = _counted("spawn_throttling", cycles=10**9, max_agents=10**5)
    assert counts.visits > 10**9
