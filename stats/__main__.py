"""``python -m stats verdict | compare | synergy | timeline``: judgements on the command line."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from probes.missing import explained

with explained(typed=True):
    from typing import TypeAlias

    from stats import commands, gates
    from stats.commands import Result
    from stats.hypotheses import PROTOCOL, variants
    from stats.progress import CLOCKS
    from store.catalog import Catalog, open_catalog
    from store.commandline import guarded, leave, muted, note
    from store.output import format_of, opened, write_rows
    from store.selection import (
        VALUED,
        Parser,
        add_output_arguments,
        add_selection_arguments,
        add_store_argument,
        subcommand_first,
    )
    from store.values import plain

Subcommands: TypeAlias = "argparse._SubParsersAction[Parser]"

OPTIONS = (
    *VALUED,
    *("--fail-if", "--profile", "--variant", "--by", "--set", "--outcome"),
    *("--a", "--b", "--expected-a-s", "--expected-b-s"),
    *("--expected-s", "--clock", "--until-s", "--milestone-s"),
)
"""Options that take a value, which is then no command."""

EXAMPLES = {
    "verdict": """examples:
  python -m stats verdict --where "experiment='c256'"
  python -m stats verdict --latest --set h2.delta_r2_min=0.05 --fail-if "h5=VALIDATED"
  python -m stats verdict --variant code --set h1.rho_min=0.4 --explain
  python -m stats verdict --by run_id --format json --out verdicts.ndjson""",
    "compare": """examples:
  python -m stats compare --a "optimization='unoptimized'" --b "optimization='cached'" --where "experiment='demo'"
  python -m stats compare --a "experiment='c256'" --b "experiment='c257'" --expected-a-s 72360 --expected-b-s 720
  python -m stats compare --a "optimization='unoptimized'" --b "optimization='cached'" --fail-if "speedup<2" """,
    "synergy": """examples:
  python -m stats synergy --where "experiment='c255'"
  python -m stats synergy --outcome population_final --format json""",
    "timeline": """examples:
  python -m stats timeline --where "experiment='demo'"
  python -m stats timeline --where "experiment='c256'" --expected-s 72360 --until-s 98000
  python -m stats timeline --latest --expected-s 60 --fail-if "excess>0.1" --fail-if "shape=upwards" """,
}
GATE = "exit 1 if this holds, or cannot be told: a name, one of = != < <= > >=, a value; may be repeated"

ACROSS = "mix unlike runs (traced with untraced, live sensors with a replayed trace), with a note"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 a gate tripped, 2 refused, 130 after Ctrl-C."""
    words = sys.argv[1:] if argv is None else argv
    return guarded(lambda: _run(_parser().parse_args(subcommand_first(words, OPTIONS))))


def _run(arguments: argparse.Namespace) -> int:
    conditions = [gates.parse(text) for text in arguments.fail_if]
    with open_catalog(arguments.store, live=arguments.live, timeout_s=arguments.timeout_s) as catalog:
        _say(_unreadable(catalog.problems))
        result = arguments.command(catalog, arguments)
    sentences = gates.tripped(conditions, result.names)
    try:
        _write(result, arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough; the gates still count
        muted(0)
    _say(sentences)
    return 1 if sentences else 0


def _unreadable(problems: Sequence[str]) -> Sequence[str]:
    more = len(problems) - 2
    return problems if more < 1 else [*problems[:2], f"{more} more; `python -m store verify` lists them"]


def _write(result: Result, arguments: argparse.Namespace) -> None:
    chosen = format_of(arguments.format, arguments.out)
    prose = chosen in ("table", "markdown")
    if chosen == "json":
        _write_text(_json(result), arguments)
    elif prose:
        tables = [result.table(document, style=chosen) for document in result.documents]
        _write_text("\n\n\n".join([*tables, result.explanation]).rstrip(), arguments)
    else:
        write_rows([_flat(row) for row in result.rows], format=chosen, out=arguments.out)
    if not prose:
        _say(result.explanation.splitlines())
    if chosen in ("csv", "parquet"):
        _say(dict.fromkeys(f"note: {note}" for document in result.documents for note in document["notes"]))


def _json(result: Result) -> str:
    """Return one document to read, or one a line."""
    indent = None if result.many else 2
    return "\n".join(json.dumps(plain(one), indent=indent, ensure_ascii=False) for one in result.documents)


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: json.dumps(plain(y)) if isinstance(y, Mapping) else y for key, y in row.items()}


def _write_text(text: str, arguments: argparse.Namespace) -> None:
    with opened(arguments.out) as stream:
        stream.write(f"{text}\n".encode() if text else b"")


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        note(line)


def _parser() -> Parser:
    parser = Parser(
        prog="python -m stats",
        description="Judge runs: verdicts on H1 to H5, comparisons of two groups, synergy of factors, timelines.",
        epilog="example: python -m stats verdict --where \"experiment='c256'\"; COMMAND --help shows more",
    )
    subcommands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (_add_verdict, _add_compare, _add_synergy, _add_timeline):
        add(subcommands)
    return parser


def _add_verdict(subcommands: Subcommands) -> None:
    parser = _command(
        subcommands, "verdict", commands.verdict, "is each hypothesis on why runs drift validated?"
    )
    parser.add_argument(
        "--profile", default="paper", metavar="NAME", help="criteria to judge by (default paper)"
    )
    parser.add_argument(
        "--variant",
        default=PROTOCOL,
        metavar="NAME",
        help=f"published version of the criteria: {', '.join(variants())}",
    )
    parser.add_argument("--by", choices=["run_id"], help="one judgement per run")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="hN.NAME=VALUE",
        help="judge by another threshold than the variant's; --explain shows what it asks for",
    )
    parser.add_argument(
        "--explain", action="store_true", help="show claims, criteria and the SQL that is run"
    )


def _add_compare(subcommands: Subcommands) -> None:
    parser = _command(
        subcommands, "compare", commands.compare, "what changed from the runs of A to the runs of B?"
    )
    parser.add_argument("--a", required=True, metavar="PREDICATE", help="runs before the change")
    parser.add_argument(
        "--b",
        required=True,
        action="append",
        metavar="PREDICATE",
        help="runs after it; repeated: one comparison each",
    )
    for side in ("a", "b"):
        parser.add_argument(
            f"--expected-{side}-s",
            type=float,
            metavar="N",
            help=f"expected seconds of one run of {side.upper()}; without them there is no excess",
        )


def _add_synergy(subcommands: Subcommands) -> None:
    parser = _command(
        subcommands, "synergy", commands.synergy, "is the effect of factors together more than their sum?"
    )
    parser.add_argument(
        "--outcome",
        default="population_mean",
        metavar="COLUMN",
        help="numeric column of table conditions (default: %(default)s)",
    )


def _add_timeline(subcommands: Subcommands) -> None:
    parser = _command(
        subcommands, "timeline", commands.timeline, "does a run take longer than expected, and ever longer?"
    )
    parser.add_argument(
        "--expected-s",
        type=float,
        metavar="N",
        help="expected seconds of a run; without it there is no excess",
    )
    parser.add_argument(
        "--clock", choices=CLOCKS, help="default: cpu for readings of a process, wall for everything else"
    )
    parser.add_argument("--until-s", type=float, metavar="N", help="leave out what lies later in a run")
    parser.add_argument(
        "--without-requoted", action="store_true", help="leave out readings that quote an older one"
    )
    parser.add_argument(
        "--milestone-s",
        type=float,
        action="append",
        default=[],
        metavar="N",
        help="a time on the clock, claimed or of interest; may be repeated (default: those the study published)",
    )


def _command(
    subcommands: Subcommands, name: str, run: Callable[[Catalog, argparse.Namespace], Result], question: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subcommands.add_parser(
        name,
        help=question,
        description=question,
        epilog=EXAMPLES[name],
    )
    add_store_argument(parser)
    add_selection_arguments(parser)
    add_output_arguments(parser)
    parser.add_argument("--across", action="store_true", help=ACROSS)
    parser.add_argument("--fail-if", action="append", default=[], metavar="CONDITION", help=GATE)
    parser.set_defaults(command=run)
    return parser


if __name__ == "__main__":
    leave(main())
