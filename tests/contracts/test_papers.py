"""What the page for readers of the papers shows is accepted, and works as it stands there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import conf
from stats import __main__ as stats_main
from stats.hypotheses import known, variants
from store.commands import parsing
from store.selection import subcommand_first

ROOT = Path(__file__).resolve().parents[2]
PAPERS = (ROOT / "docs" / "papers.md").read_text()
BLOCKS = re.findall(r"^```bash\n(.*?)^```", PAPERS, flags=re.MULTILINE | re.DOTALL)
LINES = [line for block in BLOCKS for line in block.splitlines() if line.startswith("python ")]
SMALLEST = "cycles=4 workload.max_agents=4 blocking_interval_s=0 progress=false"
RECORDED = "recorded/"


def lines(beginning):
    return [line.removeprefix(beginning) for line in LINES if line.startswith(beginning)]


@pytest.mark.slow
@pytest.mark.parametrize("line", lines("python run.py "))
def test_every_experiment_of_the_page_composes(line, capsys):
    """One replicate of each: replicates differ in their number alone, and each takes 0.06 s to compose."""
    once = [] if "replicate" in line else ["replicate=0"]
    assert conf.main([*shlex.split(line), *once, "--cfg", "job"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    ("parser", "valued", "line"),
    [
        *((parsing.parser, parsing.VALUED, line) for line in lines("python -m store ")),
        *((stats_main._parser, stats_main.OPTIONS, line) for line in lines("python -m stats ")),
    ],
)
def test_every_command_of_the_page_is_accepted(parser, valued, line):
    assert parser().parse_args(subcommand_first(shlex.split(line), valued)).command


def test_every_experiment_of_the_study_is_on_the_page():
    for path in (ROOT / "conf" / "experiment").glob("*.yaml"):
        if path.stem not in {"demo", "smoke"}:
            assert re.search(rf"\b{path.stem}\b", PAPERS), path.stem


def test_every_version_of_the_tests_and_every_expectation_is_on_the_page():
    assert all(f"`{name}`" in PAPERS for name in variants())
    for name, hypothesis in known().items():
        assert re.search(rf"`{name}` \| {hypothesis.EXPECTED} \|", PAPERS), name


def test_the_page_names_no_command_that_does_not_exist():
    named = set(re.findall(r"`(?:python -m )?(store|stats) (\w+)", PAPERS))
    for module, command in named:
        parser = {"store": parsing.parser, "stats": stats_main._parser}[module]()
        assert re.search(rf"^ +{command}\b", parser.format_help(), re.MULTILINE), (module, command)


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """Run a block in a shell, in one directory for the whole page, with runs of the smallest size."""
    here = tmp_path_factory.mktemp("papers")
    (here / "run.py").symlink_to(ROOT / "run.py")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def run(block: str) -> subprocess.CompletedProcess[str]:
        small = re.sub(r"^(python run\.py (?!.*phase1a).*)$", rf"\1 {SMALLEST}", block, flags=re.MULTILINE)
        return subprocess.run(
            ["bash", "-e", "-c", small],
            cwd=here,
            env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_block_of_the_page_runs(shell):
    for block in BLOCKS:
        if RECORDED not in block:
            done = shell(block)
            assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_recorded_files_of_the_page_import_and_are_judged(shell, archive):
    assert shell(f"ln -s {shlex.quote(str(archive))} recorded").returncode == 0
    [block] = [block for block in BLOCKS if RECORDED in block]
    done = shell(block)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "-85.684" in done.stdout
    assert "-0.9663" in done.stdout
    assert "34.5 h of CPU time cannot be" in done.stdout
    assert "upwards" in done.stdout
