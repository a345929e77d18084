"""What a command says in the end: by configuration, the study's mode first, the answer last."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
import sys
from functools import cache

import pytest

from conf import answer, hints, summary
from conf.compose import composer
from conf.groups import grouped, pairs
from conf.jobs import composed_jobs
from conf.sweep import expand
from stats.accounts import Level
from store.catalog import open_catalog

DEMO = ("experiment=demo", "conditions=[OFF-OFF]", "cycles=5")


@cache
def jobs(*words):
    with composer():
        return composed_jobs(expand([w for w in words if w != "-m"], multirun="-m" in words).jobs)


def made(make_run, root, job, cycle_ns, **columns):
    """Publish a run of ``job`` whose cycles took ``cycle_ns``."""
    mode = job.config["optimization"]["name"]
    calls = 40 if mode == "unoptimized" else 1
    accounts = {
        "wall_ns": cycle_ns,
        "cpu_ns": cycle_ns // 10,
        "runq_ns": 0,
        "offcpu_ns": cycle_ns - cycle_ns // 10,
    }
    accounts |= {"sampling_ns": cycle_ns // 2, "sampling_calls": calls, "gc_ns": 0, "probe_ns": 0}
    cycles = {name: [value] * 5 for name, value in accounts.items()}
    wall_s = 0.5 + 5 * cycle_ns / 1e9
    kept = {**job.identity._asdict(), "optimization": mode, "concurrent_runs": 0, "wall_s": wall_s, **columns}
    chosen = {key: job.config["optimization"][key] for key in ("name", "cpu_interval_s", "persist")}
    kept["config"] = json.dumps({"optimization": chosen})
    return make_run(root, cycles=cycles, **kept)


def written(root, run_ids, swept):
    out = io.StringIO()
    with open_catalog(root) as catalog:
        summary.write(out, catalog, run_ids, swept)
    return out.getvalue()


@pytest.fixture(scope="module")
def demo(make_run, tmp_path_factory):
    """A store in which each mode of the demo ran twice, the slower one by a factor of about 50; cached came first."""
    swept = jobs(*DEMO, "replicate=0,1", "optimization=cached,unoptimized", "store.root='my store'")
    root = tmp_path_factory.mktemp("demo")
    slow = {"unoptimized": 2 * 10**9, "cached": 10**6}
    ids = [
        made(make_run, root, job, slow[job.config["optimization"]["name"]] + 10**5 * at)
        for at, job in enumerate(swept)
    ]
    return root, ids, swept


@pytest.fixture(scope="module")
def text(demo):
    return written(*demo)


def test_the_answer_comes_last_and_the_time_of_a_run_beside_that_of_its_cycles(text):
    assert text.startswith("Where the time went\n")
    assert "demo: unoptimized (A) against cached (B)" in text
    assert "excess_reduction" not in text  # no configuration declares an expected duration
    assert text.index("demo, cached: verdicts") < text.index("demo, unoptimized: verdicts")
    question, said, parts, *_ = text.rsplit("------\n", 1)[1].splitlines()
    assert question == "Does sampling once a cycle, instead of at every visit, take the waiting out of C256?"
    assert said.startswith("unoptimized spent 90 % of its cycles' time asleep or blocked (wall = 10 % cpu")
    assert "cached takes 97.5 % fewer sampling calls and its runs are 20.8 times faster (95 %: " in said
    assert parts.startswith(
        "a run of cached takes 10 s less than one of unoptimized: 4.88 s less by fewer sampling"
    )
    assert "0.122 s less by cheaper ones (25 to 0.55 ms each), 5 s less in the rest of the cycles" in parts
    assert text.rstrip().endswith(
        "optimization.persist (sqlite against none): that is what is compared, all of it together."
    )
    assert text.count("expected is what the study foresaw at full size") == 1
    table = text.split("Where the time went")[1].split("cpu + run queue")[0]
    assert re.search(r"\b10\.5 +10 +200\b", table)  # s a run, s in cycles, calls a run
    assert max(map(len, table.splitlines())) <= 100
    assert "whole run, as in speedup" in text


def test_the_commands_to_type_next_name_the_store_and_select_these_runs(demo, text):
    root, ids, _ = demo
    commands = [shlex.split(line) for line in text.splitlines() if line.startswith("python -m")]
    assert [words[2:4] for words in commands] == [
        ["store", "sql"],
        ["stats", "verdict"],
        ["stats", "compare"],
    ]
    with open_catalog(root) as catalog:
        for words in commands:
            assert words[words.index("--store") + 1] == "my store"
            assert catalog.select(where=[words[words.index("--where") + 1]]) == ids


def configured(make_run, root, job):
    """Publish a run of ``job`` with the configuration that it declares."""
    kept = {**job.identity._asdict(), "wall_s": 1.0, "config": json.dumps(job.config)}
    return make_run(root, cycles={"wall_ns": [10**6] * 5}, **kept)


def test_the_comparison_of_a_sweep_selects_by_what_was_swept(make_run, tmp_path, monkeypatch):
    tmp_path.joinpath("napping.py").write_text(
        "class Nap:\n    def __init__(self, nap): ...\n    def step(self, cycle): ...\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    own = ("workload=callable", "workload.target=napping:Nap", "name=mine", "replicate=0,1")
    swept = jobs("-m", *own, "+workload.options.nap=0,0.005,1e-06,null,'a b'")
    root = tmp_path / "store"
    ids = [configured(make_run, root, job) for job in swept]
    lines = [line for line in written(root, ids, swept).splitlines() if line.startswith("python -m")]
    assert "note: mine was run in 5 configurations" in written(root, ids, swept)
    assert lines[3] == "python -m stats timeline --where \"experiment='mine'\""
    words = shlex.split(lines[2])
    chosen = [words[at + 1] for at, word in enumerate(words) if word in ("--a", "--b")]
    assert chosen[1] == "config->>'$.workload.options.nap' = '0.005'"
    with open_catalog(root) as catalog:
        of = {job.identity.config_id: [] for job in swept}
        for job, run_id in zip(swept, ids, strict=True):
            of[job.identity.config_id].append(run_id)
        assert [catalog.select(where=[one]) for one in chosen] == [sorted(each) for each in of.values()][:4]


def test_the_default_store_is_not_named():
    (job, *_) = jobs("experiment=smoke")
    assert hints.in_store(job) == ""
    assert hints.run_again(job, "phase2") == "python run.py experiment=phase2"
    (job, *_) = jobs("experiment=smoke", "store.root='my store'")
    assert hints.in_store(job) == ' --store "my store"'
    assert shlex.split(hints.run_again(job, "phase2"))[-1] == "store.root='my store'"


def test_what_is_there_twice_and_what_ran_at_the_same_time_is_said(demo, make_run, tmp_path):
    root, ids, swept = demo
    root = shutil.copytree(root, tmp_path / "store")
    newer = made(make_run, root, swept[0], 10**6, concurrent_runs=2)
    text = written(root, [newer, *ids[1:]], swept)
    assert "note: 1 of these runs is in the store more than once: --latest takes the newest of each" in text
    assert "1 of 4 runs had up to 2 other runs of this store at the same time" in text
    assert all("--latest" in line for line in text.splitlines() if line.startswith("python -m"))


@pytest.mark.parametrize("mode", ["cached", "lightweight", "unoptimized"])
def test_what_smoke_says_of_its_size_holds_however_it_is_composed(mode):
    (job,) = jobs("experiment=smoke", f"optimization={mode}", "cycles=7")
    assert (
        job.config["scaling"] == "Sized for a check, with 7 cycles a condition: its numbers decide nothing."
    )


def test_configurations_of_a_sweep_are_judged_apart(make_run, tmp_path):
    swept = jobs("experiment=smoke", "replicate=0,1", "probe=[memory],[garbage]", "-m")
    ids = [made(make_run, tmp_path, job, 10**6) for job in swept]
    text = written(tmp_path, ids, swept)
    for probe in ("memory", "garbage"):
        assert f"smoke, probe=[{probe}], cached: verdicts" in text
    assert "note: smoke cached was run in 2 configurations: each is judged for itself" in text
    assert "(A) against" not in text


def test_without_an_unoptimized_mode_the_slower_one_is_a(make_run, tmp_path):
    swept = jobs("experiment=smoke", "optimization=cached,lightweight", "workload.max_agents=2,3", "-m")
    for at, job in enumerate(swept):
        made(make_run, tmp_path, job, 10**6 * (1 + at))
    with open_catalog(tmp_path) as catalog:
        found = pairs(grouped(catalog.runs().to_pylist(), swept))
    assert [(a.mode, b.mode, a.variant) for a, b in found] == [
        ("lightweight", "cached", (f"workload.max_agents={n}",)) for n in (2, 3)
    ]


@pytest.mark.parametrize(
    ("speedup", "said"),
    [
        ((4.0, 2.0, 8.0), "its runs are 4 times faster (95 %: 2 to 8)"),
        ((0.25, 0.125, 0.5), "its runs are 4 times slower (95 %: 2 to 8)"),
        (
            (1.5, 0.5, 3.0),
            "its runs are 1.5 times faster (95 %: 0.5 to 3; 1 is among them, so this may be chance)",
        ),
        ((4.0, None, None), "its runs are 4 times faster (no interval: too few runs)"),
    ],
    ids=["faster", "slower", "unsure", "one run"],
)
def test_a_change_is_said_in_a_sentence(speedup, said):
    found = dict(zip(("value", "low", "high"), speedup, strict=True))
    assert answer.changed("b", {"speedup": found, "call_reduction": {"value": None}}) == f"b {said}"


def growing(make_run, root, job, rise, **columns):
    """Publish a run of ``job``, of 200 cycles, the last of which takes longer than the first by ``rise``."""
    wall = [int(10**7 * (1 + rise * k / 200 + 0.01 * (k * k % 7 - 3))) for k in range(200)]
    kept = {**job.identity._asdict(), "optimization": "cached", "concurrent_runs": 0, "wall_s": 2.0}
    conditions = [{"condition": "OFF", "position": 0, "mechanisms": {}, "condition_cycles": 200}]
    cycles = {"wall_ns": wall, "cpu_ns": wall, "offcpu_ns": [0] * 200, "condition": ["OFF"] * 200}
    return make_run(root, cycles={**cycles, **columns}, conditions=conditions, **kept)


@pytest.mark.parametrize(
    ("rise", "queue_ns", "said"),
    [
        (1.0, 0, "c257, cached slows as it goes on: a cycle's time changes by +6"),
        (0.0, 0, "c257, cached does not drift as far as can be told: a cycle's time changes by "),
        (1.0, 10**7, "slows as it goes on: by its CPU time (waiting for a CPU is "),
    ],
    ids=["slows", "steady", "busy"],
)
def test_a_question_of_drift_is_answered(make_run, tmp_path, rise, queue_ns, said):
    (job,) = swept = jobs("experiment=c257", "conditions=[OFF-OFF]", "cycles=200")
    ids = [growing(make_run, tmp_path, job, rise, runq_ns=[queue_ns] * 200)]
    assert said in written(tmp_path, ids, swept).rsplit("Answer\n", 1)[1]


def test_drift_that_runs_are_too_short_to_show_is_not_guessed(make_run, tmp_path):
    (job,) = swept = jobs("experiment=c255", "conditions=[OFF-OFF]", "cycles=5")
    text = written(tmp_path, [made(make_run, tmp_path, job, 10**6)], swept).rsplit("Answer\n", 1)[1]
    assert "a run of c255, unoptimized takes 0.505 s." in text
    assert "whether c255, unoptimized drifts cannot be told: 5 points make 1 of the 3 stretches" in text


def test_verdicts_and_whole_runs_answer_where_they_are_asked_for(make_run, tmp_path):
    for name, said in (
        ("phase2", "of phase2, unoptimized: INCONCLUSIVE h5; UNTESTABLE h1,h2,h3,h4."),
        ("smoke", "it does not: 1 of 2 runs are recorded to their end, kept and judged."),
    ):
        swept = jobs(f"experiment={name}", "conditions=[OFF-OFF]", "cycles=5", "replicate=0,1", "-m")
        ids = [
            made(make_run, tmp_path, job, 10**6, status=status)
            for job, status in zip(swept, ("completed", "failed"), strict=True)
        ]
        assert said in written(tmp_path, ids, swept).rsplit("Answer\n", 1)[1]


@pytest.mark.parametrize(
    ("beyond", "kind", "said"),
    [
        (0.0, "ADDITIVE", "add up: synergy 0 in population_mean"),
        (
            -0.25,
            "ANTAGONISTIC",
            "together bring population_mean 0.25 below the sum of their effects (antagonistic)",
        ),
        (
            0.5,
            "SYNERGISTIC",
            "together bring population_mean 0.5 above the sum of their effects (synergistic)",
        ),
    ],
    ids=["additive", "antagonistic", "synergistic"],
)
def test_what_factors_do_together_is_said_once_where_all_modes_agree(beyond, kind, said):
    entry = {"outcome": "population_mean", "synergy": beyond, "classification": kind}
    assert answer.together("c", [entry, entry]) == f"the factors of c {said}"


def test_a_part_of_the_accounts_is_not_shown_as_the_whole():
    level = Level(account="sampling", share=0.7, detail="wall = 11 % run queue; 70 % inside", reason="")
    assert answer.spent("m", level) == "m spent 70 % of its cycles' time in the workload's sampling calls"


def test_a_negative_residual_is_part_of_the_whole():
    whole = "wall = 100 % cpu + 1.3 % run queue - 1.2 % off-CPU"
    level = Level(account="cpu", share=1.0, detail=whole, reason="")
    assert answer.spent("m", level) == f"m spent 100 % of its cycles' time computing ({whole})"


def test_time_that_was_not_recorded_is_not_guessed():
    level = Level(account=None, share=None, detail=None, reason="no cycle times were recorded")
    assert (
        answer.spent("mine", level) == "where mine spent its time is not known: no cycle times were recorded"
    )
