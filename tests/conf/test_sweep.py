"""Which jobs a command line asks for, and in which order."""

from __future__ import annotations

import pytest

from conf.compose import composer
from conf.jobs import composed_jobs
from conf.sweep import expand


@pytest.fixture
def hydra():
    with composer():
        yield


@pytest.mark.usefixtures("hydra")
def test_the_demo_runs_both_modes_in_every_block():
    jobs = composed_jobs(expand(["experiment=demo"], multirun=False).jobs)
    order = [(job.config["replicate"], job.config["optimization"]["name"]) for job in jobs]
    assert order == [(r, mode) for r in range(3) for mode in ("unoptimized", "cached")]


@pytest.mark.usefixtures("hydra")
def test_a_key_of_the_command_line_replaces_the_experiments_own_list():
    jobs = composed_jobs(expand(["experiment=demo", "replicate=7"], multirun=False).jobs)
    assert [job.config["replicate"] for job in jobs] == [7, 7]


@pytest.mark.usefixtures("hydra")
def test_lists_of_the_command_line_multiply():
    arguments = ["experiment=smoke", "replicate=range(0,2)", "conditions=[OFF-OFF],[ON-ON]"]
    jobs = composed_jobs(expand(arguments, multirun=True).jobs)
    assert [(job.config["replicate"], job.config["conditions"]) for job in jobs] == [
        (0, ["OFF-OFF"]),
        (0, ["ON-ON"]),
        (1, ["OFF-OFF"]),
        (1, ["ON-ON"]),
    ]


@pytest.mark.usefixtures("hydra")
def test_experiments_without_a_sweep_of_their_own_combine():
    jobs = composed_jobs(expand(["experiment=c255,c256"], multirun=True).jobs)
    assert [job.experiment for job in jobs] == ["c255", "c256"]


@pytest.mark.usefixtures("hydra")
def test_glob_takes_every_leaf_of_a_group():
    jobs = composed_jobs(expand(["experiment=smoke", "optimization=glob(*)"], multirun=True).jobs)
    assert {job.config["optimization"]["name"] for job in jobs} >= {"cached", "lightweight", "unoptimized"}


@pytest.mark.usefixtures("hydra")
def test_the_blocking_interval_reaches_only_what_blocks():
    jobs = composed_jobs(expand(["experiment=demo", "replicate=0"], multirun=False).jobs)
    assert [job.config["optimization"]["cpu_interval_s"] for job in jobs] == [0.002, None]


@pytest.mark.usefixtures("hydra")
def test_identity_ignores_what_is_not_measured():
    def identity(*overrides):
        return composed_jobs([["experiment=smoke", *overrides]])[0].identity

    plain = identity()
    assert identity("store.root=elsewhere", "progress=false", "hypothesis.h2.delta_r2_min=0.2") == plain
    assert identity("cycles=21")[1] != plain[1]
    assert identity("conditions=[OFF-OFF]")[1] != plain[1]
    assert identity("seed=1")[1] == plain[1]
    assert identity("seed=1") != plain


@pytest.mark.usefixtures("hydra")
def test_c256_at_full_size_is_planned_as_the_study_measured_it():
    # 5.84 M samples and 28.7 M pair checks at the unit costs of the study's own code: 174 h.
    job = composed_jobs([["experiment=c256"]])[0]
    assert job.planned_s / 3600 == pytest.approx(174, rel=0.01)


@pytest.mark.usefixtures("hydra")
def test_a_replayed_file_counts_by_what_it_holds(tmp_path):
    def configuration(name, row):
        file = tmp_path / name
        file.write_text(f"cpu,mem,disk\n{row}\n")
        words = ["experiment=smoke", "workload.metrics=replay", f"workload.metrics_file={file}"]
        return composed_jobs([words])[0].identity.config_id

    assert configuration("a.csv", "1,2,3") == configuration("b.csv", "1,2,3")
    assert configuration("a.csv", "1,2,3") != configuration("a.csv", "1,2,4")


@pytest.mark.usefixtures("hydra")
def test_a_label_tells_a_run_from_the_others_of_its_sweep():
    arguments = ["experiment=smoke", "replicate=0,1", "probe=[memory],[garbage]", "cycles=3"]
    labels = [job.label for job in composed_jobs(expand(arguments, multirun=True).jobs)]
    assert labels == [
        f"smoke cached replicate {replicate} probe=[{probe}]"
        for replicate in (0, 1)
        for probe in ("memory", "garbage")
    ]
    (alone,) = composed_jobs([["experiment=smoke", "cycles=3"]])
    assert alone.label == "smoke cached replicate 0"
