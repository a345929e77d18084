from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from stats.kernels import spearman
from stats.kernels.usable import Unfit

values = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e9, 1e9), st.just(-0.0))
pairs = st.lists(st.tuples(values, values), min_size=3, max_size=80)
blanks = st.lists(st.sampled_from([(None, 1.0), (1.0, None), (math.nan, 2.0), (3.0, -math.inf)]), max_size=5)


@settings(max_examples=80, deadline=None)
@given(data=pairs, gaps=blanks)
def test_rank_correlation_agrees_with_scipy_under_ties_and_gaps(reduce, data, gaps):
    correlation = spearman.fit(reduce(spearman.SQL, a=gaps + data)["a"])
    xs, ys = zip(*data, strict=True)
    if len(set(xs)) == 1 or len(set(ys)) == 1:
        assert "constant" in correlation.reason
        return
    expected = scipy_stats.spearmanr(xs, ys)
    assert correlation.n == len(data)
    assert correlation.rho == pytest.approx(expected.statistic, abs=1e-10)
    # At full agreement p is 0 and its derivative infinite: with one degree of freedom rounding makes 1e-8.
    assert correlation.p == pytest.approx(
        expected.pvalue, abs=1e-10 if abs(correlation.rho) < 1 - 1e-10 else 1e-5
    )


@settings(max_examples=20, deadline=None)
@given(data=pairs)
def test_rank_correlation_does_not_change_with_the_unit(reduce, data):
    rows = reduce(spearman.SQL, a=data, b=[(4 * x, y) for x, y in data])
    assert spearman.fit(rows["a"]) == spearman.fit(rows["b"])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ([(None, 3.0)], "n = 0 readings of time with load; at least 3 are needed"),
        ([(0.0, 1.0), (1.0, 2.0)], "n = 2 readings of time with load; at least 3 are needed"),
        ([(0.1, 1.0), (0.1, 2.0), (0.1, 4.0)], "load is constant (n = 3)"),
        ([(0.0, 0.1), (1.0, 0.1), (2.0, 0.1)], "time is constant (n = 3)"),
    ],
    ids=["nothing read", "two", "x constant", "y constant"],
)
def test_what_has_no_rank_correlation_says_why(reduce, data, reason):
    correlation = spearman.fit(reduce(spearman.SQL, a=data)["a"], x="load", y="time")
    assert isinstance(correlation, Unfit)
    assert correlation.reason == reason


def test_average_ranks_of_ties_are_exact_over_many_rows(reduce):
    data = [(float(i // 7), float((i * 7919) % 1013)) for i in range(20_000)]
    correlation = spearman.fit(reduce(spearman.SQL, a=data)["a"])
    assert correlation.rho == pytest.approx(
        scipy_stats.spearmanr(*zip(*data, strict=True)).statistic, abs=1e-12
    )
