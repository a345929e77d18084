"""Processes that publish into one store at once, beside others that read it: errors, rows lost, halves seen."""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.document import Goal, Measured, counted
from benchmarks.stores import rows
from probes.identity import new_run_id
from store import open_catalog
from store.publishing import publish
from store.upkeep import maintenance
from store.upkeep.damage import verify

NONE: Final = Goal("<=", 0)
CYCLES: Final = 200
EACH: Final = """
-- one row per run: its cycles as published, and as read
select runs.n_cycles as published, count(cycles.cycle) as read
from runs left join cycles using (run_id)
group by runs.run_id, runs.n_cycles
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many processes do what, and for how long."""

    writers: int = 8
    readers: int = 2
    for_s: float


class Told(NamedTuple):
    """What one process did: runs published or questions asked, errors, and runs seen in part."""

    done: int
    errors: list[str]
    halves: int


QUICK: Final = Plan(for_s=5)
FULL: Final = Plan(for_s=30)


def measure(*, quick: bool, seed: int) -> Measured:
    """Measure everything."""
    return carried_out(QUICK if quick else FULL, seed=seed)


def carried_out(plan: Plan, *, seed: int) -> Measured:
    """Measure what the plan holds."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="concurrency-") as place:
        root = Path(place) / "store"
        root.mkdir()
        with context.Pool(plan.writers + plan.readers) as pool:
            writing = [pool.apply_async(write, (root, plan.for_s, seed + k)) for k in range(plan.writers)]
            reading = [pool.apply_async(read, (root, plan.for_s)) for _ in range(plan.readers)]
            writers, readers = [told.get() for told in writing], [told.get() for told in reading]
        maintenance.refresh(root)
        published = sum(told.done for told in writers)
        with open_catalog(root) as catalog:
            held = catalog.query("select count(*) as n from cycles")[0]["n"]
        damaged = len(verify(root))
    errors = [error for told in (*writers, *readers) for error in told.errors]
    for error in errors[:5]:
        sys.stderr.write(f"concurrency: {error}\n")
    asked = sum(told.done for told in readers)
    who = f"{plan.writers} writers, {plan.readers} readers"
    of = f"{published} runs of {CYCLES} cycles published and {asked} questions asked in {plan.for_s:g} s"
    return Measured(
        [
            counted("errors", who, len(errors), of=of, goal=NONE),
            counted("rows_lost", who, published * CYCLES - held, of=of, goal=NONE),
            counted("runs_seen_in_part", who, sum(told.halves for told in readers), of=of, goal=NONE),
            counted("damaged_files", who, damaged, of=of, goal=NONE),
        ],
        [],
    )


def write(root: Path, for_s: float, seed: int) -> Told:
    """Publish one run after another, and bring the caches up to date after every fourth."""
    until_s, done = time.monotonic() + for_s, 0
    errors: list[str] = []
    tables = rows(CYCLES, seed)
    while time.monotonic() < until_s:
        run_id = new_run_id()
        record = {
            "run_id": run_id,
            "experiment": "busy",
            "status": "completed",
            "n_cycles": CYCLES,
            "seed": done,
        }
        try:
            publish(root, {**record, "conditions": []}, tables, staging=root / "spool" / f"{run_id}.new")
            done += 1
            if done % 4 == 0:
                maintenance.refresh(root, note=errors.append)
        except Exception as error:
            errors.append(repr(error))
    return Told(done, errors, 0)


def read(root: Path, for_s: float) -> Told:
    """Ask of every run whether it is whole, over and over."""
    until_s, done, halves = time.monotonic() + for_s, 0, 0
    errors: list[str] = []
    while time.monotonic() < until_s:
        try:
            with open_catalog(root) as catalog, catalog.sql(EACH) as found:
                halves += sum(row["published"] != row["read"] for batch in found for row in batch.to_pylist())
            errors += catalog.problems
            done += 1
        except Exception as error:
            errors.append(repr(error))
    return Told(done, errors, halves)
