"""The bend of a cumulative series: what a line is, what is found, and how often chance is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as reference

from stats.kernels.rates import bend, rate

SIGMA = math.sqrt(math.log(1.04))  # of the logarithm, for a coefficient of variation of 20 %


def independent(rng, n):
    return np.exp(SIGMA * rng.normal(size=n))


def stalls(rng, n):
    """One increment in a hundred is longer, without a finite variance."""
    rare = rng.random(n) < 0.01
    return independent(rng, n) + 10 * rare * rng.pareto(1.2, n)


def slow(rng, n, phi=0.9):
    """AR(1): a memory of 1 / (1 - phi) increments."""
    steps = math.sqrt(1 - phi**2) * rng.normal(size=n + 500)
    level, series = 0.0, []
    for step in steps:
        level = phi * level + step
        series.append(level)
    return np.exp(SIGMA * np.array(series[500:]))


def misses(rng, increments, n, runs, rise=0.0):
    """Return the share of runs in whose bend 0 is not."""
    growth = 1 + rise * np.arange(n) / n
    found = [bend(np.arange(1.0, n + 1), np.cumsum(increments(rng, n) * growth)) for _ in range(runs)]
    return np.mean([one.low > 0 or one.high < 0 for one in found])


def test_the_bend_of_a_parabola_is_its_second_derivative():
    x = np.arange(200.0)
    found = bend(x, 3 * x + 0.25 * x**2)
    assert found.value == pytest.approx(0.5, rel=1e-9)
    assert (found.low, found.high) == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9], ids=["tiny", "one", "huge"])
def test_an_exact_line_has_no_bend_whatever_its_sums_are_rounded_to(scale):
    found = bend(np.arange(1.0, 41), np.cumsum(np.full(40, 0.1 * scale)))
    assert found.low < 0 < found.high


def test_the_interval_is_that_of_a_line_through_the_rates_of_equal_stretches():
    rng = np.random.default_rng(3)
    y = np.concatenate([[0.0], np.cumsum(independent(rng, 120))])
    found = bend(np.arange(121.0), y)
    middles = np.arange(12) * 10 + 5.0
    line = reference.linregress(middles, np.diff(y[::10]) / 10)
    reach = reference.t.ppf(0.975, 10) * line.stderr
    assert found.n == 12
    assert found.value == pytest.approx(line.slope)
    assert (found.low, found.high) == pytest.approx((line.slope - reach, line.slope + reach))


def test_the_bend_scales_with_its_units():
    rng = np.random.default_rng(4)
    x, y = np.arange(1.0, 101), np.cumsum(independent(rng, 100))
    hours = bend(x / 3600, y / 60)
    assert hours.high == pytest.approx(bend(x, y).high * 3600**2 / 60)


def test_readings_at_one_time_make_no_stretch_of_their_own():
    x = np.repeat(np.arange(20.0), 3)
    found = bend(x, np.arange(60.0))
    assert math.isfinite(found.value)
    assert found.n <= 12


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_a_few_points_have_no_bend_and_say_why(n):
    found = bend(np.arange(float(n)), np.arange(float(n)))
    assert (found.value, found.low) == (None, None)
    assert f"{n} points" in found.reason


def test_a_rate_is_the_mean_between_the_ends_with_the_spread_of_its_stretches():
    found = rate([0.0, 1, 2, 3, 4, 5, 6], [0.0, 1, 2, 3, 5, 7, 9])
    assert found.value == pytest.approx(1.5)
    factor = math.exp(reference.t.ppf(0.975, 1) * 0.5 / 1.5)
    assert (found.low, found.high) == pytest.approx((1.5 / factor, 1.5 * factor))
    assert rate([0.0, 1], [0.0, 2]).low is None
    assert "2 points span nothing" in rate([1.0, 1.0], [0.0, 2.0]).reason
    assert "1 point spans nothing" in rate([1.0], [0.0]).reason


def test_no_time_per_cycle_has_an_interval_below_nought():
    found = rate(np.arange(11.0), np.cumsum([0.0, 1, 1, 1, 1, 1, 1, 1, 90, 1, 1]))
    assert 0 < found.low < found.value < found.high
    assert found.value - found.low < found.high - found.value
    falling = rate(np.arange(7.0), [0.0, -1, -2, -3, -5, -7, -9])
    assert falling.low < falling.value < falling.high


@pytest.mark.parametrize(
    ("sigma", "held"), [(0.2, 0.95), (1.0, 0.944), (1.5, 0.908)], ids=["20 %", "skewed", "more"]
)
def test_the_interval_of_a_rate_holds_the_mean_of_skewed_increments_as_often_as_is_said(sigma, held):
    rng, runs = np.random.default_rng(17), 600
    found = [
        rate(np.arange(34.0), np.append(0, np.cumsum(y))) for y in np.exp(sigma * rng.normal(size=(runs, 33)))
    ]
    truth = math.exp(sigma**2 / 2)
    rate_held = sum(one.low <= truth <= one.high for one in found) / runs
    assert abs(rate_held - held) <= 3 * math.sqrt(held * (1 - held) / runs)


@pytest.mark.parametrize("increments", [independent, stalls, slow], ids=["independent", "stalls", "AR 0.9"])
def test_a_line_is_taken_for_a_bend_in_about_one_run_of_twenty(increments):
    runs = 150 if increments is slow else 400
    found = misses(np.random.default_rng(11), increments, 1000, runs)
    assert found <= 0.06 + 3 * math.sqrt(0.06 * 0.94 / runs)


def test_a_planted_acceleration_is_found():
    rng = np.random.default_rng(12)
    assert misses(rng, independent, 3000, 40, rise=0.2) == 1.0


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("phi", "n", "measured"),
    [(0.0, 40, 0.051), (0.0, 3000, 0.054), (0.9, 3000, 0.052), (0.99, 12_000, 0.057), (0.99, 3000, 0.103)],
    ids=["40 points", "independent", "memory of 1/300", "of 1/120", "of 1/30"],
)
def test_the_error_rates_are_those_of_the_docstring(phi, n, measured):
    rng, runs = np.random.default_rng(13), 1000
    found = misses(rng, lambda rng, n: slow(rng, n, phi), n, runs)
    # Both rates were simulated, the other one with 2,000 runs.
    error = math.sqrt(measured * (1 - measured) * (1 / runs + 1 / 2000))
    assert abs(found - measured) <= 3.5 * error
