"""Which agents form a group: components of the similarity graph (heavy), or greedy arcs of the circle (light)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeVar

from nrm.agent import Agent
from nrm.substrate import TIE, magnitude


class Turning(Protocol):
    """An agent that is one angle."""

    angle: float


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
