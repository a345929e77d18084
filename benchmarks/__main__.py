"""Measure speeds: ``python -m benchmarks list | NAME [--quick] [--seed N] [--out FILE]``; one JSON document."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from probes.missing import explained

with explained(typed=True):
    from datetime import UTC, datetime

    from benchmarks.document import document

BENCHMARKS: Final = {
    "model": "cycles of the model alone per CPU second: both engines, and Mesa",
    "ingest": "rows logged one cycle at a time: our spool, five trackers, and the raw floor",
    "observer": "what observing a cycle costs: accounts, spool and probes over a bare loop, beside psutil",
    "closure": "the share of a cycle's time that the accounts leave unexplained, alone and beside hogs",
    "survive": "rows lost when the measured process, its parent or both are killed",
    "perturb": "the slowest cycles with and without a reader and a publisher beside them",
    "query": "a fleet's slopes and verdicts from digests and from rows, pandas; a join of 1 % locked and native",
    "fleet": "open and refresh at 100 to 10,000 runs, over one bare scandir with stat",
    "compact": "questions over many short runs before and after compact",
    "concurrency": "errors and rows lost where eight processes publish and two read",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    asked = _parser().parse_args(arguments)
    if asked.name == "list":
        print("\n".join(f"{name}  {what}" for name, what in BENCHMARKS.items()))
        return 0
    started_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    began_s = time.monotonic()
    try:
        measured = importlib.import_module(f"benchmarks.{asked.name}").measure(
            quick=asked.quick, seed=asked.seed
        )
    except KeyboardInterrupt:
        return 130
    except (OSError, ArithmeticError) as error:
        print(f"benchmarks {asked.name}: {error}", file=sys.stderr)
        return 1
    wall_s = time.monotonic() - began_s
    found = document(
        asked.name, measured, quick=asked.quick, seed=asked.seed, started_at=started_at, wall_s=wall_s
    )
    return _write(json.dumps(found, indent=1, allow_nan=False), asked.out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure speeds; one JSON document on stdout.",
        epilog="example: python -m benchmarks model --quick --out model.json",
    )
    parser.add_argument(
        "name", choices=["list", *BENCHMARKS], metavar="list | NAME", help="; ".join(BENCHMARKS)
    )
    parser.add_argument("--quick", action="store_true", help="a minute at most, with wider intervals")
    parser.add_argument(
        "--seed", type=_seed, default=0, metavar="N", help="of the blocks' order and the bootstrap"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the document there")
    return parser


def _seed(text: str) -> int:
    seed = int(text)
    if seed < 0:
        raise ValueError(text)
    return seed


def _write(text: str, out: Path | None) -> int:
    try:
        if out is None:
            print(text, flush=True)
        else:
            out.write_text(text + "\n", encoding="utf-8")
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as error:
        print(
            f"benchmarks: --out {out} cannot be written ({error.strerror}); give another file",
            file=sys.stderr,
        )
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
