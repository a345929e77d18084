"""Who shares a sample with whom, and until when; what a shared one changes, and what it does not."""

from __future__ import annotations

import gc
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from nrm.planning import COMMIT_S, KEPT, PAIR_COMMIT_S, PSUTIL_S
from nrm.sampling import Policy, Sampler
from nrm.substrate import Reading
from nrm.workload import Workload
from probes.protocols import Condition, Scene

POLICIES: dict[str, dict[str, Any]] = {
    "per visit": {"sampling": "per_visit"},
    "per visit, one buffer": {"sampling": "per_visit", "reuse_buffers": True},
    "per cycle": {},
    "own": {"share": "own"},
    "own, one buffer": {"share": "own", "reuse_buffers": True},
    "none": {"share": "none"},
    "time to live": {"sampling": "ttl", "ttl_s": 1e-4},
}
ALL = ("energy_pooling", "reality_sources", "spawn_throttling", "energy_recovery")


def _samples(workload: Workload, condition: Condition, scene: Scene) -> list[int]:
    """Return how many samples each cycle took, those before cycle 0 first."""
    before = scene.meters.sampling_calls
    simulation = workload.start(condition, scene)
    totals = [before, scene.meters.sampling_calls]
    for cycle in range(condition.cycles):
        simulation.step(cycle)
        totals.append(scene.meters.sampling_calls)
    simulation.close()
    return [b - a for a, b in pairwise(totals)]


@pytest.mark.parametrize(
    ("policy", "on", "at_the_cap"),
    [
        ("per visit", (), 416),
        ("per visit, one buffer", (), 416),
        ("per visit", ("reality_sources", "energy_recovery"), 616),
        ("per cycle", ("reality_sources", "energy_recovery"), 1),
        ("own", (), 317),
        ("own", ("energy_pooling", "reality_sources", "energy_recovery"), 317),
        ("own, one buffer", (), 317),
        ("none", (), 417),
        ("none", ("reality_sources", "energy_recovery"), 617),
    ],
)
def test_samples_of_a_cycle_at_100_agents(
    scene: Scene,
    condition: Callable[..., Condition],
    psutil_calls: list[Any],
    policy: str,
    on: tuple[str, ...],
    at_the_cap: int,
) -> None:
    workload = Workload(metrics="constant", optimization=POLICIES[policy])
    assert _samples(workload, condition(*on, cycles=10), scene)[-2:] == [at_the_cap] * 2


@pytest.mark.parametrize(
    ("policy", "at_the_cap"), [("per visit", 590), ("per cycle", 1), ("own", 491), ("none", 591)]
)
def test_samples_of_a_throttled_cycle_at_100_agents(
    scene: Scene,
    condition: Callable[..., Condition],
    psutil_calls: list[Any],
    policy: str,
    at_the_cap: int,
) -> None:
    workload = Workload(metrics="constant", optimization=POLICIES[policy])
    assert _samples(workload, condition("spawn_throttling", cycles=450), scene)[-1] == at_the_cap


def test_births_share_the_cycles_sample_and_descendants_do_not(
    scene: Scene, condition: Callable[..., Condition], psutil_calls: list[Any]
) -> None:
    workload = Workload(metrics="constant", optimization=POLICIES["own"])
    visits, agents = (1, 3, 8, 20, 48, 112, 256, 416), (1, 2, 4, 8, 16, 32, 64, 100)
    assert _samples(workload, condition(cycles=8), scene) == [
        0,  # the root waits for cycle 0's
        *(1 + of_all - own for of_all, own in zip(visits, agents, strict=True)),
    ]


def test_without_recursion_nobody_is_a_descendant(
    scene: Scene, condition: Callable[..., Condition], psutil_calls: list[Any]
) -> None:
    workload = Workload(metrics="constant", recursion=False, optimization=POLICIES["own"])
    assert _samples(workload, condition(cycles=12), scene) == [0] + [1] * 12


@pytest.mark.parametrize("policy", ["own", "own, one buffer"])
def test_a_descendants_visit_uses_its_fresh_sample_and_leaves_the_shared_one(
    scene: Scene, condition: Callable[..., Condition], psutil_calls: list[Any], policy: str
) -> None:
    simulation = Workload(optimization=POLICIES[policy], max_agents=3).start(condition(cycles=2), scene)
    model: Any = simulation.model
    simulation.step(0)  # cpu 1: the root's birth, its visit, the child's birth
    root, child = model.members
    assert root.energy == (130.0 - 0.01) + 0.01 * 149.0 - 10.0
    assert child.energy == 149.0
    before = root.energy
    simulation.step(
        1
    )  # cpu 2: the root for itself, the child for itself, the second child's birth; 3: the child below
    assert root.energy == (before - 0.01) + 0.01 * 148.0 - 10.0
    assert child.energy == ((149.0 - 0.01) + 0.01 * 147.0 - 0.01) + 0.01 * 148.0
    assert model.members[2].energy == 148.0


def test_the_sample_that_nobody_shares_is_taken_all_the_same(
    scene: Scene, condition: Callable[..., Condition], psutil_calls: list[Any]
) -> None:
    workload = Workload(optimization=POLICIES["none"], max_agents=1)
    assert _samples(workload, condition(cycles=3), scene) == [1, 2, 2, 2]


@pytest.mark.parametrize("policy", [name for name in POLICIES if name != "per cycle"])
@pytest.mark.parametrize("on", [(), ALL], ids=["no mechanism", "all mechanisms"])
def test_metrics_that_do_not_change_give_one_trajectory_to_the_last_bit(
    scene: Scene,
    condition: Callable[..., Condition],
    psutil_calls: list[Any],
    on: tuple[str, ...],
    policy: str,
) -> None:
    def energies(optimization: dict[str, Any]) -> list[list[float]]:
        workload = Workload(metrics="constant", groups="rebuild", max_agents=40, optimization=optimization)
        simulation = workload.start(condition(*on, cycles=70), scene)
        model: Any = simulation.model
        return [[agent.energy for agent in model.members] for cycle in range(70) if simulation.step(cycle)]

    shared = energies({})
    assert energies(POLICIES[policy]) == shared
    assert len(shared[-1]) > 7


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The monotonic clock of samples: one number, to be set."""
    now = [0]
    monkeypatch.setattr("nrm.sampling.monotonic_ns", lambda: now[0])
    return now


def test_a_sample_lives_for_its_time_and_every_request_looks_at_the_clock(
    meters: Any, psutil_calls: list[Any], clock: list[int]
) -> None:
    sampler = Sampler(Policy(sampling="ttl", ttl_s=2.0), meters)
    capacities = sampler.visits(lambda: iter(()))
    taken = []
    for now_ns in (0, 1_999_999_999, 2_000_000_000, 3_999_999_999, 4_000_000_001):
        clock[0] = now_ns
        sampler.refresh()  # the beginning of a cycle is no request
        taken.append((next(capacities), sampler.read().capacity, meters.sampling_calls))
    assert taken == [(149.0, 149.0, 1)] * 2 + [(148.0, 148.0, 2)] * 2 + [(147.0, 147.0, 3)]


def test_a_sample_ages_from_when_it_was_read_not_from_when_its_wait_began(
    meters: Any, psutil_calls: list[Any], clock: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(_: float) -> float:
        clock[0] += 5_000_000_000
        return 1.0

    sampler = Sampler(Policy(sampling="ttl", ttl_s=1.0, cpu_interval_s=5.0), meters)
    monkeypatch.setattr("nrm.sampling.psutil.cpu_percent", wait)
    for _ in range(3):
        sampler.read()
    assert meters.sampling_calls == 1


@pytest.mark.parametrize("rules", ["heavy", "light"])
def test_samples_with_a_time_to_live_are_at_most_the_duration_over_it(
    scene: Scene, condition: Callable[..., Condition], psutil_calls: list[Any], rules: str
) -> None:
    ttl_s = 0.005
    workload = Workload(rules=rules, metrics="constant", optimization={"sampling": "ttl", "ttl_s": ttl_s})
    simulation = workload.start(condition("reality_sources"), scene)
    began_s = time.monotonic()
    for cycle in range(150):
        simulation.step(cycle)
    assert 1 <= scene.meters.sampling_calls <= 1 + (time.monotonic() - began_s) / ttl_s


def test_the_time_to_live_is_a_second_unless_given(
    meters: Any, psutil_calls: list[Any], clock: list[int]
) -> None:
    sampler = Sampler(Policy(sampling="ttl"), meters)
    for clock[0] in (0, 999_999_999, 1_000_000_000):
        sampler.read()
    assert meters.sampling_calls == 2


@pytest.mark.parametrize("policy", [name for name in POLICIES if name != "time to live"])
def test_samples_planned_are_samples_taken(
    scene: Scene, condition: Callable[..., Condition], psutil_calls: list[Any], policy: str
) -> None:
    workload = Workload(metrics="constant", max_agents=9, optimization=POLICIES[policy])
    here = condition("reality_sources", "energy_recovery", cycles=15)
    assert workload.planned_s(here) == pytest.approx(sum(_samples(workload, here, scene)) * PSUTIL_S)


def test_a_time_to_live_is_planned_with_the_one_sample_that_is_certain(
    condition: Callable[..., Condition],
) -> None:
    workload = Workload(optimization={"sampling": "ttl", "cpu_interval_s": 0.0})
    assert workload.planned_s(condition(cycles=3000)) == pytest.approx(PSUTIL_S)


def test_as_shipped_is_planned_with_317_samples_a_cycle_at_the_cap(
    condition: Callable[..., Condition],
) -> None:
    workload = Workload(optimization=POLICIES["own"])
    later = workload.planned_s(condition(cycles=3000)) - workload.planned_s(condition(cycles=2000))
    assert later == pytest.approx(1000 * 317 * PSUTIL_S)


def test_a_kept_connection_commits_sooner(condition: Callable[..., Condition]) -> None:
    options = {"sampling": "per_visit", "persist": "sqlite", "persist_pairs": True}
    anew, kept = (
        Workload(max_agents=2, optimization=options | {"keep_connection": keep}).planned_s(
            condition("energy_pooling", cycles=2)
        )
        for keep in (False, True)
    )
    written_s = (
        1 + 3 + 2 + 2
    ) * COMMIT_S + PAIR_COMMIT_S  # visits, births as samples and as births, one pair
    assert anew - kept == pytest.approx((1 - KEPT) * written_s)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"sampling": "per_visit", "share": "own"},
            (
                "optimization.share='own' says who gets the sample of a cycle, but optimization.sampling='per_visit' "
                "takes none; set optimization.share=all"
            ),
        ),
        (
            {"share": "descendants"},
            "optimization.share='descendants' is not known; choose one of all, own, none",
        ),
        (
            {"ttl_s": 0},
            "optimization.ttl_s=0 is no time to live; give more than 0 seconds or optimization.sampling=per_visit",
        ),
        ({"ttl_s": -1}, "optimization.ttl_s=-1 is out of range; give a value of at least 0"),
        ({"reuse_buffers": 1}, "optimization.reuse_buffers=1 is not a boolean; write true or false"),
    ],
)
def test_a_policy_at_odds_with_itself_is_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 (the whole sentence is compared)
        Policy(**options)
    assert str(refusal.value) == sentence


def test_light_rules_refuse_samples_for_descendants() -> None:
    with pytest.raises(
        ValueError, match=r"^optimization\.share='own' does not go with workload\.rules=light"
    ):
        Workload(rules="light", optimization=POLICIES["own"])


class _AtTheWrite:
    """Stands where rows are written, and counts what is alive there: all that a sample has allocated so far."""

    def __init__(self) -> None:
        self.blocks = 0

    def sample(self, _: object) -> None:
        self.blocks = sys.getallocatedblocks()


def _steady_readings() -> Iterator[Reading]:
    reading = Reading(2.24, 71.67, 0.0)
    while True:
        yield reading


@pytest.fixture
def quiet_psutil(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let psutil allocate nothing."""

    class Answer:
        percent = 50.0

    for name in ("cpu_percent", "virtual_memory", "disk_usage", "net_io_counters", "pids"):
        monkeypatch.setattr(f"nrm.sampling.psutil.{name}", lambda *_, answer=Answer: answer)


def _blocks_of_a_sample(*, reuse: bool, meters: Any) -> int:
    rows: Any = _AtTheWrite()
    policy = Policy(sampling="per_visit", reuse_buffers=reuse)
    sampler = Sampler(policy, meters, rows=rows, values=_steady_readings())
    counted = []
    for _ in range(50):
        before = sys.getallocatedblocks()
        sampler.read()
        counted.append(rows.blocks - before)
    return min(counted[10:])


def test_a_buffer_spares_the_one_block_that_a_reading_takes(meters: Any, quiet_psutil: None) -> None:
    gc.disable()
    try:
        meters.elapsed_ns = type("Forgets", (), {"append": lambda *_: None})()
        fresh, reused = (_blocks_of_a_sample(reuse=reuse, meters=meters) for reuse in (False, True))
    finally:
        gc.enable()
    assert fresh - reused == 1


def test_no_sample_in_a_buffer_is_larger_than_the_numbers_of_its_clock(
    meters: Any, quiet_psutil: None
) -> None:
    meters.elapsed_ns = type("Forgets", (), {"append": lambda *_: None})()
    sampler = Sampler(Policy(sampling="per_visit", reuse_buffers=True), meters, values=_steady_readings())
    peaks = []
    tracemalloc.start()
    try:
        for _ in range(50):
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            sampler.read()
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    assert min(peaks[10:]) <= 4 * sys.getsizeof(10**18)  # a dict alone takes 64


def test_all_samples_come_in_one_buffer(meters: Any, psutil_calls: list[Any]) -> None:
    sampler = Sampler(Policy(sampling="per_visit", reuse_buffers=True), meters)
    first = sampler.read()
    assert first.capacity == 149.0
    assert sampler.read() is first
    assert first.capacity == 148.0
