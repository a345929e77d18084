"""run.py: compose and check every job, run them one after the other, publish each, sum up."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from conf import phases, summary
from conf.compose import GROUPS, ROOT, ConfigurationError, composer, leaves
from conf.hints import program, run_again
from conf.jobs import Identity, Job, composed_jobs, store_root
from conf.launching import Outcome, Pending, check_writable, pending, run_all
from conf.others import identity
from conf.sweep import Sweep, expand
from conf.words import in_shell
from store import open_catalog
from store.commandline import guarded, muted, note
from store.selection import Parser
from store.upkeep.maintenance import refresh

Row = Mapping[str, Any]

CONFIRM_ABOVE_S = 3600.0
WIDTH = 100
EXAMPLES = """examples, one for each use:
  a sweep from a configuration:
    {run} experiment=demo
    {run} -m experiment=smoke replicate=0,1,2 optimization=cached,lightweight
  ad hoc SQL over its runs:
    {store} sql "select optimization, avg(wall_s) from runs group by all"
  a comparison, for a script to act on:
    {stats} compare --a "optimization='cached'" --b "optimization='lightweight'" --fail-if "speedup<1" """


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, 1 if a run failed, 2 if the command is wrong, 130 after Ctrl-C."""
    words = list(sys.argv[1:] if argv is None else argv)
    helping = not {"-h", "--help"}.isdisjoint(words)
    return guarded(lambda: _main(_parser(_epilog() if helping else None).parse_intermixed_args(words)))


def _parser(epilog: str | None) -> Parser:
    parser = Parser(
        prog=program("run"),
        description="Run what an experiment declares, keep it in the store, and judge it.",
        epilog=epilog,
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="Hydra overrides of the configuration"
    )
    parser.add_argument(
        "-m", "--multirun", action="store_true", help="sweep over the lists among the overrides"
    )
    parser.add_argument(
        "--cfg", choices=["job"], help="print the resolved configuration of every job instead of running it"
    )
    return parser


def _epilog() -> str:
    # From the files themselves: to compose all of them takes over a second.
    files = {name: ROOT / "experiment" / f"{name}.yaml" for name in leaves("experiment")}
    questions = {name: yaml.safe_load(path.read_text("utf-8"))["question"] for name, path in files.items()}
    listed = [
        textwrap.fill(f"  {name:<20} {question}", WIDTH, subsequent_indent=" " * 23)
        for name, question in questions.items()
    ]
    groups = [
        textwrap.fill(f"  {group:<20} {', '.join(leaves(group))}", WIDTH, subsequent_indent=" " * 23)
        for group in GROUPS
        if group != "experiment"
    ]
    return "\n".join(
        [
            *("experiments (experiment=NAME):", *listed, ""),
            *("groups (GROUP=LEAF; mechanism, probe, hypothesis take lists, probe=[a,b]):", *groups, ""),
            EXAMPLES.format(**{name: program(name) for name in ("run", "store", "stats")}),
        ]
    )


def _main(arguments: argparse.Namespace) -> int:
    with composer():
        sweep = expand(arguments.overrides, multirun=arguments.multirun)
        jobs = composed_jobs(sweep.jobs)
    if arguments.cfg:
        sys.stdout.write("---\n".join(yaml.safe_dump(dict(job.config), sort_keys=False) for job in jobs))
        return 0
    if any(job.config["where"] for job in jobs):
        return _review(jobs)
    root = _one_store(jobs)
    check_writable(root)
    _announce(jobs, sweep)
    left, outcome = pending(jobs, root, resume=sweep.declared)
    _confirm(left, arguments.overrides, sweep, multirun=arguments.multirun)
    run_all(left, root, sweep, len(jobs), outcome)
    return _finish(root, jobs, outcome, sweep)


def _review(jobs: Sequence[Job]) -> int:
    """Judge recorded runs; start none."""
    if len(jobs) > 1:
        raise ConfigurationError(
            f"{jobs[0].experiment} judges recorded runs and starts none, so there is nothing to sweep; leave -m out"
        )
    note(f"{jobs[0].experiment}: {jobs[0].config['question'] or 'no question declared'}")
    phases.review(sys.stdout, jobs[0])
    return 0


def _one_store(jobs: Sequence[Job]) -> Path:
    roots = sorted({store_root(job) for job in jobs})
    if len(roots) > 1:
        raise ConfigurationError(
            f"store.root differs within the sweep ({roots[0]}, {roots[1]}); give one command each"
        )
    return roots[0]


def _announce(jobs: Sequence[Job], sweep: Sweep) -> None:
    if sweep.lead["parts"]:
        note(f"{sweep.lead['name']}: {sweep.lead['question']}")
    for name in dict.fromkeys(job.experiment for job in jobs):
        of = [job for job in jobs if job.experiment == name]
        note(f"{name}: {of[0].config['question'] or 'no question declared'}")
        for scaling in dict.fromkeys(job.config["scaling"] for job in of if job.config["scaling"]):
            note(f"  {' '.join(scaling.split())}")
        runs = f"{len(of)} run{'s' * (len(of) != 1)}"
        cycles = sum(job.total_cycles for job in of)
        least = sum(job.planned_s for job in of)
        alone = f"; declared sleeps, commits and samples alone take about {summary.duration(least)}"
        note(f"  {runs}, {cycles:,} cycles{alone if least else ''}")


def _confirm(left: Pending, given: Sequence[str], sweep: Sweep, *, multirun: bool) -> None:
    """Ask for a confirmation of what will take hours, with the command that takes minutes beside it."""
    planned = sum(job.planned_s for _, job in left)
    if planned <= CONFIRM_ABOVE_S or all(job.config["confirm"] for _, job in left):
        return
    longest = max((job for _, job in left), key=lambda job: job.planned_s)
    config = sweep.lead if sweep.lead["parts"] else longest.config
    kept = [word for word in given if not word.startswith("confirm=")]
    sweeping = ["-m"] if multirun else []
    scaled = " ".join([program("run"), *sweeping, *map(in_shell, [*kept, *config["scaled"]])])
    raise ConfigurationError(
        f"{config['name']} will take about {summary.duration(planned)}; "
        f"give confirm=true to run it, or scale it: {scaled}"
    )


def _finish(root: Path, jobs: Sequence[Job], outcome: Outcome, sweep: Sweep) -> int:
    """Sum up what is kept, name what failed, and return the exit code; runs broken off are not judged."""
    refresh(root, note=note)
    with open_catalog(root) as catalog:
        rows = catalog.runs(outcome.run_ids).to_pylist()
        try:
            if outcome.stopped:
                return _stopped(rows, jobs, outcome, sweep)
            again = run_again(jobs[0], "phase2")
            contrasts = list(phases.contrasts(catalog, outcome.run_ids, sweep.lead["comparisons"], again))
            summary.write(sys.stdout, catalog, outcome.run_ids, jobs, contrasts)
            sys.stdout.flush()
        except BrokenPipeError:  # the reader has seen enough; failures still count
            muted(0)
    return 1 if _failures(rows, jobs, outcome) else 0


def _stopped(rows: Sequence[Row], jobs: Sequence[Job], outcome: Outcome, sweep: Sweep) -> int:
    """Say what a signal left undone, and how to go on."""
    _failures(rows, jobs, outcome)
    whole = sum(row["status"] == "completed" for row in rows)
    started = len(outcome.run_ids) + len(outcome.lost)
    resumes = sweep.declared and all(job.config["resume"] for job in jobs)
    again = "the same command goes on with the rest" if resumes else "the same command begins anew"
    note(
        f"stopped: {whole} of {len(jobs)} run{'s' * (len(jobs) != 1)} completed, {started - whole} broken off, "
        f"{len(jobs) - started} not started; {again}"
    )
    return outcome.stopped


def _failures(rows: Sequence[Row], jobs: Sequence[Job], outcome: Outcome) -> list[str]:
    """Name each run that is not whole."""
    labels = {job.identity: job.label for job in jobs}
    failures = [_failure(row, labels) for row in rows if row["status"] != "completed"] + outcome.lost
    for failure in failures:
        note(failure)
    return failures


def _failure(row: Row, labels: Mapping[Identity, str]) -> str:
    return f"{row['run_id']} ({labels[identity(row)]}) {row['status']}: {row['error']}"
