"""What logs rows, each in a process of its own: our spool, the raw floor, and the trackers in ``.venv-bench``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.document import ROOT
from benchmarks.serving import PEERS_PYTHON


class Tool(NamedTuple):
    """What logs rows; those that take milliseconds for one log fewer of them."""

    name: str
    module: str
    python: Path
    cycles: int
    imported: str


OWN: Final = Tool("driftlab", "benchmarks.peers.own_rows", Path(sys.executable), 12_000, "json")
FLOOR: Final = Tool("floor", "benchmarks.peers.own_rows", Path(sys.executable), 12_000, "pyarrow")
TRACKERS: Final = tuple(
    Tool(name, "benchmarks.peers.trackers", PEERS_PYTHON, cycles, imported)
    for name, cycles, imported in (
        ("sacred", 12_000, "sacred"),
        ("tensorboard", 3_000, "tensorboardX"),
        ("aim", 1_000, "aim"),
        ("mlflow", 1_000, "mlflow"),
        ("dvclive", 300, "dvclive"),
    )
)


def asked(tool: Tool, directory: Path, request: str) -> float:
    """Run the tool to its end; return the number it prints last."""
    done = subprocess.run(
        [*command(tool, directory), request],
        cwd=directory.parent,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise ChildProcessError(f"{tool.name} {request} ended with status {done.returncode}: {last}")
    return float(json.loads(done.stdout.splitlines()[-1]))


def command(tool: Tool, directory: Path) -> list[str]:
    """Return the command line that lets the tool log without end into a directory."""
    return [str(tool.python), "-P", "-m", tool.module, tool.name, str(directory)]


def environment() -> dict[str, str]:
    """Return what its process is given: our modules, and no warnings of others."""
    return os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}


def absent(tool: Tool) -> str | None:
    """Return why a tool cannot be measured here, and what to do, or ``None``."""
    if not tool.python.exists():
        return f"{tool.name} is not installed in .venv-bench; run make bench"
    tried = subprocess.run([tool.python, "-c", f"import {tool.imported}"], capture_output=True, check=False)
    return None if tried.returncode == 0 else f"{tool.name} cannot be imported in .venv-bench; run make bench"
