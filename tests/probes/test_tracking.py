import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import probes
from probes.tracking import Recording, track

UNPUBLISHED = """
import os, signal, sys, time, threading
from probes import track
from probes.tracking import Recording
Recording._publish = lambda self: None
def tracked(n=8, **more):
    return track(range(n), experiment="mine", store="data", **more)
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
    assert end_of(tmp_path)["observer"].keys() == {"memory", "garbage", "system"}


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


def test_a_second_loop_at_the_same_time_is_an_error(script, tmp_path):
    done = script(
        """
        for c in tracked():
            try:
                for d in tracked(): pass
            except RuntimeError as error: print(error)
        """
    )
    assert (
        done.stdout.splitlines()
        == ["this process is being recorded already; end the other recording first"] * 8
    )
    assert end_of(tmp_path)["status"] == "completed"


def test_a_spool_that_vanishes_is_noted_once_and_the_loop_goes_on(script):
    done = script(
        """
        import shutil
        seen = 0
        for c in tracked(2000):
            if c == 1000: shutil.rmtree("data")
            time.sleep(0.001)
            seen += 1
        print(seen)
        """
    )
    assert (done.returncode, done.stdout) == (0, "2000\n")
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
    assert len(read_rows(spool, "cycles")) == 64


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
    with pytest.raises(OSError, match="proc"):
        next(iter(track([1], experiment="mine", store="/proc/self/none")))


@pytest.mark.parametrize(("name", "value"), [("experiment", ""), ("condition", "")])
def test_a_name_must_name_something(name, value):
    with pytest.raises(ValueError, match=f"{name}='' names nothing"):
        track([1], **{"experiment": "mine", name: value})


def test_the_package_exports_track_alone():
    assert probes.track is track
    assert not hasattr(probes, "sampling")
    assert Recording.__module__ == "probes.tracking"
