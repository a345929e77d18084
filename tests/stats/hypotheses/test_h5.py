from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from stats.hypotheses import h5

N = 600


def wall(slope_ms, *, noise_ms=0.1, seed=7):
    """Return cycle times [ns] that grow by ``slope_ms`` a cycle."""
    rng = np.random.default_rng(seed)
    return [int(1e6 * (20 + slope_ms * i + noise_ms * rng.normal())) for i in range(N)]


def test_growing_cycle_times_are_found_with_scipys_numbers(found):
    times = wall(0.02)
    finding = found("h5", cycles={"wall_ns": times})
    expected = scipy_stats.linregress(range(N), [ns / 1e6 for ns in times])
    assert finding.verdict == "VALIDATED"
    assert finding.statistics == {
        "slope": pytest.approx(expected.slope, rel=1e-10),
        "r2": pytest.approx(expected.rvalue**2, abs=1e-10),
        "p": pytest.approx(expected.pvalue, abs=1e-10),
    }


@pytest.mark.parametrize(
    ("slope", "noise", "verdict"),
    [(0.011, 0.1, "VALIDATED"), (0.009, 0.1, "REFUTED"), (0.02, 20.0, "REFUTED"), (-0.02, 0.1, "REFUTED")],
    ids=["steeper", "flatter", "drowned in noise", "falling"],
)
def test_slope_and_r2_must_both_pass(found, slope, noise, verdict):
    assert found("h5", cycles={"wall_ns": wall(slope, noise_ms=noise)}).verdict == verdict


def test_the_time_of_our_own_probes_is_not_the_workloads(found):
    times = wall(0.0)
    probe = [int(2e4 * i) for i in range(N)]
    cycles = {"wall_ns": [w + p for w, p in zip(times, probe, strict=True)], "probe_ns": probe}
    assert found("h5", cycles=cycles).verdict == "REFUTED"


def test_workers_rows_are_not_the_measured_processs(found):
    times = wall(0.02)
    workers = [10**9] * N
    cycles = {
        "cycle": [*range(N), *range(N)],
        "process": [0] * N + [1] * N,
        "condition": ["all"] * 2 * N,
        "wall_ns": times + workers,
    }
    assert found("h5", cycles=cycles).verdict == "VALIDATED"


def test_a_run_without_cycle_times_is_untestable(found):
    finding = found("h5", cycles={"population": range(9)})
    assert (finding.verdict, finding.reason) == ("UNTESTABLE", "no cycle time was recorded")


def test_thresholds_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"h5\.r2_min=2 is out of range"):
        h5.Thresholds(r2_min=2)
