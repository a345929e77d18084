"""What a benchmark hands out: results with their goals, what was skipped, and the machine, as one JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from benchmarks.measuring import LEVEL, Interval, median, ratio, scatter
from probes.environment import facts

ROOT: Final = Path(__file__).resolve().parents[1]
NOISY: Final = 0.15
"""Blocks that scatter more say nothing about a goal; on two idle cores they scatter by 0.01 to 0.03."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a value should be; ``on`` says that the whole interval must be there."""

    op: Literal[">=", "<="]
    value: float
    on: Literal["interval"] = "interval"

    def met(self, interval: Interval) -> bool | None:
        """Tell whether the whole interval is on the goal's side, or on the other; ``None`` where it straddles."""
        if interval.low is None or interval.high is None:
            return None
        sides = {self.holds(bound) for bound in (interval.low, interval.high)}
        return sides.pop() if len(sides) == 1 else None

    def holds(self, value: float) -> bool:
        """Tell whether one value is on the goal's side."""
        return value >= self.value if self.op == ">=" else value <= self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One entry of ``results``; ``a`` and ``b`` name what is compared, a value has only ``a``."""

    name: str
    kind: Literal["ratio", "value", "count"]
    value: float
    low: float | None
    high: float | None
    level: float
    unit: str
    a: str
    b: str | None
    a_median: float
    b_median: float | None
    a_b_unit: str
    n: int
    paired: bool
    better: Literal["lower", "higher"]
    goal: Goal | None
    met: bool | None
    reason: str


class Skipped(NamedTuple):
    """What was not measured, and why."""

    name: str
    reason: str


class Measured(NamedTuple):
    """What a benchmark found."""

    results: Sequence[Result]
    skipped: Sequence[Skipped]


def compared(
    name: str,
    a: tuple[str, Sequence[float]],
    b: tuple[str, Sequence[float]],
    *,
    unit: str,
    goal: Goal,
    seed: int,
) -> Result:
    """Return the ratio a / b of two series of rates, block by block, and whether the goal is met."""
    interval = ratio(a[1], b[1], seed=seed)
    met, reason = _judged(goal, interval, [a, b])
    return Result(
        name=name,
        kind="ratio",
        **interval._asdict(),
        level=LEVEL,
        unit="1",
        a=a[0],
        b=b[0],
        a_median=median(a[1], seed=seed).value,
        b_median=median(b[1], seed=seed).value,
        a_b_unit=unit,
        n=len(a[1]),
        paired=True,
        better="lower" if goal.op == "<=" else "higher",
        goal=goal,
        met=met,
        reason=reason,
    )


def counted(name: str, who: str, events: int, *, of: str, goal: Goal | None = None) -> Result:
    """Return a number of events that either happened or not: it has no interval; ``of`` says out of what."""
    return Result(
        name=name,
        kind="count",
        value=events,
        low=None,
        high=None,
        level=LEVEL,
        unit="1",
        a=who,
        b=None,
        a_median=events,
        b_median=None,
        a_b_unit="1",
        n=1,
        paired=False,
        better="lower",
        goal=goal,
        met=None if goal is None else goal.holds(events),
        reason=of,
    )


def valued(
    name: str,
    a: tuple[str, Sequence[float]],
    *,
    unit: str,
    reason: str,
    seed: int,
    goal: Goal | None = None,
) -> Result:
    """Return the median of a series; ``reason`` says what it is to be read beside."""
    interval = median(a[1], seed=seed)
    return Result(
        name=name,
        kind="value",
        **interval._asdict(),
        level=LEVEL,
        unit=unit,
        a=a[0],
        b=None,
        a_median=interval.value,
        b_median=None,
        a_b_unit=unit,
        n=len(a[1]),
        paired=False,
        better="lower",
        goal=goal,
        met=None if goal is None else goal.met(interval),
        reason=reason,
    )


def document(
    benchmark: str, measured: Measured, *, quick: bool, seed: int, started_at: str, wall_s: float
) -> dict[str, Any]:
    """Return the document, JSON types only."""
    machine = facts(ROOT)
    commit, dirty = machine.pop("git_commit"), machine.pop("git_dirty")
    return {
        "format": 1,
        "benchmark": benchmark,
        "quick": quick,
        "seed": seed,
        "started_at": started_at,
        "wall_s": round(wall_s, 3),
        "commit": commit,
        "dirty": dirty,
        "machine": machine,
        "results": [asdict(result) for result in measured.results],
        "skipped": [skipped._asdict() for skipped in measured.skipped],
    }


def _judged(
    goal: Goal, interval: Interval, series: Sequence[tuple[str, Sequence[float]]]
) -> tuple[bool | None, str]:
    for name, values in series:
        if scatter(values) > NOISY:
            return None, f"the blocks of {name} scatter by {scatter(values):.0%}: too noisy to tell"
    met = goal.met(interval)
    if interval.low is None or interval.high is None:
        return None, "a single block has no interval"
    found = f"{interval.low:.3g} to {interval.high:.3g} at level {LEVEL:g}, goal {goal.op} {goal.value:g}"
    return met, found if met is not None else f"the interval straddles the goal: {found}"
