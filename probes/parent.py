"""The parent's side of a run: write the job, start the measured process, watch its spool."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from probes import durable
from probes.segment import last_value, read_segment

POLL_S = 0.2
RECENT_S = 20.0
"""The rate shown is that of the last so many seconds: conditions differ in speed."""

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""A terminal that goes away (SIGHUP) asks the run to end as SIGTERM does."""


class Progress(NamedTuple):
    """How far a run is; the rate is 0 and what remains infinite until a cycle has ended."""

    cycle: int
    total: int
    rate_per_s: float
    remaining_s: float


def package_environment() -> dict[str, str]:
    """Return this process's environment with the package's root first on ``PYTHONPATH``."""
    root = str(Path(__file__).resolve().parent.parent)
    rest = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([root, rest] if rest else [root])}


def write_job(spool: Path, job: Mapping[str, Any]) -> None:
    """Write ``job.json`` into a new spool directory, on disk before anything runs."""
    text = json.dumps(job, allow_nan=False)  # first: what JSON cannot hold leaves no directory behind
    durable.named(spool)
    durable.make(spool)
    unfinished = spool / "job.json.new"
    with unfinished.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(spool / "job.json")
    durable.sync(spool)


def spawn(spool: Path) -> subprocess.Popen[bytes]:
    """Start the measured process of a spool: in a session of its own, so that it outlives its parent."""
    with (spool / "log").open("ab") as log, _held():
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "probes", "run", str((spool / "job.json").absolute())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=package_environment(),
            start_new_session=True,
        )


@contextmanager
def _held() -> Iterator[None]:
    """Have a child begin with the signals that end a run held back: without its handlers they would kill it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def watch(process: subprocess.Popen[bytes], spool: Path, on_progress: Callable[[Progress], None]) -> int:
    """Wait for the measured process and return its exit code, 128 + the signal if one was handed on or killed it.

    The first SIGINT or SIGTERM that arrives meanwhile is handed on to it, SIGHUP as SIGTERM; the second one kills it,
    but for SIGHUP: a terminal that goes away may send it twice.
    """
    meter = _Meter(spool)
    with _handing_on(process) as handed_on:
        while True:
            with suppress(subprocess.TimeoutExpired):
                process.wait(POLL_S)
            on_progress(meter.progress())
            if process.returncode is not None:
                break
    if handed_on:
        return 128 + handed_on[0]  # also of a run that had just ended: what follows it is to stop
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


@contextmanager
def _handing_on(process: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """Hand the first signal on to ``process``; yields it.  Other threads cannot have handlers."""
    handed_on: list[int] = []

    def hand_on(signum: int, _frame: FrameType | None) -> None:
        if not handed_on:
            handed_on.append(signal.SIGINT if signum == signal.SIGINT else signal.SIGTERM)
            process.send_signal(handed_on[0])
        elif signum in (signal.SIGINT, signal.SIGTERM):
            process.kill()

    before = {}
    if threading.current_thread() is threading.main_thread():
        # What nohup ignores stays ignored.
        before = {signum: signal.getsignal(signum) for signum in SIGNALS}
    handled = {signum: handler for signum, handler in before.items() if handler is not signal.SIG_IGN}
    try:
        for signum in handled:
            signal.signal(signum, hand_on)
        yield handed_on
    finally:
        for signum, handler in handled.items():
            signal.signal(signum, handler or signal.SIG_DFL)


class _Meter:
    """Reads how far the cycles have come: their last record knows."""

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        self._total = _total(spool)
        self._index = self._cycle = 0
        self._seen: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])

    def progress(self) -> Progress:
        """Return where the run is now."""
        # Published, and so removed, or not begun: what was seen last stands.
        with suppress(OSError, ValueError):
            self._cycle = self._cycles()
        now = time.monotonic()
        if self._cycle == 0:
            self._seen.clear()
        self._seen.append((now, self._cycle))
        while len(self._seen) > 2 and self._seen[1][0] < now - RECENT_S:
            self._seen.popleft()
        then, before = self._seen[0]
        rate = (self._cycle - before) / (now - then) if self._cycle > before and now > then else 0.0
        left = self._total - self._cycle
        return Progress(
            self._cycle, self._total, rate, left / rate if rate else float("inf") if left else 0.0
        )

    def _cycles(self) -> int:
        while self._path(self._index + 1).exists():
            self._index += 1
        last = last_value(read_segment(self._path(self._index)), "cycle")
        return self._cycle if last is None else last + 1

    def _path(self, index: int) -> Path:
        return self._spool / f"cycles-{index:06d}.spool"


def _total(spool: Path) -> int:
    with suppress(OSError, ValueError, LookupError, TypeError):
        job = json.loads((spool / "job.json").read_text(encoding="utf-8"))
        return sum(int(condition["cycles"]) for condition in job["conditions"])
    return 0
