"""Both recorded forms become ordinary runs."""

import gzip
import hashlib
import json
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest

from store import manifest, publishing
from store.raw import import_file

FIRST = {
    "metadata": {
        "experiment_id": "cycle256_h1h4",
        "script": "cycle256_h1h4_mechanism_validation.py",
        "version": "unoptimized",
        "start_time": "2025-10-27T03:15:00+00:00",
        "end_time": "2025-10-27T05:15:00Z",
        "runtime_hours": 2.0,
        "python_version": "3.13.5",
        "os": "macOS 15.5",
    },
    "conditions": [
        {
            "name": "OFF-OFF",
            "h1_energy_pooling": False,
            "h4_spawn_throttling": False,
            "cycles": 2,
            "final_population_mean": 13.974,
            "final_population_sd": 0.1,
        },
        {
            "name": "ON-OFF",
            "h1_energy_pooling": True,
            "h4_spawn_throttling": False,
            "cycles": 2,
            "final_population_mean": 99.69066666666667,
            "final_population_sd": 4.5,
        },
    ],
    "system_metrics": [
        {
            "timestamp": "2025-10-27T03:15:00.000000001+00:00",
            "cycle": 0,
            "cpu_percent": 4.5,
            "memory_rss_mb": 44.80078125,
            "memory_vms_mb": 4096,
            "cpu_temp_celsius": 51.5,
            "cpu_freq_mhz": 3200,
        },
        {"timestamp": "2025-10-27T03:15:01", "cycle": 2, "cpu_percent": 5, "memory_percent": 61.25},
    ],
    "per_cycle_metrics": [
        {
            "cycle": 0,
            "condition": "OFF-OFF",
            "runtime_ms": 41234.567891,
            "psutil_calls": 416,
            "pattern_memory_size": 0,
        },
        {
            "cycle": 1,
            "condition": "OFF-OFF",
            "runtime_ms": 0.1,
            "psutil_calls": 417,
            "pattern_memory_size": 1,
        },
        {
            "cycle": 2,
            "condition": "ON-OFF",
            "runtime_ms": 41000,
            "psutil_calls": 590,
            "pattern_memory_size": 3,
        },
        {
            "cycle": 3,
            "condition": "ON-OFF",
            "runtime_ms": 41000.25,
            "psutil_calls": 590,
            "pattern_memory_size": 3,
        },
    ],
}


@pytest.fixture
def bring(tmp_path):
    """Import a document (or bytes) and return its manifest and a reader of its tables."""

    def act(document, name="result.json", **options):
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        (tmp_path / name).write_bytes(data)
        found = import_file(tmp_path / name, tmp_path / "store", **options)
        return found, manifest.load(publishing.run_directory(tmp_path / "store", found.run_id))

    return act


def column(run, table, name):
    return pq.read_table(run.directory / f"{table}.parquet", partitioning=None)[name].to_pylist()


def changed(path, value, document=FIRST):
    """Return the first form with one value replaced; ``None`` removes it."""
    copy = json.loads(json.dumps(document))
    *way, last = path
    at = copy
    for step in way:
        at = at[step]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return copy


def test_the_recorded_c255_file_keeps_its_mean_populations_to_the_last_digit(archive, tmp_path):
    file = archive / "cycle255_h1h2_lightweight_results.json"
    found = import_file(file, tmp_path)
    run = manifest.load(publishing.run_directory(tmp_path, found.run_id))
    assert (run.run["experiment"], run.run["status"], run.run["optimization"]) == ("c255", "imported", None)
    assert {row["condition"]: row["population_mean"] for row in run.conditions} == {
        "OFF-OFF": 13.974,
        "ON-OFF": 99.69066666666667,
        "OFF-ON": 99.72066666666667,
        "ON-ON": 99.75333333333333,
    }
    assert [json.loads(row["mechanisms"]) for row in run.conditions] == [
        {"energy_pooling": a, "reality_sources": b}
        for a, b in ((False, False), (True, False), (False, True), (True, True))
    ]
    assert run.conditions[0]["condition_wall_s"] == 41.37453293800354
    source = {"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    assert json.loads(run.run["source"]) == source
    assert json.loads(run.run["config"])["file"]["synergy_analysis"]["synergy"] == -85.68400000000003


def test_the_recorded_c255_file_gives_one_row_a_cycle_and_no_invented_time(archive, tmp_path):
    file = archive / "cycle255_h1h2_lightweight_results.json"
    found = import_file(file, tmp_path)
    run = manifest.load(publishing.run_directory(tmp_path, found.run_id))
    histories = json.loads(file.read_text())["conditions"]
    recorded = [value for cell in histories.values() for value in cell["population_history"]]
    assert column(run, "cycles", "population") == recorded
    assert column(run, "cycles", "cycle") == list(range(12_000))
    names = column(run, "cycles", "condition")
    assert [names[i] for i in (0, 2999, 3000, 11_999)] == ["OFF-OFF", "OFF-OFF", "ON-OFF", "ON-ON"]
    assert "wall_ns" not in run.columns("cycles")
    assert json.loads(run.run["config"])["cycle_scope"] == "condition"


def test_the_recorded_c262_cells_are_named_by_their_flags(archive, tmp_path):
    found = import_file(archive / "cycle262_h1h2h5_3way_factorial_results.json", tmp_path)
    run = manifest.load(publishing.run_directory(tmp_path, found.run_id))
    assert run.run["experiment"] == "c262"
    assert [row["condition"] for row in run.conditions] == [
        "OFF-OFF-OFF",
        "ON-OFF-OFF",
        "OFF-ON-OFF",
        "OFF-OFF-ON",
        "ON-ON-OFF",
        "ON-OFF-ON",
        "OFF-ON-ON",
        "ON-ON-ON",
    ]


def test_the_first_form_gives_exact_nanoseconds_and_bytes(bring):
    found, run = bring(FIRST)
    assert found.notes == ("times without a zone were taken as UTC",)
    assert column(run, "cycles", "wall_ns") == [41_234_567_891, 100_000, 41_000_000_000, 41_000_250_000]
    assert column(run, "cycles", "net_ns") == column(run, "cycles", "wall_ns")
    assert column(run, "cycles", "sampling_calls") == [416, 417, 590, 590]
    assert column(run, "cycles", "pattern_memory_size") == [0, 1, 3, 3]
    assert column(run, "probe_memory", "rss_bytes") == [46_977_024]
    assert column(run, "probe_memory", "vms_bytes") == [2**32]
    assert column(run, "probe_memory", "t_ns") == [1]
    assert column(run, "probe_system", "cpu_percent") == [4.5, 5.0]
    assert column(run, "probe_system", "memory_percent") == [None, 61.25]
    assert column(run, "probe_system", "condition") == ["OFF-OFF", "ON-OFF"]
    assert column(run, "probe_system", "t_ns") == [1, 1_000_000_000]
    assert column(run, "probe_thermal", "freq_mhz") == [3200.0]
    assert "probe_latency.parquet" not in run.files


def test_the_first_form_gives_the_run_and_its_conditions(bring):
    _, run = bring(FIRST)
    assert {key: value for key, value in run.run.items() if value is not None and key != "run_id"} == {
        "experiment": "c256",
        "status": "imported",
        "optimization": "unoptimized",
        "started_at": datetime(2025, 10, 27, 3, 15, tzinfo=UTC),
        "ended_at": datetime(2025, 10, 27, 5, 15, tzinfo=UTC),
        "wall_s": 7200.0,
        "n_cycles": 4,
        "total_sampling_calls": 2013,
        "python": "3.13.5",
        "os": "macOS 15.5",
        "config": run.run["config"],
        "source": run.run["source"],
        "tags": [],
        "notes": ["times without a zone were taken as UTC"],
    }
    assert run.conditions[1] == {
        "run_id": run.run_id,
        "condition": "ON-OFF",
        "position": 1,
        "mechanisms": '{"energy_pooling": true, "spawn_throttling": false}',
        "condition_cycles": 2,
        "population_mean": 99.69066666666667,
        "population_sd": 4.5,
        "population_final": None,
        "population_max": None,
        "condition_wall_s": 82.00025,
    }


def test_a_cycle_that_restarts_in_each_condition_becomes_global(bring):
    document = json.loads(json.dumps(FIRST))
    for i in (2, 3):
        document["per_cycle_metrics"][i]["cycle"] -= 2
    document["system_metrics"] = [{"cycle": c, "cpu_percent": 1.0} for c in (-1, 0, 1, 0, 1)]
    _, run = bring(document)
    assert column(run, "cycles", "cycle") == [0, 1, 2, 3]
    assert column(run, "probe_system", "cycle") == [-1, 0, 1, 2, 3]
    assert column(run, "probe_system", "condition") == ["OFF-OFF"] * 3 + ["ON-OFF"] * 2
    assert json.loads(run.run["config"])["cycle_scope"] == "condition"


def test_a_cycle_that_restarts_at_one_still_counts_from_zero(bring):
    document = json.loads(json.dumps(FIRST))
    for i, cycle in enumerate((1, 2, 1, 2)):
        document["per_cycle_metrics"][i]["cycle"] = cycle
    _, run = bring(document)
    assert column(run, "cycles", "cycle") == [0, 1, 2, 3]


def test_a_cycle_that_runs_on_is_kept(bring):
    _, run = bring(FIRST)
    assert json.loads(run.run["config"])["cycle_scope"] == "run"


def test_calls_and_their_latency_come_from_io_metrics(bring):
    rows = [
        {"cycle": 1, "call_count": 833, "latency_ms": 0.25},
        {"cycle": 3, "call_count": 2013, "latency_ms": None},
    ]
    _, run = bring({**FIRST, "io_metrics": rows})
    assert column(run, "probe_latency", "call_count") == [833, 2013]
    assert column(run, "probe_latency", "call_latency_ns") == [250_000.0, None]
    assert column(run, "probe_latency", "condition") == ["OFF-OFF", "ON-OFF"]


def test_gzip_is_known_by_its_bytes_whatever_its_name(bring):
    _, run = bring(gzip.compress(json.dumps(FIRST).encode()), name="packed.json")
    assert column(run, "cycles", "sampling_calls") == [416, 417, 590, 590]


def test_the_same_bytes_are_skipped_within_an_experiment_and_taken_in_another(bring):
    first, _ = bring(FIRST)
    again, _ = bring(FIRST)
    other, run = bring(FIRST, experiment="other")
    assert again.skipped
    assert again.run_id == first.run_id
    assert "is in the store already" in again.notes[0]
    assert not other.skipped
    assert run.run["experiment"] == "other"


@pytest.mark.parametrize(
    ("metadata", "name", "experiment"),
    [
        ({"cycle": 255}, "x.json", "c255"),
        ({"experiment_id": "cycle256_h1h4_unoptimized"}, "x.json", "c256"),
        ({"experiment_id": "C257"}, "x.json", "c257"),
        ({"experiment": "Cycle 262: three factors"}, "x.json", "c262"),
        ({"experiment_id": "aging"}, "cycle260_h4h5_results.json", "c260"),
        ({}, "c263.json.gz", "c263"),
        ({}, "exp_17611097_cycles.json", "exp_17611097_cycles"),
        ({}, "mac12_abc3.json.gz", "mac12_abc3"),
    ],
    ids=["number", "id", "short", "title", "file", "file-short", "stem", "stem-gz"],
)
def test_the_experiment_is_named_by_a_cycle_number_else_by_the_file(bring, metadata, name, experiment):
    _, run = bring(changed(("metadata",), metadata), name=name)
    assert run.run["experiment"] == experiment


@pytest.mark.parametrize(
    ("version", "optimization"),
    [("unoptimized", "unoptimized"), ("optimized", "optimized"), ("lightweight_no_database", None)],
)
def test_optimization_is_what_the_version_says_and_else_null(bring, version, optimization):
    found, run = bring(changed(("metadata", "version"), version))
    assert run.run["optimization"] == optimization
    assert any(version in note for note in found.notes) == (optimization is None)


def test_a_duration_that_contradicts_the_times_is_noted(bring):
    found, run = bring(changed(("metadata", "runtime_hours"), 34.5))
    assert run.run["wall_s"] == 124_200.0
    assert "runtime_hours says 124200 s, start_time and end_time are 7200 s apart" in found.notes


def test_a_duration_that_is_absent_is_the_time_between_start_and_end(bring):
    _, run = bring(changed(("metadata", "runtime_hours"), None))
    assert run.run["wall_s"] == 7200.0


def test_populations_are_computed_where_the_file_has_only_the_history(bring):
    cell = {"h1_pooling": True, "h2_sources": False, "population_history": [2, 3, 4, 3]}
    _, run = bring({"metadata": {}, "conditions": {"ON-OFF": cell}})
    row = run.conditions[0]
    assert (row["population_mean"], row["population_final"], row["population_max"]) == (3.0, 3.0, 4.0)
    assert row["population_sd"] == pytest.approx(0.5**0.5, rel=1e-15)
    assert row["condition_cycles"] == 4


def test_a_mean_that_is_not_the_history_s_is_kept_and_noted(bring):
    found, run = bring({"conditions": {"all": {"mean_population": 3.5, "population_history": [2, 3]}}})
    assert run.conditions[0]["population_mean"] == 3.5
    assert "all: the file's mean population 3.5 is not its history's, 2.5" in found.notes


def test_an_extra_key_with_text_is_left_out_with_a_note(bring):
    document = changed(("per_cycle_metrics", 1, "mood"), "calm")
    document = changed(("per_cycle_metrics", 1, "energy"), 3, document)
    found, run = bring(document)
    assert "per_cycle_metrics.mood is no observable and was left out" in found.notes
    assert column(run, "cycles", "energy") == [None, 3.0, None, None]
    assert run.columns("cycles")["energy"] == "DOUBLE"


def test_names_that_sql_would_confuse_are_kept_under_names_of_their_own(bring):
    row = {"seed": 7, "Status": 1.5, "own_status": 3, "heat": 4, "Heat": 5, "error": None}
    found, run = bring(changed(("per_cycle_metrics", 1), FIRST["per_cycle_metrics"][1] | row))
    told = [note for note in found.notes if "was kept as" in note]
    assert told == [
        "per_cycle_metrics.seed is a column of runs and was kept as own_seed",
        "per_cycle_metrics.Status is a column of runs and was kept as own_own_Status",
        "per_cycle_metrics.Heat is another one to SQL, which ignores case, and was kept as own_Heat",
    ]
    kept = {"own_seed": 7, "own_own_Status": 1.5, "own_status": 3, "heat": 4, "own_Heat": 5}
    assert {name: column(run, "cycles", name)[1] for name in kept} == kept
    assert "error" not in run.columns("cycles")
