from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from stats.hypotheses import h4

N = 300
TIME = [10**9 * (i + 1) for i in range(N)]


def sensors(temp_rise, freq_rise, *, seed=6):
    rng = np.random.default_rng(seed)
    rising = np.linspace(0, 1, N)
    temp = [float(value) for value in 60 + temp_rise * rising + rng.normal(size=N)]
    freq = [float(value) for value in 3000 + freq_rise * rising + rng.normal(size=N)]
    return {"thermal": {"cycle": range(N), "t_ns": TIME, "temp_celsius": temp, "freq_mhz": freq}}


def run(probes):
    return {"cycles": {"wall_ns": [10**9] * N}, "probes": probes}


def test_heat_that_lowers_the_clock_is_found_with_scipys_numbers(found):
    probes = sensors(5, -5)
    finding = found("h4", **run(probes))
    temp = scipy_stats.spearmanr(TIME, probes["thermal"]["temp_celsius"])
    freq = scipy_stats.spearmanr(TIME, probes["thermal"]["freq_mhz"])
    assert finding.verdict == "VALIDATED"
    assert finding.statistics == {
        "r_temp": pytest.approx(temp.statistic, abs=1e-10),
        "p_temp": pytest.approx(temp.pvalue, abs=1e-10),
        "r_freq": pytest.approx(freq.statistic, abs=1e-10),
        "p_freq": pytest.approx(freq.pvalue, abs=1e-10),
    }


@pytest.mark.parametrize(
    ("temp", "freq"), [(5, 0), (0, -5), (5, 5), (-5, -5)], ids=["heat", "clock", "both up", "both down"]
)
def test_one_of_the_two_is_not_enough(found, temp, freq):
    assert found("h4", **run(sensors(temp, freq))).verdict == "REFUTED"


def test_the_verdict_flips_at_the_threshold(found):
    probes = sensors(3, -3)
    rho = scipy_stats.spearmanr(TIME, probes["thermal"]["freq_mhz"]).statistic
    assert found("h4", thresholds={"rho_freq_max": rho + 1e-6}, **run(probes)).verdict == "VALIDATED"
    assert found("h4", thresholds={"rho_freq_max": rho - 1e-6}, **run(probes)).verdict == "REFUTED"


def test_a_missing_sensor_is_untestable_and_named(found):
    probes = sensors(5, -5)
    probes["thermal"]["temp_celsius"] = [None] * N
    finding = found("h4", **run(probes))
    assert (finding.verdict, "no cpu_temp_celsius was recorded" in finding.reason) == ("UNTESTABLE", True)


def test_a_constant_clock_is_inconclusive(found):
    probes = sensors(5, 0)
    probes["thermal"]["freq_mhz"] = [2400.0] * N
    finding = found("h4", **run(probes))
    assert (finding.verdict, finding.reason) == ("INCONCLUSIVE", f"cpu_freq_mhz is constant (n = {N})")


def test_thresholds_out_of_range_are_refused():
    with pytest.raises(
        ValueError, match=r"h4\.rho_freq_max=0\.3 is out of range; give a number in \[-1, 0\]"
    ):
        h4.Thresholds(rho_freq_max=0.3)
