"""Ratios with intervals from blocks that alternate, and what may be said of a goal."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.document import Goal, compared, valued
from benchmarks.measuring import Interval, interleaved, median, ratio, scatter


def test_every_round_holds_every_block_in_an_order_of_its_own() -> None:
    ran: list[str] = []
    blocks = {name: lambda name=name: ran.append(name) or float(len(ran)) for name in "abc"}
    values = interleaved(blocks, 20, seed=0)
    rounds = [tuple(ran[i : i + 3]) for i in range(0, 60, 3)]
    assert all(sorted(order) == ["a", "b", "c"] for order in rounds)
    assert len(set(rounds)) > 3
    assert all(len(series) == 20 for series in values.values())


def test_a_ratio_keeps_the_blocks_of_a_round_together() -> None:
    drift = np.linspace(1, 3, 15)
    found = ratio((2 * drift).tolist(), drift.tolist(), seed=0)
    assert (found.value, found.low, found.high) == pytest.approx((2.0, 2.0, 2.0))


def test_an_interval_covers_the_true_ratio_about_as_often_as_it_says() -> None:
    draws = np.random.default_rng(0)
    covered = 0
    for seed in range(100):
        a, b = 3 * draws.lognormal(0, 0.1, 15), draws.lognormal(0, 0.1, 15)
        found = ratio(a.tolist(), b.tolist(), seed=seed)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 3 <= found.high
    assert covered >= 88


def test_a_single_block_has_no_interval() -> None:
    assert ratio([2.0], [1.0], seed=0) == Interval(2.0, None, None)
    assert median([2.0], seed=0) == Interval(2.0, None, None)


@pytest.mark.parametrize(
    ("a", "met", "said"),
    [
        ([2.0, 2.01, 2.02], True, "goal >= 1.5"),
        ([1.0, 1.01, 1.02], False, "goal >= 1.5"),
        ([1.4, 1.5, 1.6], None, "straddles the goal"),
        ([2.0, 4.0, 8.0], None, "too noisy"),
        ([2.0], None, "a single block"),
    ],
    ids=["met", "not met", "straddling", "noisy", "single"],
)
def test_a_goal_is_met_or_not_only_where_the_whole_interval_says_so(
    a: list[float], met: bool | None, said: str
) -> None:
    result = compared("a_vs_b", ("a", a), ("b", [1.0] * len(a)), unit="1/s", goal=Goal(">=", 1.5), seed=0)
    assert result.met is met
    assert said in result.reason


def test_goals_below_a_value_work_too() -> None:
    assert Goal("<=", 3.0).met(Interval(2.0, 1.0, 2.5)) is True
    assert Goal("<=", 3.0).met(Interval(4.0, 3.5, 4.5)) is False


def test_scatter_heeds_no_single_slow_block() -> None:
    assert scatter([1.0, 1.0, 1.0, 1.0, 50.0]) == 0.0


def test_a_value_without_a_goal_is_neither_met_nor_not() -> None:
    result = valued("seconds", ("numpy", [1.0, 1.1, 1.2]), unit="CPU s", reason="no goal", seed=0)
    assert (result.goal, result.met, result.value) == (None, None, 1.1)
