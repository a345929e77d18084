from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from scipy import stats as scipy_stats

from stats.comparing import Comparison, compare
from stats.report import comparison_table
from store.catalog import open_catalog

SCHEMA = jsonschema.Draft202012Validator(
    json.loads((Path(__file__).parents[1] / "contracts" / "compare.schema.json").read_text())
)
SLOW = [10.2, 9.7, 10.9, 10.4]
FAST = [0.11, 0.104, 0.109]


def of(name: str) -> str:
    return f"experiment = '{name}'"


@pytest.fixture(scope="module")
def comparison(tmp_path_factory, make_run) -> Callable[..., Comparison]:
    """Publish runs of two experiments by their run times in seconds and compare them; the same ones once."""
    stores: dict[str, Path] = {}
    known: dict[str, Comparison] = {}

    def published(a, b, each_a, each_b, parts) -> Path:
        root = tmp_path_factory.mktemp("runs")
        for name, times, columns in (("a", a, each_a), ("b", b, each_b)):
            for seconds in times:
                make_run(root, experiment=name, **{"wall_s": seconds, **columns})
        for status in parts:
            make_run(root, experiment="a", wall_s=0.001, status=status)
        return root

    def publish_and_compare(
        a=SLOW, b=FAST, *, each_a=None, each_b=None, parts=(), **options: Any
    ) -> Comparison:
        runs = (a, b, each_a or {}, each_b or {}, parts)
        if repr(runs) not in stores:
            stores[repr(runs)] = published(*runs)
        asked = repr((runs, options))
        if asked not in known:
            with open_catalog(stores[repr(runs)]) as catalog:
                known[asked] = compare(catalog, a=of("a"), b=of("b"), **options)
            SCHEMA.validate(known[asked].to_json())
        return known[asked]

    return publish_and_compare


def accounts(wall: int, sampling: int, probe: int, calls: int, *, cycles: int = 4) -> dict[str, Any]:
    each = {"wall_ns": wall, "sampling_ns": sampling, "probe_ns": probe, "sampling_calls": calls}
    return {"cycles": {name: [value] * cycles for name, value in each.items()}}


def test_speedup_is_the_ratio_of_mean_run_times_within_the_interval_of_welchs_test(comparison):
    speedup = comparison().quantities["speedup"]
    assert speedup.value == pytest.approx(statistics.fmean(SLOW) / statistics.fmean(FAST), rel=1e-12)
    assert speedup.low < speedup.value < speedup.high
    assert (speedup.n_a, speedup.n_b, speedup.unit_of_inference) == (4, 3, "run")


def test_both_t_tests_and_both_centres_of_levene_are_scipys(comparison):
    document = comparison().to_json()
    for name, equal_var in (("student", True), ("welch", False)):
        expected = scipy_stats.ttest_ind(SLOW, FAST, equal_var=equal_var)
        assert document["t_test"][name]["t"] == pytest.approx(expected.statistic, rel=1e-10)
        assert document["t_test"][name]["p"] == pytest.approx(expected.pvalue, rel=1e-8)
    for centre in ("mean", "median"):
        expected = scipy_stats.levene(SLOW, FAST, center=centre)
        assert document["levene"][centre]["w"] == pytest.approx(expected.statistic, rel=1e-9)
        assert document["levene"][centre]["p"] == pytest.approx(expected.pvalue, rel=1e-8)
    assert document["levene"]["value"] == document["levene"]["median"]["w"]
    assert document["t_test"]["value"] == document["t_test"]["welch"]["t"]


def test_variance_reduction_says_how_much_of_it_the_speedup_alone_gives(comparison):
    found = comparison([10.0, 11.0, 12.0], [1.0, 1.1, 1.2]).quantities["variance_reduction"]
    assert found.value == pytest.approx(0.99)
    assert found.extra["from_speedup_alone"] == pytest.approx(0.99)
    assert found.low < found.value < found.high


def test_one_run_gives_a_speedup_without_interval_and_no_test(comparison):
    found = comparison([10.0], FAST)
    assert found.quantities["speedup"].value == pytest.approx(10 / statistics.fmean(FAST))
    assert found.quantities["speedup"].low is None
    for name in ("t_test", "effect_size", "levene", "variance_reduction"):
        assert found.quantities[name].value is None
        assert found.quantities[name].reason.startswith("n = 1 in A")
    assert found.quantities["speedup"].reason.startswith("n = 1 in A")
    assert any(note.startswith("n = 1 in A") for note in found.notes)
    assert found.h2_h3_validated["manuscript"] is None


def test_excess_needs_expected_durations_and_names_what_is_missing(comparison):
    found = comparison(expected_a_s=6.0).quantities["excess_reduction"]
    assert found.value is None
    assert "--expected-b-s" in found.reason
    assert "--expected-a-s" not in found.reason


def test_excess_reduction_compares_excesses_not_times(comparison):
    found = comparison([17.0, 17.6], [1.7, 1.76], expected_a_s=10.0, expected_b_s=1.0).quantities[
        "excess_reduction"
    ]
    assert found.extra["excess_a"] == pytest.approx(0.73)
    assert found.value == pytest.approx(0, abs=1e-12), (
        "ten times faster, and still 73 % over what was expected"
    )
    assert found.low < 0 < found.high


def test_excess_that_never_was_cannot_be_reduced(comparison):
    found = comparison(expected_a_s=20.0, expected_b_s=1.0).quantities["excess_reduction"]
    assert found.value is None
    assert "no longer than expected" in found.reason


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_expected_duration_must_be_a_duration(comparison, seconds):
    with pytest.raises(ValueError, match="expected_a_s="):
        comparison(expected_a_s=seconds)


def test_calls_are_counted_never_assumed(comparison):
    unknown = comparison().quantities["call_reduction"]
    assert unknown.value is None
    assert "number of sampling calls was not recorded in A and B" in unknown.reason


def test_call_reduction_follows_the_counts(comparison):
    counted = comparison(each_a={"total_sampling_calls": 1_080_000}, each_b={"total_sampling_calls": 12_000})
    found = counted.quantities["call_reduction"]
    assert found.value == pytest.approx(1 - 12 / 1080)
    assert found.low == found.value == found.high, "equal counts in every run leave no uncertainty"
    assert found.extra["ratio"] == 90


def test_runs_without_a_total_are_counted_by_their_cycles(comparison):
    counted = comparison(
        each_a=accounts(1000, 900, 0, 416) | {"total_sampling_calls": None}, each_b=accounts(1000, 900, 0, 1)
    )
    assert counted.quantities["call_reduction"].extra["ratio"] == 416


def test_overhead_is_sampling_time_over_the_rest_of_the_run(comparison):
    found = comparison(each_a=accounts(1_000, 900, 20, 9), each_b=accounts(150, 50, 20, 1)).quantities[
        "overhead_factor"
    ]
    assert found.extra["a"]["value"] == pytest.approx(900 / 80)
    assert found.extra["b"]["value"] == pytest.approx(50 / 80)
    assert found.value == pytest.approx(18)
    assert found.extra["a"]["n"] == 4


def test_overhead_of_one_side_stands_where_the_other_was_not_recorded(comparison):
    found = comparison(each_a=accounts(1_000, 900, 20, 9)).quantities["overhead_factor"]
    assert found.value is None
    assert found.extra["a"]["value"] == pytest.approx(11.25)
    assert found.extra["b"] is None


def spending(wall: int, sampling: int, calls: int, cpu: int) -> dict[str, Any]:
    each = {"wall_ns": wall, "sampling_ns": sampling, "sampling_calls": calls}
    each |= {"cpu_ns": cpu, "runq_ns": 0, "offcpu_ns": wall - cpu}
    return {
        "cycles": {
            name: [value * 10**6] * 10 if name[-2:] == "ns" else [value] * 10 for name, value in each.items()
        }
    }


def test_what_a_run_takes_less_is_split_into_parts_that_add_up(comparison):
    a, b = spending(790, 600, 20, 90), spending(50, 3, 1, 40)
    found = comparison([8.0, 8.2], [0.6, 0.6], each_a=a, each_b=b)
    saved = found.quantities["speedup"].extra["saved"]
    assert saved["fewer_calls_s"] == pytest.approx(190 * 0.03)  # 19 of 20 calls a cycle, at A's 30 ms each
    assert saved["cheaper_calls_s"] == pytest.approx(10 * 0.027)
    assert saved["rest_of_cycles_s"] == pytest.approx(1.9 - 0.47)
    assert saved["outside_cycles_s"] == pytest.approx(0.2 - 0.1)
    parts = ("fewer_calls_s", "cheaper_calls_s", "rest_of_cycles_s", "outside_cycles_s")
    assert saved["run_s"] == pytest.approx(7.5) == pytest.approx(sum(saved[name] for name in parts))
    assert saved["accounts"] == pytest.approx({"cpu": 0.5, "runq": 0.0, "offcpu": 6.9})
    text = comparison_table(found)
    assert "7.5 s less than one of A: 5.7 s less by fewer sampling calls (200 to 10)" in text
    assert "0.27 s less by cheaper ones (30 to 3 ms each), 1.43 s less in the rest of the cycles" in text
    assert "by account: 0.5 s less cpu, 6.9 s less off-CPU" in text
    assert (
        "its calls at A's 30 ms each (harmonic mean of runs) would give" in text
    )  # unlike that of the parts


def test_runs_that_take_as_long_have_no_parts_to_list(comparison):
    same = spending(50, 3, 1, 40)
    text = comparison_table(comparison([0.6, 0.6], [0.6, 0.6], each_a=same, each_b=same))
    assert "a run of B takes as long as one of A\n" in text
    assert "by account" not in text


def test_of_somebodys_own_code_the_text_says_nothing_of_the_studys_hypotheses(comparison):
    calls = spending(790, 600, 20, 90), spending(50, 3, 1, 40)
    for workload, said in (("callable", False), (None, False), ("nrm", True)):
        each = [{**columns, "workload": workload} for columns in calls]
        found = comparison([8.0, 8.2], [0.6, 0.6], each_a=each[0], each_b=each[1])
        text = comparison_table(found)
        assert [words in text for words in ("h5", "from 160 to 190", "elimination")] == [said] * 3
        assert [row.hypothesis for row in found.elimination] == ["h1", "h2", "h3", "h4", "h5"]


def test_what_was_not_recorded_throughout_is_not_split(comparison):
    assert comparison().quantities["speedup"].extra["saved"] is None  # of these, no cycles
    partly = spending(50, 3, 1, 40)
    partly["cycles"]["sampling_ns"][3] = None
    partly["cycles"]["offcpu_ns"] = [None] * 10
    found = comparison([8.0, 8.2], [0.9, 0.9], each_a=spending(790, 600, 20, 90), each_b=partly)
    saved = found.quantities["speedup"].extra["saved"]
    assert (saved["fewer_calls_s"], saved["accounts"]) == (None, None)
    assert saved["rest_of_cycles_s"] == pytest.approx(7.4)
    assert "7.4 s less in the cycles, 0.2 s more outside of them" in comparison_table(found)


def test_run_times_of_imports_are_those_of_their_conditions(comparison):
    conditions = [
        {"condition": name, "position": k, "mechanisms": {}, "condition_cycles": 10, "condition_wall_s": 1.5}
        for k, name in enumerate(["OFF-OFF", "ON-OFF"])
    ]
    imported = {"wall_s": None, "status": "imported", "conditions": conditions}
    found = comparison([0, 0], [1.0, 1.5], each_a=imported).quantities["speedup"]
    assert found.value == pytest.approx(3.0 / 1.25)


def test_runs_without_any_time_are_a_reason_not_a_zero(comparison):
    found = comparison([0], [1.0, 1.5], each_a={"wall_s": None}).quantities["speedup"]
    assert found.value is None
    assert "run time was not recorded in A" in found.reason


@pytest.mark.parametrize("status", ["interrupted", "failed"])
def test_parts_of_runs_are_left_out_with_a_note(comparison, status):
    found = comparison(parts=("interrupted", "failed"))
    assert found.quantities["speedup"].n_a == len(SLOW)
    assert any(status in note and note.startswith("A:") for note in found.notes)


@pytest.fixture(scope="module")
def small(tmp_path_factory, make_run) -> Path:
    """Return a store of one run of each of two experiments, and a failed one of a third."""
    root = tmp_path_factory.mktemp("small")
    for name in ("a", "b"):
        make_run(root, experiment=name, wall_s=1.0)
    make_run(root, experiment="broken", status="failed")
    return root


@pytest.mark.parametrize(
    ("a", "b", "sentence"),
    [
        (of("a"), of("nowhere"), "B .* selects no run"),
        (of("a"), "status <> 'imported'", "in both A and B"),
        (of("broken"), of("a"), "A .* selects no whole run, only 1 failed"),
        ("experimen = 'a'", of("b"), "experimen"),
        ("experiment = plain", of("b"), "if it is text, write 'plain'"),
        ("config->'workload'->>'x' = '1'", of("b"), r"write config->>'\$.a.b' = 'value'"),
    ],
    ids=["empty", "overlap", "parts only", "typo", "text without quotes", "arrow before equals"],
)
def test_groups_that_cannot_be_compared_are_refused_in_a_sentence(small, a, b, sentence):
    with open_catalog(small) as catalog, pytest.raises(ValueError, match=sentence):
        compare(catalog, a=a, b=b)


def test_several_predicates_of_a_side_must_all_hold(tmp_path, make_run):
    for replicate in range(4):
        make_run(tmp_path, experiment="a", wall_s=1.0, replicate=replicate)
        make_run(tmp_path, experiment="b", wall_s=2.0, replicate=replicate)
    with open_catalog(tmp_path) as catalog:
        found = compare(catalog, a=[of("a"), "replicate < 2"], b=of("b"))
    assert (len(found.a.runs), len(found.b.runs)) == (2, 4)
    assert found.a.where == (of("a"), "replicate < 2")


@pytest.mark.parametrize(
    ("each_b", "named"),
    [
        ({"host": "other"}, "host (here against other)"),
        ({"config": json.dumps({"workload": {"max_agents": 100}})}, "workload.max_agents (20 against 100)"),
        (accounts(5, 1, 0, 1, cycles=7), "cycles"),
    ],
    ids=["host", "option", "cycles"],
)
def test_what_else_differs_is_said_to_confound(comparison, each_b, named):
    each_a = {"host": "here", "config": json.dumps({"workload": {"max_agents": 20}})}
    found = comparison(each_a=each_a, each_b={**each_a, **each_b})
    assert any(f"A and B differ in {named}" in note and "confounded" in note for note in found.notes)


def test_what_the_predicates_select_by_is_compared_and_only_the_rest_confounds(tmp_path, make_run):
    for nap, agents, host in ((0, 20, "here"), (5, 100, "there")):
        config = json.dumps({"workload": {"options": {"nap_s": nap}, "max_agents": agents}})
        make_run(tmp_path, experiment=f"nap{nap}", wall_s=1.0, config=config, host=host)
    nap, agents = "workload.options.nap_s (0 against 5)", "workload.max_agents (20 against 100)"
    with open_catalog(tmp_path) as catalog:
        for key in ("config->>'$.workload.options.nap_s'", "(config->'workload'->'options'->>'nap_s')"):
            notes = compare(catalog, a=f"{key} = '0'", b=f"{key} = '5'").notes
            assert f"A and B differ in {nap}: that is what is compared" in notes
            assert f"A and B differ in {agents}: what is found is confounded with it" in notes
        notes = compare(catalog, a="experiment = 'nap0'", b="experiment = 'nap5'").notes
        assert f"A and B differ in {nap}: what is found is confounded with it" in notes
        assert not any("nap0" in note for note in notes)
        notes = compare(catalog, a="host = 'here'", b="host = 'there'").notes
        assert "A and B differ in host (here against there): that is what is compared" in notes


def test_what_else_an_optimization_sets_is_said(tmp_path, make_run):
    for mode, interval, persist in (("unoptimized", 0.1, "sqlite"), ("cached", None, "none")):
        options = {"name": mode, "cpu_interval_s": interval, "persist": persist, "share": "all"}
        make_run(tmp_path, optimization=mode, wall_s=1.0, config=json.dumps({"optimization": options}))
    with open_catalog(tmp_path) as catalog:
        notes = compare(catalog, a="optimization = 'unoptimized'", b="optimization = 'cached'").notes
    said = "optimization.cpu_interval_s (0.1 against nothing), optimization.persist (sqlite against none)"
    assert f"A and B differ in {said}: that is what is compared, all of it together" in notes


def test_optimization_is_the_question_and_confounds_nothing(tmp_path, make_run):
    for mode in ("unoptimized", "cached"):
        config = json.dumps(
            {"optimization": {"name": mode}, "seed": len(mode), "workload": {"rules": "light"}}
        )
        for _ in range(2):
            make_run(tmp_path, experiment="c256", optimization=mode, wall_s=1.0, config=config)
    with open_catalog(tmp_path) as catalog:
        found = compare(catalog, a="optimization = 'unoptimized'", b="optimization = 'cached'")
    assert not found.notes


@pytest.mark.parametrize(
    ("b", "expected_b_s", "verdicts"),
    [
        ([10 / 170, 10.5 / 170, 9.5 / 170], 0.059, {"supplement": True, "script": True}),
        ([10 / 400, 10.5 / 400, 9.5 / 400], 0.025, {"supplement": True, "script": False}),
        ([10 / 170, 10.5 / 170, 9.5 / 170], 0.034, {"supplement": False, "script": True}),
        ([1.0, 1.1, 1.2], 0.1, {"supplement": False, "script": False}),
    ],
    ids=["in the window", "faster than predicted", "excess kept", "ten times"],
)
def test_joint_verdict_has_the_studys_three_forms(comparison, b, expected_b_s, verdicts):
    found = comparison([9.0, 10.0, 11.0], b, expected_a_s=5.8, expected_b_s=expected_b_s).h2_h3_validated
    assert {name: found[name] for name in verdicts} == verdicts


def test_part_of_a_joint_verdict_that_is_unknown_leaves_it_open_unless_another_fails(comparison):
    assert comparison([10.0, 11.0], [0.05, 0.051]).h2_h3_validated["supplement"] is None


def test_part_of_a_joint_verdict_that_fails_decides_it(comparison):
    assert comparison([10.0, 11.0], [5.0, 5.1]).h2_h3_validated["supplement"] is False
