"""Twelve columns logged one cycle at a time: our spool beside experiment trackers, and beside the raw floor.

A block is a fresh process that logs so many cycles.  What survives ``kill -9`` is counted by the tool's own reader;
ours is published first, as ``store refresh`` does it.
"""

from __future__ import annotations

import random
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.document import Goal, Measured, Result, Skipped, compared, counted, valued
from benchmarks.measuring import interleaved
from benchmarks.tools import FLOOR, OWN, TRACKERS, Tool, absent, asked, command, environment

UNIT: Final = "us/cycle"
OVER_FASTEST: Final = 20.0
OVER_LOSSLESS: Final = 500.0
OVER_FLOOR: Final = 1.05
PATIENCE_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured: cycles are divided by ``fewer``."""

    rounds: int
    kills: int
    fewer: int


QUICK: Final = Plan(rounds=3, kills=1, fewer=5)
FULL: Final = Plan(rounds=10, kills=5, fewer=1)


class Killed(NamedTuple):
    """Rows whose logging had returned in all runs that were killed, and those that were not found afterwards."""

    logged: int
    lost: int


def measure(*, quick: bool, seed: int) -> Measured:
    """Measure everything that can be measured here."""
    plan = QUICK if quick else FULL
    missing = {tool.name: why for tool in TRACKERS if (why := absent(tool))}
    trackers = [tool for tool in TRACKERS if tool.name not in missing]
    with tempfile.TemporaryDirectory(prefix="ingest-") as scratch:
        killed = {tool.name: _killed(tool, Path(scratch), plan, seed) for tool in (OWN, FLOOR, *trackers)}
        times, sizes = _blocks([OWN, FLOOR, *trackers], Path(scratch), plan, seed)
    results = [
        *_against(trackers, times, killed, seed),
        *_times(times, plan, seed),
        *_kept(sizes, seed),
        *(_lost(name, found, plan) for name, found in killed.items()),
    ]
    return Measured(results, [Skipped(f"{name}_over_driftlab", why) for name, why in missing.items()])


def _against(
    trackers: Sequence[Tool],
    times: Mapping[str, Sequence[float]],
    killed: Mapping[str, Killed],
    seed: int,
) -> Iterator[Result]:
    """Compare our time with that of every tracker; those that lose no row are held to more."""
    for tool in trackers:
        goal = OVER_FASTEST if killed[tool.name].lost else OVER_LOSSLESS
        yield compared(
            f"{tool.name}_over_driftlab",
            (tool.name, times[tool.name]),
            ("driftlab", times["driftlab"]),
            unit=UNIT,
            goal=Goal(">=", goal),
            seed=seed,
        )


def _times(times: Mapping[str, Sequence[float]], plan: Plan, seed: int) -> Iterator[Result]:
    cycles = {tool.name: tool.cycles // plan.fewer for tool in (OWN, FLOOR, *TRACKERS)}
    for name, values in times.items():
        reason = f"runs of {cycles[name]} cycles; the floor keeps rows in memory and loses all of them"
        yield valued(f"time_{name}", (name, values), unit=UNIT, reason=reason, seed=seed)


def _kept(sizes: Mapping[str, Sequence[float]], seed: int) -> Iterator[Result]:
    yield compared(
        "bytes_over_floor",
        ("driftlab", sizes["driftlab"]),
        ("floor", sizes["floor"]),
        unit="bytes/row",
        goal=Goal("<=", OVER_FLOOR),
        seed=seed,
    )
    for name, values in sizes.items():
        reason = "the rows' own file" if name in ("driftlab", "floor") else "all files of the tool"
        yield valued(f"bytes_{name}", (name, values), unit="bytes/row", reason=reason, seed=seed)


def _lost(name: str, found: Killed, plan: Plan) -> Result:
    goal = Goal("<=", 0) if name == "driftlab" else None
    return counted(f"lost_{name}", name, found.lost, of=f"{found.logged} rows, {plan.kills} kills", goal=goal)


def _blocks(
    tools: Sequence[Tool], scratch: Path, plan: Plan, seed: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return microseconds per cycle and bytes per row, block by block."""
    sizes: dict[str, list[float]] = {tool.name: [] for tool in tools}

    def block(tool: Tool) -> float:
        directory = scratch / f"{tool.name}-{len(sizes[tool.name])}"
        cycles = tool.cycles // plan.fewer
        spent = asked(tool, directory, str(cycles))
        found = asked(tool, directory, "--read")
        if found != cycles:
            raise ArithmeticError(f"{tool.name} gives back {found:.0f} of {cycles} rows")
        sizes[tool.name].append(_bytes(tool, directory) / cycles)
        return spent

    blocks: dict[str, Callable[[], float]] = {tool.name: partial(block, tool) for tool in tools}
    return interleaved(blocks, plan.rounds, seed=seed), sizes


def _bytes(tool: Tool, directory: Path) -> int:
    """Return the size of the rows at rest: of our run and of the floor the one file that holds them."""
    pattern = "cycles.parquet" if tool in (OWN, FLOOR) else "*"
    return sum(path.stat().st_size for path in directory.rglob(pattern) if path.is_file())


def _killed(tool: Tool, scratch: Path, plan: Plan, seed: int) -> Killed:
    """Kill the tool's process at random moments, and count what its reader finds."""
    draw = random.Random(seed)  # noqa: S311 (no secret)
    logged = lost = 0
    for k in range(plan.kills):
        directory = scratch / f"{tool.name}-killed-{k}"
        returned = _end(tool, directory, draw.uniform(0.2, 2.0))
        logged += returned
        lost += max(0, returned - int(asked(tool, directory, "--read")))
    return Killed(logged, lost)


def _end(tool: Tool, directory: Path, after_s: float) -> int:
    """Log without end, kill some time after the first row; return the rows whose logging had returned."""
    counter = directory.with_suffix(".count")
    with subprocess.Popen(
        command(tool, directory),
        cwd=directory.parent,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + PATIENCE_S
        while not _count(counter) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(after_s)
        process.kill()
    returned = _count(counter)
    if not returned:
        raise ChildProcessError(f"{tool.name} logged nothing before it ended, or in {PATIENCE_S:.0f} s")
    return returned


def _count(counter: Path) -> int:
    content = counter.read_bytes() if counter.exists() else b""
    return int(struct.unpack("=q", content)[0]) if len(content) == 8 else 0
