"""The engine of arrays against the engine of objects, and against the recorded runs: the same wherever agents share."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nrm.agent import Agent, Limits
from nrm.composition import components, similarity_mean
from nrm.observing import Record
from nrm.pattern_memory import remembering
from nrm.persistence import Rows
from nrm.sampling import Steady
from nrm.substrate import Reading, oscillation
from nrm.vectorised.heavy import HeavyArrays
from nrm.vectorised.linking import Resonance
from nrm.vectorised.orbit import Stations, oscillator
from nrm.workload import Workload

DATA = Path(__file__).parents[1] / "data" / "nrm"
GROUPS = {"heavy_off": "accumulate", "heavy_on": "accumulate", "heavy_on_cleared": "rebuild"}
MECHANISMS = {
    "h1_enabled": "energy_pooling",
    "h2_enabled": "reality_sources",
    "h4_enabled": "spawn_throttling",
    "h5_enabled": "energy_recovery",
}


class Moving:
    """Shared metrics that differ from cycle to cycle."""

    per_visit = False

    def __init__(self, seed: int, low: float) -> None:
        self._draws = np.random.default_rng(seed)
        self._low = low
        self._reading = Reading(0.0, 0.0, 0.0)

    def refresh(self) -> None:
        self._reading = Reading(*self._draws.uniform(self._low, 100, 3).tolist())

    def read(self) -> Reading:
        return self._reading

    def capacities(self) -> Any:
        return repeat(self._reading.capacity)

    def visits(self, own: object) -> Any:
        return self.capacities()


def _members(model: Any) -> list[float]:
    return model.energies if hasattr(model, "energies") else [agent.energy for agent in model.members]


def _same(a: Record, b: Record) -> bool:
    """Counts equal, means and sums but for rounding."""
    pairs = zip(a, b, strict=True)
    return all(
        x == y or (isinstance(x, float) and y == pytest.approx(x, rel=1e-9, abs=1e-9)) for x, y in pairs
    )


@lru_cache
def _heavy(
    groups: str, on: tuple[str, ...], cpu: float, memory: float, cycles: int
) -> tuple[list[int], list[int]]:
    model = Workload(engine="numpy", groups=groups).model(list(on), Steady(Reading(cpu, memory, 0.0)), seed=0)
    records = [model.step(cycle) for cycle in range(cycles)]
    return [record.population for record in records], [record.visits for record in records]


def _recorded(kind: str) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = json.loads(gzip.decompress((DATA / f"{kind}.json.gz").read_bytes()))["runs"]
    return runs


def _sha256(population: list[int]) -> str:
    return hashlib.sha256(json.dumps(population).encode()).hexdigest()


@pytest.mark.parametrize("kind", GROUPS)
def test_heavy_arrays_have_the_recorded_populations_and_visits(kind: str) -> None:
    for run in _recorded(kind):
        factors = [MECHANISMS[factor] for factor in run["factors"]]
        if run["script"] == "c259":
            factors[0] = "energy_pooling"  # the script runs pooling's code under the flag of the sources
        words = zip(factors, run["condition"].split("-"), strict=True)
        on = tuple(sorted(factor for factor, word in words if word == "ON"))
        population, visits = _heavy(
            GROUPS[kind], on, run["cpu_percent"], run["memory_percent"], run["cycles"]
        )
        assert _sha256(population) == run["sha256"]
        assert visits[:-1] == list(chain.from_iterable(repeat(*pair) for pair in run["evolves_rle"]))


@pytest.mark.parametrize("kind", ["light_off", "light_on"])
def test_light_arrays_have_the_recorded_populations_and_energies(kind: str) -> None:
    for run in _recorded(kind):
        words = zip(("energy_pooling", "reality_sources"), run["condition"].split("-"), strict=True)
        on = [factor for factor, word in words if word == "ON"]
        metrics = Steady(Reading(run["cpu_percent"], run["memory_percent"], 0.0))
        model: Any = Workload(rules="light", engine="numpy").model(on, metrics, seed=run["np_seed"])
        population = []
        for cycle in range(run["cycles"]):
            state = run["state_at_start_of_cycle"].get(str(cycle))
            if state is not None:
                assert model.energies[:16] == pytest.approx(state["energies"], rel=0, abs=1e-9)
            population.append(model.step(cycle).population)
        assert _sha256(population) == run["sha256"]


@settings(max_examples=100, deadline=None)
@given(
    rules=st.sampled_from(["heavy", "heavy", "light"]),
    on=st.sets(st.sampled_from(sorted(MECHANISMS.values()))),
    max_agents=st.sampled_from([1, 2, 7, 30, 60]),
    groups=st.sampled_from(["accumulate", "rebuild"]),
    recursion=st.booleans(),
    memory=st.sampled_from(["none", "scan", "index"]),
    metrics=st.one_of(
        st.sampled_from(
            [(2.24, 71.67), (90.0, 90.0), (89.0, 100.0), (94.5, 94.5), (99.0, 100.0), (100.0, 100.0)]
        ),
        st.tuples(st.floats(0, 100), st.floats(0, 100)),
        st.tuples(st.integers(0, 99), st.sampled_from([0.0, 80.0, 95.0])),
    ),
    limits=st.fixed_dictionaries(
        {},
        optional={
            "death_threshold": st.sampled_from([0.0, 20.0, 60.0]),
            "spawn_price": st.sampled_from([0.0, 30.0]),
            "spawn_threshold": st.sampled_from([0.0, 50.0]),
            "max_depth": st.sampled_from([0, 2, 20]),
        },
    ),
    threshold=st.sampled_from([0.0, 0.85, 0.97, 1.0]),
    seed=st.integers(0, 99),
)
def test_both_engines_record_the_same(
    rules: str,
    on: set[str],
    memory: str,
    metrics: tuple[float, float],
    threshold: float,
    seed: int,
    **options: Any,
) -> None:
    limits = options.pop("limits")
    if rules == "light":
        on = on & {"energy_pooling", "reality_sources"}
    mechanism = {"energy_pooling": {"threshold": threshold}}

    def model(engine: str) -> Any:
        workload = Workload(rules=rules, engine=engine, mechanism=mechanism, **options, **limits)
        moving = isinstance(metrics[0], int)
        source = Moving(*metrics) if moving else Steady(Reading(*metrics, 0.0))
        return workload.model(sorted(on), source, seed=seed, memory=remembering(memory, 40))

    objects, arrays = model("objects"), model("numpy")
    for cycle in range(120):
        one, other = objects.step(cycle), arrays.step(cycle)
        assert _same(one, other)
        assert _members(arrays) == pytest.approx(_members(objects), rel=0, abs=1e-9)
    assert arrays.born == objects.born


@pytest.mark.parametrize("on", [[], ["energy_pooling"]], ids=["alone", "pooling"])
def test_both_engines_agree_on_a_thousand_agents(on: list[str]) -> None:
    metrics = Steady(Reading(2.24, 71.67, 0.0))
    objects, arrays = (
        Workload(engine=engine, max_agents=1000).model(on, metrics, seed=0) for engine in ("objects", "numpy")
    )
    assert all(_same(objects.step(cycle), arrays.step(cycle)) for cycle in range(60))


@settings(max_examples=60, deadline=None)
@given(
    agents=st.integers(0, 150),
    least=st.floats(0, 6),
    threshold=st.sampled_from([0.0, 0.7, 0.85, 0.95, 0.99, 0.999, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_components_and_their_similarities_are_those_of_the_objects(
    agents: int, least: float, threshold: float, seed: int
) -> None:
    phases = np.random.default_rng(seed).uniform(least, 2 * np.pi, (agents, 3))
    phases[::9] *= 0.5 ** (seed % 4)
    phases[5::20] = 0.0  # who stands at the origin resembles nobody
    born = [Agent(i, depth=0, energy=1.0, phase=tuple(phase)) for i, phase in enumerate(phases.tolist())]
    expected = components(born, threshold)
    resonance = Resonance(phases.T)
    groups = resonance.groups(threshold)
    assert [places.tolist() for places in groups] == [[agent.ident for agent in group] for group in expected]
    means = [similarity_mean([agent.phase for agent in group]) for group in expected]
    assert [resonance.similarity_mean(places) for places in groups] == pytest.approx(means, abs=1e-12)


def test_ties_at_the_threshold_are_links() -> None:
    phases = np.array(
        [[0.3, 0.5, 0.7], [0.6, 1.0, 1.4]]
    ).T  # one direction, half the magnitude: 0.7 + 0.3 / 2
    assert len(Resonance(phases).groups(0.85)) == 1


def test_the_oscillator_stands_where_a_million_steps_lead() -> None:
    (phase,) = islice(oscillation(), 999_999, 1_000_000)
    assert oscillator(1_000_000) == pytest.approx(phase, rel=0, abs=2e-13)


def test_stations_are_the_oscillators_angles() -> None:
    steps = np.arange(1, 3000, 7)
    expected = list(islice(oscillation(), 1234 + 3000))
    phases = Stations(steps).phases(1234).T
    assert phases == pytest.approx(np.array([expected[1234 + step - 1] for step in steps]), rel=0, abs=1e-11)


def test_births_and_pairs_are_written_as_by_the_objects(tmp_path: Path) -> None:
    written: dict[str, list[tuple[Any, ...]]] = {}

    class Noted(Rows):
        def __init__(self, engine: str) -> None:
            self.noted = written.setdefault(engine, [])

        def birth(self, *row: Any) -> None:
            self.noted.append(row)

        def pair(self, first: int, second: int, similarity: float) -> None:
            self.noted.append((first, second, round(similarity, 9)))

    for engine in ("objects", "numpy"):
        workload = Workload(
            engine=engine, optimization={"persist": "sqlite", "persist_pairs": True}, max_agents=5
        )
        metrics = Steady(Reading(2.24, 71.67, 0.0))
        model = workload.model(["energy_pooling"], metrics, seed=0, rows=Noted(engine))
        for cycle in range(6):
            model.step(cycle)
    assert len(written["objects"]) > 30
    assert written["numpy"] == written["objects"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"optimization": {"sampling": "per_visit"}},
            "optimization.sampling='per_visit' does not go with workload.engine=numpy",
        ),
        (
            {"optimization": {"share": "own"}},
            "optimization.share='own' does not go with workload.engine=numpy",
        ),
        ({"rules": "swarm"}, "workload.rules=swarm does not go with workload.engine=numpy"),
    ],
    ids=["per visit", "unshared", "swarm"],
)
def test_what_arrays_cannot_do_is_refused_in_a_sentence_that_names_both_keys(
    options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=f"^{said}.*; choose workload.engine=objects"):
        Workload(engine="numpy", **options)


def test_a_mechanism_that_takes_agents_one_by_one_is_refused() -> None:
    @dataclass(frozen=True)
    class Tax:
        RULES: ClassVar[frozenset[str]] = frozenset({"heavy"})
        PLACE: ClassVar[int] = 5

        def apply(self, crowd: object) -> None: ...

    with pytest.raises(ValueError, match=r"takes agents one by one; choose workload\.engine=objects"):
        HeavyArrays(Limits(), [Tax()], Steady(Reading(2.24, 71.67, 0.0)))


@pytest.mark.parametrize(("engine", "imported"), [("objects", "False"), ("numpy", "True")])
def test_numpy_is_imported_for_its_own_engine_only(engine: str, imported: str) -> None:
    program = f"""
import sys
from nrm.sampling import Steady
from nrm.substrate import Reading
from nrm.workload import Workload
Workload(engine={engine!r}).model(["energy_pooling"], Steady(Reading(2.24, 71.67, 0.0)), seed=0).step(0)
print("numpy" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == imported


def test_a_cycle_of_nobody_records_zeros(populations: Callable[..., list[int]]) -> None:
    for rules in ("heavy", "light"):
        assert populations(100.0, 100.0, cycles=3, rules=rules, engine="numpy", death_threshold=200.0) == [
            0,
            0,
            0,
        ]
