"""What a workload and a probe owe the measured process, and what they may see of it.

Standard library only: workloads import this module and nothing else of ``probes``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

Value = int | float | None
"""One cell of a row; ``None`` becomes NULL and means "not measured", never zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One cell of the factorial design: its name, its place in the run, and the mechanisms that are on."""

    name: str
    position: int
    cycles: int
    mechanisms: Mapping[str, bool]


class Meters(Protocol):
    """Running totals of the measured process that a workload feeds and a probe reads."""

    gc_ns: int
    probe_ns: int
    sampling_ns: int
    sampling_calls: int

    def sampled(self, elapsed_ns: int) -> None:
        """Charge one sampling call of the workload (its transaction included) that took ``elapsed_ns``."""


def _unobserved(_values: Mapping[str, object]) -> None:
    """Where nothing is recorded."""


class Scene(NamedTuple):
    """Where a workload runs; ``observe`` sets columns of the cycle under way that ``observables`` does not name."""

    seed: int
    scratch: Path
    meters: Meters
    observe: Callable[[Mapping[str, object]], None] = _unobserved


class Simulation(Protocol):
    """A workload in one condition, ready to be stepped."""

    def step(self, cycle: int) -> Sequence[Value]:
        """Do one cycle (counted from 0 within the condition) and return one value per observable."""

    def close(self) -> None:
        """Release files; called once, also after an error."""


class Workload(Protocol):
    """A checked configuration that can be started once per condition.

    ``observables`` maps each column that the workload adds to ``cycles`` to ``int`` or ``float``.
    """

    observables: Mapping[str, type[int] | type[float]]

    def planned_s(self, condition: Condition) -> float:
        """Declared sleeps and commits of one condition times their counts, in seconds: a lower bound."""

    def start(self, condition: Condition, scene: Scene) -> Simulation:
        """Build the state of one condition."""


class Probe(Protocol):
    """A reader of one kind of signal.

    Its module holds a ``Sample`` (a ``NamedTuple``: the schema of table ``probe_<name>``, units in the field
    names, ``int | None`` or ``float | None``) and a ``Probe`` whose constructor takes the meters first and its
    options by keyword, one of ``every_cycles`` and ``every_s`` among them.  It may have ``missing``, the reason by
    field of what it cannot read, and ``started(origin_ns)``, called once, before the workload is built, with the
    ``perf_counter_ns`` at which the run's time is 0.
    """

    every_cycles: int | None
    every_s: float | None

    def read(self) -> tuple[Value, ...]:
        """Take one sample; a signal that the machine lacks is ``None``."""

    def close(self) -> None:
        """Release descriptors."""
