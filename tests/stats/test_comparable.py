from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest

from stats import compare, judge, synergy, timeline
from stats.__main__ import main
from stats.comparable import NotComparable, alike
from store.catalog import open_catalog

CELLS = ["OFF-OFF", "ON-OFF", "OFF-ON", "ON-ON"]
CYCLES = {"wall_ns": [10**6 + k for k in range(8)], "population": range(8), "condition": CELLS * 2}
SOURCE = '{{"file": "x.json", "sha256": "{}", "entry": {}}}'
A, B = "optimization='unoptimized'", "optimization='cached'"
MIXED = {
    "traced": ({"traced": True}, {"traced": False}, "traced: untraced (run {a}) against traced (run {b})"),
    "traced or unknown": ({"traced": True}, {}, "traced: untraced (run {a}) against traced (run {b})"),
    "replayed": (
        {"sensor_source": "replay:ab12"},
        {"sensor_source": "live"},
        "sensor_source: live (run {a}) against replay:ab12 (run {b})",
    ),
    "two traces": (
        {"sensor_source": "replay:ab12"},
        {"sensor_source": "replay:cd34"},
        "sensor_source: replay:cd34 (run {a}) against replay:ab12 (run {b})",
    ),
}
JUDGEMENTS = {
    "verdict": judge,
    "compare": lambda catalog, **options: compare(catalog, a=A, b=B, **options),
    "synergy": synergy,
    "timeline": timeline,
}


@pytest.mark.parametrize(
    "config", ["7", "[1]", '"no JSON"', "null", '{"workload": [1, {"a": null}], "expected": 3}']
)
def test_a_configuration_of_any_shape_is_judged(tmp_path, make_run, config):
    for optimization, seen in (("unoptimized", config), ("cached", '{"a": {"b": 1}}'), ("cached", config)):
        columns = {"optimization": optimization, "config": seen, "config_id": seen}
        make_run(tmp_path, experiment="c256", cycles=CYCLES, **columns)
    with open_catalog(tmp_path) as catalog:
        for judgement in JUDGEMENTS.values():
            assert judgement(catalog).to_json()["notes"]


@pytest.fixture
def mixed(tmp_path, make_run):
    """Publish a run of each mode, the first as the second given columns say, and return their ids."""

    def publish(first, second):
        return {
            "a": make_run(tmp_path, optimization="unoptimized", cycles=CYCLES, **second),
            "b": make_run(tmp_path, optimization="cached", cycles=CYCLES, **first),
        }

    return publish


@pytest.mark.parametrize(("first", "second", "said"), MIXED.values(), ids=MIXED)
def test_unlike_runs_are_told_by_kind_and_name(tmp_path, mixed, first, second, said):
    ids = mixed(first, second)
    sentence = f"the runs differ in {said.format(**ids)}"
    with open_catalog(tmp_path) as catalog:
        with pytest.raises(NotComparable, match=re.escape(sentence)):
            alike(catalog, [*ids.values()])
        (note,) = alike(catalog, [*ids.values()], across=True)
        assert alike(catalog, [ids["a"]]) == []
    assert note.startswith(sentence)


@pytest.mark.parametrize("judgement", JUDGEMENTS.values(), ids=JUDGEMENTS)
def test_unlike_runs_are_not_judged_together_unless_asked(tmp_path, mixed, judgement):
    mixed({"traced": True}, {})
    with open_catalog(tmp_path) as catalog:
        with pytest.raises(NotComparable, match="the runs differ in traced"):
            judgement(catalog)
        notes = judgement(catalog, across=True).to_json()["notes"]
    assert any("mixed as --across asks" in note for note in notes)


@pytest.mark.parametrize(
    "words", [["verdict"], ["compare", "--a", A, "--b", B], ["synergy"], ["timeline"]], ids=lambda w: w[0]
)
def test_the_command_line_refuses_unlike_runs_and_names_the_remedy(tmp_path, mixed, capfd, words):
    mixed({"sensor_source": "replay:ab12"}, {})
    assert main([*words, "--store", str(tmp_path)]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "or mix them with --across (across=True)" in err


def test_the_command_line_mixes_unlike_runs_where_it_is_asked_to(tmp_path, mixed, capfd):
    mixed({"traced": True}, {})
    assert main(["synergy", "--across", "--store", str(tmp_path)]) == 0
    assert "mixed as --across asks" in capfd.readouterr().out


def test_runs_judged_one_by_one_are_not_mixed(tmp_path, mixed):
    mixed({"traced": True}, {})
    with open_catalog(tmp_path) as catalog:
        assert len(judge(catalog, by="run_id")) == 2
        assert not judge(catalog, where="traced").to_json()["notes"][0].startswith("the runs differ")


def config(**workload):
    return json.dumps({"seed": 3, "workload": {"rules": "light", **workload}})


def notes(root, **options):
    with open_catalog(root) as catalog:
        return judge(catalog, **options).notes


def test_a_run_made_again_is_noted_with_the_remedy(tmp_path, make_run):
    for replicate in (0, 1, 1):
        make_run(tmp_path, config_id="c1", seed=1, replicate=replicate, cycles=CYCLES)
    (note,) = [note for note in notes(tmp_path) if "repeat" in note]
    assert note.startswith("1 of 3 runs repeat the configuration, seed and replicate of another one (x)")
    assert "--latest keeps the newest of each" in note
    assert not any("repeat" in note for note in notes(tmp_path, latest=True))


@pytest.mark.parametrize(
    "columns",
    [{"config_id": None, "replicate": 1}, {"config_id": "c1"}, {"config_id": "c1", "replicate": 1, "status": "failed"}],
    ids=["no configuration", "tracked", "not completed"],
)  # fmt: skip
def test_runs_that_were_not_declared_as_one_of_several_repeat_nothing(tmp_path, make_run, columns):
    for _ in range(2):
        make_run(tmp_path, cycles=CYCLES, **columns)
    assert not any("repeat" in note for note in notes(tmp_path))


def test_configurations_pooled_under_one_name_are_noted_by_the_keys_that_differ(tmp_path, make_run):
    for size in (20, 100):
        options = {"optimization": "cached", "cycles": CYCLES, "config": config(max_agents=size)}
        make_run(tmp_path, config_id=f"c{size}", **options)
    (note,) = [note for note in notes(tmp_path) if "pools" in note]
    assert note.startswith(
        "x (cached) pools 2 configurations, which differ in workload.max_agents (100, 20); keep"
    )
    where = re.search(r'--where "(.*)"', note)
    assert where is not None
    with open_catalog(tmp_path) as catalog:
        assert len(catalog.select(where=where[1])) == 1, "the remedy works as it is printed"
        assert not any("pools" in note for note in judge(catalog, where=where[1]).notes)
        found = compare(catalog, a="config_id='c20'", b="config_id='c100'")
    assert not any("pools" in note for note in found.notes)


def test_the_remedy_names_the_configuration_that_has_the_key(tmp_path, make_run):
    for options in ({}, {"max_agents": 20}):
        make_run(tmp_path, config_id=f"c{len(options)}", cycles=CYCLES, config=config(**options))
    (note,) = [note for note in notes(tmp_path) if "pools" in note]
    where = re.search(r'--where "(.*)"', note)
    assert where is not None
    with open_catalog(tmp_path) as catalog:
        assert len(catalog.select(where=where[1])) == 1


def test_each_side_of_a_comparison_says_what_it_pools(tmp_path, make_run):
    for size in (20, 100):
        make_run(
            tmp_path, optimization="cached", config_id=f"c{size}", config=config(max_agents=size), wall_s=1.0
        )
    make_run(tmp_path, optimization="unoptimized", wall_s=2.0)
    with open_catalog(tmp_path) as catalog:
        said = compare(catalog, a=A, b=B).notes
    assert any(note.startswith("B: x (cached) pools 2 configurations") for note in said)


def test_cells_of_a_factorial_split_over_runs_are_no_pool_in_its_synergy(tmp_path, make_run):
    for cell in CELLS:
        cycles = {"population": [3, 4], "condition": [cell] * 2}
        text = json.dumps({"conditions": [{"name": cell}]})
        make_run(tmp_path, config_id=cell, config=text, cycles=cycles)
    with open_catalog(tmp_path) as catalog:
        assert not any("pools" in note for note in synergy(catalog).notes)


@pytest.mark.parametrize(
    ("first", "second", "copies"),
    [
        ({"wall_s": 1.5}, {"wall_s": 1.5, "status": "imported", "experiment": "again"}, 1),
        ({"wall_s": 1.5}, {"wall_s": 1.25}, 0),
        ({"wall_s": None}, {"wall_s": None}, 0),
        *(
            (
                {"wall_s": 1.0, "source": SOURCE.format(0, 0)},
                {"wall_s": 2.0, "source": SOURCE.format(a, b)},
                found,
            )
            for a, b, found in ((0, 0, 1), (0, 1, 0), (1, 0, 0))
        ),
    ],
    ids=["own import", "other time", "time unknown", "same file", "other entry", "other file"],
)
def test_the_same_recording_twice_is_named_a_copy(tmp_path, make_run, first, second, copies):
    for columns in (first, second):
        make_run(tmp_path, cycles=CYCLES, started_at=datetime(2026, 1, 2, tzinfo=UTC), **columns)
    with open_catalog(tmp_path) as catalog:
        for judgement in (judge, synergy):
            notes = [note for note in judgement(catalog).notes if "of another one" in note]
            assert len(notes) == copies
            assert not copies or notes[0].startswith("1 of 2 runs is a copy of another one (run ")
        apart = judge(catalog, by="run_id")
        assert not any("copy" in note for one in apart for note in one.notes)


def test_a_recording_on_both_sides_of_a_comparison_is_named(tmp_path, make_run):
    start = datetime(2026, 1, 2, tzinfo=UTC)
    a = make_run(tmp_path, optimization="unoptimized", cycles=CYCLES, started_at=start, wall_s=1.5)
    b = make_run(tmp_path, optimization="cached", cycles=CYCLES, started_at=start, wall_s=1.5)
    make_run(tmp_path, optimization="cached", cycles=CYCLES, wall_s=1.5)
    with open_catalog(tmp_path) as catalog:
        (said,) = (note for note in compare(catalog, a=A, b=B).notes if "copy" in note)
    assert said.startswith(f"1 of 2 runs of B is a copy of one of A (run {b} of {a}: ")
