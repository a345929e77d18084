"""H4, thermal throttling: heat lowers the clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stats.hypotheses.finding import FEWEST, Criterion, Finding, Row, Verdict, decided, undecided, within
from stats.kernels import spearman
from stats.kernels.usable import Unfit

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
left join samples on samples.run_id = runs.run_id and samples.cycle >= 0
"""

SENSORS = {"temp": "cpu_temp_celsius", "freq": "cpu_freq_mhz"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Temperature above ``rho_temp_min``, frequency below ``rho_freq_max``, both probabilities below ``p_max``."""

    rho_temp_min: float = 0.3
    rho_freq_max: float = -0.3
    p_max: float = 0.05

    def __post_init__(self) -> None:
        within("h4.rho_temp_min", self.rho_temp_min, 0, 1)
        within("h4.rho_freq_max", self.rho_freq_max, -1, 0)
        within("h4.p_max", self.p_max, 0, 1)


def judge(rows: Mapping[str, Row], thresholds: Thresholds) -> Finding:
    """Decide as the protocol does: both sensors must move, so both must have been read."""
    fits = {signal: spearman.fit(rows[signal], x="time", y=name) for signal, name in SENSORS.items()}
    source = "the machine or the recording has no such sensor"
    silent = [
        undecided(fit, x="time", y=SENSORS[signal], source=source)
        for signal, fit in fits.items()
        if isinstance(fit, Unfit) or fit.n < FEWEST
    ]
    temp, freq = fits["temp"], fits["freq"]
    if silent or isinstance(temp, Unfit) or isinstance(freq, Unfit):
        # What was not recorded outweighs what was recorded too rarely.
        return max(silent, key=lambda finding: finding.verdict == "UNTESTABLE")
    return decided(
        temp.rho > thresholds.rho_temp_min
        and freq.rho < thresholds.rho_freq_max
        and max(temp.p, freq.p) < thresholds.p_max,
        f"ρ_temp = {temp.rho:.3g} (p = {temp.p:.2g}), ρ_freq = {freq.rho:.3g} (p = {freq.p:.2g}) over time, "
        f"n = {min(temp.n, freq.n)}",
        r_temp=temp.rho,
        p_temp=temp.p,
        r_freq=freq.rho,
        p_freq=freq.p,
    )


VARIANTS = {
    "protocol": Criterion(
        rule="Spearman's ρ with time: temperature > {rho_temp_min}, frequency < {rho_freq_max}, both p < {p_max}",
        sample=SAMPLE,
        kernel=spearman.SQL,
        judge=judge,
    )
}
