"""``python -m store``: options, exit codes, what goes where."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import psutil
import pytest

from probes.ownership import Owner
from store.__main__ import main

COMMANDS = (
    "ls", "sql", "shell", "describe", "export", "verify", "refresh", "adopt", "import", "enrich", "tag", "rm",
)  # fmt: skip


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs a command line and returns exit code, stdout and stderr."""

    def command(*words: object) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return code, out, err

    return command


@pytest.fixture
def store(tmp_path: Path, make_run: Callable[..., str]) -> Path:
    root = tmp_path / "kept"
    for name in ("x", "x", "y"):
        make_run(root, experiment=name, cycles={"wall_ns": [1, 2]}, seed=1)
    return root


def listing(directory: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in directory.rglob("*")}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(
    command: str, run: Callable[..., tuple[int, str, str]]
) -> None:
    for words in ((command, "--help"), ("--store", "x", command, "-h")):
        code, out, err = run(*words)
        assert (code, err) == (0, "")
        assert f"example: python -m store {command}" in out


def test_help_names_every_command(run: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = run("--help")
    assert code == 0
    assert all(f"\n    {command} " in out for command in COMMANDS)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no such name")
@pytest.mark.parametrize(
    "words",
    [("ls",), ("sql", "from cycles"), ("refresh",), ("verify",), ("import", "{store}")],
    ids=lambda words: words[0],
)
def test_a_store_whose_path_is_no_utf8_is_refused_in_a_sentence(run, store, tmp_path, words) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    odd.mkdir()
    code, out, err = run(*(word.format(store=store) for word in words), "--store", odd)
    assert (code, out) == (2, "")
    assert "its path is no UTF-8 text" in err
    assert list(odd.rglob("*.json")) == []


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--store", "x"),
        ("nope",),
        ("ls", "--nope"),
        ("ls", "--format", "xml"),
        ("ls", "--last", "0"),
        ("ls", "--last", "-1"),
        ("ls", "--timeout-s", "soon"),
        ("ls", "--timeout-s", "nan"),
        ("ls", "--timeout-s", "0"),
        ("ls", "--store", ""),
        ("ls", "--where"),
        ("ls", "extra"),
        ("--where", "true", "refresh"),
        ("refresh", "--last", "1"),
        ("sql",),
        ("ls", "--for", "json"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_one_line(
    words: tuple[str, ...], run: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, err = run(*words)
    assert (code, out, len(err.splitlines())) == (2, "", 1)


@pytest.mark.parametrize(
    "words",
    [("ls",), ("sql", "select 1"), ("describe",), ("export", "x"), ("verify",), ("refresh",)],
    ids=" ".join,
)
def test_a_missing_store_is_refused(
    words: tuple[str, ...], tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, err = run(*words, "--store", tmp_path / "none")
    assert (code, out) == (2, "")
    assert err.startswith(f"store {tmp_path / 'none'} is not a directory")
    assert not (tmp_path / "none").exists()


def test_an_empty_store_is_an_empty_store(tmp_path: Path, run: Callable[..., tuple[int, str, str]]) -> None:
    assert run("ls", "--store", tmp_path) == (0, "", "")
    assert run("ls", "--format", "json", "--store", tmp_path) == (0, "[]\n", "")
    code, out, err = run(
        "sql",
        "select experiment, optimization, count(*), avg(wall_ns)/1e6 from cycles join runs using (run_id) group by all",
        "--store",
        tmp_path,
        "--format",
        "json",
    )
    assert (code, out, err) == (0, "[]\n", "")
    assert run("refresh", "--store", tmp_path)[:2] == (0, "")
    assert run("verify", "--store", tmp_path)[:2] == (0, "")


def test_options_before_and_after_the_command_are_the_same(
    store: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    options = ("--where", "experiment = 'x'", "--last", "1", "--format", "json", "--store", store)
    after, before = run("ls", *options), run(*options, "ls")
    assert after == before
    assert len(json.loads(after[1])) == 1


def test_predicates_before_and_after_add_up(store: Path, run: Callable[..., tuple[int, str, str]]) -> None:
    words = ("--store", store, "--where", "experiment = 'x'", "sql", "select count(*) as n from runs")
    assert json.loads(run(*words, "--format", "json")[1]) == [{"n": 2}]
    assert json.loads(run(*words, "--format", "json", "--where", "seed = 2")[1]) == [{"n": 0}]


def test_the_selection_holds_for_every_table(store: Path, run: Callable[..., tuple[int, str, str]]) -> None:
    question = "select (select count(*) from runs) as runs, (select count(*) from cycles) as cycles"
    words = ("sql", question, "--store", store, "--format", "csv", "--where")
    assert run(*words, "experiment = 'y'")[1] == "runs,cycles\n1,2\n"


def test_ls_lists_what_there_is(store: Path, run: Callable[..., tuple[int, str, str]]) -> None:
    rows = json.loads(run("ls", "--store", store, "--format", "json")[1])
    assert [row["experiment"] for row in rows] == ["x", "x", "y"]
    assert rows[0]["started_at"].endswith("+00:00")
    assert (
        len(json.loads(run("ls", "--store", store, "--run", rows[1]["run_id"], "--format", "json")[1])) == 1
    )
    assert len(json.loads(run("ls", "--store", store, "--latest", "--format", "json")[1])) == 2


def test_describe_knows_tables_columns_types_and_units(
    store: Path, make_run: Callable[..., str], run: Callable[..., tuple[int, str, str]]
) -> None:
    make_run(
        store, cycles={"wall_ns": [1], "depth": [0.5]}, probes={"mine": {"cycle": [0], "t_ns": [1], "f": [1]}}
    )
    tables = {
        row["table"]: row for row in json.loads(run("describe", "--store", store, "--format", "json")[1])
    }
    assert {"runs", "samples", "probe_thermal", "probe_mine"} <= set(tables)
    columns = {
        row["column"]: row
        for row in json.loads(run("describe", "cycles", "--store", store, "--format", "json")[1])
    }
    assert "[ns]" in columns["wall_ns"]["comment"]
    assert columns["depth"] == {"column": "depth", "type": "DOUBLE", "comment": "observable of the workload"}
    assert run("describe", "Cycles", "--store", store) == run("describe", "cycles", "--store", store)
    code, _, err = run("describe", "nope", "--store", store)
    assert code == 2
    assert "'nope'" in err


def test_commands_that_read_change_nothing(store: Path, run: Callable[..., tuple[int, str, str]]) -> None:
    [first, *_] = json.loads(run("ls", "--store", store, "--format", "json")[1])
    before = listing(store)
    for words in (("ls",), ("ls", "--live"), ("describe",), ("sql", "from samples"), ("verify",)):
        assert run(*words, "--store", store)[0] == 0
    assert run("export", first["run_id"], "--store", store)[0] == 0
    assert listing(store) == before


def test_a_dead_run_is_mentioned_then_refresh_publishes_it(
    tmp_path: Path, make_spool: Callable[..., Path], run: Callable[..., tuple[int, str, str]]
) -> None:
    spool = make_spool(tmp_path, end=None)
    code, out, err = run("ls", "--store", tmp_path)
    assert (code, out) == (0, "")
    assert err == (
        f"1 run ended without being published; `python -m store refresh --store {tmp_path}` publishes it\n"
    )
    assert run("refresh", "--store", tmp_path)[:2] == (0, f"{spool.name}\n")
    [row] = json.loads(run("ls", "--store", tmp_path, "--format", "json")[1])
    assert (row["status"], row["n_cycles"]) == ("interrupted", 10)
    assert run("refresh", "--store", tmp_path, "--format", "json")[1] == "[]\n"


def test_refresh_says_by_its_exit_code_that_a_run_could_not_be_published(
    tmp_path: Path, make_spool: Callable[..., Path], run: Callable[..., tuple[int, str, str]]
) -> None:
    lost, whole = (make_spool(tmp_path, end=None) for _ in range(2))
    (lost / "job.json").write_text("{")
    code, out, err = run("refresh", "--store", tmp_path)
    assert (code, out) == (2, f"{whole.name}\n")
    assert f"remove {lost} if the run is lost" in err


def test_adopt_publishes_one_spool(
    tmp_path: Path, make_spool: Callable[..., Path], run: Callable[..., tuple[int, str, str]]
) -> None:
    spool = make_spool(tmp_path)
    assert run("adopt", spool) == (0, f"{spool.name}\n", "")
    assert run("adopt", spool) == (0, f"{spool.name}\n", "")
    code, out, err = run("adopt", tmp_path / "spool" / "nothing")
    assert (code, out) == (2, "")
    assert "is no spool directory" in err


def test_adopt_does_not_wait_for_a_process_of_another_host(
    tmp_path: Path, make_spool: Callable[..., Path], run: Callable[..., tuple[int, str, str]], dead_pid: int
) -> None:
    spool = make_spool(tmp_path, end=None)
    for name in ("owner.pid", "owner.lock"):
        (spool / name).unlink()
    with start_owner(spool) as owner:
        (spool / "owner.pid").write_text(f"{dead_pid}\n")
        timer = threading.Timer(60, owner.kill)  # else a failure is a deadlock
        timer.start()
        code, out, err = run("adopt", spool)
        timer.cancel()
        owner.kill()
    assert (code, out) == (2, "")
    assert f"{spool} belongs to a run that lives" in err


def test_a_run_that_lives_is_not_adopted_by_force_which_is_not_advised_then(
    tmp_path, make_spool, run
) -> None:
    spool = make_spool(tmp_path, end=None)
    for name in ("owner.pid", "owner.lock"):
        (spool / name).unlink()
    owner = Owner.claim(spool)
    assert run("adopt", spool)[2].endswith("or add --force if it has ended\n")
    sentence = f"{spool} belongs to a run that lives; wait for its end, or stop it\n"
    assert run("adopt", "--force", spool) == (2, "", sentence)
    owner.release()


def start_owner(spool: Path) -> subprocess.Popen[str]:
    holding = (
        "import sys; from pathlib import Path; from probes.ownership import Owner; "
        "owner = Owner.claim(Path(sys.argv[1])); print('claimed', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", holding, str(spool)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "claimed\n"
    return process


def test_a_running_run_is_listed_and_left_alone(
    tmp_path: Path, make_spool: Callable[..., Path], run: Callable[..., tuple[int, str, str]]
) -> None:
    spool = make_spool(tmp_path, end=None)
    for name in ("owner.pid", "owner.lock"):
        (spool / name).unlink()
    owner = Owner.claim(spool)
    [row] = json.loads(run("ls", "--store", tmp_path, "--format", "json")[1])
    assert (row["run_id"], row["status"], row["n_cycles"]) == (spool.name, "running", None)
    assert json.loads(run("--live", "ls", "--store", tmp_path, "--format", "json")[1])[0]["n_cycles"] == 10
    done = ("--live", "--where", "n_cycles > 9", "--store", tmp_path, "--format", "csv")
    assert run("ls", *done, "--columns", "n_cycles")[1] == "n_cycles\n10\n"
    assert run("sql", "select n_cycles from runs", *done)[1] == "n_cycles\n10\n"
    count = ("sql", "select count(*) as n from cycles", "--store", tmp_path, "--format", "csv")
    assert run(*count)[1] == "n\n0\n"
    assert run(*count, "--live")[1] == "n\n10\n"
    for words in (("adopt", spool), ("export", spool.name, "--store", tmp_path)):
        code, out, err = run(*words)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert (spool / "job.json").exists()
    owner.release()


def test_export_writes_what_import_reads(
    store: Path, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    [first, *_] = json.loads(run("ls", "--store", store, "--format", "json")[1])
    packed, other = tmp_path / "run.json.gz", tmp_path / "other"
    assert run("export", first["run_id"], "--store", store, "--out", packed) == (0, "", "")
    _, text, _ = run("export", first["run_id"][:36], "--store", store)
    kept = ("export", first["run_id"], "--format", "parquet", "--store", store)
    assert "into, not stdout; name one with --out" in run(*kept)[2]
    assert gzip.decompress(packed.read_bytes()).decode() == text
    code, out, _ = run("import", packed, "--store", other, "--experiment", "again")
    assert code == 0
    [row] = json.loads(run("ls", "--store", other, "--format", "json")[1])
    assert (row["run_id"], row["experiment"], row["status"]) == (out.strip(), "again", "imported")
    assert "already" in run("import", packed, "--store", other, "--experiment", "again")[2]


def test_a_file_that_cannot_be_imported_does_not_stop_the_others(
    store: Path, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    [first, *_] = json.loads(run("ls", "--store", store, "--format", "json")[1])
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    run("export", first["run_id"], "--store", store, "--out", good)
    bad.write_text("{")
    code, out, err = run("--experiment", "new", "import", bad, good, "--store", store)
    assert (code, len(out.splitlines())) == (2, 1)
    assert err.startswith("bad.json")


def test_verify_finds_damage(store: Path, run: Callable[..., tuple[int, str, str]]) -> None:
    assert run("verify", "--store", store)[:2] == (0, "")
    damaged = next((store / "runs").glob("*/cycles.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    code, out, err = run("verify", "--store", store, "--format", "json")
    assert code == 2
    assert [row["file"] for row in json.loads(out)] == ["cycles.parquet"]
    assert err.splitlines() == [
        "damaged runs: 1 of 3",
        f"`python -m store verify --repair --store {store}` puts them aside and deletes nothing",
    ]


def test_an_unreadable_run_is_a_note_and_the_others_stay(
    store: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    next((store / "runs").glob("*/run.json")).write_text("{")
    code, out, err = run("sql", "select count(*) as n from runs", "--store", store, "--format", "csv")
    assert (code, out) == (0, "n\n2\n")
    assert "run.json cannot be read" in err


def test_out_gets_the_rows_and_stdout_nothing(
    store: Path, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    for name in ("o.csv", "o.json", "o.parquet", "o.md", "o.txt"):
        assert run("ls", "--store", store, "--out", tmp_path / name) == (0, "", "")
        assert (tmp_path / name).stat().st_size > 0
    assert (tmp_path / "o.csv").read_text().startswith("run_id,experiment,")
    code, _, err = run("ls", "--store", store, "--out", tmp_path / "no" / "o.csv")
    assert (code, len(err.splitlines())) == (2, 1)


def start(*words: object, stdout: int | None) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "store", *map(str, words)]
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, text=True)


def test_a_reader_that_leaves_ends_it_quietly(store: Path) -> None:
    process = start("sql", "from range(2000000)", "--store", store, "--format", "csv", stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == "range\n"
    process.stdout.close()
    assert process.stderr is not None
    assert (process.stderr.read(), process.wait()) == ("", 0)
    process.stderr.close()


@pytest.mark.parametrize(
    "endless",
    ["select count(*) from range(10000000000) a, range(1000000000) b", "from range(10000000000)"],
    ids=["in-duckdb", "while-writing"],
)
def test_ctrl_c_ends_a_query_with_130(endless: str, store: Path, tmp_path: Path) -> None:
    process = start("sql", endless, "--store", store, "--out", tmp_path / "rows.csv", stdout=None)
    used = psutil.Process(process.pid)
    while sum(used.cpu_times()[:2]) < 1.5:  # starting takes 0.5 s
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert (process.returncode, err) == (130, "interrupted\n")


def test_import_leaves_the_catalog_of_foreign_clients_up_to_date(tmp_path):
    document = {"metadata": {"cycle": 900}, "conditions": {"OFF-OFF": {"population_history": [1, 2]}}}
    file = tmp_path / "results.json"
    file.write_text(json.dumps(document))
    store = tmp_path / "store"
    assert main(["import", str(file), "--store", str(store)]) == 0
    with duckdb.connect(str(store / "catalog.duckdb"), read_only=True) as client:
        assert client.execute("select experiment, status from runs").fetchall() == [("c900", "imported")]
        assert client.execute("select count(*) from cycles").fetchall() == [(2,)]
