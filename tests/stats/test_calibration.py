"""How often the published criteria are met by signals in which nothing happens: the rates that were measured.

The rates are those of 1,000 simulated runs of 3,000 cycles; here 60 are judged by the product itself.  Each signal is
drawn by itself, so that every VALIDATED is chance.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from stats import judge
from store.catalog import open_catalog

RUNS, N = 60, 3000
MEASURED = 1000
SIGMA = math.sqrt(math.log(1.04))  # of the logarithm, for a coefficient of variation of 20 %
MIB = 2**20


def iid(rng):
    return SIGMA * rng.normal(size=N)


def slow(rng):
    """AR(1) with φ = 0.99: no trend, and a memory of 100 cycles."""
    steps = math.sqrt(1 - 0.99**2) * rng.normal(size=N)
    level = rng.normal()
    series = []
    for step in steps:
        series.append(level)
        level = 0.99 * level + step
    return SIGMA * np.array(series)


def step(rng):
    """Twice or half the level from one cycle in the middle 70 % on."""
    sign, at = rng.choice([-1, 1]), int(N * rng.uniform(0.15, 0.85))
    return iid(rng) + sign * math.log(2) * (np.arange(N) >= at)


def run(rng, null):
    at = {"cycle": range(N), "t_ns": [10**9 * (i + 1) for i in range(N)]}

    def signal(level):
        return (level * np.exp(null(rng))).tolist()

    return {
        "cycles": {"wall_ns": [int(ns) for ns in signal(1e9)]},
        "probes": {
            "system": {**at, "cpu_percent": signal(30.0), "memory_percent": signal(40.0)},
            "latency": {
                **at,
                "call_count": [90 * (i + 1) for i in range(N)],
                "call_latency_ns": signal(1e6),
            },
            "thermal": {**at, "temp_celsius": signal(60.0), "freq_mhz": signal(3000.0)},
            "memory": {**at, "rss_bytes": [int(MIB * (500 + 25 * z)) for z in null(rng)]},
        },
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("null", "protocol", "script"),
    [
        (iid, {"h1": 0.0, "h2": 0.0, "h3": 0.0, "h4": 0.0, "h5": 0.0}, {"h1": 0.0, "h3": 0.02, "h5": 0.0}),
        (slow, {"h1": 0.07, "h2": 0.20, "h3": 0.01, "h4": 0.02, "h5": 0.01}, {"h3": 0.46, "h5": 0.01}),
        (step, {"h1": 0.58, "h3": 0.42, "h4": 0.26, "h5": 0.42}, {"h3": 0.48, "h5": 0.42}),
    ],
    ids=["independent", "AR 0.99", "a step"],
)
def test_chance_validates_as_often_as_was_measured(tmp_path, make_run, null, protocol, script):
    rng = np.random.default_rng(20)
    for _ in range(RUNS):
        make_run(tmp_path, **run(rng, null))
    with open_catalog(tmp_path) as catalog:
        for variant, rates in (("protocol", protocol), ("code", script)):
            entries = {entry.hypothesis: entry for entry in judge(catalog, variant=variant).verdicts}
            for hypothesis, rate in rates.items():
                found = [finding.verdict for finding in entries[hypothesis].runs.values()].count("VALIDATED")
                error = math.sqrt(rate * (1 - rate) * (1 / RUNS + 1 / MEASURED))
                # A rate of nought was measured as less than 1 in 200.
                assert abs(found / RUNS - rate) <= 3 * error + 0.02, (variant, hypothesis, found / RUNS)
