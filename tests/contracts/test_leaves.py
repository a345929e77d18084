"""How a run samples changes what it waits for, never what it simulates, where metrics are constant."""

from __future__ import annotations

import pytest

from conf.compose import composer, leaves
from conf.jobs import composed_jobs
from conf.launching import Outcome, run_all
from conf.sweep import expand
from store.catalog import open_catalog

LEAVES = leaves("optimization")
SWEEP = (
    *("experiment=smoke", "workload.metrics=constant", f"optimization={','.join(LEAVES)}"),
    *("optimization.synchronous=off", "blocking_interval_s=0.001", "cycles=6", "conditions=[OFF-OFF,ON-ON]"),
    "progress=false",
)
TRAJECTORIES = """
select optimization, condition, cycle, population, energy
from cycles join runs using (run_id)
order by all
"""
SAMPLES = "select optimization, total_sampling_calls as samples from runs order by all"


def test_every_leaf_gives_the_same_populations_and_energies(tmp_path):
    outcome = Outcome()
    with composer():
        sweep = expand(SWEEP, multirun=True)
        jobs = composed_jobs(sweep.jobs)
    run_all(list(enumerate(jobs)), tmp_path, sweep, len(jobs), outcome)
    assert len(outcome.run_ids) == len(LEAVES), outcome.lost
    with open_catalog(tmp_path) as catalog:
        trajectories, samples = catalog.query(TRAJECTORIES), catalog.query(SAMPLES)
    found = {leaf: [] for leaf in LEAVES}
    for row in trajectories:
        found[row.pop("optimization")].append(row)
    shared = found["cached"]
    assert len(shared) == 2 * 6
    assert {row["population"] for row in shared} > {2, 10}
    for leaf, trajectory in found.items():
        assert [row["population"] for row in trajectory] == [row["population"] for row in shared], leaf
        energies = [row["energy"] for row in shared]
        assert [row["energy"] for row in trajectory] == pytest.approx(energies, abs=1e-9), leaf
    taken = {row["optimization"]: row["samples"] for row in samples}
    assert taken["cached"] == taken["lightweight"] == 2 * 6
    assert taken["cached_ttl"] < taken["cached_as_shipped"] < taken["unoptimized"] == taken["low_allocation"]
