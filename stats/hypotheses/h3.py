"""H3, I/O accumulation: each sampling call is slower than the one before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from stats.hypotheses.finding import FEWEST, Criterion, Finding, Row, Verdict, decided, undecided, within
from stats.kernels import linear
from stats.kernels.usable import Unfit

CLAIM = "I/O accumulation: the latency of a sampling call grows with the number of calls"
EXPECTED: Verdict = "VALIDATED"

SAMPLE = """
-- one row per cycle with a reading (one of NULLs for a run without any): (grp, x = calls / 1,000, y = latency [ms])
select
    runs.run_id || '/latency' as grp,
    (samples.call_count / 1000.0)::double as x,
    samples.call_latency_ms::double as y
from runs left join samples on samples.run_id = runs.run_id and samples.cycle >= 0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """A line steeper than ``slope_min`` ms per 1,000 calls that explains more than ``r2_min`` of the variance."""

    slope_min: float = 0.001
    r2_min: float = 0.3

    def __post_init__(self) -> None:
        within("h3.slope_min", self.slope_min, 0, inf)
        within("h3.r2_min", self.r2_min, 0, 1)


def judge(rows: Mapping[str, Row], thresholds: Thresholds) -> Finding:
    """Decide on slope and R², as the protocol does; p is reported and decides nothing.

    Cycle time never stands in for a latency that was not recorded: with it, any slow-down "validates" H3.
    """
    fit = linear.fit(rows["latency"], x="call_count", y="call_latency_ms")
    if isinstance(fit, Unfit) or fit.n < FEWEST:
        return undecided(
            fit, x="call_count", y="call_latency_ms", source="the probe latency records it, at its own rate"
        )
    return decided(
        fit.slope > thresholds.slope_min and fit.r2 > thresholds.r2_min,
        f"latency changes by {fit.slope:.3g} ms per 1,000 calls, R² = {fit.r2:.3g}, n = {fit.n}",
        slope=fit.slope,
        r2=fit.r2,
        p=fit.p,
    )


VARIANTS = {
    "protocol": Criterion(
        rule="latency [ms] on calls / 1,000: slope > {slope_min} and R² > {r2_min}",
        sample=SAMPLE,
        kernel=linear.SQL,
        judge=judge,
    )
}
