from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pyarrow.parquet as pq
import pytest

from stats.__main__ import main

CONTRACTS = Path(__file__).parents[1] / "contracts"
ROOT = Path(__file__).parents[2]
CELLS = ["OFF-OFF", "ON-OFF", "OFF-ON", "ON-ON"]
A, B = "optimization='unoptimized'", "optimization='cached'"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def store(tmp_path_factory, make_run) -> Path:
    """A store of two replicates of both modes, 40 cycles each; no command under test writes into it."""
    root = tmp_path_factory.mktemp("store")
    for mode, wall, calls in (("unoptimized", 4_000_000, 9), ("cached", 1_000_000, 1)):
        for replicate in range(2):
            cycles = {
                "wall_ns": [wall + 1000 * replicate + k for k in range(40)],
                "sampling_ns": [wall // 2] * 40,
                "sampling_calls": [calls] * 40,
                "population": [10] * 40,
                "condition": [name for name in CELLS for _ in range(10)],
            }
            make_run(root, experiment="c256", optimization=mode, replicate=replicate, cycles=cycles)
    return root


@pytest.fixture
def stats(store, capfd) -> Run:
    """Run a command on the store and return (exit code, stdout, stderr)."""

    def run(*words: str) -> tuple[int, str, str]:
        code = main([*words, "--store", str(store)])
        return code, *capfd.readouterr()

    return run


def test_verdict_prints_each_hypothesis_expected_beside_found(stats):
    code, out, err = stats("verdict")
    assert (code, err) == (0, "")
    for word in ("h1", "h2", "h3", "h4", "h5", "expected", "found", "UNTESTABLE", "level:"):
        assert word in out


def test_verdict_by_run_is_one_document_a_line(stats):
    code, out, _ = stats("verdict", "--by", "run_id", "--format", "json", "--where", A)
    documents = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [len(document["selection"]["runs"]) for document in documents] == [1, 1]


def test_verdict_explains_itself_without_spoiling_json(stats):
    _, out, err = stats("verdict", "--explain", "--format", "json")
    json.loads(out)
    assert "VALIDATED if" in err
    assert "VALIDATED if" in stats("verdict", "--explain")[1]


def test_thresholds_are_set_by_name(stats):
    _, out, _ = stats("verdict", "--set", "h2.delta_r2_min=0.05", "--format", "json")
    assert json.loads(out)["verdicts"][1]["thresholds"] == {"delta_r2_min": 0.05}


def test_comparison_is_the_published_document(stats):
    code, out, _ = stats("compare", "--a", A, "--b", B, "--format", "json")
    document = json.loads(out)
    jsonschema.validate(document, json.loads((CONTRACTS / "compare.schema.json").read_text()))
    assert code == 0
    assert document["call_reduction"]["ratio"] == 9
    assert document["speedup"]["value"] == pytest.approx(4, rel=1e-3)
    assert document["a"]["where"] == [A]


def test_repeated_b_is_one_document_a_line(stats):
    _, out, _ = stats("compare", "--a", A, "--b", B, "--b", f"{B} and replicate = 1", "--format", "json")
    assert [len(json.loads(line)["b"]["runs"]) for line in out.splitlines()] == [2, 1]


def test_repeated_b_is_a_table_each_and_rows_that_name_their_b(stats):
    words = ["compare", "--a", A, "--b", B, "--b", f"{B} and replicate = 1"]
    _, out, _ = stats(*words)
    several, one = (line for line in out.splitlines() if line.startswith("B = "))
    assert several == f"B = {B} (2 runs)"
    assert one.startswith(f"B = {B} and replicate = 1 (run ")
    assert out.count("\noutcome: ") == 2
    rows = list(csv.DictReader(io.StringIO(stats(*words, "--format", "csv")[1])))
    assert [row["b"] for row in rows] == [B] * 8 + [f"{B} and replicate = 1"] * 8


def test_synergy_is_the_published_document(stats):
    code, out, _ = stats("synergy", "--format", "json", "--outcome", "population_final")
    document = json.loads(out)
    jsonschema.validate(document, json.loads((CONTRACTS / "synergy.schema.json").read_text()))
    assert code == 0
    assert [entry["classification"] for entry in document["synergy"]] == ["ADDITIVE", "ADDITIVE"]


def test_common_options_stand_before_or_after_the_command_and_add_up(stats):
    first = stats("--where", A, "verdict", "--where", "replicate=1", "--format", "json")
    second = stats("verdict", "--format", "json", "--where", A, "--where", "replicate=1")
    assert first[0] == 0
    assert first == second
    assert len(json.loads(first[1])["selection"]["runs"]) == 1


def test_common_where_restricts_both_sides_of_a_comparison(stats):
    _, out, _ = stats("--where", "replicate=0", "compare", "--a", A, "--b", B, "--format", "json")
    document = json.loads(out)
    assert (len(document["a"]["runs"]), len(document["b"]["runs"])) == (1, 1)


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        (["verdict"], 5),
        (["verdict", "--by", "run_id"], 20),
        (["compare", "--a", A, "--b", B], 8),
        (["synergy"], 2),
    ],
    ids=["verdict", "verdict by run", "compare", "synergy"],
)
def test_every_judgement_is_a_table_in_every_format(stats, tmp_path, words, rows):
    code, out, _ = stats(*words, "--format", "csv")
    assert code == 0
    assert len(list(csv.DictReader(io.StringIO(out)))) == rows
    parquet = tmp_path / "out.parquet"
    assert stats(*words, "--out", str(parquet))[:2] == (0, "")
    assert pq.read_table(parquet).num_rows == rows
    assert "|---" in stats(*words, "--format", "markdown")[1]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["verdict", "--fail-if", "h5=VALIDATED"], 0),
        (["verdict", "--fail-if", "h5!=VALIDATED"], 1),
        (["verdict", "--fail-if", "h2.delta_r2>0.1"], 1),
        (["compare", "--a", A, "--b", B, "--fail-if", "speedup<2"], 0),
        (["compare", "--a", A, "--b", B, "--fail-if", "speedup<2", "--fail-if", "speedup>3"], 1),
        (["synergy", "--fail-if", "classification=ADDITIVE"], 1),
        (["compare", "--a", A, "--b", B, "--fail-if", "speed<2"], 2),
    ],
)
def test_gates_decide_the_exit_code_and_say_so(stats, words, code):
    found, out, err = stats(*words)
    assert found == code
    assert ("--fail-if" in err) == (code > 0)
    assert bool(out) == (code < 2)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["verdict", "--set", "h2.nothing=1"], "h2.nothing"),
        (["verdict", "--set", "h2.delta_r2_min=much"], "h2.delta_r2_min=much"),
        (["verdict", "--set", "h2=9"], "--set 'h2=9' names no threshold; write it like h2.delta_r2_min=0.05"),
        (["verdict", "--set", "h2.=9"], "names no threshold"),
        (["verdict", "--set", "h9.x=1"], "h9"),
        (["verdict", "--profile", "fancy"], "fancy"),
        (["verdict", "--variant", "fancy"], "fancy"),
        (["verdict", "--where", "colour='red'"], "colour"),
        (["verdict", "--run", "nope"], "nope"),
        (["compare", "--a", A], "--b"),
        (["compare", "--a", A, "--b", A], "in both A and B"),
        (["compare", "--a", A, "--b", "false"], "selects no run"),
        (["compare", "--a", A, "--b", B, "--expected-a-s", "-3"], "expected_a_s=-3"),
        (["synergy", "--where", "false"], "selects no run"),
        (["synergy", "--outcome", "mechanisms"], "mechanisms"),
        (["attribute"], "attribute"),
        ([], "COMMAND"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_wrong_is_one_sentence_that_names_it(stats, words, named):
    code, out, err = stats(*words)
    assert (code, out) == (2, "")
    assert named in err
    assert len(err.splitlines()) == 1


def test_missing_store_is_refused(tmp_path, capfd):
    assert main(["verdict", "--store", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capfd.readouterr().err


COMMANDS = [["verdict"], ["compare", "--a", A, "--b", B], ["synergy"], ["timeline"]]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_selection_without_a_run_says_what_there_is_instead(stats, words):
    code, out, err = stats(*words, "--where", "experiment='c265'")
    assert (code, out) == (2, "")
    assert "experiment='c265') selects no run: store " in err
    assert "holds 4 runs (4 of c256)" in err


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_an_empty_store_says_how_to_fill_it(tmp_path, capfd, words):
    assert main([*words, "--store", str(tmp_path)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert "holds none; record some with run.py" in err


@pytest.mark.parametrize("words", [["verdict"], ["compare"], ["synergy"]], ids=lambda words: words[0])
def test_help_shows_an_example(capfd, words):
    assert main([*words, "--help"]) == 0
    assert f"python -m stats {words[0]} --" in capfd.readouterr().out


def test_ctrl_c_is_130(store, monkeypatch, capfd):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("stats.__main__.open_catalog", interrupted)
    assert main(["verdict", "--store", str(store)]) == 130
    assert capfd.readouterr().out == ""


def test_closed_stdout_ends_quietly(store):
    words = [sys.executable, "-m", "stats", "verdict", "--store", str(store), "--format", "json"]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.wait() == 0
    assert process.stderr.read() == b""
    process.stderr.close()


def test_recorded_c255_gives_the_published_synergy(archive, tmp_path, capfd):
    from store.__main__ import main as store_main

    store = tmp_path / "data"
    file = archive / "cycle255_h1h2_lightweight_results.json"
    assert store_main(["import", str(file), "--store", str(store)]) == 0
    capfd.readouterr()
    assert main(["synergy", "--where", "experiment='c255'", "--store", str(store), "--format", "json"]) == 0
    (entry,) = json.loads(capfd.readouterr().out)["synergy"]
    assert entry["cells"] == {
        "OFF-OFF": 13.974,
        "ON-OFF": 99.69066666666667,
        "OFF-ON": 99.72066666666667,
        "ON-ON": 99.75333333333333,
    }
    assert entry["synergy"] == pytest.approx(-85.684, abs=1e-12)
    assert entry["classification"] == "ANTAGONISTIC"
    assert set(entry["effects"]) == {"energy_pooling", "reality_sources"}


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_every_command_takes_tags(tmp_path, make_run, capfd, words):
    for mode in ("unoptimized", "cached"):
        cycles = {"wall_ns": [10**6] * 8, "population": [3] * 8, "condition": CELLS * 2}
        kept = make_run(tmp_path, optimization=mode, tags=["kept"], cycles=cycles)
        make_run(tmp_path, optimization=mode, cycles=cycles)
    assert main([*words, "--tag", "kept", "--format", "json", "--store", str(tmp_path)]) == 0
    document = json.loads(capfd.readouterr().out)
    selected = document["b" if words[0] == "compare" else "selection"]
    assert kept in selected["runs"]
    assert len(selected["runs"]) == (1 if words[0] == "compare" else 2)
    assert main([*words, "--tag", "other", "--store", str(tmp_path)]) == 2
    assert "(--tag other) selects no run" in capfd.readouterr().err
