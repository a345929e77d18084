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
    assert finding.reason == "no call_latency_ms was recorded (the probe latency records it, at its own rate)"


def test_thresholds_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"h3\.slope_min=-1 is out of range; give a number of 0 or more"):
        h3.Thresholds(slope_min=-1)
