# ruff: noqa: E501 - statements
"""Whatever is joined with whatever, and asked of it: reading some runs only gives the answer of reading all."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from store import open_catalog, query
from store.catalog import Catalog
from store.locked import pruning
from store.locked.lazy import RunFiles

RUNS = 8
WITH = """with chosen as (select run_id, seed as cycle, seed from runs where seed in (1, 2)),
latest as (select * from runs where experiment <> 'y' order by started_at desc nulls last, run_id limit 3),
keyless as (select seed as x, 0 as cycle from runs) """
TABLES = (
    *["cycles"] * 4, *["runs"] * 3, "windows", "probe_memory", "conditions", "samples", "chosen", "latest", "keyless",
    "(select * from runs where seed = 1)", "(select run_id, seed from runs order by seed desc, run_id limit 3)",
    "(select run_id, count(*) as cycle from cycles group by 1)", "(select seed as cycle from runs)",
    "(select max(run_id) as run_id, 1 as cycle from runs)", "(select run_id, cycle from cycles where run_id in ('r1', 'r4'))",
    "(select c.run_id, cycle from cycles c join runs r using (run_id) where seed < 2)",
)  # fmt: skip
JOINS = (
    *["join"] * 3, *["left join"] * 2, "right join", "full join", "semi join", "anti join", "natural join",
    "natural left join", "natural right join", "cross join", ",",
)  # fmt: skip
PLAIN = (
    "{a}run_id = {id}", "{id} = {a}run_id", "{a}run_id in ({id}, 'r1')", "{a}run_id > {id}", "{a}run_id <> {id}",
    "{a}run_id like 'r%' and {a}run_id <= {id}", "{a}seed = 1", "{a}seed < 2", "{a}seed is null", "coalesce({a}seed, 1) = 1",
    "{a}experiment <> 'y'", "not ({a}seed = 1)", "{a}run_id is null", "coalesce({a}run_id, 'r2') = 'r2'", "{a}cycle = 0",
    "({a}run_id = 'r1' or {b}cycle = 0)", "({a}run_id = 'r1' or {a}run_id = 'r3')", "{a}run_id = {b}run_id",
    "{a}run_id not in ('r1', 'r2')", "{a}started_at < now() - interval 1 day", "{a}started_at + interval 1 year > current_date",
)  # fmt: skip
NESTED = (
    "{a}run_id in (select run_id from runs q where {inner})", "{a}run_id not in (select run_id from runs q where {inner})",
    "not ({a}run_id in (select run_id from runs q where {inner}))", "{a}run_id = any (select q.run_id from runs q where {inner})",
    "{a}run_id in (select run_id from conditions q where {inner})", "{a}run_id = (select max(run_id) from runs q where {inner})",
    "{a}run_id in (select q.run_id from cycles q join runs s on q.run_id = s.run_id where s.seed = 1 and {inner})",
    "{a}run_id in (select run_id from runs q where {inner} order by seed desc, run_id limit 2)",
    "{a}run_id in (select run_id from runs q where {inner} order by 1 limit 2)", "{a}run_id in (select run_id from latest)",
    "{a}run_id in (select run_id from runs q where {inner} group by all having count(*) > 0)",
    "{a}run_id in (select run_id from runs q where {inner} union select 'r6')", "{a}run_id in (from chosen select run_id)",
    "{a}run_id in (select max(run_id) from runs q where {inner})", "({inner} or {a}run_id = 'r1')",
    "exists (select 1 from runs q where q.run_id = {b}run_id and {inner})",
    "exists (select * from cycles q where {b}run_id = q.run_id and {inner})",
    "not exists (select 1 from runs q where q.run_id = {b}run_id and {inner})",
    "exists (select count(*) from runs q where q.run_id = {b}run_id and {inner})",
    "exists (select 1 from runs q left join cycles s using (run_id) where s.run_id = {b}run_id and {inner})",
    "(select count(*) from cycles q where q.run_id = {b}run_id and {inner}) > 0",
    "(select count(*) from cycles q semi join runs z using (run_id) where q.run_id = {b}run_id and {inner}) = 0",
)  # fmt: skip


def condition(dice: random.Random, names: Sequence[str], depth: int = 0) -> str:
    """Return a condition on some of the tables of these names, or on what has no name."""
    inner = condition(dice, "q", depth + 1) if depth < 2 else ""
    return dice.choice(PLAIN + (NESTED if inner else ())).format(
        a=dice.choice(["", f"{dice.choice(names)}."]),
        b=f"{dice.choice(names)}.",
        id=f"'r{dice.randint(0, RUNS)}'",
        inner=inner,
    )


def joined(dice: random.Random, depth: int, names: Iterator[str]) -> tuple[str, list[str]]:
    """Return the text of a FROM, and the names in it that a WHERE may use."""
    if depth == 0 or dice.random() < 0.15:
        name = next(names)
        return f"{dice.choice(TABLES)} {name}", [name]
    left, of_left = joined(dice, depth - 1, names)
    right, of_right = joined(dice, depth - 1 if dice.random() < 0.4 else 0, names)
    kind = dice.choice(JOINS)
    left = f"({left})" if len(of_left) > 1 and kind != "," and dice.random() < 0.5 else left
    right = f"({right})" if len(of_right) > 1 else right
    text = f"{left} {kind} {right}{_on(dice, of_left, of_right) if kind in JOINS[:9] else ''}"
    return text, of_left if kind in ("semi join", "anti join") else of_left + of_right


def _on(dice: random.Random, left: Sequence[str], right: Sequence[str]) -> str:
    if dice.random() < 0.5:
        return " using (run_id)"
    key = dice.choice(["cycle", *["run_id"] * 4])
    more = f" and {condition(dice, [*left, *right], 1)}" if dice.random() < 0.4 else ""
    return f" on {dice.choice(left)}.{key} = {dice.choice(right)}.{key}{more}"


def generated(seed: int) -> str:
    """Return a statement, two in three of them without a valid answer."""
    dice = random.Random(seed)
    text, names = joined(dice, dice.randint(1, 3), iter("abcdefgh"))
    wheres = [condition(dice, names) for _ in range(dice.randint(0, 3))]
    columns = [f"min({name}.run_id) as lo{name}, count({name}.run_id) as n{name}" for name in names]
    select = f"select count(*) as n, {', '.join(columns)} from {text}"
    asked = f"{WITH}{select} where {' and '.join(['true', *wheres])}"
    return f"{asked} union all {select} where {condition(dice, names)}" if dice.random() < 0.1 else asked


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, make_run: Callable[..., str]) -> Iterator[Catalog]:
    """Return runs of which some have no rows in some tables, and NULL here and there."""
    root: Path = tmp_path_factory.mktemp("runs")
    for k in range(RUNS):
        rows = 2 if k == 6 else k % 3
        make_run(
            root,
            run_id=f"r{k}",
            experiment="xyz"[k % 3],
            seed=None if k == 5 else k % 4,
            cycles={"wall_ns": [100 * k + j for j in range(rows)], "cpu_ns": [k] * rows} if rows else {},
            windows={"first_cycle": [0], "last_cycle": [1], "t_ns": [k]} if k % 3 else {},
            probes={"memory": {"cycle": [0], "t_ns": [k], "rss_bytes": [k]}} if k % 2 else {},
            started_at=None if k == 2 else f"2026-01-0{1 + k}T00:00:00+00:00",
        )
    with open_catalog(root) as opened:
        yield opened


@pytest.mark.parametrize("block", [pytest.param(k, marks=pytest.mark.slow if k else ()) for k in range(40)])
def test_no_answer_changes_by_what_is_not_read(catalog: Catalog, block: int) -> None:
    tables = {name: one for name, one in catalog.tables().items() if isinstance(one, RunFiles)}
    connection = query.connect(catalog.tables())
    answered = pruned = 0
    for seed in range(40 * block, 40 * block + 40):
        sql = generated(seed)
        try:
            expected = catalog.query(sql)
        except ValueError:
            continue
        assert sorted(map(repr, catalog.sql(sql).arrow().to_pylist())) == sorted(map(repr, expected)), sql
        found = pruning.wanted(
            lambda text, values: [row[0] for row in connection.execute(text, dict(values)).fetchall()],
            sql,
            {},
            {name: one.schema.names for name, one in tables.items()},
        )
        answered += 1
        pruned += any(len(runs) < RUNS for runs in found.values())
    connection.close()
    assert answered > 5
    assert pruned > 0
