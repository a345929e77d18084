"""How a run samples changes what it waits for, never what it simulates, where metrics are constant."""

from __future__ import annotations

import pytest

from conf.compose import ROOT, leaves

LEAVES = leaves("optimization")
TRAJECTORIES = """
select optimization, condition, cycle, population, energy
from cycles join runs using (run_id)
order by all
"""
SAMPLES = "select optimization, total_sampling_calls as samples from runs order by all"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


def test_every_leaf_gives_the_same_populations_and_energies(store, finished, rows):
    code, out, err = finished(
        *(
            str(ROOT.parent / "run.py"),
            "-m",
            "experiment=smoke",
            "workload.metrics=constant",
            f"store.root={store}",
        ),
        *(f"optimization={','.join(LEAVES)}", "optimization.synchronous=off", "blocking_interval_s=0.001"),
        *("cycles=6", "conditions=[OFF-OFF,ON-ON]", "progress=false"),
    )
    assert code == 0, out + err
    found = {leaf: [] for leaf in LEAVES}
    for row in rows(store, TRAJECTORIES):
        found[row.pop("optimization")].append(row)
    shared = found["cached"]
    assert len(shared) == 2 * 6
    assert {row["population"] for row in shared} > {2, 10}
    for leaf, trajectory in found.items():
        assert [row["population"] for row in trajectory] == [row["population"] for row in shared], leaf
        energies = [row["energy"] for row in shared]
        assert [row["energy"] for row in trajectory] == pytest.approx(energies, abs=1e-9), leaf
    taken = {row["optimization"]: row["samples"] for row in rows(store, SAMPLES)}
    assert taken["cached"] == taken["lightweight"] == 2 * 6
    assert taken["cached_ttl"] < taken["cached_as_shipped"] < taken["unoptimized"] == taken["low_allocation"]
