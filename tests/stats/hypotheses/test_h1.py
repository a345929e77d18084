from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from stats.hypotheses import h1

N = 400


def planted(rho: float, *, seed: int = 3):
    """Return cycle times [ns] and a load that follows their ranks as much as asked."""
    rng = np.random.default_rng(seed)
    time = rng.normal(size=N)
    load = rho * time + np.sqrt(1 - rho**2) * rng.normal(size=N)
    return [int(2e7 + 1e6 * t) for t in time], [float(50 + 5 * x) for x in load]


def system(cpu, mem):
    return {"system": {"cycle": range(len(cpu)), "cpu_percent": cpu, "memory_percent": mem}}


def test_a_load_that_cycle_time_follows_is_found_with_scipys_numbers(found):
    wall, cpu = planted(0.6)
    noise = planted(0.0, seed=4)[1]
    finding = found("h1", cycles={"wall_ns": wall}, probes=system(cpu, noise))
    expected = scipy_stats.spearmanr(cpu, wall)
    assert finding.verdict == "VALIDATED"
    assert finding.statistics["r_cpu"] == pytest.approx(expected.statistic, abs=1e-10)
    assert finding.statistics["p_cpu"] == pytest.approx(expected.pvalue, abs=1e-10)
    assert set(finding.statistics) == {"r_cpu", "p_cpu", "r_mem", "p_mem"}


def test_one_load_suffices_and_a_falling_one_does_not(found):
    wall, load = planted(0.6)
    noise = planted(0.0, seed=4)[1]
    falling = [-x for x in load]
    assert found("h1", cycles={"wall_ns": wall}, probes=system(noise, load)).verdict == "VALIDATED"
    assert found("h1", cycles={"wall_ns": wall}, probes=system(falling, noise)).verdict == "REFUTED"


def test_the_verdict_flips_at_the_threshold(found):
    wall, cpu = planted(0.4)
    rho = scipy_stats.spearmanr(cpu, wall).statistic
    run = {"cycles": {"wall_ns": wall}, "probes": system(cpu, [None] * N)}
    assert found("h1", thresholds={"rho_min": rho - 1e-6}, **run).verdict == "VALIDATED"
    assert found("h1", thresholds={"rho_min": rho + 1e-6}, **run).verdict == "REFUTED"


def test_a_load_that_is_missing_or_constant_is_said_and_the_other_decides(found):
    wall, cpu = planted(0.6)
    alone = found("h1", cycles={"wall_ns": wall}, probes=system(cpu, [None] * N))
    assert (alone.verdict, "no memory_percent was recorded" in alone.reason) == ("VALIDATED", True)
    flat = found("h1", cycles={"wall_ns": wall}, probes=system(cpu, [40.0] * N))
    assert (flat.verdict, "memory_percent is constant" in flat.reason) == ("VALIDATED", True)
    assert set(flat.statistics) == {"r_cpu", "p_cpu"}


def test_the_baseline_and_the_probes_own_time_stay_outside(found):
    wall, cpu = planted(0.6)
    probe = [10**7 * (i % 3) for i in range(N)]
    slower = [w + p for w, p in zip(wall, probe, strict=True)]
    readings = {"cycle": range(-1, N), "cpu_percent": [99.0, *cpu], "memory_percent": [99.0, *cpu]}
    finding = found("h1", cycles={"wall_ns": slower, "probe_ns": probe}, probes={"system": readings})
    assert finding.statistics["r_cpu"] == pytest.approx(scipy_stats.spearmanr(cpu, wall).statistic, abs=1e-10)


@pytest.mark.parametrize(
    ("wall", "cpu", "verdict", "reason"),
    [
        ([10**7] * 9, None, "UNTESTABLE", "no cpu_percent and no memory_percent was recorded"),
        (None, [1.0] * 9, "UNTESTABLE", "no cycle time was recorded"),
        ([10**7, 2 * 10**7, 3 * 10**7, 4 * 10**7], [1.0, 2.0, 3.0, 4.0], "INCONCLUSIVE", "n = 4"),
        (list(range(1, 10)), [7.0] * 9, "INCONCLUSIVE", "cpu_percent is constant (n = 9)"),
    ],
    ids=["no load", "no time", "four readings", "constant"],
)
def test_what_cannot_be_judged_says_why(found, wall, cpu, verdict, reason):
    probes = {} if cpu is None else system(cpu, cpu)
    cycles = {"population": range(9)} if wall is None else {"wall_ns": wall}
    finding = found("h1", cycles=cycles, probes=probes)
    assert (finding.verdict, reason in finding.reason) == (verdict, True), finding.reason
    assert finding.statistics == {}


@pytest.mark.parametrize(
    "bad", [{"rho_min": 1.5}, {"rho_min": float("nan")}, {"p_max": -0.1}, {"p_max": "x"}]
)
def test_thresholds_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match=rf"h1\.{next(iter(bad))}="):
        h1.Thresholds(**bad)


def against_time(cpu, mem):
    """Return a run whose cycle times carry nothing of its loads."""
    rng = np.random.default_rng(9)
    return {
        "cycles": {"wall_ns": [int(2e7 + 1e4 * t) for t in rng.normal(size=N)]},
        "probes": system(cpu, mem),
    }


@pytest.mark.parametrize(
    ("variant", "rising", "falling"),
    [
        ("protocol", "REFUTED", "REFUTED"),
        ("manuscript", "VALIDATED", "VALIDATED"),
        ("manuscript_summary", "VALIDATED", "REFUTED"),
        ("code", "REFUTED", "REFUTED"),
    ],
)
def test_a_load_that_only_follows_the_clock_divides_the_versions(found, variant, rising, falling):
    noise = np.random.default_rng(10).normal(50, 5, N)
    up = [float(x + 20 * i / N) for i, x in enumerate(noise)]
    for cpu, verdict in ((up, rising), (up[::-1], falling)):
        assert found("h1", variant=variant, **against_time(cpu, noise.tolist())).verdict == verdict


@pytest.mark.parametrize(
    ("variant", "rho", "verdict"),
    [
        ("code", 0.4, "REFUTED"),
        ("code", 0.7, "VALIDATED"),
        ("code", -0.7, "VALIDATED"),
        ("protocol", -0.7, "REFUTED"),
    ],
)
def test_the_script_asks_for_more_and_forgets_the_sign(found, variant, rho, verdict):
    wall, cpu = planted(rho)
    noise = planted(0.0, seed=4)[1]
    run = {"cycles": {"wall_ns": wall}, "probes": system(cpu, noise)}
    assert found("h1", variant=variant, **run).verdict == verdict


def test_only_the_protocol_lets_one_load_borrow_the_others_p(found):
    # ρ = 0.6 of five readings is not significant (p = 0.28); a second load that falls lends its p.
    wall = [10**7 + i for i in (1, 2, 3, 4, 5)]
    run = {
        "cycles": {"wall_ns": wall},
        "probes": system([2.0, 1.0, 4.0, 5.0, 3.0], [5.0, 4.0, 3.0, 2.0, 1.0]),
    }
    assert found("h1", **run).verdict == "VALIDATED"
    assert found("h1", variant="manuscript_summary", **run).verdict == "REFUTED"


def test_against_time_the_reason_says_so(found):
    rising = [float(i) for i in range(N)]
    finding = found("h1", variant="manuscript", **against_time(rising, rising))
    assert "against time, n = 400" in finding.reason
    assert finding.statistics["r_cpu"] == 1.0
