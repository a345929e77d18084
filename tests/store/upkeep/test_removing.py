"""What is removed is gone, with what was noted of it, whenever the removal broke off."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from store import carrying, notes, open_catalog
from store.__main__ import main
from store.cache import compacting, digests, forgetting
from store.layers import tagging
from store.publishing import run_directory
from store.upkeep import maintenance, removing


class Killed(BaseException):
    """Stands for a SIGKILL: nothing catches it."""


@pytest.fixture
def store(tmp_path: Path, make_run: Callable[..., str]) -> Path:
    """Return a store of one run with a tag."""
    root = tmp_path / "store"
    tagging.tag(root, [make_run(root, run_id="r", cycles={"wall_ns": [1]})], "good")
    return root


def tags(root: Path) -> dict[str, list[str]]:
    with open_catalog(root) as catalog:
        return {run["run_id"]: run["tags"] for run in catalog.runs().to_pylist()}


@pytest.mark.parametrize("stage", ["rename", "rmtree"])
def test_a_removal_that_was_killed_leaves_nothing_for_a_later_import(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(store / "runs", bare / "runs")

    def killed(*paths: object) -> None:
        raise Killed

    rename = Path.rename
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        if stage == "rename":
            patch.setattr(
                Path, "rename", lambda path, to: killed() if path.name == "run_id=r" else rename(path, to)
            )
        with pytest.raises(Killed):
            removing.remove(store, ["r"], pytest.fail)
    assert tags(store) == ({"r": []} if stage == "rename" else {})
    carrying.carry(run_directory(bare, "r"), store)
    assert tags(store) == {"r": []}
    removing.remove(store, ["r"], pytest.fail)
    maintenance.refresh(store)
    assert list((store / "runs").iterdir()) == list((store / "notes").iterdir()) == []


@pytest.fixture
def told(tmp_path: Path, make_run: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a store of four runs that every cache holds; what run ``r-gone`` says of itself stands nowhere else."""
    monkeypatch.setattr("store.locked.lazy.FEW", 0)
    monkeypatch.setattr(digests, "WORTH_MERGING", 1)
    for run_id in ("a", "r-gone", "r1", "r2"):
        probes = {"memory": {"cycle": [0], "t_ns": [1], "rss_bytes": [1]}} if run_id == "r-gone" else {}
        make_run(tmp_path, run_id=run_id, host=f"host-of-{run_id}", cycles={"wall_ns": [1, 2]}, probes=probes)
    for _ in range(2):  # what readers may still read, too
        maintenance.refresh(tmp_path)
        compacting.compact(tmp_path, pytest.fail)
        tagging.tag(tmp_path, ["r-gone"], "kept")
    with open_catalog(tmp_path) as catalog:
        catalog.digest()
    return tmp_path


def held(root: Path) -> set[str]:
    """Return every text in the files of a store, those in Parquet included."""
    found: set[str] = set()
    for path in root.rglob("*"):
        if path.suffix == ".parquet":
            rows = pq.read_table(path, partitioning=None)
            texts = [rows[f.name].to_pylist() for f in rows.schema if f.type == pa.string()]
            found |= {str(text) for column in texts for text in column} | {str(rows.schema.metadata)}
        elif path.is_file():
            found.add(path.read_bytes().decode(errors="replace"))
    return found


def merged(root: Path) -> dict[str, list[str]]:
    with open_catalog(root) as catalog:
        return {name: sorted(each.runs) for name, each in catalog._compacted().tables.items()}


def test_nothing_of_a_removed_run_stays_and_the_others_are_still_merged(
    told: Path, make_spool: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = make_spool(told)
    spool.rename(spool.with_name("r-gone"))  # as an adopter leaves it that is killed after publishing
    assert any("host-of-r-gone" in text for text in held(told))
    with open_catalog(told) as before:
        assert main(["rm", "r-gone", "--yes", "--store", str(told)]) == 0
        assert before.query("select count(*) as n from cycles", runs=["a", "r1", "r2"]) == [{"n": 6}]
    assert [text for text in held(told) if "r-gone" in text] == []
    assert merged(told)["cycles"] == ["a", "r1", "r2"]
    monkeypatch.setattr(digests, "of_run", lambda root, run_id: pytest.fail(f"{run_id} was read"))
    for path in told.glob("runs/*/cycles.parquet"):
        path.unlink()  # so it is the merged files that are read
    with open_catalog(told) as catalog:
        question = "select run_id, sum(wall_ns)::bigint as ns from cycles group by 1 order by 1"
        assert catalog.query(question) == [{"run_id": each, "ns": 3} for each in ("a", "r1", "r2")]
        assert set(catalog.digest()["run_id"].to_pylist()) == {"a", "r1", "r2"}


@pytest.mark.parametrize("stage", ["forget", "write_head", "rmtree"])
def test_a_refresh_finishes_a_removal_that_was_killed(
    told: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr({"forget": forgetting, "rmtree": shutil}.get(stage, compacting), stage, killed)
        with pytest.raises(Killed):
            removing.remove(told, ["r-gone"], pytest.fail)
    with open_catalog(told) as catalog:
        assert catalog.query("select count(*) as n from cycles") == [{"n": 6}]
    maintenance.refresh(told)
    assert [text for text in held(told) if "r-gone" in text] == []


def test_a_merged_copy_that_cannot_be_written_again_goes_and_that_is_said(told: Path) -> None:
    for path in told.glob("catalog.compact/cycles.*"):
        path.write_bytes(b"0" * path.stat().st_size)
    (told / digests.MERGED).write_bytes(b"garbage")
    said: list[str] = []
    removing.remove(told, ["r-gone"], said.append)
    assert len(said) == 1
    assert said[0].startswith("cycles is not merged any more (")
    assert sorted(merged(told)) == ["probe_memory", "windows"]
    assert not (told / digests.MERGED).exists()


def test_a_run_that_cannot_be_removed_keeps_its_layers(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def refused(path: Path, to: Path) -> Path:
        if path.name == "run_id=r":
            raise PermissionError(1, "Operation not permitted")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(OSError, match=r"run r cannot be removed from .* \(Operation not permitted\)"):
        removing.remove(store, ["r"], pytest.fail)
    assert tags(store) == {"r": ["good"]}


def test_refresh_sweeps_up_imports_that_ended_long_ago(store: Path) -> None:
    old, young, growing = (store / "runs" / f".import-{name}" for name in ("old", "young", "growing"))
    for place in (old, young, growing):
        place.mkdir()
        (place / "cycles.parquet").touch()
    past = time.time() - 2 * removing.ABANDONED_S
    for path in (old / "cycles.parquet", old, growing):
        os.utime(path, (past, past))
    maintenance.refresh(store)
    assert [path.exists() for path in (old, young, growing)] == [False, True, True]


@pytest.mark.parametrize(
    "words", [("rm",), ("tag",), ("enrich", "--set", "seed=1"), ("enrich", "--infer")], ids=" ".join
)
def test_a_run_that_became_unreadable_is_one_sentence(
    store: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    os.utime(store / "notes" / "r", (1, 1))  # long ago: as the cache knows it, it is now
    maintenance.refresh(store)
    path = run_directory(store, "r") / "run.json"
    known = path.stat()
    path.write_bytes(b"x" * known.st_size)
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))
    label = ["new"] if words == ("tag",) else []
    assert main([*words, "r", *label, "--store", str(store)]) == 2
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert f"{path} cannot be read" in err
    assert len(list((store / "notes" / "r").iterdir())) == 1


def test_a_run_that_is_not_there_is_said_to_be_so(store: Path) -> None:
    for act in (removing.going, lambda root, ids: tagging.tag(root, ids, "new")):
        with pytest.raises(ValueError, match=r"run gone is not in store .*; `python -m store ls` lists"):
            act(store, ["gone"])
    assert notes.annotated(store) == ["r"]
