"""Which agents form a group: components of the similarity graph (heavy), or greedy arcs of the circle (light)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol, TypeVar

from nrm.agent import Agent, Member
from nrm.pattern_memory import Event
from nrm.substrate import TIE, Phase, magnitude

RESONANCE = 0.85
"""The similarity from which two agents are linked, where nothing else is asked for."""


class Turning(Member, Protocol):
    """An agent that is one angle."""

    angle: float


AnyMember = TypeVar("AnyMember", bound=Member)
AnyTurning = TypeVar("AnyTurning", bound=Turning)


class _Point(NamedTuple):
    x: float
    y: float
    z: float
    magnitude: float
    place: int


def components(agents: Sequence[Agent], threshold: float) -> list[tuple[Agent, ...]]:
    """Return the connected components with at least two members, each in the order of ``agents``."""
    points = (_Point(*a.phase, magnitude(a.phase), i) for i, a in enumerate(agents))
    rest = [point for point in points if point.magnitude > 0]
    groups = []
    while rest:
        group, rest = _component(rest, threshold - TIE)
        if len(group) > 1:
            groups.append(tuple(agents[i] for i in sorted(point.place for point in group)))
    return groups


def _component(points: list[_Point], least: float) -> tuple[list[_Point], list[_Point]]:
    """Split off the component of the first point.

    Only points without a component are compared: 11 similarities an agent at 100 agents and 57 at 1,000, where all
    pairs are 49.5 and 499.5.  ``substrate.similarity`` is written out: a call takes 0.5 us.
    """
    group, rest = points[:1], points[1:]
    for x, y, z, m, _ in group:
        far = []
        for point in rest:
            u, v, w, n, _ = point
            ratio = m / n if m < n else n / m
            if 0.7 * ((x * u + y * v + z * w) / (m * n)) + 0.3 * ratio >= least:
                group.append(point)
            else:
                far.append(point)
        rest = far
    return group, rest


def arcs(agents: Sequence[AnyTurning], threshold: float) -> list[tuple[AnyTurning, ...]]:
    """Let each agent without a group collect all later ones without that are near it; keep what has two members."""
    free = list(agents)
    groups = []
    while free:
        first, *later = free
        near = [a for a in later if math.cos(a.angle - first.angle) >= threshold]
        if near:
            groups.append((first, *near))
            taken = set(map(id, near))
            later = [a for a in later if id(a) not in taken]
        free = later
    return groups


def events(groups: Iterable[Sequence[Agent]], cycle: int) -> list[Event]:
    """Return what is worth remembering of groups of agents with phases."""
    return _events(groups, cycle, lambda group: similarity_mean([agent.phase for agent in group]))


def turning_events(groups: Iterable[Sequence[AnyTurning]], cycle: int) -> list[Event]:
    """Return what is worth remembering of groups of agents with one angle: their similarity is its cosine."""
    return _events(groups, cycle, lambda group: cosine_mean([agent.angle for agent in group]))


def similarity_mean(phases: Sequence[Phase]) -> float:
    """Return the mean similarity of all pairs of at least two phases, none of them zero, in O(n log n).

    The cosines of all pairs sum to half of what the squared sum of the unit vectors exceeds n; sorted by magnitude,
    each phase is the larger of a pair with all before it.
    """
    x = y = z = 0.0
    magnitudes = []
    for u, v, w in phases:
        m = math.sqrt(u * u + v * v + w * w)
        x += u / m
        y += v / m
        z += w / m
        magnitudes.append(m)
    smaller = ratios = 0.0
    for m in sorted(magnitudes):
        ratios += smaller / m
        smaller += m
    n = len(phases)
    return (0.7 * ((x * x + y * y + z * z - n) / 2) + 0.3 * ratios) / (n * (n - 1) / 2)


def cosine_mean(angles: Sequence[float]) -> float:
    """Return the mean cosine of the differences of all pairs of at least two angles, in O(n)."""
    x, y, n = math.fsum(map(math.cos, angles)), math.fsum(map(math.sin, angles)), len(angles)
    return ((x * x + y * y - n) / 2) / (n * (n - 1) / 2)


def _events(
    groups: Iterable[Sequence[AnyMember]], cycle: int, mean: Callable[[Sequence[AnyMember]], float]
) -> list[Event]:
    return [
        Event(
            tuple([agent.ident for agent in group]),  # in order of birth: sorted
            mean(group),
            cycle,
            math.fsum([agent.energy for agent in group]),
        )
        for group in groups
    ]
