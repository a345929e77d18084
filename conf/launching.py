"""Run the jobs of one command, one after the other, and publish each; one that fails does not stop the others."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from conf.compose import ConfigurationError
from conf.jobs import Job, record
from conf.others import Others, completes, yielded
from conf.sweep import Sweep
from probes import durable, environment, ownership, parent
from probes.identity import new_run_id
from store import adopt
from store.commandline import note, sentence
from store.upkeep.maintenance import refresh

REPOSITORY = Path(__file__).resolve().parents[1]
STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)

Pending = Sequence[tuple[int, Job]]
"""Jobs that are to be run, each with its place in the sweep."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of the jobs of one command: the runs that are kept, those that could not be, and a signal."""

    run_ids: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    stopped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    """What the runs of one command have in common."""

    root: Path
    environment: Mapping[str, Any]
    sweep_id: str | None
    jobs: int
    others: Others

    @property
    def resumes(self) -> bool:
        """Whether what is completed is left out: a plain single run is never skipped."""
        return self.sweep_id is not None


def check_writable(root: Path) -> None:
    """Refuse a store in which no run could be kept, before anything runs.

    Raises
    ------
    ConfigurationError
        If the first directory on its way that exists is a file, or may not be written to.
    """
    there = next(path for path in (root, *root.parents) if path.exists())
    if not there.is_dir():
        raise ConfigurationError(f"store.root={root} cannot be a store: {there} is a file; give a directory")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"store.root={root} cannot be written: {there} is read-only; give a directory that is not"
        )


def pending(jobs: Sequence[Job], root: Path, *, resume: bool) -> tuple[Pending, Outcome]:
    """Leave out what a sweep has completed before; a run of it that still goes on is waited for."""
    outcome = Outcome()
    if not root.exists():
        return list(enumerate(jobs)), outcome
    refresh(root, note=note)
    others = Others(root)
    left = []
    for index, job in enumerate(jobs):
        done = others.completed(job) if resume and job.config["resume"] else None
        if done is None:
            left.append((index, job))
        else:
            outcome.run_ids.append(done)
    if outcome.run_ids:
        skipped = f"{len(outcome.run_ids)} of {len(jobs)} runs are completed already and skipped"
        note(f"{skipped} (resume=false runs them again)")
    return left, outcome


def run_all(left: Pending, root: Path, sweep: Sweep, of: int, outcome: Outcome) -> None:
    """Run each job and publish it; what cannot be kept is said in ``outcome.lost``.

    Raises
    ------
    ConfigurationError
        If the store cannot be written at all.
    """
    if not left:
        return
    try:
        durable.make(root / "spool")
    except OSError as error:
        raise ConfigurationError(
            f"store.root={root} cannot be made ({sentence(error)}); give another directory"
        ) from error
    sweep_id = new_run_id() if sweep.declared else None
    others = Others(root)
    series = _Series(
        root=root, environment=environment.facts(REPOSITORY), sweep_id=sweep_id, jobs=of, others=others
    )
    for index, job in left:
        done = others.completed(job) if series.resumes and job.config["resume"] else None
        if done is not None:
            note(f"{job.label} was completed meanwhile as {done}; skipped")
            outcome.run_ids.append(done)
            continue
        outcome.stopped = _launch(job, index, series, outcome)
        if outcome.stopped:
            return


def _launch(job: Job, index: int, series: _Series, outcome: Outcome, waited: Sequence[str] = ()) -> int:
    """Run one job and keep it; return 0, or the exit code of a signal that stops the sweep.

    ``waited`` are runs of the same identity that did not complete it.
    """
    spool = series.root / "spool" / new_run_id()
    try:
        parent.write_job(spool, _record(job, index, spool, series))
        resumes = series.resumes and job.config["resume"]
        rival = yielded(spool, job, series.others, but=waited) if resumes else None
        if rival is not None:
            if completes(series.root, job, rival):
                outcome.run_ids.append(rival)
                return 0
            return _launch(job, index, series, outcome, (*waited, rival))
        exit_code = _run_one(job, spool, f"run {index + 1}/{series.jobs}")
        outcome.run_ids.append(spool.name)
    except OSError as error:
        outcome.lost.append(f"{spool.name} ({job.label}): {_last_word(spool)}{_refusal(error, series.root)}")
        if not (spool / "job.json").exists():
            shutil.rmtree(spool, ignore_errors=True)
        return 0
    return exit_code if exit_code in STOPPED else 0


def _record(job: Job, index: int, spool: Path, series: _Series) -> dict[str, Any]:
    return record(
        job,
        run_id=spool.name,
        environment=series.environment,
        concurrent_runs=ownership.live(spool.parent),
        sweep_id=series.sweep_id,
        sweep_index=index if series.sweep_id else None,
    )


def _refusal(error: OSError, root: Path) -> str:
    if error.errno not in DISK:
        return sentence(error)
    return f"{root} cannot hold the run ({error.strerror}); make room there or give another store.root"


def _last_word(spool: Path) -> str:
    """Return why a run that could not be published ended, if it says so."""
    try:
        error = json.loads((spool / "end.json").read_text(encoding="utf-8"))["error"]
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    return f"{error}; " if error else ""


def _run_one(job: Job, spool: Path, title: str) -> int:
    with tqdm(
        total=job.total_cycles,
        desc=f"{title} {job.label}",
        unit=" cycles",
        disable=not job.config["progress"],
        file=sys.stderr,
        mininterval=0.2 if sys.stderr.isatty() else 10.0,
        dynamic_ncols=True,
    ) as bar:

        def advance(progress: parent.Progress) -> None:
            bar.update(progress.cycle - bar.n)

        exit_code = parent.watch(parent.spawn(spool), spool, advance)
    adopt(spool, wait=True, own=True)
    return exit_code
