"""The cells of a factorial of N factors, and the contrasts between them: main effects, interactions, synergy."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, combinations, product

from stats.kernels import two_sample
from stats.kernels.contrast import contrast
from stats.kernels.two_sample import Group, Interval

CELL = re.compile(r"(ON|OFF)(-(ON|OFF))*")

Weights = Mapping[str, int]
Outcomes = Mapping[str, Mapping[str, float]]
"""Run → cell → outcome."""


def names(n: int) -> Iterator[str]:
    """Yield the 2^n cells of ``n`` factors, the first factor varying fastest: OFF-OFF, ON-OFF, OFF-ON, ON-ON."""
    for flags in product(("OFF", "ON"), repeat=n):
        yield "-".join(reversed(flags))


def cell(n: int, on: Sequence[int]) -> str:
    """Return the cell of ``n`` factors in which those at the places ``on`` are on, and no others."""
    return "-".join("ON" if place in on else "OFF" for place in range(n))


def contrasts(factors: Sequence[str]) -> dict[str, Weights]:
    """Return the weights of each effect's cells: main effects first, then interactions, order by order.

    The effect of k factors is the alternating sum over the 2^k cells in which all others are off: what they do
    together beyond what fewer of them do.
    """
    n = len(factors)
    orders = (combinations(range(n), k) for k in range(1, n + 1))
    return {
        "×".join(factors[place] for place in of): {
            cell(n, on): (-1) ** (len(of) - len(on))
            for on in chain.from_iterable(combinations(of, k) for k in range(len(of) + 1))
        }
        for of in chain.from_iterable(orders)
    }


def beyond(n: int) -> Weights:
    """Return the weights of synergy: all factors on, less the base and every main effect."""
    singles = {cell(n, [place]): -1 for place in range(n)}
    return {cell(n, range(n)): 1, **singles, cell(n, []): n - 1}


def value(weights: Weights, means: Mapping[str, float]) -> float:
    """Return a contrast of the cells' means; equal terms of opposite sign leave no rounding behind."""
    return math.fsum(weight * means[name] for name, weight in weights.items())


def interval(weights: Weights, runs: Outcomes) -> Interval | None:
    """Return a contrast with its 95 % interval over runs; without bounds where there are no replicates.

    Where every run holds all cells, each gives the contrast once (the runs' levels cancel); where every run holds
    one cell, the cells are independent groups.  None where runs hold parts of the factorial: neither is true.
    """
    if all(weights.keys() <= outcomes.keys() for outcomes in runs.values()):
        return two_sample.mean_interval(_group([value(weights, outcomes) for outcomes in runs.values()]))
    if any(len(outcomes) != 1 for outcomes in runs.values()):
        return None
    found: dict[str, list[float]] = {name: [] for name in weights}
    for name, outcome in chain.from_iterable(outcomes.items() for outcomes in runs.values()):
        found.setdefault(name, []).append(outcome)
    return contrast([(weight, _group(found[name])) for name, weight in weights.items()])


def _group(values: Sequence[float]) -> Group:
    mean = statistics.fmean(values)
    return Group(len(values), mean, statistics.variance(values, mean) if len(values) > 1 else None)
