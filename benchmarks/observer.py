"""What observing a cycle costs: the accounts, the spool and the probes on top of a bare loop, and beside psutil.

CPU time of a pinned process, in blocks that alternate.  Empty cycles show what an observer takes with warm caches;
those that sleep for a length, what it takes more than a bare cycle, as a share of the bare cycle's wall time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.document import ROOT, Goal, Measured, Result, Skipped, compared, valued
from benchmarks.measuring import interleaved
from benchmarks.peers.observed import VARIANTS
from benchmarks.tools import TRACKERS, absent, asked

FULL_OVER_CLOCKS: Final = 1.5
LIGHT_OVER_CLOCKS: Final = 0.9
PROBES_SHARE: Final = 0.005
GOALS: Final = {"spool": FULL_OVER_CLOCKS, "light": LIGHT_OVER_CLOCKS}


class Length(NamedTuple):
    """Cycles of a length, and how many of them a block has."""

    name: str
    sleep_s: float
    cycles: int


EMPTY: Final = Length("empty", 0, 20_000)
LENGTHS: Final = (Length("0.1ms", 1e-4, 4_000), Length("1ms", 1e-3, 1_000), Length("10ms", 1e-2, 100))
OBSERVED: Final = ("bare", "spool", "light", "probes", "psutil")


class Cost(NamedTuple):
    """CPU and wall time of one cycle [ns]."""

    cpu: float
    wall: float


def measure(*, quick: bool, seed: int) -> Measured:
    """Measure everything that can be measured here."""
    if not hasattr(os, "sched_setaffinity"):
        return Measured(
            [], [Skipped("observer", "this system cannot pin a process to a CPU; run it on Linux")]
        )
    rounds = 4 if quick else 25
    with tempfile.TemporaryDirectory(prefix="observer-") as scratch:
        results = [*_costs(_blocks(EMPTY, sorted(VARIANTS), Path(scratch), rounds, seed), seed)]
        for length in LENGTHS[-1:] if quick else LENGTHS:
            results += _shares(length, _blocks(length, OBSERVED, Path(scratch), rounds, seed), seed)
        trackers, missing = _trackers(Path(scratch), quick=quick)
    results += trackers
    left = [Skipped(f"share_*_{length.name}", "leave out --quick") for length in LENGTHS[:-1] if quick]
    return Measured(results, [*left, *missing])


def _costs(found: Mapping[str, Sequence[Cost]], seed: int) -> Iterator[Result]:
    """Yield what the observers take alone."""
    own = {name: _own_ns(costs, found["bare"]) for name, costs in found.items() if name != "bare"}
    for name, limit in GOALS.items():
        yield compared(
            f"{name}_over_clocks",
            (name, own[name]),
            ("clocks", own["clocks"]),
            unit="ns/cycle",
            goal=Goal("<=", limit),
            seed=seed,
        )
    for name, values in own.items():
        said = str(VARIANTS[name].__doc__ or "the recorder of track()").splitlines()[0]
        yield valued(f"cost_{name}", (name, values), unit="ns/cycle", reason=said, seed=seed)


def _shares(length: Length, found: Mapping[str, Sequence[Cost]], seed: int) -> Iterator[Result]:
    for name in OBSERVED[1:]:
        own_ns = _own_ns(found[name], found["bare"])
        yield valued(
            f"cost_{name}_{length.name}",
            (name, own_ns),
            unit="ns/cycle",
            reason=f"more than bare cycles of {length.name}",
            seed=seed,
        )
        yield valued(
            f"share_{name}_{length.name}",
            (name, [cost / bare.wall for cost, bare in zip(own_ns, found["bare"], strict=True)]),
            unit="share of wall",
            reason=f"CPU time more than bare cycles of {length.name}, over their wall time",
            goal=Goal("<=", PROBES_SHARE) if (name, length.name) == ("probes", "10ms") else None,
            seed=seed,
        )


def _trackers(scratch: Path, *, quick: bool) -> tuple[list[Result], list[Skipped]]:
    """Return what logging twelve values a cycle takes with the tools that are made for it; ``ingest`` has more."""
    results, missing = [], []
    for tool in TRACKERS:
        why = absent(tool)
        if why is not None:
            missing.append(Skipped(f"cost_{tool.name}", why))
            continue
        cycles = tool.cycles // (10 if quick else 1)
        times = [
            1e3 * asked(tool, scratch / f"{tool.name}-{k}", str(cycles)) for k in range(1 if quick else 5)
        ]
        said = f"wall time of logging twelve values, {cycles} cycles"
        results.append(valued(f"cost_{tool.name}", (tool.name, times), unit="ns/cycle", reason=said, seed=0))
    return results, missing


def _own_ns(costs: Sequence[Cost], bare: Sequence[Cost]) -> list[float]:
    return [cost.cpu - base.cpu for cost, base in zip(costs, bare, strict=True)]


def _blocks(
    length: Length, variants: Sequence[str], scratch: Path, rounds: int, seed: int
) -> dict[str, list[Cost]]:
    costs: dict[str, list[Cost]] = {name: [] for name in variants}

    def block(name: str) -> float:
        costs[name].append(_measured(name, length, scratch))
        return costs[name][-1].cpu

    blocks: dict[str, Callable[[], float]] = {name: partial(block, name) for name in variants}
    interleaved(blocks, rounds, seed=seed)
    return costs


def _measured(variant: str, length: Length, scratch: Path) -> Cost:
    """Return what one cycle takes in a fresh process."""
    with tempfile.TemporaryDirectory(dir=scratch) as directory:
        spool = Path(directory) / "spool"
        command = [sys.executable, "-P", "-m", "benchmarks.peers.observed", variant]
        done = subprocess.run(
            [*command, str(length.sleep_s), str(length.cycles), str(spool)],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise ChildProcessError(f"{variant} ended with status {done.returncode}: {done.stderr[-300:]}")
    return Cost(*json.loads(done.stdout))
