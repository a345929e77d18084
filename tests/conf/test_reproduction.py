"""The tables of the study: each check states its own truth, and found values are computed."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from conf.reproduction import __main__ as reproduction
from conf.reproduction import (
    cap,
    case,
    checks,
    comparison,
    costs,
    experiments,
    files,
    judgements,
    readings,
    synergies,
    tables,
    timelines,
    unit_error,
)
from conf.reproduction.checks import Row, Section, agrees, left_out, row
from conf.reproduction.course import course
from conf.reproduction.material import Material, bring_in
from store import open_catalog


def section_of(*rows: Row) -> Section:
    return Section(number=1, name="x", title="X", rows=rows)


@pytest.fixture
def nothing(tmp_path):
    """Material without a run and without the recorded files."""
    (tmp_path / "store").mkdir()
    with open_catalog(tmp_path / "store") as catalog:
        yield Material(catalog=catalog, archive=None)


def failures(section: Section) -> list[Row]:
    return [each for each in section.rows if each.passed is False]


@pytest.mark.parametrize(
    ("found", "said", "agreed"),
    [
        pytest.param(71.6418, "71.6", True, id="rounds to the printed digits"),
        pytest.param(71.6418, "73", False, id="rounds to another number"),
        pytest.param(2.69795, "2.71", False, id="the second decimal counts"),
        pytest.param(2.69795, "2.70", True, id="a printed zero is a digit"),
        pytest.param(0.0605, "0.06", True, id="less than one"),
        pytest.param(1_080_000, "1,080,000", True, id="thousands are set apart"),
        pytest.param(-85.6839, "-85.684", True, id="below zero"),
        pytest.param(416, 416, True, id="a count"),
        pytest.param(417, 416, False, id="a count that is off by one"),
        pytest.param(159.2, "160–190", None, id="a range is no number"),
        pytest.param(True, False, False, id="a claim that is refuted"),
        pytest.param(None, "1", None, id="nothing was found"),
    ],
)
def test_a_found_value_agrees_with_what_was_printed_to_its_last_digit(found, said, agreed):
    assert agrees(found, said) is agreed


def test_a_false_claim_passes_where_its_refutation_is_reproduced():
    samples = row("samples a cycle", published="90", expected=416, found=416, how="counted")
    assert samples.passed is True
    assert samples.holds is False
    assert samples.to_json()["holds"] == "no"


def test_a_claim_that_merely_repeats_the_published_number_fails_where_the_truth_is_another():
    samples = row("samples a cycle", published="90", expected=416, found=90, how="counted")
    assert samples.passed is False
    assert samples.holds is True


def test_what_was_left_out_neither_passes_nor_fails():
    missing = left_out("x", published="1", expected="1", how="no files")
    done = row("y", expected=1, found=1, how="counted")
    assert missing.passed is None
    assert missing.to_json()["holds"] == "not measurable"
    assert checks.passed([section_of(missing, done)])
    assert not checks.passed([section_of(missing)])


def test_one_failure_fails_the_whole():
    rows = [row(str(n), expected=1, found=n, how="counted") for n in (1, 2)]
    assert not checks.passed([section_of(*rows)])


def test_the_numbers_of_the_case_follow_from_their_inputs(nothing):
    section = case.section(nothing)
    assert not failures(section)
    by_name = {each.quantity: each for each in section.rows}
    assert by_name["excess in the abstract [%]"].holds is False
    assert by_name["excess, end, at 34.5 h [%]"].holds is True
    assert by_name['published "rate", end [%/h]'].holds is True
    assert by_name["rate per elapsed hour, end [%/h]"].holds is False


def test_a_wrong_input_is_noticed(nothing, monkeypatch):
    monkeypatch.setattr(case, "BASELINE_H", 20.2)
    assert failures(case.section(nothing))


def test_the_experiments_are_declared_as_published(nothing):
    section = experiments.section(nothing)
    assert len(section.rows) == 8
    assert not failures(section)


def test_the_planned_hours_of_c256_are_sleep(nothing):
    section = costs.section(nothing)
    assert not failures(section)
    found = {each.quantity: each.found for each in section.rows}
    assert found["C256, share of sleep [%]"] == pytest.approx(94.34, abs=0.05)


def test_a_cycle_at_the_cap_takes_416_samples():
    found = course(cycles=9, words=["optimization.sampling=per_visit"])
    assert found.population[-1] == 100
    assert found.last_samples == found.visits[-1] == 416


@pytest.mark.slow
def test_the_published_synergy_follows_the_cap():
    """The model at ten times the size; by default its synergy at the published cap is read from recorded runs."""
    raised = cap.raised()
    assert raised.passed is True
    assert raised.holds is False


def test_a_section_that_cannot_be_computed_is_a_check_that_fails(nothing):
    section = reproduction.section(synergies, nothing)
    [failed] = section.rows
    assert failed.passed is False
    assert "c255_light" in failed.how


@pytest.fixture
def intervention(tmp_path, make_run):
    """C256 unoptimised and cached, and one of its successors, two runs each of two conditions."""

    def made(calls: int) -> Material:
        for experiment, mode in (("c256", "unoptimized"), ("c256", "cached"), ("c257", "cached")):
            for replicate in range(2):
                direct = mode == "unoptimized"
                wall = [(1000 if direct else 10) * 10**6 + 10**5 * (n + replicate) for n in range(20)]
                cycles = {
                    "wall_ns": wall,
                    "cpu_ns": [10**6] * 20 if direct else wall,
                    "offcpu_ns": [ns - 10**6 for ns in wall] if direct else [0] * 20,
                    "sampling_ns": [ns - 10**6 for ns in wall] if direct else [10**5] * 20,
                    "sampling_calls": [calls if direct else 1] * 20,
                    "population": [6] * 20,
                    "visits": [15] * 20,
                    "births": [1] * 20,
                }
                named = {"config_id": f"{experiment}{mode}", "seed": 0, "replicate": replicate}
                make_run(tmp_path, experiment=experiment, optimization=mode, cycles=cycles, **named)
        return Material(catalog=open_catalog(tmp_path), archive=None)

    return made


def test_the_ratio_of_calls_is_checked_against_visits_and_births(intervention):
    section = comparison.section(intervention(calls=16))
    assert not failures(section)
    ratio = [each for each in section.rows if each.quantity.endswith("ratio of sampling calls")]
    assert [each.found for each in ratio] == [16, 16]
    assert [each.holds for each in ratio] == [False, False]


def test_samples_that_nobody_asked_for_fail_the_ratio(intervention):
    failed = failures(comparison.section(intervention(calls=17)))
    assert {each.quantity.partition(": ")[2] for each in failed} == {
        "ratio of sampling calls",
        "reduction of sampling calls",
    }


def test_a_phase_2_without_signals_fails_but_for_a_sensor_that_the_machine_lacks(tmp_path, make_run):
    make_run(tmp_path, experiment="phase2", cycles={"wall_ns": [10**6] * 20})
    with open_catalog(tmp_path) as catalog:
        section = judgements.section(Material(catalog=catalog, archive=None))
    assert len(section.rows) == 25
    passed = {each.quantity for each in section.rows if each.passed}
    assert all(each.quantity in passed for each in section.rows if each.quantity.startswith("h4"))
    assert not any(quantity.startswith("h2") for quantity in passed)


def test_without_the_recorded_files_their_checks_say_that_they_were_left_out(nothing):
    rows = [
        *readings.section(nothing).rows,
        *unit_error.section(nothing).rows,
        *timelines.section(nothing).rows,
        *costs._cost_model(None),
    ]
    assert all(each.passed is None and "ARCHIVE=DIR" in each.how for each in rows)


def test_the_tables_are_written_as_markdown_and_json_with_an_index(tmp_path):
    rows = (row("a | b", published="1", expected=1, found=1, how="counted"), left_out("c", how="no files"))
    tables.write(tmp_path, [section_of(*rows)], ["a remark"])
    [first, second] = json.loads((tmp_path / "section1_x.json").read_text())["rows"]
    assert list(first) == ["quantity", "published", "expected", "found", "holds", "passed", "how"]
    assert (second["found"], second["passed"], second["holds"]) == (None, None, None)
    text = (tmp_path / "section1_x.md").read_text()
    assert all(name in text for name in ("quantity", "published", "expected", "found", "holds", "how"))
    index = json.loads((tmp_path / "index.json").read_text())
    assert index["passed"] is True
    assert index["sections"] == [{"file": "section1_x.json", "passed": 1, "failed": 0, "unchecked": 1}]
    assert "section1_x.md" in (tmp_path / "index.md").read_text()


def test_the_checklist_tells_pass_fail_and_left_out_apart():
    rows = [row("q", expected=1, found=n, how="counted") for n in (1, 2)]
    lines = list(tables.checklist([section_of(*rows, left_out("r", how="no files"))], ["a remark"]))
    assert [line.split()[0] for line in lines[1:4]] == ["pass", "FAIL", "----"]
    assert "a remark" in lines
    assert lines[-1].startswith("1 of 2 checks pass, 1 fail; 1 rows")


def test_an_archive_that_is_no_directory_is_refused_in_one_sentence(tmp_path, capsys):
    assert reproduction.main(["--archive", str(tmp_path / "nowhere"), "--out", str(tmp_path)]) == 2
    assert "is no directory" in capsys.readouterr().err


def test_a_directory_without_result_files_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no result file"):
        bring_in(tmp_path, tmp_path / "store", print)


def test_the_readings_of_the_real_process_refute_the_acceleration(archive, tmp_path):
    only = tmp_path / "recorded"
    only.mkdir()
    for name in ("ps_readings_c255_c256_c257.csv", "c256_cost_model.json"):
        (only / name).write_bytes((archive / name).read_bytes())
    imported, refused = bring_in(only, tmp_path / "store", print)
    assert not refused
    with open_catalog(tmp_path / "store") as catalog:
        material = Material(catalog=catalog, archive=only, imported=imported, codes={"phase1a": 0})
        found = [unit_error.section(material), readings.section(material), timelines.section(material)]
        found.append(section_of(*costs._cost_model(material.cost_model())))
        reports = files._imports(material)
    assert not [each for section in found for each in failures(section)]
    assert len([each for section in found for each in section.rows if each.passed]) == 39
    claims = {each.quantity: each for each in found[2].rows}
    assert claims["end: CPU time of C256 reached 34.5 h"].holds is False
    assert claims['end: published "rate" of the excess at 34.5 h [%/h]'].holds is True
    assert claims["end: rate of that excess per elapsed hour [%/h]"].holds is False
    assert claims["shape of CPU time over wall time to 27.2 h"].found == "line"
    assert "34.5 h of CPU time cannot be" in found[2].tables["Timeline of C256, as recorded"]
    assert [each.passed for each in reports] == [True]


def test_the_parts_have_names_of_their_own():
    stems = {part.__name__ for part in reproduction.PARTS}
    assert len(stems) == len(reproduction.PARTS)
    sections = [SimpleNamespace(number=part.NUMBER) for part in reproduction.PARTS]
    assert [each.number for each in sections] == sorted(each.number for each in sections)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_whole_study_is_reproduced(tmp_path, archive):
    words = [
        sys.executable,
        "-m",
        "conf.reproduction",
        "--archive",
        str(archive),
        "--out",
        str(tmp_path / "my out"),
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout
    assert json.loads((tmp_path / "my out" / "index.json").read_text())["passed"] is True
