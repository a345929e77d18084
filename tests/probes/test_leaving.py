import signal

import pytest

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
    "a wrong observable": (
        "failed",
        0,
        "a=",
        """
        loop = tracked()
        for c in loop: loop.observe(a="x")
        """,
    ),
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
        later = threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT))
        try:
            for c in tracked(10**9):
                if c == 0: later.start()
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


@pytest.mark.parametrize(("status", "cycles", "word", "text"), WAYS.values(), ids=WAYS)
def test_the_way_a_loop_is_left_is_the_runs_status(
    script, tmp_path, read_rows, status, cycles, word, text, only_spool, end_of
):
    done = script(text)
    end = end_of(tmp_path)
    assert (end["status"], "ignored" in done.stderr) == (status, False), (end["error"], done.stderr)
    rows = read_rows(only_spool(tmp_path), "cycles")
    assert [row["cycle"] for row in rows] == list(range(len(rows) if cycles is None else cycles))
    if word is None:
        assert status == "failed" or end["error"] is None
    else:
        assert word in end["error"]


def test_sigterm_kills_as_ever_and_leaves_the_rows(script, tmp_path, read_rows, only_spool):
    done = script("for c in tracked():\n    if c == 3: os.kill(os.getpid(), signal.SIGTERM)")
    assert done.returncode == -signal.SIGTERM
    assert not (only_spool(tmp_path) / "end.json").exists()
    assert len(read_rows(only_spool(tmp_path), "cycles")) == 3


# Presses Ctrl-C itself, once it is waited for: a terminal's goes to the whole group of the loop.
PUBLISHER = """
import os, shutil, signal, sys, time
while not os.path.exists("waiting"):
    time.sleep(0.01)
os.killpg(os.getpgid(os.getppid()), signal.SIGINT)
time.sleep(0.2)
shutil.rmtree(sys.argv[5])
"""
INTERRUPTED = f"""
from probes import parent
with open("publisher.py", "w") as file:
    file.write({PUBLISHER!r})
with open("publisher", "w") as file:  # a first line names no interpreter whose path has a space
    file.write("#!/bin/sh\\nexec '" + sys.executable + "' -S publisher.py \\"$@\\"\\n")
os.chmod("publisher", 0o755)
sys.executable = os.path.abspath("publisher")
os.setpgrp()
class Popen(parent.subprocess.Popen):
    def wait(self, timeout=None):
        if "adopt" in self.args:
            open("waiting", "w").close()
        return super().wait(timeout)
parent.subprocess.Popen = Popen
"""


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    for c in tracked(): pass\n    print('went on')",
        "try:\n    for c in tracked(): break\n    time.sleep(300)\n    print('went on')",
        "try:\n    with session() as rec: rec.cycle()\n    print('went on')",
    ],
    ids=["end", "break", "block"],
)
def test_an_interrupt_while_the_run_is_published_comes_after_that(script, tmp_path, text, preamble):
    before = preamble.replace("Recording._publish = lambda self: None", INTERRUPTED)
    done = script(text + "\nexcept KeyboardInterrupt: print('interrupted')", before=before)
    assert done.stdout == "interrupted\n", done.stderr
    assert done.stderr == "driftlab: interrupted; the run is published first\n"
    assert not list((tmp_path / "data" / "spool").iterdir())


def test_no_signal_handler_is_installed(script):
    done = script(
        """
        before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
        for c in tracked(): assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before
        """
    )
    assert (done.returncode, done.stderr) == (0, "")
