"""One compared quantity: a value with its interval, its probability, and the reason for what is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stats.kernels.two_sample import Group
from stats.totals import WORDS, Totals


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
