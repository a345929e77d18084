"""The measured process: build the workload and the probes, loop over the cycles, end well.

Only the standard library, psutil and the workload are imported here: with the analysis stack the heap would be
fifteen times larger, and the probes ten times slower.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from probes import build
from probes.environment import without_names
from probes.meters import Meters
from probes.observing import Observed
from probes.protocols import Condition, Scene, Workload
from probes.reading import TooDear
from probes.recording import Recorder
from probes.room import SpoolLost
from probes.running import Running, Status, write_note

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """A signal asked this process to end.  No ``Exception``: a workload must not swallow it."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum


class Stopper:
    """Ends the cycle, and a sleep in it, at the first signal; the second one is ignored."""

    def __init__(self) -> None:
        self.stopped: Stopped | None = None

    def install(self) -> None:
        """Take over SIGINT and SIGTERM."""
        for signum in SIGNALS:
            signal.signal(signum, self._stop)
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # the parent holds them back until now

    def ignore(self) -> None:
        """Let nothing disturb the clean-up."""
        for signum in SIGNALS:
            signal.signal(signum, signal.SIG_IGN)

    def check(self) -> None:
        """Stop at the latest here: what is raised in a destructor or a gc callback gets lost."""
        if self.stopped is not None:
            raise self.stopped

    def _stop(self, signum: int, _frame: FrameType | None) -> None:
        self.ignore()
        self.stopped = Stopped(signum)
        raise self.stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What of ``job.json`` this process needs; the rest is for publishing."""

    conditions: Sequence[Condition]
    workload: Mapping[str, Any]
    probes: Mapping[str, Mapping[str, Any]]
    seed: int
    budget: str
    private: bool = False

    @property
    def cycles(self) -> int:
        """Cycles of all conditions."""
        return sum(condition.cycles for condition in self.conditions)


class Outcome(NamedTuple):
    """How the run ended, for ``end.json`` and for the parent."""

    status: Status
    error: str | None
    exit_code: int


def load(path: Path) -> Job:
    """Read a job.

    Raises
    ------
    ValueError
        If the file is missing, is no JSON or lacks an entry; one sentence that names it.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != 1:
            raise ValueError(f"format={document['format']}, this version runs 1")
        return Job(
            conditions=[Condition(**condition) for condition in document["conditions"]],
            workload=document["build"]["workload"],
            probes=document["build"]["probe"],
            seed=document["seed"] or 0,
            budget=document.get("probe_budget", "lower"),
            private=document.get("private", False),
        )
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); give the job.json of a spool") from error
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is no job ({error}); let run.py write it") from error
    except LookupError as error:
        raise ValueError(f"{path} is no job: it lacks {error}; let run.py write it") from error


def run(job_path: Path) -> int:
    """Execute the job whose spool is the directory of ``job_path``; return the exit code.

    0 completed, 1 failed, 130 or 143 stopped by SIGINT or SIGTERM.

    Raises
    ------
    ValueError
        If the job cannot be read.
    OSError
        If the spool cannot be claimed.
    """
    job = load(job_path)
    running = Running(job_path.parent)
    scratch = running.spool / "scratch"
    outcome = _outcome(job, running, scratch)
    if running.owned:
        with suppress(OSError):  # adopting removes what is left
            _remove(scratch)
    running.end(outcome.status, without_names(outcome.error) if job.private else outcome.error)
    return outcome.exit_code


def _outcome(job: Job, running: Running, scratch: Path) -> Outcome:
    stopper = Stopper()
    try:
        stopper.install()
        try:
            _measure(job, running, scratch, stopper)
        finally:
            stopper.ignore()
    except Stopped as stopped:
        return Outcome("interrupted", str(stopped), 128 + stopped.signum)
    except (SpoolLost, TooDear) as error:
        write_note(str(error))
        return Outcome("failed", str(error), 1)
    except BaseException as error:  # SystemExit of a workload too: the run has not done what it declared
        _trace()
        return Outcome("failed", f"{type(error).__name__}: {error}", 1)
    return Outcome("completed", None, 0)


def _measure(job: Job, running: Running, scratch: Path, stopper: Stopper) -> None:
    workload = build.workload(job.workload)
    scratch.mkdir()
    with Meters() as meters:
        probes = build.probes(job.probes, meters)
        recorder = Recorder(
            running,
            meters=meters,
            observables=workload.observables,
            probes=probes,
            cycles=job.cycles,
            budget=job.budget,
        )
        with recorder:
            try:
                observed = Observed(recorder, meters, fixed=tuple(workload.observables))
                for condition in job.conditions:
                    scene = Scene(job.seed, scratch, meters, observed.observe)
                    _condition(workload, condition, scene, observed, stopper)
            finally:
                stopper.ignore()


def _condition(
    workload: Workload, condition: Condition, scene: Scene, observed: Observed, stopper: Stopper
) -> None:
    simulation = workload.start(condition, scene)
    try:
        observed.recorder.begin(condition.position)
        for cycle in range(condition.cycles):
            observed.end_cycle(simulation.step(cycle))
            stopper.check()
        observed.recorder.end_condition()
    finally:
        simulation.close()


def _trace() -> None:
    try:
        traceback.print_exc()
        sys.stderr.flush()
    except OSError:
        return  # the log stands on the disk that is full


def _remove(directory: Path) -> None:
    for root, directories, files in os.walk(directory, topdown=False):
        for name in files:
            (Path(root) / name).unlink(missing_ok=True)
        for name in directories:
            path = Path(root) / name
            path.unlink() if path.is_symlink() else path.rmdir()
    if directory.is_dir():
        directory.rmdir()
