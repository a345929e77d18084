"""The rows are in the file, one transaction each."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from nrm.persistence import Rows
from nrm.substrate import Reading
from nrm.workload import Workload
from probes.protocols import Condition, Scene

UNOPTIMIZED = {"sampling": "per_visit", "persist": "sqlite", "persist_pairs": True}


def _query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def _count(path: Path, table: str) -> int:
    return int(_query(path, f"select count(*) from {table}")[0][0])


def _run(workload: Workload, condition: Condition, scene: Scene) -> list[tuple[int, int, int, float]]:
    simulation = workload.start(condition, scene)
    records = [simulation.step(cycle) for cycle in range(condition.cycles)]
    simulation.close()
    return records


@pytest.mark.parametrize("keep", [False, True], ids=["new connections", "one connection"])
def test_every_sample_birth_and_pair_is_a_row(
    scene: Scene, condition: Callable[..., Condition], psutil_calls: list[Any], keep: bool
) -> None:
    workload = Workload(max_agents=6, optimization=UNOPTIMIZED | {"keep_connection": keep})
    records = _run(workload, condition("energy_pooling", cycles=5), scene)
    assert [population for population, *_ in records] == [2, 4, 6, 6, 6]
    path = scene.scratch / "samples.sqlite"
    assert (
        _count(path, "samples") == scene.meters.sampling_calls == 6 + sum(record.visits for record in records)
    )
    assert _count(path, "births") == 6
    assert _count(path, "pairs") == sum(n * (n - 1) // 2 for n in (1, 2, 4, 6, 6))


def test_without_pooling_or_persist_pairs_no_pair_is_written(
    scene: Scene, condition: Callable[..., Condition], psutil_calls: list[Any]
) -> None:
    _run(Workload(max_agents=4, optimization=UNOPTIMIZED), condition(cycles=3), scene)
    quiet = UNOPTIMIZED | {"persist_pairs": False}
    _run(Workload(max_agents=4, optimization=quiet), condition("energy_pooling", cycles=3), scene)
    assert _count(scene.scratch / "samples.sqlite", "pairs") == 0


@pytest.mark.parametrize("rules", ["heavy", "light"])
def test_shared_samples_are_one_row_a_cycle_and_the_values_used(
    scene: Scene, condition: Callable[..., Condition], rules: str
) -> None:
    workload = Workload(rules=rules, metrics="constant", max_agents=4, optimization={"persist": "sqlite"})
    simulation = workload.start(condition(cycles=4), scene)
    for cycle in range(4):
        simulation.step(cycle)
    path = scene.scratch / "samples.sqlite"
    assert _query(path, "select cpu, mem, disk from samples") == [(2.24, 71.67, 0.0)] * 4
    births = _query(path, "select agent, parent from births order by agent")
    assert births[:2] == [(0, None), (1, 0)]
    assert len(births) == simulation.model.born


def test_nothing_is_written_where_nothing_persists(scene: Scene, condition: Callable[..., Condition]) -> None:
    _run(Workload(optimization={"persist": "none", "persist_pairs": True}), condition(cycles=2), scene)
    assert list(scene.scratch.iterdir()) == []


def test_the_transaction_is_part_of_the_samples_time(
    scene: Scene, condition: Callable[..., Condition], monkeypatch: pytest.MonkeyPatch
) -> None:
    totals: list[int] = []
    write = Rows.sample
    monkeypatch.setattr(
        Rows,
        "sample",
        lambda rows, reading: (totals.append(scene.meters.sampling_calls), write(rows, reading)),
    )
    _run(Workload(optimization={"persist": "sqlite"}), condition(cycles=3), scene)
    assert totals == [0, 1, 2]


@pytest.mark.parametrize(("journal", "left"), [("wal", "wal"), ("delete", "delete"), ("truncate", "delete")])
def test_the_journal_is_the_one_asked_for(tmp_path: Path, journal: str, left: str) -> None:
    path = tmp_path / "rows"
    rows = Rows(path, journal=journal, synchronous="off", keep_connection=False)
    rows.sample(Reading(1.0, 2.0, 3.0))
    rows.close()
    assert _query(path, "pragma journal_mode") == [(left,)]  # only WAL is a property of the file
    assert _count(path, "samples") == 1


def test_sqlites_defaults_are_the_studys(tmp_path: Path) -> None:
    assert _query(tmp_path / "rows", "pragma synchronous") == [(2,)]  # FULL
    assert _query(tmp_path / "rows", "pragma journal_mode") == [("delete",)]


def test_a_path_in_no_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"^optimization\.path='.*none/rows' lies in no directory; create"
    ):
        Rows(tmp_path / "none" / "rows", journal="delete", synchronous="full", keep_connection=False)
