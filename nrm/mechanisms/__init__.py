"""The mechanisms of the factorial designs, one module each, found by their names.

A module holds a frozen dataclass ``Mechanism``: its fields are the options ``mechanism.<name>.*``, its ``RULES`` the
rule sets that know it.  It has ``apply`` (an effect on all agents, once a cycle) or ``allows`` (a say in each birth).
An effect's ``PLACE`` orders it within the cycle; agents evolve at ``EVOLVE``.
``apply_at_once`` and ``allows_at_once`` are the same for an engine that holds agents in arrays.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from nrm import checks
from nrm.agent import Agent, Member
from nrm.substrate import Metrics

if TYPE_CHECKING:  # numpy is there only where its engine is chosen
    import numpy as np
    from numpy.typing import NDArray

EVOLVE = 4


class Crowd(Protocol):
    """What an effect sees of the simulation."""

    metrics: Metrics

    @property
    def members(self) -> Sequence[Member]:
        """The living, in order of birth."""

    def groups_to_pay(self, threshold: float) -> Iterable[Sequence[Member]]:
        """Form this cycle's groups and yield the living members of each group that counts, oldest group first."""


class Herd(Protocol):
    """What an effect sees of a simulation that holds agents in arrays."""

    capacity: float

    def gain(self, amount: float) -> None:
        """Raise the energies of all, up to the most that an agent holds."""

    def pay_groups(self, threshold: float, share: float) -> None:
        """Form this cycle's groups and pay ``share`` of their mean energy in each that counts, oldest group first."""


class Mechanism(Protocol):
    """What every mechanism declares."""

    RULES: ClassVar[frozenset[str]]


@runtime_checkable
class Effect(Protocol):
    """A mechanism that changes energies once a cycle."""

    PLACE: ClassVar[int]

    def apply(self, crowd: Crowd) -> None:
        """Change the energies of the crowd's members."""


@runtime_checkable
class Gate(Protocol):
    """A mechanism that has a say in each birth."""

    def allows(self, parent: Agent, cycle: int) -> bool:
        """Tell whether ``parent`` may have a child in this cycle."""


@runtime_checkable
class EffectAtOnce(Protocol):
    """An effect on all agents at once."""

    PLACE: ClassVar[int]

    def apply_at_once(self, herd: Herd) -> None:
        """Change the energies of the herd."""


@runtime_checkable
class GateAtOnce(Protocol):
    """A gate for all agents at once."""

    def allows_at_once(self, last_spawn: NDArray[np.int64], cycle: int) -> NDArray[np.bool_]:
        """Tell who may have a child in this cycle; who never had one had the last long ago."""


def names() -> list[str]:
    """Return the names of all mechanisms, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def build(name: str, options: Mapping[str, Any]) -> Mechanism:
    """Make the mechanism from its options, ``mechanism.<name>.*``."""
    checks.known("mechanism", [name], names())
    module = importlib.import_module(f"{__name__}.{name}")
    mechanism: Mechanism = checks.build(module.Mechanism, f"mechanism.{name}", options)
    return mechanism
