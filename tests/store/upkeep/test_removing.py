"""What is removed is gone, with what was noted of it, whenever the removal broke off."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from store import carrying, notes, open_catalog
from store.__main__ import main
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
            removing.remove(store, ["r"])
    assert tags(store) == ({"r": []} if stage == "rename" else {})
    carrying.carry(run_directory(bare, "r"), store)
    assert tags(store) == {"r": []}
    removing.remove(store, ["r"])
    maintenance.refresh(store)
    assert list((store / "runs").iterdir()) == list((store / "notes").iterdir()) == []


def test_a_run_that_cannot_be_removed_keeps_its_layers(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def refused(path: Path, to: Path) -> Path:
        if path.name == "run_id=r":
            raise PermissionError(1, "Operation not permitted")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(OSError, match=r"run r cannot be removed from .* \(Operation not permitted\)"):
        removing.remove(store, ["r"])
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
