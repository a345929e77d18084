"""Elimination by intervention: what the excess should do, if a hypothesis were its cause, once sampling is cut.

Two things are observed.  *Removed* is the share of A's excess, or of its run time where no expected durations are
given, that B is without; the *slow-down left* is how much B's cycles slow within one condition, relative to their
mean.  The rule reads 95 % intervals over runs, never values alone:

- H2: SUPPORTED if more than half is removed, ELIMINATED if less than a tenth.
- H3: SUPPORTED if more than nine tenths are removed (the study's bound), ELIMINATED if less.
- H5: SUPPORTED if more than a tenth is removed and a slow-down above 5 % is left, ELIMINATED if less is left.
- H1, H4: SUPPORTED if the change stays within a tenth, ELIMINATED if more than a tenth is removed.

"More" and "less" mean that the whole interval lies there; where it lies elsewhere, where sampling was not cut to
half, or where something was not recorded, a hypothesis is UNDECIDED.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from stats.kernels import linear, two_sample
from stats.kernels.two_sample import Group
from stats.quantity import Quantity
from store.catalog import Catalog

Outcome = Literal["SUPPORTED", "ELIMINATED", "UNDECIDED"]

UNCHANGED, STRONG, GONE = 0.10, 0.50, 0.90
CUT = 0.5
"""Share of A's sampling calls that B must be without: less is no intervention."""
FLAT = 0.05
"""Slow-down over a condition that counts as none; the study calls an excess below it gone."""

CAVEAT = (
    "elimination judges run times (the excess needs --expected-a-s, --expected-b-s): calls that are cut take their "
    "own time along, whether or not they had grown slower"
)

NO_SENSOR = "no sensor of heat was read: this is of run times alone, and h4's own test is UNTESTABLE"

Bounds = tuple[float, float] | None

CYCLES = """
-- one row per cycle: (grp = run_id/condition, x = cycle, y = cycle time [ms])
select run_id || '/' || coalesce(condition, '') as grp, cycle::double as x, (net_ns / 1e6)::double as y
from cycles
where cycle >= 0 and coalesce(process, 0) = 0
"""


class Row(NamedTuple):
    """One hypothesis: what its truth and its falsehood predict of the intervention, and what was observed."""

    hypothesis: str
    if_true: str
    if_false: str
    observed: str
    outcome: Outcome


class Known(NamedTuple):
    """An observation in words, with its interval where it decides something."""

    words: str
    bounds: Bounds = None


def table(
    catalog: Catalog, b: Sequence[str], found: Mapping[str, Quantity], *, heat: bool = True
) -> list[Row]:
    """Return the elimination table of a comparison, hypotheses in their order.

    Parameters
    ----------
    catalog : Catalog
        The store, opened.
    b : sequence of str
        The runs after the intervention, of which the slope is read.
    found : mapping
        The quantities of the comparison: ``speedup``, ``excess_reduction``, ``call_reduction``.
    heat : bool
        Whether a sensor of it was read, which the intervention does not need and H4's own test does.
    """
    removed = _removed(found)
    left = _left(slow_downs(catalog.reduce(linear.SQL, CYCLES, runs=b)))
    both = f"{removed.words}; {left.words}"
    unchanged = _unmoved(removed.bounds)
    h4 = removed.words if heat else f"{removed.words}; {NO_SENSOR}"
    return [
        Row("h1", "unchanged", "reduced", removed.words, unchanged),
        Row("h2", "strongly reduced", "no effect", removed.words, _side(removed.bounds, UNCHANGED, STRONG)),
        Row("h3", "nearly gone", "partly reduced", removed.words, _side(removed.bounds, GONE, GONE)),
        Row("h4", "unchanged", "reduced", h4, unchanged),
        Row("h5", "reduced, a slope stays", "gone", both, _remaining(removed.bounds, left.bounds)),
    ]


def by_run_time(rows: Sequence[Row], found: Mapping[str, Quantity]) -> list[str]:
    """Return what to bear in mind where run times stand for excesses in a table that decides something."""
    if _has_excess(found) or all(row.outcome == "UNDECIDED" for row in rows):
        return []
    return [CAVEAT]


def slow_downs(rows: Iterable[Mapping[str, Any]]) -> list[float]:
    """Return each run's slow-down over a mean condition, relative to its mean cycle, from rows of ``linear.SQL``.

    Within conditions: they differ in cost, and their order would pass for a slope.
    """
    runs: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["sxx"] and row["y_mean"] > 0:
            runs.setdefault(row["grp"].partition("/")[0], []).append(row)
    return [_slow_down(fits) for fits in runs.values()]


def _slow_down(fits: Sequence[Mapping[str, Any]]) -> float:
    n = math.fsum(fit["n"] for fit in fits)
    slope = math.fsum(fit["sxy"] for fit in fits) / math.fsum(fit["sxx"] for fit in fits)
    mean = math.fsum(fit["n"] * fit["y_mean"] for fit in fits) / n
    return slope * n / len(fits) / mean


def _removed(found: Mapping[str, Quantity]) -> Known:
    excess = _has_excess(found)
    share = _share(found["excess_reduction"] if excess else found["speedup"], is_ratio=not excess)
    what = "excess" if excess else "run time"
    obstacles = [words for words in (_not_cut(found["call_reduction"]), share.words) if words]
    if share.value is None:
        return Known("; ".join(obstacles))
    said = f"{_percent(share.value)} of A's {what} removed"
    if share.low is None or share.high is None:
        return Known("; ".join([said, *obstacles]))
    said = f"{said} [{_percent(share.low)}, {_percent(share.high)}]"
    return Known("; ".join([said, *obstacles]), None if obstacles else (share.low, share.high))


class _Share(NamedTuple):
    value: float | None
    low: float | None
    high: float | None
    words: str | None


def _share(found: Quantity, *, is_ratio: bool) -> _Share:
    """Return the share that went, of a reduction or of a ratio A/B, and why it has no interval."""
    value, low, high = (
        y if y is None or not is_ratio else 1 - 1 / y for y in (found.value, found.low, found.high)
    )
    return _Share(value, low, high, found.reason if low is None else None)


def _has_excess(found: Mapping[str, Quantity]) -> bool:
    """Tell whether both expected durations were given: the excess, or its absence, is then what decides."""
    return "excess_a" in found["excess_reduction"].extra


def _not_cut(calls: Quantity) -> str | None:
    """Return why the sampling cannot be said to have been cut, or None where it was."""
    if calls.value is None:
        return f"whether sampling was cut is unknown ({calls.reason})"
    least = calls.value if calls.low is None else calls.low
    if least >= CUT:
        return None
    return f"B took {_percent(1 - calls.value)} of A's sampling calls, which is no cut to half or less"


def _left(found: Sequence[float]) -> Known:
    if not found:
        return Known("no slope: B recorded no cycle times")
    mean = statistics.fmean(found)
    spread = statistics.variance(found, mean) if len(found) > 1 else None
    _, low, high = two_sample.mean_interval(Group(len(found), mean, spread))
    way = "slow" if mean >= 0 else "quicken"
    said = f"B's cycles {way} by {_percent(abs(mean))} over a condition"
    if low is None or high is None:
        return Known(f"{said}, n = 1 run: no interval")
    bounds = (low, high) if mean >= 0 else (-high, -low)
    return Known(f"{said} [{', '.join(map(_percent, bounds))}]", (low, high))


def _side(bounds: Bounds, below: float, above: float) -> Outcome:
    """Decide by the side on which an interval lies: above SUPPORTED, below ELIMINATED."""
    if bounds is None:
        return "UNDECIDED"
    return "SUPPORTED" if bounds[0] > above else "ELIMINATED" if bounds[1] < below else "UNDECIDED"


def _unmoved(removed: Bounds) -> Outcome:
    if removed is None:
        return "UNDECIDED"
    if removed[0] > UNCHANGED:
        return "ELIMINATED"
    return "SUPPORTED" if removed[0] > -UNCHANGED and removed[1] < UNCHANGED else "UNDECIDED"


def _remaining(removed: Bounds, left: Bounds) -> Outcome:
    if removed is None:
        return "UNDECIDED"
    remains = _side(left, FLAT, FLAT)
    return "UNDECIDED" if remains == "SUPPORTED" and removed[0] <= UNCHANGED else remains


def _percent(share: float) -> str:
    return f"{round(100 * share, 1) + 0.0:.1f} %"
