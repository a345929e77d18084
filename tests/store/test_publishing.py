"""One run, written once: all there or not there."""

import json
import math
import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from store import manifest, schema
from store.publishing import CannotPublish, publish, sha256

COLUMNS = {"wall_ns": [5, 7, 9], "probe_ns": [1, None, 2], "population": [1, 2, 6]}


def test_a_published_run_is_read_back_as_it_was_given(tmp_path, make_run):
    run_id = make_run(tmp_path, cycles=COLUMNS, config={"cycles": 3}, seed=7)
    (run,) = map(manifest.load, manifest.published(tmp_path))
    assert run.run_id == run_id
    assert (run.run["seed"], run.run["config"], run.run["tags"]) == (7, '{"cycles": 3}', [])
    assert run.conditions[0]["population_mean"] == 3.0
    table = pq.read_table(run.directory / "cycles.parquet", partitioning=None)
    assert table["net_ns"].to_pylist() == [4, 7, 7]
    assert table["population"].to_pylist() == [1, 2, 6]
    assert "run_id" not in table.column_names


def test_the_manifest_lists_every_file_with_its_checksum(tmp_path, make_run):
    make_run(tmp_path, cycles=COLUMNS, probes={"memory": {"cycle": [0], "rss_bytes": [9]}})
    (run,) = map(manifest.load, manifest.published(tmp_path))
    on_disk = {path.name: sha256(path) for path in run.directory.iterdir() if path.name != "run.json"}
    assert {name: file.sha256 for name, file in run.files.items()} == on_disk
    assert run.files["cycles.parquet"].rows == 3
    assert run.files["cycles.parquet"].columns["wall_ns"] == "BIGINT"


def test_numbers_are_stored_without_dictionary(tmp_path, make_run):
    make_run(tmp_path, cycles={**COLUMNS, "energy": [0.5, 1.5, 2.5]})
    (run,) = map(manifest.load, manifest.published(tmp_path))
    group = pq.ParquetFile(run.directory / "cycles.parquet").metadata.row_group(0)
    encodings = {group.column(i).path_in_schema: group.column(i).encodings for i in range(group.num_columns)}
    assert "DELTA_BINARY_PACKED" in encodings["wall_ns"]
    assert "BYTE_STREAM_SPLIT" in encodings["energy"]
    assert "RLE_DICTIONARY" not in encodings["wall_ns"] + encodings["energy"]
    assert group.column(0).compression == "ZSTD"


def test_a_run_is_on_the_disk_before_it_counts(tmp_path, make_run, monkeypatch):
    steps, rename = [], Path.rename

    def renamed(source, target):
        steps.append(target.name)
        return rename(source, target)

    monkeypatch.setattr(os, "fsync", lambda descriptor: steps.append(os.fstat(descriptor).st_ino))
    monkeypatch.setattr(Path, "rename", renamed)
    root = tmp_path / "new" / "store"
    run_id = make_run(root, cycles=COLUMNS, probes={"memory": {"cycle": [0], "rss_bytes": [9]}})
    final = root / "runs" / f"run_id={run_id}"
    commit = steps.index(final.name)
    flushed = [path.stat().st_ino for path in (*final.iterdir(), final)]
    above = [path.stat().st_ino for path in (tmp_path, root.parent, root)]  # each holds a level that is new
    assert steps[:3] == above
    assert sorted(steps[3 : commit - 1]) == sorted(flushed)
    assert steps[commit - 3 : commit] == [
        (final / "run.json").stat().st_ino,
        final.stat().st_ino,
        root.stat().st_ino,
    ]
    assert steps[commit + 1 :] == [final.parent.stat().st_ino]


def test_publishing_a_published_run_changes_nothing(tmp_path, make_run):
    run_id = make_run(tmp_path, cycles=COLUMNS)
    before = (tmp_path / "runs" / f"run_id={run_id}" / "run.json").read_bytes()
    make_run(tmp_path, run_id=run_id, cycles={"wall_ns": [1]})
    assert (tmp_path / "runs" / f"run_id={run_id}" / "run.json").read_bytes() == before


def test_times_are_utc_and_what_is_not_finite_is_null(tmp_path):
    record = {"run_id": "r", "started_at": datetime(2026, 1, 2, tzinfo=UTC), "wall_s": np.float64("nan")}
    record |= {"cpu_s": math.inf, "seed": np.int64(7)}
    directory = publish(tmp_path, record, {}, staging=tmp_path / ".r")
    document = json.loads((directory / "run.json").read_text())
    assert document["started_at"] == "2026-01-02T00:00:00+00:00"
    assert (document["wall_s"], document["cpu_s"], document["seed"]) == (None, None, 7)
    assert manifest.load(directory).run["started_at"] == record["started_at"]


def test_half_a_character_costs_no_run(tmp_path, make_run):
    run_id = make_run(tmp_path, cycles=COLUMNS, experiment="s\udcff.py", error="at dir\udcff/x")
    (run,) = map(manifest.load, manifest.published(tmp_path))
    told = (run.run_id, run.run["experiment"], run.run["error"])
    assert told == (run_id, "s\\udcff.py", "at dir\\udcff/x")
    path = run.directory / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"error": "\ud800"}))
    assert manifest.load(run.directory).run["error"] == "\\ud800"


def test_a_store_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "runs").write_text("a file where the directory belongs")
    with pytest.raises(CannotPublish, match=r"run r cannot be published in .*; make it writable"):
        publish(tmp_path, {"run_id": "r"}, {}, staging=tmp_path / ".r")


def test_every_core_table_declares_known_types_and_a_comment():
    for table in schema.TABLES.values():
        assert schema.arrow(table.name).names[0] == "run_id"
        assert all(column.comment for column in table.columns)
