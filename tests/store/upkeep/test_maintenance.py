"""Refresh takes what is dead and nothing else; verify finds what changed."""

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from probes import ownership
from probes.identity import new_run_id
from probes.ownership import Owner
from probes.spool import Stream
from store import manifest
from store.upkeep.damage import Problem, verify
from store.upkeep.maintenance import refresh

CONTEXT = multiprocessing.get_context("spawn")


def test_a_killed_run_is_published_by_the_next_refresh(tmp_path, make_spool):
    dead = [make_spool(tmp_path), make_spool(tmp_path, end=None)]
    assert refresh(tmp_path) == sorted(spool.name for spool in dead)
    assert refresh(tmp_path) == []
    assert sorted(run.run["status"] for run in map(manifest.load, manifest.published(tmp_path))) == [
        "completed",
        "interrupted",
    ]


def test_a_run_being_born_is_left_alone(tmp_path, make_spool):
    spool = make_spool(tmp_path)
    (spool / "owner.lock").unlink()
    assert refresh(tmp_path) == []
    assert (spool / "job.json").exists()


def test_what_is_left_of_a_published_runs_spool_is_removed(tmp_path, make_spool):
    spool = make_spool(tmp_path)
    refresh(tmp_path)
    spool.mkdir()
    (spool / "owner.lock").touch()
    assert refresh(tmp_path) == []
    assert not spool.exists()


def test_foreign_files_stay(tmp_path, make_spool):
    kept = [tmp_path / "README", tmp_path / "spool" / "mine" / "thesis.tex", tmp_path / "runs" / "notes.txt"]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    make_spool(tmp_path)
    refresh(tmp_path)
    assert all(path.read_text() == "mine" for path in kept)


JOBS = {
    "broken": "{",
    "bare": '{"format": 1, "run_id": "RUN"}',
    "environment": '{"format": 1, "run_id": "RUN", "environment": []}',
}


@pytest.mark.parametrize("text", JOBS.values(), ids=JOBS)
def test_one_spool_that_cannot_be_adopted_does_not_stop_the_others(tmp_path, make_spool, text):
    bad, good = make_spool(tmp_path), make_spool(tmp_path)
    (bad / "job.json").write_text(text.replace("RUN", bad.name))
    notes = []
    assert refresh(tmp_path, note=notes.append) == [good.name]
    assert len(notes) == 1
    assert str(bad / "job.json") in notes[0]


def test_where_locks_do_not_work_nothing_is_adopted_and_that_is_said(tmp_path, make_spool, monkeypatch):
    def no_locks(*args):
        raise OSError(37, "No locks available")

    spool = make_spool(tmp_path)
    monkeypatch.setattr(ownership.fcntl, "lockf", no_locks)
    notes = []
    assert refresh(tmp_path, note=notes.append) == []
    assert notes == [
        f"{spool} is left alone: its file system has no locks; if the run has ended, adopt it with --force"
    ]
    assert spool.exists()


def test_an_empty_store_gets_an_empty_catalog(tmp_path):
    assert refresh(tmp_path) == []
    with duckdb.connect(str(tmp_path / "catalog.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*) from samples").fetchall() == [(0,)]


def test_runs_that_do_not_fit_together_are_named_and_stay(tmp_path, make_run):
    make_run(tmp_path, cycles={"wall_ns": [1], "x": [1]})
    make_run(tmp_path, cycles={"wall_ns": [1], "x": [0.5]})
    notes = []
    refresh(tmp_path, note=notes.append)
    assert len(notes) == 1
    assert "cycles.x is DOUBLE in run" in notes[0]
    with duckdb.connect(str(tmp_path / "catalog.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*) from runs").fetchall() == [(2,)]
        with pytest.raises(duckdb.Error, match=r"cycles\.x is DOUBLE in run"):
            connection.execute("select count(*) from cycles").fetchall()


def _live(root, lives, rows):
    """Live as a measured process does, several times over, quick and slow lives mixed."""
    for life in range(lives):
        spool = root / "spool" / new_run_id()
        spool.mkdir(parents=True)
        job = {"format": 1, "run_id": spool.name, "experiment": "live", "environment": {}, "conditions": []}
        (spool / "job.json").write_text(json.dumps(job))
        owner = Owner.claim(spool)
        # Two lives in one process: closing any descriptor of a lock file would drop this one's lock.
        ownership.state(spool)
        stream = Stream(
            spool, "cycles", {"cycle": int, "wall_ns": int}, capacity=64, started_at_ns=time.time_ns()
        )
        for cycle in range(rows):
            stream.append([cycle, 1])
            if cycle % 32 == 0:
                time.sleep(0.005 * (life % 2))
        stream.close()
        end = {
            "status": "completed",
            "started_at": "2026-01-02T03:04:05+00:00",
            "ended_at": "2026-01-02T03:04:05+00:00",
        }
        (spool / "end.json").write_text(json.dumps(end))
        owner.release()


@pytest.mark.slow
def test_refresh_in_a_loop_beside_writers_takes_nothing_that_lives(tmp_path):
    writers, lives, rows = 3, 6, 300
    processes = [CONTEXT.Process(target=_live, args=(tmp_path, lives, rows)) for _ in range(writers)]
    other = CONTEXT.Process(target=_refresh_until, args=(tmp_path, writers * lives))
    for process in [*processes, other]:
        process.start()
    while any(process.is_alive() for process in processes):
        refresh(tmp_path)
    for process in [*processes, other]:
        process.join()
        assert process.exitcode == 0
    refresh(tmp_path)
    runs = [manifest.load(path) for path in manifest.published(tmp_path)]
    assert len(runs) == writers * lives
    assert {(run.run["status"], run.run["n_cycles"]) for run in runs} == {("completed", rows)}
    assert list((tmp_path / "spool").iterdir()) == []


def _refresh_until(root, runs):
    until = time.monotonic() + 60
    while len(manifest.published(root)) < runs and time.monotonic() < until:
        refresh(root)


def _refresh(root):
    return refresh(root)


def test_refreshes_at_the_same_time_publish_each_run_once(tmp_path, make_spool):
    spools = sorted(make_spool(tmp_path, cycles=200, capacity=64).name for _ in range(8))
    with CONTEXT.Pool(3) as refreshers:
        published = refreshers.map(_refresh, [tmp_path] * 6, chunksize=1)
    assert {run_id for found in published for run_id in found} == set(spools)
    assert [path.name.removeprefix("run_id=") for path in manifest.published(tmp_path)] == spools
    assert verify(tmp_path) == []
    with duckdb.connect(str(tmp_path / "catalog.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*), count(distinct run_id) from cycles").fetchall() == [
            (3200, 8)
        ]


READ_ONLY = """
set -e
mount --bind "$1" "$1"
mount -o remount,ro,bind "$1"
exec "$2" -c 'import sys
from pathlib import Path
from store.upkeep.damage import verify
from store.upkeep.maintenance import refresh
notes = []
root = Path(sys.argv[1])
print(refresh(root, note=notes.append), verify(root))
print(*notes, sep=chr(10))' "$1"
"""


@pytest.mark.skipif(
    shutil.which("unshare") is None, reason="there is no unshare here to mount a store of our own"
)
def test_a_read_only_store_is_left_as_it_is_and_that_is_said(tmp_path, make_run, make_spool):
    make_run(tmp_path, cycles={"wall_ns": [1]})
    spool = make_spool(tmp_path)
    root = Path(__file__).parents[3]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", str(tmp_path), sys.executable],
        capture_output=True, text=True, cwd=root, env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    if done.returncode and ("unshare" in done.stderr or "mount" in done.stderr):
        pytest.skip(f"no mount namespace of our own here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    answer, *notes = done.stdout.splitlines()
    assert answer == "[] []"
    cannot = f"run {spool.name} cannot be published in {tmp_path} (Read-only file system)"
    assert notes == [
        f"{cannot}; make it writable, then adopt the spool",
        f"{tmp_path / 'catalog.duckdb'} is not up to date: Read-only file system",
    ]
    assert refresh(tmp_path) == [spool.name]


@pytest.fixture
def written(tmp_path, make_run):
    """Return a run's directory with tables of every kind."""
    run_id = make_run(
        tmp_path, cycles={"wall_ns": [1, 2], "energy": [0.5, 1.5]}, probes={"memory": {"rss_bytes": [1]}}
    )
    return tmp_path / "runs" / f"run_id={run_id}"


def _flip(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def _rewrite(directory, **changes):
    path = directory / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _files(directory, **changes):
    files = json.loads((directory / "run.json").read_text())["files"]
    files["cycles.parquet"] |= changes
    _rewrite(directory, files=files)


def test_an_untouched_store_has_no_problems(tmp_path, written, make_spool):
    make_spool(tmp_path)
    refresh(tmp_path)
    assert verify(tmp_path) == []


DAMAGE = {
    "a flipped byte": (lambda d: _flip(d / "cycles.parquet"), "cycles.parquet", "has sha256"),
    "a missing file": (lambda d: (d / "cycles.parquet").unlink(), "cycles.parquet", "is missing"),
    "an extra file": (lambda d: (d / "extra.parquet").touch(), "extra.parquet", "is not in the manifest"),
    "no manifest": (lambda d: (d / "run.json").unlink(), "run.json", "cannot be read"),
    "a damaged manifest": (lambda d: (d / "run.json").write_text("{"), "run.json", "cannot be read"),
    "a newer manifest": (lambda d: _rewrite(d, format=2), "run.json", "has format 2"),
    "another run's manifest": (lambda d: _rewrite(d, run_id="x"), "run.json", "is the manifest of run x"),
    "another row count": (lambda d: _files(d, rows=3), "cycles.parquet", "has 2 rows, the manifest says 3"),
    "other columns": (lambda d: _files(d, columns={"a": "BIGINT"}), "cycles.parquet", "lacks column a"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_verify_names_what_changed(tmp_path, written, name):
    damage, file, sentence = DAMAGE[name]
    damage(written)
    (problem,) = verify(tmp_path)
    assert isinstance(problem, Problem)
    assert (problem.run_id, problem.file) == (written.name.removeprefix("run_id="), file)
    assert sentence in problem.problem


def test_a_refresh_rebuilds_a_catalog_that_is_out_of_date(tmp_path, written):
    refresh(tmp_path)
    (tmp_path / "catalog.duckdb").write_bytes(b"garbage")
    refresh(tmp_path)
    with duckdb.connect(str(tmp_path / "catalog.duckdb"), read_only=True) as connection:
        assert connection.execute("select sum(wall_ns) from cycles").fetchall() == [(3,)]


def test_rows_survive_as_they_were_recorded(tmp_path, make_spool):
    make_spool(tmp_path, cycles=3000, capacity=1024)
    refresh(tmp_path)
    (run,) = map(manifest.load, manifest.published(tmp_path))
    table = pq.read_table(run.directory / "cycles.parquet", partitioning=None)
    assert table["wall_ns"].to_pylist() == [1000 + cycle for cycle in range(6000)]
