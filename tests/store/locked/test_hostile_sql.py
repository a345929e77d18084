"""What ``sql``, ``shell``, ``--where``, ``--set`` and parameters refuse: whatever is not one question to the tables."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from store.__main__ import main
from store.locked import bounded

# Placeholders: @ a readable file, # a path that must not come into being.
REFUSED = {
    "cte-copy": "with x as (copy (select 1) to '#') select * from x",
    "cte-copy-parquet": "with x as (copy runs to '#' (format parquet)) select * from x",
    "cte-copy-relative": "with x as (copy runs to 'evil.csv') select * from x",
    "cte-copy-into-store": "with x as (copy runs to 'store/catalog.duckdb') select * from x",
    "cte-copy-stdout": "with x as (copy (select 1) to '/dev/stdout') select * from x",
    "cte-copy-url": "with x as (copy (select 1) to 'http://127.0.0.1:9/x') select * from x",
    "cte-copy-nested": "select * from (with x as (copy (select 1) to '#') select * from x)",
    "cte-copy-from": "with x as (copy runs from '@') select * from x",
    "cte-insert": "with x as (insert into runs (run_id) values ('z') returning *) select * from x",
    "cte-insert-view": "with x as (insert into samples (run_id) values ('z') returning *) select * from x",
    "cte-insert-rows": "with x as (insert into cycles select * from cycles returning *) select * from x",
    "cte-insert-catalog": "with x as (insert into pg_catalog.pg_class select 1 returning *) select * from x",
    "cte-update": "with x as (update runs set status = 'completed' returning *) select * from x",
    "cte-delete": "with x as (delete from cycles returning *) select * from x",
    "cte-merge": "with x as (merge into runs using (select 1) on true when matched then delete) from x",
    "cte-create": "with x as (create table t as select 1) select * from x",
    "cte-attach": "with x as (attach '#') select * from x",
    "cte-set": "with x as (set threads = 1) select * from x",
    "cte-pragma": "with x as (pragma version) select * from x",
    "read-csv": "select * from read_csv('@')",
    "read-csv-url": "select * from read_csv('https://127.0.0.1:9/x.csv')",
    "read-text": "select * from read_text('@')",
    "read-blob": "select content from read_blob('@')",
    "read-parquet": "select * from read_parquet('@')",
    "read-json": "select * from read_json('@')",
    "read-ndjson": "select * from read_ndjson_objects('@')",
    "read-duckdb": "select * from read_duckdb('@')",
    "parquet-metadata": "select * from parquet_metadata('@')",
    "parquet-schema": "select * from parquet_schema('@')",
    "sniff-csv": "select * from sniff_csv('@')",
    "glob": "select * from glob('/etc/*')",
    "from-file": "select * from '@'",
    "from-parquet-file": "from 'store/runs/*/cycles.parquet'",
    "from-s3": "from 's3://bucket/x.parquet'",
    "attach": "attach '#'",
    "attach-memory": "attach ':memory:' as m",
    "detach": "detach memory",
    "use": "use memory",
    "set": "set enable_external_access = true",
    "set-lock": "set lock_configuration = false",
    "set-directory": "set temp_directory = '#'",
    "set-variable": "set variable x = 1",
    "reset": "reset enable_external_access",
    "pragma": "pragma enable_profiling",
    "pragma-database-size": "pragma database_size",
    "install": "install httpfs",
    "load": "load httpfs",
    "export-database": "export database '#'",
    "import-database": "import database '@'",
    "call": "call duckdb_tables()",
    "call-enable-logging": "call enable_logging(storage = 'file', storage_path = '#')",
    "from-enable-logging": "select * from enable_logging()",
    "from-enable-profiling": "select * from enable_profiling()",
    "checkpoint": "checkpoint",
    "vacuum": "vacuum",
    "analyze": "analyze",
    "copy": "copy runs to '#'",
    "copy-query": "copy (select 1) to '#'",
    "insert": "insert into runs (run_id) values ('z')",
    "update": "update runs set status = 'x'",
    "delete": "delete from runs",
    "truncate": "truncate runs",
    "create-table": "create table t as select 1",
    "create-temp-table": "create temp table t as select 1",
    "create-view": "create view v as select 1",
    "create-macro": "create macro m(x) as x + 1",
    "create-secret": "create secret s (type s3, key_id 'k', secret 's')",
    "create-persistent-secret": "create persistent secret s (type s3, key_id 'k', secret 's')",
    "create-sequence": "create sequence s",
    "create-type": "create type t as enum ('a')",
    "create-schema": "create schema s",
    "drop-table": "drop table runs",
    "drop-view": "drop view samples",
    "alter": "alter table runs add column x int",
    "comment-on": "comment on view samples is 'x'",
    "replacement-local": "select * from catalog",
    "replacement-argument": "select * from arguments",
    "replacement-module": "select * from sys",
    "two-statements": "select 1; select 2",
    "select-then-copy": "select 1; copy (select 1) to '#'",
    "empty": "",
    "blank": " \n ",
    "semicolon": ";",
    "comment": "-- nothing",
    "block-comment": "/* nothing */",
    "no-sql": "give me everything",
    "unfinished": "select * from (select 1",
    "explain": "explain select 1",
    "explain-analyze": "explain analyze select 1",
    "explain-analyze-copy": "explain analyze copy (select 1) to '#'",
    "pivot-without-in": "pivot runs on experiment using count(*)",
    "prepare": "prepare p as select 1",
    "execute": "execute p",
    "deallocate": "deallocate p",
    "begin": "begin transaction",
    "commit": "commit",
    "rollback": "rollback",
    "query-two": "select * from query('select 1; select 2')",
    "query-copy": "select * from query('copy (select 1) to ''#''')",
    "query-cte-copy": "select * from query('with x as (copy (select 1) to ''#'') from x')",
    "query-table-file": "select * from query_table('@')",
    "serialized-file": "from json_execute_serialized_sql(json_serialize_sql('from read_text(''@'')'))",
    "secrets": "select * from duckdb_secrets()",
    "extensions": "select * from duckdb_extensions()",
    "getenv": "select getenv('HOME')",
    "arrow-scan": "select * from arrow_scan()",
    "force-checkpoint": "select * from force_checkpoint()",
    "unknown-table": "select * from nothing",
    "unknown-column": "select nothing from runs",
    "parameter": "select $1",
}

ENDLESS = {
    "cross-join": "select count(*) from range(10000000000) a, range(1000000000) b",
    "streaming-cross-join": "select a.range from range(10000000000) a, range(1000000000) b where a.range < 0",
    "recursion": "with recursive t as (select 1 n union all select n + 1 from t) select count(*) from t",
}

SMUGGLED = {
    "statement": "true; drop view samples",
    "second-query": "true) union all (select 'x'",
    "copy": "(with x as (copy runs to '#') select count(*) from x) > 0",
    "delete": "(with x as (delete from runs returning *) select count(*) from x) > 0",
    "file": "exists (from read_text('@'))",
    "order": "true order by 1",
    "limit": "true limit 1",
    "two": "true, false",
    "alias": "true as x",
    "star": "*",
    "aggregate": "count(*) > 1",
    "no-predicate": "experiment",
    "unknown-column": "nothing = 1",
    "parameter": "$1",
    "unfinished": "experiment = 'x' and",
    "other-table": "exists (from cycles)",
    "endless": "(select count(*) from range(10000000000) a, range(1000000000) b) > 0",
}

ANSWERED = {
    "select": "select run_id from runs",
    "join": "select experiment, count(*), avg(wall_ns) / 1e6 from cycles join runs using (run_id) group by all",
    "cte": "with x as (select 1 as a) select a from x",
    "recursive-cte": "with recursive t as (select 1 n union all select n + 1 from t where n < 5) from t",
    "from-first": "from cycles select wall_ns",
    "samples": "select count(*) from samples",
    "describe": "describe cycles",
    "describe-query": "describe select 1 as a",
    "show-tables": "show tables",
    "show-table": "show runs",
    "summarize": "summarize cycles",
    "values": "values (1, 'a'), (2, 'b')",
    "table": "table runs",
    "window": "select cycle, avg(wall_ns) over (order by cycle rows 2 preceding) as y from cycles",
    "qualify": "from cycles qualify row_number() over (partition by run_id order by cycle desc) = 1",
    "pivot-in": "pivot runs on status in ('completed', 'failed') using count(*)",
    "json": "select config ->> 'name' as name from runs",
    "regression": "select regr_slope(wall_ns, cycle), corr(wall_ns, cycle) from cycles",
    "comments": "/* one */ select 1 as a; -- and no more",
    "one-run": "select count(*) from cycles where run_id in (select run_id from runs limit 1)",
    "query": "select * from query('select 1 as a')",
}


# Where the door tells one statement from another: each kind of statement and of refusal once.
KINDS = (
    *("cte-copy", "cte-insert", "cte-update", "cte-delete", "cte-create", "read-csv", "read-duckdb", "glob"),
    *("from-file", "attach", "set", "pragma", "load", "call", "from-enable-logging", "checkpoint", "copy"),
    *("insert", "drop-view", "create-table", "replacement-local", "two-statements", "empty", "block-comment"),
    *("no-sql", "unfinished", "explain-analyze-copy", "prepare", "begin", "query-copy", "secrets", "getenv"),
    *("unknown-table", "unknown-column", "parameter"),
)
SAMPLED = [pytest.param(REFUSED[name], id=name) for name in KINDS]
REST = [
    pytest.param(statement, id=name, marks=pytest.mark.slow)
    for name, statement in REFUSED.items()
    if name not in KINDS
]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, make_run: Callable[..., str]) -> Path:
    """Return a directory that holds a store of one run and a readable file; who uses it shows that it stays so."""
    root = tmp_path_factory.mktemp("hostile")
    make_run(root / "store", experiment="x", cycles={"wall_ns": [5, 6, 7], "population": [1, 2, 3]})
    (root / "secret.csv").write_text("a,b\n1,2\n")
    assert main(["sql", "select 1", "--store", str(root / "store")]) == 0  # whatever a first question leaves
    return root


@pytest.fixture
def place(kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """Return the directory of the store, which is where commands run."""
    monkeypatch.chdir(kept)
    # What does not listen takes the process with it, and on a busy machine what listens takes its time.
    monkeypatch.setattr(bounded, "GRACE_S", 60.0)
    capsys.readouterr()
    return kept


def listing(directory: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in directory.rglob("*")}


def filled(text: str, place: Path) -> str:
    return text.replace("@", str(place / "secret.csv")).replace("#", str(place / "evil"))


@pytest.fixture
def refused(place: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., str]]:
    """Return a function that runs a command, expects one sentence and exit code 2, and returns the sentence."""
    before = listing(place)

    def run(*words: str) -> str:
        code = main([*words, "--store", "store"])
        out, err = capsys.readouterr()
        assert (code, out) == (2, "")
        assert err.strip()
        assert "Traceback" not in err
        assert len(err.splitlines()) == 1
        return err

    yield run
    assert listing(place) == before


@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED)
def test_sql_refuses(statement: str, place: Path, refused: Callable[..., str]) -> None:
    refused("sql", filled(statement, place))


@pytest.mark.parametrize("statement", [*SAMPLED, *REST])
def test_where_refuses_statements(statement: str, place: Path, refused: Callable[..., str]) -> None:
    """By default each kind once: all of them go through ``sql``, whose connections are locked in the same way."""
    refused("ls", "--where", filled(statement, place))
    refused("sql", "select 1", "--where", "exists (" + filled(statement, place) + ")")


@pytest.mark.parametrize("predicate", SMUGGLED.values(), ids=SMUGGLED)
def test_where_smuggles_nothing(predicate: str, place: Path, refused: Callable[..., str]) -> None:
    refused("ls", "--timeout-s", "0.3", "--where", filled(predicate, place))


@pytest.mark.parametrize("statement", ENDLESS.values(), ids=ENDLESS)
def test_a_runaway_ends_at_the_time_limit(statement: str, refused: Callable[..., str]) -> None:
    assert "longer than 0.1 s" in refused("sql", statement, "--timeout-s", "0.1")


def test_a_scalar_function_that_ignores_interrupts_ends_with_its_process(place: Path) -> None:
    before = listing(place)
    endless = "select levenshtein(repeat('a', 150000), repeat(experiment, 150000) || 'b') from runs"
    words = ["sql", endless, "--timeout-s", "0.2", "--store", "store"]
    impatient = (
        "from store import __main__; from store.locked import bounded; bounded.GRACE_S = 0.2; "
        "raise SystemExit(__main__.main())"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", impatient, *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr
        == "the query took longer than 0.2 s; ask for less, or raise --timeout-s (Python: timeout_s)\n"
    )
    assert listing(place) == before


@pytest.mark.parametrize("question", ANSWERED.values(), ids=ANSWERED)
def test_sql_answers(question: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = listing(place)
    assert main(["sql", question, "--store", "store"]) == 0
    out, err = capsys.readouterr()
    assert out
    assert not err
    assert listing(place) == before


@pytest.mark.parametrize(
    "value",
    [
        "340282366920938463463374607431768211455::uhugeint",
        "'101'::bit",
        "[{'a': '101'::bit}]",
        "map {'a': 1::variant}",
    ],
    ids=["uhugeint", "bit", "bit-within", "variant-within"],
)
def test_a_value_without_an_exact_form_is_refused(value: str, refused: Callable[..., str]) -> None:
    assert "cast it" in refused("sql", f"select {value} as x")


def test_a_column_from_a_file_cannot_be_read_through_where(place: Path, refused: Callable[..., str]) -> None:
    text = refused("ls", "--where", "experiment = (select content from read_text('secret.csv'))")
    assert "disabled" in text


ALONE = [name for name in REFUSED if REFUSED[name].strip(" \n;/*-").strip() not in ("", "nothing")]
"""What is a statement at all: the shell waits for one, and takes several apart."""


@pytest.mark.parametrize(
    "names", [ALONE[::6], pytest.param(ALONE, marks=pytest.mark.slow)], ids=["some", "all"]
)
def test_the_shell_refuses_them_one_by_one(
    names: list[str], place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = listing(place)
    single = [filled(REFUSED[name], place) for name in names if ";" not in REFUSED[name]]
    assert len(single) >= 15
    script = ";\n".join([*single, "select 'still here' as said"])
    monkeypatch.setattr(sys, "stdin", io.StringIO(script))
    assert main(["shell", "--store", "store", "--format", "csv"]) == 2
    out, err = capsys.readouterr()
    assert out == "said\nstill here\n"
    assert len(err.splitlines()) == len(single)
    assert "Traceback" not in err
    assert listing(place) == before


@pytest.mark.parametrize("name", ["two-statements", "select-then-copy", "query-two"])
def test_the_shell_takes_statements_apart_and_refuses_each_that_writes(
    name: str, place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = listing(place)
    monkeypatch.setattr(sys, "stdin", io.StringIO(filled(REFUSED[name], place)))
    assert main(["shell", "--store", "store"]) == (0 if name == "two-statements" else 2)
    assert "Traceback" not in capsys.readouterr().err
    assert listing(place) == before


def test_a_parameter_is_a_value_and_nothing_else(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = listing(place)
    texts = [filled(text, place) for text in (*REFUSED.values(), *SMUGGLED.values())]
    names = [f"p{i}" for i in range(len(texts))]
    question = "select " + ", ".join(f"${name} as {name}" for name in names)
    words = [word for name, text in zip(names, texts, strict=True) for word in ("--param", f"{name}={text}")]
    assert main(["sql", question, *words, "--store", "store", "--format", "json"]) == 0
    assert list(json.loads(capsys.readouterr().out)[0].values()) == texts
    assert listing(place) == before


THROUGH_PARAMETERS = {
    "query": ("select * from query($x)", "copy (select 1) to '#'"),
    "query-file": ("select * from query($x)", "from read_text('@')"),
    "query-table": ("select * from query_table($x)", "@"),
    "read-text": ("select * from read_text($x)", "@"),
    "glob": ("select * from glob($x)", "/etc/*"),
    "copy": ("with x as (copy (select 1) to $x) select * from x", "#"),
    "identifier": ("select * from $x", "runs"),
    "getenv": ("select getenv($x)", "HOME"),
    "set": ("set threads = $x", "1"),
}


@pytest.mark.parametrize("name", THROUGH_PARAMETERS)
def test_a_parameter_opens_no_door(name: str, place: Path, refused: Callable[..., str]) -> None:
    question, value = THROUGH_PARAMETERS[name]
    refused("sql", question, "--param", f"x={filled(value, place)}")


@pytest.mark.parametrize(
    "words",
    [
        ("ls", "--sort", "seed; drop view samples"),
        ("ls", "--sort", "(select 1)"),
        ("ls", "--columns", "read_text('@')"),
        ("ls", "--tag", "'; copy runs to '#'", "--run", "' or true --"),
        ("sql", "select 1", "--memory-limit", "1GB'; copy runs to '#"),
        ("sql", "-f", "#"),
        ("enrich", "--last", "1", "--set", "drop view samples=1"),
        ("enrich", "--last", "1", "--set", "seed=(select 1)"),
        ("export", "../../store/runs/*", "--out", "#"),
        ("rm", "*", "--yes"),
        ("tag", "--last", "1", "../../../evil"),
        ("describe", "read_text('@')"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_no_option_is_read_as_sql_or_as_a_path_out(
    words: tuple[str, ...], place: Path, refused: Callable[..., str]
) -> None:
    refused(*(filled(word, place) for word in words))


def test_what_is_set_is_kept_as_a_text(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = shutil.copytree(kept, tmp_path / "own")
    monkeypatch.chdir(place)
    text = filled("x'); with x as (copy runs to '#') select * from x; --", place)
    columns = ("os", "host", "kernel", "cpu_model", "optimization", "workload")
    words = [word for column in columns for word in ("--set", f"{column}={text}")]
    assert main(["enrich", "--last", "1", *words, "--store", "store"]) == 0
    capsys.readouterr()
    question = f"select {', '.join(columns)} from runs"
    assert main(["sql", question, "--store", "store", "--format", "json"]) == 0
    assert set(json.loads(capsys.readouterr().out)[0].values()) == {text}
    assert not (place / "evil").exists()
