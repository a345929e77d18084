"""The typed trunk of a configuration: a key that is not here is refused by name.

What a group's leaf may hold is checked by the constructor that the leaf names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class ProbeBudget(Enum):
    """What happens to a probe whose rate would cost more than 1 % of the run."""

    lower = "lower"
    refuse = "refuse"


@dataclass
class Store:
    """Where runs are kept; relative to the caller's directory."""

    root: str = "data"


@dataclass
class Trunk:
    """Everything that declares one run.

    ``question``, ``scaling``, ``scaled`` and ``expected`` describe the experiment and change nothing that is
    measured: what it asks, how it departs from its source, the overrides of a size that ends in minutes,
    and the verdict that its authors expect of each hypothesis.  ``blocking_interval_s`` is what a
    sample that blocks as the study's did waits; ``optimization.cpu_interval_s`` holds the outcome.
    """

    name: str | None = None
    question: str | None = None
    scaling: str | None = None
    scaled: list[str] = field(default_factory=list)
    expected: dict[str, str] = field(default_factory=dict)
    seed: int = 0
    replicate: int = 0
    cycles: int = 3000
    factors: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    blocking_interval_s: float = 0.1
    workload: dict[str, Any] = field(default_factory=dict)
    optimization: dict[str, Any] = field(default_factory=dict)
    mechanism: dict[str, Any] = field(default_factory=dict)
    probe: dict[str, Any] = field(default_factory=dict)
    hypothesis: dict[str, Any] = field(default_factory=dict)
    store: Store = field(default_factory=Store)
    probe_budget: ProbeBudget = ProbeBudget.lower
    confirm: bool = False
    resume: bool = True
    progress: bool = True
