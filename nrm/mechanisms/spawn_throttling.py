"""An agent that had a child waits before it may have the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from nrm import checks
from nrm.agent import Agent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanism:
    """Allow a birth to who never had a child, or had the last at least ``window_cycles`` ago."""

    RULES: ClassVar[frozenset[str]] = frozenset({"heavy"})

    window_cycles: int = 100

    def __post_init__(self) -> None:
        checks.integer("mechanism.spawn_throttling.window_cycles", self.window_cycles, low=0)

    def allows(self, parent: Agent, cycle: int) -> bool:
        """Tell whether the window has passed."""
        return parent.last_spawn is None or cycle - parent.last_spawn >= self.window_cycles

    def allows_at_once(self, last_spawn: NDArray[np.int64], cycle: int) -> NDArray[np.bool_]:
        """Tell for whom the window has passed."""
        passed: NDArray[np.bool_] = cycle - last_spawn >= self.window_cycles
        return passed
