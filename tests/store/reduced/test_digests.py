"""What digests say is what the rows say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from store import open_catalog, publishing
from store.cache import digests
from store.reduced import digest
from store.upkeep.damage import verify

LINES = """
-- one row per run and signal: (run_id, signal, n, slope, level)
select run_id, signal, count(*) as n, regr_slope(y, cycle) as slope, avg(y) as level
from (
    select run_id, cycle, unnest([
        {'signal': 'wall_ns', 'y': wall_ns::double}, {'signal': 'net_ns', 'y': net_ns::double},
        {'signal': 'probe_ns', 'y': probe_ns::double}
    ], recursive := true)
    from cycles where cycle >= 0 and process = 0
)
where y is not null
group by run_id, signal
order by run_id, signal
"""
TOTALS = """
-- one row per run: sums of the rows
select run_id, sum(wall_ns)::bigint as wall, sum(probe_ns)::bigint as probe,
    sum(wall_ns) filter (where probe_ns is not null)::bigint as covered
from cycles where cycle >= 0 and process = 0
group by run_id order by run_id
"""
QUANTILES = """
-- one row per run: quantiles of cycle time
select run_id, quantile_cont(net_ns, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1]) as levels
from cycles where cycle >= 0 and process = 0 and net_ns is not null
group by run_id order by run_id
"""


def columns(seed: int, n: int) -> dict[str, Any]:
    dice = np.random.default_rng(seed)
    wall = (10**9 + dice.gamma(2, 1000, n)).astype(int).tolist()
    probe = [
        None if missing else int(v)
        for missing, v in zip(dice.random(n) < 0.3, dice.integers(0, 99, n), strict=True)
    ]
    return {
        "cycle": list(range(-1, n - 1)),
        "wall_ns": wall,
        "probe_ns": probe,
        "process": [0] * (n - 1) + [1],
    }


@pytest.fixture
def root(tmp_path: Path, make_run: Callable[..., str]) -> Path:
    for seed, n in enumerate([2, 3, 4, 151, 152, 153, 700]):
        probes = {"memory": {"cycle": [-1, 0, 1], "t_ns": [0, 1, 2], "rss_bytes": [5, 2**40, None]}}
        make_run(tmp_path, run_id=f"r{seed}", cycles=columns(seed, n), probes=probes)
    make_run(tmp_path, run_id="r-empty", cycles={})
    return tmp_path


def test_digests_agree_with_the_rows(root: Path) -> None:
    with open_catalog(root) as catalog:
        found = {(row["run_id"], row["signal"]): row for row in catalog.digest(part="line").to_pylist()}
        rows = catalog.query(LINES)
        assert {key for key in found if key[1] in ("wall_ns", "net_ns", "probe_ns")} == {
            (row["run_id"], row["signal"]) for row in rows
        }
        for row in rows:
            line = found[row["run_id"], row["signal"]]
            assert line["n"] == row["n"]
            assert line["y_mean"] == pytest.approx(row["level"], rel=1e-14)
            if row["n"] > 2:
                assert line["sxy"] / line["sxx"] == pytest.approx(row["slope"], rel=1e-6)
        totals = {(row["run_id"], row["signal"]): row for row in catalog.digest(part="total").to_pylist()}
        for row in catalog.query(TOTALS):
            assert totals[row["run_id"], "wall_ns"]["total"] == row["wall"]
            if row["probe"] is not None:
                probe = totals[row["run_id"], "probe_ns"]
                assert (probe["total"], probe["covered_ns"]) == (row["probe"], row["covered"])
        memory = catalog.digest(["r3"], part="total", signal="rss_bytes").to_pylist()
        assert [(row["n"], row["total"]) for row in memory] == [(1, 2**40)]
        assert (
            catalog.digest(signal="swap_bytes").num_rows == catalog.digest([], signal="net_ns").num_rows == 0
        )
        with pytest.raises(ValueError, match=r"has a signal 'nt_ns'; did you mean net_ns\?$"):
            catalog.digest(part="line", signal="nt_ns")


def test_quantiles_are_those_of_the_rows(root: Path) -> None:
    places = [0, 50, 250, 500, 750, 950, 1000]
    with open_catalog(root) as catalog:
        found = {
            (r["run_id"], r["place"]): r["y_median"] for r in catalog.digest(part="quantile").to_pylist()
        }
        for row in catalog.query(QUANTILES):
            assert [found[row["run_id"], place] for place in places] == pytest.approx(
                row["levels"], rel=1e-14
            )


@pytest.mark.parametrize("run", ["r1", "r3", "r4", "r5", "r6"])
def test_batches_are_at_most_150_and_hold_every_cycle(root: Path, run: str) -> None:
    with open_catalog(root) as catalog:
        rows = catalog.digest([run], part="batch", signal="net_ns").sort_by("place").to_pylist()
        times = catalog.query(
            "select net_ns from cycles where cycle >= 0 and process = 0 order by cycle", runs=[run]
        )
    net = np.array([row["net_ns"] for row in times])
    assert len(rows) == min(digest.BATCHES, len(net))
    assert sum(row["n"] for row in rows) == len(net)
    place = np.arange(len(net)) * min(digest.BATCHES, len(net)) // len(net)
    for row in rows:
        batch = net[place == row["place"]]
        assert (row["n"], row["y_mean"]) == (len(batch), pytest.approx(batch.mean()))
        assert row["y_median"] == np.median(batch)


def test_a_digest_is_a_checked_file_of_its_run_and_no_table(root: Path) -> None:
    assert (publishing.run_directory(root, "r3") / digest.FILE).is_file()
    assert verify(root) == []
    with open_catalog(root) as catalog:
        assert "digest" not in catalog.tables()
        assert set(catalog.digest()["part"].to_pylist()) <= set(digest.PARTS)
        for part in ("typo", ("line", "typo")):
            with pytest.raises(
                ValueError, match=r"no part 'typo'; it has batch, total, quantile, line, pair, plat"
            ):
                catalog.digest(part=part)


def test_digests_are_the_same_merged_from_files_and_from_rows(
    root: Path, make_run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    order = [(name, "ascending") for name in ("run_id", "part", "signal", "place")]
    with open_catalog(root) as catalog:
        files = catalog.digest().sort_by(order)
    for path in (root / "runs").glob("*/digest.parquet"):
        path.unlink()  # as in runs published before there were digests
    with open_catalog(root) as catalog:
        assert catalog.digest().sort_by(order).equals(files)
        monkeypatch.setattr(digests, "WORTH_MERGING", 1)
        assert catalog.digest().sort_by(order).equals(files)
        assert (root / digests.MERGED).is_file()
        monkeypatch.setattr(digests, "of_run", lambda root, run_id: pytest.fail(f"{run_id} was read"))
        assert catalog.digest().sort_by(order).equals(files)
        one = catalog.digest(["r3"], part="line")
        assert set(one["run_id"].to_pylist()) == {"r3"}
    monkeypatch.undo()
    make_run(root, run_id="r9", cycles=columns(9, 20))
    (root / digests.MERGED).write_bytes(b"garbage")
    with open_catalog(root) as catalog:
        assert catalog.digest().num_rows > files.num_rows


def test_no_flipped_bit_of_the_merged_digests_changes_an_answer(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = [(name, "ascending") for name in ("run_id", "part", "signal", "place")]
    monkeypatch.setattr(digests, "WORTH_MERGING", 1)
    with open_catalog(root) as catalog:
        expected = catalog.digest().sort_by(order)
    path = root / digests.MERGED
    whole = path.read_bytes()
    for place in range(5, len(whole), len(whole) // 40):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with open_catalog(root) as catalog:
            assert catalog.digest().sort_by(order).equals(expected), place


def test_a_digest_of_an_older_version_or_a_damaged_one_is_made_again_from_the_rows(root: Path) -> None:
    with open_catalog(root) as catalog:
        sums = catalog.sums(["r3", "r4"])
    old = publishing.run_directory(root, "r3") / digest.FILE
    pq.write_table(pq.read_table(old, partitioning=None).replace_schema_metadata(None), old)
    (publishing.run_directory(root, "r4") / digest.FILE).write_bytes(b"garbage")
    with open_catalog(root) as catalog:
        assert catalog.sums(["r3", "r4"]) == sums
        (publishing.run_directory(root, "r3") / "cycles.parquet").write_bytes(b"garbage")
    with open_catalog(root) as catalog:
        assert catalog.sums(["r3", "r4"]) is None  # its rows are read then, and say what is wrong
