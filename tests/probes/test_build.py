import importlib
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import get_args, get_type_hints

import pytest
import yaml

from probes import build, memory

REPOSITORY = Path(build.__file__).parents[1]
LEAVES = sorted((REPOSITORY / "conf" / "probe").glob("*.yaml"))
MODULES = [target.split(".")[1] for target in build.targets() if target.startswith("probes.")]
METERS = SimpleNamespace(gc_ns=0, probe_ns=0, sampling_ns=0, sampling_calls=0)
UNITS = ("_bytes", "_ns", "_us", "_percent", "_1m", "_celsius", "_mhz")
COUNTS = {"count0", "count1", "count2", "collections", "collected", "call_count", "arenas", "free_pools"} | {
    *("tracked_objects", "read_calls", "write_calls", "open_descriptors", "threads")
}


def leaf(name):
    return yaml.safe_load((REPOSITORY / "conf" / "probe" / f"{name}.yaml").read_text())[name]


def refusal(**options):
    with pytest.raises(ValueError, match=r".") as caught:
        build.check_probes({"memory": {**leaf("memory"), **options}})
    return str(caught.value)


def test_every_module_with_a_probe_is_allowed_and_nothing_else_of_the_package():
    assert build.WORKLOADS == ("nrm.workload.Workload", "workloads.callable.Workload")
    assert {"memory", "garbage", "system", "latency"} <= set(MODULES)
    assert "protocols" not in MODULES


def test_every_probe_has_a_leaf_and_every_leaf_a_probe():
    assert [path.stem for path in LEAVES] == sorted(MODULES)


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: path.stem)
def test_every_leaf_holds_one_key_named_after_its_file_and_binds(path):
    text = yaml.safe_load(path.read_text())
    assert list(text) == [path.stem]
    assert {"_target_", "every_cycles", "every_s"} <= text[path.stem].keys()
    probe = build.probes(text, METERS)[path.stem]
    assert (probe.every_cycles, probe.every_s) == (
        text[path.stem]["every_cycles"],
        text[path.stem]["every_s"],
    )
    sample = importlib.import_module(f"probes.{path.stem}").Sample
    assert type(probe.read()) is sample
    probe.close()


@pytest.mark.parametrize("module", MODULES)
def test_every_field_of_a_sample_is_nullable_and_carries_a_unit_or_is_a_count(module):
    fields = get_type_hints(importlib.import_module(f"probes.{module}").Sample)
    for name, hint in fields.items():
        assert set(get_args(hint)) in ({int, type(None)}, {float, type(None)}), name
        assert name.endswith(UNITS) or name in COUNTS, name


def test_a_rate_can_be_changed_and_its_kind_too():
    by_time = {**leaf("memory"), "every_cycles": None, "every_s": 5}
    built = build.probes({"memory": by_time, "garbage": {**leaf("garbage"), "every_cycles": 50}}, METERS)
    assert [(probe.every_cycles, probe.every_s) for probe in built.values()] == [(None, 5.0), (50, None)]
    for probe in built.values():
        probe.close()


def test_a_typo_is_refused_with_its_full_key_and_the_nearest_option():
    assert refusal(every_cycle=5) == (
        "probe.memory.every_cycle is not an option of probes.memory.Probe; did you mean every_cycles?"
    )


def test_an_option_unlike_any_is_refused_with_the_list():
    assert refusal(colour=1).endswith("use one of every_cycles, every_s, smaps_every, root")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"smaps_every": -1}, "probe.memory.smaps_every=-1 is not a whole number", id="range"),
        pytest.param({"every_cycles": "often"}, "probe.memory.every_cycles=often is not", id="type"),
        pytest.param({"every_cycles": None}, "probe.memory.every_cycles and every_s are both", id="none"),
        pytest.param({"every_s": 1}, "probe.memory.every_cycles=1 and every_s=1 exclude", id="both"),
        pytest.param({"root": 5}, "probe.memory: ", id="type-error"),
    ],
)
def test_what_the_constructor_refuses_begins_with_the_full_key(options, message):
    assert refusal(**options).startswith(message)


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "probes.protocols.Probe",
        "probes.build.probes",
        "probes..Probe",
        "probes.memory.Sample",
        ["x"],
    ],
    ids=str,
)
def test_a_target_outside_the_list_is_refused_by_name(target):
    message = refusal(_target_=target)
    assert message.startswith(f"probe.memory._target_={target} is not in the list; use one of probes.")


def test_a_probe_is_no_workload():
    with pytest.raises(
        ValueError, match=r"^workload\._target_=probes\.memory\.Probe is not in the list; use one of nrm"
    ):
        build.workload({"_target_": "probes.memory.Probe"})


def test_a_leaf_without_a_target_is_refused():
    assert refusal(_target_=None).startswith("probe.memory._target_ is missing; use one of ")


def test_one_probe_under_the_name_of_another_is_refused():
    with pytest.raises(ValueError, match=r"^probe\.memory\._target_=probes\.garbage\.Probe is another probe"):
        build.check_probes({"memory": leaf("garbage")})


def test_a_leaf_that_is_no_group_is_refused():
    with pytest.raises(ValueError, match=r"^probe\.memory=5 is not a group of options"):
        build.check_probes({"memory": 5})


def test_an_unknown_option_of_the_workload_is_refused_with_its_full_key():
    with pytest.raises(
        ValueError, match=r"^workload\.max_agent is not an option of nrm\.workload\.Workload; did you"
    ):
        build.workload({"_target_": "nrm.workload.Workload", "max_agent": 5})


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param("speed=0 is low", "workload.speed=0 is low", id="option"),
        pytest.param("workload.speed=0 is low", "workload.speed=0 is low", id="full-key"),
        pytest.param("mode.ttl_s=0 is low", "mode.ttl_s=0 is low", id="key-of-a-group-inside"),
        pytest.param("nothing works", "workload: nothing works", id="sentence"),
        pytest.param("", "workload: ", id="empty"),
    ],
)
def test_the_constructors_message_gets_the_key_that_it_lacks(monkeypatch, message, expected):
    class Picky:
        def __init__(self, *, speed, mode=None):
            raise ValueError(message)

    monkeypatch.setattr(build, "_resolve", lambda target, key: Picky)
    with pytest.raises(ValueError, match=r".") as caught:
        build.workload({"_target_": "nrm.workload.Workload", "speed": 0, "mode": {}})
    assert str(caught.value) == expected
    with pytest.raises(ValueError, match=r"^workload\.speed is missing; nrm\.workload\.Workload needs it"):
        build.workload({"_target_": "nrm.workload.Workload"})


def test_probes_already_built_are_closed_when_one_cannot_be(monkeypatch):
    closed = []
    close = memory.Probe.close
    monkeypatch.setattr(memory.Probe, "close", lambda self: (closed.append(self), close(self)))
    with pytest.raises(ValueError, match=r"^probe\.garbage\.speed is not an option"):
        build.probes({"memory": leaf("memory"), "garbage": {**leaf("garbage"), "speed": 1}}, METERS)
    assert len(closed) == 1


def test_no_workload_is_imported_before_one_is_built():
    code = "import sys; from probes import build; build.targets(); sys.exit(bool({'nrm', 'psutil'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)
