"""Values that stand in for psutil's: replayed, drawn, constant; the calls stay."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from nrm.metrics import Values, uniform
from nrm.randomness import legacy_generator
from nrm.substrate import Reading
from nrm.workload import Workload
from probes.protocols import Condition, Scene

PER_VISIT = {"sampling": "per_visit"}
WANTED = "give a CSV file with the header cpu,mem,disk and one row a sample"


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[[str], str]:
    """Write a file to be replayed and return its name."""

    def write(text: str) -> str:
        path = tmp_path / "recorded.csv"
        path.write_text(text, "utf-8")
        return str(path)

    return write


def _first(values: Values, n: int, seed: int = 0) -> list[Reading]:
    readings = values.readings(seed)
    assert readings is not None
    return list(islice(readings, n))


def _energies(workload: Workload, condition: Condition, scene: Scene) -> list[list[float]]:
    simulation = workload.start(condition, scene)
    model: Any = simulation.model
    return [
        [agent.energy for agent in model.members]
        for cycle in range(condition.cycles)
        if simulation.step(cycle)
    ]


def test_a_replay_begins_anew_at_its_end(recorded: Callable[[str], str]) -> None:
    values = Values(metrics="replay", metrics_file=recorded("cpu,mem,disk\n1,2,3\n4.5,5,6\n\n"))
    assert _first(values, 5) == [Reading(1, 2, 3), Reading(4.5, 5, 6)] * 2 + [Reading(1, 2, 3)]
    assert values.typical == Reading(2.75, 3.5, 4.5)


def test_a_replay_gives_each_sample_its_row_and_each_condition_the_first(
    scene: Scene,
    condition: Callable[..., Condition],
    recorded: Callable[[str], str],
    psutil_calls: list[Any],
) -> None:
    name = recorded("cpu,mem,disk\n1,50,0\n2,50,0\n3,50,0\n")
    workload = Workload(metrics="replay", metrics_file=name, max_agents=1, optimization=PER_VISIT)
    for _ in range(2):  # row 1 is the root's birth, 2, 3 and 1 again its visits
        energies = _energies(workload, condition(cycles=3), scene)
        expected, energy = [], 130.0
        for capacity in (148.0, 147.0, 149.0):
            energy = (energy - 0.01) + 0.01 * capacity
            expected.append([energy])
        assert energies == expected
    assert scene.meters.sampling_calls == 8
    assert len(psutil_calls) == 2 * (1 + 4 * 5)  # calls stay


def test_a_file_from_a_spreadsheet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"\xef\xbb\xbfcpu, mem, disk\r\n1, 2, 3\r\n")
    assert _first(Values(metrics="replay", metrics_file=str(path)), 1) == [Reading(1, 2, 3)]


def test_random_metrics_repeat_by_their_seed_and_differ_by_it(
    condition: Callable[..., Condition], scene: Scene, psutil_calls: list[Any]
) -> None:
    workload = Workload(metrics="random", optimization=PER_VISIT)
    runs = [_energies(workload, condition(cycles=8), scene._replace(seed=seed)) for seed in (3, 3, 4)]
    assert runs[0] == runs[1] != runs[2]
    assert len(psutil_calls) > 5 * 8  # calls stay


def test_random_metrics_are_uniform_and_independent_per_field() -> None:
    drawn = list(islice(uniform(0), 4000))
    for field in zip(*drawn, strict=True):
        assert 0 <= min(field) < 1
        assert 99 < max(field) < 100
        assert fmean(field) == pytest.approx(50, abs=4 * 100 / (12 * 4000) ** 0.5)
    products = [(cpu - 50) * (mem - 50) for cpu, mem, _ in drawn]
    assert fmean(products) == pytest.approx(0, abs=4 * (100**2 / 12) / 4000**0.5)


def test_random_metrics_do_not_repeat_the_angles_of_the_light_rules() -> None:
    angles = legacy_generator(0)
    draws = {100 * angles.random() for _ in range(300)}
    assert not draws & {value for reading in islice(uniform(0), 300) for value in reading}


def test_constant_metrics_are_the_values_given() -> None:
    values = Values(metrics="constant", cpu_percent=1, memory_percent=2, disk_percent=3)
    assert _first(values, 2) == [Reading(1, 2, 3)] * 2


def test_live_metrics_are_replaced_by_nothing() -> None:
    assert Values().readings(0) is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", f" begins with ''; {WANTED}"),
        ("cpu,memory,disk\n1,2,3\n", f" begins with 'cpu,memory,disk'; {WANTED}"),
        ("1,2,3\n", f" begins with '1,2,3'; {WANTED}"),
        ("cpu,mem,disk\n", f" has no row below its header; {WANTED}"),
        (
            "cpu,mem,disk\n1,2,3\n1,x,3\n",
            ", line 3, reads '1,x,3'; give three numbers, cpu,mem,disk in percent",
        ),
        ("cpu,mem,disk\n1,2\n", ", line 2, reads '1,2'; give three numbers, cpu,mem,disk in percent"),
        ("cpu,mem,disk\n1,2,3,4\n", ", line 2, reads '1,2,3,4'; give three numbers, cpu,mem,disk in percent"),
        ("cpu,mem,disk\n1,2,100.1\n", ", line 2, reads '1,2,100.1'; give percentages from 0 to 100"),
        ("cpu,mem,disk\n-1,2,3\n", ", line 2, reads '-1,2,3'; give percentages from 0 to 100"),
        ("cpu,mem,disk\nnan,2,3\n", ", line 2, reads 'nan,2,3'; give percentages from 0 to 100"),
    ],
    ids=["empty", "header", "no header", "no row", "word", "short", "long", "above", "below", "nan"],
)
def test_a_file_that_is_no_replay_is_refused_in_one_sentence(
    recorded: Callable[[str], str], text: str, sentence: str
) -> None:
    name = recorded(text)
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 (the whole sentence is compared)
        Workload(metrics="replay", metrics_file=name)
    assert str(refusal.value) == f"workload.metrics_file={name!r}{sentence}"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"metrics": "replay"},
            f"workload.metrics='replay' needs workload.metrics_file; {WANTED}",
        ),
        (
            {"metrics": "replay", "metrics_file": "no/such.csv"},
            f"workload.metrics_file='no/such.csv' cannot be read (No such file or directory); {WANTED}",
        ),
        (
            {"metrics": "replay", "metrics_file": "/"},
            f"workload.metrics_file='/' cannot be read (Is a directory); {WANTED}",
        ),
        (
            {"metrics_file": 5},
            "workload.metrics_file=5 is not a non-empty string; give one or leave the key out",
        ),
    ],
    ids=["no name", "no file", "directory", "number"],
)
def test_a_replay_without_a_file_is_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 (the whole sentence is compared)
        Workload(**options)
    assert str(refusal.value) == sentence


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(ValueError, match=r"^workload\.metrics_file='.*' begins with "):
        Values(metrics="replay", metrics_file=str(path))
