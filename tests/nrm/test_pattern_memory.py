"""Compositions remembered change nothing but the time that a cycle takes."""

from __future__ import annotations

import random
from typing import Any

import pytest

from nrm.pattern_memory import Event, Index, PatternMemory, Scan, remembering
from nrm.sampling import Steady
from nrm.substrate import Reading
from nrm.workload import Workload

KINDS = {"scan": Scan, "index": Index}
RULES: list[tuple[str, list[str]]] = [
    ("heavy", []),
    ("heavy", ["energy_pooling"]),
    ("heavy", ["energy_pooling", "reality_sources", "spawn_throttling"]),
    ("light", []),
    ("light", ["energy_pooling"]),
    ("swarm", []),
]


def _event(*members: int, cycle: int = 0) -> Event:
    return Event(members, 0.9, cycle, 100.0)


def _run(rules: str, on: list[str], memory: PatternMemory | None, cycles: int = 60) -> list[Any]:
    workload = Workload(rules=rules)
    model = workload.model(on, Steady(Reading(2.24, 71.67, 0.0)), seed=0, memory=memory)
    return [model.step(cycle)._asdict() for cycle in range(cycles)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("rules", "on"), RULES, ids=[f"{rules}-{'-'.join(on)}" for rules, on in RULES])
def test_a_memory_moves_no_agent(rules: str, on: list[str], kind: str) -> None:
    without, remembered = _run(rules, on, None), _run(rules, on, KINDS[kind]())
    watched = {"new_groups", "pattern_memory_size"}
    if not on:
        watched |= {"groups", "similarity_mean"}  # formed for the memory alone
    for a, b in zip(without, remembered, strict=True):
        assert {k: v for k, v in a.items() if k not in watched} == {
            k: v for k, v in b.items() if k not in watched
        }
    assert all(a["pattern_memory_size"] is None for a in without)
    assert remembered[-1]["pattern_memory_size"] > 0


@pytest.mark.parametrize(("rules", "on"), RULES, ids=[f"{rules}-{'-'.join(on)}" for rules, on in RULES])
def test_scan_and_index_find_the_same(rules: str, on: list[str]) -> None:
    scan, index = Scan(), Index()
    assert _run(rules, on, scan) == _run(rules, on, index)
    assert (scan.hits, scan.misses, len(scan)) == (index.hits, index.misses, len(index))
    assert scan.hits + scan.misses == len(scan)


@pytest.mark.parametrize("limit", [None, 1, 5, 17])
@pytest.mark.parametrize("seed", range(3))
def test_scan_and_index_find_the_same_within_a_limit(limit: int | None, seed: int) -> None:
    draw = random.Random(seed)
    scan, index = Scan(limit), Index(limit)
    held: list[tuple[int, ...]] = []
    for cycle in range(300):
        event = _event(*sorted(draw.sample(range(5), 2)), cycle=cycle)
        known = event.members in held
        assert scan.meet(event) is known
        assert index.meet(event) is known
        held = [*held, event.members][-(limit or 10**9) :]
        assert len(scan) == len(index) == len(held)


def test_the_limit_drops_the_oldest() -> None:
    for memory in (Scan(2), Index(2)):
        assert not memory.meet(_event(1, 2))
        assert not memory.meet(_event(3, 4))
        assert not memory.meet(_event(5, 6))  # drops 1, 2
        assert memory.meet(_event(3, 4))
        assert not memory.meet(_event(1, 2))


def test_a_scan_compares_with_all_that_is_held_and_an_index_with_none_or_one() -> None:
    scan, index, compared = Scan(), Index(), []
    for cycle in range(1000):
        event = _event(7, 8) if cycle == 0 else _event(cycle, cycle + 1)
        scan.meet(event)
        index.meet(event)
        compared.append((scan.comparisons, index.comparisons))
    scan.meet(_event(7, 8))  # found first, and yet compared with the rest
    assert scan.comparisons == sum(range(1001))
    assert compared[499] == (sum(range(500)), 1)  # cycle 7 was known
    assert scan.hits == 2


def test_a_cycle_compares_more_the_more_cycles_went_before_unless_indexed() -> None:
    def per_cycle(memory: PatternMemory) -> list[int]:
        model = Workload().model(["energy_pooling"], Steady(Reading(2.24, 71.67, 0.0)), seed=0, memory=memory)
        counts = []
        for cycle in range(80):
            before = memory.comparisons
            groups_before = len(memory)
            model.step(cycle)
            counts.append((memory.comparisons - before) // max(1, len(memory) - groups_before))
        return counts

    scanned, indexed, limited = per_cycle(Scan()), per_cycle(Index()), per_cycle(Scan(20))
    assert scanned[79] > 1.8 * scanned[40] > 3 * scanned[20]
    assert max(indexed) <= 1
    assert max(limited) <= 20


def test_a_memory_counts_what_it_does_not_know_as_new() -> None:
    records = _run("heavy", ["energy_pooling"], memory := Scan())
    assert sum(record["new_groups"] for record in records) == memory.misses
    assert records[-1]["pattern_memory_size"] == memory.hits + memory.misses == records[-1]["groups"]


def test_a_memory_is_made_as_configured() -> None:
    assert remembering("none", 5) is None
    assert isinstance(remembering("scan", None), Scan)
    assert isinstance(remembering("index", 5), Index)


def test_groups_are_watched_at_the_threshold_that_pooling_is_given() -> None:
    def new(threshold: float) -> int:
        workload = Workload(mechanism={"energy_pooling": {"threshold": threshold}})
        model = workload.model([], Steady(Reading(2.24, 71.67, 0.0)), seed=0, memory=Index())
        return sum(model.step(cycle).groups for cycle in range(30))

    assert new(0.85) != new(0.99)
