"""The benchmark of the model at a size that takes seconds: its document, its refusals, its honesty."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from benchmarks import __main__ as command
from benchmarks import model
from benchmarks.document import document
from benchmarks.model import Plan, carried_out
from benchmarks.peers.serving import State
from benchmarks.serving import MESA, NUMPY, OBJECTS, missing

SCHEMA = json.loads((Path(__file__).parents[1] / "contracts" / "benchmark.schema.json").read_text())
TINY = Plan(
    cases=((100, False), (30, True)),
    rounds=3,
    block_s=0.002,
    factorial=(NUMPY, OBJECTS),
    factorial_rounds=1,
    factorial_cycles=5,
)


@pytest.fixture
def without_peers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(model, "MESA", MESA._replace(python=tmp_path / "python"))


@pytest.mark.usefixtures("without_peers")
def test_the_document_is_as_its_schema_says_and_tells_what_was_skipped() -> None:
    measured = carried_out(TINY, seed=3)
    written = document("model", measured, quick=True, seed=3, started_at="2026-01-01T00:00:00Z", wall_s=1.0)
    read = json.loads(json.dumps(written, allow_nan=False))
    jsonschema.validate(read, SCHEMA)
    names = [result["name"] for result in read["results"]]
    assert names == [
        *("numpy_vs_objects_100", "numpy_vs_objects_30_pooling"),
        *("c256_factorial_numpy", "c256_factorial_objects"),
    ]
    assert {entry["name"] for entry in read["skipped"]} == {
        "objects_vs_mesa_100",
        "objects_vs_mesa_30_pooling",
    }
    assert all("make bench" in entry["reason"] for entry in read["skipped"])


@pytest.mark.skipif(missing(MESA) is not None, reason="Mesa is not installed in .venv-bench; run make bench")
def test_mesa_follows_the_same_rules() -> None:
    cases = [(30, False), (30, True)]
    plan = Plan(cases=cases, rounds=2, block_s=0.002, factorial=(), factorial_rounds=1)
    results = carried_out(plan, seed=0).results
    assert [result.name for result in results if result.b == "mesa"] == [
        "objects_vs_mesa_30",
        "objects_vs_mesa_30_pooling",
    ]


def test_programs_that_do_not_do_the_same_are_not_compared() -> None:
    with pytest.raises(ArithmeticError, match="do not follow the same rules"):
        model._check_same({"objects": State(100, 416, 20_000.0), "mesa": State(99, 416, 20_000.0)})


def test_list_names_every_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["list"]) == 0
    assert capsys.readouterr().out.split()[0] == "model"


@pytest.mark.parametrize(
    "words", [["speed"], ["model", "--seed", "-1"], []], ids=["unknown", "seed", "nothing"]
)
def test_a_wrong_command_line_is_exit_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        command.main(words)
    assert left.value.code == 2
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("without_peers")
def test_the_command_writes_one_document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    plan = Plan(cases=[], rounds=1, block_s=0.001, factorial=(), factorial_rounds=1)
    monkeypatch.setattr(model, "QUICK", plan)
    assert command.main(["model", "--quick"]) == 0
    jsonschema.validate(json.loads(capsys.readouterr().out), SCHEMA)
    out = tmp_path / "model.json"
    assert command.main(["model", "--quick", "--seed", "7", "--out", str(out)]) == 0
    assert json.loads(out.read_text())["seed"] == 7
    assert capsys.readouterr().out == ""
    assert command.main(["model", "--quick", "--out", str(tmp_path / "no" / "file")]) == 2
    assert "cannot be written" in capsys.readouterr().err
