"""Run the jobs of one command, one after the other, and publish each; one that fails does not stop the others."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from conf.jobs import Job, record
from conf.sweep import Sweep
from probes import environment, ownership, parent
from probes.identity import new_run_id
from store import adopt, open_catalog
from store.commandline import note, sentence
from store.maintenance import refresh

REPOSITORY = Path(__file__).resolve().parents[1]
STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)

Pending = Sequence[tuple[int, Job]]
"""Jobs that are to be run, each with its place in the sweep."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of the jobs of one command: the runs that are kept, those that could not be, and a signal."""

    run_ids: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    stopped: int = 0


def pending(jobs: Sequence[Job], root: Path, *, resume: bool) -> tuple[Pending, Outcome]:
    """Leave out what a sweep has completed before; a run of it that still goes on is waited for."""
    outcome = Outcome()
    if not root.exists():
        return list(enumerate(jobs)), outcome
    refresh(root, note=note)
    known = _known(root)
    left = []
    for index, job in enumerate(jobs):
        row = known.get(job.identity) if resume and job.config["resume"] else None
        if row is not None and (row["status"] == "completed" or _completes(root, job, row["run_id"])):
            outcome.run_ids.append(row["run_id"])
        else:
            left.append((index, job))
    if outcome.run_ids:
        skipped = f"{len(outcome.run_ids)} of {len(jobs)} runs are completed already and skipped"
        note(f"{skipped} (resume=false runs them again)")
    return left, outcome


def _known(root: Path) -> dict[tuple[str, str, int, int], dict[str, Any]]:
    """Return what is completed, and what runs where nothing is, by identity."""
    with open_catalog(root) as catalog:
        rows: list[dict[str, Any]] = catalog.runs().to_pylist()
    rows.sort(key=lambda row: row["status"] == "completed")
    return {
        (row["experiment"], row["config_id"], row["seed"], row["replicate"]): row
        for row in rows
        if row["status"] in ("completed", "running")
    }


def _completes(root: Path, job: Job, run_id: str) -> bool:
    """Wait for a run that somebody else started, and tell whether it completed."""
    note(f"{job.label} is running already as {run_id}; waiting for it")
    adopt(root / "spool" / run_id, wait=True)
    with open_catalog(root) as catalog:
        (row,) = catalog.runs([run_id]).to_pylist()
    return bool(row["status"] == "completed")


def run_all(left: Pending, root: Path, sweep: Sweep, of: int, outcome: Outcome) -> None:
    """Run each job and publish it; what cannot be kept is said in ``outcome.lost``.

    Raises
    ------
    OSError
        If the store cannot be written at all.
    """
    if not left:
        return
    (root / "spool").mkdir(parents=True, exist_ok=True)
    facts = environment.facts(REPOSITORY)
    sweep_id = new_run_id() if sweep.declared else None
    for index, job in left:
        run_id = new_run_id()
        spool = root / "spool" / run_id
        written = record(
            job,
            run_id=run_id,
            environment=facts,
            concurrent_runs=ownership.live(spool.parent),
            sweep_id=sweep_id,
            sweep_index=index if sweep.declared else None,
        )
        try:
            parent.write_job(spool, written)
            exit_code = _run_one(job, spool, f"run {index + 1}/{of}")
            outcome.run_ids.append(run_id)
        except OSError as error:
            outcome.lost.append(f"{run_id} ({job.label}): {_last_word(spool)}{sentence(error)}")
            continue
        if exit_code in STOPPED:
            outcome.stopped = exit_code
            return


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
