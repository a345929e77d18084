"""How often the machine is sampled, what a sample does, and what agents make of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise, repeat
from typing import Any

import psutil
import pytest

from nrm.sampling import Policy, Sampler
from nrm.substrate import Reading
from nrm.workload import Workload
from nrm.world import World
from probes.protocols import Condition, Scene

PER_VISIT = {"sampling": "per_visit"}


def _calls_per_cycle(workload: Workload, condition: Condition, scene: Scene) -> tuple[int, list[int]]:
    """Return the samples taken before cycle 0, and those of each cycle."""
    simulation = workload.start(condition, scene)
    totals = [scene.meters.sampling_calls]
    for cycle in range(condition.cycles):
        simulation.step(cycle)
        totals.append(scene.meters.sampling_calls)
    simulation.close()
    return totals[0], [b - a for a, b in pairwise(totals)]


def test_a_visit_takes_a_sample_and_a_birth_another(
    scene: Scene, condition: Callable[..., Condition], psutil_calls: list[Any]
) -> None:
    before, calls = _calls_per_cycle(Workload(optimization=PER_VISIT), condition(cycles=10), scene)
    assert before == 1  # the root's birth
    assert calls == [1 + 1, 3 + 2, 8 + 4, 20 + 8, 48 + 16, 112 + 32, 256 + 36, 416, 416, 416]
    assert len(psutil_calls) == 5 * sum(calls) + 5 + 1  # and the discarded first reading


def test_throttled_families_grow_deeper_and_take_590_samples_at_the_cap(
    scene: Scene, condition: Callable[..., Condition], psutil_calls: list[Any]
) -> None:
    workload = Workload(metrics="constant", optimization=PER_VISIT)
    _, calls = _calls_per_cycle(workload, condition("spawn_throttling", cycles=450), scene)
    assert calls[-1] == 590
    assert sum(calls[:400]) + 1 == 138836 + 100  # recorded visits and births


@pytest.mark.parametrize(
    ("mechanism", "calls"),
    [("energy_pooling", 416), ("reality_sources", 516), ("energy_recovery", 516)],
)
def test_mechanisms_sample_for_every_agent_where_they_ask(
    scene: Scene, condition: Callable[..., Condition], psutil_calls: list[Any], mechanism: str, calls: int
) -> None:
    workload = Workload(optimization=PER_VISIT, groups="rebuild")
    assert _calls_per_cycle(workload, condition(mechanism, cycles=10), scene)[1][-1] == calls


@pytest.mark.parametrize("rules", ["heavy", "light"])
def test_a_shared_sample_is_taken_once_a_cycle_births_included(
    scene: Scene, condition: Callable[..., Condition], psutil_calls: list[Any], rules: str
) -> None:
    workload = Workload(rules=rules, optimization={"name": "cached"})
    on = ("energy_pooling", "reality_sources")
    assert _calls_per_cycle(workload, condition(*on, cycles=20), scene) == (0, [1] * 20)


def test_a_sample_is_five_calls_in_their_order(meters: Any, psutil_calls: list[Any]) -> None:
    sampler = Sampler(Policy(sampling="per_visit", cpu_interval_s=0.1), meters)
    psutil_calls.clear()
    assert sampler.read() == Reading(1.0, 50.0, 10.0)
    assert psutil_calls == [
        ("cpu_percent", 0.1),
        ("virtual_memory", None),
        ("disk_usage", "/"),
        ("net_io_counters", None),
        ("pids", None),
    ]


def test_constant_metrics_replace_the_values_and_not_the_calls(meters: Any, psutil_calls: list[Any]) -> None:
    constant = Reading(2.24, 71.67, 0.0)
    sampler = Sampler(Policy(sampling="per_visit"), meters, values=repeat(constant))
    assert sampler.read() == constant
    assert len(psutil_calls) == 6
    assert meters.sampling_calls == 1


def test_every_visit_uses_its_own_fresh_sample(
    scene: Scene, condition: Callable[..., Condition], psutil_calls: list[Any]
) -> None:
    simulation = Workload(optimization=PER_VISIT, max_agents=2).start(condition(cycles=2), scene)
    assert isinstance(simulation.model, World)
    simulation.step(0)  # cpu 1 at the root's birth, 2 at its visit, 3 at the child's birth
    root, child = simulation.model.members
    assert root.energy == (130.0 - 0.01) + 0.01 * 148.0 - 10.0
    assert child.energy == 147.0
    simulation.step(1)  # the root's tree: 4, 5; the child again: 6
    assert child.energy == ((147.0 - 0.01) + 0.01 * 145.0 - 0.01) + 0.01 * 144.0


def test_metrics_that_do_not_change_give_one_trajectory_however_sampled(
    scene: Scene, condition: Callable[..., Condition], psutil_calls: list[Any]
) -> None:
    here = condition("energy_pooling", "reality_sources", "energy_recovery", cycles=12)
    runs = []
    for sampling in ("per_visit", "per_cycle"):
        simulation = Workload(metrics="constant", optimization={"sampling": sampling}).start(here, scene)
        runs.append([simulation.step(cycle) for cycle in range(here.cycles)])
    assert runs[0] == runs[1]


def test_live_samples_are_psutils(meters: Any) -> None:
    reading = Sampler(Policy(sampling="per_visit"), meters).read()
    assert all(0 <= value <= 100 for value in reading)
    assert reading.disk_percent == pytest.approx(psutil.disk_usage("/").percent, abs=1)
    assert meters.sampling_ns > 0


def test_a_blocking_interval_really_waits(meters: Any) -> None:
    sampler = Sampler(Policy(sampling="per_visit", cpu_interval_s=0.05), meters)
    busy_ns, began_ns = time.thread_time_ns(), time.perf_counter_ns()
    sampler.read()
    waited_ns = time.perf_counter_ns() - began_ns
    assert meters.elapsed_ns[0] >= 50_000_000
    assert waited_ns >= meters.elapsed_ns[0]
    assert time.thread_time_ns() - busy_ns < waited_ns  # asleep, not spinning
