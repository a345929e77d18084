"""Rows of twelve metrics, logged one cycle at a time: a tool in a process of its own.

``python -m benchmarks.peers.trackers TOOL DIRECTORY CYCLES`` logs so many cycles and prints how long a call took;
with 0 cycles it logs until it is killed, and counts in ``DIRECTORY.count`` the calls that have returned.  ``--read``
prints how many whole cycles the tool finds in the directory.  Standard library and the tool only.
"""

from __future__ import annotations

import argparse
import json
import logging
import mmap
import os
import random
import struct
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle as forever
from pathlib import Path
from typing import Any, Final

COLUMNS: Final = (
    *("t_ns", "wall_ns", "cpu_ns", "runq_ns", "offcpu_ns", "gc_ns", "sampling_ns"),
    *("sampling_calls", "minor_faults", "population", "visits", "energy"),
)
ROWS: Final = 12_000
EXPERIMENT: Final = "ingest"
_COUNT: Final = struct.Struct("=q")

Row = Sequence[float]
Log = Callable[[int, Row], object]
Loop = Callable[[Log], float]


def rows(count: int = ROWS) -> list[tuple[float, ...]]:
    """Return what a simulation of cycles of a few milliseconds would log: the same rows for every tool."""
    draw, t_ns, energy = random.Random(0), 0, 100.0  # noqa: S311 (no secret)
    made: list[tuple[float, ...]] = []
    for _ in range(count):
        cpu, runq = int(draw.lognormvariate(15, 0.05)), int(draw.expovariate(1 / 20_000))
        offcpu, gc = int(draw.gauss(1_000, 200)), int(draw.expovariate(1 / 5_000))
        wall, energy = cpu + runq + offcpu, energy + draw.gauss(0, 1)
        t_ns += wall
        calls, faults, population = draw.randint(0, 100), draw.randint(0, 3), draw.randint(10, 20)
        made.append(
            (
                t_ns,
                wall,
                cpu,
                runq,
                offcpu,
                gc,
                2000 * calls,
                calls,
                faults,
                population,
                2 * population,
                energy,
            )
        )
    return made


def sacred(directory: Path, loop: Loop) -> float:
    """Log scalars to a file storage, which is written at each heart-beat."""
    from sacred import Experiment
    from sacred.observers import FileStorageObserver

    experiment = Experiment(EXPERIMENT, save_git_info=False)
    experiment.observers.append(FileStorageObserver(directory))

    @experiment.main  # type: ignore[untyped-decorator, unused-ignore]
    def ingest(_run: Any) -> float:
        return loop(lambda step, row: _each(row, lambda name, value: _run.log_scalar(name, value, step)))

    return float(experiment.run(options={"--loglevel": "ERROR"}).result)


def aim(directory: Path, loop: Loop) -> float:
    """Track each metric of a run in a local repository."""
    from aim import Run

    directory.mkdir(parents=True)
    run = Run(repo=str(directory), experiment=EXPERIMENT, system_tracking_interval=None)
    spent = loop(lambda step, row: _each(row, lambda name, value: run.track(value, name=name, step=step)))
    run.close()
    return spent


def mlflow(directory: Path, loop: Loop) -> float:
    """Log metrics to a local file store, at once."""
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    import mlflow as tool

    tool.set_tracking_uri(directory.absolute().as_uri())
    tool.set_experiment(EXPERIMENT)
    with tool.start_run():
        return loop(lambda step, row: tool.log_metrics(dict(zip(COLUMNS, row, strict=True)), step=step))


def dvclive(directory: Path, loop: Loop) -> float:
    """Log metrics to one TSV each."""
    from dvclive import Live

    with Live(str(directory), save_dvc_exp=False, dvcyaml=None, report=None) as live:

        def log(step: int, row: Row) -> None:
            live.step = step
            _each(row, live.log_metric)
            live.next_step()

        return loop(log)


def tensorboard(directory: Path, loop: Loop) -> float:
    """Write a scalar event for each metric."""
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(directory)) as writer:
        return loop(lambda step, row: _each(row, lambda name, value: writer.add_scalar(name, value, step)))


def _each(row: Row, log: Callable[[str, float], object]) -> None:
    for name, value in zip(COLUMNS, row, strict=True):
        log(name, value)


def read_sacred(directory: Path) -> int:
    """Count steps in ``metrics.json``."""
    found = [json.loads(path.read_text()) for path in directory.glob("*/metrics.json")]
    return min(
        (len(metrics.get(name, {}).get("steps", ())) for metrics in found for name in COLUMNS), default=0
    )


def read_aim(directory: Path) -> int:
    """Count steps after the index has been brought up to date."""
    from aim import Repo
    from aim.sdk.index_manager import RepoIndexManager

    repo = Repo(str(directory))
    for run in repo.list_all_runs():
        RepoIndexManager.get_index_manager(repo).index(run)
    counted = [len(metric.values.sparse_list()[1]) for run in repo.iter_runs() for metric in run.metrics()]
    return min(counted, default=0) if len(counted) == len(COLUMNS) else 0


def read_mlflow(directory: Path) -> int:
    """Count lines that hold a whole reading."""
    return _lines(directory.glob("*/*/metrics/*"))


def read_dvclive(directory: Path) -> int:
    """Count lines below the header."""
    return _lines(directory.glob("plots/metrics/*.tsv")) - 1


def read_tensorboard(directory: Path) -> int:
    """Count the events that the reader gives out."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    counts = dict.fromkeys(COLUMNS, 0)
    for path in directory.glob("events.*"):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                counts[value.tag] += 1
    return min(counts.values())


def _lines(paths: Iterator[Path]) -> int:
    counted = [path.read_bytes().count(b"\n") for path in paths]
    return min(counted) if len(counted) == len(COLUMNS) else 0


Tool = tuple[Callable[[Path, Loop], float], Callable[[Path], int]]
TOOLS: Final[dict[str, Tool]] = {
    "sacred": (sacred, read_sacred),
    "aim": (aim, read_aim),
    "mlflow": (mlflow, read_mlflow),
    "dvclive": (dvclive, read_dvclive),
    "tensorboard": (tensorboard, read_tensorboard),
}


def timed(cycles: int) -> Loop:
    """Return a loop of so many cycles and the microseconds that one took, opening and closing left out."""
    data = rows(cycles)

    def loop(log: Log) -> float:
        began_ns = time.perf_counter_ns()
        for step, row in enumerate(data):
            log(step, row)
        return (time.perf_counter_ns() - began_ns) / cycles / 1000

    return loop


def endless(counter: Path) -> Loop:
    """Return a loop that waits to be killed, and counts in a mapped file the calls that have returned."""
    data = rows()
    counter.write_bytes(_COUNT.pack(0))

    def loop(log: Log) -> float:
        # One store of eight bytes: pack_into clears them first, and a kill in between would leave 0.
        with (
            counter.open("r+b") as file,
            mmap.mmap(file.fileno(), _COUNT.size) as count,
            memoryview(count).cast("q") as returned,
        ):
            for step, row in enumerate(forever(data)):
                log(step, row)
                returned[0] = step + 1
        return 0.0

    return loop


def main(tools: dict[str, Tool]) -> int:
    """Do what the command line says with one of ``tools``."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    parser = argparse.ArgumentParser()
    parser.add_argument("tool", choices=tools)
    parser.add_argument("directory", type=Path)
    parser.add_argument("cycles", type=int, nargs="?", default=0)
    parser.add_argument("--read", action="store_true")
    asked = parser.parse_args()
    write, read = tools[asked.tool]
    if asked.read:
        answer: float = read(asked.directory)
    else:
        loop = timed(asked.cycles) if asked.cycles else endless(asked.directory.with_suffix(".count"))
        answer = write(asked.directory, loop)
    sys.stdout.write(f"\n{json.dumps(answer)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(TOOLS))
