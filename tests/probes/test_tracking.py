import gc
import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from probes import sampling
from probes.room import SpoolLost
from probes.tracking import CannotRecord, track

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_the_job_says_what_publishing_needs(script, tmp_path, only_spool, end_of):
    script("for c in tracked(seed=7, condition='warm'): pass")
    job = json.loads((only_spool(tmp_path) / "job.json").read_text())
    assert job["run_id"] == only_spool(tmp_path).name
    assert (job["experiment"], job["seed"], job["format"]) == ("mine", 7, 1)
    assert job["conditions"] == [{"name": "warm", "position": 0, "cycles": 8, "mechanisms": {}}]
    assert job["environment"]["python"].startswith("3.")
    assert end_of(tmp_path)["observer"].keys() >= {"memory", "garbage", "system"}


def test_the_run_is_published_before_the_next_line(script, tmp_path):
    done = script(
        """
        from pathlib import Path
        from probes import track
        for c in track(range(25), experiment="mine", store="data"): sum(range(1000))
        (run,) = Path("data/runs").iterdir()
        print(run.name, sorted(path.name for path in run.iterdir()))
        """,
        before="",
    )
    assert done.stderr == ""
    for name in ("run.json", "cycles.parquet", "windows.parquet", "probe_memory.parquet"):
        assert name in done.stdout
    assert not list((tmp_path / "data" / "spool").iterdir())


def test_a_run_that_cannot_be_published_stays_and_is_said(script, tmp_path, only_spool, preamble):
    done = script(
        """
        for c in tracked(): pass
        print("went on")
        """,
        before=preamble.replace(
            "Recording._publish = lambda self: None",
            "import probes.tracking as t; t.sys.executable = '/bin/false'",
        ),
    )
    assert done.stdout == "went on\n"
    assert f"the run stays in {only_spool(tmp_path)}" in done.stderr
    assert f"python -m store refresh --store {tmp_path / 'data'}" in done.stderr


def test_two_loops_after_one_another_are_two_runs(script, tmp_path):
    script(
        """
        loop = tracked()
        for c in loop: pass
        for c in loop:
            if c == 2: break
        """
    )
    ends = [json.loads(path.read_text()) for path in (tmp_path / "data" / "spool").glob("*/end.json")]
    assert [end["status"] for end in ends] == ["completed", "completed"]


def test_observables_and_samplings_stand_in_the_cycle_in_which_they_are(unpublished, read_rows, loop):
    tracked = loop(unpublished, 4)
    for cycle in tracked:
        if cycle:
            tracked.observe(population=10 * cycle)
        with sampling("db"):
            pass
    rows = read_rows(unpublished / "spool" / tracked.run_id, "cycles")
    assert [row.get("population") for row in rows] == [None, 10, 20, 30]
    assert [row["sampling_db_calls"] for row in rows] == [row["sampling_calls"] for row in rows] == [1] * 4


def test_a_schema_that_grows_costs_a_segment_and_does_not_make_them_small(unpublished, loop):
    tracked = loop(unpublished, 400)
    for cycle in tracked:
        if cycle >= 5:
            tracked.observe(population=cycle)
    assert len(list((unpublished / "spool" / tracked.run_id).glob("cycles-*.spool"))) <= 3


def test_what_is_observed_behind_the_last_cycle_is_said(unpublished):
    with track(experiment="mine", store=unpublished) as rec:
        rec.cycle()
        rec.observe(population=1)
    end = json.loads((unpublished / "spool" / rec.run_id / "end.json").read_text())
    assert "what was observed behind the last cycle stands in no row" in " ".join(end["notes"])


def test_outside_of_a_loop_there_is_nothing_to_observe(tmp_path, loop):
    for call in (loop(tmp_path).observe, track(experiment="mine", store=tmp_path).cycle):
        with pytest.raises(RuntimeError, match="is for a loop under way"):
            call()
    assert not list(tmp_path.iterdir())


def test_a_wrong_observable_is_the_callers_error_and_what_was_recorded_stays(unpublished, ends):
    taken = pytest.raises(ValueError, match="'wall_ns' is a column of cycles already")
    with taken, track(experiment="mine", store=unpublished) as rec:
        rec.cycle()
        rec.observe(wall_ns=1)
    assert ends() == [("failed", 1)]


def test_a_private_run_names_neither_host_nor_user(unpublished, monkeypatch):
    monkeypatch.setenv("HOME", "/Users/jane")
    boom = pytest.raises(ValueError, match="asked janet")
    with boom, track(experiment="mine", store=unpublished, private=True) as rec:
        raise ValueError("no /Users/jane/input.csv and no /scratch/jane/x, asked janet")
    spool = unpublished / "spool" / rec.run_id
    assert json.loads((spool / "job.json").read_text())["environment"]["host"] is None
    error = json.loads((spool / "end.json").read_text())["error"]
    assert error == "ValueError: no ~/input.csv and no /scratch/~/x, asked janet"


def test_a_spool_that_vanishes_is_noted_once_and_the_loop_goes_on(script):
    done = script(
        """
        import shutil
        from probes import windows
        windows.SECOND_NS = 100_000_000
        seen = 0
        for c in tracked(400):
            if c == 100: shutil.rmtree("data")
            time.sleep(0.001)
            seen += 1
        print(seen)
        """
    )
    assert (done.returncode, done.stdout) == (0, "400\n")
    assert len(done.stderr.splitlines()) == 1
    assert "nothing more is recorded" in done.stderr
    assert "is gone" in done.stderr


@pytest.mark.parametrize(("published", "notes"), [(False, 1), (True, 0)])
def test_a_spool_that_is_gone_at_the_end_is_said_unless_somebody_published_it(
    unpublished, loop, capsys, published, notes
):
    tracked = loop(unpublished)
    for _ in tracked:
        pass
    assert capsys.readouterr().err == ""
    for c in tracked:
        if c == 2:
            shutil.rmtree(unpublished / "spool")
            if published:
                (unpublished / "runs" / f"run_id={tracked.run_id}").mkdir(parents=True)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == notes
    assert all(f"{tracked.run_id} is gone, and with it the run" in line for line in said)


def test_a_disk_that_fills_does_not_touch_the_loop(small_disk, tmp_path, read_rows, preamble):
    disk = small_disk("2m")
    text = f"""
        from probes import recording
        recording.SEGMENT_ROWS = 64
        seen = 0
        for c in track(iter(range(1000)), experiment="mine", store={str(disk)!r}):
            if c == 10:
                with open({str(disk / "ballast")!r}, "wb", buffering=0) as ballast:
                    try:
                        while ballast.write(bytes(4096)): pass
                    except OSError: pass
            seen += 1
        print(seen)
        """
    done = subprocess.run(
        [sys.executable, "-c", preamble + textwrap.dedent(text)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "1000\n"
    assert "No space left on device" in done.stderr
    (spool,) = (disk / "spool").iterdir()
    end = json.loads((spool / "end.json").read_text())
    assert end["status"] == "failed"
    assert "No space left" in end["error"]
    assert len(read_rows(spool, "cycles")) == 63  # and the record that the first one counts from


@pytest.mark.skipif(
    os.geteuid() == 0 and not Path("/proc/self").exists(), reason="needs a place not writable"
)
def test_a_store_that_cannot_be_made_is_said_where_the_loop_begins():
    with pytest.raises(CannotRecord, match=r"store /proc/self/none cannot be written .*; give track"):
        next(iter(track([1], experiment="mine", store="/proc/self/none")))


def test_a_store_that_is_a_file_is_said_where_the_loop_begins(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(CannotRecord, match=r"cannot be written .*; give track"):
        track(experiment="mine", store=tmp_path / "file").__enter__()


def raising(error: BaseException) -> Callable[..., None]:
    def call(*_: object) -> None:
        raise error

    return call


@LINUX
@pytest.mark.parametrize(
    ("what", "error", "status"),
    [
        ("probes.room.free_bytes", lambda _: 0, "failed"),
        ("probes.recording.Recorder.begin", raising(ValueError("no begin")), "failed"),
        ("probes.recording.Recorder.begin", raising(KeyboardInterrupt()), "interrupted"),
    ],
    ids=["no room", "no begin", "interrupt"],
)
def test_a_recording_that_cannot_begin_leaves_nothing_open(
    unpublished, ends, monkeypatch, what, error, status, loop
):
    for _ in loop(unpublished):
        pass
    gc.collect()  # what other tests left open is not closed in between
    before = {path.name for path in Path("/proc/self/fd").iterdir()}
    monkeypatch.setattr(what, error)
    for _ in range(2):
        with pytest.raises((SpoolLost, ValueError, KeyboardInterrupt)):
            next(iter(loop(unpublished)))
    assert {path.name for path in Path("/proc/self/fd").iterdir()} == before
    assert ends() == [("completed", 3), (status, 0), (status, 0)]


@pytest.mark.parametrize("seed", [1.5, "a", True, 2**63, -(2**63) - 1], ids=str)
def test_a_seed_that_the_store_cannot_hold_is_refused_at_the_call(tmp_path, seed):
    with pytest.raises(ValueError, match=r"^seed=.* is no integer of 64 bits; give one, or None$"):
        track([1], experiment="mine", store=tmp_path / "data", seed=seed)
    assert not list(tmp_path.iterdir())


def test_numpys_integers_are_integers(unpublished, loop):
    tracked = loop(unpublished, seed=np.int64(3), start=np.int32(2))
    for _ in tracked:
        pass
    job = json.loads((unpublished / "spool" / tracked.run_id / "job.json").read_text())
    assert job["seed"] == 3


@pytest.mark.parametrize(("name", "value"), [("experiment", ""), ("condition", ""), ("store", "")])
def test_a_name_must_name_something(name, value):
    with pytest.raises(ValueError, match=f"{name}='' names nothing"):
        track([1], **{"experiment": "mine", name: value})


HIDDEN = """
import psutil, sys
for name in sys.argv[1:]: sys.modules[name] = None
assert not __import__("os").path.exists("/proc/self")
"""


@pytest.mark.parametrize("lacking", [[], ["fcntl", "resource"]], ids=["no-proc", "no-proc-fcntl-resource"])
def test_a_loop_is_recorded_where_there_is_no_proc(
    tmp_path, lacking, read_rows, only_spool, end_of, preamble
):
    """What is missing is NULL; the modules are those that Windows lacks, psutil's own import of them aside."""
    text = "t = tracked(12)\nfor c in t:\n    t.observe(c=c)\n    with sampling('db'): pass\n"
    body = HIDDEN + preamble + "from probes import sampling\n" + text
    (tmp_path / "script.py").write_text(body)
    inner = 'mount -t tmpfs none /proc && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", inner, "-", sys.executable, "script.py", *lacking]
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare(1) here")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(f"/proc cannot be hidden here: {done.stderr.strip()}")
    assert (done.returncode, done.stderr) == (0, "")
    rows = read_rows(only_spool(tmp_path), "cycles")
    assert [row["c"] for row in rows] == list(range(12))
    for row in rows:
        assert min(row["wall_ns"], row["cpu_ns"]) > 0
        assert (row["runq_ns"], row["offcpu_ns"], row["sampling_db_calls"]) == (None, None, 1)
    assert end_of(tmp_path)["status"] == "completed"
