"""What goes out comes back: whole runs, raw files, trees of them, and tables of cycles of one's own."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from store import carrying, open_catalog, raw
from store.__main__ import main
from store.publishing import run_directory
from store.upkeep import damage

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*words: object) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return command


@pytest.fixture
def store(tmp_path: Path, make_run: Callable[..., str]) -> Path:
    root = tmp_path / "store"
    for seed in range(3):
        make_run(
            root,
            experiment="x",
            seed=seed,
            cycles={"wall_ns": [5, 6], "energy": [0.1, float("nan")]},
            probes={"garbage": {"cycle": [0], "t_ns": [1], "count0": [3]}},
            config={"factors": []},
        )
    return root


def files(root: Path) -> dict[str, bytes]:
    kept = [path for name in ("runs", "notes") for path in (root / name).rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes() for path in kept}


def test_runs_go_to_another_store_and_back_without_losing_a_byte(
    store: Path, tmp_path: Path, run: Run
) -> None:
    run("tag", "good", "--where", "seed < 2", "--store", store)
    out, third = tmp_path / "out", tmp_path / "third"
    code, _, err = run("export", "--tag", "good", "--format", "parquet", "--out", out, "--store", store)
    assert (code, err) == (0, f"2 runs are in {out}\n")
    assert run("import", out, "--store", third)[0] == 0
    assert files(out) == files(third)
    assert files(third).items() <= files(store).items()
    rows = "select * from cycles order by run_id, cycle"
    asked = [
        run("sql", rows, "--tag", "good", "--store", place, "--format", "json")[1] for place in (store, third)
    ]
    assert asked[0] == asked[1]
    code, ids, err = run("import", out, "--store", third)
    assert (code, len(ids.splitlines())) == (0, 2)
    assert err.count("is in store") == 2


def test_one_run_of_a_store_can_be_imported_by_its_directory(store: Path, tmp_path: Path, run: Run) -> None:
    with open_catalog(store) as catalog:
        run_id = catalog.select("seed = 1")[0]
    assert run("import", run_directory(store, run_id), "--store", tmp_path / "o")[:2] == (0, f"{run_id}\n")


def test_two_runs_with_one_id_are_never_mixed(store: Path, tmp_path: Path, run: Run) -> None:
    out = tmp_path / "out"
    run("export", "--last", 1, "--format", "parquet", "--out", out, "--store", store)
    [manifest] = out.glob("runs/*/run.json")
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"seed": 99}))
    before = files(store)
    code, ids, err = run("import", out, "--store", store)
    assert (code, ids) == (2, "")
    assert "holds another run" in err
    assert files(store) == before


def test_two_imports_of_one_run_at_the_same_time_leave_it_whole(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [source, *_] = (store / "runs").iterdir()
    copy = shutil.copyfile
    others = iter([None])

    def overtaken(path: Path, target: Path) -> None:
        copy(path, target)
        for _ in others:
            assert carrying.carry(source, tmp_path / "o")

    monkeypatch.setattr(shutil, "copyfile", overtaken)
    assert not carrying.carry(source, tmp_path / "o")
    assert [path.name for path in (tmp_path / "o" / "runs").iterdir()] == [source.name]
    assert damage.verify(tmp_path / "o") == []


def test_a_damaged_run_is_not_imported(store: Path, tmp_path: Path, run: Run) -> None:
    [path, *_] = store.glob("runs/*/cycles.parquet")
    path.write_bytes(path.read_bytes()[:-1])
    code, ids, err = run("import", path.parent, "--store", tmp_path / "o")
    assert (code, ids) == (2, "")
    assert "cycles.parquet is no whole Parquet file" in err
    assert not list((tmp_path / "o").rglob("*.parquet"))


@pytest.mark.parametrize("out", [None, "file", "store"])
def test_whole_runs_need_a_directory_of_their_own(
    out: str | None, store: Path, tmp_path: Path, run: Run
) -> None:
    (tmp_path / "file").touch()
    words = [] if out is None else ["--out", tmp_path / out]
    code, said, err = run("export", "--last", 1, "--format", "parquet", *words, "--store", store)
    assert (code, said, len(err.splitlines())) == (2, "", 1)


def test_several_runs_in_raw_form_go_into_a_directory_and_come_back_as_a_tree(
    store: Path, tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "raw"
    assert run("export", "--last", 2, "--store", store)[0] == 2
    assert run("export", "--last", 2, "--store", store, "--out", out)[0] == 0
    [first, _] = sorted(out.iterdir())
    (out / "deep").mkdir()
    (out / "deep" / "packed.json.gz").write_bytes(gzip.compress(first.read_bytes(), mtime=0))
    (out / "README.md").write_text("mine")
    (out / "other.json").write_text('{"a": 1}')
    code, ids, err = run("import", out, "--store", tmp_path / "o")
    assert (code, len(ids.splitlines())) == (0, 3)
    assert "left out: README.md is of no known form" in err
    assert "left out: other.json" in err
    assert f"{out}: 3 of 5 files were taken, 2 left out" in err


def test_an_import_of_many_files_looks_at_the_store_once(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for name, wall_ns in (("a", 5), ("b", 6), ("c", 5)):
        (tree / f"{name}.csv").write_text(f"wall_ns\n{wall_ns}\n")
    looks = []
    held_by = raw.held_by
    monkeypatch.setattr(raw, "held_by", lambda root: looks.append(root) or held_by(root))
    words = (tree, "--experiment", "mine", "--store", tmp_path / "s")
    code, ids, err = run("import", *words)
    first, second, third = ids.split()
    assert (code, third == first, second == first) == (0, True, False)
    assert "c.csv is in the store already" in err
    assert run("import", *words)[1] == ids
    assert len(looks) == 2


@pytest.mark.parametrize("source", ['"by hand"', "[1]", '{"sha256": ["x"]}', '{"file": "x"}'])
def test_a_run_of_another_source_does_not_stop_an_import(
    source: str, tmp_path: Path, make_run: Callable[..., str], run: Run
) -> None:
    make_run(tmp_path / "s", source=source)
    file = tmp_path / "a.csv"
    file.write_text("wall_ns\n5\n")
    assert run("import", file, "--store", tmp_path / "s")[0] == 0


def test_a_file_beside_the_run_that_was_made_of_it_is_not_taken_again(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "a.csv"
    file.write_text("wall_ns\n5\n")
    tree, store = tmp_path / "tree", tmp_path / "s"
    run_id = run("import", file, "--store", tree / "old")[1].strip()
    file.rename(tree / "a.csv")
    code, ids, _ = run("import", tree, "--store", store)
    assert (code, ids.split()) == (0, [run_id, run_id])
    assert [path.name for path in (store / "runs").iterdir()] == [f"run_id={run_id}"]


def test_of_a_tree_above_a_store_only_foreign_files_are_named(tmp_path: Path, run: Run) -> None:
    tree = tmp_path / "tree"
    (tree / "mine" / "notes").mkdir(parents=True)
    (tree / "mine" / "notes" / "kept.csv").write_text("wall_ns\n6\n")
    (tree / "a.csv").write_text("wall_ns\n5\n")
    run_id = run("import", tree / "a.csv", "--store", tree / "deep" / "store")[1].strip()
    store = tree / "deep" / "store"
    run("tag", run_id, "good", "--store", store)
    run("compact", "--store", store)
    for name in ("catalog.lock", "catalog.compact/cycles.parquet", "spool/x/job.json", "quarantine/x/y.json"):
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        (store / name).touch()
    (store / "mine.txt").touch()
    code, ids, err = run("import", tree, "--store", tmp_path / "s")
    assert (code, len(ids.split())) == (0, 3)
    assert [line for line in err.splitlines() if "left out" in line] == [
        "left out: mine.txt is of no known form",
        f"{tree}: 2 of 3 files were taken, 1 left out",
    ]


def test_the_name_of_an_export_says_the_factors_of_the_configuration() -> None:
    conditions = [
        {
            "mechanisms": json.dumps(
                dict.fromkeys(["energy_pooling", "reality_sources", "spawn_throttling"], True)
            )
        }
    ]
    record = {"experiment": "c256", "run_id": "0198-5d2f90ab", "optimization": "cached"}
    config = json.dumps({"factors": ["energy_pooling", "spawn_throttling"]})
    assert (
        raw.export_name({**record, "config": config}, conditions)
        == "cycle256_h1h4_cached_5d2f90ab_results.json"
    )
    assert raw.export_name(record, conditions) == "cycle256_h1h2h4_cached_5d2f90ab_results.json"


CSV = "step,duration,alive,e,phase,words\n1,1.5,10,0.5,OFF,a\n2,0.0000015,,,ON,b\n"
MAP = ("wall_ns=duration:ms", "cycle=step", "population=alive", "energy=e", "condition=phase")


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_table_of_cycles_becomes_a_run_by_its_map(packed: bool, tmp_path: Path, run: Run) -> None:
    file = tmp_path / ("mine.csv.gz" if packed else "mine.csv")
    file.write_bytes(gzip.compress(CSV.encode()) if packed else CSV.encode())
    words = [word for pair in MAP for word in ("--map", pair)]
    store = tmp_path / "s"
    code, _, err = run("import", file, *words, "--store", store)
    assert code == 0
    assert "columns left out: words; name them with --map to keep them" in err
    with open_catalog(store) as catalog:
        rows = catalog.query(
            "select cycle, condition, wall_ns, net_ns, population, energy from cycles order by cycle"
        )
        assert [tuple(row.values()) for row in rows] == [
            (1, "OFF", 1_500_000, 1_500_000, 10, 0.5),
            (2, "ON", 2, 2, None, None),
        ]
        [row] = catalog.runs().to_pylist()
        assert (row["experiment"], row["status"], row["n_cycles"]) == ("mine", "imported", 2)
        assert json.loads(row["source"])["map"] == list(MAP)
    assert "is in the store already" in run("import", file, *words, "--store", store)[2]


def test_our_own_csv_of_cycles_needs_no_map(store: Path, tmp_path: Path, run: Run) -> None:
    first = "(select min(run_id) from runs)"
    question = f"select * exclude (run_id, energy) from cycles where run_id = {first} order by cycle"
    file = tmp_path / "rows.csv"
    run("sql", question, "--store", store, "--out", file)
    code, _, err = run("import", file, "--experiment", "mine", "--store", store)
    assert (code, "left out" in err) == (0, False)
    again = question.replace(
        "(select min(run_id) from runs)", "(select run_id from runs where experiment = 'mine')"
    )
    asked = [run("sql", text, "--store", store, "--format", "json")[1] for text in (question, again)]
    assert asked[0] == asked[1]


WRONG = {
    "no-pair": ("a,b\n1,2\n", ["wall_ns"], "is no map"),
    "not-ours": ("a,b\n1,2\n", ["run_id=a"], "is no map"),
    "unit": ("a,b\n1,2\n", ["wall_ns=a:parsec"], "choose ns, us, ms, s"),
    "unit-of-a-count": ("a,b\n1,2\n", ["wall_ns=a", "minor_faults=b:ms"], "only columns that end in"),
    "twice": ("a,b\n1,2\n", ["wall_ns=a", "wall_ns=b"], "twice"),
    "absent": ("a,b\n1,2\n", ["wall_ns=c"], "mapped to wall_ns, is not among a, b"),
    "no-wall-time": ("a,b\n1,2\n", ["cycle=a"], "--map wall_ns=COLUMN:ms"),
    "words": ("a,b\nx,2\n", ["wall_ns=a"], "line 2: a is 'x', expected a number"),
    "negative": ("a,b\n-1,2\n", ["wall_ns=a"], "line 2: a is -1"),
    "infinite": ("a,b\ninf,2\n", ["wall_ns=a"], "line 2: a is 'inf', expected a finite number"),
    "too-large": ("a,b\n1e30,2\n", ["wall_ns=a:s"], "64 bits"),
    "ragged": ("a,b\n1\n", ["wall_ns=a"], "line 2 has 1 cells"),
    "empty": ("", ["wall_ns=a"], "has no rows"),
    "header-only": ("a,b\n", ["wall_ns=a"], "has no rows"),
    "cycle-twice": (
        "wall_ns,cycle\n5,1\n6,2\n7,1\n",
        [],
        "lines 2 and 4 are both cycle 1 of process 0, expected one row a cycle",
    ),
    "binary": ("a\0b\n\0\n", ["wall_ns=a"], ""),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_table_or_map_is_one_sentence(name: str, tmp_path: Path, run: Run) -> None:
    text, pairs, sentence = WRONG[name]
    file = tmp_path / "mine.csv"
    file.write_text(text)
    words = [word for pair in pairs for word in ("--map", pair)]
    code, out, err = run("import", file, *words, "--store", tmp_path / "s")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert sentence in err
    assert not (tmp_path / "s").exists()


def test_an_experiment_without_a_name_is_refused(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("wall_ns\n5\n")
    code, out, err = run("import", file, "--experiment", " ", "--store", tmp_path / "s")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "--experiment" in err


def test_several_runs_do_not_go_into_what_is_named_as_one_file(store: Path, tmp_path: Path, run: Run) -> None:
    out = tmp_path / "all.json.gz"
    code, _, err = run("export", "--where", "true", "--out", out, "--store", store)
    assert (code, len(err.splitlines())) == (2, 1)
    assert "name a directory with --out" in err
    assert not out.exists()


def test_a_directory_that_brings_no_run_is_an_error(run: Run, tmp_path: Path) -> None:
    empty, foreign = tmp_path / "empty", tmp_path / "foreign"
    for place in (empty, foreign):
        place.mkdir()
    (foreign / "notes.txt").write_text("nothing")
    for place, found in ((empty, "no file in it is"), (foreign, "none of its 1 files is")):
        code, out, err = run("import", place, "--store", tmp_path / "new")
        assert (code, out) == (2, "")
        assert f"{place} brings no run: {found} a result file" in err
