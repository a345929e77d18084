"""Our own model, as ``workload.engine`` has it."""

from __future__ import annotations

import sys

from benchmarks.peers.serving import Case, State, serve
from nrm.observing import Record, SwarmRecord
from nrm.sampling import Steady
from nrm.substrate import Reading
from nrm.workload import Workload


class Own:
    """A model without sampling, and its last record."""

    def __init__(self, engine: str, case: Case) -> None:
        groups = "accumulate" if case.accumulate else "rebuild"
        workload = Workload(engine=engine, max_agents=case.max_agents, groups=groups)
        self._model = workload.model(list(case.mechanisms), Steady(Reading(2.24, 71.67, 0.0)), seed=0)
        self._last: Record | SwarmRecord = Record.of_nobody(None)

    def step(self, cycle: int) -> None:
        """Do one cycle."""
        self._last = self._model.step(cycle)

    def state(self) -> State:
        """Return the state after the last cycle."""
        return State(self._last.population, self._last.visits, self._last.energy)


if __name__ == "__main__":
    serve(lambda case: Own(sys.argv[1], case))
