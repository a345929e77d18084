"""Choosing runs, and tables over files of different age."""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from probes.ownership import Owner
from stats import judge
from store import open_catalog, schema
from store.catalog import Catalog
from store.reduced import pairs

MIB = 2**20
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.fixture
def runs(tmp_path: Path, make_run: Callable[..., str]) -> list[str]:
    """Four runs, an hour apart: a and b of experiments x and y, then a repeated, then one that failed."""
    facts = [
        {"experiment": "x", "seed": 1, "tags": ["good"]},
        {"experiment": "y", "seed": 1},
        {"experiment": "x", "seed": 1, "tags": ["good", "final"]},
        {"experiment": "x", "seed": 2, "status": "failed"},
    ]
    return [
        make_run(
            tmp_path,
            run_id=f"{k}0-run",
            started_at=NOON + timedelta(hours=k),
            cycles={"wall_ns": [10 * k + 1, 10 * k + 2]},
            **columns,
        )
        for k, columns in enumerate(facts)
    ]


@pytest.fixture
def catalog(tmp_path: Path, runs: list[str]) -> Iterator[Catalog]:
    with open_catalog(tmp_path) as catalog:
        yield catalog


def test_a_catalog_that_nobody_closes_is_freed_with_its_connections(tmp_path: Path, runs: list[str]) -> None:
    catalog = open_catalog(tmp_path)
    assert catalog.query("select count(*) as n from cycles") == [{"n": 8}]
    freed = weakref.ref(catalog)
    del catalog
    gc.collect()
    assert freed() is None


def test_every_core_table_of_an_empty_store_is_typed_and_empty(tmp_path: Path) -> None:
    with open_catalog(tmp_path) as catalog:
        for table in schema.TABLES.values():
            described = catalog.sql(f"describe {table.name}")
            found = [
                (row["column_name"], row["column_type"]) for batch in described for row in batch.to_pylist()
            ]
            expected = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}
            assert found == [(c.name, expected.get(c.type, c.type)) for c in table.columns]
            assert list(catalog.sql(f"from {table.name}")) == []
        assert catalog.select() == []


def test_a_missing_store_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere is not a directory"):
        open_catalog(tmp_path / "nowhere")


def test_predicates_add_up(catalog: Catalog, runs: list[str]) -> None:
    assert catalog.select("experiment = 'x'") == [runs[0], runs[2], runs[3]]
    assert catalog.select(["experiment = 'x'", "status = 'failed'"]) == [runs[3]]
    assert catalog.select(["started_at > '2026-01-02 12:30:00+00'", "seed = 1"]) == runs[1:3]


def test_a_run_is_named_by_its_id_or_an_unambiguous_beginning(catalog: Catalog, runs: list[str]) -> None:
    assert catalog.select(runs=[runs[2], "0"]) == [runs[0], runs[2]]


@pytest.mark.parametrize(("name", "problem"), [("nope", "is not there"), ("", "is not there")])
def test_an_unknown_run_is_an_error(catalog: Catalog, name: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        catalog.select(runs=[name])


def test_an_ambiguous_beginning_is_an_error(tmp_path: Path, make_run: Callable[..., str]) -> None:
    make_run(tmp_path, run_id="ab1")
    make_run(tmp_path, run_id="ab2")
    with open_catalog(tmp_path) as catalog, pytest.raises(ValueError, match="names 2 runs"):
        catalog.select(runs=["ab"])


def test_latest_is_the_newest_of_each_configuration(catalog: Catalog, runs: list[str]) -> None:
    assert catalog.select(latest=True) == runs[1:]
    assert catalog.select("status = 'completed'", latest=True, last=1) == [runs[2]]


def test_last_counts_after_everything_else(catalog: Catalog, runs: list[str]) -> None:
    assert catalog.select("experiment = 'x'", last=2) == runs[2:]
    with pytest.raises(ValueError, match="selects nothing"):
        catalog.select(last=0)


def test_tags_must_all_be_there(catalog: Catalog, runs: list[str]) -> None:
    assert catalog.select(tags=["good"]) == [runs[0], runs[2]]
    assert catalog.select(tags=["good", "final"]) == [runs[2]]


def test_one_text_stands_for_itself_wherever_many_may_be_given(catalog: Catalog, runs: list[str]) -> None:
    assert catalog.select(tags="good") == catalog.select(tags=["good"]) == [runs[0], runs[2]]
    assert catalog.select(runs=runs[2]) == [runs[2]]
    assert catalog.sql("select run_id from runs", runs="20").arrow().to_pylist() == [{"run_id": runs[2]}]
    assert catalog.query("select count(*) as n from cycles", runs=runs[1]) == [{"n": 2}]
    assert catalog.runs(runs[1])["run_id"].to_pylist() == [runs[1]]
    assert set(catalog.digest(runs[1])["run_id"].to_pylist()) == {runs[1]}
    assert catalog.tables(runs[3])["runs"].num_rows == 1
    assert set(catalog.observers(runs[3])) == {runs[3]}
    assert judge(catalog, runs=runs[0]).runs == judge(catalog, tags="good", last=2).runs[:1] == (runs[0],)
    with pytest.raises(ValueError, match="a tag is empty"):
        catalog.select(tags="")


def test_queries_see_the_chosen_runs_only(catalog: Catalog, runs: list[str]) -> None:
    total = "select sum(wall_ns) as ns, count(distinct run_id) as n from cycles"
    assert catalog.query(total, runs=runs[:2]) == [{"ns": 1 + 2 + 11 + 12, "n": 2}]
    assert catalog.query(total, runs=[]) == [{"ns": None, "n": 0}]
    assert catalog.query("select count(*) as n from runs", runs=runs[1:]) == [{"n": 3}]
    assert catalog.query(total)[0]["n"] == 4


def test_many_selections_in_turn_stay_right(catalog: Catalog, runs: list[str]) -> None:
    for _ in range(3):
        for k in range(4):
            for chosen in (runs[k:], runs[: k + 1], runs[k : k + 1]):
                assert len(catalog.query("from runs", runs=chosen)) == len(chosen)


def test_a_run_is_found_by_its_partition(catalog: Catalog, runs: list[str]) -> None:
    sql = "select run_id, cycle from cycles where run_id = $run order by cycle"
    assert catalog.query(sql, {"run": runs[1]}) == [{"run_id": runs[1], "cycle": k} for k in range(2)]


def test_a_kernel_reduces_what_a_source_selects(catalog: Catalog, runs: list[str]) -> None:
    source = "select run_id as grp, wall_ns as y from cycles where cycle >= $first"
    kernel = "select grp, sum(y) as total from sample group by grp order by grp"
    found = catalog.reduce(kernel, source, {"first": 1}, runs=runs[:2])
    assert found == [{"grp": runs[0], "total": 2}, {"grp": runs[1], "total": 12}]


def test_runs_come_oldest_first(catalog: Catalog, runs: list[str]) -> None:
    assert catalog.runs()["run_id"].to_pylist() == runs
    assert catalog.runs([runs[3], runs[0]])["run_id"].to_pylist() == [runs[0], runs[3]]


def test_observables_of_all_runs_are_columns(tmp_path: Path, make_run: Callable[..., str]) -> None:
    make_run(tmp_path, run_id="a", cycles={"wall_ns": [1], "population": [7]})
    make_run(tmp_path, run_id="b", cycles={"wall_ns": [1], "queue": [0.5]})
    with open_catalog(tmp_path) as catalog:
        rows = catalog.query("select run_id, population, queue from cycles order by run_id")
        assert rows == [
            {"run_id": "a", "population": 7, "queue": None},
            {"run_id": "b", "population": None, "queue": 0.5},
        ]
        assert [c.name for c in catalog.columns()["cycles"]][-2:] == ["population", "queue"]
        with pytest.raises(ValueError, match="queue"):
            catalog.query("select queue from cycles", runs=["a"])


def test_one_name_with_two_types_names_both_runs(tmp_path: Path, make_run: Callable[..., str]) -> None:
    make_run(tmp_path, run_id="run-a", experiment="a", cycles={"wall_ns": [1], "population": [7]})
    make_run(tmp_path, run_id="run-b", experiment="b", cycles={"wall_ns": [1], "population": [0.5]})
    with open_catalog(tmp_path) as catalog:
        with pytest.raises(ValueError, match=r"population is DOUBLE in run run-b and BIGINT in run run-a"):
            catalog.query("from cycles")
        with pytest.raises(ValueError, match=r"^cycles.population is DOUBLE in run run-b and BIGINT in run"):
            catalog.sql("select count(*) from cycles").arrow()
        assert catalog.sql("select count(*) as n from runs").arrow().to_pylist() == [{"n": 2}]
        assert catalog.query("select count(*) as n from probe_memory join runs using (run_id)") == [{"n": 0}]
        chosen = catalog.select("experiment = 'b'")
        assert catalog.query("select population from cycles", runs=chosen) == [{"population": 0.5}]


def test_a_probe_unknown_to_the_schema_is_a_table(tmp_path: Path, make_run: Callable[..., str]) -> None:
    readings = {"cycle": [0, 1], "t_ns": [1, 2], "depth": [1.5, math.nan]}
    run = make_run(tmp_path, probes={"mine": readings})
    with open_catalog(tmp_path) as catalog:
        first, second = catalog.query("from probe_mine order by cycle")
        assert first == {"run_id": run, "condition": "all", "cycle": 0, "t_ns": 1, "depth": 1.5}
        assert math.isnan(second["depth"])


def test_samples_hold_each_probes_last_reading_of_a_cycle(
    tmp_path: Path, make_run: Callable[..., str]
) -> None:
    probes = {
        "memory": {"cycle": [-1, 3, 3], "t_ns": [0, 30, 31], "rss_bytes": [MIB, 2 * MIB, 3 * MIB]},
        "system": {
            "cycle": [3, 3],
            "t_ns": [32, 29],
            "cpu_percent": [None, 50.0],
            "memory_percent": [4.0, 5.0],
        },
        "latency": {"cycle": [7], "t_ns": [70], "call_count": [12], "call_latency_ns": [2.5e6]},
        "garbage": {"cycle": [9], "t_ns": [90], "collections": [1]},
    }
    make_run(tmp_path, probes=probes)
    with open_catalog(tmp_path) as catalog:
        rows = catalog.query("select * exclude (run_id, condition) from samples order by cycle")
    known = [{k: v for k, v in row.items() if v is not None} for row in rows]
    assert known == [
        {"cycle": -1, "t_ns": 0, "memory_rss_mb": 1.0},
        {"cycle": 3, "t_ns": 32, "memory_rss_mb": 3.0, "memory_percent": 4.0},
        {"cycle": 7, "t_ns": 70, "call_count": 12, "call_latency_ms": 2.5},
        {"cycle": 9, "t_ns": 90},
    ]


def test_a_reading_of_any_probe_is_a_sample_in_the_view_and_in_digests(
    tmp_path: Path, make_run: Callable[..., str]
) -> None:
    names = [table.name.removeprefix("probe_") for table in schema.PROBES]
    probes = {name: {"cycle": [k], "t_ns": [k]} for k, name in enumerate(names)}
    make_run(tmp_path, probes=probes)
    with open_catalog(tmp_path) as catalog:
        sampled = [row["cycle"] for row in catalog.query("select cycle from samples order by cycle")]
    digested = pairs.samples({name: pa.table(reading) for name, reading in probes.items()})
    assert sampled == digested["cycle"].tolist() == list(range(len(names)))


def test_a_table_file_that_vanished_is_one_sentence(tmp_path: Path, make_run: Callable[..., str]) -> None:
    run = make_run(tmp_path, cycles={"wall_ns": [1]})
    (tmp_path / "runs" / f"run_id={run}" / "cycles.parquet").unlink()
    with open_catalog(tmp_path) as catalog:
        with pytest.raises(ValueError, match=r"cycles\.parquet") as raised:
            list(catalog.sql("from cycles"))
        assert "\n" not in str(raised.value)
        assert len(catalog.query("from runs")) == 1


def test_sql_takes_values_by_name(catalog: Catalog) -> None:
    rows = catalog.sql("select $a + 1 as n, $b as name", {"a": 2**60, "b": "x'--"})
    assert rows.schema.names == ["n", "name"]
    assert pa.Table.from_batches(rows).to_pylist() == [{"n": 2**60 + 1, "name": "x'--"}]


def test_sql_takes_values_in_turn(catalog: Catalog, runs: list[str]) -> None:
    assert catalog.sql("select ? - ? as n", [5, 3]).arrow().to_pylist() == [{"n": 2}]
    asked = "select run_id from runs join cycles using (run_id) where ? = 'a' and seed = ? and cycle = ?"
    assert catalog.sql(asked, ("a", 2, 0)).arrow().to_pylist() == [{"run_id": runs[3]}]
    with pytest.raises(ValueError, match="no \\$2 in the statement"):
        catalog.sql("select ? as n", [5, 3])
    with pytest.raises(ValueError, match="params is one text"):
        catalog.sql("select ? as n", "5")


def test_numbers_of_numpy_are_numbers(catalog: Catalog) -> None:
    values = {
        "a": np.int64(5),
        "b": np.float32(1.5),
        "c": np.True_,
        "d": [np.uint8(1), 2],
        "e": np.array([3, 4]),
    }
    rows = catalog.sql("select $a as a, $b as b, $c as c, $d as d, $e as e", values).arrow().to_pylist()
    assert rows == [{"a": 5, "b": 1.5, "c": True, "d": [1, 2], "e": [3, 4]}]


@pytest.mark.parametrize("value", [2**130, "\udcff", {1}, [[{1}]]], ids=["wide", "bytes", "set", "nested"])
def test_a_value_without_a_form_in_sql_is_one_sentence(catalog: Catalog, value: object) -> None:
    with pytest.raises(ValueError, match=r"^parameter a \(\w+\) has no form in SQL; give .* UTF-8"):
        catalog.sql("select $a as a", {"a": value})


@pytest.mark.parametrize("limit", [-5.0, 0.0, math.nan, math.inf])
def test_a_limit_that_is_no_time_is_refused(catalog: Catalog, limit: float) -> None:
    for ask in (
        lambda: catalog.sql("select 1", timeout_s=limit),
        lambda: open_catalog(catalog.root, timeout_s=limit),
    ):
        with pytest.raises(ValueError, match=f"^timeout_s={limit:g} is no limit; give seconds above 0"):
            ask()


def test_sql_can_be_left_before_its_last_row(catalog: Catalog) -> None:
    with catalog.sql("from range(1000000)") as rows:
        assert next(rows).num_rows > 0
    assert next(rows, None) is None


def test_an_answer_that_was_taken_is_not_empty_the_second_time(catalog: Catalog) -> None:
    rows = catalog.sql("from runs")
    assert rows.arrow().num_rows == 4
    left = catalog.sql("from runs")
    left.close()
    for take in (rows.arrow, rows.pandas, left.arrow, lambda: list(rows)):
        with pytest.raises(ValueError, match="taken already; ask again"):
            take()


def test_a_running_run_is_listed_and_its_rows_are_counted_live(
    tmp_path: Path, make_spool: Callable[..., Path], make_run: Callable[..., str]
) -> None:
    done = make_run(tmp_path, run_id="0", cycles={"wall_ns": [1], "population": [1]})
    spool = make_spool(tmp_path, cycles=5, capacity=4, end=None)
    for name in ("owner.pid", "owner.lock"):
        (spool / name).unlink()
    owner = Owner.claim(spool)
    with open_catalog(tmp_path) as catalog:
        assert catalog.runs()["status"].to_pylist().count("running") == 1
        assert catalog.select() == [done]
        assert set(catalog.select(running=True)) == {done, spool.name}
        assert catalog.query("select count(*) as n from cycles") == [{"n": 1}]
    with open_catalog(tmp_path, live=True) as catalog:
        assert set(catalog.select()) == {done, spool.name}
        count = """
            select run_id, count(*) as n, sum(population) as p, sum(net_ns) as net
            from cycles group by all order by n
        """
        assert catalog.query(count) == [
            {"run_id": done, "n": 1, "p": 1, "net": 1},
            {"run_id": spool.name, "n": 10, "p": 45, "net": 10 * 1000 + 45 - 5 * 10},
        ]
        where = "select distinct condition from cycles where run_id = $run order by 1"
        found = catalog.query(where, {"run": spool.name})
        assert [row["condition"] for row in found] == ["OFF-OFF", "ON-OFF"]
    owner.release()
