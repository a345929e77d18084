"""run.py: compose and check every job, run them one after the other, publish each, sum up."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import yaml
from tqdm import tqdm

from conf import phases, summary
from conf.compose import ConfigurationError, compose_one, composer, leaves
from conf.jobs import Job, composed_jobs, record, store_root, thresholds
from conf.sweep import Sweep, expand
from probes import environment, ownership, parent
from probes.identity import new_run_id
from store import adopt, open_catalog
from store.maintenance import refresh

CONFIRM_ABOVE_S = 3600.0
REPOSITORY = Path(__file__).resolve().parents[1]
STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of the jobs of one command."""

    run_ids: list[str]
    skipped: int = 0
    stopped: int = 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, 1 if a run failed, 2 if the command is wrong, 130 after Ctrl-C."""
    try:
        words = list(sys.argv[1:] if argv is None else argv)
        helping = not {"-h", "--help"}.isdisjoint(words)
        return _main(_parser(_epilog() if helping else None).parse_intermixed_args(words))
    except (ValueError, OSError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        sys.stderr.write(f"run.py: {lines[0]}\n")
        return 2
    except SystemExit as ended:  # argparse's --help and errors
        return ended.code if isinstance(ended.code, int) else 2
    except KeyboardInterrupt:
        return 130


def _parser(epilog: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run.py",
        description="Run what an experiment declares, keep it in the store, and judge it.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
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
    lines = ["experiments (experiment=NAME):"]
    with composer():
        for name in leaves("experiment"):
            question = compose_one([f"experiment={name}"]).config["question"]
            lines.append(f"  {name:<20} {question}")
    groups = [
        f"  {group:<12} {', '.join(leaves(group))}"
        for group in ("workload", "optimization", "mechanism", "probe")
    ]
    examples = [
        "examples:",
        "  python run.py experiment=demo",
        "  python run.py -m experiment=smoke replicate=0,1,2 optimization=cached,lightweight",
    ]
    return "\n".join([*lines, "groups (GROUP=LEAF, probe=[a,b]):", *groups, *examples])


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
    _announce(jobs, sweep)
    pending, outcome = _pending(jobs, root, resume=sweep.declared)
    _confirm(pending, arguments.overrides, sweep)
    _run_all(pending, root, sweep, len(jobs), outcome)
    return _finish(root, jobs, outcome, sweep)


def _review(jobs: Sequence[Job]) -> int:
    """Judge recorded runs; start none."""
    if len(jobs) > 1:
        raise ConfigurationError(
            f"{jobs[0].experiment} judges recorded runs and starts none, so there is nothing to sweep; leave -m out"
        )
    _say(f"{jobs[0].experiment}: {jobs[0].config['question'] or 'no question declared'}")
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
        _say(f"{sweep.lead['name']}: {sweep.lead['question']}")
    for name in dict.fromkeys(job.experiment for job in jobs):
        of = [job for job in jobs if job.experiment == name]
        _say(f"{name}: {of[0].config['question'] or 'no question declared'}")
        if of[0].config["scaling"]:
            _say(f"  {' '.join(of[0].config['scaling'].split())}")
        runs = f"{len(of)} run{'s' * (len(of) != 1)}"
        cycles = sum(job.total_cycles for job in of)
        least = summary.duration(sum(job.planned_s for job in of))
        _say(f"  {runs}, {cycles:,} cycles; declared sleeps and commits alone take about {least}")


def _pending(jobs: Sequence[Job], root: Path, *, resume: bool) -> tuple[list[tuple[int, Job]], Outcome]:
    """Leave out what a sweep has completed before; a run of it that still goes on is waited for."""
    outcome = Outcome(run_ids=[])
    if not root.exists():
        return list(enumerate(jobs)), outcome
    refresh(root)
    known: dict[tuple[str, str, int, int], dict[str, Any]] = {}
    for row in _kept(root):
        if row["status"] in ("completed", "running"):
            known[row["experiment"], row["config_id"], row["seed"], row["replicate"]] = row
    pending = []
    for index, job in enumerate(jobs):
        found = known.get(job.identity) if resume and job.config["resume"] else None
        if found is None:
            pending.append((index, job))
            continue
        outcome.run_ids.append(found["run_id"])
        outcome.skipped += found["status"] == "completed"
        if found["status"] == "running":
            _say(f"{job.label} is running already as {found['run_id']}; waiting for it")
            adopt(root / "spool" / found["run_id"], wait=True)
    if outcome.skipped:
        _say(
            f"{outcome.skipped} of {len(jobs)} runs are completed already and skipped (resume=false runs them again)"
        )
    return pending, outcome


def _kept(root: Path) -> list[dict[str, Any]]:
    with open_catalog(root) as catalog:
        rows: list[dict[str, Any]] = catalog.runs().to_pylist()
    return rows


def _confirm(pending: Sequence[tuple[int, Job]], given: Sequence[str], sweep: Sweep) -> None:
    """Ask for a confirmation of what will take hours, with the command that takes minutes beside it."""
    planned = sum(job.planned_s for _, job in pending)
    if planned <= CONFIRM_ABOVE_S or all(job.config["confirm"] for _, job in pending):
        return
    longest = max((job for _, job in pending), key=lambda job: job.planned_s)
    config = sweep.lead if sweep.lead["parts"] else longest.config
    kept = [word for word in given if not word.startswith("confirm=")]
    scaled = shlex.join(["python", "run.py", *kept, *config["scaled"]])
    raise ConfigurationError(
        f"{config['name']} will take about {summary.duration(planned)}; "
        f"give confirm=true to run it, or scale it: {scaled}"
    )


def _run_all(pending: Sequence[tuple[int, Job]], root: Path, sweep: Sweep, of: int, outcome: Outcome) -> None:
    if not pending:
        return
    (root / "spool").mkdir(parents=True, exist_ok=True)
    facts = environment.facts(REPOSITORY)
    sweep_id = new_run_id() if sweep.declared else None
    for index, job in pending:
        run_id = new_run_id()
        spool = root / "spool" / run_id
        living = ownership.live(root / "spool")
        spool.mkdir()
        written = record(
            job,
            run_id=run_id,
            environment=facts,
            concurrent_runs=living,
            sweep_id=sweep_id,
            sweep_index=index if sweep.declared else None,
        )
        parent.write_job(spool, written)
        exit_code = _run_one(job, spool, f"run {index + 1}/{of}")
        outcome.run_ids.append(run_id)
        if exit_code in STOPPED:
            outcome.stopped = exit_code
            return


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


def _finish(root: Path, jobs: Sequence[Job], outcome: Outcome, sweep: Sweep) -> int:
    refresh(root)
    declared = {job.experiment: thresholds(job) for job in jobs}
    with open_catalog(root) as catalog:
        contrasts = list(phases.contrasts(catalog, outcome.run_ids, sweep.lead["comparisons"]))
        summary.write(sys.stdout, catalog, outcome.run_ids, declared, contrasts)
        rows = catalog.runs(outcome.run_ids).to_pylist()
    if outcome.stopped:
        return outcome.stopped
    failures = [row for row in rows if row["status"] != "completed"]
    for row in failures:
        _say(
            f"{row['run_id']} ({row['experiment']} {row['optimization']} replicate {row['replicate']}) "
            f"{row['status']}: {row['error']}"
        )
    return 1 if failures else 0


def _say(text: str, file: TextIO | None = None) -> None:
    (file or sys.stderr).write(f"{text}\n")
