"""What a cycle records, against counting and comparing everything once more."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from itertools import combinations
from statistics import fmean
from typing import Any

import pytest

from nrm.composition import cosine_mean, similarity_mean
from nrm.light import LightWorld
from nrm.observing import Census, Compositions, Record, SwarmRecord, columns
from nrm.pattern_memory import Event, Scan
from nrm.sampling import Steady
from nrm.substrate import TAU, Phase, Reading, similarity
from nrm.swarm import Swarm
from nrm.workload import Workload
from nrm.world import World
from probes.protocols import Condition, Scene

RULES: list[tuple[str, list[str], dict[str, Any]]] = [
    ("heavy", ["energy_pooling"], {}),
    ("heavy", ["energy_pooling", "spawn_throttling"], {"groups": "rebuild"}),
    ("heavy", ["energy_pooling"], {"death_threshold": 90.0, "groups": "rebuild"}),
    ("light", ["energy_pooling"], {}),
    ("light", [], {}),
    ("swarm", [], {"spawn_every": 2}),
]
NAMES = ["heavy", "throttled", "deadly", "light", "unpooled", "swarm"]


def _model(rules: str, on: list[str], options: dict[str, Any]) -> World | LightWorld | Swarm:
    model = Workload(rules=rules, **options).model(on, Steady(Reading(2.24, 71.67, 0.0)), seed=3)
    assert isinstance(model, World | LightWorld | Swarm)
    return model


@pytest.mark.parametrize("number", [2, 3, 17, 100])
def test_the_mean_similarity_is_that_of_all_pairs(number: int) -> None:
    draw = random.Random(number)
    phases: list[Phase] = [
        (draw.uniform(0.1, TAU), draw.uniform(0, TAU), draw.uniform(0, TAU)) for _ in range(number)
    ]
    assert similarity_mean(phases) == pytest.approx(
        fmean(similarity(a, b) for a, b in combinations(phases, 2)), rel=1e-12
    )
    angles = [phase[0] for phase in phases]
    assert cosine_mean(angles) == pytest.approx(
        fmean(math.cos(a - b) for a, b in combinations(angles, 2)), rel=1e-9, abs=1e-12
    )


def test_equal_phases_are_wholly_similar() -> None:
    assert similarity_mean([(1.0, 2.0, 3.0)] * 5) == pytest.approx(1.0)
    assert similarity_mean([(1.0, 2.0, 3.0), (2.0, 4.0, 6.0)]) == pytest.approx(0.85)
    assert cosine_mean([0.5, 0.5 + math.pi]) == pytest.approx(-1.0)


@pytest.mark.parametrize(("rules", "on", "options"), RULES, ids=NAMES)
def test_births_deaths_and_depths_are_those_of_the_living(
    rules: str, on: list[str], options: dict[str, Any]
) -> None:
    model = _model(rules, on, options)
    before: set[int] = set()
    died = 0
    for cycle in range(70):
        record = model.step(cycle)
        living = {agent.ident for agent in model.members}
        depths = [agent.depth for agent in model.members]
        assert record.population == len(living)
        assert record.births >= len(living - before)
        assert record.births - record.deaths == len(living) - len(before)
        assert record.depth_mean == (pytest.approx(fmean(depths)) if depths else None)
        assert record.depth_max == max(depths, default=None)
        died += record.deaths
        before = living
    assert died == model.born - len(before)


@pytest.mark.parametrize(
    ("rules", "on", "options"), [rule for rule in RULES if rule[2].get("groups") == "rebuild"], ids=NAMES[1:3]
)
def test_similarity_is_over_the_pairs_of_the_groups_formed_in_the_cycle(
    rules: str, on: list[str], options: dict[str, Any]
) -> None:
    model = _model(rules, on, options)
    assert isinstance(model, World)
    known: set[frozenset[int]] = set()
    none_formed = 0
    for cycle in range(40):
        phases = {agent.ident: agent.phase for agent in model.members}
        record = model.step(cycle)
        formed = {frozenset(agent.ident for agent in group) for group in model.groups}
        pairs = [similarity(phases[a], phases[b]) for group in formed for a, b in combinations(group, 2)]
        assert record.similarity_mean == (pytest.approx(fmean(pairs), rel=1e-9) if pairs else None)
        assert record.groups == len(formed)
        assert record.new_groups == len(formed - known)
        none_formed += not pairs
        known = formed
    assert 0 < none_formed < 40


def test_light_similarity_is_the_cosine_between_any_two_of_a_group() -> None:
    model = _model("light", ["energy_pooling"], {})
    assert isinstance(model, LightWorld)
    for cycle in range(30):
        angles = {agent.ident: agent.angle for agent in model.members}
        record = model.step(cycle)
        pairs = [
            math.cos(angles[a.ident] - angles[b.ident])
            for group in model.groups
            for a, b in combinations(group, 2)
        ]
        assert record.similarity_mean == (pytest.approx(fmean(pairs), rel=1e-9) if pairs else None)


def test_where_none_are_looked_for_there_are_no_groups() -> None:
    for record in map(_model("heavy", [], {}).step, range(10)):
        assert (record.groups, record.new_groups, record.similarity_mean) == (0, 0, None)


def _event(members: Sequence[int], similarity_mean: float = 0.9) -> Event:
    return Event(tuple(members), similarity_mean, 0, 1.0)


def test_a_group_is_new_unless_it_was_a_group_of_the_cycle_before() -> None:
    compositions = Compositions()
    seen = []
    for groups in ([(1, 2), (3, 4)], [(1, 2), (3, 4, 5)], [], [(1, 2)]):
        compositions.see([_event(members) for members in groups])
        seen.append(compositions.new)
    assert seen == [2, 1, 0, 1]


def test_with_a_memory_a_group_is_new_only_once() -> None:
    compositions = Compositions(Scan())
    seen = []
    for groups in ([(1, 2), (3, 4)], [(1, 2), (3, 4, 5)], [], [(1, 2)]):
        compositions.see([_event(members) for members in groups])
        seen.append((compositions.new, compositions.memory_size))
    assert seen == [(2, 2), (1, 4), (0, 4), (0, 5)]


def test_a_group_counts_by_its_pairs() -> None:
    compositions = Compositions()
    compositions.see([_event((1, 2), 1.0), _event((3, 4, 5), 0.9)])
    assert compositions.similarity_mean == pytest.approx((1.0 + 3 * 0.9) / 4)


def test_a_census_forgets_depths_where_nobody_lives_any_more() -> None:
    census = Census()
    for depth in (0, 1, 3):
        census.born(depth)
    assert census.turnover() == (3, 0, 4 / 3, 3)
    census.died(3)
    assert census.turnover() == (0, 1, 0.5, 1)
    census.died(0)
    census.died(1)
    assert census.turnover() == (0, 2, None, None)


@pytest.mark.parametrize("rules", ["heavy", "light", "swarm"])
def test_observables_are_the_fields_of_what_is_recorded(
    scene: Scene, condition: Callable[..., Condition], rules: str
) -> None:
    workload = Workload(rules=rules, metrics="constant")
    simulation = workload.start(condition(), scene)
    for cycle in range(3):
        for value, kind in zip(simulation.step(cycle), workload.observables.values(), strict=True):
            assert value is None or type(value) is kind
    assert ("bursts" in workload.observables) == (rules == "swarm")


def test_the_swarm_records_what_the_others_do_and_more() -> None:
    assert SwarmRecord._fields[: len(Record._fields)] == Record._fields
    assert columns(SwarmRecord) == columns(Record) | {
        "bursts": int,
        "energy_released": float,
        "global_memory": int,
        "memories": int,
    }
    assert columns(Record)["depth_mean"] is float
    assert columns(Record)["depth_max"] is int
