"""A user's own module, run from its directory by the real command."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from probes.protocols import Condition, Scene
from store import open_catalog
from workloads.callable import Workload

ROOT = Path(__file__).resolve().parents[2]
COLONY = '''
from probes import sampling

class Colony:
    """A trail that is scanned at every step and only grows: the drift is known."""
    def __init__(self, ants=10, seed=None):
        self.ants, self.seed, self.trail = ants, seed, []

    def step(self, cycle):
        self.trail.extend(range(60))
        with sampling("scan"):
            total = sum(x * x for x in self.trail)
        return {"population": self.ants, "seed_": self.seed, "mean": total / len(self.trail)}

def make(**options):
    return Colony(**options)

class Stepless: ...

class Wordy:
    def step(self, cycle):
        return cycle

class Silent:
    def __init__(self): self.closed = False
    def step(self, cycle): return None
    def close(self): self.closed = True

def stepless(): return Stepless()
number = 17
'''


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Stand in a directory with a module of its own name in each test."""
    name = f"colony_{os.urandom(4).hex()}"
    (tmp_path / f"{name}.py").write_text(COLONY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return name


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "run.py"), "workload=callable", "progress=false", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)


def test_a_planted_drift_is_found_by_the_ordinary_commands(here):
    target = f"workload.target={here}:Colony"
    done = run(target, "+workload.options.ants=12", "name=ants", "cycles=200", "seed=5", "store.private=true")
    assert done.returncode == 0, done.stderr
    with open_catalog(Path("data")) as catalog:
        (row,) = catalog.runs().to_pylist()
        (found,) = catalog.query(
            "select count(*) as n, min(population) as population, min(seed_) as seed_, max(sampling_scan_calls) as c, "
            "median(sampling_scan_ns) filter (cycle >= 150) / median(sampling_scan_ns) filter (cycle < 50) as growth "
            "from cycles"
        )
    assert (row["workload"], row["optimization"], row["status"]) == ("callable", None, "completed")
    assert (row["host"], row["n_cycles"], row["total_sampling_calls"]) == (None, 200, 200)
    config = json.loads(row["config"])["workload"]
    digest = hashlib.sha256(Path(f"{here}.py").read_bytes()).hexdigest()
    assert (config["file"], config["sha256"], config["options"]) == (f"{here}.py", digest, {"ants": 12})
    assert (found["n"], found["population"], found["seed_"], found["c"]) == (200, 12, 5, 1)
    assert found["growth"] > 1.5


@pytest.mark.parametrize(
    ("target", "says"),
    [
        pytest.param("nowhere:make", "there is no module nowhere", id="module"),
        pytest.param("{}:absent", "has no attribute 'absent'; name a factory that", id="attribute"),
        pytest.param("{}:number", "is a int, not callable", id="not-callable"),
        pytest.param("{}:Stepless", r"is a class without step\(cycle\)", id="no-step"),
        pytest.param("{}", "is not of the form module:factory", id="form"),
        pytest.param("a b:c", "is not of the form module:factory", id="words"),
        pytest.param("store:open_catalog", "is driftlab's own code", id="ours"),
        pytest.param("sys:exit", "has no file of its own", id="built-in"),
    ],
)
def test_what_cannot_be_run_is_named_before_anything_runs(here, target, says):
    with pytest.raises(ValueError, match=says):
        Workload(target=target.format(here))


def test_no_target_is_said_by_the_command_with_the_form():
    done = run("name=x", "cycles=1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "workload.target=None is not of the form module:factory, such as my.model:make\n"


def test_a_module_that_fails_on_import_is_refused_with_its_reason(here):
    Path(f"{here}_bad.py").write_text("import nothing_of_this_name\n")
    with pytest.raises(
        ValueError, match=r"fails \(ModuleNotFoundError: No module named 'nothing_of_this_name'\)"
    ):
        Workload(target=f"{here}_bad:make")
    Path(f"{here}_quits.py").write_text("raise SystemExit(3)\n")
    with pytest.raises(ValueError, match=r"fails \(SystemExit: 3\)"):
        Workload(target=f"{here}_quits:make")


def test_an_installed_module_does_not_hide_the_callers(here):
    Path("random.py").write_text("def make(): ...\n")
    with pytest.raises(ValueError, match=r"hides random.py of this directory; rename random.py"):
        Workload(target="random:random")


def test_options_are_bound_to_the_factory(here):
    with pytest.raises(ValueError, match=r"workload.options do not fit .*unexpected keyword argument 'ant'"):
        Workload(target=f"{here}:Colony", options={"ant": 1})
    with pytest.raises(ValueError, match="is no mapping"):
        Workload(target=f"{here}:Colony", options=[1])


def test_code_that_has_changed_since_it_was_declared_is_refused(here):
    pinned = Workload(target=f"{here}:make").recorded
    Workload(target=f"{here}:make", **pinned)
    Path(f"{here}.py").write_text(COLONY + "\n")
    with pytest.raises(ValueError, match=r"declared was .*start the run anew"):
        Workload(target=f"{here}:make", **pinned)


def simulation(target: str, directory: Path, observe=None):
    condition = Condition(name="all", position=0, cycles=1, mechanisms={})
    scene = Scene(7, directory, None, observe) if observe else Scene(7, directory, None)
    workload = Workload(target=target)
    assert workload.planned_s(condition) == 0
    return workload.start(condition, scene)


def test_what_step_returns_by_name_is_observed_and_nothing_may_be_returned(here, tmp_path):
    seen = []
    colony = simulation(f"{here}:Colony", tmp_path, seen.append)
    assert colony.step(0) == ()
    assert (seen[0]["population"], seen[0]["seed_"]) == (10, 7)
    silent = simulation(f"{here}:Silent", tmp_path)
    assert silent.step(0) == ()
    silent.close()
    assert silent._made.closed


def test_an_object_without_step_and_a_wrong_answer_of_it_are_refused(here, tmp_path):
    with pytest.raises(TypeError, match=r"made a Stepless, which has no step\(cycle\)"):
        simulation(f"{here}:stepless", tmp_path)
    with pytest.raises(TypeError, match="returned 4; return numbers by name"):
        simulation(f"{here}:Wordy", tmp_path).step(4)
