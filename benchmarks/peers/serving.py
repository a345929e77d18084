"""A model in a process of its own, stepped on request: a request is a line of JSON, and so is the answer.

Standard library only: it runs in the environments of the peers too.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol


class State(NamedTuple):
    """What two programs that follow the same rules have in common."""

    population: int
    visits: int
    energy: float


class Stepped(Protocol):
    """A model."""

    def step(self, cycle: int) -> object:
        """Do one cycle."""

    def state(self) -> State:
        """Return the state after the last cycle."""


class Case(NamedTuple):
    """What is simulated: heavy rules, constant metrics, groups of this cycle only unless they accumulate."""

    max_agents: int
    mechanisms: Sequence[str]
    accumulate: bool = False


Make = Callable[[Case], Stepped]


def serve(make: Make) -> None:
    """Build the model that the first line asks for, then step it as often as each further line says."""
    model = make(Case(*json.loads(sys.stdin.readline())))
    done = 0
    for line in sys.stdin:
        due = done + int(line)
        began_ns = time.process_time_ns()
        for cycle in range(done, due):
            model.step(cycle)
        elapsed_ns = time.process_time_ns() - began_ns
        done = due
        sys.stdout.write(json.dumps([elapsed_ns, model.state()]) + "\n")
        sys.stdout.flush()
