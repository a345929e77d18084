"""What a store's runs say of themselves."""

import json
from datetime import UTC, datetime

import duckdb
import pytest

from store import manifest, open_catalog
from store.upkeep.maintenance import refresh


def _edit(root, run_id, **changes):
    path = root / "runs" / f"run_id={run_id}" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return path


def test_a_future_format_is_named_and_the_other_runs_stay_usable(tmp_path, make_run):
    old, new = make_run(tmp_path), make_run(tmp_path)
    path = _edit(tmp_path, new, format=2)
    with open_catalog(tmp_path) as catalog:
        assert catalog.select() == [old]
        assert list(catalog.problems) == [f"{path} has format 2, this version reads 1; update driftlab"]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 1}', "\x00\xff"], ids=str.__repr__)
def test_an_unreadable_run_is_named_and_the_other_runs_stay_usable(tmp_path, make_run, text):
    good, bad = make_run(tmp_path), make_run(tmp_path)
    path = tmp_path / "runs" / f"run_id={bad}" / "run.json"
    path.write_bytes(text.encode("latin-1"))
    with open_catalog(tmp_path) as catalog:
        assert catalog.select() == [good]
        (problem,) = catalog.problems
    assert str(path) in problem
    assert "\n" not in problem


WRONG = {
    "a text for a number": ({"seed": "abc"}, "seed is 'abc', and BIGINT is expected"),
    "a fraction for a count": ({"n_cycles": 2.5}, "n_cycles is 2.5, and BIGINT is expected"),
    "a count beyond 64 bits": (
        {"peak_rss_bytes": 2**63},
        "peak_rss_bytes is 9223372036854775808, and BIGINT",
    ),
    "a number for a truth": ({"traced": 1}, "traced is 1, and BOOLEAN is expected"),
    "a truth for a number": ({"wall_s": True}, "wall_s is True, and DOUBLE is expected"),
    "a text for a list": ({"tags": "x"}, "tags is 'x', and VARCHAR[] is expected"),
    "no time": ({"started_at": "yesterday"}, "started_at is 'yesterday', and TIMESTAMPTZ is expected"),
    "an unknown type": (
        {"files": {"cycles.parquet": {"sha256": "0", "columns": {"x": "HUGEINT"}}}},
        "files['cycles.parquet'] is no entry of a file: [\"column x of 'HUGEINT'\"]",
    ),
    "a file elsewhere": (
        {"files": {"../../x.parquet": {"sha256": "0"}}},
        "files['../../x.parquet'] is no entry of a file",
    ),
    "a condition without a name": ({"conditions": [{"position": 0}]}, "a condition has no name"),
    "no ledger": ({"observer": 5}, "cannot be read"),
    "no number in the ledger": (
        {"observer": {"memory": {"ns": "x"}}},
        "observer.memory.ns is 'x', and a number is expected",
    ),
    "no columns": ({"files": {"cycles.parquet": {"sha256": "0", "columns": None}}}, "cannot be read"),
}


@pytest.mark.parametrize(("changes", "said"), WRONG.values(), ids=WRONG)
def test_a_value_of_another_type_is_named_and_the_other_runs_stay_usable(tmp_path, make_run, changes, said):
    good, bad = make_run(tmp_path, cycles={"wall_ns": [1]}), make_run(tmp_path, cycles={"wall_ns": [2]})
    path = _edit(tmp_path, bad, **changes)
    with open_catalog(tmp_path) as catalog:
        assert catalog.select() == [good]
        assert catalog.query("select sum(wall_ns)::int as ns from cycles") == [{"ns": 1}]
        (problem,) = catalog.problems
    assert str(path) in problem
    assert said in problem


def test_a_time_without_a_zone_is_utc(tmp_path, make_run):
    _edit(tmp_path, make_run(tmp_path), started_at="2026-01-02T03:04:05")
    (run,) = map(manifest.load, manifest.published(tmp_path))
    assert run.run["started_at"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_foreign_files_are_ignored(tmp_path, make_run):
    run_id = make_run(tmp_path)
    (tmp_path / "README").write_text("mine")
    (tmp_path / "runs" / "run_id=unfinished").mkdir()
    (tmp_path / "runs" / "thesis.tex").write_text("mine")
    (tmp_path / "spool" / "not a run").mkdir(parents=True)
    with open_catalog(tmp_path) as catalog:
        assert (catalog.select(), list(catalog.problems)) == ([run_id], [])


def test_an_empty_directory_is_an_empty_store(tmp_path):
    with open_catalog(tmp_path) as catalog:
        assert (catalog.select(), list(catalog.problems)) == ([], [])


def test_columns_are_the_union_over_runs(tmp_path, make_run):
    make_run(tmp_path, cycles={"wall_ns": [1], "population": [1]})
    make_run(tmp_path, cycles={"wall_ns": [1], "energy": [0.5]})
    names = manifest.columns(map(manifest.load, manifest.published(tmp_path)), "cycles").names
    assert names[0] == "run_id"
    assert names[-2:] == ["population", "energy"]


def test_a_name_with_two_types_names_both_runs(tmp_path, make_run):
    one = make_run(tmp_path, cycles={"wall_ns": [1], "population": [1]})
    two = make_run(tmp_path, cycles={"wall_ns": [1], "population": [0.5]})
    with pytest.raises(ValueError, match=f"population is DOUBLE in run {two} and BIGINT in run {one}"):
        manifest.columns(map(manifest.load, manifest.published(tmp_path)), "cycles")


def test_two_spellings_of_a_name_cost_the_statements_that_name_the_table_alone(tmp_path, make_run):
    one = make_run(tmp_path, cycles={"wall_ns": [1], "population": [1]}, seed=1)
    two = make_run(tmp_path, cycles={"wall_ns": [1], "Population": [2]}, seed=2)
    said = f"cycles.Population in run {two} is population in run {one}, and to SQL, which ignores case"
    notes = []
    refresh(tmp_path, note=notes.append)
    assert [note[: len(said)] for note in notes] == [said]
    with open_catalog(tmp_path) as catalog:
        with pytest.raises(ValueError, match=said):
            catalog.sql("select population from cycles").arrow()
        assert catalog.query("select count(*) as n from runs") == [{"n": 2}]
        for run_id, value in ((one, 1), (two, 2)):
            assert catalog.query("select population as p from cycles", runs=[run_id]) == [{"p": value}]
    with duckdb.connect(str(tmp_path / "catalog.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*) from runs").fetchall() == [(2,)]
        assert connection.execute("select count(*) from probe_memory").fetchall() == [(0,)]
        with pytest.raises(duckdb.Error, match=said):
            connection.execute("select population from cycles").fetchall()


def test_letters_beyond_ascii_are_two_names_to_sql_and_here(tmp_path, make_run):
    make_run(tmp_path, cycles={"wall_ns": [1], "ä": [1]})
    make_run(tmp_path, cycles={"wall_ns": [1], "Ä": [2]})
    with open_catalog(tmp_path) as catalog:
        assert catalog.query('select sum("ä") as a, sum("Ä") as b from cycles') == [{"a": 1, "b": 2}]
