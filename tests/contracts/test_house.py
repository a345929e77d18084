"""The clone itself: one pinned environment, documented commands, no traces of a machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ALLOWED_TOP = {
    *("conf", "nrm", "probes", "stats", "store", "tests", "workloads", "benchmarks", "docs", "hydra_plugins"),
    *("run.py", "pyproject.toml", "constraints.txt", "requirements.txt", "Makefile", "Dockerfile", "LICENSE"),
    *("README.md", "ARCHITECTURE.md", "CHANGELOG.md", ".gitignore", ".ci", ".github"),
}


def tracked() -> list[str]:
    if shutil.which("git") is None:
        pytest.skip("git is not installed, so there is no list of tracked files")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git clone, so there is no list of tracked files")
    return listed.stdout.split("\n")[:-1]


def test_the_top_level_holds_what_the_architecture_names():
    assert {Path(name).parts[0] for name in tracked()} <= ALLOWED_TOP


def test_requirements_and_constraints_pin_the_same_set():
    pins = (ROOT / "constraints.txt").read_text()
    assert pins == (ROOT / "requirements.txt").read_text()
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[\w.]+", line) for line in pins.splitlines())


def test_run_py_is_short():
    assert len((ROOT / "run.py").read_text().splitlines()) <= 60


def test_no_file_names_a_machine_path_or_a_registry():
    pattern = re.compile(r"/(?:root|home/\w+)/|files\.pythonhosted|pypi\.org")
    for name in tracked():
        path = ROOT / name
        if (
            path.suffix in {".py", ".md", ".yaml", ".yml", ".toml", ".txt", ".sql"}
            and path != Path(__file__).resolve()
        ):
            assert not pattern.search(path.read_text()), name


def test_architecture_stays_readable_in_one_sitting():
    assert len((ROOT / "ARCHITECTURE.md").read_text().splitlines()) <= 150


def test_arrows_point_down():
    linter = ROOT / ".venv/bin/lint-imports"
    if not linter.exists():
        pytest.skip("import-linter is not installed in .venv")
    checked = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    "words", [["run.py", "--help"], ["-m", "store", "ls"], ["-m", "stats", "verdict"]], ids=lambda w: w[-1]
)
def test_a_python_without_the_dependencies_is_told_how_to_get_them(words):
    # -S leaves the directories of installed packages out: what a system's own Python finds there; -E PYTHONPATH.
    typed = [sys.executable, "-S", "-E", "-B", *words]
    told = subprocess.run(typed, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert told.stdout == ""
    assert re.fullmatch(r"\w+ is not installed for .*; run `make setup`, then .*activate`\n", told.stderr)
