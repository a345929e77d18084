"""The typed trunk of a configuration: a key that is not here is refused by name.

What a group's leaf may hold is checked by the constructor that the leaf names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from omegaconf import MISSING


class ProbeBudget(Enum):
    """What happens to a probe whose rate would cost more than 1 % of the run."""

    lower = "lower"
    refuse = "refuse"


@dataclass
class Store:
    """Where runs are kept; relative to the caller's directory.

    ``private`` leaves out the host's name, and the user's from paths.
    """

    root: str = "data"
    private: bool = False


@dataclass
class Contrast:
    """Two groups of an experiment's runs to compare, each a predicate over ``runs``.

    With a ``caveat`` the groups differ in more than what the contrast is about: it is shown, and decides nothing.
    """

    a: str = MISSING
    b: str = MISSING
    caveat: str | None = None


@dataclass
class Trunk:
    """Everything that declares one run, or the runs of a phase.

    ``question``, ``decides``, ``scaling``, ``scaled`` and ``expected`` describe the experiment and change nothing that
    is measured: what it asks, which findings answer that (``conf.validate.FINDINGS``), how it departs from its
    source, the overrides of a size that ends in minutes, and the verdict that its authors expect of each
    hypothesis.  ``blocking_interval_s`` is what a sample that blocks as the study's did waits;
    ``optimization.cpu_interval_s`` holds the outcome.

    A phase of the study is an experiment with ``parts``, each the overrides of a run that keeps its own
    experiment's name, or with ``where``, which selects recorded runs and starts none.  ``comparisons`` are made of
    its runs.
    """

    name: str | None = None
    question: str | None = None
    decides: list[str] = field(default_factory=list)
    scaling: str | None = None
    scaled: list[str] = field(default_factory=list)
    expected: dict[str, str] = field(default_factory=dict)
    where: str | None = None
    parts: list[str] = field(default_factory=list)
    comparisons: list[Contrast] = field(default_factory=list)
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
