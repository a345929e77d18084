"""Foreign and damaged files are refused in one sentence, and nothing is left behind."""

import copy
import gzip
import json

import pytest

from store.raw import NotImportable, import_file

FIRST = {
    "metadata": {"start_time": "2025-10-27T03:15:00Z"},
    "conditions": [{"name": "OFF-OFF", "cycles": 2}, {"name": "ON-OFF", "cycles": 2}],
    "system_metrics": [{"timestamp": "2025-10-27T03:15:00Z", "cycle": 0, "cpu_percent": 4.5}],
    "per_cycle_metrics": [
        {"cycle": cycle, "condition": name, "runtime_ms": 1.5, "psutil_calls": 4}
        for cycle, name in enumerate(["OFF-OFF", "OFF-OFF", "ON-OFF", "ON-OFF"])
    ],
}
SECOND = {"metadata": {}, "conditions": {"all": {"h1_pooling": True, "population_history": [1, 2]}}}


def refused(tmp_path, data):
    file = tmp_path / "bad.json"
    file.write_bytes(data)
    with pytest.raises(NotImportable) as caught:
        import_file(file, tmp_path / "store")
    assert not (tmp_path / "store").exists()
    sentence = str(caught.value)
    assert sentence.startswith("bad.json")
    assert "\n" not in sentence
    assert len(sentence) < 300
    return sentence


DAMAGED = {
    "empty": (b"", "is not valid JSON"),
    "text": (b"cycle,wall\n1,2\n", "is not valid JSON"),
    "binary": (b"PAR1\xff\xfe\x00", "is no UTF-8 text"),
    "cut": (json.dumps(FIRST).encode()[:-20], "is not valid JSON"),
    "cut-gzip": (gzip.compress(json.dumps(FIRST).encode())[:-20], "is damaged gzip"),
    "bad-gzip": (gzip.compress(b"{}")[:12] + b"\xff" * 20, "is damaged gzip"),
    "nan": (b'{"conditions": [], "per_cycle_metrics": [{"cycle": NaN}]}', "NaN is no JSON number"),
    "infinite": (b'{"conditions": [], "per_cycle_metrics": [{"cycle": 1e999}]}', "1e999 is beyond any float"),
    "twice": (b'{"conditions": {"ON-OFF": {}, "ON-OFF": {}}}', "name 'ON-OFF' stands twice"),
    "half-a-pair": (b'{"conditions": {"\\ud800": {}}}', "is no UTF-8 text"),
    "deep": (b"[" * 200_000, "is nested too deeply"),
    "number": (b"17", "is 17"),
    "list": (b'[{"cycle": 1, "duration": 0.3}]', "is a list of 1"),
    "other-shape": (b'{"experiment": "x", "history": {}}', "is an object with experiment, history"),
    "no-rows": (b'{"metadata": {}, "conditions": []}', "is an object with metadata, conditions"),
}


@pytest.mark.parametrize(("data", "found"), DAMAGED.values(), ids=DAMAGED)
def test_a_file_that_is_no_recorded_result_is_refused_with_what_was_found(tmp_path, data, found):
    assert found in refused(tmp_path, data)


WRONG = {
    "name-twice": (("conditions", 1, "name"), "OFF-OFF", "conditions[1].name is 'OFF-OFF'"),
    "name-null": (("conditions", 1, "name"), None, "conditions[1].name is missing"),
    "condition-type": (("conditions", 0), "OFF-OFF", "conditions[0] is 'OFF-OFF', expected an object"),
    "flag-type": (
        ("conditions", 0, "h1_energy_pooling"),
        1,
        "h1_energy_pooling is 1, expected true or false",
    ),
    "cycles-negative": (("conditions", 0, "cycles"), -3, "conditions[0].cycles is -3"),
    "mean-type": (("conditions", 0, "final_population_mean"), "13.9", "is '13.9', expected a number"),
    "wall-negative": (("conditions", 0, "runtime_seconds"), -1.5, "conditions[0].runtime_seconds is -1.5"),
    "rows-type": (("per_cycle_metrics",), {"a": 1}, "per_cycle_metrics is an object with a, expected a list"),
    "row-type": (("per_cycle_metrics", 1), [1], "per_cycle_metrics[1] is a list of 1"),
    "cycle-null": (("per_cycle_metrics", 1, "cycle"), None, "per_cycle_metrics[1].cycle is missing"),
    "cycle-text": (("per_cycle_metrics", 1, "cycle"), "1", "per_cycle_metrics[1].cycle is '1'"),
    "cycle-half": (("per_cycle_metrics", 1, "cycle"), 1.5, "is 1.5, expected a whole number"),
    "cycle-true": (("per_cycle_metrics", 1, "cycle"), True, "is true, expected a number"),
    "cycle-again": (("per_cycle_metrics", 1, "cycle"), 0, "expected a cycle above 0 in condition OFF-OFF"),
    "time-negative": (("per_cycle_metrics", 1, "runtime_ms"), -0.5, "runtime_ms is -0.5"),
    "time-huge": (("per_cycle_metrics", 1, "runtime_ms"), 1e300, "expected a number within 64 bits"),
    "calls-negative": (("per_cycle_metrics", 1, "psutil_calls"), -1, "psutil_calls is -1"),
    "calls-huge": (("per_cycle_metrics", 1, "psutil_calls"), 2**63, "expected a number within 64 bits"),
    "condition-unknown": (("per_cycle_metrics", 1, "condition"), "ON-ON", "is 'ON-ON', expected one of"),
    "returns": (("per_cycle_metrics", 3), {"cycle": 0, "condition": "OFF-OFF"}, "OFF-OFF was there before"),
    "reading-cycle": (("system_metrics", 0, "cycle"), -2, "expected a number of at least -1"),
    "reading-time": (("system_metrics", 0, "timestamp"), "noon", "timestamp is 'noon', expected a time"),
    "reading-date": (("system_metrics", 0, "timestamp"), "2025-13-27T00:00:00", "expected a time"),
    "memory-negative": (("system_metrics", 0, "memory_rss_mb"), -1, "memory_rss_mb is -1"),
    "load-text": (("system_metrics", 0, "cpu_percent"), "4 %", "cpu_percent is '4 %', expected a number"),
    "io-type": (("io_metrics",), [{"cycle": 0, "latency_ms": -1}], "io_metrics[0].latency_ms is -1"),
    "metadata-type": (("metadata",), "c256", "metadata is 'c256', expected an object"),
    "ends-early": (("metadata", "end_time"), "2025-10-26T00:00:00Z", "expected a time after start_time"),
    "hours-negative": (("metadata", "runtime_hours"), -1, "runtime_hours is -1"),
    "python-type": (("metadata", "python_version"), 3.13, "python_version is 3.13, expected a text"),
}


@pytest.mark.parametrize(("path", "value", "found"), WRONG.values(), ids=WRONG)
def test_a_wrong_value_of_the_first_form_is_named_by_its_path(tmp_path, path, value, found):
    document = copy.deepcopy(FIRST)
    at = document
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    assert found in refused(tmp_path, json.dumps(document).encode())


WRONG_SECOND = {
    "no-history": ({"mean_population": 1.0}, "conditions.all.population_history is missing, expected a list"),
    "null": ({"population_history": [1, None]}, "conditions.all.population_history is a list of 2"),
    "fraction": ({"population_history": [1, 1.5]}, "population_history[1] is 1.5, expected a whole number"),
    "negative": ({"population_history": [-1]}, "population_history[0] is -1"),
    "text": ({"population_history": ["1"]}, "population_history[0] is '1', expected a number"),
    "time": ({"population_history": [1], "runtime_seconds": -2}, "runtime_seconds is -2"),
    "no-object": ([1, 2], "conditions.all is a list of 2, expected an object"),
    "flags": ({"population_history": [1], "h1_pooling": True, "h1_energy_pooling": False}, "the same"),
}


@pytest.mark.parametrize(("cell", "found"), WRONG_SECOND.values(), ids=WRONG_SECOND)
def test_a_wrong_value_of_the_second_form_is_named_by_its_path(tmp_path, cell, found):
    document = {"metadata": {}, "conditions": {"all": cell}}
    assert found in refused(tmp_path, json.dumps(document).encode())


def test_two_archive_names_of_one_cell_are_refused(tmp_path):
    cell = {"population_history": [1], "h1_pooling": True, "h2_sources": False}
    document = {"conditions": {"H1-only": cell, "ON-OFF": cell}}
    assert "expected another name than ON-OFF" in refused(tmp_path, json.dumps(document).encode())


def test_readings_that_restart_other_than_once_a_condition_are_refused(tmp_path):
    readings = [{"cycle": cycle, "cpu_percent": 1} for cycle in (0, 1, 0, 1, 0)]
    document = {**FIRST, "system_metrics": readings}
    assert "start anew in each of 2 conditions" in refused(tmp_path, json.dumps(document).encode())


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("absent.json", "check the name"), (".", "name a file in it")],
    ids=["absent", "directory"],
)
def test_a_file_that_cannot_be_read_is_named_with_what_to_do(tmp_path, name, remedy):
    with pytest.raises(NotImportable, match=rf"cannot be read \(.*\); {remedy}$"):
        import_file(tmp_path / name, tmp_path / "store")


def test_a_text_of_another_encoding_is_to_be_saved_anew(tmp_path):
    (tmp_path / "mine.csv").write_bytes("wall_ns,größe\n1,2\n".encode("latin-1"))
    with pytest.raises(NotImportable, match=r"mine\.csv is no UTF-8 text .*; save it as UTF-8$"):
        import_file(tmp_path / "mine.csv", tmp_path / "store")


def test_a_map_is_for_tables(tmp_path):
    (tmp_path / "results.json").write_text(json.dumps(SECOND))
    with pytest.raises(NotImportable, match=r"results\.json is no table, .*; leave --map out$"):
        import_file(tmp_path / "results.json", tmp_path / "store", columns=["wall_ns=d"])


def test_a_store_that_cannot_be_written_is_said_to_be_so(tmp_path):
    (tmp_path / "file.json").write_text(json.dumps(SECOND))
    (tmp_path / "store").write_text("no directory")
    with pytest.raises(
        OSError, match=r"^file\.json cannot be imported into .*store \([^(]*\); make it writable$"
    ):
        import_file(tmp_path / "file.json", tmp_path / "store")


NO_RUN = {
    "sum": {**FIRST, "per_cycle_metrics": [{**row, "psutil_calls": 2**62} for row in FIRST["per_cycle_metrics"]]},
    "duration": {"results": [{"runtime_seconds": 1e300, "timestamp": "2025-01-01T00:00:00Z"}]},
    "day": {"results": [{"runtime_seconds": 1, "timestamp": "0001-01-01T00:00:00+14:00"}]},
}  # fmt: skip


@pytest.mark.parametrize("name", NO_RUN)
def test_a_run_that_no_reader_could_read_is_not_written(tmp_path, name):
    assert "bad.json makes no run (" in refused(tmp_path, json.dumps(NO_RUN[name]).encode())


def test_values_that_are_nested_too_deeply_make_no_run(tmp_path):
    nested = '{"results": [{"runtime_seconds": 1, "x": ' + "[" * 900 + "]" * 900 + "}]}"
    assert "bad.json makes no run (" in refused(tmp_path, nested.encode())
