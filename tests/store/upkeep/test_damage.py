"""A damaged run is named in one sentence with its remedy, and healthy runs answer as before."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from probes.identity import new_run_id
from store import open_catalog, publishing
from store.__main__ import main
from store.cache import compacting
from store.locked import lazy
from store.upkeep.maintenance import refresh

Answer = tuple[int, str, str]
SUM = "select sum(wall_ns)::bigint as ns, count(distinct run_id) as runs from cycles"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    def command(*words: object) -> Answer:
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return command


@pytest.fixture
def pair(tmp_path: Path, make_run: Callable[..., str]) -> tuple[Path, str, str]:
    """Return a store, its healthy run (of 3 ns) and the run (of 1000 ns) that will be damaged."""
    healthy = make_run(tmp_path, cycles={"wall_ns": [1, 2], "cpu_ns": [1, 1]}, experiment="healthy")
    bad = make_run(tmp_path, cycles={"wall_ns": [400, 600], "cpu_ns": [5, 5]}, experiment="bad")
    return tmp_path, healthy, bad


def cycles(store: Path, run_id: str) -> Path:
    return publishing.run_directory(store, run_id) / "cycles.parquet"


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


def flip(path: Path) -> None:
    """Change one bit of the first page's data, which Parquet's own structure does not notice."""
    raw = bytearray(path.read_bytes())
    chunk = pq.read_metadata(path).row_group(0).column(4)
    raw[chunk.data_page_offset + chunk.total_compressed_size - 1] ^= 1
    path.write_bytes(raw)


def drop_column(path: Path) -> None:
    pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["cpu_ns"]), path)


IN_A_QUESTION = {
    "truncated": (truncate, "is no whole Parquet file"),
    "missing": (Path.unlink, "is missing"),
    "emptied": (lambda path: path.write_bytes(b""), "is no whole Parquet file"),
    "flipped-bit": (flip, "has sha256"),
    "without-a-column": (drop_column, "lacks column cpu_ns"),
}


@pytest.mark.parametrize("name", IN_A_QUESTION)
def test_a_question_names_the_damaged_file_and_the_remedy_and_works_without_the_run(
    name: str, pair: tuple[Path, str, str], run: Callable[..., Answer]
) -> None:
    store, healthy, bad = pair
    damage, reason = IN_A_QUESTION[name]
    damage(cycles(store, bad))
    code, out, err = run("sql", SUM, "--store", store, "--format", "csv")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith(f"run {bad}: cycles.parquet {reason}")
    assert f"run_id != '{bad}'" in err
    assert "verify --repair" in err
    without = ("sql", SUM, "--store", store, "--format", "csv", "--where", f"run_id != '{bad}'")
    assert run(*without) == (0, "ns,runs\n3,1\n", "")
    assert run("sql", "select count(*) as n from runs", "--store", store, "--format", "csv")[1] == "n\n2\n"
    assert run("export", healthy, "--store", store, "--out", store / "o.json")[0] == 0
    with (
        open_catalog(store) as catalog,
        pytest.raises(ValueError, match=f"run {bad}: cycles.parquet {reason}"),
    ):
        catalog.query(SUM)


@pytest.mark.parametrize("question", ["from 'x.parquet'", "select error('parquet')"], ids=["file", "words"])
def test_a_refused_question_is_not_blamed_on_damage_that_it_did_not_meet(
    question: str, pair: tuple[Path, str, str], run: Callable[..., Answer]
) -> None:
    store, _, bad = pair
    truncate(cycles(store, bad))
    code, out, err = run("sql", question, "--store", store)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert bad not in err


def test_a_question_is_answered_by_its_own_tables_damage(
    pair: tuple[Path, str, str], run: Callable[..., Answer]
) -> None:
    store, healthy, bad = pair
    flip(cycles(store, bad))
    truncate(cycles(store, healthy).with_name("windows.parquet"))
    assert run("sql", SUM, "--store", store)[2].startswith(f"run {bad}: cycles.parquet has sha256")


def test_a_run_that_is_removed_after_the_store_was_opened_is_said_to_be_gone(
    pair: tuple[Path, str, str], run: Callable[..., Answer]
) -> None:
    store, healthy, gone = pair
    with open_catalog(store) as catalog:
        assert run("rm", gone, "--yes", "--store", store)[0] == 0
        for ask in (
            lambda: catalog.query(SUM),
            lambda: catalog.sql(SUM).arrow(),
            lambda: catalog.cycles(gone),
        ):
            with pytest.raises(ValueError, match=f"^run {gone} was removed since .* ask again$"):
                ask()
        assert catalog.query(SUM, runs=[healthy]) == [{"ns": 3, "runs": 1}]


def test_a_merged_copy_that_made_room_for_another_is_no_damage(
    pair: tuple[Path, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lazy, "FEW", 0)
    compacting.compact(pair[0], pytest.fail)
    with open_catalog(pair[0]) as catalog:
        assert catalog.query(SUM) == [{"ns": 1003, "runs": 2}]
        [copy] = (pair[0] / compacting.PLACE).glob("cycles.*.parquet")
        copy.unlink()
        with pytest.raises(ValueError, match=r"^rows were merged anew since .* ask again$"):
            catalog.query(SUM)


AT_OPENING = {
    "half-written": (lambda path: os.truncate(path, path.stat().st_size // 2), "it is no whole JSON"),
    "empty": (lambda path: path.write_text(""), "it is no whole JSON"),
    "without-files": (lambda path: edit(path, files=None), "cannot be read"),
    "future-format": (lambda path: edit(path, format=99), "has format 99, this version reads 1"),
    "of-another-run": (lambda path: edit(path, run_id="0" * 8), "is the manifest of run 00000000"),
}


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("name", AT_OPENING)
def test_a_damaged_manifest_is_said_and_the_other_runs_answer(
    name: str, pair: tuple[Path, str, str], run: Callable[..., Answer]
) -> None:
    store, _, bad = pair
    damage, reason = AT_OPENING[name]
    manifest = publishing.run_directory(store, bad) / "run.json"
    damage(manifest)
    code, out, err = run("sql", SUM, "--store", store, "--format", "csv")
    assert (code, out, len(err.splitlines())) == (0, "ns,runs\n3,1\n", 1)
    assert err.startswith(str(manifest))
    assert reason in err
    for named in (bad, bad[:-1]):
        code, out, err = run("sql", SUM, "--store", store, "--run", named)
        assert (code, out, set(err.splitlines())) == (2, "", {err.splitlines()[0]})
        assert reason in err


def test_of_two_runs_with_one_id_the_one_in_its_place_counts(
    pair: tuple[Path, str, str], run: Callable[..., Answer]
) -> None:
    store, healthy, bad = pair
    second = store / "runs" / f"run_id={new_run_id()}"
    shutil.copytree(publishing.run_directory(store, healthy), second)
    code, out, err = run("sql", SUM, "--store", store, "--format", "csv", "--run", healthy)
    assert (code, out) == (0, "ns,runs\n3,1\n")
    assert f"{second / 'run.json'} is the manifest of run {healthy}, whose place is run_id={healthy}" in err
    assert run("verify", "--repair", "--store", store)[0] == 0
    assert not second.exists()
    assert run("sql", SUM, "--store", store, "--format", "csv")[1:] == ("ns,runs\n1003,2\n", "")
    assert bad in run("ls", "--store", store, "--format", "csv")[1]


def test_verify_names_a_missing_column(pair: tuple[Path, str, str], run: Callable[..., Answer]) -> None:
    store, _, bad = pair
    drop_column(cycles(store, bad))
    code, out, err = run("verify", "--store", store, "--format", "json")
    assert code == 2
    assert json.loads(out) == [
        {"run_id": bad, "file": "cycles.parquet", "problem": "lacks column cpu_ns, which the manifest lists"}
    ]
    assert err.splitlines() == [
        "damaged runs: 1 of 2",
        f"`python -m store verify --repair --store {store}` puts them aside and deletes nothing",
    ]


def test_repair_puts_damaged_runs_aside_and_deletes_nothing(
    pair: tuple[Path, str, str], run: Callable[..., Answer]
) -> None:
    store, healthy, bad = pair
    truncate(cycles(store, bad))
    (publishing.run_directory(store, healthy) / "thesis.tex").write_text("mine")
    code, out, _ = run("verify", "--repair", "--store", store, "--format", "json")
    assert code == 0
    aside = {row["run_id"]: Path(row["quarantined"]) for row in json.loads(out)}
    assert (aside[bad] / "run.json").is_file()
    assert aside[healthy].read_text() == "mine"
    assert run("sql", SUM, "--store", store, "--format", "csv") == (0, "ns,runs\n3,1\n", "")
    assert run("verify", "--store", store) == (0, "", "damaged runs: 0 of 1\n")


def test_repair_leaves_a_run_of_a_later_version_where_it_is(
    pair: tuple[Path, str, str], run: Callable[..., Answer]
) -> None:
    store, _, bad = pair
    edit(publishing.run_directory(store, bad) / "run.json", format=99)
    code, out, err = run("verify", "--repair", "--store", store, "--format", "json")
    assert (code, [row["quarantined"] for row in json.loads(out)]) == (2, [None])
    assert "has format 99, this version reads 1; update driftlab" in out
    assert err.splitlines() == [
        "damaged runs: 0 of 2",
        "written by a later version, and not checked: 1 of 2; update driftlab",
    ]
    assert publishing.run_directory(store, bad).is_dir()


def test_a_clock_that_goes_backwards_loses_no_run_and_no_order(
    tmp_path: Path, make_run: Callable[..., str], run: Callable[..., Answer]
) -> None:
    now = datetime.now(UTC)
    first = make_run(tmp_path, cycles={"wall_ns": [1]}, started_at=now, ended_at=now - timedelta(hours=1))
    second = make_run(tmp_path, cycles={"wall_ns": [2]}, started_at=now - timedelta(days=1), ended_at=now)
    rows = json.loads(run("ls", "--store", tmp_path, "--format", "json")[1])
    assert [row["run_id"] for row in rows] == [second, first]
    assert run("tag", first, "a=1", "--store", tmp_path)[0] == 0
    ahead = tmp_path / "notes" / first / f"{now + timedelta(days=365):%Y-%m-%dT%H%M%S.%fZ}.json"
    next((tmp_path / "notes" / first).iterdir()).rename(ahead)
    assert run("tag", first, "a=2", "--store", tmp_path)[0] == 0
    assert json.loads(run("ls", "--store", tmp_path, "--run", first, "--format", "json")[1])[0]["tags"] == [
        "a=2"
    ]


@pytest.mark.parametrize("name", ["with spaces 'größe' 尺寸", "a*b?[c]%"])
def test_a_store_may_lie_anywhere(
    name: str, tmp_path: Path, make_run: Callable[..., str], run: Callable[..., Answer]
) -> None:
    store = tmp_path / name
    run_id = make_run(store, cycles={"wall_ns": [1, 2]})
    refresh(store)
    assert run("sql", SUM, "--store", store, "--format", "csv") == (0, "ns,runs\n3,1\n", "")
    assert run("tag", run_id, "good", "--store", store)[0] == 0
    assert (
        run("export", run_id, "--format", "parquet", "--store", store, "--out", tmp_path / f"{name} 2")[0]
        == 0
    )
    assert run("verify", "--store", tmp_path / f"{name} 2")[0] == 0
    truncate(cycles(store, run_id))
    assert run("sql", SUM, "--store", store)[2].startswith(
        f"run {run_id}: cycles.parquet is no whole Parquet"
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount 1 MiB of memory as a disk of its own."""
    if shutil.which("mount") is None:
        pytest.skip("there is no mount here for a file system of our own")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no file system of our own can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_while_publishing_loses_nothing(
    small_disk: Path, make_spool: Callable[..., Path], run: Callable[..., Answer]
) -> None:
    spool = make_spool(small_disk, cycles=5)
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
    code, out, err = run("refresh", "--store", small_disk)
    assert (code, out) == (2, "")
    reason = "(No space left on device); free some space, then adopt the spool"
    assert err.splitlines()[0] == f"run {spool.name} cannot be published in {small_disk} {reason}"
    assert spool.is_dir()
    filler.unlink()
    assert run("refresh", "--store", small_disk)[:2] == (0, f"{spool.name}\n")
    assert run("verify", "--store", small_disk)[0] == 0


def test_a_full_disk_is_said_with_its_path_and_the_old_file_stays(
    small_disk: Path, pair: tuple[Path, str, str], run: Callable[..., Answer]
) -> None:
    store, _, _ = pair
    out = small_disk / "rows.csv"
    out.write_text("old")
    code, _, err = run("sql", "from range(1000000)", "--store", store, "--out", out)
    assert (code, err) == (
        2,
        f"{out}: No space left on device; free some space there, or write to another disk\n",
    )
    assert out.read_text() == "old"
    assert [path.name for path in small_disk.iterdir()] == ["rows.csv"]


READ_ONLY = """
import sys
from store.__main__ import main
store, run_id = sys.argv[1:]
for words in (["ls"], ["sql", "select count(*) as n from cycles", "--format", "csv"], ["verify"],
              ["tag", run_id, "good"], ["rm", run_id, "--yes"], ["verify", "--repair"],
              ["ls", "--out", store + "/o.csv"]):
    sys.stderr.write(f"{words[0]} {main([*words, '--store', store])}\\n")
"""


@pytest.mark.skipif(
    shutil.which("unshare") is None, reason="there is no unshare here to mount a store of our own"
)
def test_a_read_only_store_answers_and_what_would_change_it_is_one_sentence(
    pair: tuple[Path, str, str],
) -> None:
    store, _, bad = pair
    inside = f'mount --bind "{store}" "{store}" && mount -o remount,ro,bind "{store}" && exec "$@"'
    command = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        inside,
        "sh",
        sys.executable,
        "-c",
        READ_ONLY,
        str(store),
        bad,
    ]
    root = str(Path(__file__).parents[3])
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    if done.returncode and ("unshare" in done.stderr or "mount" in done.stderr):
        pytest.skip(f"no mount namespace of our own here: {done.stderr.strip()}")
    assert "n\n4\n" in done.stdout
    lines = done.stderr.splitlines()
    assert [line for line in lines if line.split()[-1].isdecimal() and len(line.split()) == 2] == [
        "ls 0", "sql 0", "verify 0", "tag 2", "rm 2", "verify 0", "ls 2",
    ]  # fmt: skip
    said = [line for line in lines if "Read-only file system" in line]
    assert said[0].startswith(f"nothing can be added to run {bad} in store {store}")
    assert said[1].startswith(f"run {bad} cannot be removed from {store}")
    assert said[2].startswith(f"{store}/o.csv: Read-only file system; it can only be read")


@pytest.mark.parametrize("words", [("sql", "select 1"), ("ls",), ("export", "?")], ids=lambda words: words[0])
def test_a_missing_directory_for_the_answer_is_named(
    words: tuple[str, ...], pair: tuple[Path, str, str], run: Callable[..., Answer]
) -> None:
    store, healthy, _ = pair
    words = tuple(healthy if word == "?" else word for word in words)
    code, _, err = run(*words, "--store", store, "--out", store / "no" / "x.csv")
    assert (code, len(err.splitlines())) == (2, 1)
    assert f"create directory {store / 'no'} first" in err


@pytest.mark.slow
def test_ten_thousand_runs_with_damaged_ones_among_them_answer(
    tmp_path: Path, make_run: Callable[..., str], run: Callable[..., Answer]
) -> None:
    original = make_run(tmp_path, cycles={"wall_ns": [1, 2]})
    pattern = publishing.run_directory(tmp_path, original)
    document = json.loads((pattern / "run.json").read_text())
    ids = [original]
    for _ in range(9_999):
        ids.append(new_run_id())
        place = publishing.run_directory(tmp_path, ids[-1])
        place.mkdir()
        for path in pattern.glob("*.parquet"):
            os.link(path, place / path.name)
        (place / "run.json").write_text(json.dumps({**document, "run_id": ids[-1]}))
    words = ("sql", SUM, "--store", tmp_path, "--format", "csv")
    assert run(*words)[:2] == (0, "ns,runs\n30000,10000\n")
    cycles(tmp_path, ids[5000]).unlink()
    (publishing.run_directory(tmp_path, ids[7000]) / "run.json").write_text("{")
    code, _, err = run(*words)
    assert code == 2
    assert f"run {ids[5000]}: cycles.parquet is missing" in err
    assert run(*words, "--where", f"run_id != '{ids[5000]}'")[:2] == (0, "ns,runs\n29994,9998\n")


def test_a_column_of_another_type_than_the_manifest_says_is_named(pair: tuple[Path, str, str], run) -> None:
    store, _, bad = pair
    path = publishing.run_directory(store, bad) / "run.json"
    document = json.loads(path.read_text())
    document["files"]["cycles.parquet"]["columns"]["wall_ns"] = "DOUBLE"
    path.write_text(json.dumps(document))
    code, out, err = run("verify", "--store", store)
    assert code == 2
    assert "has column wall_ns of type int64, the manifest says DOUBLE" in out + err


@pytest.mark.parametrize(
    "values",
    [{"tag": 5}, {"values": {"started_at": "0001-01-01T00:00:00+14:00"}}],
    ids=["number", "before year 1"],
)
def test_a_layer_of_another_shape_is_named_and_costs_no_question(
    pair: tuple[Path, str, str], run: Callable[..., Answer], values: dict[str, object]
) -> None:
    store, _, bad = pair
    assert run("tag", "--run", bad, "fine", "--store", store)[0] == 0
    (path,) = (store / "notes" / bad).glob("*.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    code, out, err = run("sql", "select count(*) as n from cycles", "--format", "csv", "--store", store)
    assert (code, out.split()) == (0, ["n", "4"])
    assert str(path) in err
    assert run("verify", "--store", store)[0] == 2


def test_numbers_and_times_beyond_their_columns_are_named(
    pair: tuple[Path, str, str], run: Callable[..., Answer]
) -> None:
    store, _, bad = pair
    path = publishing.run_directory(store, bad) / "run.json"
    whole = json.loads(path.read_text())
    for change in ({"wall_s": 10**400}, {"started_at": "0001-01-01T00:00:00+14:00"}):
        path.write_text(json.dumps(whole | change))
        code, out, err = run("sql", "select count(*) as n from cycles", "--format", "csv", "--store", store)
        assert (code, out.split()) == (0, ["n", "2"])
        assert f"{next(iter(change))} is " in err
    path.write_text("[" * 100_000)
    assert run("ls", "--store", store)[0] == 0
