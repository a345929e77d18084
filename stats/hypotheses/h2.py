"""H2, memory fragmentation: long-lived objects pin arenas, and resident memory grows faster than a line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stats.hypotheses.finding import FEWEST, Criterion, Finding, Row, Verdict, decided, undecided, within
from stats.kernels import quadratic
from stats.kernels.usable import Unfit

CLAIM = "memory fragmentation: resident memory grows non-linearly"
EXPECTED: Verdict = "VALIDATED"

SAMPLE = """
-- one row per cycle with a reading (one of NULLs for a run without any): (grp, x = cycle, y = RSS [2^20 bytes])
select runs.run_id || '/rss' as grp, samples.cycle::double as x, samples.memory_rss_mb::double as y
from runs left join samples on samples.run_id = runs.run_id and samples.cycle >= 0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """A parabola must explain more than a line by ``delta_r2_min`` of the variance."""

    delta_r2_min: float = 0.1

    def __post_init__(self) -> None:
        within("h2.delta_r2_min", self.delta_r2_min, 0, 1)


def judge(rows: Mapping[str, Row], thresholds: Thresholds) -> Finding:
    """Decide on ΔR² alone, as the protocol does.

    The protocol asks for no sign: a plateau passes (in every simulated run), and a noise-free t² does not, with its
    ΔR² of 1/16.  So the reason says which way the parabola bends.
    """
    fit = quadratic.fit(rows["rss"], x="cycle", y="memory_rss_mb")
    if isinstance(fit, Unfit) or fit.n < FEWEST:
        return undecided(
            fit, x="cycle", y="memory_rss_mb", source="the probe memory records it, at its own rate"
        )
    bend = "upwards" if fit.c2 > 0 else "downwards"
    return decided(
        fit.delta_r2 > thresholds.delta_r2_min,
        f"ΔR² = {fit.delta_r2:.3g} of memory_rss_mb over cycle, bending {bend}, n = {fit.n}",
        r2_linear=fit.r2_linear,
        r2_poly=fit.r2_poly,
        delta_r2=fit.delta_r2,
    )


VARIANTS = {
    "protocol": Criterion(
        rule="R² of a parabola minus R² of a line, RSS over cycle, > {delta_r2_min}",
        sample=SAMPLE,
        kernel=quadratic.SQL,
        judge=judge,
    )
}
