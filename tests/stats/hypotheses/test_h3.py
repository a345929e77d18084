from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from stats.hypotheses import h3

N = 200
CALLS = [90 * (i + 1) for i in range(N)]


def latency(slope_ms, *, noise=0.001):
    """Return readings whose latency grows by ``slope_ms`` per 1,000 calls."""
    rng = np.random.default_rng(5)
    ns = [1e6 * (0.5 + slope_ms * calls / 1000 + noise * rng.normal()) for calls in CALLS]
    return {"latency": {"cycle": range(N), "call_count": CALLS, "call_latency_ns": ns}}


def test_a_latency_that_grows_with_calls_is_found_with_scipys_numbers(found):
    probes = latency(0.01)
    finding = found("h3", cycles={"wall_ns": [10**7] * N}, probes=probes)
    milliseconds = [ns / 1e6 for ns in probes["latency"]["call_latency_ns"]]
    expected = scipy_stats.linregress([calls / 1000 for calls in CALLS], milliseconds)
    assert finding.verdict == "VALIDATED"
    assert finding.statistics["slope"] == pytest.approx(expected.slope, rel=1e-9)
    assert finding.statistics["r2"] == pytest.approx(expected.rvalue**2, abs=1e-10)
    assert finding.statistics["p"] == pytest.approx(expected.pvalue, abs=1e-10)
    assert set(finding.statistics) == {"slope", "r2", "p"}


@pytest.mark.parametrize(
    ("slope", "noise", "verdict"),
    [
        (0.0011, 1e-5, "VALIDATED"),
        (0.0009, 1e-5, "REFUTED"),
        (0.01, 1.0, "REFUTED"),
        (-0.01, 1e-3, "REFUTED"),
    ],
    ids=["steeper", "flatter", "drowned in noise", "falling"],
)
def test_slope_and_r2_must_both_pass(found, slope, noise, verdict):
    run = {"cycles": {"wall_ns": [10**7] * N}, "probes": latency(slope, noise=noise)}
    assert found("h3", **run).verdict == verdict


def test_cycle_time_never_stands_in_for_a_missing_latency(found):
    finding = found("h3", cycles={"wall_ns": [10**7 + 10**6 * i for i in range(N)]})
    assert finding.verdict == "UNTESTABLE"
    assert finding.reason == "no call_latency_ms was recorded"


def test_thresholds_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"h3\.slope_min=-1 is out of range; give a number of 0 or more"):
        h3.Thresholds(slope_min=-1)


@pytest.mark.parametrize(
    ("slope", "noise", "verdicts"),
    [
        (0.01, 0.001, ("VALIDATED", "VALIDATED", "VALIDATED", "VALIDATED")),
        (0.0005, 1e-5, ("REFUTED", "VALIDATED", "REFUTED", "VALIDATED")),
        (0.01, 0.2, ("REFUTED", "REFUTED", "VALIDATED", "VALIDATED")),
        (-0.01, 0.001, ("REFUTED", "REFUTED", "REFUTED", "REFUTED")),
    ],
    ids=["steep and clear", "flat and clear", "steep and noisy", "falling"],
)
def test_slope_r2_and_p_weigh_differently_in_each_version(found, slope, noise, verdicts):
    run = {"cycles": {"wall_ns": [10**7] * N}, "probes": latency(slope, noise=noise)}
    names = ("protocol", "manuscript", "manuscript_summary", "code")
    assert tuple(found("h3", variant=name, **run).verdict for name in names) == verdicts


def test_the_scripts_p_divides_the_residuals_by_n(found):
    readings = {name: list(values)[:9] for name, values in latency(0.01, noise=0.5)["latency"].items()}
    finding = found("h3", variant="code", cycles={"wall_ns": [10**7] * 9}, probes={"latency": readings})
    x, y = np.arange(9), np.array(readings["call_latency_ns"]) / 1e6
    line = scipy_stats.linregress(x, y)
    mse = np.mean((y - line.intercept - line.slope * x) ** 2)
    error = np.sqrt(mse / np.sum((x - x.mean()) ** 2))
    p = 2 * (1 - scipy_stats.t.cdf(abs(line.slope / error), df=7))
    assert finding.statistics == {
        "slope": pytest.approx(line.slope, rel=1e-9),
        "r2": pytest.approx(line.rvalue**2, abs=1e-10),
        "p": pytest.approx(p, abs=1e-10),
    }
    assert finding.statistics["p"] < line.pvalue


def test_ten_percent_of_drift_without_latencies_is_untestable_where_the_script_says_validated(found):
    rng = np.random.default_rng(11)
    wall = [int(1e7 * (1 + 0.1 * i / 3000) * np.exp(0.02 * rng.normal())) for i in range(3000)]
    finding = found("h3", variant="code", cycles={"wall_ns": wall})
    # The script takes the cycle time for the latency, and finds a slope with p < 0.05.
    proxy = scipy_stats.linregress(range(3000), [ns / 1e6 for ns in wall])
    assert (proxy.slope > 0, proxy.pvalue < 0.05) == (True, True)
    assert (finding.verdict, finding.statistics) == ("UNTESTABLE", {})
