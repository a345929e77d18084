"""What a run's clock shows by phases of its progress, and at times that somebody names."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from stats.kernels import rates
from stats.kernels.rates import Estimate
from stats.progress import Series

HOUR = 3600.0
PHASES = ("early", "middle", "late")


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """A time on the clock, and what the expected duration makes of it; excess and rates in shares of 1."""

    elapsed_s: float
    reached_at: float | None
    excess: float | None
    per_expected_h: float | None
    per_elapsed_h: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A third of the run's progress: seconds on the clock per hour (or cycle) of progress."""

    phase: str
    first: float
    last: float
    n: int
    rate: Estimate
    excess_per_elapsed_h: float | None


def solid(series: Series) -> Series:
    """Return a series without the readings that quote an older one: their times make no rate."""
    kept = [i for i, quoted in enumerate(series.quoted) if not quoted]
    return replace(
        series,
        x=[series.x[i] for i in kept],
        y=[series.y[i] for i in kept],
        number=[series.number[i] for i in kept],
        quoted=[False] * len(kept),
    )


def thirds(series: Series, expected_s: float | None) -> list[Phase]:
    """Return the rate in each third of the progress, from the last point before it on."""
    x, y, number = series.x, series.y, series.number
    found = []
    for k, name in enumerate(PHASES):
        low, high = (x[0] + (x[-1] - x[0]) * part / 3 for part in (k, k + 1))
        # The end of the last third is the last point, whatever rounding makes of it.
        first, last = bisect_right(x, low) if k else 0, len(x) if k == 2 else bisect_right(x, high)
        own = slice(max(first - 1, 0), last)
        rate = rates.rate(x[own], y[own])
        before = number[first - 1] if first else 0
        n = number[last - 1] - before if last else 0
        # An hour of wall time is an hour whatever the run does; only of CPU time a process can use more or less in one.
        timed = series.progress == "wall_s" and rate.value is not None
        hourly = (rate.value or 0) * HOUR / expected_s if timed and expected_s else None
        found.append(Phase(phase=name, first=low, last=high, n=n, rate=rate, excess_per_elapsed_h=hourly))
    return found


def milestone(at: float, series: Series, expected_s: float | None) -> Milestone:
    """Return what a time on the clock makes of the expected duration, and where the run reached it."""
    above = excess(at, expected_s)
    return Milestone(
        elapsed_s=at,
        reached_at=_reached(at, series.x, series.y),
        excess=above,
        per_expected_h=None if above is None or not expected_s else above / (expected_s / HOUR),
        per_elapsed_h=None if above is None else above / (at / HOUR),
    )


def _reached(at: float, x: Sequence[float], y: Sequence[float]) -> float | None:
    index = next((i for i, value in enumerate(y) if value >= at), None)
    if index is None:
        return None
    x0, y0 = (x[index - 1], y[index - 1]) if index else (0.0, 0.0)
    return x0 + (x[index] - x0) * (at - y0) / (y[index] - y0) if y[index] > y0 else x[index]


def excess(elapsed_s: float, expected_s: float | None) -> float | None:
    """Return the share of the expected duration by which a time lies above it."""
    return None if expected_s is None else elapsed_s / expected_s - 1
