"""Questions over many short runs before and after ``compact``; the answers are compared too."""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.document import Goal, Measured, Result, compared, valued
from benchmarks.measuring import interleaved
from benchmarks.stores import fill
from store import open_catalog
from store.cache import compacting
from store.upkeep import maintenance

UNIT: Final = "s"
NOT_SLOWER: Final = Goal("<=", 1.1)
QUESTIONS: Final = {
    "total": "select sum(net_ns)::bigint as ns, count(*) as n from cycles",
    "means": "select run_id, avg(net_ns) as mean from cycles group by run_id order by run_id",
    "one_run": "select avg(net_ns) as mean from cycles join runs using (run_id) where seed = 7",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many runs of how many cycles, and how often."""

    runs: Sequence[int]
    cycles: int = 1_000
    rounds: int


QUICK: Final = Plan(runs=(1_000,), rounds=5)
FULL: Final = Plan(runs=(1_000, 10_000), rounds=7)


def measure(*, quick: bool, seed: int) -> Measured:
    """Measure everything."""
    return carried_out(QUICK if quick else FULL, seed=seed)


def carried_out(plan: Plan, *, seed: int) -> Measured:
    """Measure what the plan holds."""
    results: list[Result] = []
    for runs in plan.runs:
        sys.stderr.write(f"compact: {runs} runs x {plan.cycles} cycles\n")
        with tempfile.TemporaryDirectory(prefix="compact-") as place:
            results += _measured(Path(place) / "store", runs, plan, seed=seed)
    return Measured(results, [])


def _measured(root: Path, runs: int, plan: Plan, *, seed: int) -> list[Result]:
    fill(root, runs, plan.cycles, seed=seed)
    maintenance.refresh(root)
    began_s = time.perf_counter()
    compacting.compact(root, _raise)
    took_s = time.perf_counter() - began_s
    said = f"{runs} runs x {plan.cycles} cycles merged, once"
    found = [valued(f"compact_{runs}", ("compact", [took_s]), unit=UNIT, reason=said, seed=seed)]
    for name, question in QUESTIONS.items():
        blocks: dict[str, Callable[[], float]] = {
            "after": partial(_asked, root, question, merged=True),
            "before": partial(_asked, root, question, merged=False),
        }
        if not _same(_answer(root, question, merged=True), _answer(root, question, merged=False)):
            raise ArithmeticError(f"{name} has another answer after compact")
        often = 3 if name == "one_run" else 1  # short, so that noise weighs more
        seconds = interleaved(blocks, often * plan.rounds, seed=seed)
        pair = ("after", seconds["after"]), ("before", seconds["before"])
        found.append(compared(f"{name}_{runs}", *pair, unit=UNIT, goal=NOT_SLOWER, seed=seed))
    return found


def _raise(sentence: str) -> None:
    raise ArithmeticError(sentence)


def _answer(root: Path, question: str, *, merged: bool) -> list[tuple[object, ...]]:
    place, aside = root / compacting.PLACE, root / "aside"
    if not merged:
        place.rename(aside)
    try:
        with open_catalog(root) as catalog, catalog.sql(question) as rows:
            return [tuple(row.values()) for batch in rows for row in batch.to_pylist()]
    finally:
        if not merged:
            aside.rename(place)


def _asked(root: Path, question: str, *, merged: bool) -> float:
    began_s = time.perf_counter()
    _answer(root, question, merged=merged)
    return time.perf_counter() - began_s


def _same(a: Sequence[tuple[object, ...]], b: Sequence[tuple[object, ...]]) -> bool:
    """Compare answers; means may differ in their last digits, since rows come in another order."""

    def equal(x: object, y: object) -> bool:
        return math.isclose(x, y, rel_tol=1e-12) if isinstance(x, float) and isinstance(y, float) else x == y

    return len(a) == len(b) and all(
        equal(x, y) for left, right in zip(a, b, strict=True) for x, y in zip(left, right, strict=True)
    )
