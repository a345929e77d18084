from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from stats.kernels import two_sample
from stats.kernels.two_sample import Group

values = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 6))
observations = st.lists(values, min_size=2, max_size=30)
positive = st.lists(st.floats(0.01, 1e6), min_size=2, max_size=30)


def statistics(reduce, a, b):
    rows = reduce(two_sample.SQL, a=[(None, y) for y in a], b=[(None, y) for y in b])
    found = two_sample.groups(rows.values())
    return found["a"], found["b"]


def spread_out(*groups):
    """SciPy itself loses digits where the spread is lost in the mean."""
    return all(np.std(group) > 1e-6 * (1 + np.max(np.abs(group))) for group in groups)


@settings(max_examples=60, deadline=None)
@given(a=observations, b=observations)
def test_both_t_tests_agree_with_scipy(reduce, a, b):
    assume(spread_out(a, b))
    groups = statistics(reduce, a, b)
    for test, equal_var in ((two_sample.student, True), (two_sample.welch, False)):
        found, expected = test(*groups), scipy_stats.ttest_ind(a, b, equal_var=equal_var)
        assert found.t == pytest.approx(expected.statistic, rel=1e-10, abs=1e-10)
        assert found.p == pytest.approx(expected.pvalue, rel=1e-9, abs=1e-10)
        assert found.df == pytest.approx(expected.df, rel=1e-10)


@settings(max_examples=40, deadline=None)
@given(a=observations, b=observations)
def test_effect_sizes_follow_their_definitions(reduce, a, b):
    assume(spread_out(a, b))
    groups = statistics(reduce, a, b)
    na, nb = len(a), len(b)
    pooled = ((na - 1) * np.var(a, ddof=1) + (nb - 1) * np.var(b, ddof=1)) / (na + nb - 2)
    d = (np.mean(a) - np.mean(b)) / math.sqrt(pooled)
    assert two_sample.cohen_d(*groups) == pytest.approx(d, rel=1e-10, abs=1e-10)
    df = na + nb - 2
    factor = math.gamma(df / 2) / math.sqrt(df / 2) / math.gamma((df - 1) / 2) if df > 1 else 0.0
    assert two_sample.hedges_g(*groups) == pytest.approx(d * factor, rel=1e-10, abs=1e-10)


@settings(max_examples=40, deadline=None)
@given(a=positive, b=positive)
def test_log_ratio_interval_is_scipys_welch_interval_of_the_logarithms(reduce, a, b):
    logs = [[math.log(y) for y in group] for group in (a, b)]
    assume(spread_out(*logs))
    found = two_sample.log_ratio(*statistics(reduce, *logs))
    interval = scipy_stats.ttest_ind(*logs, equal_var=False).confidence_interval(0.95)
    assert math.log(found.low) == pytest.approx(interval.low, rel=1e-9, abs=1e-9)
    assert math.log(found.high) == pytest.approx(interval.high, rel=1e-9, abs=1e-9)
    assert found.low < found.value < found.high


@settings(max_examples=30, deadline=None)
@given(a=observations)
def test_mean_interval_is_scipys_t_interval(reduce, a):
    assume(spread_out(a))
    found = two_sample.mean_interval(statistics(reduce, a, a)[0])
    low, high = scipy_stats.t.interval(0.95, len(a) - 1, np.mean(a), scipy_stats.sem(a))
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9, abs=1e-7)


def test_mean_and_variance_survive_a_large_offset(reduce):
    a, _ = statistics(reduce, [1e9 + step * 2**-13 for step in (-1, 0, 1)], [1.0, 2.0])
    assert a.mean == 1e9
    assert a.var == 2**-26


def test_equal_values_have_no_variance_at_all(reduce):
    a, b = statistics(reduce, [math.log(5200)] * 3, [0.1] * 7)
    assert (a.var, b.var) == (0, 0)
    ratio = two_sample.log_ratio(a, b)
    assert ratio.low == ratio.value == ratio.high


def test_values_that_are_not_finite_and_nulls_are_dropped(reduce):
    a, b = statistics(reduce, [1.0, None, math.nan, math.inf, 3.0], [4.0])
    assert a == Group(2, 2.0, 2.0)
    assert b == Group(1, 4.0, None)


@pytest.mark.parametrize(
    "test", [two_sample.student, two_sample.welch, two_sample.cohen_d, two_sample.hedges_g]
)
def test_one_observation_has_no_variance_and_says_so(test):
    with pytest.raises(ValueError, match="n = 1 and n = 4"):
        test(Group(1, 3.0, None), Group(4, 2.0, 1.0))


def test_groups_that_do_not_vary_have_no_t():
    with pytest.raises(ValueError, match="do not vary"):
        two_sample.welch(Group(3, 3.0, 0.0), Group(3, 2.0, 0.0))


def test_fieller_interval_holds_the_ratios_that_a_t_test_accepts():
    numerator, denominator = Group(8, 1.2, 0.09), Group(8, 4.0, 0.16)
    found = two_sample.fieller(numerator, denominator)
    vn, vd = 0.09 / 8, 0.16 / 8
    df = (vn + vd) ** 2 / (vn**2 / 7 + vd**2 / 7)
    for bound in (found.low, found.high):
        t = (numerator.mean - bound * denominator.mean) / math.sqrt(vn + bound**2 * vd)
        assert abs(t) == pytest.approx(scipy_stats.t.ppf(0.975, df), rel=1e-12)


def test_fieller_has_no_bounds_where_the_denominator_may_be_zero():
    assert two_sample.fieller(Group(4, 1.0, 1.0), Group(4, 0.1, 1.0)).low is None


def test_variance_ratio_interval_turns_around_with_its_groups():
    a, b = Group(5, 0.0, 4.0), Group(9, 0.0, 1.0)
    ratio, inverse = two_sample.variance_ratio(a, b), two_sample.variance_ratio(b, a)
    assert ratio.value == 0.25
    assert (ratio.low, ratio.high) == pytest.approx((1 / inverse.high, 1 / inverse.low))
