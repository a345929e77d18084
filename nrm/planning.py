"""What a run will wait for, before it runs: declared sleeps and commits times their counts, a lower bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple, Protocol

from nrm.observing import Record, SwarmRecord
from nrm.sampling import Policy

# Seconds, measured on the study's own code (Linux 6.1, ext4), 1,000 calls each.
PSUTIL_S = 0.000166
COMMIT_S = 0.00084
PAIR_COMMIT_S = 0.00103
KEPT = 0.43
"""What a commit takes of that where the connection is kept: 0.56 of 1.29 ms (ext4, medians of 400)."""
OVERSLEEP = 1.012
"""A blocking interval of 0.1 s takes 0.1012 s: it wakes late and reads the clocks twice."""

VISITS_MAX = 1_000_000
"""Counting stops after so many visits, 0.2 to 1 s of CPU, and takes the last cycle for all later ones."""


class Counted(Protocol):
    """A simulation that can be stepped for its counts."""

    @property
    def born(self) -> int:
        """All births so far."""

    def step(self, cycle: int) -> Record | SwarmRecord:
        """Do one cycle."""


class Tally(NamedTuple):
    """How often a stretch of cycles visits agents, bears, and compares pairs; agents at each cycle's start summed."""

    visits: int = 0
    births: int = 0
    pairs: int = 0
    agents: int = 0

    def plus(self, other: Tally, times: int = 1) -> Tally:
        """Add another tally, so many times."""
        return Tally(*(mine + times * its for mine, its in zip(self, other, strict=True)))


def tally(model: Counted, cycles: int, max_agents: int | None) -> Tally:
    """Count over so many cycles: step the model until nothing changes any more, then multiply.

    Without ``max_agents`` a population that stays as it is says nothing of what comes.
    """
    total = last = Tally()
    done = 0
    for last, steady in islice(_tallies(model, max_agents), cycles):
        total = total.plus(last)
        done += 1
        if steady or total.visits > VISITS_MAX:
            break
    return total.plus(last._replace(births=0), cycles - done)


def _tallies(model: Counted, max_agents: int | None) -> Iterator[tuple[Tally, bool]]:
    """Yield each cycle's counts, and whether all later ones repeat them: at the cap, none born, visits as before."""
    population, visits, born, cycle = 1, 0, 0, 0
    while True:
        agents, last_visits = population, visits
        record = model.step(cycle)
        population, visits = record.population, record.visits
        counts = Tally(visits, model.born - born, agents * (agents - 1) // 2, agents)
        steady = population == agents == max_agents and counts.births == 0 and visits == last_visits
        yield counts, steady
        born = model.born
        cycle += 1


def planned_s(
    policy: Policy, cycles: int, *, count: Callable[[], Tally], readers: int, pooling: bool
) -> float:
    """Return the seconds that a condition sleeps, commits and asks psutil, at least.

    Parameters
    ----------
    policy, cycles
        What is done at each sample, and for how long.
    count : callable
        Counts visits, births and pairs; asked only where a cost hangs on them.
    readers : int
        Mechanisms for which each agent takes a sample of its own every cycle, where nothing is shared.
    pooling : bool
        Whether agents are compared.
    """
    commits = policy.persist == "sqlite"
    counts = Tally() if policy.shared and not commits else count()
    requests = counts.visits + counts.births + readers * counts.agents
    samples = policy.samples(cycles=cycles, requests=requests, descendants=counts.visits - counts.agents)
    commit = (KEPT if policy.keep_connection else 1.0) * commits
    a_sample_s = PSUTIL_S + OVERSLEEP * (policy.cpu_interval_s or 0.0) + COMMIT_S * commit
    births_s = COMMIT_S * counts.births * commit
    pairs_s = PAIR_COMMIT_S * counts.pairs * commit * (policy.pairs and pooling)
    return samples * a_sample_s + births_s + pairs_s
