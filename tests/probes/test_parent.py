import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from probes import parent
from probes.ownership import state
from probes.parent import Progress, spawn, watch, write_job
from probes.spool import Stream

JOB = {
    "format": 1,
    "run_id": "run",
    "experiment": "x",
    "seed": 1,
    "conditions": [{"name": "all", "position": 0, "cycles": 8, "mechanisms": {}}],
    "build": {
        "workload": {"_target_": "nrm.workload.Workload", "rules": "light", "metrics": "constant"},
        "probe": {},
    },
}


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "data" / "spool" / "run"


def test_a_job_comes_back_as_written(spool):
    write_job(spool, JOB)
    assert json.loads((spool / "job.json").read_text()) == JOB
    assert [path.name for path in spool.iterdir()] == ["job.json"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_job_is_on_disk_with_every_directory_that_leads_to_it(spool, tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def noted(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    write_job(spool, JOB)
    levels = {tmp_path, tmp_path / "data", tmp_path / "data" / "spool", spool}
    assert set(synced) == {*levels, spool / "job.json.new"}
    assert synced[-1] == spool


def test_a_job_that_is_no_json_leaves_nothing(spool):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_job(spool, {"seed": float("nan")})
    assert not spool.exists()


def test_what_could_not_be_published_for_its_path_is_not_begun(tmp_path):
    store = tmp_path / os.fsdecode(b"caf\xe9")
    with pytest.raises(OSError, match="no UTF-8 text"):
        write_job(store / "spool" / "run", JOB)
    assert not store.exists()


def test_a_spawned_run_is_watched_to_its_end(spool, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_job(spool, JOB)
    process = spawn(spool)
    seen: list[Progress] = []
    assert os.getsid(process.pid) == process.pid  # it outlives this terminal
    assert watch(process, spool, seen.append) == 0
    assert (seen[-1].cycle, seen[-1].total, seen[-1].remaining_s) == (8, 8, 0.0)
    assert (spool / "log").read_text() == ""
    assert state(spool) == "dead"


def test_what_the_measured_process_prints_is_in_the_log(spool):
    write_job(spool, {**JOB, "build": {"workload": {"_target_": "os.system"}, "probe": {}}})
    assert watch(spawn(spool), spool, lambda _: None) == 1
    assert "os.system is not in the list" in (spool / "log").read_text()


def test_progress_follows_the_cursor_over_segments(spool):
    write_job(spool, JOB)
    meter = parent._Meter(spool)
    assert meter.progress() == Progress(0, 8, 0.0, float("inf"))
    stream = Stream(spool, "cycles", {"cycle": int}, capacity=3, started_at_ns=0)
    for cycle in range(7):
        stream.append((cycle,))
        found = meter.progress()
        assert found.cycle == cycle + 1
    assert found.rate_per_s > 0
    assert found.remaining_s == pytest.approx(1 / found.rate_per_s)


def child(spool: Path, code: str) -> subprocess.Popen[bytes]:
    """Start a stand-in for the measured process that says when it is ready."""
    spool.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    return process


POLITE = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
print(flush=True)
time.sleep(60)
"""
DEAF = """
import signal, time
for signum in (signal.SIGTERM, signal.SIGINT):
    signal.signal(signum, signal.SIG_IGN)
print(flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_a_signal_before_the_measured_process_has_its_handlers_interrupts_the_run(spool, signum):
    write_job(spool, JOB)
    process = spawn(spool)
    process.send_signal(signum)
    assert process.wait(60) == 128 + signum
    end = json.loads((spool / "end.json").read_text())
    assert (end["status"], end["error"]) == ("interrupted", f"stopped by {signum.name}")
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.fixture
def send() -> Iterator[Callable[..., None]]:
    """Send this process a signal once it watches a child, and another once the first was handed on."""
    # Until it watches, and when it has ceased to, a signal does nothing.
    before = {signum: signal.signal(signum, lambda *_: None) for signum in parent.SIGNALS}
    threads: list[threading.Thread] = []

    def send(process: subprocess.Popen[bytes], signum: int, *, times: int) -> None:
        harmless, hand_on, handed_on = signal.getsignal(signum), process.send_signal, threading.Event()

        def noted(number: int) -> None:
            hand_on(number)
            handed_on.set()

        def deliver() -> None:
            while signal.getsignal(signum) is harmless:
                time.sleep(0.01)
            for _ in range(times):
                os.kill(os.getpid(), signum)
                handed_on.wait(60)

        process.send_signal = noted  # type: ignore[method-assign]
        threads.append(threading.Thread(target=deliver))
        threads[-1].start()

    yield send
    for thread in threads:
        thread.join()
    for signum, handler in before.items():
        signal.signal(signum, handler)


@pytest.mark.parametrize(
    ("signum", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)],
    ids=["INT", "TERM", "HUP as TERM"],
)
def test_the_first_signal_is_handed_on(spool, send, signum, code):
    before = signal.getsignal(signum)
    process = child(spool, POLITE)
    send(process, signum, times=1)
    assert watch(process, spool, lambda _: None) == code
    assert signal.getsignal(signum) is before


def test_a_terminal_that_goes_away_may_say_so_twice(spool, send):
    process = child(
        spool, POLITE.replace("lambda *_: sys.exit(143)", "lambda *_: (time.sleep(1), sys.exit(143))")
    )
    send(process, signal.SIGHUP, times=2)
    assert (watch(process, spool, lambda _: None), process.returncode) == (143, 143)


def test_a_signal_in_the_last_moment_still_stops_what_follows(spool, send):
    process = child(spool, POLITE.replace("sys.exit(143)", "sys.exit(0)"))
    send(process, signal.SIGTERM, times=1)
    assert (watch(process, spool, lambda _: None), process.returncode) == (143, 0)


def test_the_second_signal_kills(spool, send):
    process = child(spool, DEAF)
    send(process, signal.SIGINT, times=2)
    assert watch(process, spool, lambda _: None) == 130
    assert process.returncode == -signal.SIGKILL


def test_a_child_killed_by_others_is_128_and_the_signal(spool):
    process = child(spool, DEAF)
    process.kill()
    assert watch(process, spool, lambda _: None) == 137


def test_handlers_come_back_when_the_watcher_breaks_off(spool):
    before = signal.getsignal(signal.SIGINT)
    process = child(spool, DEAF)

    def broken(_: Progress) -> None:
        raise OSError("no terminal")

    with pytest.raises(OSError, match="no terminal"):
        watch(process, spool, broken)
    assert signal.getsignal(signal.SIGINT) is before
    process.kill()
    process.wait()


def test_a_run_goes_on_without_its_parent(spool, tmp_path):
    write_job(spool, JOB)
    script = f"import os, pathlib, probes.parent as parent; parent.spawn(pathlib.Path({str(spool)!r})); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=False).returncode == 9
    deadline = time.monotonic() + 60
    while not (spool / "end.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert json.loads((spool / "end.json").read_text())["status"] == "completed"
