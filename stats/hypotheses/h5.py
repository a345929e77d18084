"""H5, emergent complexity: the workload's memory of patterns grows, and each cycle has more to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from stats.hypotheses.finding import FEWEST, Criterion, Finding, Row, Verdict, decided, undecided, within
from stats.kernels import linear
from stats.kernels.usable import Unfit

CLAIM = "emergent complexity: cycle time rises with the cycle's number"
EXPECTED: Verdict = "VALIDATED"

SAMPLE = """
-- one row per cycle (one of NULLs for a run without any): (grp, x = cycle, y = cycle time [ms])
select runs.run_id || '/time' as grp, cycles.cycle::double as x, (cycles.net_ns / 1e6)::double as y
from runs
left join cycles on cycles.run_id = runs.run_id and cycles.cycle >= 0 and coalesce(cycles.process, 0) = 0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """A line steeper than ``slope_min`` ms per cycle that explains more than ``r2_min`` of the variance."""

    slope_min: float = 0.01
    r2_min: float = 0.3

    def __post_init__(self) -> None:
        within("h5.slope_min", self.slope_min, 0, inf)
        within("h5.r2_min", self.r2_min, 0, 1)


def judge(rows: Mapping[str, Row], thresholds: Thresholds) -> Finding:
    """Decide on slope and R², as the protocol does; p is reported and decides nothing."""
    fit = linear.fit(rows["time"], x="cycle", y="cycle time")
    if isinstance(fit, Unfit) or fit.n < FEWEST:
        return undecided(fit, x="cycle", y="cycle time")
    return decided(
        fit.slope > thresholds.slope_min and fit.r2 > thresholds.r2_min,
        f"cycle time changes by {fit.slope:.3g} ms per cycle, R² = {fit.r2:.3g}, n = {fit.n}",
        slope=fit.slope,
        r2=fit.r2,
        p=fit.p,
    )


VARIANTS = {
    "protocol": Criterion(
        rule="cycle time [ms] on cycle: slope > {slope_min} and R² > {r2_min}",
        sample=SAMPLE,
        kernel=linear.SQL,
        judge=judge,
    )
}
