"""What the study published of its run C256, and by what a recording of that run is known, whoever named it."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final, NamedTuple

from store.configured import mapping

if TYPE_CHECKING:
    from store.catalog import Catalog


class Milestone(NamedTuple):
    """A CPU time of the run, the excess over ``BASELINE_H`` and its "rate" as they were printed [%, %/h]."""

    name: str
    cpu_h: float
    excess: str
    rate: str


BASELINE_H: Final = 20.1
"""The duration that C256 was expected to take: that of C255."""

MILESTONES: Final = (
    Milestone("early", 30.0, "49.3", "2.45"),
    Milestone("middle", 31.0, "54.2", "2.71"),
    Milestone("late", 34.4, "71.1", "3.56"),
    Milestone("end", 34.5, "71.6", "3.56"),
)
LATE_H: Final = MILESTONES[2].cpu_h
"""A TIME field of ``ps`` between 34:20 and 34:30, in minutes and seconds."""

CPU_H: Final = MILESTONES[3].cpu_h
"""What the study gives as the duration of the whole run."""

QUOTED: Final = ("40e29bb5", "e983d001")
"""Commits of the study that quote ``30:09.42`` and ``31:02.45`` of ``ps``, and take the minutes for hours."""


def recorded(catalog: Catalog, ids: Collection[str]) -> set[str]:
    """Return which of the runs are the study's own C256: readings of ``ps`` that its figures were taken from."""
    known = catalog.runs(sorted(ids)).select(["run_id", "config"]).to_pylist() if ids else []
    return {run["run_id"] for run in known if _quotes(mapping(run["config"]).get("readings"))}


def _quotes(readings: object) -> bool:
    listed = readings if isinstance(readings, list) else []
    return any(isinstance(each, dict) and each.get("commit") in QUOTED for each in listed)
