# ruff: noqa: E501 - statements
"""Runs that a statement cannot be about are not read, and no answer changes by it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from store import open_catalog, query
from store.catalog import Catalog
from store.locked import pruning

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
            ["cycles", "windows", "probe_memory"],
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
    "limit": "select wall_ns from cycles where run_id in (select run_id from runs where seed = 1 order by run_id limit 1)",
    "third": "select wall_ns from cycles join probe_memory using (run_id) join runs using (run_id) where runs.seed = 1",
}


@pytest.mark.parametrize("sql", PRUNED.values(), ids=PRUNED)
def test_only_runs_that_can_be_in_the_answer_are_read(catalog: Catalog, sql: str) -> None:
    params: dict[str, object] | None = {"seed": 1, "least": 0} if "$" in sql else None
    assert prunes(catalog, sql, params)["cycles"] == {"r1", "r5"}
    assert answers(catalog, sql, params) == whole(catalog, sql, params)


READ_WHOLE = {
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
