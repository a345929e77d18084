"""What a simulation needs around it: meters that remember, a scene, conditions, and psutil without its cost."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from nrm.sampling import Steady
from nrm.substrate import Reading
from nrm.workload import Workload
from probes.protocols import Condition, Scene


class Meters:
    """Totals, and the time of every sample."""

    def __init__(self) -> None:
        self.gc_ns = self.probe_ns = self.sampling_ns = self.sampling_calls = 0
        self.elapsed_ns: list[int] = []

    def sampled(self, elapsed_ns: int) -> None:
        self.sampling_ns += elapsed_ns
        self.sampling_calls += 1
        self.elapsed_ns.append(elapsed_ns)


@pytest.fixture
def meters() -> Meters:
    return Meters()


@pytest.fixture
def scene(tmp_path: Path, meters: Meters) -> Scene:
    return Scene(seed=0, scratch=tmp_path, meters=meters)


@pytest.fixture
def condition() -> Callable[..., Condition]:
    """Make a condition in which the named mechanisms are on."""

    def make(*on: str, cycles: int = 3000) -> Condition:
        return Condition(
            name="-".join(on) or "OFF", position=0, cycles=cycles, mechanisms=dict.fromkeys(on, True)
        )

    return make


@pytest.fixture
def populations() -> Callable[..., list[int]]:
    """Run a bare model under constant metrics and return its population after every cycle."""

    def run(
        cpu: float, memory: float, *on: str, cycles: int = 3000, seed: int = 0, **options: object
    ) -> list[int]:
        model = Workload(**options).model(list(on), Steady(Reading(cpu, memory, 0.0)), seed=seed)  # type: ignore[arg-type]
        return [model.step(cycle).population for cycle in range(cycles)]

    return run


@pytest.fixture
def psutil_calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, object]]:
    """Replace psutil's calls by quick ones whose readings differ every time; return the list that they fill."""
    calls: list[tuple[str, object]] = []
    numbers = count()

    def quick(name: str, answer: Callable[[], object]) -> None:
        def call(argument: object = None) -> object:
            calls.append((name, argument))
            return answer()

        monkeypatch.setattr(f"nrm.sampling.psutil.{name}", call)

    quick("cpu_percent", lambda: float(next(numbers) % 7))
    quick("virtual_memory", lambda: SimpleNamespace(percent=50.0))
    quick("disk_usage", lambda: SimpleNamespace(percent=10.0))
    quick("net_io_counters", lambda: None)
    quick("pids", list)
    return calls
