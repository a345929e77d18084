"""H3, I/O accumulation: each sampling call is slower than the one before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from math import inf

from stats.hypotheses.finding import (
    FEWEST,
    Aside,
    Criterion,
    Finding,
    Row,
    Verdict,
    check,
    decided,
    line_bounds,
    significance,
    undecided,
)
from stats.kernels import linear
from stats.kernels.linear import Line
from stats.kernels.usable import Unfit

CLAIM = "I/O accumulation: the latency of a sampling call grows with the number of calls"
EXPECTED: Verdict = "VALIDATED"

SAMPLE = """
-- one row per cycle with a reading (one of NULLs for a run without any): (grp, x = calls / 1,000, y = latency [ms])
select
    runs.run_id || '/latency' as grp,
    (samples.call_count / 1000.0)::double as x,
    samples.call_latency_ms::double as y
from runs left join samples on samples.run_id = runs.run_id and coalesce(samples.cycle, 0) >= 0
"""

SAMPLE_BY_SNAPSHOT = """
-- one row per reading (one of NULLs for a run without any): (grp, x = its number, y = latency [ms])
with snapshot as (
    select run_id, row_number() over (partition by run_id order by cycle, t_ns) - 1 as number, call_latency_ms
    from samples
    where coalesce(cycle, 0) >= 0 and call_latency_ms is not null
)
select runs.run_id || '/latency' as grp, snapshot.number::double as x, snapshot.call_latency_ms::double as y
from runs left join snapshot on snapshot.run_id = runs.run_id
"""


STATISTICS = ("slope", "r2", "p")


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """A line steeper than ``slope_min`` ms per 1,000 calls that explains more than ``r2_min`` of the variance."""

    slope_min: float = 0.001
    r2_min: float = 0.3

    def __post_init__(self) -> None:
        check("h3", asdict(self))


def judge(
    rows: Mapping[str, Row],
    *,
    slope_min: float,
    r2_min: float = -inf,
    p_max: float = inf,
    x: str = "call_count",
    per: str = "1,000 calls",
    probability: Callable[[Line], float] = lambda line: line.p,
) -> Finding:
    """Decide on the slope, and on R² and p where a limit is given; all three are reported.

    Cycle time never stands in for a latency that was not recorded, as it does in the archived script: with it, any
    slow-down "validates" H3.
    """
    fit = linear.fit(rows["latency"], x=x, y="call_latency_ms")
    if isinstance(fit, Unfit) or fit.n < FEWEST:
        return undecided(
            fit, x=x, y="call_latency_ms", source="the probe latency records it, at its own rate"
        )
    p = probability(fit)
    said = f"latency changes by {fit.slope:.3g} ms per {per}, R² = {fit.r2:.3g}"
    return decided(
        [line_bounds(fit, p, slope_min=slope_min, r2_min=r2_min, p_max=p_max, unit=f"ms per {per}")],
        f"{said}, {f'{significance(p)}, ' if p_max < inf else ''}n = {fit.n}",
        slope=fit.slope,
        r2=fit.r2,
        p=p,
    )


VARIANTS = {
    "protocol": Criterion(
        rule="latency [ms] on calls / 1,000: slope > {slope_min} and R² > {r2_min}",
        sample=SAMPLE,
        kernel=linear.SQL,
        pairs="latency",
        thresholds=asdict(Thresholds()),
        statistics=STATISTICS,
        judge=judge,
    ),
    "manuscript": Criterion(
        rule="latency [ms] on calls / 1,000: slope > {slope_min}, p < {p_max} and R² > {r2_min}",
        sample=SAMPLE,
        kernel=linear.SQL,
        pairs="latency",
        thresholds={"slope_min": 0.0, "p_max": 0.05, "r2_min": 0.3},
        statistics=STATISTICS,
        judge=judge,
    ),
    "manuscript_summary": Criterion(
        rule="latency [ms] on calls / 1,000: slope > {slope_min}",
        sample=SAMPLE,
        kernel=linear.SQL,
        pairs="latency",
        thresholds={"slope_min": 0.001},
        statistics=STATISTICS,
        judge=judge,
    ),
    "code": Criterion(
        rule="latency [ms] on the number of the reading: slope > {slope_min} and p < {p_max}, "
        "p from residuals divided by n, not n - 2, as the archived script has it",
        sample=SAMPLE_BY_SNAPSHOT,
        kernel=linear.SQL,
        thresholds={"slope_min": 0.0, "p_max": 0.05},
        statistics=STATISTICS,
        judge=partial(judge, x="snapshot", per="reading", probability=linear.biased_probability),
    ),
}

ASIDES: tuple[Aside, ...] = ()
