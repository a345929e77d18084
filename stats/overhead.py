"""Overhead of sampling: time in sampling calls over the rest of the run, beside calls x cost of one call."""

from __future__ import annotations

import math
from typing import Any

from stats.kernels import two_sample
from stats.kernels.two_sample import Group, Interval
from stats.totals import Totals


def sides(totals: Totals) -> dict[str, Any]:
    """Return each side's overhead with its interval, and what its calls lead one to expect; None where unrecorded."""
    return {side: _side(totals, side, other) for side, other in (("a", "b"), ("b", "a"))}


def _side(totals: Totals, side: str, other: str) -> dict[str, Any] | None:
    group = totals.group("overhead", side)
    if group is None:
        return None
    measured = _interval(group)._asdict()
    return {**measured, "n": group.n, "predicted": _predicted(totals, side, other)}


def _interval(group: Group) -> Interval:
    """Return the mean with bounds a factor apart, by the delta method on its logarithm: no overhead is below 0."""
    found = two_sample.mean_interval(group)
    if found.high is None or found.value <= 0:
        return found
    factor = math.exp((found.high - found.value) / found.value)
    return Interval(found.value, found.value / factor, found.value * factor)


def _predicted(totals: Totals, side: str, other: str) -> dict[str, Any] | None:
    """Multiply a side's calls, per time without them, by the cost of one call on the other side.

    The study takes one cost for both sides, so a difference from what was measured is a difference of the cost.
    Where the other side took no calls, the cost is the side's own, and nothing is learnt.
    The cost is 1 / (calls per time in calls), so that Fieller's interval of the ratio holds both uncertainties.
    """
    calls = totals.group("calls per rest", side)
    source = other if totals.n("calls per sampling", other) else side
    rate = totals.group("calls per sampling", source)
    if calls is None or rate is None or rate.mean == 0:
        return None
    product = two_sample.fieller(calls, rate)
    return {**product._asdict(), "unit_cost_ns": 1 / rate.mean, "unit_cost_of": source}
