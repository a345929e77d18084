"""H1, system contention: other processes compete for CPU and memory, and cycle time follows their load."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    too_little,
)
from stats.hypotheses.ranks import Found, Ways
from stats.kernels import linear, spearman
from stats.kernels.usable import Unfit

CLAIM = "system contention: cycle time follows the load of the machine"
EXPECTED: Verdict = "REFUTED"

SAMPLE = """
-- one row per reading of each load (one of NULLs for a run without any): (grp, x = load [%], y = cycle time [ms])
select
    runs.run_id || '/' || load.signal as grp,
    case load.signal when 'cpu' then samples.cpu_percent else samples.memory_percent end::double as x,
    (cycles.net_ns / 1e6)::double as y
from runs
cross join (values ('cpu'), ('mem')) as load (signal)
left join samples on samples.run_id = runs.run_id and coalesce(samples.cycle, 0) >= 0
left join cycles on cycles.run_id = samples.run_id and cycles.cycle = samples.cycle
    and coalesce(cycles.process, 0) = 0
"""

SAMPLE_OVER_TIME = """
-- one row per reading of each load (one of NULLs for a run without any): (grp, x = load [%], y = elapsed time [s])
select
    runs.run_id || '/' || load.signal as grp,
    case load.signal when 'cpu' then samples.cpu_percent else samples.memory_percent end::double as x,
    (samples.t_ns / 1e9)::double as y
from runs
cross join (values ('cpu'), ('mem')) as load (signal)
left join samples on samples.run_id = runs.run_id and coalesce(samples.cycle, 0) >= 0
"""

# From one cycle to the next, so that a drift of the level is no spread.
LATE_QUARTERS = """
-- one row per cycle, or reading, of the third (3) and the last (4) quarter of a run's cycles:
-- (grp, x = cycle, y = change of cycle time [ms], or load [%])
with timed as (
    select
        run_id,
        cycle,
        abs(net_ns - lag(net_ns) over of_run) / 1e6 as change,
        ntile(4) over of_run as quarter
    from cycles
    where cycle >= 0 and coalesce(process, 0) = 0 and net_ns is not null
    window of_run as (partition by run_id order by cycle)
)
select run_id || '/spread' || quarter as grp, cycle::double as x, change::double as y
from timed
where quarter > 2
union all
select
    run_id || '/' || load.signal || quarter as grp,
    cycle::double as x,
    case load.signal when 'cpu' then samples.cpu_percent else samples.memory_percent end::double as y
from timed
join samples using (run_id, cycle)
cross join (values ('cpu'), ('mem')) as load (signal)
where quarter > 2
"""

SOURCE = "the probe system records them, at its own rate"
STATISTICS = ("r_cpu", "p_cpu", "r_mem", "p_mem")
LOADS = {"cpu": "cpu_percent", "mem": "memory_percent"}
LEVEL = 1.2
"""What rises by less from one quarter to the next has levelled off; at 3,000 cycles chance moves a spread by 5 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """A correlation above ``rho_min``, and the smaller probability below ``p_max``."""

    rho_min: float = 0.3
    p_max: float = 0.05

    def __post_init__(self) -> None:
        check("h1", asdict(self))


def rising(found: Found, rho_min: float, p_max: float) -> Ways:
    """Ask as the protocol does: one load's ρ suffices, and the smaller p may be the other's."""
    rho = max(f.rho for f in found.values())
    p = min(f.p for f in found.values())
    either = "the larger " if len(found) > 1 else ""
    return [[Bound(f"{either}ρ", rho, rho_min), Bound(f"{either and 'the smaller '}p", p, p_max, below=True)]]


def rising_by_its_own_p(found: Found, rho_min: float, p_max: float) -> Ways:
    """Ask as the manuscript's list of hypotheses does, which says nothing of two loads: each has its own p."""
    return [ranks.bounds(name, fit, rho_min, p_max) for name, fit in found.items()]


def of_either_sign(found: Found, rho_min: float, p_max: float) -> Ways:
    """Ask as the manuscript's methods and the scripts do: two-tailed, so a falling load passes too."""
    return [ranks.bounds(name, fit, rho_min, p_max, either_sign=True) for name, fit in found.items()]


def judge(
    rows: Mapping[str, Row],
    *,
    rho_min: float,
    p_max: float,
    ways: Callable[[Found, float, float], Ways] = rising,
    against: str = "cycle time",
) -> Finding:
    """Correlate each load with cycle time, or with elapsed time, and decide by ``ways``.

    A load that was not recorded, or that never changed, has no correlation: the other one decides, and the reason
    says so.
    """
    fits = {signal: spearman.fit(rows[signal], x=name, y=against) for signal, name in LOADS.items()}
    unread = [
        name for signal, name in LOADS.items() if isinstance(fit := fits[signal], Unfit) and not fit.n_x
    ]
    if len(unread) == len(LOADS):
        absent = " and no ".join(unread)
        return Finding(verdict="UNTESTABLE", reason=f"no {absent} was recorded", remedy=SOURCE)
    if all(isinstance(fit, Unfit) and not fit.n_y for fit in fits.values()):
        return Finding(verdict="UNTESTABLE", reason=f"no {against} was recorded where the load was read")
    found = ranks.judgeable(fits)
    silent = [
        f"no {name} was recorded" if name in unread else too_little(fits[signal], f"{against} with {name}")
        for signal, name in LOADS.items()
        if signal not in found
    ]
    if not found:
        return Finding(verdict="INCONCLUSIVE", reason="; ".join(silent))
    return _decided(ways(found, rho_min, p_max), found, against, silent)


def _decided(ways: Ways, found: Found, against: str, silent: list[str]) -> Finding:
    n = max(fit.n for fit in found.values())
    said = f"{ranks.words(found)} against {against}, n = {n}"
    return decided(ways, "; ".join([said, *silent]), **ranks.statistics(found))


def levels_off(rows: Mapping[str, Row]) -> Observation | None:
    """Tell whether, where load has stopped rising, the changes of cycle time have stopped growing as well."""
    rises = {name: rise for name in (*LOADS, "spread") if (rise := _rise(rows, name)) is not None}
    if "spread" not in rises or len(rises) == 1:
        return None
    said = ", ".join(f"{name} × {rise:.3g}" for name, rise in rises.items())
    said += " from the third quarter of the cycles to the last"
    spread = rises.pop("spread")
    settled = max(rises.values()) <= LEVEL
    return Observation(spread <= LEVEL if settled else None, said if settled else f"{said}: load still rises")


def _rise(rows: Mapping[str, Row], signal: str) -> float | None:
    """Return the last quarter's mean as a multiple of the third's; None where too little was read."""
    before, after = rows.get(f"{signal}3"), rows.get(f"{signal}4")
    if before is None or after is None or min(before["n"], after["n"]) < FEWEST or before["y_mean"] <= 0:
        return None
    return float(after["y_mean"] / before["y_mean"])


VARIANTS = {
    "protocol": Criterion(
        rule="Spearman's ρ of cpu % or of memory % with cycle time > {rho_min}, and the smaller p < {p_max}",
        sample=SAMPLE,
        kernel=spearman.SQL,
        pairs="load",
        thresholds=asdict(Thresholds()),
        statistics=STATISTICS,
        judge=judge,
    ),
    "manuscript": Criterion(
        rule="Spearman's |ρ| of cpu % or of memory % with elapsed time > {rho_min}, two-tailed p < {p_max}",
        sample=SAMPLE_OVER_TIME,
        kernel=spearman.SQL,
        thresholds={"rho_min": 0.3, "p_max": 0.05},
        statistics=STATISTICS,
        judge=partial(judge, ways=of_either_sign, against="time"),
    ),
    "manuscript_summary": Criterion(
        rule="Spearman's ρ of cpu % or of memory % with elapsed time > {rho_min}, and its p < {p_max}",
        sample=SAMPLE_OVER_TIME,
        kernel=spearman.SQL,
        thresholds={"rho_min": 0.3, "p_max": 0.05},
        statistics=STATISTICS,
        judge=partial(judge, ways=rising_by_its_own_p, against="time"),
    ),
    "code": Criterion(
        rule="Spearman's |ρ| of cpu % or of memory % with cycle time > {rho_min}, and its p < {p_max}",
        sample=SAMPLE,
        kernel=spearman.SQL,
        pairs="load",
        thresholds={"rho_min": 0.5, "p_max": 0.05},
        statistics=STATISTICS,
        judge=partial(judge, ways=of_either_sign),
    ),
}

ASIDES = (
    Aside(
        claim="side prediction, h1: the spread of cycle times levels off once load does",
        sample=LATE_QUARTERS,
        kernel=linear.SQL,
        pairs="quarters",
        observe=levels_off,
    ),
)
