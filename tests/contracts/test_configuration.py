"""Every leaf binds, every experiment composes, and its scaled size ends in minutes."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache

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


@cache
def swept(*words):
    """Return a sweep, one job of each of its configurations, and how many there are: a job takes 0.1 s to compose."""
    sweep = expand(words, multirun=False)
    alike = Counter(tuple(word for word in job if "replicate=" not in word) for job in sweep.jobs)
    return sweep, composed_jobs(list(alike)), list(alike.values())


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_composes_to_jobs_that_json_can_hold(experiment):
    sweep, jobs, _ = swept(f"experiment={experiment}")
    assert sweep.lead["question"]
    for job in jobs:
        written = record(job, run_id="r", environment={}, concurrent_runs=0, sweep_id=None, sweep_index=None)
        assert json.loads(json.dumps(written, allow_nan=False)) == written
        assert job.config["question"]
        assert job.experiment == experiment or sweep.lead["parts"]


def planned_s(jobs, counts):
    return sum(n * job.planned_s for job, n in zip(jobs, counts, strict=True))


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_what_takes_hours_names_a_size_that_ends_in_minutes(experiment):
    sweep, *jobs = swept(f"experiment={experiment}")
    planned = planned_s(*jobs)
    if planned > CONFIRM_ABOVE_S:
        _, *scaled = swept(f"experiment={experiment}", *sweep.lead["scaled"])
        planned = planned_s(*scaled)
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
