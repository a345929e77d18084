"""Tags, removal and listing; what a statement is asked with; one selection for every command."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from store.__main__ import main
from store.layers import tagging
from store.publishing import run_directory
from store.upkeep import removing

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*words: object) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return code, out, err

    return command


@pytest.fixture
def store(tmp_path: Path, make_run: Callable[..., str]) -> Path:
    for seed, wall in enumerate([30, 10, 20]):
        make_run(tmp_path, experiment=f"e{seed}", cycles={"wall_ns": [wall]}, seed=seed)
    return tmp_path


@pytest.fixture
def ids(store: Path, run: Run) -> list[str]:
    return [row["run_id"] for row in json.loads(run("ls", "--store", store, "--format", "json")[1])]


def tags(run: Run, store: Path) -> list[list[str]]:
    return [row["tags"] for row in json.loads(run("ls", "--store", store, "--format", "json")[1])]


def test_a_tag_is_given_taken_back_and_replaced_by_name(store: Path, ids: list[str], run: Run) -> None:
    assert run("tag", ids[0], ids[1], "good", "--store", store)[:2] == (0, f"{ids[0]}\n{ids[1]}\n")
    assert run("tag", "phase=1", "--last", 2, "--store", store)[0] == 0
    assert tags(run, store) == [["good"], ["good", "phase=1"], ["phase=1"]]
    assert run("tag", ids[2][:-1], "phase=2", "--store", store)[1] == f"{ids[2]}\n"
    assert tags(run, store)[2] == ["phase=2"]
    code, out, err = run("tag", ids[0], ids[1], "good", "--store", store)
    assert (code, out, err) == (0, "", "2 of 2 runs had it already\n")
    assert run("tag", "--remove", "phase", "--tag", "phase", "--store", store)[1] == f"{ids[1]}\n{ids[2]}\n"
    assert tags(run, store) == [["good"], ["good"], []]
    assert run("verify", "--store", store)[0] == 0


def test_options_may_stand_between_names(store: Path, ids: list[str], run: Run) -> None:
    assert run("tag", ids[0], "--store", store, ids[1], "good", "--format", "csv")[0] == 0
    assert tags(run, store) == [["good"], ["good"], []]
    assert run("tag", ids[0], "--remove", "good", "--store", store)[1] == f"{ids[0]}\n"
    code, out, _ = run("rm", ids[1], "--store", store, ids[2], "--format", "json")
    assert (code, [row["run_id"] for row in json.loads(out)]) == (0, ids[1:])
    assert run("sql", "--store", store, "--format", "csv", "--", "-- all\nselect 1 as n") == (0, "n\n1\n", "")
    code, out, err = run("rm", ids[0], "--store", store, "--yes", "--where")
    assert (code, out) == (2, "")
    assert "argument --where: expected one argument" in err


def test_a_forgotten_label_is_asked_for(store: Path, ids: list[str], run: Run) -> None:
    code, out, err = run("tag", ids[0], "--store", store)
    assert (code, out) == (2, "")
    assert err.startswith(f"no run is named, or no label: '{ids[0]}' stands alone; write RUN LABEL, or")
    assert "required: LABEL;" in run("tag", "--store", store)[2]
    assert "[RUN ...] LABEL\n" in run("tag", "--help")[1]


def test_a_run_removed_meanwhile_keeps_no_other_from_its_tag(
    store: Path, ids: list[str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*words: Any) -> list[str]:
        removing.remove(store, [ids[1]], pytest.fail)
        return tag(*words)

    tag = tagging.tag
    monkeypatch.setattr(tagging, "tag", late)
    code, out, err = run("tag", "good", "--where", "true", "--store", store)
    assert (code, out) == (0, f"{ids[0]}\n{ids[2]}\n")
    assert err == f"1 of 3 runs were removed meanwhile, {ids[1]} first\n"
    assert tags(run, store) == [["good"], ["good"]]


def test_tags_select_in_every_command(store: Path, ids: list[str], run: Run) -> None:
    run("tag", ids[1], "phase=2", "--store", store)
    count = "select count(*) as n from cycles"
    assert run("sql", count, "--tag", "phase", "--store", store, "--format", "csv")[1] == "n\n1\n"
    assert run("sql", count, "--tag", "phase=2", "--store", store, "--format", "csv")[1] == "n\n1\n"
    assert run("--tag", "phase=1", "sql", count, "--store", store, "--format", "csv")[1] == "n\n0\n"
    assert ids[1] in run("export", "--tag", "phase", "--store", store)[1]
    where = "list_contains(tags, 'phase=2')"
    assert (
        json.loads(run("ls", "--where", where, "--store", store, "--format", "json")[1])[0]["run_id"]
        == ids[1]
    )


@pytest.mark.parametrize("label", ["", "two words", "a'b", "=x", "a=b=c", "-x"])
def test_what_a_shell_would_take_apart_is_no_tag(label: str, store: Path, ids: list[str], run: Run) -> None:
    code, out, err = run("tag", "--store", store, ids[0], label)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert not (store / "notes").exists()


@pytest.mark.parametrize("command", [("tag", "x"), ("rm", "--yes"), ("export",), ("enrich", "--infer")])
def test_what_changes_or_copies_takes_all_runs_only_if_told(
    command: tuple[str, ...], store: Path, run: Run
) -> None:
    code, out, err = run(*command, "--store", store)
    assert (code, out) == (2, "")
    assert err.startswith("no run is named")


def test_rm_shows_what_would_go_and_takes_it_only_with_yes(store: Path, ids: list[str], run: Run) -> None:
    run("tag", ids[0], "old", "--store", store)
    code, out, err = run("rm", "--tag", "old", "--store", store, "--format", "json")
    [going] = json.loads(out)
    files = [*run_directory(store, ids[0]).iterdir(), *(store / "notes" / ids[0]).iterdir()]
    assert code == 0
    assert (going["run_id"], going["files"]) == (ids[0], len(files))
    assert going["bytes"] == sum(path.stat().st_size for path in files)
    assert err == f"1 run, {going['bytes']} bytes, would go for good; add --yes to remove them\n"
    assert run_directory(store, ids[0]).is_dir()
    assert run("rm", "--tag", "old", "--yes", "--store", store)[0] == 0
    assert {path.name for path in (store / "runs").iterdir()} == {f"run_id={run_id}" for run_id in ids[1:]}
    assert not (store / "notes" / ids[0]).exists()
    assert run("sql", "select count(*) as n from cycles", "--store", store, "--format", "csv")[1] == "n\n2\n"


def test_rm_and_export_say_why_nothing_is_done(store: Path, run: Run) -> None:
    for more in ((), ("--yes",)):
        said = f"no run of store {store} is selected; nothing would go\n"
        assert run("rm", "--where", "seed = 9", "--store", store, *more) == (0, "", said)
    (store / "mine.csv").touch()
    code, _, err = run("export", "--last", 2, "--store", store, "--out", store / "mine.csv")
    assert code == 2
    assert err.startswith(f"2 runs do not go into one file {store / 'mine.csv'}; name a directory with --out")


def test_a_listing_fits_a_hundred_letters_whatever_is_in_it(
    store: Path, ids: list[str], make_run: Callable[..., str], run: Run
) -> None:
    make_run(
        store,
        experiment="x" * 90,
        status="failed",
        error="e" * 300,
        optimization="o" * 40,
        replicate=3,
        seed=2**60,
    )
    run("tag", "a" * 60, "--last", 2, "--store", store)
    out = run("ls", "--store", store)[1]
    assert max(map(len, out.splitlines())) <= 100
    assert all(word in out for word in ("failed", "error", "tags"))
    first = out.splitlines()[2].split()[0]
    assert ids[0].startswith(first)
    assert run("ls", "--run", first, "--store", store)[0] == 0


def test_ls_sorts_and_chooses_columns(store: Path, run: Run) -> None:
    words = ("ls", "--store", store, "--format", "csv")
    assert run(*words, "--columns", "seed", "--sort", "wall_s")[1] == "seed\n1\n2\n0\n"
    assert run(*words, "--columns", "experiment, seed", "--sort", "status, seed desc")[1].splitlines() == [
        "experiment,seed", "e2,2", "e1,1", "e0,0",
    ]  # fmt: skip
    assert "memory_bytes" in run(*words, "--columns", "all")[1]
    for option, value in (
        ("--sort", "wal_s"),
        ("--sort", "seed up"),
        ("--sort", "tags"),
        ("--columns", "seed,sed"),
    ):
        code, out, err = run(*words, option, value)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert option in err


def test_a_statement_comes_as_an_argument_from_a_file_or_from_stdin(
    store: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = "select experiment from runs where seed = $seed"
    file = store / "q.sql"
    file.write_text(question + ";\n")
    words = ("--store", store, "--format", "csv", "--param", "seed=1")
    expected = (0, "experiment\ne1\n", "")
    assert run("sql", question, *words) == expected
    assert run("sql", "-f", file, *words) == expected
    assert run("-f", file, *words, "sql") == expected
    for place in ((), ("-",)):
        monkeypatch.setattr(sys, "stdin", io.StringIO(question))
        assert run("sql", *place, *words) == expected
    assert run("sql", question, "-f", file, *words)[0] == 2
    assert "no such file" in run("sql", "-f", store / "none.sql", *words)[2].lower()


def test_parameters_are_values_by_their_looks(store: Path, run: Run) -> None:
    question = "select typeof($a) as a, typeof($b) as b, $c as c, $d as d"
    words = ("--param", "a=1", "--param", "b=1.5", "--param", 'c="1"', "--param", "d=x = 'y'")
    out = run("sql", question, *words, "--store", store, "--format", "json")[1]
    assert json.loads(out) == [{"a": "INTEGER", "b": "DOUBLE", "c": "1", "d": "x = 'y'"}]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("a",), "'a'"),
        (("=1",), "'=1'"),
        (("a b=1",), "'a b=1'"),
        (("a=1", "--param", "a=2"), "a twice"),
        (("a=1", "--param", "b=1"), "no $b in the statement"),
        (("a=\udcff",), "UTF-8"),
    ],
    ids=["no-value", "no-name", "space", "twice", "spare", "bytes"],
)
def test_a_wrong_parameter_is_one_sentence(words: tuple[str, ...], named: str, store: Path, run: Run) -> None:
    code, out, err = run("sql", "select $a as a", "--param", *words, "--store", store)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert named in err


def test_a_parameter_without_value_is_named_with_the_remedy(store: Path, run: Run) -> None:
    code, out, err = run("sql", "select $seed as a", "--store", store)
    assert (code, out) == (2, "")
    assert err == "parameter seed of the statement has no value; give it, as --param seed=VALUE\n"
    assert "$name" in run("sql", "select ? as a", "--store", store)[2]


def test_a_statement_of_other_bytes_is_one_sentence(
    store: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = (2, "", "the statement is no UTF-8 text (at letter 9); write it anew\n")
    assert run("sql", "select '\udcff'", "--store", store) == refused
    for command in ("sql", "shell"):
        monkeypatch.setattr(sys, "stdin", io.StringIO("select '\udcff'"))
        assert run(command, "--store", store) == refused


def test_an_empty_store_has_no_tagged_run(tmp_path: Path, run: Run) -> None:
    assert run("ls", "--tag", "baseline", "--store", tmp_path) == (0, "", "")


def test_limit_gives_the_first_rows_and_ends_what_is_left(store: Path, run: Run) -> None:
    endless = "from range(100000000000)"
    assert run("sql", endless, "--limit", 2, "--store", store, "--format", "csv") == (0, "range\n0\n1\n", "")


def test_limit_zero_gives_the_columns(store: Path, run: Run) -> None:
    question = "select seed, experiment from runs"
    for form, shown in (("csv", "seed,experiment\n"), ("json", "[]\n")):
        assert run("sql", question, "--limit", 0, "--store", store, "--format", form) == (0, shown, "")
    code, out, err = run("sql", question, "--limit", "-1", "--store", store)
    assert (code, out, len(err.splitlines())) == (2, "", 1)


def test_an_empty_tag_is_refused_as_an_empty_predicate_is(store: Path, run: Run) -> None:
    for option, word in (("--tag", "tag"), ("--where", "where")):
        code, out, err = run("ls", option, "", "--store", store)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert f"{word} is empty" in err


def test_a_memory_limit_ends_a_query_in_one_sentence(store: Path, run: Run) -> None:
    greedy = "select count(*) from (select distinct range || 'x' from range(30000000))"
    code, out, err = run("sql", greedy, "--memory-limit", "100MB", "--store", store)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith(
        "the query takes more than its memory of 95.3 MiB; ask for less, or raise --memory-limit"
    )
    assert run("sql", greedy, "--memory-limit", "lots", "--store", store)[0] == 2


def test_a_predicate_over_another_table_is_told_what_it_sees(tmp_path, make_run, capsys):
    make_run(tmp_path)
    assert main(["ls", "--store", str(tmp_path), "--where", "run_id in (select run_id from cycles)"]) == 2
    assert "sees the columns of runs alone" in capsys.readouterr().err
    assert main(["ls", "--store", str(tmp_path), "--where", "false"]) == 0
    assert "no run of store" in capsys.readouterr().err
