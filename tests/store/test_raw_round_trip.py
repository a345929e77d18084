"""What the form can hold comes back from an export to the last digit."""

import json
import math
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probes.identity import new_run_id
from store import schema
from store.catalog import open_catalog
from store.raw import export_name, export_run, first_form, import_file, json_text, text
from store.raw.form import OWN_COUNTS, OWN_TEXTS

COUNTS = st.none() | st.integers(0, 2**53)
WORDS = st.none() | st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
REALS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.none() | st.floats(0, sys.float_info.max)
TIMES = st.none() | st.integers(-(10**9), 2**60)
MECHANISMS = st.dictionaries(
    st.sampled_from(["energy_pooling", "reality_sources", "spawn_throttling", "energy_recovery", "own"]),
    st.booleans(),
)
READINGS = {
    "memory": {"rss_bytes": COUNTS, "vms_bytes": COUNTS},
    "system": {"cpu_percent": REALS, "memory_percent": REALS},
    "thermal": {"temp_celsius": REALS, "freq_mhz": REALS},
    "latency": {"call_count": COUNTS, "call_latency_ns": POSITIVE},
}
POPULATIONS = ("population_mean", "population_sd", "population_final", "population_max")
CYCLES = ("condition", "cycle", "process", "t_ns", "wall_ns", "sampling_calls")


def filled(table, row):
    return {column.name: row.get(column.name) for column in schema.TABLES[table].columns} | row


@pytest.mark.parametrize("anything", [7, [1, {}], "no JSON", {"factors": [{}, 2]}, {"factors": 3}])
def test_a_configuration_and_mechanisms_of_any_shape_are_exported(tmp_path, make_run, anything):
    conditions = [{"condition": "all", "position": 0, "mechanisms": json.dumps(anything)}]
    run = make_run(tmp_path, config=json.dumps(anything), conditions=conditions)
    with open_catalog(tmp_path) as catalog:
        (record,) = catalog.runs([run]).to_pylist()
        rows = catalog.query("from conditions", runs=[run])
        assert export_name(record, rows).startswith("x_")
        assert json_text(export_run(catalog, run))


@st.composite
def runs(draw):
    """Draw the rows of every table of one run."""
    start = draw(st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC)))
    start = start.replace(fold=0)
    run = {name: draw(WORDS) for name in (*OWN_TEXTS, "python", "os")}
    run |= {name: draw(COUNTS) for name in OWN_COUNTS} | {"traced": draw(st.none() | st.booleans())}
    run |= {"run_id": "r", "experiment": draw(st.sampled_from(["c256", "aging", "cycle 9 of mine"]))}
    run |= {"started_at": start, "wall_s": draw(POSITIVE), "status": "completed"}
    run["ended_at"] = draw(
        st.none() | st.integers(0, 10**12).map(lambda us: start + timedelta(microseconds=us))
    )
    names = draw(
        st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, max_size=3, unique=True)
    )
    tables = {"runs": [filled("runs", run)], "conditions": [], "cycles": draw(cycles(names))}
    for position, name in enumerate(names):
        row = {"condition": name, "position": position, "mechanisms": json.dumps(draw(MECHANISMS))}
        row |= {column: draw(REALS) for column in POPULATIONS}
        row |= {"condition_cycles": draw(COUNTS), "condition_wall_s": draw(POSITIVE)}
        tables["conditions"].append(row)
    for probe in READINGS:
        tables[f"probe_{probe}"] = draw(readings(probe, names))
    return tables


@st.composite
def cycles(draw, names):
    numbers = sorted(draw(st.sets(st.tuples(st.integers(0, 2**53), st.integers(0, 1)), max_size=6)))
    values = {"population": st.none() | st.integers(-(2**63), 2**63 - 1), "energy": REALS, "pi_phase": REALS}
    values |= {"wall_ns": COUNTS, "sampling_calls": COUNTS, "t_ns": TIMES}
    return [
        filled("cycles", {"condition": draw(st.sampled_from(names)), "cycle": cycle, "process": process})
        | {name: draw(strategy) for name, strategy in values.items()}
        for cycle, process in numbers
    ]


@st.composite
def readings(draw, probe, names):
    where = {cycle: draw(st.sampled_from(names)) for cycle in (-1, 0, 7)}
    numbers = sorted(draw(st.lists(st.sampled_from([-1, 0, 7]), max_size=4)))
    return [
        {"condition": where[cycle], "cycle": cycle, "t_ns": i if cycle >= 0 else draw(TIMES)}
        | {name: draw(strategy) for name, strategy in READINGS[probe].items()}
        for i, cycle in enumerate(numbers)
    ]


def catalog_of(tables):
    """Return something that answers ``query`` like a catalog of one run."""

    def query(sql, params=None, *, runs=None):
        return tables[sql.split("from ")[1].split()[0]]

    return SimpleNamespace(query=query)


def same(found, expected):
    """Compare by what is printed: -0.0 is not 0.0, and an int is no float."""
    assert repr(found) == repr(expected)


@given(runs())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_value_that_the_form_can_hold_comes_back_exactly(tables):
    written = json_text(export_run(catalog_of(tables), "r"))
    [found] = first_form.read(text.document("x.json", written.encode()), [])
    run = tables["runs"][0]
    for name in (*OWN_TEXTS, *OWN_COUNTS, "traced", "started_at", "ended_at", "wall_s", "python", "os"):
        same(found.run[name], run[name])
    recorded = [{**row, "mechanisms": json.loads(row["mechanisms"])} for row in tables["conditions"]]
    same([sorted(row.items()) for row in found.conditions], [sorted(row.items()) for row in recorded])
    observed = [
        name
        for name in ("population", "energy", "pi_phase")
        if any(row[name] is not None for row in tables["cycles"])
    ]
    back = found.tables["cycles"].to_pylist()
    same(
        [[row[name] for name in (*CYCLES, *observed)] for row in back],
        [[row[name] for name in (*CYCLES, *observed)] for row in tables["cycles"]],
    )
    for probe, fields in READINGS.items():
        table = found.tables.get(f"probe_{probe}")
        names = ("condition", "cycle", "t_ns", *fields)
        rows = table.select(names).to_pylist() if table else []
        same(rows, [{name: row[name] for name in names} for row in tables[f"probe_{probe}"]])


@pytest.fixture
def recorded(tmp_path, make_run):
    """Return a store with one run, and the id of that run."""
    run_id = make_run(
        tmp_path / "store",
        experiment="c256",
        optimization="cached",
        started_at=datetime(2026, 3, 1, 12, 0, 0, 123457, tzinfo=UTC),
        ended_at=datetime(2026, 3, 1, 12, 16, 41, tzinfo=UTC),
        seed=17,
        cycles={
            "condition": ["OFF-OFF"] * 2 + ["ON-ON"] * 2,
            "wall_ns": [1_234_567, 1_000_001, 999_999_999_999, 3],
            "probe_ns": [100, 0, 5, 0],
            "sampling_calls": [1, 1, 2, 1],
            "population": [2, 3, 4, 4],
            "energy": [130.0, 129.9, 1e-300, float("nan")],
        },
        probes={
            "memory": {
                "cycle": [-1, 1, 1, 3],
                "condition": ["OFF-OFF"] * 3 + ["ON-ON"],
                "t_ns": [5, 2_000_000, 2_000_001, 9_000_000],
                "rss_bytes": [46_977_025, None, 7, 2**52 + 1],
                "pss_bytes": [1, 2, 3, 4],
            },
            "system": {
                "cycle": [-1, 3],
                "condition": ["OFF-OFF", "ON-ON"],
                "t_ns": [6, 9_000_007],
                "cpu_percent": [0.1, None],
                "memory_percent": [33.300000000000004, 40.0],
            },
            "latency": {
                "cycle": [3],
                "condition": ["ON-ON"],
                "t_ns": [9_000_009],
                "call_count": [5],
                "call_latency_ns": [84_123.45678901234],
            },
        },
    )
    return tmp_path / "store", run_id


def exported(root, run_id):
    with open_catalog(root) as catalog:
        return export_run(catalog, run_id)


def test_a_published_run_comes_back_through_a_file(recorded, tmp_path):
    root, run_id = recorded
    (tmp_path / "out.json").write_text(json_text(exported(root, run_id)), encoding="utf-8")
    found = import_file(tmp_path / "out.json", root)
    assert found.notes == ()
    statements = """
select * exclude (run_id) from samples order by cycle
select condition, cycle, t_ns, wall_ns, sampling_calls, population from cycles order by cycle
select process, nullif(energy, 'nan') as energy from cycles order by cycle
select condition, cycle, t_ns, rss_bytes from probe_memory order by cycle, t_ns
select * exclude (run_id) from probe_latency
select * exclude (run_id) from conditions order by position
select experiment, optimization, seed, started_at, ended_at, wall_s, n_cycles from runs
select total_sampling_calls from runs
""".strip().splitlines()
    with open_catalog(root) as catalog:
        for sql in statements:
            assert catalog.query(sql, runs=[found.run_id]) == catalog.query(sql, runs=[run_id])
        accounts = "select probe_ns, net_ns = wall_ns as whole, cpu_ns from cycles"
        row = {"probe_ns": None, "whole": True, "cpu_ns": None}
        assert catalog.query(accounts, runs=[found.run_id]) == [row] * 4
        status = catalog.query("select status from runs", runs=[found.run_id])
    assert status == [{"status": "imported"}]


def test_an_export_has_the_recorded_keys_and_the_extra_signals(recorded):
    document = json.loads(json_text(exported(*recorded)))
    assert list(document) == ["metadata", "conditions", "system_metrics", "io_metrics", "per_cycle_metrics"]
    assert document["metadata"]["start_time"] == "2026-03-01T12:00:00.123457000+00:00"
    assert document["metadata"]["version"] == "optimized"
    assert document["per_cycle_metrics"][0] == {
        "cycle": 0,
        "condition": "OFF-OFF",
        "runtime_ms": 1.234567,
        "psutil_calls": 1,
        "population": 2,
        "energy": 130.0,
        "t_ns": 1_234_567,
    }
    first, *_, last = document["system_metrics"]
    assert len(document["system_metrics"]) == 4
    assert (first["cycle"], first["memory_rss_mb"], first["cpu_percent"]) == (-1, 46_977_025 / 2**20, 0.1)
    assert last["timestamp"] == "2026-03-01T12:00:00.132457007+00:00"
    assert (last["memory_percent"], last["cpu_temp_celsius"]) == (40.0, None)
    assert document["io_metrics"] == [
        {
            "cycle": 3,
            "condition": "ON-ON",
            "call_count": 5,
            "latency_ms": pytest.approx(0.08412345678901234, rel=1e-15),
            "t_ns": 9_000_009,
        }
    ]


def test_an_import_of_the_second_form_is_exported_in_the_first(archive, tmp_path):
    root = tmp_path / "store"
    first = import_file(archive / "cycle255_h1h2_lightweight_results.json", root)
    document = json.loads(json_text(exported(root, first.run_id)))
    assert document["conditions"][0]["final_population_mean"] == 13.974
    assert len(document["per_cycle_metrics"]) == 12_000
    assert document["per_cycle_metrics"][0] == {
        "cycle": 0,
        "condition": "OFF-OFF",
        "runtime_ms": None,
        "psutil_calls": None,
        "population": 2,
        "t_ns": None,
    }
    (tmp_path / "again.json").write_text(json_text(exported(root, first.run_id)), encoding="utf-8")
    again = import_file(tmp_path / "again.json", root)
    with open_catalog(root) as catalog:
        sql = "select * exclude (run_id) from conditions order by position"
        assert catalog.query(sql, runs=[again.run_id]) == catalog.query(sql, runs=[first.run_id])


def test_json_text_has_no_word_for_nan():
    written = json_text({"a": math.nan, "b": [{"c": math.inf}], "d": "ü", "e": []})
    assert json.loads(written) == {"a": None, "b": [{"c": None}], "d": "ü", "e": []}


def test_an_unknown_run_is_named(tmp_path):
    with pytest.raises(ValueError, match="run 'nowhere' is not there"):
        exported(tmp_path, "nowhere")


@pytest.mark.parametrize(
    ("experiment", "optimization", "mechanisms", "name"),
    [
        ("c256", "cached", {"spawn_throttling": True, "energy_pooling": False}, "cycle256_h1h4_cached_{}"),
        ("c255", None, {}, "cycle255_{}"),
        ("aging", "unoptimized", {"own": True}, "aging_unoptimized_{}"),
        ("a/b", None, {}, "a-b_{}"),
    ],
    ids=["c256", "bare", "named", "slash"],
)
def test_an_export_is_named_as_the_study_named_its_files(experiment, optimization, mechanisms, name):
    record = {"run_id": new_run_id(), "experiment": experiment, "optimization": optimization}
    found = export_name(record, [{"mechanisms": json.dumps(mechanisms)}])
    assert found == name.format(record["run_id"][-8:]) + "_results.json"
