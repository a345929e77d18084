"""One compared quantity: a value with its interval, its probability, and the reason for what is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from stats.kernels import two_sample
from stats.kernels.two_sample import Group, Interval

WORDS = {"runtime": "run time", "calls": "number of sampling calls", "overhead": "time in sampling calls"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A number about two groups of ``n_a`` and ``n_b`` runs; ``None`` means unknown, and ``reason`` says why."""

    n_a: int
    n_b: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    reason: str | None = None
    unit_of_inference: str = "run"
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the fields, what is particular to this quantity behind the common ones."""
        common = ("value", "low", "high", "p", "n_a", "n_b", "unit_of_inference", "reason")
        return {**{name: getattr(self, name) for name in common}, **self.extra}

    def above(self, bound: float) -> bool | None:
        """Tell whether the value lies above ``bound``; None where it is unknown."""
        return None if self.value is None else self.value > bound

    def significant(self, level: float) -> bool | None:
        """Tell whether p lies below ``level``; None where it is unknown."""
        return None if self.p is None else self.p < level


class Totals(NamedTuple):
    """Run totals by ``<measure> <side>``, their logarithms by ``log <measure> <side>``."""

    groups: Mapping[str, Group]

    def group(self, measure: str, side: str) -> Group | None:
        """Return one side's totals; None where no run recorded them."""
        return self.groups.get(f"{measure} {side}")

    def words(self, measure: str) -> str:
        """Return what a measure is called in a sentence."""
        return WORDS[measure]

    def n(self, measure: str, side: str) -> int:
        """Return how many runs of a side recorded a measure."""
        group = self.group(measure, side)
        return 0 if group is None else group.n

    def log_ratio(self, measure: str) -> tuple[Interval | None, float | None]:
        """Return A/B with its interval and p; nothing where a total has no logarithm."""
        if any(self.n(measure, side) != self.n(f"log {measure}", side) for side in "ab"):
            return None, None
        a, b = self.groups[f"log {measure} a"], self.groups[f"log {measure} b"]
        # Equal totals within both groups leave nothing to test, and an interval of no width.
        testable = a.var is not None and b.var is not None and a.var + b.var > 0
        return two_sample.log_ratio(a, b), two_sample.welch(a, b).p if testable else None

    def no_interval(self, measure: str) -> str:
        """Return why the ratio of a measure has no interval."""
        single = [side.upper() for side in "ab" if self.n(measure, side) == 1]
        if single:
            return f"n = 1 in {' and in '.join(single)}: no interval"
        return f"no interval: the {WORDS[measure]} is not above 0 in every run"


def quantity(
    totals: Totals, measure: str, compute: Callable[[Totals, Group, Group], Mapping[str, Any]], **extra: Any
) -> Quantity:
    """Compute one quantity of a measure; a ValueError on the way becomes its reason."""
    counts: dict[str, Any] = {"n_a": totals.n(measure, "a"), "n_b": totals.n(measure, "b")}
    try:
        found = dict(compute(totals, *_recorded(totals, measure)))
    except ValueError as error:
        return Quantity(**counts, reason=str(error), extra=extra)
    common = {name: found.pop(name) for name in ("value", "low", "high", "p", "reason") if name in found}
    return Quantity(**counts, **common, extra={**extra, **found})


def replicated(a: Group, b: Group) -> None:
    """Refuse groups of one run.

    Raises
    ------
    ValueError
        If a group has one run: its total has no variance.
    """
    single = [name for name, group in (("A", a), ("B", b)) if group.n < 2]
    if single:
        raise ValueError(f"n = 1 in {' and in '.join(single)}: one run total has no variance; add replicates")


def _recorded(totals: Totals, measure: str) -> tuple[Group, Group]:
    a, b = totals.group(measure, "a"), totals.group(measure, "b")
    if a is None or b is None:
        where = " and ".join(name for name, group in (("A", a), ("B", b)) if group is None)
        raise ValueError(f"the {WORDS[measure]} was not recorded in {where}")
    return a, b
