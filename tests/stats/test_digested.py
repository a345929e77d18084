"""What tests read from digests is what they read from rows, whatever was recorded."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stats import asides, judge, signals
from stats.hypotheses import criterion, known
from stats.hypotheses.finding import Aside, Criterion
from stats.kernels import linear, quadratic, spearman
from stats.kernels.usable import Unfit
from store.catalog import Catalog, open_catalog
from store.reduced import pairs

FITS = {linear.SQL: linear.fit, quadratic.SQL: quadratic.fit, spearman.SQL: spearman.fit}
RUNS = 20
PROBES = {**pairs.PROBES, "memory": ("rss_bytes", "pss_bytes")}


def read_from_digests() -> list[Criterion | Aside]:
    """Return the tests of the protocol and the asides that are found in digests, one of each name."""
    found: list[Criterion | Aside] = [criterion(name, "protocol") for name in known()]
    found += [aside for aside in asides.each() if aside.pairs]
    return list({test.pairs: test for test in found}.values())


def numbers(dice: np.random.Generator, n: int) -> list[int | None]:
    """Return a column of a kind taken by chance: noise, few values and many ties, a trend, a constant; some NULL."""
    kinds: list[Any] = [
        10**9 + dice.gamma(2, 1e6, n),
        dice.integers(0, 4, n),
        2e6 + 1000.0 * np.arange(n) ** 2 + dice.normal(0, 1e5, n),
        np.full(n, 7 * 10**6),
    ]
    values = np.asarray(kinds[dice.integers(len(kinds))]).astype(int).tolist()
    missing = dice.random(n) < dice.choice([0.0, 0.0, 0.3, 1.0], p=[0.4, 0.3, 0.2, 0.1])
    return [None if gone else value for gone, value in zip(missing, values, strict=True)]


def recorded(seed: int) -> dict[str, Any]:
    """Return the columns of a run: conditions, workers; readings more and less often than cycles, or of none."""
    dice = np.random.default_rng(seed)
    n = int(dice.choice([0, 1, 2, 3, 4, 5, 6, 9, *[40, 121] * 4]))
    processes = [int(p) for p in dice.choice([0, 0, 0, 1], n)]
    cycles = {
        "cycle": list(range(-1, n - 1)),
        "process": [None if p == 0 and dice.random() < 0.1 else p for p in processes],
        "condition": [f"c{3 * k // max(1, n)}" for k in range(n)],
        **{
            name: numbers(dice, n)
            for name in ("wall_ns", "gc_ns", "cpu_ns", "runq_ns", "offcpu_ns", "probe_ns")
        },
        "population": [min(int(v), 30) for v in np.arange(n) * dice.choice([0.2, 1, 3])],
    }
    wall = cycles["wall_ns"] = [v or 5 for v in cycles["wall_ns"]]
    gone = dice.random(n) < dice.choice([0.0, 0.2, 1.0])
    cycles["net_ns"] = [
        None if x else w - (p or 0) for x, w, p in zip(gone, wall, cycles["probe_ns"], strict=True)
    ]
    if dice.random() < 0.2:
        del cycles["wall_ns"]
    if not n or dice.random() < 0.3:
        del cycles["population"]
    probes = {}
    for name, fields in PROBES.items():
        if dice.random() < 0.3:
            continue
        m = int(dice.choice([0, 2, 5, 60, 60]))
        at = [None if dice.random() < 0.1 else int(v) for v in dice.integers(-2, n + 2, m)]
        whole = {
            "t_ns": [None if dice.random() < 0.03 else int(v) for v in 10**9 * dice.permutation(m)],
            "cycle": at,
        }
        floats = ("cpu_percent", "memory_percent", "temp_celsius", "freq_mhz")
        read = {f: [v if v is None or f not in floats else v / 7 for v in numbers(dice, m)] for f in fields}
        if name in ("system", "thermal") and dice.random() < 0.3 and m:
            read[fields[0]][0] = math.nan
        probes[name] = {**whole, **read}
    last = [None if dice.random() < 0.5 else k for k in range(4)]
    windows = {
        "last_cycle": last,
        "wall_ns": [10] * 4,
        "cpu_ns": [3, None, 4, 5],
        "offcpu_ns": [1, 2, 3, None],
        "threads": [1, 2, 1, None],
    }
    return {"cycles": cycles, "probes": probes, "windows": windows if dice.random() < 0.5 else None}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, make_run: Callable[..., str]) -> Path:
    place = tmp_path_factory.mktemp("digested")
    for seed in range(RUNS):
        status = ("completed", "imported")[seed % 2]
        make_run(place, run_id=f"r{seed:02}", status=status, wall_s=1.0, cpu_s=0.5, **recorded(seed))
    return place


@pytest.fixture
def rows_only(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what makes every catalog read rows."""
    return lambda: monkeypatch.setattr(Catalog, "sums", lambda self, ids: None)


@pytest.mark.parametrize("test", read_from_digests(), ids=lambda test: test.pairs)
def test_digests_and_rows_give_the_same_statistics(
    root: Path, test: Criterion | Aside, rows_only: Callable[[], None]
) -> None:
    with open_catalog(root) as catalog:
        ids = catalog.select()
        digested = signals.reader(catalog, ids)(test)
        rows_only()
        read = signals.reader(catalog, ids)(test)
    fitted = 0
    for run_id in ids:
        assert digested[run_id].keys() == read[run_id].keys()
        for signal, row in read[run_id].items():
            found = digested[run_id][signal]
            assert [found[k] for k in ("n", "n_x", "n_y")] == [row[k] for k in ("n", "n_x", "n_y")], (
                run_id,
                signal,
            )
            a, b = (FITS[test.kernel](each) for each in (found, row))  # type: ignore[operator]
            same(a, b)
            fitted += not isinstance(a, Unfit)
            if row.get("y_mean") is not None:
                assert found["y_mean"] == pytest.approx(row["y_mean"], rel=1e-12)
    assert fitted > 1


def same(a: Any, b: Any) -> None:
    if isinstance(a, Unfit):
        assert a == b
        return
    assert type(a) is type(b)
    for name in a.__slots__:
        assert getattr(a, name) == pytest.approx(getattr(b, name), rel=1e-9, abs=1e-11), (name, a, b)


def rounded(value: Any) -> Any:
    """Return a document whose numbers are of 9 digits."""
    if isinstance(value, Mapping):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return float(f"{value:.9g}") + 0.0 if isinstance(value, float) else value


@pytest.mark.parametrize("by", [None, "run_id"], ids=["together", "by run"])
def test_a_verdict_from_digests_is_the_one_from_rows(
    root: Path, by: Any, rows_only: Callable[[], None]
) -> None:
    documents = []
    for _ in range(2):
        with open_catalog(root) as catalog:
            found = judge(catalog, by=by)
        documents.append([one.to_json() for one in (found if isinstance(found, list) else [found])])
        rows_only()
    assert json.dumps(rounded(documents[0])) == json.dumps(rounded(documents[1]))


def test_every_test_of_the_protocol_is_in_the_digests() -> None:
    named = {pair.name.partition("/")[0] for pair in pairs.PAIRS}
    assert named == {test.pairs for test in read_from_digests()}
