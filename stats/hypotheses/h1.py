"""H1, system contention: other processes compete for CPU and memory, and cycle time follows their load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stats.hypotheses.finding import FEWEST, Criterion, Finding, Row, Verdict, decided, too_little, within
from stats.kernels import spearman
from stats.kernels.spearman import Correlation
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
left join samples on samples.run_id = runs.run_id and samples.cycle >= 0
left join cycles on cycles.run_id = samples.run_id and cycles.cycle = samples.cycle
    and coalesce(cycles.process, 0) = 0
"""

LOADS = {"cpu": "cpu_percent", "mem": "memory_percent"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """A correlation above ``rho_min``, and the smaller probability below ``p_max``."""

    rho_min: float = 0.3
    p_max: float = 0.05

    def __post_init__(self) -> None:
        within("h1.rho_min", self.rho_min, 0, 1)
        within("h1.p_max", self.p_max, 0, 1)


def judge(rows: Mapping[str, Row], thresholds: Thresholds) -> Finding:
    """Decide as the protocol does: one load's rank correlation suffices, and the smaller p may be the other's.

    A load that was not recorded, or that never changed, has no correlation: the other one decides, and the reason
    says so.
    """
    fits = {signal: spearman.fit(rows[signal], x=name, y="cycle time") for signal, name in LOADS.items()}
    unread = [
        name for signal, name in LOADS.items() if isinstance(fit := fits[signal], Unfit) and not fit.n_x
    ]
    if len(unread) == len(LOADS):
        reason = f"no {' and no '.join(unread)} was recorded (the probe system records them, at its own rate)"
        return Finding(verdict="UNTESTABLE", reason=reason)
    if all(isinstance(fit, Unfit) and not fit.n_y for fit in fits.values()):
        return Finding(verdict="UNTESTABLE", reason="no cycle time was recorded where the load was read")
    usable = {k: fit for k, fit in fits.items() if not isinstance(fit, Unfit) and fit.n >= FEWEST}
    silent = [
        f"no {name} was recorded" if name in unread else too_little(fits[signal], f"cycle time with {name}")
        for signal, name in LOADS.items()
        if signal not in usable
    ]
    if not usable:
        return Finding(verdict="INCONCLUSIVE", reason="; ".join(silent))
    return _decide(usable, silent, thresholds)


def _decide(usable: Mapping[str, Correlation], silent: list[str], thresholds: Thresholds) -> Finding:
    said = ", ".join(f"ρ_{signal} = {fit.rho:.3g} (p = {fit.p:.2g})" for signal, fit in usable.items())
    n = max(fit.n for fit in usable.values())
    statistics: dict[str, float] = {}
    for signal, fit in usable.items():
        statistics |= {f"r_{signal}": fit.rho, f"p_{signal}": fit.p}
    return decided(
        max(fit.rho for fit in usable.values()) > thresholds.rho_min
        and min(fit.p for fit in usable.values()) < thresholds.p_max,
        "; ".join([f"{said} against cycle time, n = {n}", *silent]),
        **statistics,
    )


VARIANTS = {
    "protocol": Criterion(
        rule="Spearman's ρ of cpu % or of memory % with cycle time > {rho_min}, and the smaller p < {p_max}",
        sample=SAMPLE,
        kernel=spearman.SQL,
        judge=judge,
    )
}
