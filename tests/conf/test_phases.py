"""Phases of the study: recorded runs judged, several experiments compared, every probe reading."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from conf import main, phases
from conf.compose import ROOT, composer, leaves
from conf.jobs import composed_jobs
from conf.sweep import expand
from store.catalog import open_catalog

SCALED = ["cycles=40", "workload.max_agents=20", "blocking_interval_s=0.002"]


@pytest.fixture
def hydra():
    with composer():
        yield


def jobs(*arguments):
    return composed_jobs(expand(arguments, multirun=False).jobs)


@pytest.mark.usefixtures("hydra")
def test_the_parts_of_a_phase_keep_their_names_within_each_replicate():
    found = jobs("experiment=phase1b", "replicate=0,1")
    parts = [("c256", "unoptimized"), *((f"c{number}", "cached") for number in range(256, 261))]
    order = [(job.config["replicate"], job.experiment, job.config["optimization"]["name"]) for job in found]
    assert order == [(replicate, *part) for replicate in (0, 1) for part in parts]


@pytest.mark.usefixtures("hydra")
def test_a_part_is_the_same_configuration_as_its_experiment_alone():
    part, _, alone, *_ = jobs("experiment=phase1b", "replicate=0")
    assert part.identity == jobs("experiment=c256")[0].identity
    assert alone.identity == jobs("experiment=c257")[0].identity


@pytest.mark.usefixtures("hydra")
def test_the_scaled_size_reaches_every_part():
    found = [job.config for job in jobs("experiment=phase1b", "replicate=0", *SCALED)]
    assert {(config["cycles"], config["workload"]["max_agents"]) for config in found} == {(40, 20)}
    assert [config["optimization"]["cpu_interval_s"] for config in found] == [0.002, *[None] * 5]


@pytest.mark.usefixtures("hydra")
def test_the_optimised_experiments_pair_the_factors_as_the_study_did():
    pairs = {
        "c257": ["energy_pooling", "energy_recovery"],
        "c258": ["reality_sources", "spawn_throttling"],
        "c259": ["reality_sources", "energy_recovery"],
        "c260": ["spawn_throttling", "energy_recovery"],
    }
    for experiment, factors in pairs.items():
        (job,) = jobs(f"experiment={experiment}")
        assert job.config["factors"] == factors
        assert job.config["optimization"]["name"] == "cached"


@pytest.mark.usefixtures("hydra")
@pytest.mark.parametrize(("experiment", "cells"), [("c262", 8), ("c263", 16)])
def test_a_factorial_of_more_factors_has_every_cell_once(experiment, cells):
    (job,) = jobs(f"experiment={experiment}")
    states = {tuple(condition.mechanisms.values()) for condition in job.conditions}
    assert len(job.conditions) == len(states) == cells


@pytest.mark.usefixtures("hydra")
def test_phase2_reads_every_probe_that_is_not_opt_in():
    opt_in = {leaf for leaf in leaves("probe") if "Opt-in" in (ROOT / "probe" / f"{leaf}.yaml").read_text()}
    assert "trace" in opt_in
    (job,) = jobs("experiment=phase2", "replicate=0")
    probes = job.config["probe"]
    assert set(probes) == set(leaves("probe")) - opt_in
    deciding = ("memory", "garbage", "system", "latency", "thermal", "pymalloc")
    assert all(probes[name]["every_cycles"] <= 5 for name in deciding)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["experiment=phase1b", "replicate=0,1"], ["348 h", "confirm=true", *SCALED], id="hours"),
        pytest.param(
            ["experiment=phase2", "replicate=0"], ["confirm=true", "replicate=0"], id="hours-of-probes"
        ),
        pytest.param(["experiment=phase1b", "optimization=cached"], ["optimization"], id="what-parts-set"),
        pytest.param(["experiment=phase1b", "name=x"], ["name", "phase1b"], id="name-of-parts"),
        pytest.param(["experiment=phase1b", "sed=1"], ["sed", "seed"], id="typo"),
        pytest.param(
            ["experiment=phase1b", "comparisons=[{x:1}]"], ["comparisons", "'x'"], id="contrast-of-nothing"
        ),
        pytest.param(["-m", "experiment=phase1b,c256"], ["phase1b", "parts"], id="lost-parts"),
        pytest.param(["-m", "experiment=c256,phase1a"], ["phase1a", "recorded"], id="lost-recordings"),
        pytest.param(["-m", "experiment=phase1a", "seed=1,2"], ["phase1a", "sweep"], id="swept-recordings"),
        pytest.param(["experiment=phase1a", "where=nonsense"], ["nonsense"], id="predicate"),
    ],
)
def test_a_phase_that_cannot_be_run_says_why(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "data"
    if "where=nonsense" in arguments:
        root.mkdir()
    assert main(arguments) == 2
    refused = capsys.readouterr()
    assert refused.out == ""
    assert "Traceback" not in refused.err
    assert all(word in refused.err for word in words)
    assert not (root / "spool").exists()


@pytest.mark.parametrize("made", [False, True], ids=["missing", "empty"])
def test_phase1a_without_recorded_runs_names_the_command_that_imports(made, tmp_path, capsys):
    root = tmp_path / "a store"
    if made:
        root.mkdir()
    assert main(["experiment=phase1a", f"store.root='{root}'"]) == 2
    refused = capsys.readouterr().err
    assert "status = 'imported'" in refused
    assert f'python -m store import FILE --store "{root}"' in refused
    assert root.exists() == made


def test_phase1a_judges_what_is_recorded_and_starts_nothing(make_run, tmp_path, capsys):
    slower = {"wall_ns": [10**6 * (10 + cycle) for cycle in range(50)]}
    make_run(tmp_path, experiment="c256", status="imported", cycles=slower)
    make_run(tmp_path, experiment="c255", status="imported", n_cycles=None)
    make_run(tmp_path, experiment="mine", status="completed", cycles=slower)
    assert main(["experiment=phase1a", f"store.root={tmp_path}"]) == 0
    printed = capsys.readouterr().out
    assert "reliminary" in printed
    assert "c255: verdicts" in printed
    assert "c256: verdicts" in printed
    assert "mine" not in printed
    assert "phase1a finds h5 VALIDATED; preliminary, so it decides none of them" in printed
    command = next(line for line in printed.splitlines() if "decides: " in line).partition("decides: ")[2]
    assert shlex.split(command) == ["python", "run.py", "experiment=phase1b", f"store.root={tmp_path}"]
    assert "phase2 is advised only for what that leaves undecided" in printed
    assert not (tmp_path / "spool").exists()


def test_phase1a_takes_another_selection(make_run, tmp_path, capsys):
    make_run(tmp_path, experiment="mine", cycles={"wall_ns": [10**6] * 20})
    assert main(["experiment=phase1a", r"where='experiment = \'mine\''", f"store.root={tmp_path}"]) == 0
    assert "mine: verdicts" in capsys.readouterr().out


def test_a_comparison_is_among_the_runs_of_the_command_and_names_its_caveat(make_run, tmp_path):
    ids = [
        make_run(tmp_path, experiment=name, cycles={"wall_ns": [ns] * 9}) for name, ns in (("a", 8), ("b", 2))
    ]
    make_run(tmp_path, experiment="a", cycles={"wall_ns": [10**9] * 9})
    declared = [{"a": "experiment = 'a'", "b": "experiment = 'b'", "caveat": "confounded with the moon"}]
    with open_catalog(tmp_path) as catalog:
        contrast, left_open = phases.contrasts(catalog, ids, declared, "again")
        missing = next(phases.contrasts(catalog, ids[:1], declared, "again"))
    assert "confounded with the moon" in contrast.title
    assert "A = experiment = 'a' (run " in contrast.text
    assert "phase1b decides nothing; open: h1, h2, h3, h4, h5" in left_open.text
    assert "cannot be compared" in missing.text


def test_phase2_is_advised_for_what_the_intervention_leaves_open():
    everything = dict.fromkeys(("h1", "h2", "h3", "h4", "h5"), "ELIMINATED")
    assert "phase2 is not advised" in phases.advice({}, everything, "again")
    advised = phases.advice({"h1": "REFUTED"}, {**everything, "h4": "UNDECIDED"}, "again")
    assert "left undecided (h4): again" in advised


def test_a_preliminary_verdict_decides_nothing():
    found = {"h1": "REFUTED", "h4": "UNTESTABLE"}
    advised = phases.advice(found, {"h2": "SUPPORTED", "h1": "UNDECIDED"}, "again")
    assert "phase1b decides h2 SUPPORTED; open: h1, h3, h4, h5" in advised
    assert "phase1a finds h1 REFUTED; preliminary" in advised
    assert "left undecided (h1, h3, h4, h5)" in advised


READINGS = """
select run_id, count(cpu_percent) as cpu, count(memory_percent) as memory, count(memory_rss_mb) as rss,
    count(call_latency_ms) as latency, count(distinct cpu_percent) as levels,
    (select count(arenas) from probe_pymalloc where run_id = samples.run_id and cycle >= 0) as arenas,
    count(cpu_temp_celsius) as temperature
from samples where cycle >= 0 group by run_id
"""


def finished(*words, store):
    done = subprocess.run(
        [sys.executable, str(ROOT.parent / "run.py"), *words, "progress=false", f"store.root={store}"],
        env={**os.environ, "PYTHONPATH": str(ROOT.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def scaled(experiment):
    with composer():
        return [
            f"experiment={experiment}",
            *expand([f"experiment={experiment}"], multirun=False).lead["scaled"],
        ]


def check_signals(store):
    """Every signal is there at least five times a run; only H4 may lack its sensor."""
    from stats import judge

    with open_catalog(store) as catalog:
        for run in catalog.query(READINGS):
            assert min(run[name] for name in ("cpu", "memory", "rss", "latency", "arenas")) >= 5, run
            sensor = run["temperature"] > 0
        verdicts = {entry.hypothesis: entry.finding.verdict for entry in judge(catalog).verdicts}
    assert "UNTESTABLE" not in [verdict for name, verdict in verdicts.items() if sensor or name != "h4"]


def test_a_short_phase2_reads_every_signal(tmp_path):
    size = ["cycles=30", "conditions=[OFF-OFF]", "workload.max_agents=3", "blocking_interval_s=0.002"]
    size.append("replicate=0")
    finished("experiment=phase2", *size, "optimization.persist=none", store=tmp_path)
    check_signals(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_scaled_phase2_reads_every_signal(tmp_path):
    finished(*scaled("phase2"), store=tmp_path)
    check_signals(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_scaled_phase1b_compares_both_ways_and_is_not_run_twice(tmp_path):
    printed = finished(*scaled("phase1b"), store=tmp_path)
    assert "confounded with the pair of factors" in printed
    assert "nothing else differs" in printed
    assert "phase1b decides" in printed
    with open_catalog(tmp_path) as catalog:
        counted = catalog.query("select experiment, count(*) as n from runs group by 1 order by 1")
    assert [(row["experiment"], row["n"]) for row in counted] == [
        ("c256", 6),
        *((f"c{n}", 3) for n in range(257, 261)),
    ]
    again = finished(*shlex.split("experiment=c257 -m replicate=0,1,2"), *SCALED, store=Path(tmp_path))
    assert "c257" in again
    with open_catalog(tmp_path) as catalog:
        assert len(catalog.select()) == 18
