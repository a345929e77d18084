"""What is wrong in a list of cycles, a history, a sequence of run times or a table is named by its place."""

import copy
import json

import pytest

from store import manifest, publishing
from store.raw import NotImportable, import_file

CYCLES = [{"cycle": i + 1, "timestamp": 100.5 + i, "duration": 0.5, "score": 1.0} for i in range(3)]
HISTORY = {"history": {"timestamp": [10.0, 11.5, 11.5], "agents": [1, 2, 3]}, "config": {"cycles": 3}}
TIMES = {"results": [{"seed": 1, "runtime_seconds": 2.5, "cycles": 10}, {"seed": 2, "runtime_seconds": 3}]}
HEADER = "exp,commit,commit_time,ps_time_field,cpu_min,wall_h,wall_kind,rss_kb,note,requoted"
ROWS = [
    "C1,a,2025-10-30 02:47:57,0:04.07,0.0678,0.0658,commit time - start (upper bound),44848,x,",
    "C1,b,2025-10-30 03:32:13,1:46.04,1.7673,0.8036,commit time - start (upper bound),,x,yes",
]


def refused(tmp_path, data, name="bad.json"):
    (tmp_path / name).write_text(data if isinstance(data, str) else json.dumps(data))
    with pytest.raises(NotImportable) as caught:
        import_file(tmp_path / name, tmp_path / "store")
    assert not (tmp_path / "store").exists()
    sentence = str(caught.value)
    assert sentence.startswith(name)
    assert len(sentence.splitlines()) == 1
    return sentence


def changed(document, path, value):
    copied = copy.deepcopy(document)
    *way, last = path
    at = copied
    for step in way:
        at = at[step]
    at[last] = value
    return copied


@pytest.mark.parametrize(
    ("document", "path", "value", "found"),
    [
        (CYCLES, (1, "duration"), None, "[1].duration is missing, expected seconds"),
        (CYCLES, (1, "duration"), -1, "[1].duration is -1"),
        (CYCLES, (2, "timestamp"), "noon", "[2].timestamp is 'noon', expected a time"),
        (CYCLES, (2, "cycle"), 2, "[2].cycle is 2, expected a cycle above 2"),
        (CYCLES, (2,), 7, "[2] is 7, expected an object"),
        (HISTORY, ("history", "timestamp", 2), 3, "history.timestamp[2] is 3, expected a time that is not"),
        (HISTORY, ("history", "timestamp"), [], "history.timestamp is a list of 0"),
        (HISTORY, ("history", "timestamp"), 4, "history.timestamp is 4, expected a list"),
        (TIMES, ("results", 1, "runtime_seconds"), None, "results[1].runtime_seconds is missing"),
        (TIMES, ("results", 1, "runtime_seconds"), "3 s", "results[1].runtime_seconds is '3 s'"),
        (TIMES, ("results", 1, "seed"), 1.5, "results[1].seed is 1.5"),
        (TIMES, ("results", 1), [], "results[1] is a list of 0, expected an object"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else None,
)
def test_a_wrong_value_is_named_by_its_path(tmp_path, document, path, value, found):
    assert found in refused(tmp_path, changed(document, path, value))


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("1:46.04", "1:76.04", "[1].ps_time_field is '1:76.04', expected minutes:seconds that make 1.7673"),
        ("1:46.04", "9:46.04", "[1].ps_time_field is '9:46.04'"),
        ("1.7673", "", "[1].cpu_min is missing, expected minutes"),
        ("0.8036", "soon", "[1].wall_h is 'soon', expected a number"),
        ("44848", "nan", "[0].rss_kb is 'nan'"),
        ("44848", "-1", "[0].rss_kb is -1"),
        (",yes", ",maybe", "[1].requoted is 'maybe', expected yes, no or nothing"),
        (",yes", "", "is not valid CSV (row 2 has 9 cells under 10 columns)"),
        ("rss_kb", "cpu_min", "is not valid CSV (a column stands twice)"),
        ("rss_kb", "rss", "expected the columns rss_kb too"),
        ("C1,a", '"C1,a', "is not valid CSV"),
        ("C1,b", ",b", "[1].exp is missing, expected the name of an experiment"),
    ],
)
def test_a_wrong_cell_of_a_table_is_named_by_its_place(tmp_path, old, new, found):
    text = "\n".join([HEADER, *ROWS, ""])
    assert old in text
    assert found in refused(tmp_path, text.replace(old, new, 1), "bad.csv")


def test_a_table_without_rows_is_no_result(tmp_path):
    assert "is a list of 0, expected" in refused(tmp_path, HEADER + "\n", "bad.csv")


def test_a_refusal_names_every_form(tmp_path):
    sentence = refused(tmp_path, {"unit_costs_s": {}})
    for word in ("per_cycle_metrics", "population_history", "runtime_seconds", "history", "ps_time_field"):
        assert word in sentence


@pytest.mark.parametrize(
    ("document", "note"),
    [
        (changed(HISTORY, ("history", "odd"), [1, 2]), "history.odd has not one value a cycle and was left out"),
        (changed(HISTORY, ("history", "mood"), ["a", "b", "c"]), "history.mood is no observable and was left out"),
        (CYCLES, "the file counts cycles from 1, the store from 0"),
        (changed(CYCLES, (0, "score"), "high"), "cycles.score is no observable and was left out"),
    ],
    ids=["length", "text", "base", "list"],
)  # fmt: skip
def test_what_is_left_out_or_changed_is_noted(tmp_path, document, note):
    (tmp_path / "x.json").write_text(json.dumps(document))
    found = import_file(tmp_path / "x.json", tmp_path / "store")
    assert note in found.notes
    run = manifest.load(publishing.run_directory(tmp_path / "store", found.run_id))
    assert note in run.run["notes"]
