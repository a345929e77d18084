"""A configuration is refused in one sentence that names the full key, the value and the remedy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from nrm import mechanisms
from nrm.workload import Workload
from probes.protocols import Condition, Scene

ROOT = Path(__file__).parents[2]


def _optimization(**options: object) -> dict[str, Any]:
    return {"optimization": options}


def _mechanism(name: str, **options: object) -> dict[str, Any]:
    return {"mechanism": {name: options}}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"rules": "flock"}, "workload.rules='flock' is not known; choose one of heavy, light, swarm"),
    ({"spawn_every": 0}, "workload.spawn_every=0 is out of range; give a value of at least 1"),
    ({"memory": True}, "workload.memory=True is not known; choose one of recorded, never, in quotes"),
    (
        {"pattern_memory": "list"},
        "workload.pattern_memory='list' is not known; choose one of none, scan, index",
    ),
    (
        {"pattern_memory_limit": 0},
        "workload.pattern_memory_limit=0 is out of range; give a value of at least 1",
    ),
    (
        {"rules": "swarm"} | _optimization(persist="sqlite", persist_pairs=True),
        (
            "optimization.persist_pairs=True does not go with workload.rules=swarm, which have no pair transactions; "
            "set optimization.persist_pairs=false"
        ),
    ),
    ({"engine": "arrays"}, "workload.engine='arrays' is not known; choose one of objects, numpy"),
    ({"groups": "forget"}, "workload.groups='forget' is not known; choose one of accumulate, rebuild"),
    (
        {"metrics": "recorded"},
        "workload.metrics='recorded' is not known; choose one of live, constant, replay, random",
    ),
    ({"recursion": 1}, "workload.recursion=1 is not a boolean; write true or false"),
    ({"max_agents": 0}, "workload.max_agents=0 is out of range; give a value of at least 1"),
    ({"max_agents": True}, "workload.max_agents=True is not an integer; give a value of at least 1"),
    ({"max_agents": 10.0}, "workload.max_agents=10.0 is not an integer; give a value of at least 1"),
    ({"max_depth": -1}, "workload.max_depth=-1 is out of range; give a value of at least 0"),
    ({"cpu_percent": 101}, "workload.cpu_percent=101 is out of range; give a value from 0 to 100"),
    ({"memory_percent": -0.1}, "workload.memory_percent=-0.1 is out of range; give a value from 0 to 100"),
    (
        {"disk_percent": "half"},
        "workload.disk_percent='half' is not a finite number; give a value from 0 to 100",
    ),
    (
        {"cpu_percent": float("nan")},
        "workload.cpu_percent=nan is not a finite number; give a value from 0 to 100",
    ),
    ({"cpu_percent": True}, "workload.cpu_percent=True is not a finite number; give a value from 0 to 100"),
    ({"spawn_threshold": -1}, "workload.spawn_threshold=-1 is out of range; give a value of at least 0"),
    ({"spawn_price": None}, "workload.spawn_price=None is not a finite number; give a value of at least 0"),
    ({"death_threshold": -1}, "workload.death_threshold=-1 is out of range; give a value of at least 0"),
    (
        {"optimization": "cached"},
        "optimization='cached' is not a mapping; give its options as optimization.<key>=<value>",
    ),
    ({"mechanism": ["x"]}, "mechanism=['x'] is not a mapping; give its options as mechanism.<key>=<value>"),
    (_optimization(smapling="per_visit"), "optimization.smapling is not an option; did you mean sampling?"),
    (
        _optimization(_target_="os.system"),
        "optimization._target_='os.system' is not nrm.sampling.Policy; leave it as the leaf has it",
    ),
    (_optimization(name=""), "optimization.name='' is not a non-empty string; give one or leave the key out"),
    (
        _optimization(sampling="hourly"),
        "optimization.sampling='hourly' is not known; choose one of per_visit, per_cycle, ttl",
    ),
    (
        _optimization(cpu_interval_s=-1),
        "optimization.cpu_interval_s=-1 is out of range; give a value of at least 0",
    ),
    (
        _optimization(cpu_interval_s="0.1"),
        "optimization.cpu_interval_s='0.1' is not a finite number; give a value of at least 0",
    ),
    (_optimization(persist="csv"), "optimization.persist='csv' is not known; choose one of none, sqlite"),
    (
        _optimization(persist_pairs="yes"),
        "optimization.persist_pairs='yes' is not a boolean; write true or false",
    ),
    (
        _optimization(journal=False),
        "optimization.journal=False is not known; choose one of delete, truncate, persist, memory, wal, off, in quotes",
    ),
    (
        _optimization(synchronous="never"),
        "optimization.synchronous='never' is not known; choose one of off, normal, full, extra",
    ),
    (_optimization(path=7), "optimization.path=7 is not a non-empty string; give one or leave the key out"),
    (
        _optimization(keep_connection=0),
        "optimization.keep_connection=0 is not a boolean; write true or false",
    ),
    (_mechanism("energy_poling"), "mechanism.energy_poling is not an option; did you mean energy_pooling?"),
    (
        _mechanism("xyz"),
        (
            "mechanism.xyz is not an option; "
            "choose among energy_pooling, energy_recovery, reality_sources, spawn_throttling"
        ),
    ),
    (
        _mechanism("energy_pooling", shares=1),
        "mechanism.energy_pooling.shares is not an option; did you mean share?",
    ),
    (
        _mechanism("energy_pooling", share=-0.1),
        "mechanism.energy_pooling.share=-0.1 is out of range; give a value of at least 0",
    ),
    (
        _mechanism("energy_pooling", threshold=1.1),
        "mechanism.energy_pooling.threshold=1.1 is out of range; give a value from 0 to 1",
    ),
    (
        _mechanism("reality_sources", rate=-1),
        "mechanism.reality_sources.rate=-1 is out of range; give a value of at least 0",
    ),
    (
        _mechanism("spawn_throttling", window_cycles=1.5),
        "mechanism.spawn_throttling.window_cycles=1.5 is not an integer; give a value of at least 0",
    ),
    (
        _mechanism("energy_recovery", factor="2"),
        "mechanism.energy_recovery.factor='2' is not a finite number; give a value of at least 0",
    ),
    (
        {"mechanism": {"energy_recovery": None}},
        "mechanism.energy_recovery=None is not a mapping; give its options as mechanism.energy_recovery.<key>=<value>",
    ),
    (
        {"rules": "light"} | _optimization(sampling="per_visit"),
        (
            "optimization.sampling='per_visit' does not go with workload.rules=light, which sample once a cycle; "
            "choose optimization=lightweight or optimization=cached"
        ),
    ),
    (
        {"rules": "light"} | _optimization(persist="sqlite", persist_pairs=True),
        (
            "optimization.persist_pairs=True does not go with workload.rules=light, which have no pair transactions; "
            "set optimization.persist_pairs=false"
        ),
    ),
]


@pytest.mark.parametrize(
    ("options", "sentence"), REFUSED, ids=[sentence.split(";")[0] for _, sentence in REFUSED]
)
def test_a_bad_option_is_refused_in_one_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 (the whole sentence is compared)
        Workload(**options)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize("name", ["spawn_throttling", "energy_recovery"])
def test_light_rules_refuse_what_they_do_not_know_only_where_it_is_on(
    scene: Scene, condition: Callable[..., Condition], name: str
) -> None:
    workload = Workload(rules="light")
    sentence = (
        f"^condition {name} turns on {name}, which workload.rules=light does not know; "
        "leave it out of factors or choose workload.rules=heavy$"
    )
    for refuse in (workload.check, workload.planned_s, lambda here: workload.start(here, scene)):
        with pytest.raises(ValueError, match=sentence):
            refuse(condition(name))
    workload.check(Condition(name="OFF", position=0, cycles=1, mechanisms={name: False}))


def test_a_condition_with_an_unknown_mechanism_is_refused(condition: Callable[..., Condition]) -> None:
    with pytest.raises(
        ValueError, match=r"^mechanism\.energy_recover is not an option; did you mean energy_recovery\?$"
    ):
        Workload().check(condition("energy_recover"))


def test_a_record_has_one_value_per_observable(scene: Scene, condition: Callable[..., Condition]) -> None:
    workload = Workload()
    simulation = workload.start(condition("energy_pooling"), scene)
    record = simulation.step(0)
    for value, kind in zip(record, workload.observables.values(), strict=True):
        assert value is None or type(value) is kind
    assert " ".join(workload.observables) == (
        "population births deaths groups new_groups depth_mean depth_max similarity_mean pattern_memory_size "
        "visits energy"
    )


def test_groups_accumulate_or_are_rebuilt_and_are_none_without_pooling(
    scene: Scene, condition: Callable[..., Condition]
) -> None:
    held = {}
    for groups in ("accumulate", "rebuild"):
        simulation = Workload(metrics="constant", groups=groups).start(condition("energy_pooling"), scene)
        held[groups] = [simulation.step(cycle).groups for cycle in range(30)]
    assert held["accumulate"][-1] == sum(held["rebuild"])
    simulation = Workload().start(condition(), scene)
    assert [simulation.step(cycle).groups for cycle in range(10)] == [0] * 10


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        (_mechanism("energy_pooling", share=0.0), "energy_pooling"),
        (_mechanism("energy_pooling", threshold=1.0), "energy_pooling"),
        (_mechanism("reality_sources", rate=0.0), "reality_sources"),
        (_mechanism("energy_recovery", factor=0.0), "energy_recovery"),
        (_mechanism("spawn_throttling", window_cycles=1), "spawn_throttling"),
        ({"max_depth": 1}, ""),
        ({"spawn_threshold": 125.0}, ""),
        ({"spawn_price": 0.0}, ""),
        ({"death_threshold": 129.0}, ""),
    ],
    ids=str,
)
def test_an_option_changes_the_run(
    scene: Scene, condition: Callable[..., Condition], options: dict[str, Any], changed: str
) -> None:
    here = condition(*filter(None, [changed]))
    runs = []
    for chosen in ({}, options):
        simulation = Workload(metrics="constant", **chosen).start(here, scene)
        runs.append([simulation.step(cycle) for cycle in range(20)])
    assert runs[0] != runs[1]


def test_every_condition_draws_from_the_seed_anew(scene: Scene, condition: Callable[..., Condition]) -> None:
    workload = Workload(rules="light", metrics="constant")
    simulations = [workload.start(condition("energy_pooling"), scene) for _ in range(2)]
    a, b = ([simulation.step(cycle) for cycle in range(40)] for simulation in simulations)
    assert a == b


def test_leaves_bind_and_hold_every_option_with_its_default() -> None:
    def leaf(path: str) -> dict[str, Any]:
        text = (ROOT / "conf" / path).read_text().replace("${blocking_interval_s}", "0.1")
        loaded = yaml.safe_load(text)
        assert isinstance(loaded, dict)
        return loaded

    workload = leaf("workload/nrm.yaml")
    assert workload.pop("_target_") == "nrm.workload.Workload"
    assert set(workload) | {"optimization", "mechanism"} == set(Workload.__init__.__kwdefaults__)
    assert workload.items() <= Workload.__init__.__kwdefaults__.items()
    configured = {}
    for name in mechanisms.names():
        configured |= (one := leaf(f"mechanism/{name}.yaml"))
        assert list(one) == [name]
        assert mechanisms.build(name, one[name]) == mechanisms.build(name, {})
    for name in ("unoptimized", "cached", "lightweight"):
        optimization = leaf(f"optimization/{name}.yaml")
        assert optimization["name"] == name
        Workload(**workload, optimization=optimization, mechanism=configured)


def test_the_model_brings_nothing_but_the_standard_library_and_psutil() -> None:
    code = (
        "import sys; before = set(sys.modules); import nrm.workload, nrm.mechanisms.energy_pooling; "
        "names = {m.split('.')[0] for m in set(sys.modules) - before}; "
        "print(*sorted(names - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {
        "nrm",
        "probes",
        "psutil",
        "_psutil_linux",
        "_psutil_posix",
        "__mp_main__",
    }
