"""Does looking at a run change it?  The slowest cycles with and without a reader of the live spool beside a publisher.

The loop has a CPU of its own and those who disturb it have the others: what is measured is what they share.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.document import ROOT, Goal, Measured, Result, Skipped, compared
from benchmarks.measuring import interleaved
from benchmarks.peers.own_rows import RUN_ID, driftlab
from benchmarks.peers.steady import CPU
from benchmarks.peers.trackers import timed
from store import open_catalog

WITHIN: Final = 1.05
SLOWEST: Final = """
-- one row: the time that one cycle in a thousand exceeds, with and without waiting for a CPU [ms]
select quantile_cont(wall_ns, 0.999) / 1e6 as wall, quantile_cont(wall_ns - runq_ns, 0.999) / 1e6 as running
from cycles
"""

READER: Final = """
import os, sys
os.sched_setaffinity(0, set(map(int, sys.argv[2].split(","))))  # before anything starts threads
from store import open_catalog
while True:
    with open_catalog(sys.argv[1], live=True) as catalog:
        catalog.query("select count(*), avg(wall_ns) from cycles")
"""
PUBLISHER: Final = """
import os, shutil, sys
os.sched_setaffinity(0, set(map(int, sys.argv[2].split(","))))
from pathlib import Path
from store import adopt
kept, store = Path(sys.argv[3]), Path(sys.argv[1] + "-other")
while True:
    shutil.rmtree(store, ignore_errors=True)
    spool = store / "spool" / sys.argv[4]
    shutil.copytree(kept, spool)
    adopt(spool, own=True)
"""


def measure(*, quick: bool, seed: int) -> Measured:
    """Measure everything that can be measured here."""
    others = sorted(getattr(os, "sched_getaffinity", lambda _: set())(0) - {CPU})
    if not others:
        return Measured([], [Skipped("perturb", "it needs a second CPU to disturb from, on Linux")])
    cycles = 2_000 if quick else 6_000
    running: dict[str, list[float]] = {"alone": [], "watched": []}

    def block(name: str) -> float:
        slowest = _slowest_ms(cycles, Path(scratch) / name, kept if name == "watched" else None, others)
        running[name].append(slowest["running"])
        return slowest["wall"]

    with tempfile.TemporaryDirectory(prefix="perturb-") as scratch:
        kept = _spool(Path(scratch))
        blocks: dict[str, Callable[[], float]] = {name: partial(block, name) for name in running}
        walls = interleaved(blocks, 5 if quick else 25, seed=seed)
    return Measured([*_results("p999", walls, seed), *_results("p999_without_run_queue", running, seed)], [])


def _results(name: str, found: Mapping[str, Sequence[float]], seed: int) -> Iterator[Result]:
    watched, alone = (("watched", found["watched"]), ("alone", found["alone"]))
    goal = Goal("<=", WITHIN)
    yield compared(f"{name}_watched_over_alone", watched, alone, unit="ms", goal=goal, seed=seed)


def _spool(scratch: Path) -> Path:
    """Return the spool of a run of 100,000 rows that has ended."""
    driftlab(scratch / "kept", timed(100_000))
    return scratch / "kept" / "spool" / RUN_ID


def _slowest_ms(cycles: int, store: Path, kept: Path | None, others: list[int]) -> dict[str, float]:
    """Return the times that one cycle in a thousand exceeds."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-P", "-m", "benchmarks.peers.steady", str(cycles), str(store)]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is not None:
            process.stdout.readline()
        with _disturbed(store, kept, others) if kept else nullcontext():
            process.wait()
    if process.returncode:
        raise ChildProcessError(f"the loop ended with status {process.returncode}; see its message above")
    with open_catalog(store) as catalog:
        slowest: dict[str, float] = catalog.query(SLOWEST)[0]
    shutil.rmtree(store)
    return slowest


@contextmanager
def _disturbed(store: Path, kept: Path, others: list[int]) -> Iterator[None]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    cpus = ",".join(map(str, others))
    programs = (READER, PUBLISHER)
    processes = [
        subprocess.Popen(
            [sys.executable, "-P", "-c", program, str(store), cpus, str(kept), RUN_ID], env=environment
        )
        for program in programs
    ]
    try:
        yield
        if any(process.poll() is not None for process in processes):
            raise ChildProcessError(
                "the reader or the publisher ended before the loop did; see its message above"
            )
    finally:
        for process in processes:
            process.kill()
            process.wait()
