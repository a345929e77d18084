import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from probes import environment

CPUINFO = (
    "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel\t\t: 2\nmodel name\t: AMD EPYC 9R45\nstepping\t: 1\n"
)


def git(directory, *command):
    identity = ("-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, "-C", directory, *command], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    if shutil.which("git") is None:
        pytest.skip("there is no git here")
    monkeypatch.delenv("GIT_DIR", raising=False)
    git(tmp_path, "init", "-q")
    (tmp_path / "code.py").write_text("1\n")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def in_child(code, **variables):
    """Run ``code`` in a fresh interpreter and return what it printed, from JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


def test_facts_survive_json_and_are_true_for_this_machine(tmp_path):
    facts = environment.facts(tmp_path)
    assert json.loads(json.dumps(facts)) == facts
    assert facts["python"] == platform.python_version()
    assert (facts["os"], facts["kernel"], facts["host"]) == (
        platform.system(),
        platform.release(),
        platform.node(),
    )
    assert facts["cores"] == os.cpu_count()
    assert facts["memory_bytes"] > 1 << 28
    assert set(facts) == {
        *("git_commit", "git_dirty", "python", "packages", "os", "kernel", "host", "boot_id", "cpu_model"),
        *("cores", "memory_bytes", "allocator"),
    }


def test_no_environment_variable_but_the_allocators_is_recorded(tmp_path, monkeypatch):
    for name in {*os.environ, "SECRET_TOKEN", "MALLOC_SECRET", "PYTHONMALLOC_SECRET"} - {"PATH", "HOME"}:
        monkeypatch.setenv(name, "hunter2")
    for name in (*environment.VARIABLES, "PYTHONMALLOC"):
        monkeypatch.delenv(name, raising=False)
    assert "hunter2" not in json.dumps(environment.facts(tmp_path))
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    assert environment.facts(tmp_path)["allocator"].endswith(" MALLOC_ARENA_MAX=2")


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        (
            "LD_PRELOAD",
            "/Users/jane/lib/libjemalloc.so.2:/usr/lib/libx.so",
            ["LD_PRELOAD=libjemalloc.so.2:libx.so"],
        ),
        ("MALLOC_CONF", "narenas:2,prof_prefix:/Users/jane/heap", ["MALLOC_CONF=narenas:2,prof_prefix:heap"]),
        ("GLIBC_TUNABLES", "glibc.malloc.arena_max=1", ["GLIBC_TUNABLES=glibc.malloc.arena_max=1"]),
        ("MALLOC_CHECK_", "3", ["MALLOC_CHECK_=3"]),
        ("MALLOC_CHECK_", "", []),
        ("PATH", "/usr/bin", []),
    ],
)
def test_settings_of_the_allocator_lose_directories(name, value, kept):
    assert environment.settings({name: value}) == kept


def test_private_facts_lack_the_hosts_name_alone(tmp_path):
    facts = environment.facts(tmp_path)
    assert environment.facts(tmp_path, private=True) == {**facts, "host": None}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/Users/jane/a/b.py:3", "~/a/b.py:3"),
        ("/Users/jane", "~"),
        ("/Users/janet/x", "/Users/janet/x"),
        ("/scratch/jane/x and jane", "/scratch/~/x and jane"),
        (r"D:\\data\\jane\\x", r"D:\\data\\~\\x"),
    ],
)
def test_paths_lose_the_users_name(monkeypatch, text, left):
    monkeypatch.setenv("HOME", "/Users/jane")
    assert environment.without_names({"a": [text, 1, None]}) == {"a": [left, 1, None]}


def test_a_path_is_shown_from_where_one_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/Users/jane")
    assert environment.shown(str(tmp_path / "a" / "b.py")) == str(Path("a", "b.py"))
    assert environment.shown("/Users/jane/c.py") == "~/c.py"


def test_packages_are_those_that_importlib_finds():
    known = {
        re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower(): found.version
        for found in importlib.metadata.distributions()
        if str(getattr(found, "_path", "")).endswith(".dist-info")
    }
    found = environment.packages(sys.path)
    assert found.keys() == known.keys()
    assert found["psutil"] == importlib.metadata.version("psutil")


def test_the_first_directory_of_the_path_wins_and_names_are_normalised(tmp_path):
    for place, version in (("a", "2.0"), ("b", "1.0")):
        (tmp_path / place / f"Some_Thing.x-{version}.dist-info").mkdir(parents=True)
    path = [str(tmp_path / "absent"), str(tmp_path / "a"), str(tmp_path / "b")]
    assert environment.packages(path) == {"some-thing-x": "2.0"}


def test_a_clean_repository_becomes_dirty_by_a_changed_file_not_by_a_new_one(repository):
    assert len(environment.git_commit(repository)) == 40
    assert environment.git_dirty(repository) is False
    (repository / "results.txt").write_text("new\n")
    assert environment.git_dirty(repository) is False
    (repository / "code.py").write_text("2\n")
    assert environment.git_dirty(repository) is True


def test_a_changed_file_whose_name_is_no_utf8_makes_a_repository_dirty(repository):
    name = os.fsencode(repository) + b"/caf\xe9.py"
    for text in (b"1", b"2"):
        with open(name, "wb") as file:
            file.write(text)
        if text == b"1":
            git(repository, "add", name)
            git(repository, "commit", "-q", "-m", "second")
    git(repository, "config", "core.quotepath", "false")
    assert environment.git_dirty(repository) is True


def test_a_hooks_variables_do_not_name_another_repository(repository, monkeypatch):
    commit = environment.git_commit(repository)
    monkeypatch.setenv("GIT_DIR", str(repository / "elsewhere"))
    assert environment.git_commit(repository) == commit


def test_outside_a_repository_the_commit_is_null(tmp_path):
    facts = environment.facts(tmp_path)
    assert facts["git_commit"] is None
    assert facts["git_dirty"] is None


def test_without_git_the_commit_is_null(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert environment.git_commit(repository) is None


@pytest.mark.parametrize(
    ("text", "model"),
    [
        pytest.param(CPUINFO, "AMD EPYC 9R45", id="x86"),
        pytest.param("processor\t: 0\nBogoMIPS\t: 50.00\n", None, id="arm"),
        pytest.param(None, None, id="no-file"),
    ],
)
def test_the_model_of_the_cpu(text, model):
    assert environment.cpu_model(text) == model


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param({"PYTHONMALLOC": ""}, "pymalloc", id="empty"),
        pytest.param({"PYTHONMALLOC": "default"}, "pymalloc", id="default"),
        pytest.param({"PYTHONMALLOC": "malloc"}, "malloc", id="malloc"),
        pytest.param({"PYTHONMALLOC": "debug"}, "debug", id="debug"),
        pytest.param({"PYTHONMALLOC": "", "PYTHONDEVMODE": "1"}, "pymalloc_debug", id="devmode"),
    ],
)
def test_the_allocator_is_the_one_in_use(variables, expected):
    if "t" in sys.abiflags and expected == "pymalloc":
        pytest.skip("the free-threaded build has no pymalloc")
    code = "import json; from probes.environment import allocator; print(json.dumps(allocator()))"
    assert in_child(code, **variables) == expected


def test_gathering_facts_imports_nothing_large():
    code = (
        "import sys, json; from pathlib import Path; from probes import environment;"
        "environment.facts(Path('.')); print(json.dumps(sorted(sys.modules)))"
    )
    large = {"platform", "sysconfig", "importlib.metadata", "email", "numpy", "hydra", "duckdb", "pyarrow"}
    start = set(in_child("import sys, json; print(json.dumps(sorted(sys.modules)))"))
    assert not (large - start) & set(in_child(code))


def test_the_root_may_lie_inside_a_repository(repository):
    inside = repository / "package"
    inside.mkdir()
    assert environment.git_commit(Path(inside)) == environment.git_commit(repository)
