from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

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
        (None, "UNTESTABLE", "no memory_rss_mb was recorded"),
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


def sized(rss_mb, pss_mb):
    """Return readings of both sizes; None is not read."""
    size = [None if mb is None else int(mb * MIB) for mb in rss_mb]
    share = [None if mb is None else int(mb * MIB) for mb in pss_mb]
    return {"memory": {"cycle": range(len(size)), "rss_bytes": size, "pss_bytes": share}}


BOTH = {"r_rss", "p_rss", "r_pss", "p_pss"}


@pytest.mark.parametrize(
    ("rss", "pss", "verdict", "names"),
    [
        (1.0, 0.0, "VALIDATED", BOTH),
        (0.0, 1.0, "VALIDATED", BOTH),
        (0.0, 0.0, "REFUTED", BOTH),
        (-0.5, -0.5, "REFUTED", BOTH),
        (1.0, None, "VALIDATED", {"r_rss", "p_rss"}),
        (None, 1.0, "VALIDATED", {"r_pss", "p_pss"}),
    ],
    ids=["RSS grows", "PSS grows", "neither", "both fall", "RSS alone", "PSS alone"],
)
def test_the_synthesis_takes_any_growth_of_rss_or_pss(found, rss, pss, verdict, names):
    rng = np.random.default_rng(3)
    sizes = [
        [None] * N if rise is None else [50 + rise * i / 50 + rng.normal() for i in range(N)]
        for rise in (rss, pss)
    ]
    finding = found("h2", variant="synthesis", cycles=cycles(), probes=sized(*sizes))
    assert (finding.verdict, set(finding.statistics)) == (verdict, names)
    if rss is not None:
        expected = scipy_stats.spearmanr(range(N), sizes[0])
        assert finding.statistics["r_rss"] == pytest.approx(expected.statistic, abs=1e-4)


def test_a_straight_leak_divides_synthesis_and_protocol(found):
    run = {"cycles": cycles(), "probes": memory([50 + i / 10 for i in range(N)])}
    assert found("h2", variant="synthesis", **run).verdict == "VALIDATED"
    verdicts = {found("h2", variant=name, **run).verdict for name in ("protocol", "manuscript", "code")}
    assert verdicts == {"REFUTED"}


def test_the_scripts_index_straightens_a_curve_that_was_read_more_often_early(found):
    at = list(dict.fromkeys(int(i**2 / 40) for i in range(200)))
    rss = [int(MIB * (50 + i)) for i in range(len(at))]
    run = {"cycles": cycles(1000), "probes": {"memory": {"cycle": at, "rss_bytes": rss}}}
    by_cycle, by_index = (
        found("h2", variant=name, **run).statistics["delta_r2"] for name in ("protocol", "code")
    )
    assert by_index == pytest.approx(0, abs=1e-6)
    assert by_cycle > 0.01


def test_over_time_a_run_that_slows_down_bends_its_own_memory(found):
    wall = [10**6 * (1 + i) for i in range(N)]
    t, mb = np.cumsum(wall), np.arange(N)
    readings = {"cycle": range(N), "t_ns": t.tolist(), "rss_bytes": [MIB * (50 + i) for i in range(N)]}
    run = {"cycles": {"wall_ns": wall}, "probes": {"memory": readings}}
    finding = found("h2", variant="manuscript_summary", **run)
    fits = [np.polynomial.Polynomial.fit(t, mb, degree) for degree in (1, 2)]
    r2 = [1 - np.var(mb - fit(t)) / np.var(mb) for fit in fits]
    assert finding.statistics["delta_r2"] == pytest.approx(r2[1] - r2[0], abs=1e-9)
    assert "over time, bending downwards" in finding.reason
    assert found("h2", **run).statistics["delta_r2"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("variant", "verdict", "reason"),
    [
        ("protocol", "UNTESTABLE", "recorded 5 times, but without a cycle"),
        ("manuscript_summary", "REFUTED", "over time"),
        ("code", "REFUTED", "over snapshot"),
    ],
)
def test_readings_of_no_known_cycle_count_over_time_and_by_number(found, variant, verdict, reason):
    # Resident sizes [MB] of the study's C256, read from outside with ps; a fifth, made up, makes it enough.
    readings = {
        "cycle": [None] * 5,
        "t_ns": [int(h * 3.6e12) for h in (1, 10, 20, 27, 40)],
        "rss_bytes": [int(MIB * mb) for mb in (44.8, 33.8, 29.1, 27.2, 15.0)],
    }
    finding = found("h2", variant=variant, probes={"memory": readings})
    assert (finding.verdict, reason in finding.reason) == (verdict, True), finding.reason
