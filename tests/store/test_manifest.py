"""What a store's runs say of themselves."""

import json

import pytest

from store import manifest


def _edit(root, run_id, **changes):
    path = root / "runs" / f"run_id={run_id}" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return path


def test_a_future_format_is_named_and_the_other_runs_stay_usable(tmp_path, make_run):
    old, new = make_run(tmp_path), make_run(tmp_path)
    path = _edit(tmp_path, new, format=2)
    survey = manifest.survey(tmp_path)
    assert [run.run_id for run in survey.runs] == [old]
    assert survey.problems == [f"{path} has format 2, this version reads 1; update driftlab"]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 1}', "\x00\xff"], ids=str.__repr__)
def test_an_unreadable_run_is_named_and_the_other_runs_stay_usable(tmp_path, make_run, text):
    good, bad = make_run(tmp_path), make_run(tmp_path)
    path = tmp_path / "runs" / f"run_id={bad}" / "run.json"
    path.write_bytes(text.encode("latin-1"))
    survey = manifest.survey(tmp_path)
    assert [run.run_id for run in survey.runs] == [good]
    assert len(survey.problems) == 1
    assert str(path) in survey.problems[0]
    assert "\n" not in survey.problems[0]


def test_foreign_files_are_ignored(tmp_path, make_run):
    run_id = make_run(tmp_path)
    (tmp_path / "README").write_text("mine")
    (tmp_path / "runs" / "run_id=unfinished").mkdir()
    (tmp_path / "runs" / "thesis.tex").write_text("mine")
    (tmp_path / "spool" / "not a run").mkdir(parents=True)
    assert [run.run_id for run in manifest.scan(tmp_path)] == [run_id]


def test_an_empty_directory_is_an_empty_store(tmp_path):
    assert manifest.survey(tmp_path) == ([], [])
    assert manifest.runs_table([]).num_rows == 0


def test_columns_are_the_union_over_runs(tmp_path, make_run):
    make_run(tmp_path, cycles={"wall_ns": [1], "population": [1]})
    make_run(tmp_path, cycles={"wall_ns": [1], "energy": [0.5]})
    names = manifest.columns(manifest.scan(tmp_path), "cycles").names
    assert names[0] == "run_id"
    assert names[-2:] == ["population", "energy"]


def test_a_name_with_two_types_names_both_runs(tmp_path, make_run):
    one = make_run(tmp_path, cycles={"wall_ns": [1], "population": [1]})
    two = make_run(tmp_path, cycles={"wall_ns": [1], "population": [0.5]})
    with pytest.raises(ValueError, match=f"population is DOUBLE in run {two} and BIGINT in run {one}"):
        manifest.columns(manifest.scan(tmp_path), "cycles")
