# ruff: noqa: E501 - statements
"""Runs that a statement cannot be about are not read, and no answer changes by it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from store import open_catalog, query
from store.catalog import Catalog
from store.locked import pruning
from store.locked.lazy import unsized

RUNS = 8


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, make_run: Callable[..., str]) -> Iterator[Catalog]:
    root = tmp_path_factory.mktemp("runs")
    for k in range(RUNS):
        cycles = {"wall_ns": [100 * k + j for j in range(k % 3 + 1)], "cpu_ns": [k] * (k % 3 + 1)}
        probes = {"memory": {"cycle": [0], "t_ns": [k], "rss_bytes": [k]}} if k % 2 else {}
        make_run(
            root,
            run_id=f"r{k}",
            experiment="xyz"[k % 3],
            seed=k % 4,
            cycles=cycles,
            probes=probes,
            started_at=None,
        )
    with open_catalog(root) as opened:
        yield opened


def prunes(catalog: Catalog, sql: str, params: dict[str, object] | None = None) -> dict[str, set[str]]:
    tables = catalog.tables()
    connection = query.connect(tables)
    try:
        return pruning.wanted(
            lambda text, values: [row[0] for row in connection.execute(text, dict(values)).fetchall()],
            sql,
            params or {},
            {name: tables[name].schema.names for name in ("cycles", "windows", "probe_memory")},
        )
    finally:
        connection.close()


def answers(catalog: Catalog, sql: str, params: dict[str, object] | None = None) -> list[str]:
    with catalog.sql(sql, params) as found:
        return sorted(repr(row) for batch in found for row in batch.to_pylist())


def whole(catalog: Catalog, sql: str, params: dict[str, object] | None = None) -> list[str]:
    """Return the answer over all rows of all runs."""
    return sorted(repr(row) for row in catalog.query(sql, params))


PRUNED = {
    "using": "select * from cycles join runs using (run_id) where seed = 1",
    "on": "select c.wall_ns from cycles c join runs r on r.run_id = c.run_id and r.seed = 1",
    "comma": "select count(*) as n from runs r, cycles c where c.run_id = r.run_id and seed in (1)",
    "subquery": "select sum(wall_ns)::bigint as n from cycles where run_id in (select run_id from runs where seed = 1)",
    "with": "with chosen as (select * from runs where seed = 1) select wall_ns from cycles join chosen using (run_id)",
    "from subquery": "select wall_ns from (select run_id as run_id, seed from runs where seed = 1) join cycles using (run_id)",
    "outer": "select r.run_id, count(c.cycle) as n from runs r left join cycles c using (run_id) where seed = 1 group by all",
    "parameter": "select wall_ns from cycles join runs using (run_id) where seed = $seed and wall_ns >= $least",
    "like": "select wall_ns from cycles join runs using (run_id) where seed = 1 and experiment like '%'",
    "twice": "select wall_ns from cycles join runs using (run_id) where seed = 1 union all select cpu_ns from cycles "
    "where run_id in (select run_id from runs where seed = 1)",
    "limit": "select wall_ns from cycles where run_id in (select run_id from runs where seed = 1 limit 5)",
    "first": "select wall_ns from cycles where run_id in (select run_id from runs where seed > 0 order by seed, experiment limit 2)",
    "first of all": "select wall_ns from cycles join (select run_id, seed from runs order by seed = 1 desc limit 2) r using (run_id)",
    "in": "select wall_ns from cycles where run_id in ('r1', 'r5', 'no such')",
    "in parameters": "select wall_ns from cycles where run_id in ($one, $two)",
    "in a list": "select wall_ns from cycles where list_contains(['r1', 'r5'], run_id)",
    "or": "select c.wall_ns from cycles c where c.run_id = 'r1' or run_id = 'r5'",
    "between": "select wall_ns from cycles where run_id between 'r1' and 'r5' and run_id not in ('r2', 'r3', 'r4')",
    "of another": "select d.wall_ns from cycles c join windows w using (run_id) right join cycles d using (run_id) where d.run_id in ('r1', 'r5')",
    "both": "select wall_ns from cycles join runs using (run_id) where seed < 2 and run_id in ('r1', 'r2', 'r5')",
    "natural": "select wall_ns from cycles natural join runs where seed = 1",
    "semi": "select wall_ns from cycles semi join (select run_id from runs where seed = 1) r using (run_id)",
    "semi on": "select wall_ns from cycles c semi join runs r on r.run_id = c.run_id and r.seed = 1",
    "anti": "select seed from runs anti join cycles using (run_id) where seed = 1",
    "right": "select seed, cycle from cycles right join runs using (run_id) where seed = 1",
    "natural right": "select seed, cycle from cycles natural right join runs where seed = 1",
    "exists": "select wall_ns from cycles c where exists (select 1 from runs r where r.run_id = c.run_id and seed = 1)",
    "exists of itself": "select wall_ns from cycles where exists (from runs where cycles.run_id = runs.run_id and runs.seed = 1)",
    "in a join": "select wall_ns from cycles where run_id in (select c.run_id from cycles c join runs r using (run_id) where seed = 1)",
    "inner of outer": "select c.wall_ns from runs r left join (cycles c join windows w using (run_id)) on c.run_id = r.run_id where seed = 1",
    "conditions": "select wall_ns from cycles join conditions using (run_id, condition) where conditions.run_id in ('r1', 'r5')",
    "now": "select wall_ns from cycles join runs using (run_id) where now() - seed * interval 1 day > current_timestamp - "
    "interval '30 hours' and current_date + seed * interval '1 day' > current_date",
    "case": """SELECT C.wall_ns FROM "Cycles" C NATURAL JOIN Runs WHERE SEED = 1""",
    "third": "select wall_ns from cycles join probe_memory using (run_id) join runs using (run_id) where runs.seed = 1",
}


PARAMS: dict[str, object] = {"seed": 1, "least": 0, "one": "r1", "two": "r5"}


@pytest.mark.parametrize("sql", PRUNED.values(), ids=PRUNED)
def test_only_runs_that_can_be_in_the_answer_are_read(catalog: Catalog, sql: str) -> None:
    params = {name: value for name, value in PARAMS.items() if f"${name}" in sql}
    assert prunes(catalog, sql, params)["cycles"] == {"r1", "r5"}
    assert answers(catalog, sql, params) == whole(catalog, sql, params)


def test_runs_that_are_equal_in_an_order_are_all_read(catalog: Catalog) -> None:
    sql = "select wall_ns from cycles where run_id in (select run_id from runs where seed > 0 order by seed limit 1)"
    assert prunes(catalog, sql)["cycles"] == {"r1", "r5"}


def test_values_in_turn_spare_runs_too(catalog: Catalog) -> None:
    sql = "select wall_ns from cycles join runs using (run_id) where wall_ns >= ? and seed = ?"
    assert prunes(catalog, sql, {"1": 0, "2": 1})["cycles"] == {"r1", "r5"}
    with catalog.sql(sql, [0, 1]) as found:
        assert found.arrow().num_rows == 5


def test_a_sum_of_many_terms_is_answered(catalog: Catalog) -> None:
    sql = f"select wall_ns from cycles join runs using (run_id) where seed = {' + '.join(['0'] * 400)} + 1"
    assert answers(catalog, sql) == whole(catalog, sql)


def test_now_is_the_same_in_both_readings(catalog: Catalog) -> None:
    clock = "contains(now()::varchar || experiment, '7')"
    sql = f"select now()::varchar as at, count(*) as n from cycles join runs using (run_id) where {clock}"
    for _ in range(10):
        (row,) = catalog.sql(sql).arrow().to_pylist()
        assert (row["n"] > 0) == ("7" in row["at"])


def test_a_join_looks_rows_up_among_runs_and_not_runs_among_rows(catalog: Catalog) -> None:
    question = (
        "explain (format json) select avg(wall_ns) from cycles join runs using (run_id) where seed % 2 = 1"
    )
    connection = query.connect(unsized(catalog.tables()))
    plan = json.loads(connection.execute(question).fetchall()[0][1])
    connection.close()
    while len(plan) == 1:
        plan = plan[0]["children"]
    _, looked_up = (json.dumps(side) for side in plan)
    assert "seed" in looked_up


@pytest.fixture
def sparse(tmp_path: Path, make_run: Callable[..., str]) -> Iterator[Catalog]:
    """Return six runs, of which two alone still have their files when they are asked for."""
    for k in range(6):
        make_run(tmp_path, run_id=f"r{k}", seed=k, cycles={"wall_ns": [k, k], "cpu_ns": [k, k]})
    with open_catalog(tmp_path) as opened:
        for k in (0, 3, 4, 5):
            (tmp_path / "runs" / f"run_id=r{k}" / "cycles.parquet").unlink()
        yield opened


SPARED = (
    "run_id = 'r1'", "run_id in ('r1', 'r2')", "run_id = 'r1' and wall_ns > 0", "run_id > 'r0' and run_id < 'r3'",
    "(run_id = 'r1' or run_id = 'r2') and cpu_ns = 1",
)  # fmt: skip


@pytest.mark.parametrize("where", SPARED)
def test_files_that_a_filter_rules_out_are_not_opened(sparse: Catalog, where: str) -> None:
    # Our own queries are not narrowed beforehand: what DuckDB hands down does it.
    sql = f"select distinct run_id from cycles where {where} order by all"
    assert {row["run_id"] for row in sparse.query(sql)} <= {"r1", "r2"}
    assert answers(sparse, sql) == whole(sparse, sql)
    with pytest.raises(ValueError, match=r"cycles\.parquet"):
        sparse.query("select run_id from cycles where wall_ns = 1")


def test_a_file_that_is_asked_for_is_checked_after_others_were(sparse: Catalog, tmp_path: Path) -> None:
    assert sparse.query("select count(*) as n from cycles where run_id = 'r1'") == [{"n": 2}]
    path = tmp_path / "runs" / "run_id=r2" / "cycles.parquet"
    pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["cpu_ns"]), path)
    assert sparse.query("select count(*) as n from cycles where run_id = 'r1'") == [{"n": 2}]
    with pytest.raises(ValueError, match=r"lacks column cpu_ns|cycles\.parquet"):
        sparse.query("select sum(cpu_ns) as n from cycles where run_id = 'r2'")


READ_WHOLE = {
    "what an outer join asks of one side": "select x.wall_ns from cycles x left join (probe_memory a join probe_memory b "
    "on a.run_id = b.run_id and a.run_id in (select run_id from runs where seed = 1)) on x.run_id = a.run_id",
    "what a right join asks of one side": "select x.wall_ns from (probe_memory a join probe_memory b on a.run_id = b.run_id "
    "and a.run_id in (select run_id from runs where seed = 1)) right join cycles x on x.run_id = a.run_id",
    "an outer name": "select (select count(*) from cycles semi join runs using (run_id) where seed = 1) as n from runs",
    "hidden": "select c.wall_ns from cycles c semi join (select * from runs where seed = 1) r on r.seed > c.cycle",
    "hidden key": "select count(*) as n from (windows a semi join cycles b on a.cpu_ns is null or b.cycle >= 0) "
    "join runs using (run_id) where seed = 1",
    "null of a right": "select c.wall_ns, seed from (select * from runs where seed = 1) r right join cycles c using (run_id) "
    "where seed is null",
    "a name beside a name": "select c.wall_ns from (conditions a join runs b using (run_id)) right join cycles c "
    "on a.run_id = c.run_id where coalesce(run_id, 'r2') = 'r2'",
    "a joined name beside a name": "select d.cycle from conditions a join (runs b join conditions c using (run_id) cross join "
    "(select * from cycles where run_id = 'r1') d) using (run_id) join cycles e on e.run_id = b.run_id",
    "a clock's name": "select 1 as current_date, wall_ns from cycles join runs using (run_id) where seed = 1",
    "full": "select wall_ns from cycles full join runs using (run_id) where seed = 1",
    "key that may be null": "select count(*) as n from probe_memory p full join cycles c using (run_id) where run_id = 'r1'",
    "coalesced": "select count(*) as n from runs left join cycles c using (run_id) where coalesce(c.run_id, 'r1') = 'r1'",
    "or of another": "select wall_ns from cycles where run_id = 'r1' or cpu_ns = 2",
    "neither": "select wall_ns from cycles where not (run_id = 'r1' and cpu_ns = 1)",
    "not exists": "select wall_ns from cycles c where not exists (select 1 from runs r where r.run_id = c.run_id and seed = 1)",
    "exists of a count": "select wall_ns from cycles c where exists (select count(*) from runs r where r.run_id = c.run_id "
    "and seed = 1)",
    "exists of a group": "select wall_ns from cycles c where exists (select 1 from runs r where r.run_id = c.run_id and seed = 1 "
    "having count(*) = 0)",
    "exists in a struct": "select wall_ns from cycles c where exists (select 1 from (select run_id, {'run_id': run_id} as c from runs "
    "where seed = 1) q where q.run_id = c.run_id)",
    "star of a struct": "select wall_ns from cycles join (select s.* from (select run_id, {'run_id': 'r2'} as s from runs "
    "where seed = 1) q) z using (run_id)",
    "star in a function": "select wall_ns from cycles join (select replace(columns('run_id'), '1', '2'), run_id from runs "
    "where seed = 1) q using (run_id)",
    "a name of two types": "select wall_ns from (select run_id, '01' as seed from conditions) a join runs using (run_id, seed) "
    "join cycles using (run_id) where seed::varchar like '0%'",
    "a name of two types, of itself": "select wall_ns from cycles where run_id in (select r.run_id from (select '01' as seed, run_id "
    "from conditions) q natural join runs r where seed::varchar like '0%')",
    "a key of another collation": "select wall_ns from (select run_id collate nocase as run_id from runs) q join cycles "
    "using (run_id) where run_id = 'R1'",
    "exists elsewhere": "select wall_ns from cycles c where exists (select 1 from runs c where c.run_id = c.run_id and seed = 1)",
    "first of a number": "select wall_ns from cycles where run_id in (select run_id from runs order by 1 desc limit 2)",
    "first of another name": "select wall_ns from cycles join (select run_id, seed as started_at from runs order by started_at, "
    "run_id limit 2) r using (run_id)",
    "first of a part": "select wall_ns from cycles where run_id in (select run_id from runs where run_id in "
    "(select 'r5') order by run_id limit 1)",
    "first of some": "select wall_ns from cycles where run_id in (select distinct on (seed) run_id from runs order by seed, run_id "
    "limit 3)",
    "first but some": "select wall_ns from cycles where run_id in (select run_id from runs order by run_id limit 2 offset 2)",
    "union": "select wall_ns from cycles where run_id in (select run_id from runs where seed = 1 union select 'r2')",
    "every": "select wall_ns from cycles where run_id >= all (select run_id from runs where seed = 1)",
    "group": "select run_id from cycles group by run_id having run_id = 'r1' or count(*) > 2",
    "shadowed conditions": "with conditions as (select 1 as cycle) select wall_ns from cycles natural join conditions "
    "natural join runs where seed = 1",
    "name of another type": "select wall_ns from cycles c join (select 1 as run_id) n on n.run_id = c.cycle where n.run_id < 5",
    "alias of a column": "select 'r1' as experiment, wall_ns from cycles where experiment = 'r1'",
    "same name twice": "select a.wall_ns from cycles a join runs b on a.run_id = b.run_id join (select 1 as x) b on true "
    "where b.seed = 1",
    "no condition": "select * from cycles join runs using (run_id)",
    "outer of the other side": "select c.* from cycles c left join runs r on r.run_id = c.run_id and r.seed = 1",
    "null of an outer": "select c.* from cycles c left join (select * from runs where seed = 1) r using (run_id) "
    "where r.seed is null",
    "kept by an outer": "select a.cycle as n from cycles a cross join runs c left join windows b on a.run_id = c.run_id "
    "where c.seed = 1",
    "kept through an outer": "select a.cycle as n from cycles a cross join runs c left join probe_memory b "
    "on b.run_id = a.run_id and b.run_id = c.run_id where c.seed = 1",
    "used twice": "select (select count(*) from cycles) as n, wall_ns from cycles join runs using (run_id) where seed = 1",
    "or": "select wall_ns from cycles join runs using (run_id) where seed = 1 or wall_ns = 0",
    "anti": "select wall_ns from cycles anti join (select * from runs where seed = 1) r using (run_id)",
    "other key": "select wall_ns from cycles c join runs r on r.run_id >= c.run_id where seed = 1",
    "not in": "select wall_ns from cycles where run_id not in (select run_id from runs where seed = 1)",
    "renamed": "select c.wall_ns from cycles c join (select min(run_id) as run_id, seed from runs where seed = 1 group by seed) "
    "r on r.seed < c.wall_ns",
    "other column as key": "select wall_ns from cycles where run_id in (select 'r' || cores from runs where seed = 1)",
    "shadowed": "with runs as (select run_id, 1 as seed from cycles) select wall_ns from cycles join runs using (run_id) "
    "where seed = 1",
    "by name": "select wall_ns, (select count(*) from query('from cycles')) as n from cycles join runs using (run_id) "
    "where seed = 1",
    "by chance": "select count(*) >= 0 as n from cycles join runs using (run_id) where seed < random()",
    "positional": "select c.wall_ns from cycles c positional join runs r where r.seed = 1",
    "renamed columns": "select c.b from cycles c(run_id, b) join runs r on r.run_id = c.run_id where r.seed = 1",
}


@pytest.mark.parametrize("sql", READ_WHOLE.values(), ids=READ_WHOLE)
def test_what_is_not_understood_is_read_whole(catalog: Catalog, sql: str) -> None:
    assert "cycles" not in prunes(catalog, sql)
    assert answers(catalog, sql) == whole(catalog, sql)


JOINS = (*["join"] * 6, "left join", "right join", "full join", "semi join", "anti join")
WHERES = (
    "seed = 1", "seed < 2 and experiment <> 'y'", "experiment = 'x' or seed = 3", "seed is null", "coalesce(seed, 1) = 1",
    "run_id in (select run_id from runs where seed = 2)", "run_id not in (select run_id from runs where seed = 2)",
    "seed between 1 and 2 and wall_ns > 100", "not (seed = 1)", "exists (select 1 from cycles d where d.cpu_ns = seed)",
)  # fmt: skip


def generated(seed: int) -> str:
    """Return a statement of joined tables and conditions, some of them without a valid answer."""
    dice = random.Random(seed)
    tables = dice.sample(
        ["cycles", "runs", "probe_memory", "samples", "(select * from runs where seed = 1) r"], 3
    )
    text = tables[0]
    for table in tables[1:]:
        text += f" {dice.choice(JOINS)} {table} using (run_id)"
    wheres = " and ".join(dice.sample(WHERES, dice.randint(1, 2)))
    select = dice.choice(["count(*) as n", "run_id", "*", "sum(wall_ns)::bigint as n", "seed, count(*) as n"])
    tail = " group by all" if ", count" in select else ""
    if dice.random() < 0.3:
        return f"with part as (select * from {text} where {wheres}) select count(*) as n from part join cycles using (run_id)"
    return f"select {select} from {text} where {wheres}{tail}"


@pytest.mark.parametrize("block", [pytest.param(k, marks=pytest.mark.slow if k else ()) for k in range(16)])
def test_our_own_queries_and_ad_hoc_ones_agree(catalog: Catalog, block: int) -> None:
    answered = pruned = 0
    for seed in range(20 * block, 20 * block + 20):
        sql = generated(seed)
        try:
            expected = whole(catalog, sql)
        except ValueError:
            continue
        assert answers(catalog, sql) == expected, sql
        answered += 1
        pruned += bool(prunes(catalog, sql))
    assert answered > 5
    assert pruned > 0
