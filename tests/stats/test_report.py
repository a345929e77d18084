from __future__ import annotations

import re

import pytest

from stats.comparing import compare
from stats.factorial import synergy
from stats.judging import judge
from stats.report import comparison_table, synergy_table, timeline_table, verdict_table
from stats.timing import timeline
from store.catalog import open_catalog

CELLS = ["OFF-OFF", "ON-OFF", "OFF-ON", "ON-ON"]


@pytest.fixture
def catalog(tmp_path, make_run):
    for name, wall in (("a", 4_000_000), ("b", 1_000_000)):
        for replicate in range(3):
            cycles = {
                "wall_ns": [wall + replicate] * 8,
                "population": range(8),
                "condition": [cell for cell in CELLS for _ in range(2)],
            }
            make_run(tmp_path, experiment=name, cycles=cycles, workload="nrm")
    with open_catalog(tmp_path) as catalog:
        yield catalog


@pytest.mark.parametrize("style", ["table", "markdown"])
def test_objects_and_their_documents_read_the_same(catalog, style):
    judged = [
        (verdict_table, judge(catalog)),
        (comparison_table, compare(catalog, a="experiment='a'", b="experiment='b'")),
        (synergy_table, synergy(catalog)),
    ]
    for table, found in judged:
        text = table(found, style=style)
        assert text == table(found.to_json(), style=style)
        assert all(note in text for note in found.to_json()["notes"])


def test_comparison_says_why_a_number_is_missing(catalog):
    text = comparison_table(compare(catalog, a="experiment='a'", b="experiment='b'"))
    assert "--expected-a-s" in text
    assert "supplement: no" in text
    assert "experiment='a' (3 runs)" in text


def test_synergy_shows_cells_and_effects(catalog):
    text = synergy_table(synergy(catalog))
    assert all(cell in text for cell in CELLS)
    assert "a: effect of A 2 [2, 2], effect of B 4 [4, 4], synergy 0 [0, 0]" in text


def test_synergy_lines_name_the_optimization(tmp_path, make_run):
    cycles = {"population": range(4), "condition": CELLS}
    for mode in ("cached", "unoptimized"):
        make_run(tmp_path / "modes", experiment="c256", optimization=mode, cycles=cycles)
    with open_catalog(tmp_path / "modes") as catalog:
        text = synergy_table(synergy(catalog))
    assert all(f"c256 ({mode}): effect of A 1" in text for mode in ("cached", "unoptimized"))


def test_numbers_keep_what_tells_them_apart():
    entry = {"experiment": "x", "optimization": None, "outcome": "population_mean", "n_runs": 1}
    entry |= {
        "cells": dict.fromkeys(CELLS, 1.0),
        "effects": {"A": 0.0, "B": 0.0},
        "additive": 185.43733333333333,
    }
    entry |= {"synergy": -85.684, "fold_change": None, "classification": "ANTAGONISTIC"}
    text = synergy_table({"selection": {}, "synergy": [entry], "notes": []})
    assert "-85.684" in text
    assert "185.437" in text


def test_every_quantity_and_every_form_of_the_joint_verdict_is_explained_under_the_table(catalog):
    found = compare(catalog, a="experiment='a'", b="experiment='b'").to_json()
    text = comparison_table(found)
    for name, quantity in found.items():
        assert not (isinstance(quantity, dict) and "value" in quantity) or f"\n{name}: " in text
    for form in found["h2_h3_validated"]:
        assert re.search(rf"^  {form}: (yes|no|cannot be said) \(.+\)$", text, re.MULTILINE)
    assert "the speedup alone would give 0.9375" in text
    assert f"\nobserved: {found['elimination'][0]['observed']}\n" in text


def test_accounts_that_add_up_stand_apart_from_those_inside_them():
    level = {"account": "runq", "share": 0.6, "reason": "the largest"}
    detail = "wall = 40 % cpu + 60 % run queue; inside these: 3.0 % garbage collection"
    text = verdict_table(
        {
            "selection": {"where": [], "runs": ["r"]},
            "profile": "paper",
            "variant": "protocol",
            "verdicts": [],
            "notes": [],
            "level": {**level, "detail": detail},
        }
    )
    assert text.splitlines()[-3:] == [
        "level: 60.0% of the time is run queue",
        "  wall = 40 % cpu + 60 % run queue",
        "  inside these: 3.0 % garbage collection",
    ]


def test_runs_of_a_timeline_are_named_by_beginnings_that_tell_them_apart(tmp_path, make_run):
    ids = [f"01a1fccd-7dbd-7120-a341-c5374b42505{k}" for k in range(3)]
    for run_id in ids:
        make_run(tmp_path, run_id=run_id, cycles={"wall_ns": [10**6 + k for k in range(30)]})
    with open_catalog(tmp_path) as catalog:
        text = timeline_table(timeline(catalog))
    assert all(re.search(rf"^{run_id} ", text, re.MULTILINE) for run_id in ids)
    with open_catalog(tmp_path) as catalog:
        assert "\n01a1fccd-7dbd  " in timeline_table(timeline(catalog, runs=ids[:1]))


@pytest.mark.parametrize("columns", [80, 100])
def test_no_table_is_wider_than_the_terminal(catalog, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    texts = [
        verdict_table(judge(catalog)),
        comparison_table(compare(catalog, a="experiment='a'", b="experiment='b'")),
        synergy_table(synergy(catalog)),
        timeline_table(timeline(catalog)),
    ]
    for text in texts:
        rules = [line for line in text.splitlines() if set(line) == {"-", " "}]
        assert rules
        assert max(map(len, rules)) <= columns


def judged(statistics, runs):
    entry = {"hypothesis": "h5", "expected": None, "verdict": "REFUTED", "statistics": statistics}
    said = "3 of 3 runs REFUTED; statistics are medians over the runs"
    entry |= {"reason": said, "n_cycles": 3, "n_runs": 3, "runs": [{"statistics": one} for one in runs]}
    document = {
        "selection": {"where": [], "runs": ["a", "b", "c"]},
        "profile": "paper",
        "variant": "protocol",
    }
    return verdict_table({**document, "verdicts": [entry], "notes": [], "level": None}, style="markdown")


def test_statistics_of_several_runs_are_shown_as_spans_since_their_medians_are_no_runs():
    runs = [{"r2": 0.1, "p": 1e-9}, {"r2": 0.2, "p": 0.5}, {"r2": 0.2, "p": 0.0}]
    text = judged({"r2": 0.2, "p": 1e-9}, runs)
    assert "r2=0.1..0.2 p=<1e-300..0.5" in text
    assert "statistics run from the least to the most of the runs" in text
    assert "medians" not in text


def test_a_probability_below_double_precision_is_not_shown_as_nought():
    assert "r2=0.9 p<1e-300 |" in judged({"r2": 0.9, "p": 0.0}, [{"r2": 0.9, "p": 0.0}] * 3)
    assert "r_cpu=0.9 p_cpu<1e-300 |" in judged({"r_cpu": 0.9, "p_cpu": 0.0}, [])


def test_the_bounds_of_phases_are_explained_under_them(catalog):
    assert "low to high: the 95 % interval of the mean rate in it" in timeline_table(timeline(catalog))
