"""What a verdict that pools all cycles hides: a rise within conditions, and how often chance looks like one."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import numpy as np
import pytest

from stats import judge
from stats.batches import Batches
from stats.within import rise
from store.catalog import open_catalog

N = 400
CELLS = ["OFF-OFF", "ON-OFF", "OFF-ON", "ON-ON"]
SIGMA = math.sqrt(math.log(1.04))


def noted(root, hypothesis="h5", **options):
    with open_catalog(root) as catalog:
        found = judge(catalog, **options)
    verdict = next(entry.finding.verdict for entry in found.verdicts if entry.hypothesis == hypothesis)
    return verdict, [
        note for note in found.notes if note.startswith((f"{hypothesis}'s", f"{hypothesis} pools"))
    ]


def cells(ms):
    """Return cycles of four conditions, one after the other, with so many milliseconds by cell and cycle in it."""
    rng = np.random.default_rng(5)
    wall = [int(1e6 * ms(k, i) * (1 + 0.03 * rng.normal())) for k in range(4) for i in range(N)]
    return {"wall_ns": wall, "condition": [cell for cell in CELLS for _ in range(N)]}


@pytest.mark.parametrize("clear", [True, False], ids=["rising", "level"])
def test_short_cycles_that_double_are_said_to_rise_below_the_absolute_limit(tmp_path, make_run, clear):
    rng = np.random.default_rng(3)
    for _ in range(3):
        ms = [0.5 + 0.003 * i * clear + 0.02 * rng.normal() for i in range(300)]
        make_run(tmp_path, cycles={"wall_ns": [int(1e6 * y) for y in ms]})
    verdict, notes = noted(tmp_path)
    assert verdict == "REFUTED"
    assert len(notes) == clear
    assert not clear or "cycle time does rise in 3 of 3 runs that it refutes: by +9" in notes[0]
    assert not clear or "`stats timeline` judges it" in notes[0]


def test_a_rise_within_one_condition_is_said_beside_the_pooled_verdict_with_all_slopes(tmp_path, make_run):
    make_run(tmp_path, cycles=cells(lambda k, i: 1.0 + (0.001 * i if k == 1 else 0)))
    verdict, (note,) = noted(tmp_path)
    assert verdict == "REFUTED"
    assert "cycle time does rise: within ON-OFF by +3" in note
    assert "slope within the conditions: OFF-OFF " in note
    assert float(re.search(r", ON-OFF (\S+), ", note)[1]) == pytest.approx(0.001, rel=0.05)


def test_levels_that_differ_between_conditions_are_no_trend_within_them(tmp_path, make_run):
    make_run(tmp_path, cycles=cells(lambda k, i: 1.0 + 8 * k))
    verdict, (note,) = noted(tmp_path)
    assert verdict == "VALIDATED"
    assert note.startswith(
        "h5 pools conditions that ran one after the other, and its criterion is met in none"
    )


def test_one_rising_run_of_many_is_left_to_chance(tmp_path, make_run):
    for k in range(3):
        make_run(
            tmp_path, cycles={"wall_ns": [int(1e6 * (1 + 0.002 * i * (k == 0))) + i % 3 for i in range(N)]}
        )
    assert noted(tmp_path) == ("REFUTED", [])
    assert noted(tmp_path, last=2) == ("REFUTED", [])


def test_a_run_whose_digest_holds_no_times_is_judged_beside_one_that_does(tmp_path, make_run):
    make_run(tmp_path, cycles={"wall_ns": [int(1e6 * (1 + 0.002 * i)) for i in range(N)]})
    make_run(tmp_path, cycles={"population": [1] * N})
    assert len(noted(tmp_path)[1]) == 1


def test_memory_that_steps_between_conditions_is_flat_within_them(tmp_path, make_run):
    jump = [300 * k + (i * 7919 % 13) / 10 for k in (0, 1, 1, 1) for i in range(N)]
    readings = {
        "cycle": range(4 * N),
        "t_ns": range(4 * N),
        "rss_bytes": [int(2**20 * (50 + y)) for y in jump],
    }
    make_run(tmp_path, cycles=cells(lambda k, i: 1.0), probes={"memory": readings})
    verdict, (note,) = noted(tmp_path, "h2")
    assert verdict == "VALIDATED"
    assert "ΔR² within the conditions: OFF-OFF " in note


def test_latency_that_grows_in_each_condition_and_starts_again_is_said(tmp_path, make_run):
    ns = [int(1e6 * (10 - 2.4 * k + 0.005 * i)) for k in range(4) for i in range(N)]
    readings = {"cycle": range(4 * N), "t_ns": range(4 * N), "call_latency_ns": [float(y) for y in ns]}
    readings["call_count"] = [10 * (c + 1) for c in range(4 * N)]
    sampling = {"sampling_calls": [10] * 4 * N, "sampling_ns": [10 * y for y in ns]}
    make_run(tmp_path, cycles={**cells(lambda k, i: 100.0), **sampling}, probes={"latency": readings})
    verdict, (note,) = noted(tmp_path, "h3")
    assert verdict == "REFUTED"
    assert "met in each of them" in note
    assert "OFF-OFF 0.5, ON-OFF 0.5, OFF-ON 0.5, ON-ON 0.5 ms per 1,000 calls" in note


def noise(rng, n, runs, kind):
    """Return cycle times of so many runs without a trend, one a row."""
    z = rng.normal(size=(runs, n))
    if kind == "independent":
        return np.exp(SIGMA * z)
    if isinstance(kind, float):  # ends so far, in standard deviations, from where it began
        return np.exp(0.1 * z + kind / math.sqrt(n) * np.cumsum(rng.normal(size=(runs, n)), 1))
    phi = 1 - 1 / kind
    level = z[:, 0]
    series = [level]
    for k in range(1, n):
        level = phi * level + math.sqrt(1 - phi * phi) * z[:, k]
        series.append(level)
    return np.exp(SIGMA * np.array(series).T)


def batched(y):
    """Return the batches of each row, as a digest has them."""
    edges = np.unique(np.arange(min(150, y.shape[1])) * y.shape[1] // min(150, y.shape[1])).tolist()
    spans = list(pairwise([*edges, y.shape[1]]))
    middle = np.array([(a + b - 1) / 2 for a, b in spans])
    medians = np.array([np.median(y[:, a:b], axis=1) for a, b in spans]).T
    return [Batches(middle, of, of, np.ones(len(of))) for of in medians]


def false_rate(kind, n, conditions, runs=400):
    rng = np.random.default_rng(11)
    found = 0
    for batches in batched(noise(rng, n, runs, kind)):
        edges = [round(k * len(batches.x) / conditions) for k in range(conditions + 1)]
        found += any(rise(batches.only(slice(a, b)), conditions) is not None for a, b in pairwise(edges))
    return found / runs


@pytest.mark.parametrize(
    ("kind", "n"), [("independent", 300), (0.3, 300)], ids=["independent", "random walk"]
)
def test_chance_seldom_looks_like_a_rise(kind, n):
    assert false_rate(kind, n, 4) <= 0.05


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("conditions", [1, 4, 16])
@pytest.mark.parametrize("n", [300, 3000, 12000])
@pytest.mark.parametrize("kind", ["independent", 10, 100, 1000, 0.1, 0.3, 0.6, 1.0])
def test_no_noise_looks_like_a_rise_in_more_than_a_twentieth_of_the_runs(kind, n, conditions):
    assert false_rate(kind, n, conditions, runs=1000) <= 0.05


def straight(slope, level=1.0, n=40):
    y = level + slope * np.arange(n)
    return Batches(np.arange(float(n)), y, y, np.ones(n))


def test_no_rise_is_said_of_too_few_stretches_or_too_little():
    assert rise(straight(0.1)) == pytest.approx(3.9 / 2.95, rel=0.01)
    assert rise(straight(0.1, n=7)) is None
    assert rise(straight(0.1, level=100)) is None
    assert rise(straight(-0.1, level=9)) is None
    assert rise(straight(0.0)) is None
