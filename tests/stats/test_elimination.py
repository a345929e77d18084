from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest

from stats.comparing import compare
from stats.elimination import CAVEAT, CYCLES, slow_downs, table
from stats.kernels import linear
from stats.quantity import Quantity
from store.catalog import open_catalog

SCHEMA = jsonschema.Draft202012Validator(
    json.loads((Path(__file__).parents[1] / "contracts" / "compare.schema.json").read_text())
)
NO_EXCESS = Quantity(n_a=3, n_b=3, reason="no expected duration")
CUT = Quantity(n_a=3, n_b=3, value=0.98, low=0.97, high=0.99)


def reduction(low: float, high: float) -> Quantity:
    mean = (low + high) / 2
    return Quantity(n_a=3, n_b=3, value=mean, low=low, high=high, extra={"excess_a": 0.7, "excess_b": 0.1})


def catalog(*slow: float) -> Any:
    """Return what answers for the slopes of runs whose cycles slow by ``slow`` over one condition of 100 cycles."""
    rows = [
        {"grp": f"run{k}/all", "n": 100, "sxx": 1.0, "sxy": y / 100, "y_mean": 1.0}
        for k, y in enumerate(slow)
    ]
    return SimpleNamespace(reduce=lambda *_, **__: rows)


def outcomes(excess: Quantity, *slow: float, calls: Quantity = CUT) -> dict[str, str]:
    found = {"excess_reduction": excess, "call_reduction": calls}
    return {row.hypothesis: row.outcome for row in table(catalog(*slow), ["b"], found)}


S, E, U = "SUPPORTED", "ELIMINATED", "UNDECIDED"


@pytest.mark.parametrize(
    ("low", "high", "slow", "expected"),
    [
        (0.95, 0.99, (0.20, 0.21, 0.22), (E, S, S, E, S)),
        (0.95, 0.99, (0.00, 0.01, 0.02), (E, S, S, E, E)),
        (0.60, 0.80, (0.20, 0.21, 0.22), (E, S, E, E, S)),
        (0.20, 0.40, (0.00, 0.30, 0.10), (E, U, E, E, U)),
        (-0.05, 0.05, (0.00, 0.01, 0.02), (S, E, E, S, E)),
        (-0.05, 0.05, (0.20, 0.21, 0.22), (S, E, E, S, U)),
        (-0.50, 0.95, (0.20, 0.21, 0.22), (U, U, U, U, U)),
        (-0.90, -0.40, (0.00, 0.01, 0.02), (U, E, E, U, E)),
    ],
    ids=[
        "gone, a slope stays", "gone", "half gone, a slope stays", "a part gone", "unchanged",
        "unchanged, a slope stays", "anything possible", "grown",
    ],
)  # fmt: skip
def test_intervals_decide(low, high, slow, expected):
    found = outcomes(reduction(low, high), *slow)
    assert found == dict(zip(["h1", "h2", "h3", "h4", "h5"], expected, strict=True))


@pytest.mark.parametrize(
    ("calls", "words"),
    [
        (
            Quantity(n_a=3, n_b=3, reason="not recorded in A"),
            "whether sampling was cut is unknown (not recorded",
        ),
        (Quantity(n_a=3, n_b=3, value=0.2, low=0.1, high=0.3), "80.0 % of A's sampling calls"),
    ],
    ids=["calls not counted", "calls not cut"],
)
def test_without_an_intervention_nothing_is_decided_and_it_is_said(calls, words):
    found = {"excess_reduction": reduction(0.95, 0.99), "call_reduction": calls}
    for row in table(catalog(0.0, 0.0, 0.0), ["b"], found):
        assert row.outcome == "UNDECIDED"
        assert words in row.observed


def test_an_excess_that_never_was_decides_nothing():
    never = Quantity(n_a=3, n_b=3, reason="A took no longer than expected", extra={"excess_a": -0.1})
    assert set(outcomes(never, 0.0, 0.0).values()) == {"UNDECIDED"}


def test_slopes_are_read_within_conditions(tmp_path, make_run):
    """Two conditions of unlike cost, the dear one last: no slope; each then slows by a half over its cycles."""
    for rise in (0, 50):
        cheap = [1000 + rise * k // 10 for k in range(100)]
        wall = [*cheap, *(9 * ns for ns in cheap)]
        make_run(tmp_path, cycles={"wall_ns": wall, "condition": ["OFF"] * 100 + ["ON"] * 100})
    with open_catalog(tmp_path) as store:
        flat, rising = slow_downs(store.reduce(linear.SQL, CYCLES))
    assert flat == pytest.approx(0, abs=1e-12)
    assert rising == pytest.approx(500 / 1247.5, rel=1e-2)


@pytest.fixture(scope="module")
def compared(tmp_path_factory, make_run):
    """Compare runs of unlike sampling: 100 against 1 calls a cycle, 10 against 0.5 ms a cycle; the same ones once."""
    stores: dict[str, Path] = {}
    known: dict[str, dict[str, Any]] = {}

    def published(n: int, each_a: dict, each_b: dict) -> Path:
        root = tmp_path_factory.mktemp("runs")
        for mode, ns, calls, more in (
            ("unoptimized", 10_000_000, 100, each_a),
            ("cached", 500_000, 1, each_b),
        ):
            for replicate in range(n):
                cycles = {"wall_ns": [ns + 100 * replicate + k % 7 for k in range(30)]}
                cycles |= {"sampling_ns": [ns // 2] * 30, "sampling_calls": [calls] * 30}
                cycles |= {"cpu_ns": [ns // 10] * 30}
                make_run(root, **{"experiment": "c256", "optimization": mode, "cycles": cycles, **more})
        return root

    def run(n: int = 3, *, each_a: dict | None = None, each_b: dict | None = None, **options: Any):
        runs = (n, each_a or {}, each_b or {})
        if repr(runs) not in stores:
            stores[repr(runs)] = published(*runs)
        asked = repr((runs, options))
        if asked not in known:
            with open_catalog(stores[repr(runs)]) as store:
                found = compare(
                    store, a="optimization = 'unoptimized'", b="optimization <> 'unoptimized'", **options
                )
            known[asked] = found.to_json()
            SCHEMA.validate(known[asked])
        return known[asked]

    return run


def test_a_comparison_carries_the_table(compared):
    document = compared()
    found = {row["hypothesis"]: row["outcome"] for row in document["elimination"]}
    assert found == {"h1": E, "h2": S, "h3": S, "h4": E, "h5": E}
    assert "95.0 % of A's run time removed [95.0 %, 95.0 %]" in document["elimination"][0]["observed"]
    assert "B's cycles slow by" in document["elimination"][4]["observed"]
    assert CAVEAT in document["notes"]


def test_a_hypothesis_of_heat_without_a_sensor_is_judged_by_run_times_and_says_so(compared):
    said = "no sensor of heat was read: this is of run times alone, and h4's own test is UNTESTABLE"
    assert compared()["elimination"][3]["observed"].endswith(f"; {said}")
    read = {"probes": {"thermal": {"cycle": [0, 1], "t_ns": [1, 2], "temp_celsius": [50.0, 51.0]}}}
    assert said not in compared(each_b=read)["elimination"][3]["observed"]


def test_cycles_that_become_shorter_quicken():
    found = {"excess_reduction": reduction(0.9, 0.99), "call_reduction": CUT}
    row = table(catalog(-0.5, -0.52, -0.48), ["b"], found)[4]
    assert "B's cycles quicken by 50.0 % over a condition [45.0 %, 55.0 %]" in row.observed
    assert row.outcome == E


def test_expected_durations_make_the_excess_decide(compared):
    """Twenty times faster, and as much over what was expected as before: nothing was removed."""
    document = compared(expected_a_s=0.2, expected_b_s=0.01)
    found = {row["hypothesis"]: row["outcome"] for row in document["elimination"]}
    assert (found["h1"], found["h2"], found["h3"]) == (S, E, E)
    assert "of A's excess removed" in document["elimination"][0]["observed"]
    assert CAVEAT not in document["notes"]


def test_one_run_decides_nothing_and_says_so(compared):
    for row in compared(1)["elimination"]:
        assert row["outcome"] == "UNDECIDED"
        assert "n = 1 in A and in B" in row["observed"]


def test_predictions_stand_beside_what_was_found_of_the_studys_runs(compared):
    document = compared()
    assert document["speedup"]["predicted"] == {"low": 160, "high": 190}
    assert document["call_reduction"]["predicted"]["ratio"] == 90
    assert document["overhead_factor"]["predicted"] == {"value": 80, "a": 40, "b": 0.5}
    assert document["excess_reduction"]["predicted"]["excess_a"] == 0.73


@pytest.mark.parametrize(
    ("each_a", "each_b"),
    [({"experiment": "mine"}, {}), ({}, {"experiment": "mine"})],
    ids=["A", "B"],
)
def test_the_study_predicts_nothing_of_other_runs(compared, each_a, each_b):
    document = compared(each_a=each_a, each_b=each_b)
    assert not any("predicted" in document[name] for name in ("speedup", "call_reduction", "t_test"))


def test_calls_times_the_cost_of_one_elsewhere_is_predicted_beside_the_overhead(compared):
    document = compared()
    a, b = (document["overhead_factor"][side] for side in "ab")
    assert b["predicted"]["unit_cost_of"] == "a"
    assert b["predicted"]["unit_cost_ns"] == pytest.approx(5_000_000 / 100)
    assert b["predicted"]["value"] == pytest.approx(50_000 / 250_000, rel=1e-3)
    assert a["predicted"]["value"] == pytest.approx(100 * 250_000 / 5_000_000, rel=1e-3)
    assert a["predicted"]["low"] < a["predicted"]["value"] < a["predicted"]["high"]


def test_cost_of_a_call_is_a_sides_own_where_the_other_took_none(compared):
    silent = {"cycles": {"wall_ns": [1000] * 30, "sampling_ns": [0] * 30, "sampling_calls": [0] * 30}}
    document = compared(each_b=silent)
    assert document["overhead_factor"]["a"]["predicted"]["unit_cost_of"] == "a"
    assert document["overhead_factor"]["b"]["predicted"]["value"] == 0


def test_a_level_that_differs_is_noted(compared):
    busy = {"cycles": {"wall_ns": [1000] * 30, "sampling_ns": [100] * 30, "cpu_ns": [900] * 30}}
    notes = compared(each_b=busy)["notes"]
    assert (
        "the level differs: the workload's sampling calls 50% of A's time and 10% of B's, "
        "cpu 10% of A's time and 90% of B's" in notes
    )
