"""How much longer a run's cycles take at the end of a condition than at its beginning, by the measure of a timeline."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from stats import accounts, progress, remarks
from stats.kernels import rates, two_sample
from stats.kernels.rates import Estimate
from stats.kernels.two_sample import Group
from stats.progress import Series
from store.catalog import Catalog

CYCLES = """
-- one row per condition of a run, in its order
select run_id, condition_cycles from conditions where condition_cycles > 0 order by run_id, position
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Change of the time a cycle takes over a mean condition, as a share of its mean, on ``clock``.

    The interval is over runs, and of one run over the stretches of its conditions; None is unknown, for ``reason``.
    ``busy`` says why wall time tells nothing, where it does not.
    """

    n_runs: int
    clock: str
    busy: str | None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


def growth(catalog: Catalog, runs: Sequence[str]) -> Growth:
    """Return how much the cycles of runs of one configuration slow as they go on, within conditions.

    Parameters
    ----------
    catalog : Catalog
        An open store.
    runs : sequence of str
        Their ids.

    Returns
    -------
    Growth
        On the wall clock, or on the CPU's where the runs waited so long for one that wall times say little.
        Within conditions: these differ in cost, and their order would pass for a drift.
    """
    busy = next(iter(remarks.waiting(accounts.read(catalog, runs).values())), "").partition(":")[0] or None
    clock = "cpu" if busy else "wall"
    lengths: dict[str, list[int]] = {}
    for row in catalog.query(CYCLES, runs=runs):
        lengths.setdefault(row["run_id"], []).append(row["condition_cycles"])
    series = progress.read(catalog, runs, clock=clock)
    each = [list(_changes(one, lengths.get(run_id, []))) for run_id, one in series.items()]
    return Growth(n_runs=len(each), clock=clock, busy=busy, **_together(each))


def _changes(series: Series, lengths: Sequence[int]) -> Iterator[Estimate]:
    """Yield the change over each condition, or over the whole where none is known, as a share of its mean."""
    edges = [0, *accumulate(lengths)] if lengths else [0, math.inf]
    for first, last in pairwise(edges):
        points = [(x, y) for x, y in zip(series.x, series.y, strict=True) if first < x <= last]
        yield _change([x for x, _ in points], [y for _, y in points])


def _change(x: Sequence[float], y: Sequence[float]) -> Estimate:
    bend = rates.bend(x, y)
    if bend.value is None or bend.low is None or bend.high is None or y[-1] <= y[0]:
        return Estimate(n=bend.n, reason=bend.reason or "the clock did not advance")
    scale = (x[-1] - x[0]) ** 2 / (y[-1] - y[0])
    return Estimate(n=bend.n, value=bend.value * scale, low=bend.low * scale, high=bend.high * scale)


def _together(runs: Sequence[Sequence[Estimate]]) -> Mapping[str, Any]:
    if not runs:
        return {"reason": "no times of cycles were recorded on that clock"}
    unknown = next((one.reason for run in runs for one in run if one.value is None), None)
    if unknown:
        return {"reason": unknown}
    means = [statistics.fmean(one.value or 0.0 for one in run) for run in runs]
    mean = statistics.fmean(means)
    if len(runs) > 1:
        found = two_sample.mean_interval(Group(len(runs), mean, statistics.variance(means, mean)))
        return {"value": mean, "low": found.low, "high": found.high}
    # Conditions of one run stand after each other, so what is uncertain of one is not of the next.
    half = math.hypot(*(((one.high or 0.0) - (one.low or 0.0)) / 2 for one in runs[0])) / len(runs[0])
    return {"value": mean, "low": mean - half, "high": mean + half}
