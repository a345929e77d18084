"""Runs of one command by configuration: replicates stand together, configurations that a sweep varies apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conf.jobs import Job
from conf.others import identity

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Runs of one configuration; ``variant`` are the words of the sweep that set it apart, but for the mode."""

    experiment: str
    mode: str | None
    config_id: str
    variant: tuple[str, ...]
    job: Job
    rows: Sequence[Row]

    @property
    def name(self) -> str:
        """The experiment, and what is swept beside the mode."""
        return ", ".join([self.experiment, *self.variant])

    @property
    def label(self) -> str:
        """The configuration as a person tells it from the others."""
        return f"{self.name}, {self.mode}" if self.mode else self.name

    @property
    def run_ids(self) -> list[str]:
        """Runs that recorded anything."""
        return [row["run_id"] for row in self.rows if row["n_cycles"]]

    @property
    def whole(self) -> list[str]:
        """Runs that did all that they declared."""
        return [row["run_id"] for row in self.rows if row["status"] == "completed" and row["n_cycles"]]

    @property
    def rank(self) -> tuple[bool, float]:
        """Order of comparison: the mode without an optimization comes last, before it what takes longer."""
        seconds = [row["wall_s"] or 0.0 for row in self.rows]
        return self.mode == "unoptimized", sum(seconds) / len(seconds)


def grouped(rows: Iterable[Row], jobs: Sequence[Job]) -> list[Group]:
    """Return the runs of ``jobs`` that recorded anything by configuration, in the order of the jobs."""
    found = list(rows)
    first = {(job.experiment, job.identity.config_id): job for job in reversed(jobs)}
    groups = []
    for (experiment, config_id), job in sorted(first.items(), key=lambda item: jobs.index(item[1])):
        members = [row for row in found if identity(row)[:2] == (experiment, config_id)]
        if any(row["n_cycles"] for row in members):
            group = Group(
                experiment=experiment,
                mode=job.config["optimization"].get("name"),
                config_id=config_id,
                variant=tuple(word for word in job.swept if not word.startswith("seed=")),
                job=job,
                rows=members,
            )
            groups.append(group)
    return groups


def pairs(groups: Sequence[Group]) -> list[tuple[Group, Group]]:
    """Return the groups to compare, A before B: two modes of what is otherwise one configuration."""
    named: dict[str, list[Group]] = {}
    for group in groups:
        if group.whole:
            named.setdefault(group.name, []).append(group)
    two = [sorted(members, key=lambda group: group.rank) for members in named.values() if len(members) == 2]
    return [(a, b) for b, a in two if a.mode != b.mode]


def notes(groups: Sequence[Group]) -> list[str]:
    """Return what a reader must know of the runs before believing their times."""
    rows = [row for group in groups for row in group.rows]
    beside = [row["concurrent_runs"] for row in rows if row["concurrent_runs"]]
    said = []
    if beside:
        most = f"{max(beside)} other run{'s' * (max(beside) != 1)} of this store"
        said.append(
            f"{len(beside)} of {len(rows)} runs had up to {most} at the same time: they took time from each other"
        )
    modes = Counter((group.experiment, group.mode) for group in groups)
    return said + [
        f"{' '.join(filter(None, (experiment, mode)))} was run in {number} configurations: each is judged for itself"
        for (experiment, mode), number in modes.items()
        if number > 1
    ]


def repeated(groups: Sequence[Group], kept: Iterable[Row]) -> int:
    """Return how many of these runs the store holds completed more than once; ``kept`` are all its runs."""
    counted = Counter(identity(row) for row in kept if row["status"] == "completed")
    return sum(counted[who] > 1 for who in {identity(row) for group in groups for row in group.rows})
