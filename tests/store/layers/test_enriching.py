"""What was not recorded with a run is added in dated layers; what was recorded stays."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from store import manifest, notes, open_catalog
from store.__main__ import main
from store.cache import foreign, index, keeping
from store.layers import enriching
from store.raw import import_file
from store.upkeep import damage, maintenance

BY = {"by": "--set"}
SECOND = {
    "metadata": {
        "version": "lightweight_no_database",
        "note": "Python 3.13.5 on macOS 15.5",
        "hostname": "m1",
    },
    "parameters": {"seed": 42, "seeds": [1, 2], "cpu_count": "many"},
    "conditions": {"all": {"population_history": [1, 2]}},
}


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs a command line and returns exit code, stdout and stderr."""

    def act(*words: object) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        return (code, *capsys.readouterr())

    return act


@pytest.fixture
def run_id(tmp_path: Path, make_run: Callable[..., str]) -> str:
    """Return a run in ``tmp_path`` that knows its host and nothing of its optimization."""
    return make_run(tmp_path, host="lab", cycles={"wall_ns": [1, 2]})


def row(root: Path, run_id: str) -> dict[str, object]:
    with open_catalog(root) as catalog:
        return catalog.runs([run_id]).to_pylist()[0]


def test_a_layer_is_seen_by_sql_selection_and_foreign_clients(tmp_path, run_id, make_run):
    other = make_run(tmp_path)
    maintenance.refresh(tmp_path)
    assert keeping.is_kept(index.survey(tmp_path))
    enriching.enrich(tmp_path, [run_id], {"optimization": "cached", "seed": 7, "traced": False}, source=BY)
    with open_catalog(tmp_path) as catalog:
        [found] = catalog.query("select optimization, seed, traced from runs where seed is not null")
        assert found == {"optimization": "cached", "seed": 7, "traced": False}
        assert catalog.select("optimization = 'cached'") == [run_id]
        assert catalog.select("optimization is null") == [other]
    assert not keeping.is_kept(index.survey(tmp_path))
    maintenance.refresh(tmp_path)
    with duckdb.connect(str(tmp_path / foreign.NAME), read_only=True) as connection:
        assert connection.execute("select run_id from runs where seed = 7").fetchall() == [(run_id,)]


def test_layers_are_applied_in_order_and_each_leaves_a_note(tmp_path, run_id):
    enriching.enrich(tmp_path, [run_id], {"seed": 1, "os": "macOS 15.5"}, source=BY)
    enriching.enrich(tmp_path, [run_id], {"seed": 2}, source={"by": "--from", "file": "facts.json"})
    found = row(tmp_path, run_id)
    assert (found["seed"], found["os"]) == (2, "macOS 15.5")
    days = [path.name[:10] for path in sorted((tmp_path / "notes" / run_id).iterdir())]
    assert found["notes"] == [
        f"seed, os were added on {days[0]} by --set",
        f"seed was added on {days[1]} by --from facts.json",
    ]


def test_a_clock_that_goes_back_does_not_change_the_order(tmp_path, run_id):
    first = notes.write(tmp_path, run_id, {"seed": 1}, BY)
    late = first.with_name("2999-01-01T000000.000000Z.json")
    first.rename(late)
    assert notes.write(tmp_path, run_id, {"seed": 2}, BY).name == "2999-01-01T000000.000001Z.json"
    assert row(tmp_path, run_id)["seed"] == 2


def no_links(*paths: object) -> None:
    raise PermissionError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize("linked", [True, False], ids=["with hard links", "without"])
def test_two_layers_of_one_moment_are_both_kept(tmp_path, run_id, monkeypatch, linked):
    if not linked:
        monkeypatch.setattr(os, "link", no_links)
    first = notes.write(tmp_path, run_id, {"seed": 1}, BY)
    first.rename(first.with_name("2999-01-01T000000.000000Z.json"))
    flush = notes.sync
    others = iter([{"cores": 2}])

    def overtaken(path: Path) -> None:
        for values in others:
            notes.write(tmp_path, run_id, values, BY)
        flush(path)

    monkeypatch.setattr(notes, "sync", overtaken)
    assert notes.write(tmp_path, run_id, {"os": "x"}, BY).name == "2999-01-01T000000.000002Z.json"
    assert len(list((tmp_path / "notes" / run_id).iterdir())) == 3
    found = row(tmp_path, run_id)
    assert (found["seed"], found["cores"], found["os"]) == (1, 2, "x")


@pytest.mark.parametrize("name", ["zzz.json", "9999-12-31T235959.999999Z.json"])
def test_a_file_beside_the_layers_does_not_stop_the_next_one(tmp_path, run_id, name):
    stray = notes.write(tmp_path, run_id, {"seed": 1}, BY)
    stray.rename(stray.with_name(name)).write_text("{}")
    notes.write(tmp_path, run_id, {"seed": 2}, BY)
    assert row(tmp_path, run_id)["seed"] == 2


def test_a_layer_s_directory_is_on_the_disk(tmp_path, run_id, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(os.fstat(descriptor).st_ino))
    path = notes.write(tmp_path, run_id, {"seed": 1}, BY)
    above = [tmp_path, tmp_path / "notes", path, path.parent]
    assert flushed == [place.stat().st_ino for place in above]


def test_a_layer_is_a_dated_file_that_names_its_source(tmp_path, run_id, command):
    facts = tmp_path / "facts.json"
    facts.write_text(json.dumps({"cores": 8, "started_at": "2025-10-27T03:15:00+01:00"}))
    code, _, err = command("enrich", run_id[:30], "--from", facts, "--store", tmp_path)
    assert code == 2
    assert f"run {run_id} was recorded with started_at '2" in err
    facts.write_text(json.dumps({"cores": 8}))
    assert command("enrich", run_id[:30], "--from", facts, "--store", tmp_path) == (0, f"{run_id}\n", "")
    [file] = (tmp_path / "notes" / run_id).iterdir()
    document = json.loads(file.read_text())
    written = datetime.fromisoformat(document.pop("written_at"))
    assert file.name == written.strftime("%Y-%m-%dT%H%M%S.%fZ.json")
    checksum = hashlib.sha256(facts.read_bytes()).hexdigest()
    source = {"by": "--from", "file": "facts.json", "sha256": checksum}
    assert document == {"format": 1, "values": {"cores": 8}, "source": source}


def test_a_run_that_is_not_there_is_not_said_to_run(tmp_path, run_id):
    for act in (enriching.enrich_by_inference, enriching.enrich):
        rest = (
            {"note": print} if act is enriching.enrich_by_inference else {"values": {"seed": 1}, "source": BY}
        )
        with pytest.raises(ValueError, match=f"run {run_id}0 is not in store {tmp_path}"):
            act(tmp_path, [run_id, f"{run_id}0"], **rest)
    assert not (tmp_path / "notes").exists()


def test_what_was_recorded_is_refused_and_nothing_is_written(tmp_path, run_id, make_run):
    other = make_run(tmp_path)
    with pytest.raises(ValueError, match=f"run {run_id} was recorded with host 'lab', which stays"):
        enriching.enrich(tmp_path, [other, run_id], {"host": "home"}, source=BY)
    assert not (tmp_path / "notes").exists()


def test_a_layer_written_by_hand_does_not_change_what_was_recorded(tmp_path, run_id):
    notes.write(tmp_path, run_id, {"host": "home", "wall_s": 1e9, "seed": 3}, BY)
    found = row(tmp_path, run_id)
    assert (found["host"], found["wall_s"], found["seed"]) == ("lab", 3e-9, 3)


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("wall_s", 1.0, "wall_s was measured or is the run's name and cannot be added"),
        ("experiment", "c256", "experiment was measured or is the run's name"),
        ("sed", 1, "sed is no column of runs and cannot be added; choose optimization"),
        ("seed", "x", 'seed="x", expected a whole number'),
        ("seed", 1.5, "seed=1.5, expected a whole number"),
        ("seed", True, "seed=true, expected a whole number"),
        ("seed", 2**63, "expected a whole number of 64 bits; correct it or leave it out"),
        ("seed", None, "seed=null, expected a whole number"),
        ("cores", 0, "cores=0, expected a whole number of 64 bits of at least 1"),
        ("traced", "yes", 'traced="yes", expected true or false'),
        ("python", 3.13, "python=3.13, expected a text"),
        ("os", "", 'os="", expected a text of at least one letter'),
        ("os", "a\udcffb", "expected a text of at least one letter, in UTF-8"),
        ("started_at", "noon", 'started_at="noon", expected a time such as'),
    ],
)
def test_a_wrong_key_or_value_is_named(tmp_path, run_id, name, value, found):
    with pytest.raises(ValueError, match=found.replace(".", r"\.")):
        enriching.enrich(tmp_path, [run_id], {name: value}, source=BY)
    assert not (tmp_path / "notes").exists()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("seed", "42", 42),
        ("git_dirty", "true", True),
        ("python", "3.13", "3.13"),
        ("boot_id", "a=b", "a=b"),
    ],
)
def test_a_pair_is_read_by_its_column_s_type(tmp_path, run_id, command, name, text, value):
    assert command("enrich", "--store", tmp_path, "--set", f"{name}={text}", run_id)[0] == 0
    assert row(tmp_path, run_id)[name] == value


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--set", "seed=1"], "no run is named"),
        (["nowhere", "--set", "seed=1"], "run 'nowhere' is not there"),
        (["RUN", "--set", "seed"], "--set 'seed' is no pair"),
        (["RUN", "--set", "seed=1", "--set", "seed=2"], "names a key twice"),
        (["RUN"], "one of the arguments --set --from --infer is required"),
        (["RUN", "--from", "absent.json"], "absent.json: No such file"),
    ],
    ids=["none", "unknown", "pair", "twice", "how", "file"],
)
def test_a_wrong_command_line_is_one_line(tmp_path, run_id, command, words, found):
    line = [run_id if word == "RUN" else word for word in words]
    code, out, err = command("enrich", *line, "--store", tmp_path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert found in err


@pytest.mark.parametrize("text", ["[1]", "{", "{}"])
def test_a_file_of_no_values_is_refused(tmp_path, run_id, command, text):
    (tmp_path / "facts.json").write_text(text)
    code, _, err = command("enrich", run_id, "--from", tmp_path / "facts.json", "--store", tmp_path)
    assert (code, err.count("\n")) == (2, 1)


def test_runs_are_chosen_by_predicate_too(tmp_path, run_id, make_run, command):
    make_run(tmp_path, experiment="y")
    words = ("enrich", "--where", "experiment='x'", "--set", "seed=1", "--store", tmp_path)
    assert command(*words)[1] == f"{run_id}\n"


def test_inference_says_what_and_from_where(tmp_path, command):
    (tmp_path / "cycle255_results.json").write_text(json.dumps(SECOND))
    run_id = import_file(tmp_path / "cycle255_results.json", tmp_path / "store").run_id
    code, out, err = command("enrich", run_id, "--infer", "--store", tmp_path / "store")
    assert (code, out) == (0, f"{run_id}\n")
    found = row(tmp_path / "store", run_id)
    assert (found["seed"], found["python"], found["os"], found["host"]) == (42, "3.13.5", "macOS 15.5", "m1")
    assert (found["optimization"], found["cores"]) == ("lightweight", None)
    assert f"run {run_id}: seed is 42 by config.file.parameters.seed\n" in err
    assert "config.file.parameters.cpu_count was not used: cores=" in err
    [file] = (tmp_path / "store" / "notes" / run_id).iterdir()
    source = json.loads(file.read_text())["source"]
    assert source["by"] == "--infer"
    assert source["from"]["python"] == "config.file.metadata.note 'Python 3.13.5 on macOS 15.5'"
    code, out, err = command("enrich", run_id, "--infer", "--store", tmp_path / "store")
    assert (code, out) == (0, "")
    assert "nothing more can be inferred of 1 of 1 runs" in err


def test_a_damaged_layer_is_named_and_the_others_hold(tmp_path, run_id):
    notes.write(tmp_path, run_id, {"seed": 1}, BY)
    bad = notes.write(tmp_path, run_id, {"seed": 2}, BY)
    bad.write_text('{"format": 1')
    newer = notes.write(tmp_path, run_id, {"os": "x"}, BY)
    newer.write_text(json.dumps({**json.loads(newer.read_text()), "format": 2}))
    problems = []
    assert manifest.read(tmp_path, run_id, problems).run["seed"] == 1
    assert [str(path) in problem for path, problem in zip((bad, newer), problems, strict=True)] == [True] * 2
    assert [problem.file for problem in damage.verify(tmp_path)] == ["notes", "notes"]


def test_a_store_that_cannot_be_written_is_said_to_be_so(tmp_path, run_id, command):
    (tmp_path / "notes").write_text("no directory")
    code, out, err = command("enrich", run_id, "--set", "seed=1", "--store", tmp_path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"nothing can be added to run {run_id} in store {tmp_path}" in err


def test_notes_of_runs_that_are_gone_are_ignored(tmp_path, run_id):
    notes.write(tmp_path, "gone", {"seed": 1}, BY)
    (tmp_path / "notes" / "README").write_text("mine")
    with open_catalog(tmp_path) as catalog:
        assert (catalog.select(), list(catalog.problems)) == ([run_id], [])
    assert row(tmp_path, run_id)["seed"] is None
