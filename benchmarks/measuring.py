"""Blocks of several programs in turn, and what their ratio may be.

A machine that slows down or speeds up meets all programs alike if their blocks alternate; the bootstrap keeps the
blocks of a round together for that reason.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVEL: Final = 0.95
_RESAMPLES: Final = 4000


class Interval(NamedTuple):
    """An estimate and its bootstrap interval at ``LEVEL``; no interval from a single block."""

    value: float
    low: float | None
    high: float | None


def interleaved(
    blocks: Mapping[str, Callable[[], float]], rounds: int, *, seed: int
) -> dict[str, list[float]]:
    """Run every block once a round, each round in another order; return the values by name, in order of rounds."""
    order = random.Random(seed)  # noqa: S311 (no secret)
    values: dict[str, list[float]] = {name: [] for name in blocks}
    for _ in range(rounds):
        for name in order.sample(sorted(blocks), len(blocks)):
            values[name].append(blocks[name]())
    return values


def ratio(a: Sequence[float], b: Sequence[float], *, seed: int) -> Interval:
    """Return the ratio of the medians of two series whose values come in pairs."""
    pairs = np.array([a, b])
    value = float(np.median(pairs[0]) / np.median(pairs[1]))
    if len(a) < 2:
        return Interval(value, None, None)
    top, bottom = np.median(pairs[:, _resamples(len(a), seed)], axis=2)
    return Interval(value, *_bounds(top / bottom))


def median(values: Sequence[float], *, seed: int) -> Interval:
    """Return the median."""
    series = np.array(values)
    if len(values) < 2:
        return Interval(float(series[0]), None, None)
    return Interval(
        float(np.median(series)), *_bounds(np.median(series[_resamples(len(values), seed)], axis=1))
    )


def scatter(values: Sequence[float]) -> float:
    """Return the median distance from the median, as a share of it: robust against a single slow block."""
    series = np.array(values)
    middle = np.median(series)
    return float(np.median(np.abs(series - middle)) / middle)


def _resamples(n: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, n, (_RESAMPLES, n))


def _bounds(estimates: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(estimates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
