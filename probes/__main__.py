"""``python -m probes``: the measured process, and what this machine can measure."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Any

from probes.streams import muted, note, opened

LEAVES = Path(__file__).resolve().parents[1] / "conf" / "probe"
"""Where the configuration lies of which the doctor tells what it costs; only this command reads it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    opened()
    return muted(_code(argv))


def _code(argv: Sequence[str] | None) -> int:
    try:
        arguments = _parser().parse_args(argv)
        return int(arguments.call(arguments))
    except SystemExit as ended:  # argparse's --help and errors
        return ended.code if isinstance(ended.code, int) else 2
    except KeyboardInterrupt:
        note("interrupted")
        return 130
    except BrokenPipeError:  # whoever read has gone
        return 0
    except OSError as error:
        note(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
    except ValueError as error:
        note(str(error))
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m probes",
        description="Measure: run a job and write its rows into the job's own spool directory;\n"
        "tell what this machine can measure.",
        epilog="example: python -m probes doctor\nexample: python -m probes run data/spool/<run_id>/job.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="execute one job in this process",
        description="Execute one job in this process; its rows go into the directory of JOB.json.",
        epilog="example: python -m probes run data/spool/<run_id>/job.json\n\n"
        "exit codes: 0 completed, 1 failed, 2 no such job, 130 and 143 stopped by a signal",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    run.add_argument("job", metavar="JOB.json", type=Path, help="written by run.py before it starts a run")
    run.set_defaults(call=_run)
    doctor = commands.add_parser(
        "doctor",
        help="tell what this machine can and cannot measure, and what that costs",
        description="Tell what this machine can and cannot measure and why, what a reading of each probe costs here "
        "and now, and what makes times noisy, with the command that would change it.  Changes nothing.",
        epilog="example: python -m probes doctor --format json > doctor.json",
        allow_abbrev=False,
    )
    doctor.add_argument("--format", choices=("table", "json"), default="table", help="default: table")
    doctor.add_argument(
        "--cycle-ms", metavar="N", type=float, default=10.0, help="length of a cycle, default: 10"
    )
    doctor.set_defaults(call=_doctor)
    return parser


def _run(arguments: argparse.Namespace) -> int:
    from probes import measured

    return measured.run(arguments.job)


def _doctor(arguments: argparse.Namespace) -> int:
    from probes.missing import explained

    with explained(typed=True):
        from probes import doctor  # not in the measured process

    if not 0 < arguments.cycle_ms < inf:
        raise ValueError(
            f"--cycle-ms {arguments.cycle_ms} is no length of a cycle; give milliseconds above 0"
        )
    report = doctor.examine(leaves(), cycle_ms=arguments.cycle_ms)
    sys.stdout.write(doctor.as_json(report) if arguments.format == "json" else doctor.as_text(report))
    sys.stdout.flush()
    return 0


def leaves() -> dict[str, Any]:
    """Return the options of the probes that a configuration beside this package declares."""
    from probes.missing import explained

    with explained(typed=True):
        import yaml  # not in the measured process

    found: dict[str, Any] = {}
    for path in sorted(LEAVES.glob("*.yaml")):
        try:
            found[path.stem] = dict(yaml.safe_load(path.read_text(encoding="utf-8"))[path.stem])
        except (yaml.YAMLError, LookupError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is no group of options; restore it") from error
    return found


if __name__ == "__main__":
    sys.exit(main())
