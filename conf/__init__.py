"""Declare experiments in Hydra, run them, and say what came of it."""

from __future__ import annotations

from collections.abc import Sequence

from probes.missing import explained


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``run.py``'s command line and return its exit code; imports Hydra only then."""
    with explained(typed=True):
        from conf.running import main as run

    return run(argv)
