"""The processes that are measured: started fresh, stepped block by block, ended with the measurement."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.document import ROOT
from benchmarks.peers.serving import Case, State

PEERS_PYTHON: Final = ROOT / ".venv-bench" / "bin" / "python"


class Engine(NamedTuple):
    """A program that follows the rules, and the interpreter that it runs in."""

    name: str
    python: Path
    arguments: Sequence[str]


OBJECTS = Engine("objects", Path(sys.executable), ("benchmarks.peers.own_model", "objects"))
NUMPY = Engine("numpy", Path(sys.executable), ("benchmarks.peers.own_model", "numpy"))
MESA = Engine("mesa", PEERS_PYTHON, ("benchmarks.peers.mesa_model",))


class Server:
    """A model in a process of its own."""

    def __init__(self, engine: Engine, process: subprocess.Popen[str]) -> None:
        self._engine = engine
        self._process = process

    def ask(self, line: str) -> None:
        """Send a line."""
        if self._process.stdin is not None:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def run(self, cycles: int) -> tuple[float, State]:
        """Do so many cycles; return their CPU seconds and the state after them."""
        self.ask(str(cycles))
        answer = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not answer:
            raise ChildProcessError(
                f"{' '.join(self._engine.arguments)} ended with status {self._process.wait()}; its message is above"
            )
        elapsed_ns, state = json.loads(answer)
        return elapsed_ns / 1e9, State(*state)

    def rate(self, cycles: int) -> float:
        """Do so many cycles; return how many a CPU second holds."""
        return cycles / self.run(cycles)[0]


@contextmanager
def served(engine: Engine, case: Case) -> Iterator[Server]:
    """Start a model for the time of the block."""
    command = [str(engine.python), "-P", "-m", *engine.arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        server = Server(engine, process)
        try:
            server.ask(json.dumps(case))
            yield server
        finally:
            process.kill()


def missing(engine: Engine) -> str | None:
    """Return why the engine cannot be measured here, and what to do, or ``None``."""
    if engine.python == Path(sys.executable):
        return None
    if not engine.python.exists():
        return f"{engine.name} is not installed in .venv-bench; run make bench"
    tried = subprocess.run([engine.python, "-c", f"import {engine.name}"], capture_output=True, check=False)
    return (
        None if tried.returncode == 0 else f"{engine.name} cannot be imported in .venv-bench; run make bench"
    )
