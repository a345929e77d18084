"""Overhead as an interval, and shares next to 1 as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stats import legend, overhead
from stats.kernels import two_sample
from stats.kernels.two_sample import Group
from stats.totals import Totals


def side(group):
    return overhead.sides(Totals({"overhead a": group}))["a"]


@given(mean=st.floats(1e-6, 1e3), cv=st.floats(0, 1.4), n=st.integers(2, 30))
def test_no_overhead_is_below_0(mean, cv, n):
    found = side(Group(n, mean, (cv * mean) ** 2))
    assert 0 < found["low"] <= found["value"] == mean <= found["high"]


def test_of_runs_that_hardly_differ_the_bounds_are_those_of_the_mean():
    group = Group(5, 2.0, 1e-4)
    plain, found = two_sample.mean_interval(group), side(group)
    assert (found["low"], found["high"]) == pytest.approx((plain.low, plain.high), rel=1e-4)


@pytest.mark.parametrize("group", [Group(1, 2.0, None), Group(3, 0.0, 0.0)], ids=["one run", "none at all"])
def test_what_has_no_logarithm_or_no_variance_is_as_before(group):
    found, plain = side(group), two_sample.mean_interval(group)
    assert (found["low"], found["high"]) == (plain.low, plain.high)


@pytest.mark.parametrize(
    ("value", "said"),
    [(1.0, "1"), (0.99999, "0.99999"), (1 - 1e-9, "> 0.9999999"), (0.5, "0.5"), (None, "-")],
)
def test_only_what_leaves_nothing_is_a_reduction_by_1(value, said):
    found = {"value": value, "low": value, "high": value, "p": None, "n_a": 2, "n_b": 2, "reason": None}
    document = dict.fromkeys(legend.MEANINGS, found)
    row = next(row for row in legend.rows(document) if row["quantity"] == "variance_reduction")
    assert (row["value"], row["95_%_interval"]) == (said, "-" if value is None else f"[{said}, {said}]")
    assert ("variance_reduction" in str(legend.rows(document, ("variance_reduction",)))) == (
        value is not None
    )
