import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from probes import identity, sampling
from probes.room import SpoolLost
from probes.tracking import CannotRecord, Recording, track

UNPUBLISHED = """
import os, signal, sys, time, threading
from probes import track
from probes.tracking import Recording
Recording._publish = lambda self: None
def tracked(n=8, **more):
    return track(range(n), experiment="mine", store="data", **more)
def session(**more):
    return track(experiment="mine", store="data", **more)
def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)
"""

# One way of leaving a loop each: (status, finished cycles, word in the error, script)
WAYS = {
    "end": ("completed", 8, None, "for c in tracked(): pass"),
    "empty": ("completed", 0, None, "for c in tracked(0): pass"),
    "break": ("completed", 3, None, "for c in tracked():\n    if c == 3: break"),
    "break of a named loop": (
        "completed",
        3,
        None,
        """
        loop = tracked()
        for c in loop:
            if c == 3: break
        """,
    ),
    "break after a caught exception": (
        "completed",
        5,
        None,
        """
        saved = []
        for c in tracked():
            try: int("x")
            except ValueError as error: saved.append(error)
            if c == 5: break
        """,
    ),
    "break inside an exception handler": (
        "completed",
        2,
        None,
        """
        try: int("x")
        except ValueError:
            for c in tracked():
                if c == 2: break
        """,
    ),
    "return": (
        "completed",
        4,
        None,
        """
        def main():
            for c in tracked():
                if c == 4: return c
        main()
        """,
    ),
    "break of a wrapped loop": (
        "completed",
        3,
        None,
        """
        def bar(items):
            try:
                for item in items: yield item
            finally: pass
        for i, c in enumerate(bar(tracked())):
            if c == 3: break
        """,
    ),
    "all items in a list": ("completed", 8, None, "list(tracked())"),
    "close": (
        "completed",
        1,
        None,
        """
        loop = iter(tracked())
        next(loop), next(loop)
        loop.close()
        """,
    ),
    "exception": ("failed", 3, "boom", 'for c in tracked():\n    if c == 3: raise ValueError("boom")'),
    "exception from C": ("failed", 0, "int(", 'for c in tracked(): int("x")'),
    "exception in a named loop": (
        "failed",
        2,
        "boom",
        """
        loop = tracked()
        for c in loop:
            if c == 2: raise ValueError("boom")
        """,
    ),
    "exception caught outside": (
        "failed",
        3,
        "boom",
        """
        def main():
            for c in tracked():
                if c == 3: raise ValueError("boom")
        try: main()
        except ValueError: pass
        """,
    ),
    "exception caught around the loop": (
        "failed",
        3,
        "boom",
        """
        try:
            for c in tracked():
                if c == 3: raise ValueError("boom")
        except ValueError: pass
        """,
    ),
    "exception raised again": (
        "failed",
        3,
        "boom",
        """
        for c in tracked():
            try:
                if c == 3: raise ValueError("boom")
            except ValueError:
                len("logged")
                raise
        """,
    ),
    "exception past other handlers": (
        "failed",
        3,
        "boom",
        """
        for c in tracked():
            try:
                if c == 3: raise ValueError("boom")
            except KeyError: pass
            finally: len("closed")
        """,
    ),
    "exception deep inside": (
        "failed",
        3,
        "boom",
        """
        def work(c):
            with open(os.devnull):
                if c == 3: raise ValueError("boom")
        for c in tracked(): work(c)
        """,
    ),
    "exception of the items": (
        "failed",
        2,
        "ValueError: boom",
        """
        def items():
            yield from range(2)
            raise ValueError("boom")
        for c in track(items(), experiment="mine", store="data"): pass
        """,
    ),
    "exception in a wrapped loop": (
        "failed",
        3,
        "boom",
        """
        def bar(items):
            try:
                for item in items: yield item
            finally: pass
        for i, c in enumerate(bar(tracked())):
            if c == 3: raise ValueError("boom")
        """,
    ),
    "exception in a comprehension": ("failed", 3, None, "[1 // (3 - c) for c in tracked()]"),
    "exception in a comprehension, caught": (
        "failed",
        3,
        None,
        """
        try: sum(1 // (3 - c) for c in tracked())
        except ZeroDivisionError as error: pass
        """,
    ),
    "interrupt": ("interrupted", 3, "KeyboardInterrupt", "for c in tracked():\n    if c == 3: interrupt()"),
    "interrupt, caught": (
        "interrupted",
        3,
        "KeyboardInterrupt",
        """
        try:
            for c in tracked():
                if c == 3: interrupt()
        except KeyboardInterrupt: pass
        """,
    ),
    "interrupt between two cycles, caught": (
        "interrupted",
        None,
        "KeyboardInterrupt",
        """
        threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        try:
            for c in tracked(10**9): pass
        except KeyboardInterrupt: pass
        """,
    ),
    "sys.exit": ("interrupted", 3, "SystemExit", "for c in tracked():\n    if c == 3: sys.exit(1)"),
    "raised SystemExit": (
        "interrupted",
        3,
        "SystemExit",
        "for c in tracked():\n    if c == 3: raise SystemExit",
    ),
    "the interpreter's end": ("interrupted", 0, "interpreter ended", "loop = iter(tracked())\nnext(loop)"),
    "block": ("completed", 2, None, "with session() as rec:\n    rec.cycle(); rec.cycle()"),
    "exception in a block": (
        "failed",
        1,
        "ValueError: boom",
        """
        with session() as rec:
            rec.cycle()
            raise ValueError("boom")
        """,
    ),
    "interrupt in a block": (
        "interrupted",
        1,
        "KeyboardInterrupt",
        """
        with session() as rec:
            rec.cycle()
            interrupt()
        """,
    ),
    "sys.exit in a block": ("interrupted", 0, "SystemExit", "with session() as rec: sys.exit(1)"),
    "block in a generator that is closed": (
        "completed",
        1,
        None,
        """
        def steps():
            with session() as rec:
                while True:
                    yield
                    rec.cycle()
        running = steps()
        next(running); next(running)
        running.close()
        """,
    ),
    "a forked child's end": (
        "completed",
        8,
        None,
        """
        for c in tracked():
            if c == 3 and os.fork() == 0: sys.exit(0)
        """,
    ),
}


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a user's script in a real process of its own."""

    def run(text: str, *, before: str = UNPUBLISHED) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "script.py"
        path.write_text(before + textwrap.dedent(text))
        command = [sys.executable, str(path)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)

    return run


def only_spool(directory: Path) -> Path:
    (spool,) = (directory / "data" / "spool").iterdir()
    return spool


def end_of(directory: Path) -> dict[str, Any]:
    return json.loads((only_spool(directory) / "end.json").read_text())


@pytest.mark.parametrize(("status", "cycles", "word", "text"), WAYS.values(), ids=WAYS)
def test_the_way_a_loop_is_left_is_the_runs_status(script, tmp_path, read_rows, status, cycles, word, text):
    done = script(text)
    end = end_of(tmp_path)
    assert (end["status"], "ignored" in done.stderr) == (status, False), (end["error"], done.stderr)
    rows = read_rows(only_spool(tmp_path), "cycles")
    assert [row["cycle"] for row in rows] == list(range(len(rows) if cycles is None else cycles))
    if word is None:
        assert status == "failed" or end["error"] is None
    else:
        assert word in end["error"]


def test_sigterm_kills_as_ever_and_leaves_the_rows(script, tmp_path, read_rows):
    done = script("for c in tracked():\n    if c == 3: os.kill(os.getpid(), signal.SIGTERM)")
    assert done.returncode == -signal.SIGTERM
    assert not (only_spool(tmp_path) / "end.json").exists()
    assert len(read_rows(only_spool(tmp_path), "cycles")) == 3


def test_the_job_says_what_publishing_needs(script, tmp_path):
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


def test_a_run_that_cannot_be_published_stays_and_is_said(script, tmp_path):
    done = script(
        """
        for c in tracked(): pass
        print("went on")
        """,
        before=UNPUBLISHED.replace(
            "Recording._publish = lambda self: None",
            "import probes.tracking as t; t.sys.executable = '/bin/false'",
        ),
    )
    assert done.stdout == "went on\n"
    assert f"the run stays in {only_spool(tmp_path)}" in done.stderr
    assert f"python -m store refresh --store {tmp_path / 'data'}" in done.stderr


# Presses Ctrl-C itself: a terminal's goes to the whole group of the loop.
PUBLISHER = """
import os, shutil, signal, sys, time
time.sleep(0.1)
os.killpg(os.getpgid(os.getppid()), signal.SIGINT)
time.sleep(0.2)
shutil.rmtree(sys.argv[5])
"""
INTERRUPTED = f"""
with open("publisher", "w") as file:
    file.write("#!" + sys.executable + " -S" + {PUBLISHER!r})
os.chmod("publisher", 0o755)
sys.executable = os.path.abspath("publisher")
os.setpgrp()
"""


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    for c in tracked(): pass\n    print('went on')",
        "try:\n    for c in tracked(): break\n    time.sleep(5)\n    print('went on')",
        "try:\n    with session() as rec: rec.cycle()\n    print('went on')",
    ],
    ids=["end", "break", "block"],
)
def test_an_interrupt_while_the_run_is_published_comes_after_that(script, tmp_path, text):
    before = UNPUBLISHED.replace("Recording._publish = lambda self: None", INTERRUPTED)
    done = script(text + "\nexcept KeyboardInterrupt: print('interrupted')", before=before)
    assert done.stdout == "interrupted\n", done.stderr
    assert done.stderr == "driftlab: interrupted; the run is published first\n"
    assert not list((tmp_path / "data" / "spool").iterdir())


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


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
ALREADY = "this process is being recorded already; end the other recording first"


@pytest.fixture
def unpublished(monkeypatch, tmp_path) -> Path:
    """Leave runs of this very process in their spools, and give the store."""
    monkeypatch.setattr(Recording, "_publish", lambda self: None)
    return tmp_path / "data"


def loop(store: Path, cycles: int = 3, **more: Any):
    return track(range(cycles), experiment="mine", store=store, **more)


@pytest.fixture
def ends(read_rows, unpublished) -> Callable[[], list[tuple[str, int]]]:
    """Tell how each run ended and how many cycles stand in its spool, in the order of their starts."""

    def ends() -> list[tuple[str, int]]:
        found = sorted((unpublished / "spool").iterdir())
        statuses = [json.loads((spool / "end.json").read_text())["status"] for spool in found]
        return [
            (status, len(read_rows(spool, "cycles"))) for status, spool in zip(statuses, found, strict=True)
        ]

    return ends


def test_a_second_loop_at_the_same_time_is_an_error_and_the_first_goes_on(unpublished, ends):
    for _ in loop(unpublished):
        with pytest.raises(RuntimeError, match=ALREADY):
            next(iter(loop(unpublished)))
    assert ends() == [("completed", 3)]


def test_a_loop_left_by_that_error_in_its_first_cycle_is_not_kept(unpublished, capsys, ends):
    def nested():
        for _ in loop(unpublished):
            for _ in loop(unpublished):
                pass

    with pytest.raises(RuntimeError, match=ALREADY):
        nested()
    assert not list((unpublished / "spool").iterdir())
    assert "is not kept: another recording was begun within its first cycle" in capsys.readouterr().err
    with track(experiment="mine", store=unpublished) as rec, pytest.raises(RuntimeError, match=ALREADY):
        next(iter([rec.cycle(), *loop(unpublished)]))
    assert ends() == [("completed", 1)]


def test_a_loop_in_a_thread_is_recorded_with_its_own_clocks(unpublished, read_rows, ends):
    def work():
        for _ in loop(unpublished, 4):
            sum(range(20_000))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ends() == [("completed", 4)]
    (spool,) = (unpublished / "spool").iterdir()
    assert all(row["cpu_ns"] > 100_000 for row in read_rows(spool, "cycles"))


def test_cycles_of_another_thread_end_the_recording_and_not_the_loop(unpublished, capsys, ends):
    with track(experiment="mine", store=unpublished) as rec:
        rec.cycle()
        thread = threading.Thread(target=rec.cycle)
        thread.start()
        thread.join()
        rec.cycle()
    assert ends() == [("failed", 1)]
    assert "in another thread than the first; loop in one thread" in capsys.readouterr().err


def record_in_child(store: Path, results: Any) -> None:
    for _ in loop(store, 5):
        pass
    results.put("done")


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")
def test_a_forked_child_may_record_a_loop_of_its_own_and_harms_none(unpublished, ends):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    tracked = loop(unpublished, 4)
    for cycle in tracked:
        if cycle == 1:
            child = context.Process(target=record_in_child, args=(unpublished, results))
            child.start()
            assert results.get(timeout=30) == "done"
            child.join()
        tracked.observe(cycle_=cycle)
    assert ends() == [("completed", 4), ("completed", 5)]


def test_observables_and_samplings_stand_in_the_cycle_in_which_they_are(unpublished, read_rows):
    tracked = loop(unpublished, 4)
    for cycle in tracked:
        if cycle:
            tracked.observe(population=10 * cycle)
        with sampling("db"):
            pass
    rows = read_rows(unpublished / "spool" / tracked.run_id, "cycles")
    assert [row.get("population") for row in rows] == [None, 10, 20, 30]
    assert [row["sampling_db_calls"] for row in rows] == [row["sampling_calls"] for row in rows] == [1] * 4


def test_a_schema_that_grows_costs_a_segment_and_does_not_make_them_small(unpublished):
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


def test_outside_of_a_loop_there_is_nothing_to_observe(tmp_path):
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


def test_a_run_goes_on_where_a_killed_one_left_off(script, tmp_path, unpublished, read_rows):
    done = script(
        """
        t = tracked()
        for c in t:
            if c == 3:
                print(t.run_id, flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    killed = done.stdout.strip()
    rest = track(range(3, 8), experiment="mine", store=unpublished, start=3, continues=killed)
    for _ in rest:
        pass
    rows = read_rows(unpublished / "spool" / rest.run_id, "cycles")
    assert [row["cycle"] for row in rows] == [3, 4, 5, 6, 7]
    windows = read_rows(unpublished / "spool" / rest.run_id, "windows")
    assert (windows[0]["first_cycle"], windows[-1]["last_cycle"]) == (3, 7)
    job = json.loads((unpublished / "spool" / rest.run_id / "job.json").read_text())
    assert job["continues"] == killed


def test_a_run_can_continue_a_published_one_of_its_store_only(make_run, tmp_path):
    run_id = make_run(tmp_path, cycles={"wall_ns": [1, 2]})
    assert track([], experiment="mine", store=tmp_path, continues=run_id, start=2) is not None
    for wrong in (identity.new_run_id(), "..", ""):
        with pytest.raises(ValueError, match=r"is no run of .*choose one of: python -m store ls"):
            track([], experiment="mine", store=tmp_path, continues=wrong)


def test_a_run_under_way_cannot_be_continued(unpublished):
    tracked = loop(unpublished, 1)
    for _ in tracked:
        with pytest.raises(ValueError, match="is a run that has not ended"):
            loop(unpublished, continues=tracked.run_id)


@pytest.mark.parametrize("start", [-1, 1.5, True], ids=str)
def test_cycles_are_counted_from_a_whole_number(start):
    with pytest.raises(ValueError, match="is no cycle's number; give 0 or more"):
        track([], experiment="mine", start=start)


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


def test_a_disk_that_fills_does_not_touch_the_loop(small_disk, tmp_path, read_rows):
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
        [sys.executable, "-c", UNPUBLISHED + textwrap.dedent(text)],
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


def test_no_signal_handler_is_installed(script):
    done = script(
        """
        before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
        for c in tracked(): assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before
        """
    )
    assert (done.returncode, done.stderr) == (0, "")


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
    unpublished, ends, monkeypatch, what, error, status
):
    for _ in loop(unpublished):
        pass
    before = {path.name for path in Path("/proc/self/fd").iterdir()}
    monkeypatch.setattr(what, error)
    for _ in range(2):
        with pytest.raises((SpoolLost, ValueError, KeyboardInterrupt)):
            next(iter(loop(unpublished)))
    assert {path.name for path in Path("/proc/self/fd").iterdir()} == before
    assert ends() == [("completed", 3), (status, 0), (status, 0)]


@pytest.mark.parametrize(("name", "value"), [("experiment", ""), ("condition", "")])
def test_a_name_must_name_something(name, value):
    with pytest.raises(ValueError, match=f"{name}='' names nothing"):
        track([1], **{"experiment": "mine", name: value})


HIDDEN = """
import psutil, sys
for name in sys.argv[1:]: sys.modules[name] = None
assert not __import__("os").path.exists("/proc/self")
"""


@pytest.mark.parametrize("lacking", [[], ["fcntl", "resource"]], ids=["no-proc", "no-proc-fcntl-resource"])
def test_a_loop_is_recorded_where_there_is_no_proc(tmp_path, lacking, read_rows):
    """What is missing is NULL; the modules are those that Windows lacks, psutil's own import of them aside."""
    text = "t = tracked(12)\nfor c in t:\n    t.observe(c=c)\n    with sampling('db'): pass\n"
    body = HIDDEN + UNPUBLISHED + "from probes import sampling\n" + text
    (tmp_path / "script.py").write_text(body)
    inner = 'mount -t tmpfs none /proc && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", inner, "-", sys.executable, "script.py", *lacking]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    if shutil.which("unshare") is None or "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(f"/proc cannot be hidden here: {done.stderr.strip()}")
    assert (done.returncode, done.stderr) == (0, "")
    rows = read_rows(only_spool(tmp_path), "cycles")
    assert [row["c"] for row in rows] == list(range(12))
    for row in rows:
        assert min(row["wall_ns"], row["cpu_ns"]) > 0
        assert (row["runq_ns"], row["offcpu_ns"], row["sampling_db_calls"]) == (None, None, 1)
    assert end_of(tmp_path)["status"] == "completed"
