"""The rows are in the file, one transaction each."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nrm.persistence import JOURNALS, SYNCHRONOUS, Rows
from nrm.substrate import Reading
from nrm.workload import Workload
from probes.protocols import Condition, Scene

UNOPTIMIZED = {"sampling": "per_visit", "persist": "sqlite", "persist_pairs": True}
READING = Reading(1.0, 2.0, 3.0)


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


TRANSACTIONS_OF_A_FILE = 24
"""Offset of the count in the file's header (https://sqlite.org/fileformat2.html#file_change_counter); WAL leaves it."""


def _transactions(path: Path) -> int:
    with path.open("rb") as file:
        file.seek(TRANSACTIONS_OF_A_FILE)
        return int.from_bytes(file.read(4), "big")


@pytest.mark.parametrize("keep", [False, True], ids=["new connections", "one connection"])
@pytest.mark.parametrize("journal", [journal for journal in JOURNALS if journal != "wal"])
def test_every_row_is_a_transaction_of_its_own(tmp_path: Path, journal: str, keep: bool) -> None:
    path = tmp_path / "rows"
    rows = Rows(path, journal=journal, synchronous="off", keep_connection=keep)
    before = _transactions(path)
    rows.sample(READING)
    rows.birth(0, None, 130.0)
    rows.pair(0, 1, 0.9)
    rows.sample(READING)
    assert _transactions(path) == before + 4
    assert [_count(path, table) for table in ("samples", "births", "pairs")] == [2, 1, 1]
    rows.close()


@pytest.mark.parametrize(
    ("journal", "beside", "left"),
    [
        ("delete", {}, "delete"),
        ("truncate", {"rows-journal": 0}, "delete"),
        ("persist", {"rows-journal": 512}, "delete"),
        ("memory", {}, "delete"),
        ("off", {}, "delete"),
        ("wal", {"rows-wal": 4096, "rows-shm": 4096}, "wal"),
    ],
)
def test_the_journal_is_the_one_asked_for(
    tmp_path: Path, journal: str, beside: dict[str, int], left: str
) -> None:
    path = tmp_path / "rows"
    rows = Rows(path, journal=journal, synchronous="off", keep_connection=True)
    rows.sample(READING)
    sizes = {file.name: file.stat().st_size for file in tmp_path.iterdir() if file != path}
    assert sizes.keys() == beside.keys()
    assert all(
        min(sizes[name], least) == least and bool(sizes[name]) == bool(least)
        for name, least in beside.items()
    )
    rows.close()
    assert _query(path, "pragma journal_mode") == [(left,)]  # only WAL is a property of the file
    assert _count(path, "samples") == 1


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Let every connection tell, when it closes, its journal and how it synchronises; return the list it fills."""
    told: list[tuple[str, int]] = []

    class Telling(sqlite3.Connection):
        def close(self) -> None:
            (journal,), (synchronous,) = (
                self.execute(f"pragma {name}").fetchone() for name in ("journal_mode", "synchronous")
            )
            told.append((journal, synchronous))
            super().close()

    monkeypatch.setattr("nrm.persistence.sqlite3.connect", partial(sqlite3.connect, factory=Telling))
    return told


@pytest.mark.parametrize("keep", [False, True], ids=["new connections", "one connection"])
@pytest.mark.parametrize("journal", JOURNALS)
@pytest.mark.parametrize("synchronous", SYNCHRONOUS)
def test_journal_and_synchronous_are_in_effect_when_a_row_is_written(
    tmp_path: Path, told: list[tuple[str, int]], journal: str, synchronous: str, keep: bool
) -> None:
    rows = Rows(tmp_path / "rows", journal=journal, synchronous=synchronous, keep_connection=keep)
    told.clear()
    rows.sample(READING)
    rows.birth(0, None, 130.0)
    rows.close()
    numbers = {"off": 0, "normal": 1, "full": 2, "extra": 3}
    assert told == [(journal, numbers[synchronous])] * (1 if keep else 2)


def test_a_file_left_in_wal_is_turned_back(tmp_path: Path, told: list[tuple[str, int]]) -> None:
    for journal in ("wal", "delete"):
        rows = Rows(tmp_path / "rows", journal=journal, synchronous="full", keep_connection=False)
        rows.sample(READING)
        assert told[-1] == (journal, 2)
    assert _count(tmp_path / "rows", "samples") == 2


def test_a_journal_that_is_not_to_be_had_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    in_memory = sqlite3.connect
    monkeypatch.setattr("nrm.persistence.sqlite3.connect", lambda _: in_memory(":memory:"))
    with pytest.raises(
        OSError, match=r"^optimization\.journal='wal' is not to be had: SQLite keeps to 'memory'"
    ):
        Rows(tmp_path / "rows", journal="wal", synchronous="full", keep_connection=False)


def test_the_path_given_is_the_file_written(
    tmp_path: Path, scene: Scene, condition: Callable[..., Condition], psutil_calls: list[Any]
) -> None:
    here, name = tmp_path / "elsewhere" / "rows.db", "own.db"
    here.parent.mkdir()
    for path in (str(here), name):
        workload = Workload(max_agents=2, optimization={"persist": "sqlite", "path": path})
        for _ in range(2):  # conditions add to one file
            _run(workload, condition(cycles=3), scene)
    assert _count(here, "samples") == _count(scene.scratch / name, "samples") == 6
    assert not (scene.scratch / "samples.sqlite").exists()


def test_sqlites_defaults_are_the_studys(tmp_path: Path) -> None:
    assert _query(tmp_path / "rows", "pragma synchronous") == [(2,)]  # FULL
    assert _query(tmp_path / "rows", "pragma journal_mode") == [("delete",)]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("{}/none/rows", "lies in no directory; create {}/none or leave the key out"),
        ("{}/notes.txt", "is no SQLite file; give one that is, or a new name"),
        ("{}", "is no SQLite file; give one that is, or a new name"),
        (
            "below/rows",
            "lies below the run's scratch directory, which is empty; give a file name or an absolute path",
        ),
        (
            "..",
            "lies below the run's scratch directory, which is empty; give a file name or an absolute path",
        ),
    ],
    ids=["no directory", "other file", "directory", "below", "above"],
)
def test_a_path_that_no_row_could_be_written_to_is_refused_before_anything_runs(
    tmp_path: Path, name: str, sentence: str
) -> None:
    (tmp_path / "notes.txt").write_text("a file of somebody's own")
    path = name.format(tmp_path)
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 (the whole sentence is compared)
        Workload(optimization={"persist": "sqlite", "path": path})
    assert str(refusal.value) == f"optimization.path={path!r} {sentence.format(tmp_path)}"
