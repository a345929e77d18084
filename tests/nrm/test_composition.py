"""Groups against a slow, obvious twin."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest

from nrm.agent import Agent
from nrm.composition import arcs, components
from nrm.light import LightAgent
from nrm.substrate import TAU, TIE, Phase, similarity


def _agents(phases: Sequence[Phase]) -> list[Agent]:
    return [Agent(ident, depth=0, energy=1.0, phase=phase) for ident, phase in enumerate(phases)]


def _components_by_merging(phases: Sequence[Phase], threshold: float) -> list[list[int]]:
    groups = [{i} for i in range(len(phases))]
    for i in range(len(phases)):
        for j in range(i):
            if similarity(phases[i], phases[j]) >= threshold - TIE:
                a, b = (next(g for g in groups if k in g) for k in (i, j))
                if a is not b:
                    a |= b
                    groups.remove(b)
    return sorted(sorted(group) for group in groups if len(group) > 1)


@pytest.mark.parametrize("threshold", [0.85, 0.97, 0.99])
@pytest.mark.parametrize("seed", range(5))
def test_components_agree_with_merging_all_pairs(threshold: float, seed: int) -> None:
    draw = random.Random(seed)
    phases = [(draw.uniform(0, TAU), draw.uniform(0, TAU), draw.uniform(0, TAU)) for _ in range(40)]
    found = [[agent.ident for agent in group] for group in components(_agents(phases), threshold)]
    assert found == _components_by_merging(phases, threshold)


def test_a_tie_at_the_threshold_is_a_link() -> None:
    phases = [(1.0, 2.0, 3.0), (2.0, 4.0, 6.0)]  # collinear, half as long: 0.7 + 0.3 / 2
    assert similarity(*phases) == pytest.approx(0.85, abs=1e-15)
    assert len(components(_agents(phases), 0.85)) == 1


def test_an_agent_without_a_phase_is_in_no_group() -> None:
    assert components(_agents([(0.0, 0.0, 0.0), (0.0, 0.0, 0.0)]), 0.85) == []
    assert similarity((0.0, 0.0, 0.0), (1.0, 0.0, 0.0)) == 0.0


def test_arcs_are_collected_greedily_in_order_of_birth() -> None:
    near = math.acos(0.85) * 0.9
    angles = [0.0, near, 2 * near, math.pi]
    group, *others = arcs([LightAgent(i, depth=0, energy=1.0, angle=a) for i, a in enumerate(angles)], 0.85)
    assert [agent.ident for agent in group] == [0, 1]  # the third is near the second, not the first
    assert not others
