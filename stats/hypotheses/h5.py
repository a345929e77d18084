"""H5, emergent complexity: the workload's memory of patterns grows, and each cycle has more to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import inf, sqrt

from stats.hypotheses.finding import (
    FEWEST,
    Aside,
    Bound,
    Criterion,
    Finding,
    Observation,
    Row,
    Verdict,
    check,
    decided,
    line_bounds,
    significance,
    undecided,
)
from stats.kernels import linear, quadratic
from stats.kernels.usable import Unfit

CLAIM = "emergent complexity: cycle time rises with the cycle's number"
EXPECTED: Verdict = "VALIDATED"

SAMPLE = """
-- one row per cycle (one of NULLs for a run without any): (grp, x = cycle, y = cycle time [ms])
select runs.run_id || '/time' as grp, cycles.cycle::double as x, (cycles.net_ns / 1e6)::double as y
from runs
left join cycles on cycles.run_id = runs.run_id and cycles.cycle >= 0 and coalesce(cycles.process, 0) = 0
"""

SAMPLE_WITH_FIFTHS = """
-- one row per cycle (one of NULLs for a run without any), and again for the first and the last fifth of a run's:
-- (grp, x = cycle, y = cycle time [ms])
with timed as (
    select run_id, cycle, net_ns / 1e6 as ms, ntile(5) over (partition by run_id order by cycle) as fifth
    from cycles
    where cycle >= 0 and coalesce(process, 0) = 0 and isfinite(net_ns::double)
)
select runs.run_id || '/time' as grp, timed.cycle::double as x, timed.ms::double as y
from runs left join timed on timed.run_id = runs.run_id
union all
select run_id || case fifth when 1 then '/first' else '/last' end as grp, cycle::double as x, ms::double as y
from timed
where fifth in (1, 5)
"""

# pattern_memory_size is an observable: where no run of a selection has it, table cycles has no such column.
SAMPLE_BY_PATTERNS = """
-- one row per cycle (one of NULLs for a run without any): (grp, x = patterns in memory, or 2 * cycle in a run where
-- none were counted, y = cycle time [ms])
with seen as (
    select * from cycles
    union all by name
    select null::bigint as pattern_memory_size where false
),
counted as (
    select run_id, cycle, net_ns, pattern_memory_size, count(pattern_memory_size) over of_run > 0 as known
    from seen
    where cycle >= 0 and coalesce(process, 0) = 0
    window of_run as (partition by run_id)
)
select
    runs.run_id || case when counted.known then '/patterns' else '/estimate' end as grp,
    case when counted.known then counted.pattern_memory_size else 2 * counted.cycle end::double as x,
    (counted.net_ns / 1e6)::double as y
from runs left join counted on counted.run_id = runs.run_id
"""

SOURCE = "every cycle that is done records its own"
STATISTICS = ("slope", "r2", "p")
FIFTHS = ("first_fifth_ms", "last_fifth_ms")
CURVED = 0.05
"""Some protocols ask a parabola to explain so much more of cycle time than a line."""

TOLERANCE, SIGNIFICANT = 0.1, 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """A line steeper than ``slope_min`` ms per cycle that explains more than ``r2_min`` of the variance."""

    slope_min: float = 0.01
    r2_min: float = 0.3

    def __post_init__(self) -> None:
        check("h5", asdict(self))


def judge(rows: Mapping[str, Row], *, slope_min: float, r2_min: float = -inf, p_max: float = inf) -> Finding:
    """Decide on the slope, and on R² and p where a limit is given; all three are reported."""
    fit = linear.fit(rows["time"], x="cycle", y="cycle time")
    if isinstance(fit, Unfit) or fit.n < FEWEST:
        return undecided(fit, x="cycle", y="cycle time", source=SOURCE)
    said = f"cycle time changes by {fit.slope:.3g} ms per cycle, R² = {fit.r2:.3g}"
    return decided(
        [line_bounds(fit, fit.p, slope_min=slope_min, r2_min=r2_min, p_max=p_max, unit="ms per cycle")],
        f"{said}, {f'{significance(fit.p)}, ' if p_max < inf else ''}n = {fit.n}",
        slope=fit.slope,
        r2=fit.r2,
        p=fit.p,
    )


def judge_fifths(rows: Mapping[str, Row], *, slope_min: float) -> Finding:
    """Decide as the synthesis does: the line rises, and the last fifth of the cycles is slower than the first.

    It asks neither for size nor for significance: every second run without any drift passes.
    """
    fit = linear.fit(rows["time"], x="cycle", y="cycle time")
    if isinstance(fit, Unfit) or fit.n < FEWEST:
        return undecided(fit, x="cycle", y="cycle time", source=SOURCE)
    first, last = rows["first"]["y_mean"], rows["last"]["y_mean"]
    asked = [
        Bound("slope", fit.slope, slope_min, "ms per cycle"),
        Bound("the last fifth's mean", last, first, "ms"),
    ]
    return decided(
        [asked],
        f"cycle time changes by {fit.slope:.3g} ms per cycle, from {first:.4g} ms in the first fifth "
        f"to {last:.4g} ms in the last, n = {fit.n}",
        slope=fit.slope,
        r2=fit.r2,
        p=fit.p,
        first_fifth_ms=first,
        last_fifth_ms=last,
    )


def judge_patterns(rows: Mapping[str, Row], *, slope_min: float, r2_min: float, p_max: float) -> Finding:
    """Decide as the archived script does: on patterns in memory, its residual variance divided by n.

    Where no pattern was counted it takes two a cycle for granted, and tests the cycle's number by another name.
    ``slope`` is in ms per pattern; the script's, in s per pattern, is a thousandth of it.
    """
    counted = "patterns" in rows
    x = "pattern_memory_size" if counted else "2 × cycle"
    fit = linear.fit(rows["patterns" if counted else "estimate"], x=x, y="cycle time")
    if isinstance(fit, Unfit) or fit.n < FEWEST:
        return undecided(fit, x=x, y="cycle time", source=SOURCE)
    p = linear.biased_probability(fit)
    basis = "" if counted else "; no pattern_memory_size was recorded, so 2 × cycle stands in for it"
    return decided(
        [line_bounds(fit, p, slope_min=slope_min, r2_min=r2_min, p_max=p_max, unit="ms per pattern")],
        f"cycle time changes by {fit.slope:.3g} ms per pattern, R² = {fit.r2:.3g}, {significance(p)}, "
        f"n = {fit.n}{basis}",
        slope=fit.slope,
        r2=fit.r2,
        p=p,
    )


def adds_up(rows: Mapping[str, Row]) -> Observation | None:
    """Tell whether slope x cycles is the slow-down, within a tenth, where there is one.

    The middles of the first and the last fifth lie four fifths of the run apart.
    """
    fit = quadratic.fit(rows["time"])
    if isinstance(fit, Unfit) or fit.n < FEWEST:
        return None
    p = linear.probability(sqrt(fit.r2_linear), fit.n - 2)
    if fit.slope <= 0 or p >= SIGNIFICANT:
        return Observation(
            None, f"cycle time does not rise (slope {fit.slope:.2g} ms per cycle, {significance(p)})"
        )
    first, last = rows["first"]["y_mean"], rows["last"]["y_mean"]
    if first is None or last is None:
        return None
    predicted = fit.slope * fit.n
    found = (last - first) / 0.8
    said = f"{fit.slope:.3g} ms × {fit.n:,} = {predicted:.3g} ms, by the last against the first fifth {found:.3g} ms"
    return Observation(abs(predicted - found) <= TOLERANCE * abs(found), said)


def curves(rows: Mapping[str, Row]) -> Observation | None:
    """Tell whether the stricter protocols would agree, where a line explains enough to ask."""
    fit = quadratic.fit(rows["time"])
    if isinstance(fit, Unfit) or fit.n < FEWEST or fit.r2_linear <= Thresholds().r2_min:
        return None
    return Observation(fit.delta_r2 > CURVED, f"ΔR² = {fit.delta_r2:.3g}")


VARIANTS = {
    "protocol": Criterion(
        rule="cycle time [ms] on cycle: slope > {slope_min} and R² > {r2_min}",
        sample=SAMPLE,
        kernel=linear.SQL,
        pairs="time",
        thresholds=asdict(Thresholds()),
        statistics=STATISTICS,
        judge=judge,
    ),
    "manuscript": Criterion(
        rule="cycle time [ms] on cycle: slope > {slope_min}, p < {p_max} and R² > {r2_min}",
        sample=SAMPLE,
        kernel=linear.SQL,
        pairs="time",
        thresholds={"slope_min": 0.0, "p_max": 0.05, "r2_min": 0.3},
        statistics=STATISTICS,
        judge=judge,
    ),
    "synthesis": Criterion(
        rule="cycle time [ms] on cycle: slope > {slope_min}, and the last fifth's mean above the first's",
        sample=SAMPLE_WITH_FIFTHS,
        kernel=linear.SQL,
        thresholds={"slope_min": 0.0},
        statistics=(*STATISTICS, *FIFTHS),
        judge=judge_fifths,
    ),
    "code": Criterion(
        rule="cycle time [ms] on patterns in memory (2 × cycle where none were counted): slope > {slope_min}, "
        "p < {p_max} and R² > {r2_min}, p from residuals divided by n, not n - 2, as the archived script has it",
        sample=SAMPLE_BY_PATTERNS,
        kernel=linear.SQL,
        thresholds={"slope_min": 0.0, "p_max": 0.05, "r2_min": 0.3},
        statistics=STATISTICS,
        judge=judge_patterns,
    ),
}

ASIDES = (
    Aside(
        claim="side prediction, h5: slope × cycles is the total slow-down of a cycle",
        sample=SAMPLE_WITH_FIFTHS,
        kernel=quadratic.SQL,
        pairs="fifths",
        observe=adds_up,
    ),
    Aside(
        claim="some protocols ask ΔR² > 0.05 of a parabola as well, h5",
        sample=SAMPLE_WITH_FIFTHS,
        kernel=quadratic.SQL,
        pairs="fifths",
        observe=curves,
    ),
)
