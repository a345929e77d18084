"""Open and refresh a store of many runs, beside one bare ``os.scandir`` with ``stat`` over the same directories."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

from benchmarks.document import Goal, Measured, Result, compared, valued
from benchmarks.measuring import interleaved
from benchmarks.stores import fill
from store import open_catalog
from store.upkeep import maintenance

UNIT: Final = "s"
CYCLES: Final = 50
NOTHING_NEW: Final = Goal("<=", 3.0)
ONE_MORE: Final = Goal("<=", 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many runs a store has, and how often each thing is done."""

    runs: Sequence[int]
    rounds: int


QUICK: Final = Plan(runs=(100, 1_000), rounds=11)
FULL: Final = Plan(runs=(100, 1_000, 10_000), rounds=21)


def measure(*, quick: bool, seed: int) -> Measured:
    """Measure everything."""
    return carried_out(QUICK if quick else FULL, seed=seed)


def carried_out(plan: Plan, *, seed: int) -> Measured:
    """Measure what the plan holds."""
    results: list[Result] = []
    for runs in plan.runs:
        sys.stderr.write(f"fleet: {runs} runs\n")
        with tempfile.TemporaryDirectory(prefix="fleet-") as place:
            results += _measured(Path(place) / "store", runs, plan, seed=seed)
    return Measured(results, [])


def _measured(root: Path, runs: int, plan: Plan, *, seed: int) -> list[Result]:
    fill(root, runs, CYCLES, seed=seed)
    first_s = _timed(partial(maintenance.refresh, root))
    time.sleep(1.1)  # what changed within the last second is not kept
    number = count(runs)

    def one_more(work: Callable[[], object]) -> float:
        fill(root, 1, CYCLES, seed=seed, first=next(number))
        return _timed(work)

    does = {"open": lambda: open_catalog(root).close(), "refresh": lambda: maintenance.refresh(root)}
    # Blocks alternate between both kinds of state: a refresh without a new run has one before it that took it in.
    blocks: dict[str, Callable[[], float]] = {"bare": lambda: _timed(partial(_bare, root))}
    for name, work in does.items():
        blocks[f"{name}_nothing_new"] = partial(_nothing_new, root, work)
        blocks[f"{name}_one_more"] = partial(one_more, work)
    seconds = interleaved(blocks, plan.rounds, seed=seed)
    bare = ("bare", seconds["bare"])
    found = [
        compared(
            f"{name}_{runs}",
            (name, seconds[name]),
            bare,
            unit=UNIT,
            goal=ONE_MORE if name.endswith("one_more") else NOTHING_NEW,
            seed=seed,
        )
        for name in blocks
        if name != "bare"
    ]
    said = f"no cache before; {runs} run.json read"
    return [
        *found,
        valued(f"refresh_first_{runs}", ("refresh", [first_s]), unit=UNIT, reason=said, seed=seed),
    ]


def _timed(work: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


def _nothing_new(root: Path, work: Callable[[], object]) -> float:
    maintenance.refresh(root)
    return _timed(work)


def _bare(root: Path) -> list[os.stat_result]:
    with os.scandir(root / "runs") as entries:
        return [entry.stat() for entry in entries]
