"""Does looking at a run change it?  The slowest cycles with and without a reader of the live spool beside a publisher.

The loop has a CPU of its own and those who disturb it have the others: what is measured is what they share.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.document import ROOT, Goal, Measured, Skipped, compared, valued
from benchmarks.measuring import interleaved
from benchmarks.peers.own_rows import RUN_ID, driftlab
from benchmarks.peers.steady import CPU
from benchmarks.peers.trackers import timed
from store import open_catalog

WITHIN: Final = 1.05
SLOWEST: Final = "select quantile_cont(wall_ns, 0.999) / 1e6 as p999 from cycles"

READER: Final = """
import os, sys
from store import open_catalog
os.sched_setaffinity(0, set(map(int, sys.argv[2].split(","))))
while True:
    with open_catalog(sys.argv[1], live=True) as catalog:
        catalog.query("select count(*), avg(wall_ns) from cycles")
"""
PUBLISHER: Final = """
import os, shutil, sys
from pathlib import Path
from store import adopt
os.sched_setaffinity(0, set(map(int, sys.argv[2].split(","))))
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
    with tempfile.TemporaryDirectory(prefix="perturb-") as scratch:
        kept = _spool(Path(scratch))
        blocks: dict[str, Callable[[], float]] = {
            "alone": partial(_slowest_ms, cycles, Path(scratch) / "alone", None, []),
            "watched": partial(_slowest_ms, cycles, Path(scratch) / "watched", kept, others),
        }
        found = interleaved(blocks, 5 if quick else 25, seed=seed)
    pair = ("watched", found["watched"]), ("alone", found["alone"])
    return Measured(
        [
            compared("p999_watched_over_alone", *pair, unit="ms", goal=Goal("<=", WITHIN), seed=seed),
            *(
                valued(f"p999_{name}", (name, values), unit="ms", reason="cycles of 1 ms", seed=seed)
                for name, values in pair
            ),
        ],
        [],
    )


def _spool(scratch: Path) -> Path:
    """Return the spool of a run of 100,000 rows that has ended."""
    driftlab(scratch / "kept", timed(100_000))
    return scratch / "kept" / "spool" / RUN_ID


def _slowest_ms(cycles: int, store: Path, kept: Path | None, others: list[int]) -> float:
    """Return the time that one cycle in a thousand exceeds."""
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
        slowest = float(catalog.query(SLOWEST)[0]["p999"])
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
