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


def timed(probes, follow):
    """Return a run whose cycle times follow a sensor's readings."""
    values = np.array(probes["thermal"][follow])
    wall = [int(1e9 + 1e6 * value) for value in values - values.min()]
    return {"cycles": {"wall_ns": wall}, "probes": probes}


def test_two_tailed_a_machine_that_cools_down_and_speeds_up_passes(found):
    for temp, freq, protocol in ((5, -5, "VALIDATED"), (-5, 5, "REFUTED"), (5, 5, "REFUTED")):
        planted = run(sensors(temp, freq))
        assert found("h4", **planted).verdict == protocol
        assert found("h4", variant="manuscript", **planted).verdict == "VALIDATED"
    assert found("h4", variant="manuscript", **run(sensors(5, 0))).verdict == "REFUTED"


def test_the_script_takes_either_sensor_against_cycle_time(found):
    hot, slow = timed(sensors(5, 0), "temp_celsius"), timed(sensors(0, 0), "freq_mhz")
    finding = found("h4", variant="code", **hot)
    temp = scipy_stats.spearmanr(hot["cycles"]["wall_ns"], hot["probes"]["thermal"]["temp_celsius"])
    assert finding.verdict == "VALIDATED"
    assert finding.statistics["r_temp"] == pytest.approx(temp.statistic, abs=1e-10)
    assert "against cycle time" in finding.reason
    # A clock that rises with cycle time is no throttling.
    assert found("h4", variant="code", **slow).verdict == "REFUTED"
    # Heat over time alone is not seen: the cycle times are those of a cool machine.
    cool = {"cycles": slow["cycles"], "probes": sensors(5, -5, seed=16)}
    assert found("h4", variant="code", **cool).verdict == "REFUTED"
    assert found("h4", **cool).verdict == "VALIDATED"


def test_the_script_needs_one_sensor_only_and_says_which_is_missing(found):
    planted = timed(sensors(5, 0), "temp_celsius")
    planted["probes"]["thermal"]["freq_mhz"] = [None] * N
    finding = found("h4", variant="code", **planted)
    assert (finding.verdict, set(finding.statistics)) == ("VALIDATED", {"r_temp", "p_temp"})
    assert "no cpu_freq_mhz was recorded" in finding.reason
    assert found("h4", **planted).verdict == "UNTESTABLE"
    planted["probes"]["thermal"]["temp_celsius"] = [None] * N
    assert found("h4", variant="code", **planted).verdict == "UNTESTABLE"


def test_a_constant_sensor_beside_none_is_inconclusive_by_the_script(found):
    planted = run(sensors(0, 0))
    planted["cycles"]["wall_ns"] = [10**9 + i for i in range(N)]
    planted["probes"]["thermal"] |= {"freq_mhz": [2400.0] * N, "temp_celsius": [None] * N}
    assert found("h4", variant="code", **planted).verdict == "INCONCLUSIVE"
