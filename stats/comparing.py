"""Compare two groups of runs, A before a change and B after it: what became faster, steadier, and by how much.

The unit of inference is the run.  Cycles of one run depend on each other: with "no difference" as the truth a
Welch test over cycles finds p < .001 in 90 % of comparisons, over run means in 5 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from stats import accounts, elimination, overhead, remarks
from stats.accounts import Level
from stats.comparable import Choice, Selected, differences, pick
from stats.kernels import levene, two_sample
from stats.kernels.two_sample import Group, Interval
from stats.published import joint_verdict, predicted, with_prediction
from stats.quantity import Quantity, quantity, replicated
from stats.totals import RUNTIMES, TOTALS, Totals
from store import sanity
from store.catalog import Catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What sets the runs of B apart from those of A; ``to_json`` is its published shape."""

    a: Selected
    b: Selected
    quantities: Mapping[str, Quantity]
    predicted: Mapping[str, Mapping[str, float]]
    """What the study predicted of each quantity; empty unless its own experiments are compared."""
    h2_h3_validated: Mapping[str, bool | None]
    elimination: Sequence[elimination.Row] = ()
    notes: Sequence[str] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Return the document of ``stats compare``."""
        return {
            "a": self.a.to_json(),
            "b": self.b.to_json(),
            **{
                name: with_prediction(found, self.predicted.get(name))
                for name, found in self.quantities.items()
            },
            "elimination": [row._asdict() for row in self.elimination],
            "h2_h3_validated": dict(self.h2_h3_validated),
            "notes": list(self.notes),
        }


def compare(
    catalog: Catalog,
    *,
    a: str | Sequence[str],
    b: str | Sequence[str],
    expected_a_s: float | None = None,
    expected_b_s: float | None = None,
    runs: Sequence[str] = (),
    tags: Sequence[str] = (),
    latest: bool = False,
    last: int | None = None,
) -> Comparison:
    """Compare the run totals of two groups of runs.

    Parameters
    ----------
    catalog : Catalog
        The store, opened.
    a, b : str or sequence of str
        Predicates over ``runs`` (several: all must hold) that select the group before and after a change.
    expected_a_s, expected_b_s : float, optional
        Expected duration of one run of each group [s]; without them there is no excess to speak of.
    runs, tags, latest, last
        Further restrictions of both groups, as everywhere.

    Returns
    -------
    Comparison
        Speedup, t-tests, effect size, Levene's test, reductions of variance, excess and sampling calls, and the
        overhead of sampling; intervals are 95 %.  What cannot be said is ``None`` with its reason.  The rule of
        the elimination table stands in ``stats.elimination``.

    Raises
    ------
    ValueError
        If a predicate is not valid or selects no whole run, a run is in both groups, or an expected duration is
        not above zero.
    """
    expected = {"a": _positive("expected_a_s", expected_a_s), "b": _positive("expected_b_s", expected_b_s)}
    choice = Choice(runs=runs, tags=tags, latest=latest, last=last)
    side_a, notes_a = pick(catalog, a, choice, "A")
    side_b, notes_b = pick(catalog, b, choice, "B")
    for side, notes in ((side_a, notes_a), (side_b, notes_b)):
        if not side.runs:
            raise ValueError(notes[0])
    _disjoint(side_a.runs, side_b.runs)
    both = (*side_a.runs, *side_b.runs)
    params = {"a": list(side_a.runs)}
    totals = Totals(two_sample.groups(catalog.reduce(two_sample.SQL, TOTALS, params, runs=both)))
    spreads = catalog.reduce(levene.SQL, RUNTIMES, params, runs=both)
    found = {
        "speedup": quantity(totals, "runtime", partial(_ratio, "runtime")),
        "t_test": quantity(totals, "runtime", _t_test),
        "effect_size": quantity(totals, "runtime", _effect_size),
        "levene": quantity(totals, "runtime", partial(_levene, spreads)),
        "variance_reduction": quantity(totals, "runtime", _variance_reduction),
        "excess_reduction": quantity(totals, "runtime", partial(_excess_reduction, expected)),
        "call_reduction": quantity(totals, "calls", _call_reduction),
        "overhead_factor": quantity(
            totals, "overhead", partial(_ratio, "overhead"), **overhead.sides(totals)
        ),
    }
    eliminated = elimination.table(catalog, side_b.runs, found)
    return Comparison(
        a=side_a,
        b=side_b,
        quantities=found,
        predicted=predicted(*(remarks.read(catalog, side.runs) for side in (side_a, side_b))),
        h2_h3_validated=joint_verdict(found),
        elimination=eliminated,
        notes=[
            *(*notes_a, *notes_b, *_alone(side_a, side_b)),
            *elimination.by_run_time(eliminated, found),
            *_levels(
                *(accounts.level(catalog.query(accounts.SQL, runs=side.runs)) for side in (side_a, side_b))
            ),
            *differences(catalog, side_a.runs, side_b.runs),
            *sanity.notes(catalog, both, alone=False),
        ],
    )


def _positive(name: str, seconds: float | None) -> float | None:
    if seconds is not None and not 0 < seconds < float("inf"):
        raise ValueError(f"{name}={seconds} is no duration; give the expected seconds of one run, above 0")
    return seconds


def _disjoint(a: Sequence[str], b: Sequence[str]) -> None:
    shared = sorted(set(a) & set(b))
    if shared:
        raise ValueError(
            f"{len(shared)} run(s) are in both A and B ({shared[0]}); make the predicates exclude each other"
        )


def _alone(a: Selected, b: Selected) -> list[str]:
    single = [name for name, side in (("A", a), ("B", b)) if len(side.runs) == 1]
    if not single:
        return []
    where = " and in ".join(single)
    return [f"n = 1 in {where}: one run total has no variance, so t-test and Levene's test are undefined"]


def _levels(a: Level, b: Level) -> list[str]:
    """Say where the time of each side went, where the largest account is another."""
    if a.share is None or b.share is None or a.account == b.account:
        return []
    return [
        f"the level differs: {a.share:.0%} of A's time is {a.account}, {b.share:.0%} of B's is {b.account}"
    ]


def _ratio(measure: str, totals: Totals, a: Group, b: Group) -> dict[str, Any]:
    """A over B, with the interval of the ratio of geometric means (Welch's t on logarithms)."""
    if b.mean == 0:
        raise ValueError(f"the {totals.words(measure)} of B is 0: there is no ratio")
    value = a.mean / b.mean
    interval, p = totals.log_ratio(measure)
    if interval is None or interval.low is None or interval.high is None:
        return {"value": value, "reason": totals.no_interval(measure)}
    found: dict[str, Any] = {"value": value, "low": interval.low, "high": interval.high, "p": p}
    if not interval.low <= value * (1 + 1e-12) or not value * (1 - 1e-12) <= interval.high:
        found["reason"] = (
            f"the interval is of the ratio of geometric means, {interval.value:.4g}: runs are skewed"
        )
    return found


def _t_test(_: Totals, a: Group, b: Group) -> dict[str, Any]:
    replicated(a, b)
    student, welch = two_sample.student(a, b), two_sample.welch(a, b)
    return {"value": welch.t, "p": welch.p, "welch": welch._asdict(), "student": student._asdict()}


def _effect_size(_: Totals, a: Group, b: Group) -> dict[str, Any]:
    replicated(a, b)
    d = two_sample.effect_interval(a, b)
    return {**d._asdict(), "hedges_g": two_sample.hedges_g(a, b)}


def _levene(spreads: Sequence[Mapping[str, Any]], _: Totals, a: Group, b: Group) -> dict[str, Any]:
    replicated(a, b)
    tests = levene.levene(spreads)
    median = tests["median"]
    return {"value": median.w, "p": median.p, **{centre: test._asdict() for centre, test in tests.items()}}


def _variance_reduction(_: Totals, a: Group, b: Group) -> dict[str, Any]:
    replicated(a, b)
    ratio = two_sample.variance_ratio(a, b)
    # A pure rescaling of the runs passes the study's "> 80 %" from a speedup of 2.24 on: say what it alone gives.
    return {**_complement(ratio), "from_speedup_alone": 1 - (b.mean / a.mean) ** 2}


def _excess_reduction(expected: Mapping[str, float | None], _: Totals, a: Group, b: Group) -> dict[str, Any]:
    missing = [f"--expected-{side}-s" for side, seconds in expected.items() if seconds is None]
    if missing:
        raise ValueError(f"no expected duration: pass {' and '.join(missing)} (seconds of one run)")
    before, after = _excess(a, expected["a"]), _excess(b, expected["b"])
    excesses = {"excess_a": before.mean, "excess_b": after.mean}
    if before.mean <= 0:
        return {**excesses, "reason": "A took no longer than expected: there is no excess to reduce"}
    ratio = two_sample.fieller(after, before)
    reason = None if ratio.low is not None else "no interval: n = 1, or the excess of A may be zero"
    return {**_complement(ratio), "reason": reason, **excesses}


def _excess(group: Group, expected_s: float | None) -> Group:
    unit = expected_s or float("nan")
    return Group(group.n, group.mean / unit - 1, None if group.var is None else group.var / unit**2)


def _call_reduction(totals: Totals, a: Group, b: Group) -> dict[str, Any]:
    calls: dict[str, float | None] = {"calls_a": a.mean, "calls_b": b.mean}
    if a.mean == 0:
        return {**calls, "ratio": None, "reason": "A took no sampling calls: there is nothing to reduce"}
    value, (interval, _) = 1 - b.mean / a.mean, totals.log_ratio("calls")
    calls["ratio"] = a.mean / b.mean if b.mean else None
    if interval is None or interval.low is None or interval.high is None:
        return {"value": value, "reason": totals.no_interval("calls"), **calls}
    return {"value": value, "low": 1 - 1 / interval.low, "high": 1 - 1 / interval.high, **calls}


def _complement(ratio: Interval) -> dict[str, float | None]:
    low, high = (None if bound is None else 1 - bound for bound in (ratio.high, ratio.low))
    return {"value": 1 - ratio.value, "low": low, "high": high}
