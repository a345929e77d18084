from __future__ import annotations

import numpy as np
import pytest

from stats.hypotheses import h2

MIB = 2**20
N = 500


def memory(rss_mb):
    return {"memory": {"cycle": range(len(rss_mb)), "rss_bytes": [int(value * MIB) for value in rss_mb]}}


def cycles(n=N):
    return {"wall_ns": [10**7] * n}


def test_a_plateau_after_a_rise_is_found_and_said_to_bend_downwards(found):
    rss = [50 + 40 * (1 - np.exp(-5 * i / N)) for i in range(N)]
    finding = found("h2", cycles=cycles(), probes=memory(rss))
    linear, square = (np.polynomial.Polynomial.fit(range(N), rss, degree) for degree in (1, 2))
    r2 = [1 - np.var(rss - fit(np.arange(N))) / np.var(rss) for fit in (linear, square)]
    assert finding.verdict == "VALIDATED"
    assert "bending downwards" in finding.reason
    assert finding.statistics["r2_linear"] == pytest.approx(r2[0], abs=1e-6)
    assert finding.statistics["delta_r2"] == pytest.approx(r2[1] - r2[0], abs=1e-6)
    assert set(finding.statistics) == {"r2_linear", "r2_poly", "delta_r2"}


def test_a_pure_square_gains_one_sixteenth_and_is_refuted(found):
    finding = found("h2", cycles=cycles(), probes=memory([50 + 200 * (i / N) ** 2 for i in range(N)]))
    assert finding.verdict == "REFUTED"
    assert finding.statistics["delta_r2"] == pytest.approx(1 / 16, abs=1e-3)
    assert "bending upwards" in finding.reason


def test_the_verdict_flips_at_the_threshold(found):
    run = {"cycles": cycles(), "probes": memory([50 + 200 * (i / N) ** 2 for i in range(N)])}
    assert found("h2", thresholds={"delta_r2_min": 0.06}, **run).verdict == "VALIDATED"
    assert found("h2", thresholds={"delta_r2_min": 0.07}, **run).verdict == "REFUTED"


@pytest.mark.parametrize(
    ("rss", "verdict", "reason"),
    [
        (None, "UNTESTABLE", "no memory_rss_mb was recorded (the probe memory records it, at its own rate)"),
        ([50.0, 51.0, 50.0, 52.0], "INCONCLUSIVE", "n = 4 readings of memory_rss_mb with cycle; at least 5"),
        ([50.0] * 9, "INCONCLUSIVE", "memory_rss_mb is constant (n = 9)"),
    ],
    ids=["no reading", "four readings", "constant"],
)
def test_what_cannot_be_judged_says_why(found, rss, verdict, reason):
    finding = found("h2", cycles=cycles(9), probes={} if rss is None else memory(rss))
    assert (finding.verdict, reason in finding.reason) == (verdict, True), finding.reason


@pytest.mark.parametrize("value", [-0.1, 1.1, float("inf"), True, "0.1"])
def test_thresholds_out_of_range_are_refused(value):
    with pytest.raises(ValueError, match=r"h2\.delta_r2_min="):
        h2.Thresholds(delta_r2_min=value)
