"""What an intervention says of the hypotheses, as rows: the joint verdict, and one elimination each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conf.reproduction.checks import Row, row
from stats.hypotheses import known

SCALED = "scaled: 20 agents, 40 cycles a condition, 2 ms a wait; its ratio is not that of the full size"
MEANS = {"VALIDATED": "SUPPORTED", "REFUTED": "ELIMINATED"}
"""Outcome of an intervention that fits a verdict which the study expects."""


def joint(name: str, found: Mapping[str, Any]) -> list[Row]:
    """Put what is observed beside each of the study's three forms of its conclusion; scaled, it checks nothing."""
    return [
        row(
            f"{name}: H2 and H3 together the cause, {form}",
            published=True,
            found=holds,
            holds=holds,
            how=SCALED,
        )
        for form, holds in found["h2_h3_validated"].items()
    ]


def eliminated(name: str, found: Mapping[str, Any]) -> list[Row]:
    """Put what is observed beside the study's expectation; scaled, it checks nothing."""
    rows = []
    for entry in found["elimination"]:
        expectation = known()[entry["hypothesis"]].EXPECTED
        decided = None if entry["outcome"] == "UNDECIDED" else entry["outcome"] == MEANS[expectation]
        rows.append(
            row(
                f"{name}: elimination of {entry['hypothesis']}",
                published=MEANS[expectation],
                found=entry["outcome"],
                holds=decided,
                how=f"if true {entry['if_true']}, if false {entry['if_false']}; observed: {entry['observed']}",
            )
        )
    return rows
