"""Every block of the guide for users' own code runs as it stands, in its order."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from store import open_catalog

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"```(python|sh)\n(.*?)```", (ROOT / "docs" / "own_code.md").read_text(), re.DOTALL)
EXPECTED = {"ants": 1, "block": 1, "cell": 1, "worker": 1, "long": 2, "colony": 4}


def run(directory: Path, *words: str, **more: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *(str(ROOT / word) if word == "run.py" else word for word in words)]
    done = subprocess.run(
        command,
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        **more,
    )
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


@pytest.mark.slow
def test_every_block_of_the_guide_runs(tmp_path):
    said = {}
    for kind, text in BLOCKS:
        if kind == "python":
            name = text.split("\n", 1)[0].removeprefix("# ")
            (tmp_path / name).write_text(text)
            if name == "cell.py":  # as a notebook has it: no file
                run(tmp_path, input=text)
            elif name not in ("script.py", "test_steady.py", "resume.py", "colony.py"):
                run(tmp_path, name)
        else:
            for line in text.splitlines():
                said[line] = run(tmp_path, *shlex.split(line)[1:])
    with open_catalog(tmp_path / "data") as catalog:
        rows = catalog.runs().to_pylist()
    found = {name: sum(row["experiment"] == name for row in rows) for name in EXPECTED}
    assert found == EXPECTED
    assert {row["status"] for row in rows} == {"completed"}
    (long,) = (out for line, out in said.items() if "'long'" in line)
    assert [line.split() for line in long.splitlines()[-2:]] == [
        ["25", "0", "24", "false"],
        ["15", "25", "39", "true"],
    ]


def test_the_guide_has_an_example_of_each_way():
    named = [text.split("\n", 1)[0] for kind, text in BLOCKS if kind == "python"]
    assert named == [
        f"# {name}.py" for name in ("script", "block", "cell", "test_steady", "worker", "resume", "colony")
    ]
