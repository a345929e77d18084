from __future__ import annotations

import numpy as np
import pytest

from stats.growth import growth
from store.catalog import open_catalog

N = 120


def publish(make_run, root, rise, *, levels=(1, 9), noise=0.05, seed=0, **columns):
    """Publish a run of one condition per level, over each of which cycles become longer by ``rise`` of its mean."""
    draw = np.random.default_rng(seed)
    wall = np.concatenate([level * (1 + rise * np.linspace(-0.5, 0.5, N)) for level in levels])
    wall = (1e6 * wall * (1 + noise * draw.standard_normal(len(wall)))).astype(int)
    conditions = [
        {"condition": f"c{k}", "position": k, "mechanisms": {}, "condition_cycles": N}
        for k in range(len(levels))
    ]
    names = [f"c{k}" for k in range(len(levels)) for _ in range(N)]
    cycles = {"wall_ns": list(wall), "condition": names, **columns}
    return make_run(root, cycles=cycles, conditions=conditions)


@pytest.mark.parametrize("rise", [0.0, 0.5, -0.4], ids=["steady", "slower", "faster"])
@pytest.mark.parametrize("runs", [1, 3], ids=["one run", "three runs"])
def test_growth_is_that_within_conditions_whatever_each_costs(make_run, tmp_path, runs, rise):
    ids = [publish(make_run, tmp_path, rise, seed=seed) for seed in range(runs)]
    with open_catalog(tmp_path) as catalog:
        found = growth(catalog, ids)
    assert (found.n_runs, found.clock, found.busy, found.reason) == (runs, "wall", None, None)
    assert found.low < rise < found.high
    assert found.high - found.low < 0.25


def test_on_a_busy_machine_the_cpu_clock_is_read(make_run, tmp_path):
    """Wall times rise with the waiting for a CPU; the computing does not."""
    cpu, queue = [10**6] * 2 * N, [10**6 * k // N for k in range(2 * N)]
    run_id = publish(make_run, tmp_path, 1.0, cpu_ns=cpu, runq_ns=queue, offcpu_ns=[0] * 2 * N)
    with open_catalog(tmp_path) as catalog:
        found = growth(catalog, [run_id])
    assert found.clock == "cpu"
    assert found.busy.startswith("waiting for a CPU is ")
    assert found.value == pytest.approx(0, abs=1e-6)


def test_what_is_too_short_has_a_reason(make_run, tmp_path):
    ids = [make_run(tmp_path, cycles={"wall_ns": [5] * 4}), make_run(tmp_path)]
    with open_catalog(tmp_path) as catalog:
        short, empty = growth(catalog, ids[:1]), growth(catalog, ids[1:])
    assert short.value is None
    assert "stretches that a bend needs" in short.reason
    assert "no times of cycles were recorded" in empty.reason
