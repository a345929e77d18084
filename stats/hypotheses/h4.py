"""H4, thermal throttling: heat lowers the clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from stats.hypotheses import ranks
from stats.hypotheses.finding import (
    Aside,
    Bound,
    Criterion,
    Finding,
    Row,
    Verdict,
    check,
    decided,
    undecided,
)
from stats.hypotheses.ranks import Found, Ways, bounds
from stats.kernels import spearman

CLAIM = "thermal throttling: temperature rises and frequency falls over time"
EXPECTED: Verdict = "REFUTED"

SAMPLE = """
-- one row per reading of each sensor (one of NULLs for a run without any): (grp, x = time [s], y = deg C or MHz)
select
    runs.run_id || '/' || sensor.signal as grp,
    (samples.t_ns / 1e9)::double as x,
    case sensor.signal when 'temp' then samples.cpu_temp_celsius else samples.cpu_freq_mhz end::double as y
from runs
cross join (values ('temp'), ('freq')) as sensor (signal)
left join samples on samples.run_id = runs.run_id and coalesce(samples.cycle, 0) >= 0
"""

SAMPLE_AGAINST_CYCLE_TIME = """
-- one row per reading of each sensor (one of NULLs for a run without any): (grp, x = cycle time [ms], y = deg C or MHz)
select
    runs.run_id || '/' || sensor.signal as grp,
    (cycles.net_ns / 1e6)::double as x,
    case sensor.signal when 'temp' then samples.cpu_temp_celsius else samples.cpu_freq_mhz end::double as y
from runs
cross join (values ('temp'), ('freq')) as sensor (signal)
left join samples on samples.run_id = runs.run_id and coalesce(samples.cycle, 0) >= 0
left join cycles on cycles.run_id = samples.run_id and cycles.cycle = samples.cycle
    and coalesce(cycles.process, 0) = 0
"""

STATISTICS = ("r_temp", "p_temp", "r_freq", "p_freq")
SENSORS = {"temp": "cpu_temp_celsius", "freq": "cpu_freq_mhz"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Temperature above ``rho_temp_min``, frequency below ``rho_freq_max``, both probabilities below ``p_max``."""

    rho_temp_min: float = 0.3
    rho_freq_max: float = -0.3
    p_max: float = 0.05

    def __post_init__(self) -> None:
        check("h4", asdict(self))


def judge(rows: Mapping[str, Row], *, rho_temp_min: float, rho_freq_max: float, p_max: float) -> Finding:
    """Decide as the protocol does: both sensors must move as said, so both must have been read."""
    found, silent = _correlated(rows, "time")
    if silent:
        # What was not recorded outweighs what was recorded too rarely.
        return max(silent, key=lambda finding: finding.verdict == "UNTESTABLE")
    return _decided([_throttled(found, rho_temp_min, rho_freq_max, p_max)], found, "over time")


def judge_either_sign(rows: Mapping[str, Row], *, rho_min: float, p_max: float) -> Finding:
    """Decide as the manuscript's methods do: two-tailed, so a machine that cools down and speeds up passes too."""
    found, silent = _correlated(rows, "time")
    if silent:
        return max(silent, key=lambda finding: finding.verdict == "UNTESTABLE")
    asked = [bound for k, fit in found.items() for bound in bounds(k, fit, rho_min, p_max, either_sign=True)]
    return _decided([asked], found, "over time")


def judge_either_sensor(
    rows: Mapping[str, Row], *, rho_temp_min: float, rho_freq_max: float, p_max: float
) -> Finding:
    """Decide as the archived script does: one sensor that follows cycle time suffices, and the other may be absent."""
    found, silent = _correlated(rows, "cycle time")
    if not found:
        return min(silent, key=lambda finding: finding.verdict == "UNTESTABLE")
    ways = [_throttled({k: fit}, rho_temp_min, rho_freq_max, p_max) for k, fit in found.items()]
    return _decided(ways, found, "against cycle time", *silent)


def _correlated(rows: Mapping[str, Row], x: str) -> tuple[Found, list[Finding]]:
    """Return the sensors' correlations with ``x``, and why those that are missing have none."""
    fits = {signal: spearman.fit(rows[signal], x=x, y=name) for signal, name in SENSORS.items()}
    found = ranks.judgeable(fits)
    source = "the machine or the recording has no such sensor"
    silent = [
        undecided(fits[signal], x=x, y=name, source=source)
        for signal, name in SENSORS.items()
        if signal not in found
    ]
    return found, silent


def _throttled(found: Found, rho_temp_min: float, rho_freq_max: float, p_max: float) -> list[Bound]:
    """Return what is asked of the sensors that were read: heat above its limit, the clock below."""
    limits = {"temp": rho_temp_min, "freq": rho_freq_max}
    return [b for k, fit in found.items() for b in bounds(k, fit, limits[k], p_max, below=k == "freq")]


def _decided(ways: Ways, found: Found, to: str, *silent: Finding) -> Finding:
    n = min(fit.n for fit in found.values())
    reasons = [f"{ranks.words(found)} {to}, n = {n}", *(finding.reason for finding in silent)]
    return decided(ways, "; ".join(reasons), **ranks.statistics(found))


VARIANTS = {
    "protocol": Criterion(
        rule="Spearman's ρ with time: temperature > {rho_temp_min}, frequency < {rho_freq_max}, both p < {p_max}",
        sample=SAMPLE,
        kernel=spearman.SQL,
        pairs="sensor",
        thresholds=asdict(Thresholds()),
        statistics=STATISTICS,
        judge=judge,
    ),
    "manuscript": Criterion(
        rule="Spearman's |ρ| with time: temperature and frequency > {rho_min}, both two-tailed p < {p_max}",
        sample=SAMPLE,
        kernel=spearman.SQL,
        pairs="sensor",
        thresholds={"rho_min": 0.3, "p_max": 0.05},
        statistics=STATISTICS,
        judge=judge_either_sign,
    ),
    "code": Criterion(
        rule="Spearman's ρ with cycle time: temperature > {rho_temp_min}, or frequency < {rho_freq_max}, "
        "and its p < {p_max}",
        sample=SAMPLE_AGAINST_CYCLE_TIME,
        kernel=spearman.SQL,
        thresholds={"rho_temp_min": 0.5, "rho_freq_max": -0.5, "p_max": 0.05},
        statistics=STATISTICS,
        judge=judge_either_sensor,
    ),
}

ASIDES: tuple[Aside, ...] = ()
