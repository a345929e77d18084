"""The swarm against a slow twin that shares no code with it but the generator, and against sums done by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nrm.memories import Archive, Memories, Memory
from nrm.randomness import legacy_generator
from nrm.sampling import Steady
from nrm.substrate import Reading
from nrm.swarm import Swarm
from nrm.workload import Workload
from probes.protocols import Condition, Scene

STUDY = (2.24, 71.67)
Note = tuple[tuple[float, float, float], float, int]


class Node:
    """An agent of the twin."""

    def __init__(self, ident: int, depth: int, energy: float, phase: tuple[float, float, float]) -> None:
        self.ident, self.depth, self.energy, self.phase = ident, depth, energy, phase
        self.children: list[Node] = []
        self.notes: list[Note] = []


class Twin:
    """The rules as they are written, one sentence after the other; quadratic wherever that is plainer."""

    def __init__(
        self, cpu: float, memory: float, *, seed: int, every: int = 10, recorded: bool = True, cap: int = 100
    ) -> None:
        self.cpu, self.memory, self.every, self.recorded, self.cap = cpu, memory, every, recorded, cap
        self.gain = 0.01 * ((100 - cpu) + (100 - memory))
        self.draws = legacy_generator(seed)
        self.counter, self.steps = 0, (0.0, 0.0)
        self.alive: list[Node] = []
        self.archive: list[Note] = []
        self.born = 0

    @property
    def oscillator(self) -> tuple[float, float, float]:
        return (self.counter % 20 * (0.1 * math.pi), *self.steps)

    def bear(self, parent: Node | None) -> None:
        angles = (self.cpu / 100 * 2 * math.pi, self.memory / 100 * 2 * math.e, 0.0)
        full = 2 * math.pi
        x, y, z = (((a % full) + o) % full for a, o in zip(angles, self.oscillator, strict=True))
        energy = 130.0 if parent is None else 0.3 * parent.energy
        child = Node(self.born, 0 if parent is None else parent.depth + 1, energy, (x, y, z))
        self.born += 1
        self.alive.append(child)
        if parent is not None:
            parent.children.append(child)
            parent.energy -= energy

    def visit(self, node: Node) -> int:
        e, phi = self.steps
        golden = (1 + math.sqrt(5)) / 2
        self.counter += 1
        self.steps = (
            (e + 0.1 * math.e / math.pi) % (2 * math.pi),
            (phi + 0.1 * golden / math.e) % (2 * math.pi),
        )
        node.phase = self.oscillator
        node.energy = min(200.0, max(0.0, node.energy - 0.01 + self.gain))
        return 1 + sum(self.visit(child) for child in node.children)

    def links(self, a: Node, b: Node) -> bool:
        p, q = math.hypot(*a.phase), math.hypot(*b.phase)
        if p == 0 or q == 0:
            return False
        cosine = sum(x * y for x, y in zip(a.phase, b.phase, strict=True)) / p / q
        return 0.7 * cosine + 0.3 * min(p, q) / max(p, q) >= 0.85 - 1e-9

    def groups(self) -> list[list[Node]]:
        label = {node: index for index, node in enumerate(self.alive)}
        for a in self.alive:
            for b in self.alive:
                if label[a] != label[b] and self.links(a, b):
                    old, new = label[a], label[b]
                    label = {node: new if was == old else was for node, was in label.items()}
        found: dict[int, list[Node]] = {}
        for node in self.alive:
            found.setdefault(label[node], []).append(node)
        return [group for group in found.values() if len(group) > 1]

    def family(self, node: Node) -> Iterator[Node]:
        yield node
        for child in node.children:
            yield from self.family(child)

    def burst(self, group: list[Node]) -> float:
        pool: list[Note] = []
        released = 0.0
        for member in group:
            for node in self.family(member):
                if node in self.alive:
                    self.alive.remove(node)
                    released += node.energy
                    pool += node.notes
        pool.sort(key=lambda note: -note[1])
        self.archive += pool[:50]
        return released

    def step(self, cycle: int) -> dict[str, Any]:
        if cycle % self.every == 0:
            if not self.alive:
                self.bear(None)
            able = [node for node in self.alive if node.energy >= 10 - 1e-9 and node.depth < 7]
            if able and len(self.alive) < self.cap:
                self.bear(able[int(self.draws.random() * len(able))])
        visits = sum([self.visit(node) for node in self.alive])
        for node in self.alive if self.recorded else []:
            node.notes.append((node.phase, math.hypot(*node.phase), cycle))
            node.notes = sorted(node.notes, key=lambda note: -note[1])[:100]
        groups = self.groups()
        sizes = len(groups)
        released = []
        for group in groups:
            living = [node for node in group if node in self.alive]
            if sum(node.energy for node in living) >= 500 - 1e-9:
                released.append(self.burst(living))
        if self.archive and self.alive:
            self.archive = sorted(self.archive, key=lambda note: -note[1])[:1000]
            for place, note in enumerate(self.archive[:100]):
                survivor = self.alive[place % len(self.alive)]
                survivor.notes = sorted([*survivor.notes, note], key=lambda note: -note[1])[:100]
        return {
            "population": len(self.alive),
            "groups": sizes,
            "visits": visits,
            "energy": sum(node.energy for node in self.alive),
            "bursts": len(released),
            "energy_released": sum(released),
            "global_memory": len(self.archive),
            "memories": sum(len(node.notes) for node in self.alive),
        }


def _swarm(cpu: float = STUDY[0], ram: float = STUDY[1], *, seed: int = 0, **options: Any) -> Swarm:
    model = Workload(rules="swarm", **options).model([], Steady(Reading(cpu, ram, 0.0)), seed=seed)
    assert isinstance(model, Swarm)
    return model


@pytest.mark.parametrize(
    ("metrics", "seed", "every", "recorded", "cap", "cycles"),
    [
        (STUDY, 0, 10, True, 100, 400),
        (STUDY, 1, 1, True, 100, 150),
        ((80.0, 90.0), 2, 1, True, 100, 120),
        ((99.0, 99.5), 3, 2, True, 9, 300),
        (STUDY, 4, 3, False, 100, 300),
    ],
    ids=["as studied", "a birth a cycle", "busy machine", "small cap", "nothing noted"],
)
def test_the_swarm_does_what_its_slow_twin_does(
    metrics: tuple[float, float], seed: int, every: int, recorded: bool, cap: int, cycles: int
) -> None:
    twin = Twin(*metrics, seed=seed, every=every, recorded=recorded, cap=cap)
    swarm = _swarm(
        *metrics,
        seed=seed,
        spawn_every=every,
        memory="recorded" if recorded else "never",
        max_agents=cap,
    )
    for cycle in range(cycles):
        record, expected = swarm.step(cycle)._asdict(), twin.step(cycle)
        assert {name: record[name] for name in expected} == pytest.approx(expected, rel=1e-9, abs=1e-9)
        assert [agent.ident for agent in swarm.members] == [node.ident for node in twin.alive]
        assert record["depth_max"] == max((node.depth for node in twin.alive), default=None)
        held = [m for agent in swarm.members for m in swarm.memories[agent.ident]]
        noted = [note for node in twin.alive for note in node.notes]
        assert [m.cycle for m in held] == [note[2] for note in noted]
        assert [m.magnitude for m in held] == pytest.approx([note[1] for note in noted])
    assert [m.cycle for m in swarm.archive] == [note[2] for note in twin.archive]


def test_the_first_cycle_bears_a_root_and_its_child_with_three_tenths_of_its_energy() -> None:
    swarm = _swarm(50.0, 50.0)  # an ordinary gain of 1 - 0.01 a visit
    record = swarm.step(0)
    root, child = swarm.members
    assert root.energy == pytest.approx(130.0 * 0.7 + 0.99)
    assert child.energy == pytest.approx(130.0 * 0.3 + 2 * 0.99)
    assert record[:3] == (2, 2, 0)
    assert (record.visits, record.depth_mean, record.depth_max) == (3, 0.5, 1)


@pytest.mark.parametrize("every", [1, 7, 10])
def test_a_birth_comes_every_so_many_cycles(every: int) -> None:
    swarm = _swarm(99.9, 99.9, spawn_every=every)
    assert [swarm.step(cycle).births for cycle in range(3 * every)] == [
        2 if cycle == 0 else int(cycle % every == 0) for cycle in range(3 * every)
    ]


@pytest.mark.parametrize(
    ("limit", "value"), [("max_agents", 1), ("max_depth", 0), ("spawn_threshold", 200.1)]
)
def test_where_nobody_may_have_a_child_the_root_stays_alone(limit: str, value: Any) -> None:
    swarm = _swarm(**{limit: value})
    assert [swarm.step(cycle).population for cycle in range(30)] == [1] * 30


def test_a_group_of_500_bursts_with_all_descendants_and_leaves_its_strongest_memories() -> None:
    swarm = _swarm(100.0, 100.0, spawn_every=1000)  # no gain; births by hand
    swarm.step(0)
    root, child = swarm.members
    grandchild = swarm._family.bear(child, energy=200.0)
    swarm._remember(grandchild)
    stranger = swarm._family.bear(energy=None)
    swarm._remember(stranger)
    for agent, energy in zip((root, child, grandchild, stranger), (300.5, 200.5, 77.0, 20.0), strict=True):
        agent.energy = energy
    swarm.groups = [(root, child)]
    for number in range(60):
        swarm.memories[grandchild.ident].take(Memory((0.0, 0.0, 0.0), float(number), number))
    assert list(swarm._decompose()) == [577.5 + 0.5]
    assert swarm.members == [stranger]
    assert [m.magnitude for m in swarm.archive] == [float(n) for n in range(59, 9, -1)]


def test_less_than_500_does_not_burst_and_what_a_burst_took_counts_no_more() -> None:
    swarm = _swarm(100.0, 100.0, spawn_every=1000)
    swarm.step(0)
    root, child = swarm.members
    other = swarm._family.bear()
    swarm._remember(other)
    root.energy, child.energy, other.energy = 400.0, 110.0, 450.0
    swarm.groups = [(root, other), (child, other)]
    assert list(swarm._decompose()) == [960.0]  # the child falls with its parent
    assert swarm.members == []
    swarm = _swarm(100.0, 100.0, spawn_every=1000)
    swarm.step(0)
    root, child = swarm.members
    root.energy, child.energy = 300.0, 199.9
    swarm.groups = [(root, child)]
    assert list(swarm._decompose()) == []


@pytest.mark.parametrize("seed", range(3))
def test_energy_comes_from_roots_and_visits_and_goes_only_with_bursts(seed: int) -> None:
    swarm = _swarm(80.0, 80.0, seed=seed, spawn_every=1, max_agents=30)
    before, births, bursts = 0.0, 0, 0
    for cycle in range(400):
        record = swarm.step(cycle)
        roots = 130.0 * (record.depth_mean is not None and before == 0.0)
        gained = record.energy + record.energy_released - before - roots
        # Less than a visit's gain where the limit of 200 cuts.
        assert -1e-9 <= gained <= record.visits * (0.01 * 40.0 - 0.01) + 1e-9
        births += record.births - record.deaths
        assert births == record.population
        bursts += record.bursts
        before = record.energy
    assert bursts > 5


def test_memories_keep_within_their_limits() -> None:
    swarm = _swarm(seed=5)
    sizes = []
    for cycle in range(2500):
        record = swarm.step(cycle)
        assert all(len(memories) <= 100 for memories in swarm.memories.values())
        assert set(swarm.memories) == {agent.ident for agent in swarm.members}
        sizes.append((record.population, record.global_memory))
    assert max(size for population, size in sizes if population) == 1000
    # Cut only where somebody survives.
    assert any(size > 1000 for population, size in sizes if not population)


def test_nothing_noted_leaves_all_memories_empty_for_ever_and_moves_no_agent() -> None:
    runs = [[swarm.step(cycle) for cycle in range(600)] for swarm in (_swarm(), _swarm(memory="never"))]
    assert [r[:13] for r in runs[0]] == [r[:13] for r in runs[1]]
    assert {r[13:] for r in runs[1]} == {(0, 0)}
    assert sum(r.bursts for r in runs[1]) > 5


def test_an_agent_keeps_its_hundred_strongest_and_of_equals_the_earlier() -> None:
    memories = Memories()
    for number in range(150):
        memories.note((0.0, 0.0, 0.0), float(number // 2), number)
    assert [m.cycle for m in memories][:4] == [148, 149, 146, 147]
    assert len(memories) == 100
    memories.note((0.0, 0.0, 0.0), 25.0, 999)  # equal to the weakest: comes too late
    assert [m.cycle for m in memories][-2:] == [50, 51]


def test_the_first_hundred_are_handed_out_round_robin() -> None:
    archive = Archive()
    archive.add(Memory((0.0, 0.0, 0.0), float(n), n) for n in range(1200))
    archive.hand_out([])
    assert len(archive) == 1200
    survivors = [Memories(), Memories(), Memories()]
    archive.hand_out(survivors)
    assert len(archive) == 1000
    assert [[m.cycle for m in s] for s in survivors] == [
        list(range(1199, 1099, -3)),
        list(range(1198, 1099, -3)),
        list(range(1197, 1099, -3)),
    ]


def test_who_all_died_wait_for_the_next_birth_and_take_no_sample(
    scene: Scene, condition: Callable[..., Condition], psutil_calls: list[Any]
) -> None:
    simulation = Workload(rules="swarm", metrics="constant").start(condition(), scene._replace(seed=1))
    records = [simulation.step(cycle) for cycle in range(55)]
    empty = [cycle for cycle, record in enumerate(records) if not record.visits]
    assert empty == list(range(42, 50))  # the burst's own cycle, 41, had visits
    assert records[41].bursts == 1
    assert scene.meters.sampling_calls == 55 - 8
    assert records[50].births == 2


def test_mechanisms_are_refused_where_they_are_on(condition: Callable[..., Condition]) -> None:
    workload = Workload(rules="swarm")
    with pytest.raises(
        ValueError,
        match=r"^condition energy_pooling turns on energy_pooling, which workload\.rules=swarm does not know; "
        r"leave it out of factors or choose workload.rules=heavy or light$",
    ):
        workload.check(condition("energy_pooling"))
    workload.check(condition())


def test_samples_planned_for_a_swarm_are_samples_taken(
    scene: Scene, condition: Callable[..., Condition], psutil_calls: list[Any]
) -> None:
    workload = Workload(rules="swarm", metrics="constant", optimization={"sampling": "per_visit"})
    here = condition(cycles=130)
    simulation = workload.start(here, scene)
    for cycle in range(here.cycles):
        simulation.step(cycle)
    assert workload.planned_s(here) == pytest.approx(scene.meters.sampling_calls * 0.000166)
