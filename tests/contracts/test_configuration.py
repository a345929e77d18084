"""Every leaf binds, every experiment composes, and its scaled size ends in minutes."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from conf.compose import GROUPS, ROOT, composer, leaves
from conf.jobs import composed_jobs, record
from conf.running import CONFIRM_ABOVE_S
from conf.sweep import expand

EXPERIMENTS = leaves("experiment")
SINGLE = [(group, leaf) for group in ("workload", "optimization", "store") for leaf in leaves(group)]
SEVERAL = [(group, leaf) for group in ("mechanism", "probe", "hypothesis") for leaf in leaves(group)]


@pytest.fixture(autouse=True)
def _hydra():
    with composer():
        yield


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_composes_to_jobs_that_json_can_hold(experiment):
    sweep = expand([f"experiment={experiment}", "replicate=0"], multirun=False)
    assert sweep.lead["question"]
    for job in composed_jobs(sweep.jobs):
        written = record(job, run_id="r", environment={}, concurrent_runs=0, sweep_id=None, sweep_index=None)
        assert json.loads(json.dumps(written, allow_nan=False)) == written
        assert job.config["question"]
        assert job.experiment == experiment or sweep.lead["parts"]


def planned_s(sweep):
    """Plan each configuration once: to compose a job takes 0.2 s, and replicates are alike."""
    alike = Counter(tuple(word for word in job if "replicate=" not in word) for job in sweep.jobs)
    return sum(n * composed_jobs([words])[0].planned_s for words, n in alike.items())


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_what_takes_hours_names_a_size_that_ends_in_minutes(experiment):
    sweep = expand([f"experiment={experiment}"], multirun=False)
    planned = planned_s(sweep)
    if planned > CONFIRM_ABOVE_S:
        planned = planned_s(expand([f"experiment={experiment}", *sweep.lead["scaled"]], multirun=False))
    assert planned < 600


@pytest.mark.parametrize(("group", "leaf"), SINGLE, ids=[f"{g}/{x}" for g, x in SINGLE])
def test_every_leaf_of_a_single_group_binds_to_its_constructor(group, leaf):
    around = ["name=own", "workload.target=random:random"] if leaf == "callable" else ["experiment=smoke"]
    composed_jobs([[*around, f"{group}={leaf}"]])


@pytest.mark.parametrize(("group", "leaf"), SEVERAL, ids=[f"{g}/{x}" for g, x in SEVERAL])
def test_every_leaf_of_a_multiple_group_holds_one_key_of_its_own_name(group, leaf):
    lines = (ROOT / group / f"{leaf}.yaml").read_text().splitlines()
    keys = [line.split(":")[0] for line in lines if line and not line.startswith((" ", "#", "}"))]
    assert keys == [leaf]


def test_every_group_has_a_leaf():
    assert all(leaves(group) for group in GROUPS)
