"""What the study says besides its tests: side predictions, and where other protocols stop short of a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from stats.hypotheses import known
from stats.hypotheses.finding import Aside, Observation, tell
from stats.signals import Read


class Observed(NamedTuple):
    """An aside and what each run that can be looked at says to it."""

    aside: Aside
    by_run: Mapping[str, Observation]


def each() -> Iterator[Aside]:
    """Return the asides of all hypotheses, in their order."""
    return (aside for hypothesis in known().values() for aside in hypothesis.ASIDES)


def observe(read: Read) -> list[Observed]:
    """Look for every aside in what ``read`` finds."""
    found = []
    for aside in each():
        seen = {run_id: aside.observe(rows) for run_id, rows in read(aside).items()}
        found.append(Observed(aside, {run_id: one for run_id, one in seen.items() if one is not None}))
    return found


def notes(observed: Iterable[Observed], run_ids: Sequence[str]) -> list[str]:
    """Return a sentence for each aside on which the runs ``run_ids`` have something to say."""
    said = []
    for aside, by_run in observed:
        observations = [by_run[run_id] for run_id in run_ids if run_id in by_run]
        if any(aside.always or observation.holds for observation in observations):
            said.append(tell(aside.claim, observations))
    return said
