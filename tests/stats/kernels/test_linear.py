from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from stats.kernels import linear
from stats.kernels.usable import Unfit

# Integers times a power of two are exact in double, so a shift of them is too.
numbers = st.integers(-1000, 1000)
pairs = st.lists(st.tuples(numbers, numbers), min_size=3, max_size=60)
blanks = st.lists(st.sampled_from([(None, 1.0), (1.0, None), (math.nan, 2.0), (3.0, math.inf)]), max_size=5)


def test_line_reproduces_the_certified_norris_fit(reduce, nist):
    data = [(x, y) for y, x in nist("Norris.dat")]
    assert len(data) == 36
    line = linear.fit(reduce(linear.SQL, a=data)["a"])
    assert line.slope == pytest.approx(1.00211681802045, rel=1e-13)
    assert line.intercept == pytest.approx(-0.262323073774029, rel=1e-12)
    assert line.r2 == pytest.approx(0.999993745883712, rel=1e-14)
    assert line.stderr == pytest.approx(0.429796848199937e-03, rel=1e-10)


@settings(max_examples=60, deadline=None)
@given(data=pairs, gaps=blanks, offset=st.sampled_from([0, 10**6, 10**9]), power=st.integers(-20, 20))
def test_line_agrees_with_scipy_under_ties_offsets_and_gaps(reduce, data, gaps, offset, power):
    scaled = [(x * 2.0**power + offset * 2.0**power, float(y + offset)) for x, y in data]
    line = linear.fit(reduce(linear.SQL, a=scaled + gaps)["a"])
    xs, ys = zip(*data, strict=True)
    if len(set(xs)) == 1 or len(set(ys)) == 1:
        assert "constant" in line.reason
        return
    # SciPy sees the data without the offset: with it, it loses the digits itself.
    expected = scipy_stats.linregress([x * 2.0**power for x in xs], ys)
    scale = (scipy_stats.tstd(ys) / scipy_stats.tstd(xs)) * 2.0**-power
    assert line.n == len(data)
    assert line.slope == pytest.approx(expected.slope, abs=1e-10 * scale, rel=1e-10)
    assert line.r == pytest.approx(expected.rvalue, abs=1e-10)
    assert line.r2 == pytest.approx(expected.rvalue**2, abs=1e-10)
    # On an exact line p is 0 and its derivative infinite: with one degree of freedom rounding alone makes 1e-8.
    assert line.p == pytest.approx(expected.pvalue, abs=1e-10 if abs(line.r) < 1 - 1e-10 else 1e-5)
    assert line.stderr**2 == pytest.approx(expected.stderr**2, abs=1e-10 * scale**2, rel=1e-10)
    if offset == 0:
        assert line.intercept == pytest.approx(expected.intercept, abs=1e-9)


def test_a_spread_of_a_ten_thousandth_at_a_billion_keeps_its_slope(reduce):
    data = [(float(i), 1e9 + i * 2.0**-13) for i in range(100)]
    line = linear.fit(reduce(linear.SQL, a=data)["a"])
    assert line.slope == pytest.approx(2.0**-13, rel=1e-12)
    assert line.r2 == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ([], None),
        ([(None, None)], "n = 0 readings of RSS with cycle; at least 3 are needed"),
        ([(0.0, 1.0), (1.0, 2.0)], "n = 2 readings of RSS with cycle; at least 3 are needed"),
        ([(0.1, 1.0), (0.1, 2.0), (0.1, 4.0)], "cycle is constant (n = 3)"),
        ([(0.0, 0.1), (1.0, 0.1), (2.0, 0.1)], "RSS is constant (n = 3)"),
        ([(0.0, 0.0), (1.0, 1e-160), (2.0, 3e-160)], "RSS is constant (n = 3)"),
        ([(0.0, 1e200), (1.0, -1e200), (2.0, 0.0)], "RSS is too large for double precision (n = 3)"),
    ],
    ids=["empty", "nothing read", "two", "x constant", "y constant", "underflow", "overflow"],
)
def test_what_has_no_line_says_why(reduce, data, reason):
    rows = reduce(linear.SQL, a=data)
    if reason is None:
        assert rows == {}
        return
    line = linear.fit(rows["a"], x="cycle", y="RSS")
    assert isinstance(line, Unfit)
    assert line.reason == reason


def test_groups_do_not_mix_and_single_readings_are_counted(reduce):
    rows = reduce(
        linear.SQL, a=[(0.0, 0.0), (1.0, 1.0), (2.0, 2.5), (3.0, None)], b=[(0.0, 5.0), (None, 1.0)]
    )
    assert (rows["a"]["n"], rows["a"]["n_x"], rows["a"]["n_y"]) == (3, 4, 3)
    assert (rows["b"]["n"], rows["b"]["n_x"], rows["b"]["n_y"]) == (1, 1, 2)
    assert linear.fit(rows["a"]).slope == pytest.approx(1.25)


def test_a_perfect_line_has_probability_zero(reduce):
    line = linear.fit(reduce(linear.SQL, a=[(float(i), 2.0 * i) for i in range(9)])["a"])
    assert (line.r, line.p, line.stderr) == (1.0, 0.0, 0.0)


def test_dividing_the_residuals_by_n_makes_p_smaller_as_the_archived_script_had_it(reduce):
    x, y = [0.0, 1.0, 2.0, 3.0, 4.0], [1.0, 0.5, 2.5, 2.0, 4.0]
    line = linear.fit(reduce(linear.SQL, a=list(zip(x, y, strict=True)))["a"])
    residuals = [b - line.intercept - line.slope * a for a, b in zip(x, y, strict=True)]
    error = math.sqrt(sum(r * r for r in residuals) / 5 / 10)
    expected = 2 * (1 - scipy_stats.t.cdf(line.slope / error, df=3))
    assert linear.biased_probability(line) == pytest.approx(expected, abs=1e-12)
    assert linear.biased_probability(line) < line.p
    exact = linear.fit(reduce(linear.SQL, a=[(float(i), 2.0 * i) for i in range(9)])["a"])
    assert linear.biased_probability(exact) == 0.0
