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


@pytest.mark.parametrize(
    ("slope", "noise", "verdicts"),
    [
        (0.02, 0.1, ("VALIDATED", "VALIDATED", "VALIDATED", "VALIDATED")),
        (0.001, 0.1, ("REFUTED", "VALIDATED", "VALIDATED", "VALIDATED")),
        (0.02, 20.0, ("REFUTED", "REFUTED", "VALIDATED", "REFUTED")),
        (-0.02, 0.1, ("REFUTED", "REFUTED", "REFUTED", "REFUTED")),
    ],
    ids=["steep and clear", "flat and clear", "steep and noisy", "falling"],
)
def test_slope_r2_and_fifths_weigh_differently_in_each_version(found, slope, noise, verdicts):
    times = wall(slope, noise_ms=noise / 4 if noise > 1 else noise)
    names = ("protocol", "manuscript", "synthesis", "code")
    if noise > 1:
        times = [t + int(1e6 * noise) * (i % 2) for i, t in enumerate(times)]
    assert tuple(found("h5", variant=n, cycles={"wall_ns": times}).verdict for n in names) == verdicts


@pytest.mark.parametrize(
    ("times", "verdict"),
    [
        ([20.0 + i / 100 for i in range(480)] + [21.0] * 120, "VALIDATED"),
        ([20.0 + i / 100 for i in range(480)] + [20.0] * 120, "REFUTED"),
        ([40.0] * 20 + [10.0] * 100 + [20.0] * 460 + [10.0] * 20, "VALIDATED"),
    ],
    ids=["above the first", "below the first", "a jump inside"],
)
def test_the_synthesis_compares_the_last_fifth_with_the_first(found, times, verdict):
    finding = found("h5", variant="synthesis", cycles={"wall_ns": [int(1e6 * ms) for ms in times]})
    assert finding.statistics["slope"] > 0
    assert finding.statistics["first_fifth_ms"] == pytest.approx(np.mean(times[:120]), rel=1e-6)
    assert finding.statistics["last_fifth_ms"] == pytest.approx(np.mean(times[-120:]), rel=1e-6)
    assert set(finding.statistics) == {"slope", "r2", "p", "first_fifth_ms", "last_fifth_ms"}
    assert finding.verdict == verdict


def test_the_script_regresses_on_patterns_in_memory(found):
    rng = np.random.default_rng(13)
    patterns = np.cumsum(rng.poisson(3, N))
    times = [int(1e6 * (20 + 0.01 * count + 0.5 * rng.normal())) for count in patterns]
    cycles = {"wall_ns": times, "pattern_memory_size": patterns.tolist()}
    finding = found("h5", variant="code", cycles=cycles)
    expected = scipy_stats.linregress(patterns, [ns / 1e6 for ns in times])
    assert finding.verdict == "VALIDATED"
    assert finding.statistics["slope"] == pytest.approx(expected.slope, rel=1e-9)
    assert finding.statistics["r2"] == pytest.approx(expected.rvalue**2, abs=1e-10)
    assert "per pattern" in finding.reason
    assert "stands in" not in finding.reason


def test_without_a_count_the_script_invents_two_patterns_a_cycle_and_we_say_so(found):
    times = wall(0.02)
    protocol = found("h5", cycles={"wall_ns": times})
    finding = found("h5", variant="code", cycles={"wall_ns": times})
    assert finding.statistics["slope"] == pytest.approx(protocol.statistics["slope"] / 2, rel=1e-12)
    assert finding.statistics["r2"] == pytest.approx(protocol.statistics["r2"], abs=1e-12)
    assert "no pattern_memory_size was recorded, so 2 × cycle stands in for it" in finding.reason


def test_a_memory_that_was_counted_and_never_grew_is_inconclusive_by_the_script(found):
    cycles = {"wall_ns": wall(0.02), "pattern_memory_size": [0] * N}
    finding = found("h5", variant="code", cycles=cycles)
    assert (finding.verdict, finding.reason) == ("INCONCLUSIVE", f"pattern_memory_size is constant (n = {N})")
