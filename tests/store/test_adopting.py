"""Publishing from the spool directory alone: idempotent, whoever died when."""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest

from probes import ownership
from probes.spool import Stream
from store import adopting, manifest, open_catalog, publishing
from store.adopting import CannotPublish, adopt

CONTEXT = multiprocessing.get_context("spawn")


def _table(root, name="cycles"):
    (run,) = map(manifest.load, manifest.published(root))
    return pq.read_table(run.directory / f"{name}.parquet", partitioning=None)


def _rows(root, name="cycles"):
    return _table(root, name).to_pylist()


def test_a_spool_becomes_a_run_with_its_rows(tmp_path, make_spool):
    spool = make_spool(tmp_path)
    assert adopt(spool) == spool.name
    rows = _rows(tmp_path)
    assert [row["cycle"] for row in rows] == list(range(10))
    assert [row["condition"] for row in rows] == ["OFF-OFF"] * 5 + ["ON-OFF"] * 5
    assert [row["population"] for row in rows] == list(range(10))
    assert [row["wall_ns"] for row in rows] == [1000 + cycle for cycle in range(10)]
    assert not spool.exists()


def test_what_was_not_measured_is_null_and_net_time_goes_without_probes(tmp_path, make_spool):
    adopt(make_spool(tmp_path))
    rows = _rows(tmp_path)
    assert [row["probe_ns"] for row in rows[:3]] == [10, None, 10]
    assert [row["net_ns"] for row in rows[:3]] == [990, 1001, 992]
    memory = _rows(tmp_path, "probe_memory")
    assert memory[0] == {
        "condition": "OFF-OFF", "cycle": -1, "t_ns": 5, "rss_bytes": 2**20,
        "vms_bytes": None, "pss_bytes": None, "uss_bytes": None, "swap_bytes": None,
    }  # fmt: skip
    assert len(memory) == 11


def test_the_run_says_how_it_went(tmp_path, make_spool):
    adopt(make_spool(tmp_path))
    (run,) = map(manifest.load, manifest.published(tmp_path))
    facts = {
        "status": "completed",
        "started_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "ended_at": datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC),
        "wall_s": 1.0,
        "cpu_s": 0.5,
        "n_cycles": 10,
        "total_sampling_calls": 20,
        "peak_rss_bytes": 2**24,
        "optimization": "cached",
        "host": "known",
        "seed": 7,
        "error": None,
        "notes": ["a note of the owner"],
    }
    assert {name: run.run[name] for name in facts} == facts
    assert json.loads(run.run["packages"]) == {"psutil": "7.2.2"}
    assert run.modules == ("sys",)
    assert run.observer["memory"]["reads"] == 2
    assert (run.directory / "log").read_text() == "hello\n"


def test_conditions_are_reduced_from_the_cycles(tmp_path, make_spool):
    adopt(make_spool(tmp_path))
    (run,) = map(manifest.load, manifest.published(tmp_path))
    assert dict(run.conditions[1]) == {
        "run_id": run.run_id,
        "condition": "ON-OFF",
        "position": 1,
        "mechanisms": '{"energy_pooling": true}',
        "condition_cycles": 5,
        "population_mean": 7.0,
        "population_sd": pytest.approx(2**0.5, rel=1e-15),
        "population_final": 9.0,
        "population_max": 9.0,
        "condition_wall_s": pytest.approx(5035e-9, rel=1e-15),
    }


def test_a_killed_run_is_interrupted_and_keeps_its_rows(tmp_path, make_spool):
    adopt(make_spool(tmp_path, end=None))
    (run,) = map(manifest.load, manifest.published(tmp_path))
    assert run.run["status"] == "interrupted"
    assert "ended without a word after 10 cycles" in run.run["error"]
    assert run.run["ended_at"] == datetime(2026, 1, 2, 3, 4, 5, 10, tzinfo=UTC)
    assert len(_rows(tmp_path)) == 10


def test_a_run_that_never_began_a_cycle_is_published_too(tmp_path, make_spool):
    spool = make_spool(tmp_path, conditions=(), end={"status": "failed", "error": "no space left"})
    for path in spool.glob("*.spool"):
        path.unlink()
    adopt(spool)
    (run,) = map(manifest.load, manifest.published(tmp_path))
    assert (run.run["status"], run.run["error"], run.run["n_cycles"]) == ("failed", "no space left", 0)
    assert _table(tmp_path).num_rows == 0
    assert "wall_ns" in _table(tmp_path).column_names


def test_a_condition_that_was_not_reached_has_no_cycles(tmp_path, make_spool):
    spool = make_spool(tmp_path)
    job = json.loads((spool / "job.json").read_text())
    job["conditions"].append({"name": "ON-ON", "position": 2, "cycles": 5, "mechanisms": {}})
    (spool / "job.json").write_text(json.dumps(job))
    adopt(spool)
    (run,) = map(manifest.load, manifest.published(tmp_path))
    last = run.conditions[2]
    assert (last["condition_cycles"], last["population_mean"], last["condition_wall_s"]) == (0, None, None)


def test_a_new_observable_is_null_before_it_began(tmp_path, make_spool):
    spool = make_spool(tmp_path, conditions=())
    stream = Stream(spool, "cycles", {"cycle": int, "wall_ns": int}, capacity=4, started_at_ns=0)
    stream.append([0, 5])
    stream.extend({"energy": float})
    stream.append([1, 6, 0.5])
    stream.close()
    adopt(spool)
    rows = _rows(tmp_path)
    assert [(row["wall_ns"], row["energy"]) for row in rows] == [(5, None), (6, 0.5)]


@pytest.mark.parametrize(
    ("damage", "kept"),
    [(b"", 8), (b"garbage", 8), (b"DRIFTSPL" + b"\xff" * 100, 8)],
    ids=["empty", "foreign", "newer"],
)
def test_a_damaged_segment_is_named_and_the_others_are_published(tmp_path, make_spool, damage, kept):
    spool = make_spool(tmp_path)
    (spool / "cycles-000002.spool").write_bytes(damage)
    adopt(spool)
    (run,) = map(manifest.load, manifest.published(tmp_path))
    assert len(_rows(tmp_path)) == kept
    assert run.run["n_cycles"] == kept
    assert any("cycles-000002.spool" in note for note in run.run["notes"])


def test_rows_that_never_reached_the_disk_are_left_out_and_said(tmp_path, make_spool):
    spool = make_spool(tmp_path)
    path = spool / "cycles-000000.spool"
    raw = bytearray(path.read_bytes())
    raw[4096 : 4096 + 18 * 8] = bytes(18 * 8)
    path.write_bytes(raw)
    adopt(spool)
    (run,) = map(manifest.load, manifest.published(tmp_path))
    assert [row["cycle"] for row in _rows(tmp_path)] == list(range(1, 10))
    assert "1 rows of cycles-000000.spool never reached the disk and are missing" in run.run["notes"]


def test_many_segments_become_few_row_groups(tmp_path, make_spool):
    adopt(make_spool(tmp_path, cycles=50, capacity=4))
    (run,) = map(manifest.load, manifest.published(tmp_path))
    assert pq.ParquetFile(run.directory / "cycles.parquet").num_row_groups == 1


class Killed(BaseException):
    """Stands for a SIGKILL: nothing catches it."""


STAGES = [
    (publishing, "prepare"),
    (publishing, "write"),
    (adopting, "_totals"),
    (publishing, "commit"),
    (publishing, "_write_json"),
    (adopting, "_remove"),
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("module", "stage"), STAGES, ids=[stage for _, stage in STAGES])
def test_an_adopter_killed_at_any_stage_leaves_an_adoptable_spool(
    tmp_path, make_spool, monkeypatch, module, stage, after
):
    spool = make_spool(tmp_path)
    real = getattr(module, stage)

    def killed(*args, **kwargs):
        if after:
            real(*args, **kwargs)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module, stage, killed)
        with pytest.raises(Killed):
            adopt(spool)
    assert adopt(spool) == spool.name
    assert [row["cycle"] for row in _rows(tmp_path)] == list(range(10))
    assert not spool.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs", "spool"]


def test_adopting_twice_is_adopting_once(tmp_path, make_spool):
    spool = make_spool(tmp_path)
    assert adopt(spool) == adopt(spool) == adopt(spool, wait=True, own=True) == spool.name
    assert len(manifest.published(tmp_path)) == 1


def test_a_spool_that_never_was_is_nobodys_run(tmp_path):
    assert adopt(tmp_path / "spool" / "nothing", wait=True) is None


def _adopt_together(moment):
    global adopt_now
    adopt_now = moment


def _adopt_at_once(spool):
    adopt_now.wait()
    return adopt(spool, wait=True)


def test_adopters_at_the_same_time_publish_one_run(tmp_path, make_spool):
    spool = make_spool(tmp_path, cycles=2000, capacity=256)
    with CONTEXT.Pool(3, _adopt_together, [CONTEXT.Barrier(3)]) as adopters:
        assert adopters.map(_adopt_at_once, [spool] * 3, chunksize=1) == [spool.name] * 3
    assert len(_rows(tmp_path)) == 4000
    assert not spool.exists()


OWNER = """
import sys, time
from pathlib import Path
from probes.ownership import Owner
owner = Owner.claim(Path(sys.argv[1]))
print("claimed", flush=True)
sys.stdin.read()
"""


def _owner(spool):
    """Start a process that holds a spool until its stdin closes."""
    for name in ("owner.pid", "owner.lock"):
        (spool / name).unlink()
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(spool)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "claimed\n"
    return process


def test_a_living_run_is_left_alone_and_waited_for(tmp_path, make_spool):
    spool = make_spool(tmp_path)
    with _owner(spool) as owner:
        assert ownership.state(spool) == "running"
        assert adopt(spool) is None
        assert [run.run["status"] for run in manifest.running_runs(tmp_path)] == ["running"]
        owner.kill()
        assert adopt(spool, wait=True) == spool.name


def test_a_run_being_born_is_left_alone_but_by_its_parent(tmp_path, make_spool):
    spool = make_spool(tmp_path)
    (spool / "owner.lock").unlink()
    assert adopt(spool) is None
    assert adopt(spool, own=True) == spool.name


def test_a_run_that_was_never_born_is_adopted_after_a_minute(tmp_path, make_spool):
    spool = make_spool(tmp_path)
    (spool / "owner.lock").unlink()
    os.utime(spool, (time.time() - 61, time.time() - 61))
    assert adopt(spool) == spool.name


def test_without_locks_only_force_adopts(tmp_path, make_spool, monkeypatch):
    def no_locks(*args):
        raise OSError(37, "No locks available")

    spool = make_spool(tmp_path)
    monkeypatch.setattr(ownership.fcntl, "lockf", no_locks)
    assert adopt(spool) is None
    assert adopt(spool, force=True) == spool.name


def test_a_store_that_cannot_be_written_keeps_the_spool(tmp_path, make_spool):
    spool = make_spool(tmp_path)
    (tmp_path / "runs").write_text("a file where the directory belongs")
    with pytest.raises(CannotPublish, match=f"run {spool.name} cannot be published"):
        adopt(spool)
    (tmp_path / "runs").unlink()
    assert adopt(spool) == spool.name


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}', '{"format": 1, "run_id": "another"}'])
def test_a_job_that_cannot_be_read_is_one_sentence(tmp_path, make_spool, text):
    spool = make_spool(tmp_path)
    (spool / "job.json").write_text(text)
    with pytest.raises(ValueError, match=r"job\.json"):
        adopt(spool)
    assert spool.exists()


def _job_with(spool, **changes):
    path = spool / "job.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


BAD_JOBS = {
    "environment": {"environment": None},
    "place": {"conditions": [{"name": "a", "position": None, "mechanisms": {}}]},
    "far": {"conditions": [{"name": "a", "position": 10**12, "mechanisms": {}}]},
    "mechanisms": {"conditions": [{"name": "a", "position": 0, "mechanisms": 5}]},
    "value": {"seed": "x"},
}


@pytest.mark.parametrize("changes", BAD_JOBS.values(), ids=BAD_JOBS)
def test_a_job_of_another_shape_is_one_sentence(tmp_path, make_spool, changes):
    spool = make_spool(tmp_path)
    _job_with(spool, **changes)
    with pytest.raises(ValueError, match=r"job\.json cannot be read \(.*\); remove .* if the run is lost"):
        adopt(spool)
    assert spool.exists()


@pytest.mark.parametrize("key", ["environment", "conditions"])
def test_a_living_run_of_another_shape_is_not_listed_and_hurts_no_question(tmp_path, make_spool, key):
    bad, good = make_spool(tmp_path), make_spool(tmp_path)
    adopt(good)
    _job_with(bad, **{key: None})
    with _owner(bad) as owner, open_catalog(tmp_path) as catalog:
        assert ownership.state(bad) == "running"
        assert catalog.select() == [good.name]
        owner.kill()


BAD_ENDS = {
    "list": "[1]",
    "empty": "{}",
    "status": '{"status": "done"}',
    "time": '{"status": "failed", "ended_at": 5}',
    "ledger": '{"status": "failed", "observer": {"memory": {"ns": "x"}}}',
    "modules": '{"status": "failed", "modules": 5}',
    "duration": '{"status": "failed", "wall_ns": "x"}',
    "totals": '{"status": "failed", "totals": [1]}',
    "depth": "[" * 100_000,
}


@pytest.mark.parametrize("text", BAD_ENDS.values(), ids=BAD_ENDS)
def test_an_end_of_another_shape_is_none_and_is_noted(tmp_path, make_spool, text):
    spool = make_spool(tmp_path)
    (spool / "end.json").write_text(text)
    assert adopt(spool) == spool.name
    run = manifest.load(publishing.run_directory(tmp_path, spool.name))
    assert (run.run["status"], run.run["n_cycles"]) == ("interrupted", 10)
    assert any(note.startswith("end.json could not be read") for note in run.run["notes"])


def test_an_end_without_a_time_keeps_its_word(tmp_path, make_spool):
    spool = make_spool(tmp_path, end={"status": "failed", "ended_at": None, "totals": None})
    adopt(spool)
    run = manifest.load(publishing.run_directory(tmp_path, spool.name)).run
    assert (run["status"], run["ended_at"], run["total_sampling_calls"]) == ("failed", None, 20)


def test_spaces_and_letters_of_any_script_are_fine(tmp_path, make_spool):
    root = tmp_path / "my störe [x]* 温度"
    spool = make_spool(root)
    assert adopt(spool) == spool.name
    assert len(_rows(root)) == 10
