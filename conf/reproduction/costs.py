"""Section 7, what really happened: where the planned time of C256 goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conf.reproduction.checks import Row, Section, left_out, row
from conf.reproduction.course import planned_h
from conf.reproduction.material import LEFT_OUT, Material

NUMBER, TITLE = 7, "What really happened: it slept"


def section(material: Material) -> Section:
    """Add up what a run of C256 waits for."""
    rows = [*_costs(), *_cost_model(material.cost_model())]
    return Section(number=NUMBER, name="costs", title=TITLE, rows=tuple(rows))


def _costs() -> list[Row]:
    """Take parts of C256's plan away, one after the other."""
    total, awake = planned_h(), planned_h("optimization.cpu_interval_s=null")
    unpaired = planned_h("optimization.persist_pairs=false")
    bare = planned_h("optimization.persist=none", "optimization.persist_pairs=false")
    sleep = total - awake
    parts = (
        ("sleep", "164", sleep),
        ("commits of pair checks", "8.2", total - unpaired),
        ("commits of samples", "1.36", unpaired - bare),
        ("psutil itself", "0.27", bare - sleep),
    )
    return [
        row(
            "C256, all four conditions [h]",
            published="34.5",
            expected="174",
            found=total,
            how="declared sleeps, commits and psutil calls times their counts in the model",
        ),
        *(
            row(f"C256, {name} [h]", expected=expected, found=found, how="the plan less the plan without it")
            for name, expected, found in parts
        ),
        row(
            "C256, share of sleep [%]",
            expected="94.3",
            found=100 * sleep / total,
            how="sleep over the whole plan",
        ),
        row(
            "C256 without the sleep alone [h]",
            expected="9.9",
            within=0.06,
            found=awake,
            how="the plan with no blocking interval, which leaves out 0.05 h of stale groups and arithmetic",
        ),
    ]


def _cost_model(costs: Mapping[str, Any] | None) -> list[Row]:
    if costs is None:
        return [left_out("C256 from measured unit costs, sleep [h]", expected=164.09, how=LEFT_OUT)]
    units, cells = costs["unit_costs_s"], list(costs["ops"].values())
    samples, checks = (sum(cell[name] for cell in cells) for name in ("samples", "checks"))
    parts = {
        "sleep": samples * units["sleep"],
        "psutil": samples * units["psutil"],
        "metrics_commits": samples * units["persist"],
        "resonance_commits": checks * units["res"],
    }
    return [
        row(
            f"C256 from measured unit costs, {name} [h]",
            expected=costs["parts_h"][name],
            found=seconds / 3600,
            within=1e-6,
            how="unit cost times operations over the four conditions, measured on the study's own code",
        )
        for name, seconds in parts.items()
    ]
