"""Two sweeps at once do not run the same configuration twice, and a store that cannot be written is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from conf import launching, main
from conf.compose import ROOT, composer
from conf.jobs import composed_jobs, record
from conf.others import Others, yielded
from probes.parent import write_job
from store.catalog import open_catalog

SWEEP = ("-m", "experiment=smoke", "replicate=0,1", "cycles=60", "progress=false")


@pytest.fixture(scope="module")
def job():
    with composer():
        return composed_jobs([["experiment=smoke"]])[0]


def begun(root, job, run_id, **changed):
    spool = root / "spool" / run_id
    written = record(job, run_id=run_id, environment={}, concurrent_runs=0, sweep_id=None, sweep_index=None)
    write_job(spool, {**written, **changed})
    return spool


def test_of_two_that_start_at_once_the_later_one_yields(job, tmp_path):
    first, second = (begun(tmp_path, job, run_id) for run_id in ("a", "b"))
    assert yielded(first, job, Others(tmp_path)) is None
    assert yielded(second, job, Others(tmp_path)) == "a"
    assert not second.exists()


def test_one_that_has_started_is_left_to_go_on(job, tmp_path):
    own, rival = (begun(tmp_path, job, run_id) for run_id in ("a", "b"))
    (rival / "owner.pid").write_text("1\n")
    assert yielded(own, job, Others(tmp_path)) == "b"


@pytest.mark.parametrize("other", [{"replicate": 1}, {"config_id": "x"}], ids=["replicate", "configuration"])
def test_another_run_is_no_rival(job, other, tmp_path):
    begun(tmp_path, job, "a", **other)
    assert yielded(begun(tmp_path, job, "b"), job, Others(tmp_path)) is None


def test_one_that_has_ended_counts_until_it_is_published_and_then_as_published(job, make_run, tmp_path):
    others = Others(tmp_path)
    assert others.completed(job) is None
    ended = begun(tmp_path, job, "b")
    for name in ("owner.pid", "owner.lock"):  # nobody holds the lock
        (ended / name).write_text("1\n")
    own = begun(tmp_path, job, "a")
    assert yielded(own, job, others, but=["b"]) is None
    assert yielded(own, job, others) == "b"
    done = make_run(tmp_path, **job.identity._asdict())
    own = begun(tmp_path, job, "a")
    assert yielded(own, job, others, but=["b"]) == done
    assert not own.exists()


def test_what_was_completed_meanwhile_is_found(job, make_run, tmp_path):
    others = Others(tmp_path)
    assert others.completed(job) is None
    identity = job.identity._asdict()
    make_run(tmp_path, status="failed", **identity)
    assert others.completed(job) is None
    assert others.completed(job) is None
    done = make_run(tmp_path, **identity)
    assert others.completed(job) == done


def test_two_sweeps_at_once_make_each_run_once(tmp_path):
    store = tmp_path / "store"
    command = [sys.executable, str(ROOT.parent / "run.py"), *SWEEP, f"store.root={store}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT.parent)}
    sweeps = [
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
        )
        for _ in range(2)
    ]
    printed = [sweep.communicate(timeout=100) for sweep in sweeps]
    assert [sweep.returncode for sweep in sweeps] == [0, 0], printed
    with open_catalog(store) as catalog:
        made = catalog.query("select replicate, status from runs order by 1")
    assert made == [{"replicate": n, "status": "completed"} for n in (0, 1)], printed
    assert not list((store / "spool").iterdir())
    for out, _ in printed:
        assert "2 runs kept in" in out


def test_a_disk_that_holds_no_job_is_said_with_a_remedy(job, tmp_path, capsys, monkeypatch):
    def full(spool, written):
        spool.mkdir()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(launching.parent, "write_job", full)
    assert main(["experiment=smoke", f"store.root={tmp_path / 'store'}", "progress=false"]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"{tmp_path / 'store'} cannot hold the run (No space left on device)" in said
    assert "store.root" in said
    assert not list((tmp_path / "store" / "spool").iterdir())


@pytest.mark.parametrize("below", ["", "deep/er"], ids=["file", "below a file"])
def test_a_store_that_a_file_stands_in_the_way_of_is_refused(below, tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("not a store")
    assert main(["experiment=smoke", f"store.root={file / below}"]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert f"{file} is a file" in said


def test_a_store_that_may_not_be_written_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(launching.os, "access", lambda path, how: False)
    assert main(["experiment=smoke", f"store.root={tmp_path / 'store'}"]) == 2
    assert "read-only" in capsys.readouterr().err


def test_a_probe_that_is_too_dear_fails_the_run_where_that_is_refused(tmp_path, capsys):
    # 20 ms a reading: too dear even where a cycle waits a second for a CPU.
    dear = ["probe=[canary]", "probe.canary.size_bytes=400000", "probe.canary.every_cycles=1"]
    dear += ["probe.canary.every_s=null", "probe_budget=refuse", "cycles=3"]
    small = ["workload.max_agents=2", "conditions=[OFF-OFF]", "progress=false"]
    assert main(["experiment=smoke", *dear, *small, f"store.root={tmp_path}"]) == 1
    assert "failed: probe canary: a reading takes" in capsys.readouterr().err
    with open_catalog(tmp_path) as catalog:
        (run,) = catalog.query("select status, error from runs")
    assert run["status"] == "failed"
    assert json.dumps(run["error"]).startswith('"probe canary')
