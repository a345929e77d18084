import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from probes.ownership import state

ROOT = Path(__file__).resolve().parents[2]
ANALYSIS = {"hydra", "omegaconf", "duckdb", "pyarrow", "scipy", "numpy", "statsmodels", "pandas"}
PROBES = {
    "memory": {"_target_": "probes.memory.Probe", "every_cycles": 2},
    "garbage": {"_target_": "probes.garbage.Probe", "every_cycles": 2},
    "system": {"_target_": "probes.system.Probe", "every_cycles": 2},
    "latency": {"_target_": "probes.latency.Probe", "every_cycles": 2},
}


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "data" / "spool" / "run"


def end_of(spool: Path) -> dict[str, object]:
    return json.loads((spool / "end.json").read_text())


def until(seen: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_run_is_all_its_conditions_one_after_the_other(spool, write_job, measure, read_rows):
    assert measure(write_job(spool, cycles=(10, 5))).wait() == 0
    assert (end_of(spool)["status"], end_of(spool)["error"]) == ("completed", None)
    rows = read_rows(spool, "cycles")
    assert [(row["condition"], row["population"], row["energy"]) for row in rows] == [
        (i // 10, i % 10, i % 10 / 2) for i in range(15)
    ]
    assert (spool / "log").read_text() == "closed\nclosed\n"
    assert state(spool) == "dead"
    assert not (spool / "scratch").exists()


def test_the_measured_process_imports_the_workload_and_little_else(tmp_path, write_job, read_rows):
    spool = write_job(
        tmp_path / "spool" / "run",
        target="nrm.workload.Workload",
        rules="light",
        metrics="constant",
        probe=PROBES,
        cycles=(6,),
    )
    command = [sys.executable, "-P", "-m", "probes", "run", str(spool / "job.json")]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    modules = {name.partition(".")[0] for name in end_of(spool)["modules"]}
    assert not modules & ANALYSIS
    assert {"nrm", "probes", "psutil"} <= modules
    assert len(read_rows(spool, "cycles")) == 6
    for name in PROBES:
        assert [row["cycle"] for row in read_rows(spool, f"probe_{name}")] == [-1, 1, 3, 5]


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["TERM", "INT"]
)
def test_a_signal_ends_a_long_sleep_and_the_run_with_its_rows(
    tmp_path, spool, write_job, measure, read_rows, signum, code
):
    process = measure(write_job(spool, do="sleep", at=5))
    until((tmp_path / "asleep").exists)
    assert state(spool) == "running"
    process.send_signal(signum)
    assert process.wait(60) == code
    end = end_of(spool)
    assert (end["status"], end["error"]) == ("interrupted", f"stopped by {signum.name}")
    assert [row["cycle"] for row in read_rows(spool, "cycles")] == [
        0,
        1,
        2,
        3,
        4,
    ]  # the one broken off is no row
    assert [row["last_cycle"] for row in read_rows(spool, "windows")] == [4]
    assert not (spool / "scratch").exists()


def test_a_second_signal_does_not_disturb_the_clean_up(spool, write_job, measure, segments):
    process = measure(write_job(spool, seconds=0.001, cycles=(100_000,)))
    until(lambda: (spool / "cycles-000000.spool").exists() and segments(spool, "cycles")[0].rows > 3)
    for _ in range(20):
        process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
    assert end_of(spool)["status"] == "interrupted"


def test_kill_9_keeps_every_finished_cycle(spool, write_job, measure, read_rows):
    assert measure(write_job(spool, do="kill", at=7)).wait() == -signal.SIGKILL
    assert [row["cycle"] for row in read_rows(spool, "cycles")] == list(range(7))
    assert not (spool / "end.json").exists()
    assert state(spool) == "dead"


@pytest.mark.parametrize(
    ("do", "error"), [("boom", "KeyError: 'boom'"), ("quit", "SystemExit: 3")], ids=["exception", "exit"]
)
def test_an_exception_of_the_workload_is_the_runs_error(spool, write_job, measure, read_rows, do, error):
    assert measure(write_job(spool, do=do)).wait() == 1
    assert (end_of(spool)["status"], end_of(spool)["error"]) == ("failed", error)
    assert len(read_rows(spool, "cycles")) == 5
    log = (spool / "log").read_text()
    assert "Traceback" in log
    assert "closed" in log


@pytest.mark.parametrize(
    ("options", "word"),
    [({"do": "fly"}, "workload.do=fly is no act"), ({"too": 1}, "workload.too is not an option")],
    ids=["value", "name"],
)
def test_a_wrong_option_is_the_runs_error(spool, write_job, measure, options, word):
    assert measure(write_job(spool, **options)).wait() == 1
    assert end_of(spool)["status"] == "failed"
    assert word in end_of(spool)["error"]


def test_a_child_that_the_workload_forks_does_not_end_the_run(spool, write_job, measure, read_rows):
    assert measure(write_job(spool, do="fork")).wait() == 0
    assert end_of(spool)["status"] == "completed"
    assert len(read_rows(spool, "cycles")) == 20


def test_a_spool_that_vanishes_ends_the_run(spool, write_job, measure):
    job = write_job(spool, do="vanish", cycles=(100_000,), seconds=0.001)
    assert measure(job, second_ns=200_000_000).wait(60) == 1
    assert not spool.exists()


@pytest.mark.parametrize("size", ["2m", "32k"])
def test_a_disk_that_cannot_hold_the_spool_fails_before_cycle_0(small_disk, write_job, measure, size):
    spool = write_job(small_disk(size) / "spool" / "run", cycles=(50_000,))
    assert measure(spool).wait() == 1
    end = end_of(spool)
    assert end["status"] == "failed"
    assert re.search(r"rows and their publishing need 1[23]\.\d MiB", end["error"])
    assert "free some space" in (spool / "log").read_text()
    assert not list(spool.glob("cycles-*"))


def test_a_disk_that_fills_ends_the_run_as_failed_with_its_rows(
    tmp_path, small_disk, fill, write_job, measure, read_rows
):
    disk = small_disk("2m")
    spool = write_job(disk / "spool" / "run", do="wait", cycles=(4000,))
    process = measure(spool, segment_rows=256)
    until((tmp_path / "asleep").exists)
    fill(disk)
    (tmp_path / "awake").touch()
    assert process.wait(60) == 1
    end = end_of(spool)
    assert end["status"] == "failed"
    assert "No space left on device" in end["error"]
    # The first record of the segment is no row: it holds the clocks that the next one counts from.
    assert [row["cycle"] for row in read_rows(spool, "cycles")] == list(range(255))


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "probes", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (None, "cannot be read"),
        ("{", "is no job"),
        ("{}", "lacks 'format'"),
        ('{"format": 2}', "format=2"),
        ('{"format": 1, "conditions": [{"name": "x"}]}', "is no job"),
    ],
    ids=["missing", "no JSON", "empty", "other version", "half a condition"],
)
def test_a_bad_job_is_one_sentence_and_exit_2(tmp_path, text, word):
    path = tmp_path / "job.json"
    if text is not None:
        path.write_text(text)
    done = command("run", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert str(path) in done.stderr
    assert word in done.stderr


def test_a_spool_is_not_run_twice(spool, write_job, measure):
    assert measure(write_job(spool)).wait() == 0
    done = command("run", str(spool / "job.json"))
    assert done.returncode == 2
    assert "has an owner already" in done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"]], ids=" ".join)
def test_help_has_an_example(arguments):
    done = command(*arguments)
    assert done.returncode == 0
    assert "example: python -m probes" in done.stdout
