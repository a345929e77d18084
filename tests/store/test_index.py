"""The cache of what ``run.json`` says: right when it is fresh, stale, moved, corrupt, deleted or not to be written."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from store import index, keeping, maintenance, notes, open_catalog, stamps


@pytest.fixture
def root(tmp_path: Path, make_run: Callable[..., str]) -> Path:
    """Return a store of three runs whose cache is fresh."""
    for k in range(3):
        make_run(tmp_path / "store", run_id=f"r{k}", seed=k, cycles={"wall_ns": [k, k + 1]})
    maintenance.refresh(tmp_path / "store")
    return tmp_path / "store"


def seeds(root: Path) -> list[int]:
    with open_catalog(root) as catalog:
        total = catalog.query("select sum(wall_ns)::bigint as ns from cycles")[0]["ns"]
        found = sorted(catalog.runs()["seed"].to_pylist())
    assert total == sum(2 * seed + 1 for seed in found)
    return found


def foreign(root: Path) -> list[int]:
    with duckdb.connect(str(root / "catalog.duckdb"), read_only=True) as connection:
        return [row[0] for row in connection.execute("select seed from runs order by seed").fetchall()]


def test_a_fresh_cache_opens_no_run(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index.manifest, "load", lambda directory: pytest.fail(f"{directory} was read"))
    assert seeds(root) == [0, 1, 2]
    assert keeping.is_kept(index.survey(root))


def test_a_new_run_is_seen_before_the_cache_has_it_and_costs_one_segment(
    root: Path, make_run: Callable[..., str]
) -> None:
    built = (root / "catalog.duckdb").stat().st_mtime_ns
    make_run(root, run_id="r3", seed=3, cycles={"wall_ns": [3, 4]})
    assert seeds(root) == [0, 1, 2, 3]
    assert foreign(root) == [0, 1, 2]
    maintenance.refresh(root)
    assert foreign(root) == [0, 1, 2, 3]
    assert len(index.read(root).files) == 2
    assert (root / "catalog.duckdb").stat().st_mtime_ns == built


def test_a_removed_run_is_gone_everywhere(root: Path) -> None:
    shutil.rmtree(root / "runs" / "run_id=r1")
    assert seeds(root) == [0, 2]
    maintenance.refresh(root)
    assert foreign(root) == [0, 2]


def test_many_new_runs_are_merged_into_one_segment(root: Path, make_run: Callable[..., str]) -> None:
    for k in range(3, 6):
        make_run(root, run_id=f"r{k}", seed=k, cycles={"wall_ns": [k, k + 1]})
        maintenance.refresh(root)
    keeping.MOST_SEGMENTS, most = 2, keeping.MOST_SEGMENTS
    try:
        make_run(root, run_id="r6", seed=6, cycles={"wall_ns": [6, 7]})
        maintenance.refresh(root)
    finally:
        keeping.MOST_SEGMENTS = most
    assert len(index.read(root).files) == 1
    assert seeds(root) == foreign(root) == list(range(7))


def test_a_layer_makes_its_run_stale(root: Path) -> None:
    notes.write(root, "r1", {"workload": "mine"}, {"by": "a test"})
    with open_catalog(root) as catalog:
        assert catalog.select("workload = 'mine'") == ["r1"]
    maintenance.refresh(root)
    notes.write(root, "r1", {"optimization": "mine too"}, {"by": "a test"})  # within one tick of the clock
    with open_catalog(root) as catalog:
        assert catalog.select("optimization = 'mine too' and workload = 'mine'") == ["r1"]


def test_what_changed_within_the_last_second_is_looked_at_again() -> None:
    now = time.time_ns()
    assert stamps.kept([1, 2, 3, now - 10**9 - 1], now_ns=now, sure=True) == [1, 2, 3, now - 10**9 - 1]
    assert stamps.kept([1, 2, 3, now - 10**6], now_ns=now, sure=True)[3] == stamps.UNSETTLED
    assert stamps.kept([1, 2, 3, 0], now_ns=now, sure=False)[3] == stamps.UNSETTLED


def _cut_head(root: Path) -> None:
    path = root / index.HEAD
    path.write_bytes(path.read_bytes()[:-40])


def _cut_segment(root: Path) -> None:
    (path,) = root.glob("catalog.runs.*")
    path.write_bytes(path.read_bytes()[:-40])


def _garble_segment(root: Path) -> None:
    (path,) = root.glob("catalog.runs.*")
    path.write_bytes(b"\0" * path.stat().st_size)


def _remove_segment(root: Path) -> None:
    for path in root.glob("catalog.runs.*"):
        path.unlink()


def _remove_all(root: Path) -> None:
    for path in root.glob("catalog*"):
        path.unlink()


SAID = (_cut_head, _cut_segment, _remove_segment)
"""What leaves a list behind that no segment answers to."""


def test_a_damaged_cache_changes_no_answer_and_is_built_again(root: Path) -> None:
    for damage in (*SAID, _garble_segment, _remove_all):
        damage(root)
        assert seeds(root) == [0, 1, 2], damage
        said: list[str] = []
        maintenance.refresh(root, note=said.append)
        if damage in SAID:
            assert ["built again" in sentence for sentence in said] == [True], damage
            assert foreign(root) == [0, 1, 2]
        _remove_all(root)
        maintenance.refresh(root)


def test_a_cache_that_was_built_again_is_fresh(root: Path) -> None:
    _cut_head(root)
    maintenance.refresh(root)
    said: list[str] = []
    maintenance.refresh(root, note=said.append)
    assert said == []


def test_a_moved_store_is_read_and_its_cache_built_again(root: Path) -> None:
    moved = root.with_name("Zürich 2")
    root.rename(moved)
    assert seeds(moved) == [0, 1, 2]
    maintenance.refresh(moved)
    assert seeds(moved) == foreign(moved) == [0, 1, 2]


def test_a_client_that_rewrites_the_file_does_not_spoil_it(root: Path) -> None:
    with duckdb.connect(str(root / "catalog.duckdb")) as connection:
        connection.execute("drop view runs")
    said: list[str] = []
    maintenance.refresh(root, note=said.append)
    assert ["changed or removed" in sentence for sentence in said] == [True]
    assert foreign(root) == [0, 1, 2]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_read_only_store_is_read(root: Path) -> None:
    root.chmod(0o500)
    try:
        assert seeds(root) == [0, 1, 2]
    finally:
        root.chmod(0o700)


def test_a_store_that_cannot_be_written_is_read_and_refresh_says_so(
    root: Path, make_run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    make_run(root, run_id="r3", seed=3, cycles={"wall_ns": [3, 4]})
    monkeypatch.setattr(index.pq, "write_table", full)
    monkeypatch.setattr("store.catalog.WORTH_KEEPING", 0)
    assert seeds(root) == [0, 1, 2, 3]
    said: list[str] = []
    maintenance.refresh(root, note=said.append)
    assert said == [f"{root / 'catalog.duckdb'} is not up to date: No space left on device"]


def test_a_reader_that_finds_many_new_runs_leaves_a_cache(
    root: Path, make_run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.catalog.WORTH_KEEPING", 0)
    make_run(root, run_id="r3", seed=3, cycles={"wall_ns": [3, 4]})
    assert seeds(root) == [0, 1, 2, 3]
    assert keeping.is_kept(index.survey(root))
