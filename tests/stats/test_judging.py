from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from stats import judge
from stats.hypotheses import known
from stats.judging import explain
from store.catalog import open_catalog

SCHEMA = json.loads((Path(__file__).parents[1] / "contracts" / "verdict.schema.json").read_text())
N = 50


@pytest.fixture
def growing(tmp_path, make_run):
    """Publish a run whose cycle time grows by so many ms a cycle."""

    def publish(slope_ms: float | None, **columns) -> str:
        if slope_ms is None:
            return make_run(tmp_path, cycles={"population": range(N)}, **columns)
        wall = [int(1e6 * (20 + slope_ms * i + 0.001 * (i * 7919 % 13))) for i in range(N)]
        return make_run(tmp_path, cycles={"wall_ns": wall}, **columns)

    return publish


def judged(root, **options):
    with open_catalog(root) as catalog:
        result = judge(catalog, **options)
    for judgement in result if isinstance(result, list) else [result]:
        jsonschema.validate(judgement.to_json(), SCHEMA)
    return result


def entry(judgement, hypothesis="h5"):
    return next(e for e in judgement.to_json()["verdicts"] if e["hypothesis"] == hypothesis)


def test_runs_that_agree_give_their_verdict_and_the_median(tmp_path, growing):
    for slope in (0.02, 0.05, 0.9):
        growing(slope)
    found = entry(judged(tmp_path))
    assert (found["verdict"], found["n_runs"], found["n_cycles"]) == ("VALIDATED", 3, 3 * N)
    assert found["reason"] == "3 of 3 runs VALIDATED; statistics are medians over the runs"
    slopes = sorted(run["statistics"]["slope"] for run in found["runs"])
    assert found["statistics"]["slope"] == slopes[1] == pytest.approx(0.05, abs=1e-4)


def test_runs_that_disagree_are_inconclusive_and_counted(tmp_path, growing):
    for slope in (0.02, 0.05, 0.0, 0.0, 0.0):
        growing(slope)
    found = entry(judged(tmp_path))
    assert found["verdict"] == "INCONCLUSIVE"
    assert found["reason"].startswith("2 of 5 runs VALIDATED, 3 of 5 runs REFUTED")


def test_a_run_that_recorded_no_signal_has_no_say(tmp_path, growing):
    growing(0.02)
    growing(None)
    found = entry(judged(tmp_path))
    assert found["verdict"] == "VALIDATED"
    assert "1 of 2 runs UNTESTABLE; no cycle time was recorded" in found["reason"]
    assert [run["verdict"] for run in found["runs"]] == ["VALIDATED", "UNTESTABLE"]


def test_by_run_gives_one_judgement_a_run_with_the_same_findings(tmp_path, growing):
    ids = [growing(0.02), growing(0.0)]
    together, apart = judged(tmp_path), judged(tmp_path, by="run_id")
    assert [judgement.runs for judgement in apart] == [(run_id,) for run_id in ids]
    for judgement, run in zip(apart, entry(together)["runs"], strict=True):
        assert entry(judgement)["runs"] == [run]
        assert entry(judgement)["statistics"] == run["statistics"]


def test_the_selection_chooses_the_runs_and_is_reported(tmp_path, growing):
    growing(0.02, experiment="other")
    mine = growing(0.0, experiment="mine")
    judgement = judged(tmp_path, where="experiment='mine'")
    assert judgement.to_json()["selection"] == {"where": ["experiment='mine'"], "runs": [mine]}
    assert entry(judgement)["verdict"] == "REFUTED"
    assert judged(tmp_path, runs=[mine]).runs == (mine,)


def test_given_thresholds_replace_the_defaults_and_are_reported(tmp_path, growing):
    growing(0.005)
    assert entry(judged(tmp_path))["verdict"] == "REFUTED"
    found = entry(judged(tmp_path, thresholds={"h5": {"slope_min": 0.004}}))
    assert (found["verdict"], found["thresholds"]) == ("VALIDATED", {"slope_min": 0.004, "r2_min": 0.3})


def test_other_thresholds_than_declared_are_noted(tmp_path, growing):
    leaf = {"_target_": "stats.hypotheses.h5.Thresholds", "slope_min": 0.5, "r2_min": 0.3}
    growing(0.02, config=json.dumps({"hypothesis": {"h5": leaf}}))
    growing(0.02)
    notes = judged(tmp_path).notes
    assert "1 of 2 runs are declared with h5.slope_min=0.5, judged with 0.01" in notes
    agreeing = judged(tmp_path, where="config is not null", thresholds={"h5": {"slope_min": 0.5}})
    assert not any("h5.slope_min" in note for note in agreeing.notes)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"experiment": "c256"}, "VALIDATED"),
        ({"experiment": "c262", "status": "imported"}, "VALIDATED"),
        ({"experiment": "c255_high_capacity"}, "VALIDATED"),
        ({"experiment": "c256_pattern_memory"}, "VALIDATED"),
        ({"experiment": "phase1a"}, "VALIDATED"),
        ({"experiment": "phase1b"}, "VALIDATED"),
        ({"experiment": "phase2"}, "VALIDATED"),
        ({"experiment": "c264"}, None),
        ({"experiment": "mine"}, None),
        ({"experiment": "mine", "config": json.dumps({"expected": {"h5": "REFUTED"}})}, "REFUTED"),
        ({"experiment": "c256", "config": json.dumps({"expected": {"h2": "REFUTED"}})}, None),
        ({"experiment": "c256", "config": json.dumps({"expected": {}})}, "VALIDATED"),
    ],
    ids=[
        *(
            "study",
            "three factors, imported",
            "high capacity",
            "pattern memory",
            "1A",
            "1B",
            "2",
            "other study",
        ),
        *("own", "declared", "declared of another", "declared nothing"),
    ],
)
def test_what_was_expected_stands_beside_what_was_found(tmp_path, growing, columns, expected):
    growing(0.02, **columns)
    assert entry(judged(tmp_path))["expected"] == expected


def test_different_expectations_are_none(tmp_path, growing):
    growing(0.02, experiment="c256")
    growing(0.02, experiment="mine")
    judgement = judged(tmp_path)
    assert entry(judgement)["expected"] is None
    assert judgement.notes[0] == "the selection mixes experiments (c256, mine)"


@pytest.mark.parametrize(("runq", "said"), [(99, False), (100, True)], ids=["quiet", "busy"])
def test_a_busy_machine_is_said_once_from_a_tenth_of_the_time_on(tmp_path, make_run, runq, said):
    cycles = {"wall_ns": [1000] * N, "cpu_ns": [1000 - runq] * N, "runq_ns": [runq] * N}
    for _ in range(2):
        make_run(tmp_path, cycles=cycles)
    found = [note for note in judged(tmp_path).notes if "waiting for a CPU is 10 % of the time" in note]
    assert len(found) == said


@pytest.mark.parametrize(
    ("columns", "note"),
    [
        (
            {},
            f"the paper profile is not calibrated on short runs (the run is under 3,000 cycles, down to {N})",
        ),
        ({"status": "imported"}, "the run is imported: judged on the signals that the file holds"),
        ({"status": "interrupted"}, "the run is interrupted: judged on the cycles that were done"),
    ],
    ids=["short", "imported", "interrupted"],
)
def test_what_limits_a_verdict_is_noted(tmp_path, growing, columns, note):
    growing(0.02, **columns)
    notes = judged(tmp_path).notes
    assert any(note in each for each in notes)
    assert not any("accounts are none" in each for each in notes)


def test_of_a_run_that_states_no_cycles_those_recorded_count(tmp_path, growing):
    growing(0.02, n_cycles=None, status="running")
    judgement = judged(tmp_path)
    assert entry(judgement)["n_cycles"] == N
    assert any(f"(the run is under 3,000 cycles, down to {N})" in note for note in judgement.notes)


def test_of_a_run_in_no_known_cycle_nothing_is_said_about_their_number(tmp_path, make_run):
    make_run(tmp_path, status="imported", n_cycles=None)
    assert not any("3,000 cycles" in note for note in judged(tmp_path).notes)


def test_long_runs_of_one_kind_have_no_notes_but_the_side_predictions(tmp_path, make_run):
    for _ in range(2):
        make_run(tmp_path, cycles={"wall_ns": [10**7 + i % 17 for i in range(3000)]})
    assert [note.partition(":")[0] for note in judged(tmp_path).notes] == ["side prediction, h5"]


def test_an_empty_store_is_judged_and_an_empty_selection_refused(tmp_path, growing):
    judgement = judged(tmp_path)
    assert judgement.notes == ("no run is selected",)
    assert (entry(judgement)["verdict"], entry(judgement)["expected"]) == ("UNTESTABLE", None)
    assert judged(tmp_path, by="run_id") == []
    with pytest.raises(ValueError, match="record some with"):
        judged(tmp_path, where="experiment='none'")
    growing(0.02)
    for by in (None, "run_id"):
        with pytest.raises(
            ValueError, match=r"\(experiment='none'\) selects no run: .* holds 1 run \(1 of x\)"
        ):
            judged(tmp_path, where="experiment='none'", by=by)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"profile": "papier"}, "profile=papier is not a profile of judgement; give one of paper"),
        ({"variant": "synthetic"}, "variant=synthetic is not a version of the tests; give one of protocol"),
        ({"by": "condition"}, "by=condition is not a unit of judgement; give run_id"),
        ({"thresholds": {"h6": {}}}, "h6 is not a hypothesis"),
        ({"thresholds": {"h2": {"delta_r2": 1}}}, "did you mean h2.delta_r2_min"),
        ({"where": ""}, "where is empty; give a predicate over runs"),
    ],
    ids=["profile", "variant", "by", "hypothesis", "threshold", "empty predicate"],
)
def test_wrong_options_are_refused_in_one_sentence(tmp_path, options, sentence):
    with open_catalog(tmp_path) as catalog, pytest.raises(ValueError, match=re.escape(sentence)):
        judge(catalog, **options)


def test_the_explanation_holds_claim_rule_and_the_sql_that_is_run(tmp_path):
    text = explain(thresholds={"h2": {"delta_r2_min": 0.07}})
    assert "h2: memory fragmentation: resident memory grows non-linearly" in text
    assert "> 0.07" in text
    asides = [aside for hypothesis in known().values() for aside in hypothesis.ASIDES]
    assert text.count("-- one row per ") == 2 * (len(known()) + len(asides))
    assert all(f"{aside.claim} (never decides)" in text for aside in asides)


def test_a_variants_explanation_names_its_own_limits():
    text = explain(variant="code", thresholds={"h1": {"rho_min": 0.6}})
    assert "|ρ| of cpu % or of memory % with cycle time > 0.6" in text
    assert "residuals divided by n, not n - 2" in text
