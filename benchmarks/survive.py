"""Runs killed at random moments: the measured process, its parent, or both; then the rows are counted.

A row must be there if its append had returned.  A run whose parent alone was killed goes on to its end.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.document import ROOT, Goal, Measured, counted
from benchmarks.peers.counting import COUNT
from probes import ownership
from store import open_catalog
from store.upkeep import maintenance

VICTIMS: Final = ("child", "parent", "both")
CYCLES: Final = 20_000
PATIENCE_S: Final = 60.0


def measure(*, quick: bool, seed: int) -> Measured:
    """Kill a hundred runs, or nine."""
    draw = random.Random(seed)  # noqa: S311 (no secret)
    lost: Counter[str] = Counter()
    logged: Counter[str] = Counter()
    kills = Counter(VICTIMS[k % 3] for k in range(9 if quick else 100))
    with tempfile.TemporaryDirectory(prefix="survive-") as scratch:
        for k, victim in enumerate(kills.elements()):
            returned, found = _killed(victim, Path(scratch) / str(k), draw.uniform(0, 0.7))
            logged[victim] += returned
            lost[victim] += max(0, returned - found)
    results = [
        counted(
            f"rows_lost_{victim}",
            victim,
            lost[victim],
            of=f"{logged[victim]} rows whose append had returned, {kills[victim]} kills",
            goal=Goal("<=", 0),
        )
        for victim in VICTIMS
    ]
    return Measured(results, [])


def _killed(victim: str, scratch: Path, after_s: float) -> tuple[int, int]:
    """Start a run, kill what is to be killed, publish; return the rows appended and the rows found."""
    store, counter = scratch / "store", scratch / "count"
    scratch.mkdir()
    with subprocess.Popen(
        _command(store, counter), cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as parent:
        _until(lambda: _count(counter) > 0, parent)
        time.sleep(after_s)
        (spool,) = (store / "spool").iterdir()
        child = int((spool / "owner.pid").read_text().split()[0])
        # The child first: a parent that is still there adopts it at once.
        for pid in {"child": [child], "parent": [parent.pid], "both": [parent.pid, child]}[victim]:
            os.kill(pid, signal.SIGKILL)
    returned = _count(counter)
    _until(lambda: not spool.exists() or ownership.state(spool) != "running", None)
    maintenance.refresh(store)
    with open_catalog(store) as catalog:
        (row,) = catalog.query(
            "select count(*) as n, any_value(status) as status from cycles join runs using (run_id)"
        )
    if victim == "parent" and (row["n"], row["status"]) != (CYCLES, "completed"):
        raise ChildProcessError(f"a run whose parent was killed ended as {json.dumps(row)}")
    return (CYCLES if victim == "parent" else returned), int(row["n"])


def _command(store: Path, counter: Path) -> list[str]:
    return [
        *(sys.executable, str(ROOT / "run.py"), "name=survive", "workload=callable"),
        *("workload.target=benchmarks.peers.counting:make", f"+workload.options.counter={counter}"),
        *(f"cycles={CYCLES}", f"store.root={store}", "progress=false", "conditions=[all]"),
    ]


def _until(true: Callable[[], bool], process: subprocess.Popen[bytes] | None) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        ended = process is not None and process.poll() is not None
        if ended or time.monotonic() > deadline:
            raise ChildProcessError("the run ended before it could be killed" if ended else "nothing happens")
        time.sleep(0.005)


def _count(counter: Path) -> int:
    content = counter.read_bytes() if counter.exists() else b""
    return int(COUNT.unpack(content)[0]) if len(content) == COUNT.size else 0
