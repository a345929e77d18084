from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stats import signals
from stats.hypotheses import PROTOCOL, criterion
from stats.hypotheses import thresholds as limits
from stats.hypotheses.finding import Finding
from store.catalog import open_catalog


@pytest.fixture
def found(tmp_path: Path, make_run: Callable[..., str]) -> Callable[..., Finding]:
    """Publish one run with the planted signals and return what a hypothesis finds in it."""

    def find(hypothesis: str, *, thresholds: Any = None, variant: str = PROTOCOL, **planted: Any) -> Finding:
        root = tmp_path / f"store{len(list(tmp_path.iterdir()))}"
        root.mkdir()
        for readings in planted.get("probes", {}).values():
            if "t_ns" not in readings:
                readings["t_ns"] = [10**9 * (cycle + 2) for cycle in readings["cycle"]]
        run_id = make_run(root, **planted)
        test = criterion(hypothesis, variant)
        with open_catalog(root) as catalog:
            rows = signals.reader(catalog, [run_id])(test)[run_id]
        return test.judge(rows, **limits(hypothesis, thresholds or {}, variant))

    return find
