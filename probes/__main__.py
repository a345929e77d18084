"""``python -m probes``: the measured process."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from probes import measured


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m probes",
        description="Measure: run a job and write its rows into the job's own spool directory.",
        epilog="example: python -m probes run data/spool/<run_id>/job.json",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="execute one job in this process",
        description="Execute one job in this process; its rows go into the directory of JOB.json.",
        epilog="example: python -m probes run data/spool/<run_id>/job.json    "
        "exit codes: 0 completed, 1 failed, 2 no such job, 130 and 143 stopped by a signal",
        allow_abbrev=False,
    )
    run.add_argument("job", metavar="JOB.json", type=Path, help="written by run.py before it starts a run")
    try:
        return measured.run(parser.parse_args(argv).job)
    except SystemExit as ended:  # argparse's --help and errors
        return ended.code if isinstance(ended.code, int) else 2
    except OSError as error:
        name = f": {error.filename}" if error.filename else ""
        print(f"{error.strerror or error}{name}", file=sys.stderr)
    except ValueError as error:
        print(error, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
