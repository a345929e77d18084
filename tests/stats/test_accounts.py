from __future__ import annotations

import pytest

from stats import judge
from stats.accounts import CONTAINERS, INSIDE, level
from store.catalog import open_catalog

S = 10**9


def row(wall, *, cycles=10, covered=None, **accounts):
    """Return one run's totals; an account that is not given was not read."""
    names = (*CONTAINERS, *INSIDE)
    return {
        "cycles": cycles,
        "wall": wall,
        **{name: accounts.get(name) for name in names},
        **{f"{name}_wall": (covered or wall) if name in accounts else None for name in names},
    }


def test_a_run_that_sleeps_in_its_sampling_calls_is_named_so():
    found = level([row(100 * S, cpu=3 * S, runq=S, offcpu=96 * S, sampling=97 * S, gc=0, probe=S // 5)])
    assert (found.account, found.share) == ("sampling", 0.97)
    assert found.detail == (
        "wall = 3.0 % cpu + 1.0 % run queue + 96 % off-CPU; inside these: 97 % the workload's sampling calls, "
        "0.0 % garbage collection, 0.2 % our probes"
    )
    assert found.reason == "the largest of 6 accounts over 10 cycles, 100 s of wall time"


@pytest.mark.parametrize(
    ("accounts", "largest"),
    [
        ({"cpu": 90, "runq": 5, "offcpu": 5, "gc": 20, "probe": 0, "sampling": 10}, "cpu"),
        ({"cpu": 10, "runq": 80, "offcpu": 10, "gc": 0, "probe": 0, "sampling": 0}, "runq"),
        ({"cpu": 50, "runq": 0, "offcpu": 50, "gc": 50, "probe": 0, "sampling": 0}, "gc"),
        ({"cpu": 100, "runq": 0, "offcpu": 0, "gc": 0, "probe": 97, "sampling": 0}, "probe"),
        ({"cpu": 101, "runq": 0, "offcpu": -1, "gc": 0, "probe": 0, "sampling": 0}, "cpu"),
    ],
    ids=[
        "computing",
        "waiting for a CPU",
        "a tie goes to the inner account",
        "nearly all of it",
        "a negative residual",
    ],
)
def test_the_largest_share_is_named(accounts, largest):
    found = level([row(100, **accounts)])
    assert (found.account, found.share) == (largest, accounts[largest] / 100)


def test_a_negative_residual_that_rounds_to_nothing_has_no_sign():
    detail = level([row(100 * S, cpu=100 * S, runq=S // 100, offcpu=-S // 100)]).detail
    assert detail is not None
    assert detail.endswith("+ 0.0 % off-CPU")


def test_a_negative_residual_is_taken_off():
    detail = level([row(1000 * S, cpu=999 * S, runq=13 * S, offcpu=-12 * S)]).detail
    assert detail == "wall = 100 % cpu + 1.3 % run queue - 1.2 % off-CPU"


def test_totals_add_up_over_runs():
    busy, asleep = (row(100 * S, cpu=100 * S, offcpu=0), row(300 * S, cpu=0, offcpu=300 * S))
    found = level([busy, asleep])
    assert (found.account, found.share) == ("offcpu", 0.75)
    absent = "run queue, the workload's sampling calls, garbage collection, our probes"
    assert found.reason.endswith(f"not recorded: {absent}")


def test_an_account_read_in_some_cycles_is_a_share_of_their_time():
    found = level([row(100, covered=20, cpu=15)])
    assert (found.account, found.share) == ("cpu", 0.75)
    assert "read in a part of the cycles: cpu" in found.reason


@pytest.mark.parametrize(
    ("rows", "reason"),
    [([], "no cycle times"), ([row(None)], "no cycle times"), ([row(100)], "no accounts of where they went")],
    ids=["no run", "no times", "times alone"],
)
def test_without_accounts_there_is_no_level_but_a_reason(rows, reason):
    found = level(rows)
    assert (found.account, found.share, found.detail) == (None, None, None)
    assert reason in found.reason


def test_a_judgement_carries_the_level_of_its_cycles_without_baseline_and_workers(tmp_path, make_run):
    cycles = {
        "cycle": [-1, 0, 1, 1],
        "process": [0, 0, 0, 1],
        "condition": ["all"] * 4,
        "wall_ns": [900 * S, 10 * S, 10 * S, 500 * S],
        "cpu_ns": [900 * S, 4 * S, 4 * S, 500 * S],
        "offcpu_ns": [0, 6 * S, 6 * S, 0],
    }
    make_run(tmp_path, cycles=cycles)
    with open_catalog(tmp_path) as catalog:
        found = judge(catalog).to_json()["level"]
    assert (found["account"], found["share"]) == ("offcpu", 0.6)
