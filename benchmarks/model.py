"""Cycles of the model alone per CPU second: both engines beside Mesa, and a full C256 factorial.

No sampling and no probes, constant metrics (2.24, 71.67).  Pooling pays the groups of one cycle only, so that a cycle
costs the same however many went before; the factorial accumulates groups, as the study did.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final

from benchmarks.document import Goal, Measured, Result, Skipped, compared, valued
from benchmarks.measuring import interleaved
from benchmarks.peers.serving import Case, State
from benchmarks.serving import MESA, NUMPY, OBJECTS, Engine, Server, missing, served

UNIT: Final = "cycles/CPU s"
WARM_CYCLES: Final = 20
"""Every population is at its cap and steady after so many."""
LEAST_CYCLES: Final = 4
"""In a block: forming groups costs objects up to twice as much in one cycle as in the next."""
OVER_MESA: Final = 1.15
OVER_OBJECTS: Final = {
    (100, False): 9.8,
    (1_000, False): 35.9,
    (10_000, False): 47.1,
    (100, True): 1.79,
    (1_000, True): 53.6,
    (10_000, True): 180.0,
}
"""Ratios of the first prototypes on one machine, by agents and pooling; their objects were 3.5 to 10 times slower than
ours.  At 1,000 agents 25 and 40 were asked for."""
FACTORIAL: Final = ((), ("energy_pooling",), ("spawn_throttling",), ("energy_pooling", "spawn_throttling"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured: cases of agents and pooling, and the factorial."""

    cases: Sequence[tuple[int, bool]]
    left_out: Sequence[Skipped] = ()
    rounds: int
    block_s: float
    factorial: Sequence[Engine]
    factorial_rounds: int
    factorial_cycles: int = 3_000


QUICK: Final = Plan(
    cases=((100, False), (1_000, False), (10_000, False), (100, True), (1_000, True)),
    left_out=(
        Skipped("numpy_vs_objects_10000_pooling", "a cycle takes seconds; leave out --quick"),
        Skipped("objects_vs_mesa_10000_pooling", "a cycle takes seconds; leave out --quick"),
        Skipped("c256_factorial_objects", "takes half a minute; leave out --quick"),
    ),
    rounds=9,
    block_s=0.06,
    factorial=(NUMPY,),
    factorial_rounds=3,
)
FULL: Final = Plan(
    cases=(*QUICK.cases, (10_000, True)),
    rounds=15,
    block_s=0.25,
    factorial=(NUMPY, OBJECTS),
    factorial_rounds=3,
)


def measure(*, quick: bool, seed: int) -> Measured:
    """Measure everything that can be measured here."""
    return carried_out(QUICK if quick else FULL, seed=seed)


def carried_out(plan: Plan, *, seed: int) -> Measured:
    """Measure what the plan holds."""
    why_not = missing(MESA)
    results: list[Result] = []
    skipped = list(plan.left_out)
    for max_agents, pooling in plan.cases:
        suffix = f"{max_agents}{'_pooling' if pooling else ''}"
        _tell(f"{max_agents} agents{', pooling' if pooling else ''}")
        case = Case(max_agents, ("energy_pooling",) if pooling else ())
        engines = [OBJECTS, NUMPY, *([MESA] if why_not is None else [])]
        rates = _rates(engines, case, plan, seed=seed)
        pairs = [
            ("numpy", "objects", OVER_OBJECTS.get((max_agents, pooling), 1.0)),
            ("objects", "mesa", OVER_MESA),
        ]
        for a, b, goal in pairs:
            name = f"{a}_vs_{b}_{suffix}"
            if b in rates:
                against = Goal(">=", goal)
                found = compared(name, (a, rates[a]), (b, rates[b]), unit=UNIT, goal=against, seed=seed)
                results.append(found)
            elif why_not is not None:
                skipped.append(Skipped(name, why_not))
    results.extend(_factorials(plan, seed=seed))
    return Measured(results, skipped)


def _rates(engines: Sequence[Engine], case: Case, plan: Plan, *, seed: int) -> dict[str, list[float]]:
    """Return the engines' cycles per CPU second, block by block."""
    with ExitStack() as stack:
        servers = {engine.name: stack.enter_context(served(engine, case)) for engine in engines}
        _check_same({name: server.run(WARM_CYCLES)[1] for name, server in servers.items()})
        blocks: dict[str, Callable[[], float]] = {
            name: partial(server.rate, _cycles(server, plan.block_s)) for name, server in servers.items()
        }
        return interleaved(blocks, plan.rounds, seed=seed)


def _cycles(server: Server, block_s: float) -> int:
    """Return how many cycles fill a block, from a block that is shorter."""
    cycles, elapsed_s = 1, server.run(1)[0]
    while elapsed_s < block_s / 4:
        cycles *= 4
        elapsed_s = server.run(cycles)[0]
    return max(LEAST_CYCLES, round(cycles * block_s / elapsed_s))


def _check_same(states: dict[str, State]) -> None:
    """Refuse to compare programs that do not do the same."""
    first, *others = states.items()
    for name, state in others:
        same = state[:2] == first[1][:2] and math.isclose(state.energy, first[1].energy, rel_tol=1e-9)
        if not same:
            raise ArithmeticError(
                f"{name} reached {state}, {first[0]} {first[1]}: they do not follow the same rules"
            )


def _factorials(plan: Plan, *, seed: int) -> Iterator[Result]:
    """Yield the CPU seconds of a full C256 factorial by each engine."""
    _tell("c256 factorial")
    blocks: dict[str, Callable[[], float]] = {
        engine.name: partial(_factorial_s, engine, plan.factorial_cycles) for engine in plan.factorial
    }
    for name, seconds in interleaved(blocks, plan.factorial_rounds, seed=seed).items():
        yield valued(
            f"c256_factorial_{name}",
            (name, seconds),
            unit="CPU s",
            reason=f"no goal; 4 conditions of {plan.factorial_cycles} cycles at 100 agents",
            seed=seed,
        )


def _factorial_s(engine: Engine, cycles: int) -> float:
    total_s = 0.0
    for mechanisms in FACTORIAL:
        with served(engine, Case(100, mechanisms, accumulate=True)) as server:
            total_s += server.run(cycles)[0]
    return total_s


def _tell(what: str) -> None:
    sys.stderr.write(f"model: {what}\n")
