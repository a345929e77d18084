"""H2, memory fragmentation: long-lived objects pin arenas, and resident memory grows faster than a line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial

from stats.hypotheses import ranks
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
    significance,
    too_little,
    undecided,
)
from stats.kernels import quadratic, spearman
from stats.kernels.usable import Unfit

CLAIM = "memory fragmentation: resident memory grows non-linearly"
EXPECTED: Verdict = "VALIDATED"
SOURCE = "the probe memory records it, at its own rate"

SAMPLE = """
-- one row per cycle with a reading (one of NULLs for a run without any): (grp, x = cycle, y = RSS [2^20 bytes])
select runs.run_id || '/rss' as grp, samples.cycle::double as x, samples.memory_rss_mb::double as y
from runs left join samples on samples.run_id = runs.run_id and coalesce(samples.cycle, 0) >= 0
"""

SAMPLE_OVER_TIME = """
-- one row per cycle with a reading (one of NULLs for a run without any): (grp, x = time [s], y = RSS [2^20 bytes])
select
    runs.run_id || '/rss' as grp,
    (samples.t_ns / 1e9)::double as x,
    samples.memory_rss_mb::double as y
from runs left join samples on samples.run_id = runs.run_id and coalesce(samples.cycle, 0) >= 0
"""

SAMPLE_BY_SNAPSHOT = """
-- one row per reading (one of NULLs for a run without any): (grp, x = its number, y = RSS [2^20 bytes])
with snapshot as (
    select run_id, row_number() over (partition by run_id order by cycle, t_ns) - 1 as number, memory_rss_mb
    from samples
    where coalesce(cycle, 0) >= 0 and memory_rss_mb is not null
)
select runs.run_id || '/rss' as grp, snapshot.number::double as x, snapshot.memory_rss_mb::double as y
from runs left join snapshot on snapshot.run_id = runs.run_id
"""

# The view `samples` holds the study's own names, of which PSS is none.
SAMPLE_OF_SIZES = """
-- one row per cycle and size read (one of NULLs for a run without any): (grp, x = cycle, y = size [2^20 bytes])
with proportional as (
    select run_id, cycle, arg_max_null(pss_bytes, t_ns) / 1048576.0 as pss_mb
    from probe_memory
    where cycle >= 0
    group by run_id, cycle
)
select runs.run_id || '/rss' as grp, samples.cycle::double as x, samples.memory_rss_mb::double as y
from runs left join samples on samples.run_id = runs.run_id and coalesce(samples.cycle, 0) >= 0
union all
select runs.run_id || '/pss' as grp, proportional.cycle::double as x, proportional.pss_mb::double as y
from runs left join proportional on proportional.run_id = runs.run_id
"""

# cycles.gc_ns is the sum over a cycle: mostly one pause, where there is one at all.
PAUSES = """
-- one row per cycle in which the collector ran: (grp, x = cycle, y = time in it [ms])
select run_id || '/pause' as grp, cycle::double as x, (gc_ns / 1e6)::double as y
from cycles
where cycle >= 0 and coalesce(process, 0) = 0 and gc_ns > 0
"""

STATISTICS = ("r2_linear", "r2_poly", "delta_r2")
RANKS = ("r_rss", "p_rss", "r_pss", "p_pss")
SIZES = {"rss": "memory_rss_mb", "pss": "memory_pss_mb"}
DOWNWARDS = "RSS bends downwards, its growth slows: the study's criterion does not look at the sign"
UNDECIDED = (0.05, 0.1)
"""Between these, some protocols call ΔR² neither a line nor a curve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """A parabola must explain more than a line by ``delta_r2_min`` of the variance."""

    delta_r2_min: float = 0.1

    def __post_init__(self) -> None:
        check("h2", asdict(self))


def judge(rows: Mapping[str, Row], *, delta_r2_min: float, over: str = "cycle") -> Finding:
    """Decide on ΔR² alone, as the protocol does.

    The protocol asks for no sign: a plateau passes (in every simulated run), and a noise-free t² does not, with its
    ΔR² of 1/16.  So the reason says which way the parabola bends.
    """
    fit = quadratic.fit(rows["rss"], x=over, y=SIZES["rss"])
    if isinstance(fit, Unfit) or fit.n < FEWEST:
        return undecided(fit, x=over, y=SIZES["rss"], source=SOURCE)
    bend = "upwards" if fit.c2 > 0 else "downwards" if fit.c2 < 0 else "neither way"
    return decided(
        [[Bound("ΔR²", fit.delta_r2, delta_r2_min)]],
        f"ΔR² = {fit.delta_r2:.3g} of memory_rss_mb over {over}, bending {bend}, n = {fit.n}",
        "" if fit.c2 > 0 else DOWNWARDS,
        r2_linear=fit.r2_linear,
        r2_poly=fit.r2_poly,
        delta_r2=fit.delta_r2,
    )


def judge_rank(rows: Mapping[str, Row], *, rho_min: float) -> Finding:
    """Decide on the rank correlation of RSS, or of PSS, with cycle, as the synthesis does: any growth passes."""
    fits = {signal: spearman.fit(rows[signal], x="cycle", y=name) for signal, name in SIZES.items()}
    found = ranks.judgeable(fits)
    if not found:
        # RSS is the signal that every run with the probe has; of PSS the reason need not speak.
        return undecided(fits["rss"], x="cycle", y=SIZES["rss"], source=SOURCE)
    silent = [
        f"; {too_little(fits[signal], f'{name} with cycle')}"
        for signal, name in SIZES.items()
        if signal not in found
    ]
    n = max(fit.n for fit in found.values())
    return decided(
        [[Bound(f"ρ_{signal}", fit.rho, rho_min)] for signal, fit in found.items()],
        f"{ranks.words(found)} over cycle, n = {n}{''.join(silent)}",
        **ranks.statistics(found),
    )


def pauses_lengthen(rows: Mapping[str, Row]) -> Observation | None:
    """Tell whether the collector's pauses rise with cycle, significantly."""
    row = rows.get("pause")
    if row is None:
        return None
    fit = spearman.fit(row, x="cycle", y="gc_ns")
    if isinstance(fit, Unfit) or fit.n < FEWEST:
        return Observation(None, too_little(fit, "gc_ns with cycle"))
    said = f"ρ = {fit.rho:.2g} of a pause with its cycle ({significance(fit.p)}), n = {fit.n}"
    return Observation(fit.rho > 0 and fit.p < 0.05, said)


def in_between(rows: Mapping[str, Row]) -> Observation | None:
    """Tell whether ΔR² lies where some protocols stop short of a verdict."""
    fit = quadratic.fit(rows["rss"])
    if isinstance(fit, Unfit) or fit.n < FEWEST:
        return None
    return Observation(UNDECIDED[0] < fit.delta_r2 < UNDECIDED[1], f"ΔR² = {fit.delta_r2:.3g}")


VARIANTS = {
    "protocol": Criterion(
        rule="R² of a parabola minus R² of a line, RSS over cycle, > {delta_r2_min}",
        sample=SAMPLE,
        kernel=quadratic.SQL,
        pairs="memory",
        thresholds=asdict(Thresholds()),
        statistics=STATISTICS,
        judge=judge,
    ),
    "manuscript_summary": Criterion(
        rule="R² of a parabola minus R² of a line, RSS over elapsed time, > {delta_r2_min}",
        sample=SAMPLE_OVER_TIME,
        kernel=quadratic.SQL,
        thresholds={"delta_r2_min": 0.1},
        statistics=STATISTICS,
        judge=partial(judge, over="time"),
    ),
    "synthesis": Criterion(
        rule="Spearman's ρ of RSS or of PSS with cycle > {rho_min}",
        sample=SAMPLE_OF_SIZES,
        kernel=spearman.SQL,
        thresholds={"rho_min": 0.3},
        statistics=RANKS,
        judge=judge_rank,
    ),
    "code": Criterion(
        rule="R² of a parabola minus R² of a line, RSS over the number of the reading, > {delta_r2_min}",
        sample=SAMPLE_BY_SNAPSHOT,
        kernel=quadratic.SQL,
        thresholds={"delta_r2_min": 0.1},
        statistics=STATISTICS,
        judge=partial(judge, over="snapshot"),
    ),
}

ASIDES = (
    Aside(
        claim="side prediction, h2: the collector's pauses lengthen",
        sample=PAUSES,
        kernel=spearman.SQL,
        pairs="pauses",
        observe=pauses_lengthen,
    ),
    Aside(
        claim="some protocols leave 0.05 < ΔR² < 0.1 undecided, h2",
        sample=SAMPLE,
        kernel=quadratic.SQL,
        pairs="memory",
        observe=in_between,
        always=False,
    ),
)
