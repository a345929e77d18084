"""The checked configuration of a simulation, started once per condition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from nrm import checks, mechanisms
from nrm.agent import Limits
from nrm.composition import RESONANCE
from nrm.light import LightWorld
from nrm.mechanisms import Mechanism
from nrm.metrics import Values
from nrm.observing import Compositions, Record, SwarmRecord, columns
from nrm.pattern_memory import PATTERN_MEMORIES, PatternMemory, remembering
from nrm.persistence import Rows
from nrm.planning import Tally, planned_s, tally
from nrm.randomness import legacy_generator
from nrm.sampling import Policy, Sampler, Steady
from nrm.substrate import Metrics
from nrm.swarm import MEMORIES, Swarm
from nrm.world import World
from probes.protocols import Condition, Scene

if TYPE_CHECKING:
    from nrm.vectorised.heavy import HeavyArrays
    from nrm.vectorised.light import LightArrays

RULES = ("heavy", "light", "swarm")
ENGINES = ("objects", "numpy")
GROUPS = ("accumulate", "rebuild")


class Model(Protocol):
    """The simulation of one condition, whatever its rules and its engine."""

    @property
    def born(self) -> int:
        """All births so far."""

    def step(self, cycle: int) -> Record | SwarmRecord:
        """Do one cycle."""


class Simulation:
    """A model in one condition, with the file that it writes to."""

    def __init__(self, model: Model, rows: Rows | None) -> None:
        self.model = model
        self._rows = rows

    def step(self, cycle: int) -> Record | SwarmRecord:
        """Do one cycle."""
        return self.model.step(cycle)

    def close(self) -> None:
        """Close the file."""
        if self._rows is not None:
            self._rows.close()


class Workload:
    """Nested Resonance Memory as a workload; the defaults are the study's.

    ``cpu_percent``, ``memory_percent`` and ``disk_percent`` are the values of constant metrics, ``metrics_file`` holds
    those to replay.  ``groups`` and ``recursion`` concern the heavy rules,
    ``spawn_every`` and ``memory`` the swarm, which ``recursion`` concerns too, price and death do not.
    """

    _PLANNED_SEED: ClassVar[int] = 0

    def __init__(
        self,
        *,
        rules: str = "heavy",
        engine: str = "objects",
        max_agents: int = 100,
        groups: str = "accumulate",
        metrics: str = "live",
        metrics_file: str | None = None,
        cpu_percent: float = 2.24,
        memory_percent: float = 71.67,
        disk_percent: float = 0.0,
        recursion: bool = True,
        max_depth: int = 7,
        spawn_threshold: float = 10.0,
        spawn_price: float = 10.0,
        death_threshold: float = 1.0,
        spawn_every: int = 10,
        memory: str = "recorded",
        pattern_memory: str = "none",
        pattern_memory_limit: int | None = None,
        optimization: Mapping[str, Any] | None = None,
        mechanism: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        checks.choice("workload.rules", rules, RULES)
        checks.choice("workload.engine", engine, ENGINES)
        checks.choice("workload.groups", groups, GROUPS)
        checks.flag("workload.recursion", recursion)
        checks.integer("workload.spawn_every", spawn_every, low=1)
        checks.choice("workload.memory", memory, MEMORIES)
        checks.choice("workload.pattern_memory", pattern_memory, PATTERN_MEMORIES)
        if pattern_memory_limit is not None:
            checks.integer("workload.pattern_memory_limit", pattern_memory_limit, low=1)
        self._values = Values(
            metrics=metrics,
            metrics_file=metrics_file,
            cpu_percent=cpu_percent,
            memory_percent=memory_percent,
            disk_percent=disk_percent,
        )
        self._limits = Limits(
            max_agents=max_agents,
            max_depth=max_depth,
            spawn_threshold=spawn_threshold,
            spawn_price=spawn_price,
            death_threshold=death_threshold,
        )
        configured = {} if mechanism is None else mechanism
        checks.mapping("mechanism", configured)
        self._policy: Policy = checks.build(
            Policy, "optimization", {} if optimization is None else optimization
        )
        self._mechanisms = {name: mechanisms.build(name, options) for name, options in configured.items()}
        self._rules = rules
        self._engine = engine
        self._accumulate = groups == "accumulate"
        self._recursion = recursion
        self._spawn_every = spawn_every
        self._recorded = memory == "recorded"
        self._pattern_memory = pattern_memory
        self._pattern_memory_limit = pattern_memory_limit
        self._threshold = float(configured.get("energy_pooling", {}).get("threshold", RESONANCE))
        self._tallies: dict[tuple[frozenset[str], int], Tally] = {}
        if rules == "light":
            _check_light(self._policy)
        if engine == "numpy":
            _check_numpy(rules, self._policy)
        if rules != "heavy":
            _check_pairs(rules, self._policy)

    @property
    def observables(self) -> Mapping[str, type[int] | type[float]]:
        """What every cycle records, in this order."""
        return columns(SwarmRecord if self._rules == "swarm" else Record)

    def check(self, condition: Condition) -> None:
        """Refuse a condition that turns on what these rules do not know."""
        rules = self._rules
        for name, on in condition.mechanisms.items():
            mechanism = self._mechanism(name)
            if on and rules not in mechanism.RULES:
                raise ValueError(
                    f"condition {condition.name} turns on {name}, which workload.rules={rules} does not know; "
                    f"leave it out of factors or choose workload.rules={' or '.join(sorted(mechanism.RULES))}"
                )

    def planned_s(self, condition: Condition) -> float:
        """Return declared sleeps, commits and psutil calls of the condition times their counts, in seconds."""
        self.check(condition)
        on = {name for name, on in condition.mechanisms.items() if on}
        return planned_s(
            self._policy,
            condition.cycles,
            count=lambda: self._tally(frozenset(on - {"energy_pooling"}), condition.cycles),
            readers=len(on & {"reality_sources", "energy_recovery"}),
            pooling="energy_pooling" in on,
        )

    def start(self, condition: Condition, scene: Scene) -> Simulation:
        """Build the state of one condition; every condition draws from the seed anew."""
        self.check(condition)
        rows = self._policy.open_rows(scene.scratch)
        values = self._values.readings(scene.seed)
        sampler = Sampler(self._policy, scene.meters, rows=rows, values=values)
        on = [name for name, on in condition.mechanisms.items() if on]
        memory = remembering(self._pattern_memory, self._pattern_memory_limit)
        return Simulation(self.model(on, sampler, seed=scene.seed, rows=rows, memory=memory), rows)

    def model(
        self,
        on: list[str],
        metrics: Metrics,
        *,
        seed: int,
        rows: Rows | None = None,
        memory: PatternMemory | None = None,
    ) -> Model:
        """Build the bare model with these mechanisms on; a pattern memory has groups formed where nothing pays them."""
        chosen = [self._mechanism(name) for name in on]
        compositions = Compositions(memory)
        if self._rules == "swarm":
            return Swarm(
                self._limits,
                metrics,
                draws=legacy_generator(seed),
                spawn_every=self._spawn_every,
                recorded=self._recorded,
                recursion=self._recursion,
                rows=rows,
                compositions=compositions,
            )
        watched_at = None if memory is None or "energy_pooling" in on else self._threshold
        heavy, light = _models(self._engine)
        if self._rules == "light":
            return light(
                self._limits,
                chosen,
                metrics,
                draws=legacy_generator(seed),
                rows=rows,
                compositions=compositions,
                watched_at=watched_at,
            )
        return heavy(
            self._limits,
            chosen,
            metrics,
            recursion=self._recursion,
            accumulate=self._accumulate,
            rows=rows,
            pairs=self._policy.pairs,
            compositions=compositions,
            watched_at=watched_at,
        )

    def _mechanism(self, name: str) -> Mechanism:
        return self._mechanisms[name] if name in self._mechanisms else mechanisms.build(name, {})

    def _tally(self, on: frozenset[str], cycles: int) -> Tally:
        """Count once per set of mechanisms; pooling is left out: it hardly moves the population, and costs most."""
        if (on, cycles) not in self._tallies:
            model = self.model(sorted(on), Steady(self._values.typical), seed=self._PLANNED_SEED)
            # A swarm at its cap may yet burst.
            cap = None if self._rules == "swarm" else self._limits.max_agents
            self._tallies[on, cycles] = tally(model, cycles, cap)
        return self._tallies[on, cycles]


def _models(engine: str) -> tuple[type[World | HeavyArrays], type[LightWorld | LightArrays]]:
    """Return the models of the heavy and the light rules; numpy is imported for its own engine only."""
    if engine == "objects":
        return World, LightWorld
    from nrm.vectorised.heavy import HeavyArrays
    from nrm.vectorised.light import LightArrays

    return HeavyArrays, LightArrays


def _check_numpy(rules: str, policy: Policy) -> None:
    """Arrays are for agents that share what was sampled; bursts take agents one by one."""
    if rules == "swarm":
        raise ValueError(
            "workload.rules=swarm does not go with workload.engine=numpy, which knows heavy and light; "
            "choose workload.engine=objects"
        )
    if not policy.shared:
        raise ValueError(
            f"optimization.{_unshared(policy)} does not go with workload.engine=numpy, whose agents share one "
            "sample a cycle; choose workload.engine=objects, or optimization=vectorized"
        )


def _check_light(policy: Policy) -> None:
    """The light rules sample once a cycle."""
    if not policy.shared:
        raise ValueError(
            f"optimization.{_unshared(policy)} does not go with workload.rules=light, which sample once a cycle; "
            "choose optimization=lightweight or optimization=cached"
        )


def _check_pairs(rules: str, policy: Policy) -> None:
    """Only the heavy rules compare pairs of their own accord."""
    if policy.pairs:
        raise ValueError(
            f"optimization.persist_pairs=True does not go with workload.rules={rules}, which have no pair "
            "transactions; set optimization.persist_pairs=false"
        )


def _unshared(policy: Policy) -> str:
    """Return the option that lets visits take samples for themselves alone."""
    return "sampling='per_visit'" if policy.sampling == "per_visit" else f"share={policy.share!r}"
