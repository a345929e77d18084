"""Does a cycle's time add up?  Loops whose off-CPU time is known, recorded as a user would, alone and beside hogs.

The share unexplained is the off-CPU time that is recorded and not known, over the wall time of all cycles.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.document import ROOT, Goal, Measured, Result, Skipped, valued
from benchmarks.measuring import interleaved
from benchmarks.peers.victims import CPU
from store import open_catalog

UNEXPLAINED: Final = 0.005
OFF_FAIR_SHARE: Final = 0.02
HOG: Final = f"import os\nos.sched_setaffinity(0, {{{CPU}}})\nwhile True: pass"

TOTALS: Final = """
-- one row: sums over the windows of a run, which hold all of its cycles [ns]
select
    sum(wall_ns) as wall, sum(cpu_ns) as cpu, sum(runq_ns) as runq, sum(offcpu_ns) as offcpu,
    (select sum(blocked_ns) from cycles) as blocked
from windows
"""


class Case(NamedTuple):
    """A loop, and how many processes compete with it for its CPU."""

    name: str
    victim: str
    hogs: int = 0


CASES: Final = (
    Case("compute", "compute"),
    *(Case(f"compute_{hogs}_hogs", "compute", hogs) for hogs in (1, 2, 4)),
    Case("sleep", "sleep"),
    Case("sleep_2_hogs", "sleep", 2),
    Case("fsync", "fsync"),
    Case("faults", "faults"),
    Case("garbage", "garbage"),
)


def measure(*, quick: bool, seed: int) -> Measured:
    """Measure everything that can be measured here."""
    if not hasattr(os, "sched_setaffinity"):
        return Measured(
            [], [Skipped("closure", "this system cannot pin a process to a CPU; run it on Linux")]
        )
    shares: dict[str, list[float]] = {case.name: [] for case in CASES}

    def block(case: Case) -> float:
        totals = _recorded(case, 200 if quick else 1000)
        shares[case.name].append(totals["cpu"] / totals["wall"])
        return abs(totals["offcpu"] - totals["blocked"]) / totals["wall"]

    blocks: dict[str, Callable[[], float]] = {case.name: partial(block, case) for case in CASES}
    found = interleaved(blocks, 3 if quick else 9, seed=seed)
    return Measured(list(_results(found, shares, seed)), [])


def _results(found: dict[str, list[float]], shares: dict[str, list[float]], seed: int) -> Iterator[Result]:
    for case in CASES:
        yield valued(
            f"unexplained_{case.name}",
            (case.name, found[case.name]),
            unit="share of wall",
            reason="off-CPU time that the loop cannot account for",
            goal=Goal("<=", UNEXPLAINED),
            seed=seed,
        )
    for case in CASES:
        if case.victim == "compute":
            fair = 1 / (1 + case.hogs)
            yield valued(
                f"off_fair_share_{case.hogs}_hogs",
                (case.name, [abs(share - fair) for share in shares[case.name]]),
                unit="share of wall",
                reason=f"CPU share beside {case.hogs} hogs, away from {fair:.0%}",
                goal=Goal("<=", OFF_FAIR_SHARE) if case.hogs else None,
                seed=seed,
            )


def _recorded(case: Case, cycles: int) -> dict[str, float]:
    with ExitStack() as stack:
        # A disk that is memory would never wait.
        store = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="closure-", dir=ROOT)))
        stack.enter_context(_hogs(case.hogs))
        command = [
            sys.executable,
            "-P",
            "-m",
            "benchmarks.peers.victims",
            case.victim,
            str(cycles),
            str(store),
        ]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command, cwd=store, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ChildProcessError(
                f"{case.victim} ended with status {done.returncode}: {done.stderr[-300:]}"
            )
        with open_catalog(store) as catalog:
            return catalog.query(TOTALS)[0]


@contextmanager
def _hogs(count: int) -> Iterator[None]:
    processes = [subprocess.Popen([sys.executable, "-c", HOG]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
