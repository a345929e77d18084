"""The five published versions of the tests, beside the same tests written with NumPy and SciPy alone."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest
from scipy import stats as scipy_stats

from stats import judge
from stats.hypotheses import known, variants
from store.catalog import open_catalog

N, EVERY, RUNS = 160, 2, 16
MIB = 2**20
NAMES = list(known())[:5]


def signals(rng, *, drift, noise=1.0, load=0.0):
    """Return all that the tests read of a run: per cycle, and at every second cycle; ``drift`` is in units of noise."""
    t = np.linspace(0, 1, N)
    time = 20 + drift[4] * t + noise * rng.normal(size=N)
    at = np.arange(0, N, EVERY)
    s = t[at]
    follow = (time[at] - time[at].mean()) / time[at].std()

    def reading(level, rise, own):
        return level + own * (rise + noise * rng.normal(size=len(at)))

    return {
        "time": time,
        "at": at,
        "patterns": np.cumsum(rng.poisson(2 + 2 * t)),
        "cpu": reading(40, drift[0] * s + load * follow, 3.0),
        "mem": reading(60, load * follow, 1.0),
        "rss": reading(90, drift[1] * (1 - np.exp(-4 * s)), 5.0),
        "pss": reading(70, drift[1] * s, 5.0),
        "latency": reading(0.4, drift[2] * s, 0.02),
        "temp": reading(60, drift[3] * s, 2.0),
        "freq": reading(3000, -drift[3] * s, 20.0),
    }


def planted(run):
    """Return the columns of a run, in whole ns and bytes as they are stored."""
    wall = [int(1e6 * ms) for ms in run["time"]]
    at = [int(i) for i in run["at"]]
    readings = {"cycle": at, "t_ns": [list(accumulate(wall))[i] for i in at]}
    probes = {
        "system": {**readings, "cpu_percent": run["cpu"].tolist(), "memory_percent": run["mem"].tolist()},
        "memory": {
            **readings,
            "rss_bytes": [int(MIB * mb) for mb in run["rss"]],
            "pss_bytes": [int(MIB * mb) for mb in run["pss"]],
        },
        "latency": {
            **readings,
            "call_count": [90 * (i + 1) for i in at],
            "call_latency_ns": (1e6 * run["latency"]).tolist(),
        },
        "thermal": {**readings, "temp_celsius": run["temp"].tolist(), "freq_mhz": run["freq"].tolist()},
    }
    return {"cycles": {"wall_ns": wall, "pattern_memory_size": run["patterns"].tolist()}, "probes": probes}


def rho(x, y):
    found = scipy_stats.spearmanr(x, y)
    return found.statistic, found.pvalue


def r2(x, y, degree):
    left = y - np.polynomial.Polynomial.fit(x, y, degree)(x)
    return 1 - np.sum(left**2) / np.sum((y - y.mean()) ** 2)


def script_p(x, y):
    """Return p as the archived script computes it: the mean squared residual where n - 2 belongs below."""
    line = scipy_stats.linregress(x, y)
    left = y - (line.intercept + line.slope * x)
    error = np.sqrt(np.mean(left**2) / np.sum((x - x.mean()) ** 2))
    return 2 * (1 - scipy_stats.t.cdf(abs(line.slope / error), df=len(x) - 2))


def reference(run):
    """Return variant → hypothesis → whether it holds, computed without a line of the code under test."""
    ms = np.floor(1e6 * run["time"]) / 1e6
    cycle, at = np.arange(N), run["at"]
    clock, seen = np.cumsum(ms)[at], ms[at]
    rss, pss = (np.floor(MIB * run[name]) / MIB for name in ("rss", "pss"))
    order = np.arange(len(at))
    loads = run["cpu"], run["mem"]
    by_time, over_time = [rho(x, seen) for x in loads], [rho(x, clock) for x in loads]
    temp, freq = rho(clock, run["temp"]), rho(clock, run["freq"])
    hot, slow = rho(seen, run["temp"]), rho(seen, run["freq"])
    calls = scipy_stats.linregress(90 * (at + 1) / 1000, run["latency"])
    aging = scipy_stats.linregress(cycle, ms)
    patterns = scipy_stats.linregress(run["patterns"], ms)
    delta = r2(at, rss, 2) - r2(at, rss, 1)
    protocol = {
        "h1": max(r for r, _ in by_time) > 0.3 and min(p for _, p in by_time) < 0.05,
        "h2": delta > 0.1,
        "h3": calls.slope > 0.001 and calls.rvalue**2 > 0.3,
        "h4": temp[0] > 0.3 and freq[0] < -0.3 and max(temp[1], freq[1]) < 0.05,
        "h5": aging.slope > 0.01 and aging.rvalue**2 > 0.3,
    }
    return {
        "protocol": protocol,
        "manuscript": protocol
        | {
            "h1": any(abs(r) > 0.3 and p < 0.05 for r, p in over_time),
            "h3": calls.slope > 0 and calls.pvalue < 0.05 and calls.rvalue**2 > 0.3,
            "h4": all(abs(r) > 0.3 and p < 0.05 for r, p in (temp, freq)),
            "h5": aging.slope > 0 and aging.pvalue < 0.05 and aging.rvalue**2 > 0.3,
        },
        "manuscript_summary": protocol
        | {
            "h1": any(r > 0.3 and p < 0.05 for r, p in over_time),
            "h2": r2(clock, rss, 2) - r2(clock, rss, 1) > 0.1,
            "h3": calls.slope > 0.001,
        },
        "synthesis": protocol
        | {
            "h2": max(rho(at, rss)[0], rho(at, pss)[0]) > 0.3,
            "h5": aging.slope > 0 and ms[-N // 5 :].mean() > ms[: N // 5].mean(),
        },
        "code": {
            "h1": any(abs(r) > 0.5 and p < 0.05 for r, p in by_time),
            "h2": r2(order, rss, 2) - r2(order, rss, 1) > 0.1,
            "h3": scipy_stats.linregress(order, run["latency"]).slope > 0
            and script_p(order, run["latency"]) < 0.05,
            "h4": (hot[0] > 0.5 and hot[1] < 0.05) or (slow[0] < -0.5 and slow[1] < 0.05),
            "h5": patterns.slope > 0
            and patterns.rvalue**2 > 0.3
            and script_p(run["patterns"].astype(float), ms) < 0.05,
        },
    }


def found_in(root, variant):
    """Return run → hypothesis → verdict."""
    with open_catalog(root) as catalog:
        judgement = judge(catalog, variant=variant)
    return {
        run_id: {entry.hypothesis: entry.runs[run_id].verdict for entry in judgement.verdicts}
        for run_id in judgement.runs
    }


def test_every_verdict_of_every_version_is_that_of_scipy(tmp_path, make_run):
    rng = np.random.default_rng(7)
    runs = [
        signals(rng, drift=rng.uniform(-1.5, 3, 5), load=rng.choice([0.0, 0.6, -1.0])) for _ in range(RUNS)
    ]
    expected = {make_run(tmp_path, **planted(run)): reference(run) for run in runs}
    words = {True: "VALIDATED", False: "REFUTED"}
    for variant in variants():
        for run_id, verdicts in found_in(tmp_path, variant).items():
            assert verdicts == {h: words[bool(v)] for h, v in expected[run_id][variant].items()}, variant
    # The sample is worth its name only where each test has both outcomes.
    outcomes = {(v, h, bool(e[v][h])) for e in expected.values() for v in variants() for h in NAMES}
    assert len(outcomes) == 2 * len(variants()) * len(NAMES)


@pytest.fixture(scope="module")
def two_ends(tmp_path_factory, make_run):
    """Publish a run with every cause and one with none; return the judgements of both by version."""
    root = tmp_path_factory.mktemp("ends")
    every = signals(np.random.default_rng(2), drift=np.full(5, 9.0), load=1.0)
    none = signals(np.random.default_rng(2), drift=np.array([-9.0, 0.0, -9.0, 0.0, -9.0]))
    # Two-tailed versions take a falling load for contention; let nothing but cycle time and latency fall.
    rng = np.random.default_rng(12)
    none |= {name: rng.normal(50, 1, len(none["at"])) for name in ("cpu", "mem", "rss", "pss")}
    for run in (every, none):
        make_run(root, **planted(run))
    with open_catalog(root) as catalog:
        return {variant: judge(catalog, variant=variant, by="run_id") for variant in variants()}


@pytest.mark.parametrize("variant", variants())
@pytest.mark.parametrize(("at", "verdict"), [(0, "VALIDATED"), (1, "REFUTED")], ids=["all causes", "none"])
def test_planted_causes_are_found_by_all_versions(two_ends, variant, at, verdict):
    found = {entry.hypothesis: entry.finding.verdict for entry in two_ends[variant][at].verdicts}
    assert found == dict.fromkeys(NAMES, verdict)


def test_the_limits_of_each_version_are_published(two_ends):
    limits = {
        variant: {entry["hypothesis"]: entry["thresholds"] for entry in found[0].to_json()["verdicts"]}
        for variant, found in two_ends.items()
    }
    own = {"rho_min": 0.3, "p_max": 0.05}
    line = {"slope_min": 0.0, "p_max": 0.05, "r2_min": 0.3}
    protocol = {
        "h1": own,
        "h2": {"delta_r2_min": 0.1},
        "h3": {"slope_min": 0.001, "r2_min": 0.3},
        "h4": {"rho_temp_min": 0.3, "rho_freq_max": -0.3, "p_max": 0.05},
        "h5": {"slope_min": 0.01, "r2_min": 0.3},
    }
    assert limits == {
        "protocol": protocol,
        "manuscript": protocol | {"h3": line, "h4": own, "h5": line},
        "manuscript_summary": protocol | {"h3": {"slope_min": 0.001}},
        "synthesis": protocol | {"h2": {"rho_min": 0.3}, "h5": {"slope_min": 0.0}},
        "code": {
            "h1": {"rho_min": 0.5, "p_max": 0.05},
            "h2": {"delta_r2_min": 0.1},
            "h3": {"slope_min": 0.0, "p_max": 0.05},
            "h4": {"rho_temp_min": 0.5, "rho_freq_max": -0.5, "p_max": 0.05},
            "h5": line,
        },
    }


def test_twelve_hundred_cycles_with_three_hundred_readings_can_be_judged_by_the_scripts_rules(found):
    # The script correlates list with list, and dies of their lengths.
    rng = np.random.default_rng(4)
    load = rng.normal(size=300)
    wall = [int(1e7 + 1e6 * (load[i // 4] if i % 4 == 0 else 0)) for i in range(1200)]
    cpu = (50 + load).tolist()
    probes = {"system": {"cycle": list(range(0, 1200, 4)), "cpu_percent": cpu, "memory_percent": cpu}}
    finding = found("h1", variant="code", cycles={"wall_ns": wall}, probes=probes)
    assert (finding.verdict, finding.statistics["r_cpu"] > 0.99) == ("VALIDATED", True)
    assert "n = 300" in finding.reason
