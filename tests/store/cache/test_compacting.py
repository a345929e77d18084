"""Merged copies change no answer, and are used only while they are right."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from store import open_catalog
from store.__main__ import main
from store.cache import compacting

QUESTIONS = (
    "select run_id, cycle, wall_ns, population from cycles order by all",
    "select count(*) as n from cycles where run_id = 'r1'",
    "select sum(wall_ns)::bigint as n from cycles join runs using (run_id) where seed = 1",
    "select run_id, rss_bytes from probe_memory order by all",
    "select run_id, cycle, memory_rss_mb from samples order by all",
)


@pytest.fixture
def root(tmp_path: Path, make_run: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("store.locked.lazy.FEW", 0)
    for k in range(4):
        cycles = {
            "wall_ns": [10 * k + j for j in range(k + 1)],
            "population" if k % 2 else "queue": [k] * (k + 1),
        }
        probes = {"memory": {"cycle": [0], "t_ns": [1], "rss_bytes": [2**20 * k]}} if k > 1 else {}
        make_run(tmp_path, run_id=f"r{k}", seed=k % 2, cycles=cycles, probes=probes)
    return tmp_path


def answers(root: Path, runs: list[str] | None = None) -> list[object]:
    with open_catalog(root) as catalog:
        found: list[object] = [catalog.query(question, runs=runs) for question in QUESTIONS]
        for question in QUESTIONS:
            with catalog.sql(question, runs=runs) as rows:
                found.append([row for batch in rows for row in batch.to_pylist()])
    return found


def merged(root: Path) -> set[str]:
    with open_catalog(root) as catalog:
        return set(catalog._compacted().tables)


def compact(root: Path) -> dict[str, int]:
    return compacting.compact(root, pytest.fail)


@pytest.mark.parametrize("runs", [None, ["r1", "r2"], ["r3"]], ids=["all", "two", "one"])
def test_answers_stay(root: Path, runs: list[str] | None) -> None:
    before = answers(root, runs)
    assert compact(root)["cycles"] == 10
    assert merged(root) == {"cycles", "windows", "probe_memory"}
    for path in (root / "runs").glob("*/cycles.parquet"):
        path.rename(path.with_suffix(".aside"))  # so it is the merged file that is read
    assert answers(root, runs) == before


def test_a_few_runs_are_read_from_their_own_files(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = answers(root)
    compact(root)
    monkeypatch.setattr("store.locked.lazy.FEW", 4)
    for path in (root / compacting.PLACE).glob("*.parquet"):
        path.write_bytes(b"0" * path.stat().st_size)
    assert answers(root) == before


def test_a_new_run_is_read_beside_the_merged_ones(root: Path, make_run: Callable[..., str]) -> None:
    compact(root)
    make_run(root, run_id="r4", seed=1, cycles={"wall_ns": [7]})
    found = answers(root)
    assert merged(root)
    shutil.rmtree(root / compacting.PLACE)
    assert answers(root) == found


def _go(run: Path) -> None:
    shutil.rmtree(run)


def _spoil(run: Path) -> None:
    (run / "run.json").write_text("{")


@pytest.mark.parametrize("fate", [_go, _spoil])
def test_merged_copies_give_nothing_of_a_run_that_is_gone_or_cannot_be_read(
    root: Path, fate: Callable[[Path], None]
) -> None:
    compact(root)
    fate(root / "runs" / "run_id=r2")
    found = answers(root)
    assert len(found[0]) == 1 + 2 + 4  # type: ignore[arg-type]
    for path in (root / "runs").glob("*/cycles.parquet"):
        path.rename(path.with_suffix(".aside"))  # so it is the merged file that is read
    assert answers(root) == found


def test_a_copy_with_an_older_run_of_the_same_id_is_ignored(root: Path, make_run: Callable[..., str]) -> None:
    compact(root)
    shutil.rmtree(root / "runs" / "run_id=r1")
    make_run(root, run_id="r1", seed=1, cycles={"wall_ns": [7]})
    assert merged(root) == {"probe_memory"}
    assert [row["wall_ns"] for row in answers(root)[0] if row["run_id"] == "r1"] == [7]  # type: ignore[attr-defined]


def _cut(path: Path) -> str:
    path.write_bytes(path.read_bytes()[:-20])
    return "cannot be read ("


def _lose_a_column(path: Path) -> str:
    pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["wall_ns"]), path)
    return "cannot be read (it lacks column wall_ns)"


def _lose(path: Path) -> str:
    path.unlink()
    return "is missing"


@pytest.mark.parametrize("damage", [_cut, _lose_a_column, _lose])
def test_a_run_with_a_damaged_file_is_left_out_and_named_once(
    root: Path, damage: Callable[[Path], str]
) -> None:
    said: list[str] = []
    for name in ("cycles", "windows"):
        reason = damage(root / "runs" / "run_id=r2" / f"{name}.parquet")
    rows = compacting.compact(root, said.append)
    assert (rows["cycles"], rows["probe_memory"]) == (1 + 2 + 4, 2)
    assert len(said) == 1
    assert said[0].startswith(f"run r2 is left out of the merged copies: cycles.parquet {reason}")
    with open_catalog(root) as catalog:
        assert catalog._compacted().tables["cycles"].runs == {"r0", "r1", "r3"}
        assert len(catalog.query("from cycles", runs=["r0", "r1", "r3"])) == 1 + 2 + 4
        with pytest.raises(ValueError, match=r"run r2: cycles\.parquet"):
            catalog.query("from cycles")


@pytest.mark.parametrize("damage", ["head", "flipped", "file", "gone"])
def test_damaged_copies_are_ignored(root: Path, damage: str) -> None:
    before = answers(root)
    compact(root)
    head = root / compacting.PLACE / compacting.HEAD
    file = root / compacting.PLACE / json.loads(head.read_text().splitlines()[0])["tables"]["cycles"]["file"]
    if damage == "gone":
        file.unlink()
    elif damage == "flipped":
        head.write_bytes(head.read_bytes().replace(b'"runs": [0, 1', b'"runs": [0, 3'))
    else:
        path = head if damage == "head" else file
        path.write_bytes(path.read_bytes()[:-20])
    assert "cycles" not in merged(root)
    assert answers(root) == before


def test_a_copy_damaged_inside_is_said_once_and_read_no_more(root: Path) -> None:
    before = answers(root)
    compact(root)
    for path in (root / compacting.PLACE).glob("cycles.*.parquet"):
        content = path.read_bytes()
        path.write_bytes(content[:60] + bytes(len(content) - 200) + content[-140:])
    with (
        open_catalog(root) as catalog,
        pytest.raises(ValueError, match=r"a merged copy was damaged, .* ask again"),
    ):
        catalog.sql("from cycles").arrow()
    assert answers(root) == before


def test_what_the_list_before_named_stays_for_its_readers_and_goes_then(root: Path) -> None:
    for files in (3, 6, 6):
        compact(root)
        assert len(list((root / compacting.PLACE).glob("*.parquet"))) == files


def test_the_command_says_how_many_rows_it_merged(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compact", "--store", str(root), "--format", "json"]) == 0
    rows = {row["table"]: row["rows"] for row in json.loads(capsys.readouterr().out)}
    assert rows == {"cycles": 10, "windows": 0, "probe_memory": 2}
    assert main(["compact", "--store", str(root / "nowhere")]) == 2
