"""The cache of what ``run.json`` says: right when it is fresh, stale, moved, corrupt, deleted or not to be written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store import notes, open_catalog
from store.cache import index, keeping, segments, stamps
from store.cache.foreign import _kept_columns
from store.upkeep import maintenance


@pytest.fixture
def root(tmp_path: Path, make_run: Callable[..., str]) -> Path:
    """Return a store of three runs whose cache is fresh."""
    for k in range(3):
        make_run(tmp_path / "store", run_id=f"r{k}", seed=k, cycles={"wall_ns": [k, k + 1]})
    maintenance.refresh(tmp_path / "store")
    return tmp_path / "store"


def seeds(root: Path) -> list[int]:
    with open_catalog(root) as catalog:
        total = catalog.query("select sum(wall_ns)::bigint as ns from cycles")[0]["ns"]
        found = sorted(catalog.runs()["seed"].to_pylist())
    assert total == sum(2 * seed + 1 for seed in found)
    return found


def foreign(root: Path) -> list[int]:
    with duckdb.connect(str(root / "catalog.duckdb"), read_only=True) as connection:
        return [row[0] for row in connection.execute("select seed from runs order by seed").fetchall()]


def past_the_tick(path: Path) -> None:
    """Wait until a change of ``path`` in place has another time than its last one: the file system's clock ticks."""
    beside, written = path.with_name("clock"), path.stat().st_mtime_ns
    while True:
        beside.touch()
        if beside.stat().st_mtime_ns > written:
            break
    beside.unlink()


def test_a_fresh_cache_opens_no_run(
    root: Path, make_run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(root, run_id="r3", seed=3, cycles={"wall_ns": [3, 4]})
    maintenance.refresh(root)
    monkeypatch.setattr(index.manifest, "load", lambda directory: pytest.fail(f"{directory} was read"))
    assert seeds(root) == [0, 1, 2, 3]
    assert keeping.is_kept(index.survey(root))


def test_a_new_run_is_seen_before_the_cache_has_it_and_costs_one_line(
    root: Path, make_run: Callable[..., str]
) -> None:
    built = (root / "catalog.duckdb").stat().st_mtime_ns
    make_run(root, run_id="r3", seed=3, cycles={"wall_ns": [3, 4]})
    assert seeds(root) == [0, 1, 2, 3]
    assert foreign(root) == [0, 1, 2]
    maintenance.refresh(root)
    assert foreign(root) == [0, 1, 2, 3]
    assert len(segments.read(root).added) == 1
    assert (root / "catalog.duckdb").stat().st_mtime_ns == built


def test_a_removed_run_is_gone_everywhere(root: Path) -> None:
    shutil.rmtree(root / "runs" / "run_id=r1")
    assert seeds(root) == [0, 2]
    maintenance.refresh(root)
    assert foreign(root) == [0, 2]


def test_a_run_that_went_between_listing_and_reading_is_no_problem(
    root: Path, make_run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(root, run_id="r3", seed=3, cycles={"wall_ns": [3, 4]})
    listing = stamps.listing

    def then_removed(place: Path) -> stamps.Listing:
        found = listing(place)
        shutil.rmtree(place / "runs" / "run_id=r3")
        return found

    monkeypatch.setattr(stamps, "listing", then_removed)
    fleet = index.survey(root)
    assert (fleet.problems, fleet.others, sorted(fleet.found)) == (
        [],
        [],
        ["run_id=r0", "run_id=r1", "run_id=r2"],
    )


def test_a_run_that_became_unreadable_is_none_of_the_views(root: Path) -> None:
    run = root / "runs" / "run_id=r1"
    (run / "run.json").write_text("{")
    (run / "cycles.parquet").write_bytes(b"garbage")
    maintenance.refresh(root)
    with duckdb.connect(str(root / "catalog.duckdb"), read_only=True) as connection:
        assert connection.execute("select sum(wall_ns)::bigint from cycles").fetchall() == [(6,)]


def test_views_that_refused_because_of_a_run_answer_once_it_is_gone(
    root: Path, make_run: Callable[..., str]
) -> None:
    for run_id, x in (("r3", 1), ("r4", 0.5)):
        make_run(root, run_id=run_id, cycles={"wall_ns": [1], "x": [x]})
    maintenance.refresh(root)
    shutil.rmtree(root / "runs" / "run_id=r4")
    maintenance.refresh(root)
    with duckdb.connect(str(root / "catalog.duckdb"), read_only=True) as connection:
        assert connection.execute("select sum(wall_ns)::bigint from cycles").fetchall() == [(10,)]


def test_many_new_runs_are_merged(root: Path, make_run: Callable[..., str]) -> None:
    for k in range(3, 6):
        make_run(root, run_id=f"r{k}", seed=k, cycles={"wall_ns": [k, k + 1]})
        maintenance.refresh(root)
    keeping.MOST_LINES, most = 3, keeping.MOST_LINES
    try:
        make_run(root, run_id="r6", seed=6, cycles={"wall_ns": [6, 7]})
        maintenance.refresh(root)
    finally:
        keeping.MOST_LINES = most
    assert (len(segments.read(root).base), len(segments.read(root).added)) == (7, 0)
    assert seeds(root) == foreign(root) == list(range(7))


def test_a_layer_makes_its_run_stale(root: Path) -> None:
    notes.write(root, "r1", {"workload": "mine"}, {"by": "a test"})
    with open_catalog(root) as catalog:
        assert catalog.select("workload = 'mine'") == ["r1"]
    maintenance.refresh(root)
    notes.write(root, "r1", {"optimization": "mine too"}, {"by": "a test"})  # within one tick of the clock
    with open_catalog(root) as catalog:
        assert catalog.select("optimization = 'mine too' and workload = 'mine'") == ["r1"]


def test_what_changed_within_the_last_second_is_looked_at_again() -> None:
    now = time.time_ns()
    assert stamps.kept([1, 2, 3, now - 10**9 - 1], now_ns=now, sure=True) == [1, 2, 3, now - 10**9 - 1]
    assert stamps.kept([1, 2, 3, now - 10**6], now_ns=now, sure=True)[3] == stamps.UNSETTLED
    assert stamps.kept([1, 2, 3, 0], now_ns=now, sure=False)[3] == stamps.UNSETTLED


def _cut(root: Path, pattern: str) -> None:
    (path,) = root.glob(pattern)
    path.write_bytes(path.read_bytes()[:-40])


def _garble(root: Path, pattern: str) -> None:
    (path,) = root.glob(pattern)
    content = path.read_bytes()
    path.write_bytes(content[:-40] + b"\0" * 20 + content[-20:])


def _remove(root: Path, pattern: str) -> None:
    for path in root.glob(pattern):
        path.unlink()


FILES = (segments.HEAD, "catalog.runs.*.parquet", "catalog.runs.*.seq")


@pytest.mark.parametrize("pattern", FILES)
@pytest.mark.parametrize("damage", [_cut, _garble, _remove])
def test_a_damaged_cache_changes_no_answer_and_is_built_again(
    root: Path, make_run: Callable[..., str], damage: Callable[[Path, str], None], pattern: str
) -> None:
    make_run(root, run_id="r3", seed=3, cycles={"wall_ns": [3, 4]})
    maintenance.refresh(root)
    damage(root, pattern)
    assert seeds(root) == [0, 1, 2, 3]
    said: list[str] = []
    maintenance.refresh(root, note=said.append)
    silent = damage is _remove and pattern == segments.HEAD  # nothing tells that there was one
    assert ["built again" in sentence for sentence in said] == [True] * (not silent)
    assert keeping.is_kept(index.survey(root))
    assert seeds(root) == foreign(root) == [0, 1, 2, 3]


def test_no_flipped_bit_changes_an_answer(root: Path, make_run: Callable[..., str]) -> None:
    make_run(root, run_id="r3", seed=3, cycles={"wall_ns": [3, 4]})
    maintenance.refresh(root)
    expected = index.survey(root).table
    for pattern in FILES:
        (path,) = root.glob(pattern)
        whole = path.read_bytes()
        for place in range(5, len(whole), len(whole) // 40):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
            assert index.survey(root).table.equals(expected), (pattern, place)
        path.write_bytes(whole)


def test_a_cache_that_is_removed_is_made_again(root: Path) -> None:
    _remove(root, "catalog*")
    assert seeds(root) == [0, 1, 2]
    maintenance.refresh(root)
    assert foreign(root) == [0, 1, 2]


@pytest.mark.parametrize("left", [b'\x1e{"run_id": "r9", "experi', "\x1e温".encode()[:-1]])
def test_a_line_that_a_killed_builder_left_unfinished_is_nobodys(
    root: Path, make_run: Callable[..., str], left: bytes
) -> None:
    (lines,) = root.glob("catalog.runs.*.seq")
    for known in ([0, 1, 2], [0, 1, 2, 3]):
        with lines.open("ab") as file:
            file.write(left)
        assert seeds(root) == known
        maintenance.refresh(root)
        assert seeds(root) == foreign(root) == known
        if len(known) == 3:
            make_run(root, run_id="r3", seed=3, cycles={"wall_ns": [3, 4]})
            maintenance.refresh(root)
    assert list(segments.read(root).added) == ["run_id=r3"]


def test_damage_of_an_older_generation_is_nobodys(root: Path, make_run: Callable[..., str]) -> None:
    make_run(root, run_id="r3", seed=3, cycles={"wall_ns": [3, 4]})
    maintenance.refresh(root)
    (old,) = root.glob("catalog.runs.*.seq")
    shutil.rmtree(root / "runs" / "run_id=r1")
    maintenance.refresh(root)
    old.write_bytes(b"\xff" * 100)
    assert seeds(root) == foreign(root) == [0, 2, 3]


def test_a_store_is_the_same_by_all_its_names(root: Path) -> None:
    link = root.with_name("link")
    link.symlink_to(root)
    for name in (link, root / ".." / root.name):
        assert keeping.is_kept(index.survey(name))


TEXTS = st.text(
    st.one_of(
        st.sampled_from("\"'\\\\,:{}[]\n\t nul0\u2028温"),
        st.characters(codec="utf-8", exclude_characters="\x1e"),
    )
)
ROWS = st.fixed_dictionaries(
    {
        "run_id": TEXTS,
        "seed": st.none() | st.integers(-(2**63), 2**63 - 1),
        "started_at": st.none() | st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC)),
        "cpu_s": st.none() | st.floats(allow_nan=False),
        "traced": st.none() | st.booleans(),
        "error": st.none() | TEXTS,
        "tags": st.none() | st.lists(TEXTS, max_size=3),
        "conditions": st.lists(
            st.fixed_dictionaries(
                {"condition": TEXTS, "population_mean": st.none() | st.floats(allow_nan=False)}
            ),
            max_size=2,
        ),
    }
)


@settings(deadline=None, max_examples=50)
@given(rows=st.lists(ROWS, min_size=1, max_size=3))
def test_any_row_comes_back_from_its_line_and_through_a_cast(rows: list[dict[str, object]]) -> None:
    lines = [segments._line(row) for row in rows]
    told = "".join(f"{segments.RS}{line}\n" for line in lines).encode()
    whole = pa.Table.from_pylist(rows, schema=segments.COLUMNS)
    assert segments._parsed(told).equals(whole)
    fields = ", ".join(f'"{name}" {kind}' for name, kind in _kept_columns())
    with duckdb.connect() as client:
        client.execute("set timezone = 'UTC'")
        asked = f"select unnest(string_split($told, chr(30))[2:])::struct({fields}) as row"
        found = [row for (row,) in client.execute(asked, {"told": told.decode()}).fetchall()]
    assert found == whole.to_pylist()


def test_lines_hold_what_the_merged_file_would(root: Path, make_run: Callable[..., str]) -> None:
    make_run(root, seed=3, cycles={"wall_ns": [3, 4]}, experiment='Zürich \n"温度"', error="a\\\n\tb")
    make_run(root, seed=4, cycles={"wall_ns": [4, 5]}, probes={"memory": {"rss_bytes": [2**62]}})
    read = index.survey(root).table
    maintenance.refresh(root)
    kept = segments.read(root)
    assert len(kept.added) == 2
    assert index.ordered(kept.table()).equals(read)
    with (
        duckdb.connect(str(root / "catalog.duckdb"), read_only=True) as client,
        open_catalog(root) as catalog,
    ):
        client.execute("set timezone = 'UTC'")
        for asked in ("select * from runs order by run_id", "select * from conditions order by all"):
            assert client.sql(asked).to_arrow_table().to_pylist() == catalog.sql(asked).arrow().to_pylist()


def test_a_text_that_would_end_a_line_goes_into_the_merged_file(
    root: Path, make_run: Callable[..., str]
) -> None:
    make_run(root, seed=3, cycles={"wall_ns": [3, 4]}, error="a\x1eb")
    maintenance.refresh(root)
    assert not segments.read(root).added
    assert seeds(root) == foreign(root) == [0, 1, 2, 3]


def test_a_cache_that_was_built_again_is_fresh(root: Path) -> None:
    _cut(root, segments.HEAD)
    maintenance.refresh(root)
    said: list[str] = []
    maintenance.refresh(root, note=said.append)
    assert said == []


def test_a_moved_store_is_read_and_its_cache_built_again(root: Path) -> None:
    moved = root.with_name("Zürich 2")
    root.rename(moved)
    assert seeds(moved) == [0, 1, 2]
    maintenance.refresh(moved)
    assert seeds(moved) == foreign(moved) == [0, 1, 2]


def test_a_client_that_rewrites_the_file_does_not_spoil_it(root: Path) -> None:
    past_the_tick(root / "catalog.duckdb")
    with duckdb.connect(str(root / "catalog.duckdb")) as connection:
        connection.execute("drop view runs")
    said: list[str] = []
    maintenance.refresh(root, note=said.append)
    assert ["changed or removed" in sentence for sentence in said] == [True]
    assert foreign(root) == [0, 1, 2]


@pytest.fixture
def confined() -> Callable[[Path], str]:
    """Return what ``ls`` says to somebody who is not above permissions, as root is."""
    above = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    if above and shutil.which("setpriv") is None:
        pytest.skip("root writes anywhere; install setpriv to test with less")

    def ls(root: Path) -> str:
        command = [*above, sys.executable, "-m", "store", "ls", "--store", str(root)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    return ls


def test_a_read_only_store_is_read(root: Path, confined: Callable[[Path], str]) -> None:
    expected = confined(root)
    _remove(root, "catalog*")
    root.chmod(0o500)
    try:
        assert confined(root) == expected
    finally:
        root.chmod(0o700)
    assert not list(root.glob("catalog*"))


def test_a_run_that_may_not_be_read_is_named(root: Path, confined: Callable[[Path], str]) -> None:
    closed = root / "runs" / "run_id=r1"
    closed.chmod(0)
    try:
        said = confined(root)
    finally:
        closed.chmod(0o700)
    assert f"{closed / 'run.json'} cannot be read (Permission denied)" in said
    assert [line[:2] for line in said.splitlines() if line[1:2].isdigit()] == ["r0", "r2"]


def test_a_store_that_cannot_be_written_is_read_and_refresh_says_so(
    root: Path, make_run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    make_run(root, run_id="r3", seed=3, cycles={"wall_ns": [3, 4]})
    monkeypatch.setattr(segments, "extend", full)
    monkeypatch.setattr(segments, "create", full)
    monkeypatch.setattr("store.catalog.WORTH_KEEPING", 0)
    assert seeds(root) == [0, 1, 2, 3]
    said: list[str] = []
    maintenance.refresh(root, note=said.append)
    assert said == [f"{root / 'catalog.duckdb'} is not up to date: No space left on device"]


def test_a_reader_that_finds_many_new_runs_leaves_a_cache(
    root: Path, make_run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.catalog.WORTH_KEEPING", 0)
    make_run(root, run_id="r3", seed=3, cycles={"wall_ns": [3, 4]})
    assert seeds(root) == [0, 1, 2, 3]
    assert keeping.is_kept(index.survey(root))
