"""What a run does within its conditions, where the study's tests, which pool all its cycles, say otherwise.

A run executes its conditions one after the other.  A line through all of them takes their different levels for a trend,
or a fall from one to the next hides the rise within each (Simpson's paradox).  And a slope can be below the study's
absolute limit while short cycles double.  The published verdicts stand; these are notes beside them, from the digests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median
from typing import TypeAlias

import numpy as np

from stats.batches import Batches, Parts, Signals
from stats.hypotheses.finding import Finding
from stats.kernels import linear, quadratic
from stats.kernels.linear import Line
from stats.kernels.usable import Unfit
from stats.text import number
from store.reduced import moments

STRETCHES, FEWEST = 12, 8
"""Stretches of a condition whose medians show a rise, and those without which none is said to."""
RISE = 0.1
"""Share of the mean by which cycle time must rise over a condition: no stretch is told from another by less."""
UNEXPLAINED = 0.1
"""Share of the medians' variance that a line may leave, where there is one condition."""
SHARED = 0.6
"""Power of the number of conditions by which that shrinks: each is another chance."""

Limits: TypeAlias = Mapping[str, Mapping[str, float]]
Findings: TypeAlias = Mapping[str, Mapping[str, Finding]]


def rise(batches: Batches, conditions: int = 1) -> float | None:
    """Return by what share of its mean cycle time rises over a condition; None where it does not do so clearly.

    Parameters
    ----------
    batches : Batches
        Those that lie in the condition.
    conditions : int
        How many conditions of the run are looked at.

    Returns
    -------
    float or None
        Change of a line through the medians of 12 stretches, from the first batch to the last, by their mean: where
        it is above ``RISE``, and the line explains all but ``UNEXPLAINED`` / ``conditions`` ** 0.6 of the medians.

    Notes
    -----
    How often a run without a trend is said to rise in any of its conditions (1,000 simulated runs each of 300, 3,000
    and 12,000 cycles, CV 20 %, in 1, 4 and 16 conditions): 0 for
    independent cycles; at most .03 under AR(1) noise with a memory of 10, 100 or 1,000 cycles; at most .04 where cycle
    time is a random walk that ends 10 % to 100 % away from where it began.  A line explains half of the medians of
    every second random walk, and .9 of every fourteenth's.
    """
    if len(batches.x) < FEWEST:
        return None
    count = min(STRETCHES, len(batches.x))
    edges = [round(k * len(batches.x) / count) for k in range(count + 1)]
    x, y = (values.tolist() for values in (batches.x, batches.median))
    middles = np.array([fmean(x[a:b]) for a, b in pairwise(edges)])
    medians = np.array([median(y[a:b]) for a, b in pairwise(edges)])
    level = float(medians.mean())
    dx, dy = middles - middles.mean(), medians - level
    sxy, floor = float(dx @ dy), 1 - UNEXPLAINED / conditions**SHARED
    if min(sxy, level) <= 0 or sxy * sxy <= floor * float((dx @ dx) * (dy @ dy)):
        return None
    share = sxy / float(dx @ dx) * (x[-1] - x[0]) / level
    return share if share > RISE else None


def notes(
    signals: Mapping[str, Signals], run_ids: Sequence[str], findings: Findings, limits: Limits
) -> list[str]:
    """Return a note for each hypothesis whose verdict on these runs hides what they do within their conditions.

    Parameters
    ----------
    signals : mapping
        Run → what its digest holds, as ``batches.read`` has it.
    run_ids : sequence of str
        Runs of one judgement.
    findings : mapping
        Hypothesis → run → what was found.
    limits : mapping
        Thresholds by hypothesis; of none, only the rise of cycle time is looked for.
    """
    said = [_rises(signals, [r for r in run_ids if findings["h5"][r].verdict == "REFUTED"])]
    said += [
        _pooled(signals, run_ids, name, findings[name], limits[name]) for name in TESTS if limits.get(name)
    ]
    return [note for note in said if note]


def _rises(signals: Mapping[str, Signals], refuted: Sequence[str]) -> str:
    """Say where cycle time does rise, in half or more of the runs: one of many is as likely chance."""
    parts = {run_id: TESTS["h5"].parts(signals.get(run_id, {})) for run_id in refuted}
    found = {
        run_id: {name: share for name, of in by.items() if (share := rise(of, len(by))) is not None}
        for run_id, by in parts.items()
    }
    rising = {run_id: shares for run_id, shares in found.items() if shares}
    if not rising or 2 * len(rising) < len(refuted):
        return ""
    where: dict[str, list[float]] = {}
    for shares in rising.values():
        for name, share in shares.items():
            where.setdefault(name, []).append(share)
    by = ", ".join(
        f"{name and f'within {name} '}by {_span(shares, lambda y: f'{y:+.0%}')}"
        for name, shares in where.items()
    )
    runs = "" if len(refuted) == 1 else f" in {len(rising)} of {len(refuted)} runs that it refutes"
    pooled = _slopes("h5", [parts[run_id] for run_id in rising], "ms per cycle")
    limits = f"h5's limits are absolute{pooled and ' and its line is pooled'}"
    return (
        f"{limits}; cycle time does rise{runs}: {by} of its mean, by a line through the medians of {STRETCHES} "
        f"stretches{pooled}; `stats timeline` judges it"
    )


def _pooled(
    signals: Mapping[str, Signals],
    run_ids: Sequence[str],
    name: str,
    findings: Mapping[str, Finding],
    limits: Mapping[str, float],
) -> str:
    """Say where the conditions of a run, each by itself, all contradict the verdict on the whole of it."""
    test = TESTS[name]
    contradicting = {}
    for run_id in run_ids:
        parts = test.parts(signals.get(run_id, {}))
        if len(parts) > 1 and _contradicts(findings[run_id].verdict, parts.values(), test, limits):
            contradicting[run_id] = parts
    if not contradicting:
        return ""
    verdicts = {findings[run_id].verdict for run_id in contradicting}
    met = " or ".join("met in none" if v == "VALIDATED" else "met in each" for v in sorted(verdicts))
    runs = "" if len(run_ids) == 1 else f", in {len(contradicting)} of {len(run_ids)} runs"
    return (
        f"{name} pools conditions that ran one after the other, and its criterion is {met} of them by itself{runs}"
        f"{_slopes(name, list(contradicting.values()), test.unit)}"
    )


def _contradicts(verdict: str, parts: Iterable[Batches], test: Test, limits: Mapping[str, float]) -> bool:
    if verdict == "VALIDATED":
        return not any(test.met(part, limits) for part in parts)
    return verdict == "REFUTED" and all(test.met(part, limits) for part in parts)


def _slopes(name: str, runs: Sequence[Parts], unit: str) -> str:
    """Return the number that decides, within each condition; the median where runs share it."""
    found: dict[str, list[float]] = {}
    for parts in runs:
        for condition, of in parts.items() if len(parts) > 1 else ():
            value = TESTS[name].value(of)
            if value is not None:
                found.setdefault(condition, []).append(value)
    listed = ", ".join(f"{condition} {number(median(values), 2)}" for condition, values in found.items())
    over = " (medians over the runs)" if len(runs) > 1 else ""
    return (
        f"; {TESTS[name].what} within the conditions{over}: {listed}{unit and f' {unit}'}" if listed else ""
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """How a hypothesis' criterion looks at one condition."""

    what: str
    unit: str
    parts: Callable[[Signals], Parts]
    value: Callable[[Batches], float | None]
    met: Callable[[Batches, Mapping[str, float]], bool]


def _of(signal: str, scale: float) -> Callable[[Signals], Parts]:
    def parts(signals: Signals) -> Parts:
        found = signals.get(signal, {}).items()
        return {name: of._replace(mean=of.mean / scale, median=of.median / scale) for name, of in found}

    return parts


def _latencies(signals: Signals) -> Parts:
    """Return the mean latency of a sampling call [ms] over thousands of calls, as the probe reads it."""
    found = {}
    for name, times in signals.get("sampling_ns", {}).items():
        counts = signals.get("sampling_calls", {}).get(name)
        if counts is not None and np.array_equal(counts.x, times.x):
            calls = np.cumsum(counts.mean * counts.n / 1000)
            called = counts.mean > 0
            latency = times.mean[called] / counts.mean[called] / 1e6
            found[name] = Batches(calls[called], latency, latency, times.n[called])
    return found


def _line(batches: Batches) -> Line | Unfit:
    return linear.fit(moments.line(batches.x, batches.mean))


def _slope(batches: Batches) -> float | None:
    line = _line(batches)
    return None if isinstance(line, Unfit) else line.slope


def _steep(batches: Batches, limits: Mapping[str, float]) -> bool:
    line = _line(batches)
    return not isinstance(line, Unfit) and line.slope > limits["slope_min"] and line.r2 > limits["r2_min"]


def _gain(batches: Batches) -> float | None:
    fit = quadratic.fit(moments.parabola(batches.x, batches.mean))
    return None if isinstance(fit, Unfit) else fit.delta_r2


def _bent(batches: Batches, limits: Mapping[str, float]) -> bool:
    return (_gain(batches) or 0.0) > limits["delta_r2_min"]


TESTS: Mapping[str, Test] = {
    "h2": Test(what="ΔR²", unit="", parts=_of("rss_bytes", 2**20), value=_gain, met=_bent),
    "h3": Test(what="slope", unit="ms per 1,000 calls", parts=_latencies, value=_slope, met=_steep),
    "h5": Test(what="slope", unit="ms per cycle", parts=_of("net_ns", 1e6), value=_slope, met=_steep),
}


def _span(values: Sequence[float], said: Callable[[float], str]) -> str:
    return " to ".join(dict.fromkeys([said(min(values)), said(max(values))]))
