"""The cache for foreign clients: always correct, or rebuilt."""

import shutil

import duckdb
import pytest

from store import schema
from store.cache import keeping


def _ask(root, query):
    """Ask as a foreign client would."""
    with duckdb.connect(str(root / "catalog.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


def _rebuild(root):
    return keeping.keep(root)


def test_an_empty_store_has_every_table_typed_and_empty(tmp_path):
    assert _rebuild(tmp_path)
    for table in schema.TABLES.values():
        described = _ask(tmp_path, f"describe {table.name}")
        assert [row[0] for row in described] == [column.name for column in table.columns]
        kinds = [row[1].replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ") for row in described]
        assert kinds == [column.type for column in table.columns]
        assert _ask(tmp_path, f"select count(*) from {table.name}") == [(0,)]


@pytest.mark.parametrize(
    "name", ["plain", "two words", "Zürich 温度", "it's [x]*", "a=b&c%20#d", "run_id=x/seed=7", "x.runs.99.d"]
)
def test_views_answer_whatever_the_directory_is_called(tmp_path, make_run, name):
    root = tmp_path / name
    one = make_run(root, cycles={"wall_ns": [1, 2], "population": [3, 4]}, optimization="cached")
    two = make_run(
        root, cycles={"wall_ns": [3, 4], "energy": [0.5, 1.5]}, probes={"memory": {"rss_bytes": [1]}}
    )
    _rebuild(root)
    rows = _ask(
        root, "select run_id, sum(wall_ns), sum(population), sum(energy) from cycles group by 1 order by 1"
    )
    assert rows == [(one, 3, 7, None), (two, 7, None, 2.0)]
    assert _ask(root, "select run_id, seed from runs order by 1") == [(one, None), (two, None)]
    joined = "select optimization, count(*) from cycles join runs using (run_id) group by all order by 1"
    assert _ask(root, joined) == [("cached", 2), (None, 2)]
    assert _ask(root, "select count(*) from probe_memory") == [(1,)]
    shutil.rmtree(root / "runs" / f"run_id={one}")
    _rebuild(root)
    assert _ask(root, "select run_id from runs") == [(two,)]


def test_samples_are_there_under_the_studys_names(tmp_path, make_run):
    reading = {"cycle": [0, 1], "t_ns": [5, 6]}
    run_id = make_run(
        tmp_path,
        cycles={"wall_ns": [1, 2]},
        probes={
            "memory": {**reading, "rss_bytes": [2**20, 2**21]},
            "latency": {**reading, "call_latency_ns": [1e6, None]},
        },
    )
    _rebuild(tmp_path)
    rows = _ask(
        tmp_path, "select run_id, cycle, memory_rss_mb, call_latency_ms, cpu_percent from samples order by 2"
    )
    assert rows == [(run_id, 0, 1.0, 1.0, None), (run_id, 1, 2.0, None, None)]


def test_tables_and_columns_carry_their_units(tmp_path):
    _rebuild(tmp_path)
    rows = _ask(tmp_path, "select table_name, column_name, comment from duckdb_columns() where not internal")
    comments = {row[:2]: row[2] for row in rows}
    for table in schema.TABLES.values():
        for column in table.columns:
            assert comments[table.name, column.name] == column.comment


def test_a_probe_that_the_schema_does_not_know_gets_its_view(tmp_path, make_run):
    make_run(tmp_path, probes={"canary": {"cycle": [0, 1], "beat_ns": [5, 6]}})
    _rebuild(tmp_path)
    assert _ask(tmp_path, "select sum(beat_ns) from probe_canary") == [(11,)]


def test_observables_may_be_called_as_duckdb_calls_columns_of_its_own(tmp_path, make_run):
    names = ("filename", "file_row_number", "file_index", "rowid", "file")
    make_run(tmp_path, cycles={"wall_ns": [1, 2], **dict.fromkeys(names, (3, 4))})
    two = make_run(tmp_path, cycles={"wall_ns": [5], **dict.fromkeys(names, (6,))})
    _rebuild(tmp_path)
    columns = ", ".join(names)
    assert _ask(tmp_path, f"select run_id, wall_ns, {columns} from cycles where run_id = '{two}'") == [
        (two, 5, 6, 6, 6, 6, 6)
    ]
    assert _ask(tmp_path, "select sum(filename) from cycles") == [(13,)]


def _delete(root):
    (root / "catalog.duckdb").unlink()


def _corrupt(root):
    (root / "catalog.duckdb").write_bytes(b"\x00garbage" * 4096)


def _truncate(root):
    path = root / "catalog.duckdb"
    path.write_bytes(path.read_bytes()[:5000])


def _foreign(root):
    _delete(root)
    duckdb.connect(str(root / "catalog.duckdb")).close()


@pytest.mark.parametrize("damage", [_delete, _corrupt, _truncate, _foreign])
def test_a_missing_or_damaged_cache_is_rebuilt(tmp_path, make_run, damage):
    make_run(tmp_path, cycles={"wall_ns": [1]})
    assert _rebuild(tmp_path)
    assert not _rebuild(tmp_path)
    damage(tmp_path)
    assert _rebuild(tmp_path)
    assert _ask(tmp_path, "select count(*) from cycles") == [(1,)]


def test_a_new_run_makes_it_stale(tmp_path, make_run):
    make_run(tmp_path, cycles={"wall_ns": [1]})
    _rebuild(tmp_path)
    make_run(tmp_path, cycles={"wall_ns": [1]})
    assert _rebuild(tmp_path)
    assert _ask(tmp_path, "select count(*) from runs") == [(2,)]


def test_a_moved_store_makes_it_stale(tmp_path, make_run):
    make_run(tmp_path / "old", cycles={"wall_ns": [1]})
    _rebuild(tmp_path / "old")
    shutil.move(tmp_path / "old", tmp_path / "new")
    assert _rebuild(tmp_path / "new")
    assert _ask(tmp_path / "new", "select count(*) from cycles") == [(1,)]


def test_a_run_that_cannot_be_used_does_not_spoil_the_views(tmp_path, make_run):
    good, bad = make_run(tmp_path, cycles={"wall_ns": [1]}), make_run(tmp_path, cycles={"wall_ns": [2]})
    directory = tmp_path / "runs" / f"run_id={bad}"
    (directory / "run.json").write_text("{")
    (directory / "cycles.parquet").write_bytes(b"garbage")
    _rebuild(tmp_path)
    assert _ask(tmp_path, "select run_id, wall_ns from cycles") == [(good, 1)]


def test_nothing_but_the_cache_is_left_behind(tmp_path):
    (tmp_path / "catalog.0123.tmp").write_text("of a killed builder")
    (tmp_path / "catalog.duckdb.wal").write_text("of a client that was killed")
    _rebuild(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert [name for name in names if not name.startswith("catalog.runs.00000001.")] == [
        *("catalog.duckdb", "catalog.index.json", "catalog.lock")
    ]
    assert len(names) == 5  # and two files of runs
