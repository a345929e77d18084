"""A wrong command line or configuration: one sentence that names the word, exit code 2, nothing started."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from conf import main
from conf.compose import GROUPS

REFUSED = {
    "unknown-key": (["sed=3"], ["sed", "seed"]),
    "unknown-key-behind-plus": (["+sed=3"], ["sed", "seed"]),
    "unknown-nested-key": (["workload.max_agent=3"], ["workload.max_agent"]),
    "unknown-nested-key-behind-plus": (["+workload.max_agent=3"], ["workload.max_agent", "max_agents"]),
    "unknown-probe-option": (["+probe.memory.every_cycle=3"], ["probe.memory.every_cycle", "every_cycles"]),
    "key-of-a-probe-not-chosen": (["probe.canary.every_s=1"], ["probe/canary, which this run does not have"]),
    "factors-without-mechanisms": (["workload=callable"], ["energy_pooling", "factors=[] conditions=[]"]),
    "option-without-plus": (
        ["workload=callable", "workload.options.ants=3"],
        ["+workload.options.ants=VALUE", "new among the options"],
    ),
    "optimization-of-own-code": (
        ["workload=callable", "optimization=cached"],
        ["means nothing", "options.NAME"],
    ),
    "unknown-threshold": (["+hypothesis.h2.delta_r2=3"], ["h2.delta_r2", "delta_r2_min"]),
    "unknown-mechanism-option": (["+mechanism.energy_pooling.shar=0.1"], ["mechanism.energy_pooling.shar"]),
    "unknown-optimization-option": (["+optimization.persits=none"], ["optimization.persits"]),
    "unknown-store-key-behind-plus": (["+store.foo=1"], ["store.foo"]),
    "removed-store-key": (["~store.root"], ["store.root"]),
    "hydra-key-of-a-wrong-shape": (["hydra.sweeper.params.seed=1"], ["hydra"]),
    "forced-key": (["++x.y=3"], ["x"]),
    "removed-key": (["~seed"], ["seed"]),
    "wrong-type": (["seed=abc"], ["seed=abc is no whole number; give one, as in seed=3"]),
    "no-list": (["conditions=3"], ["conditions=3 is no list; give one, as in conditions=[a,b]"]),
    "neither-true-nor-false": (["confirm=maybe"], ["confirm=maybe is neither true nor false"]),
    "wrong-type-in-leaf": (["workload.max_agents=many"], ["workload.max_agents", "many"]),
    "cycles-out-of-range": (["cycles=0"], ["cycles"]),
    "percent-out-of-range": (["workload.cpu_percent=120"], ["workload.cpu_percent", "120"]),
    "negative-interval": (["optimization.cpu_interval_s=-1"], ["optimization.cpu_interval_s", "-1"]),
    "rate-out-of-range": (["probe.memory.every_cycles=0"], ["probe.memory.every_cycles"]),
    "unknown-experiment": (["experiment=smok"], ["experiment/smok", "smoke"]),
    "unknown-leaf": (["optimization=cache"], ["optimization/cache", "cached"]),
    "unknown-leaf-in-a-list": (["probe=[memry]"], ["probe/memry", "memory"]),
    "several-group-is-null": (["probe=null"], ["probe=null", "probe=[]", "memory"]),
    "single-group-is-null": (["workload=null"], ["workload=null", "nrm"]),
    "experiment-is-null": (["experiment=null"], ["experiment=null", "demo"]),
    "null-in-a-list": (["-m", "probe=null,memory"], ["probe=null"]),
    "null-among-experiments": (["-m", "experiment=null,smoke"], ["null"]),
    "group-is-a-mapping": (["store={root: x}"], ["store={root: x}", "local"]),
    "removed-group": (["~probe"], ["~probe", "probe=[]"]),
    "removed-single-group": (["~workload"], ["~workload", "nrm"]),
    "added-group": (["+workload=nrm"], ["+workload=nrm", "leave the + out"]),
    "apostrophe": (["name=it's"], ["name=it's", "\"name='it\\'s'\""]),
    "equals-sign-in-a-value": (["where=a=1"], ["\"where='a=1'\""]),
    "no-key": (["=3"], ["=3"]),
    "leaf-is-null": (["hypothesis.h1=null"], ["hypothesis.h1=None", "h1"]),
    "leaf-of-probes-is-null": (["probe.memory=null"], ["probe.memory"]),
    "no-value": (["cycles"], ["cycles"]),
    "interval": (["-m", "cycles=interval(1,2)"], ["interval"]),
    "empty-interval": (["seed=interval()"], ["seed"]),
    "list-without-m": (["replicate=1,2"], ["replicate", "-m"]),
    "glob-of-no-group": (["-m", "cycles=glob(*)"], ["cycles"]),
    "glob-of-nothing": (["-m", "optimization=glob(zz*)"], ["optimization"]),
    "zero-jobs": (["-m", "replicate=range(3,3)"], ["replicate"]),
    "lost-sweep": (["-m", "experiment=demo,c256"], ["demo"]),
    "unquoted-condition": (["conditions=[true]"], ["True", "quotes"]),
    "condition-of-other-length": (["conditions=[ON]"], ["ON", "conditions"]),
    "condition-twice": (["conditions=[ON-ON,ON-ON]"], ["ON-ON"]),
    "no-condition": (["conditions=[]"], ["conditions"]),
    "unknown-factor": (["factors=[energy_poolin,spawn_throttling]"], ["energy_poolin"]),
    "light-rules-without-throttling": (["workload.rules=light"], ["spawn_throttling"]),
    "foreign-target": (["workload._target_=os.system"], ["os.system"]),
    "foreign-hydra-key": (["hydra.foo=3"], ["hydra.foo"]),
    "wrong-budget": (["probe_budget=ignore"], ["probe_budget"]),
    "expected-nonsense": (["+expected.h1=MAYBE"], ["MAYBE"]),
    "decided-by-nonsense": (["decides=[luck]"], ["decides names luck", "give some of time, drift"]),
}

# Second examples of a refusal: the same check, reached through another group or another list.
SECOND = {
    *("unknown-nested-key-behind-plus", "unknown-mechanism-option", "unknown-optimization-option"),
    *("unknown-store-key-behind-plus", "unknown-leaf", "null-among-experiments", "removed-single-group"),
    *("leaf-of-probes-is-null", "empty-interval", "glob-of-nothing", "wrong-type-in-leaf"),
}
CASES = [
    pytest.param(*case, id=name, marks=[pytest.mark.slow] if name in SECOND else [])
    for name, case in REFUSED.items()
]


@pytest.mark.parametrize(("arguments", "words"), CASES)
def test_a_mistake_is_one_sentence_and_exit_2(arguments, words, tmp_path, capsys):
    """By default the first example of each refusal."""
    chosen = [] if any(word.startswith("experiment=") for word in arguments) else ["experiment=smoke"]
    assert main([*chosen, *arguments, f"store.root={tmp_path / 'store'}"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.strip().splitlines()) <= 3
    assert "Traceback" not in printed.err
    assert "use +" not in printed.err
    for word in words:
        assert word in printed.err
    assert not (tmp_path / "store").exists()


def test_an_unknown_option_is_one_line_as_everywhere(capsys):
    assert main(["-x"]) == 2
    said = "python run.py: unrecognized arguments: -x; see python run.py --help\n"
    assert capsys.readouterr().err == said


def test_no_experiment_lists_them(tmp_path, capsys):
    assert main([f"store.root={tmp_path / 'store'}"]) == 2
    assert "demo" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("target", "said"),
    [("ours:Mine", "give name=MINE"), ("nowhere:Mine", "there is no module nowhere")],
    ids=["a name is lacking", "the target is wrong, too"],
)
def test_own_code_without_a_name_is_told_what_is_wrong_with_it(target, said, tmp_path, capsys, monkeypatch):
    tmp_path.joinpath("ours.py").write_text("class Mine:\n    def step(self, cycle): ...\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "ours", raising=False)
    assert main(["workload=callable", f"workload.target={target}", f"store.root={tmp_path / 'store'}"]) == 2
    assert said in capsys.readouterr().err


def test_the_full_study_wants_a_confirmation(tmp_path, capsys):
    assert main(["experiment=c256", f"store.root={tmp_path / 'store'}"]) == 2
    refused = capsys.readouterr().err
    assert "174 h" in refused
    assert "confirm=true" in refused
    assert "python run.py experiment=c256" in refused
    assert "cycles=40" in refused
    assert not (tmp_path / "store").exists()


def test_help_lists_experiments_and_an_example(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    uses = ("python run.py experiment=demo", "python -m store sql", "python -m stats compare")
    for word in (*uses, "c256", "unoptimized", *GROUPS):
        assert word in text


def test_cfg_prints_the_configuration_and_runs_nothing(tmp_path, capsys):
    assert main(["experiment=smoke", "--cfg", "job", f"store.root={tmp_path / 'store'}"]) == 0
    assert "max_agents: 10" in capsys.readouterr().out
    assert list(Path(tmp_path).iterdir()) == []
