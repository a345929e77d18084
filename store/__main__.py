"""``python -m store``: list, query, describe, publish, import, enrich, export and verify runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from store import commands
from store.commandline import guarded
from store.selection import (
    Parser,
    add_out_argument,
    add_output_arguments,
    add_selection_arguments,
    add_store_argument,
    subcommand_first,
)

VALUED = (
    "--store",
    "--where",
    "--run",
    "--last",
    "--timeout-s",
    "--format",
    "--out",
    "--experiment",
    "--set",
    "--from",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 2 refused in one sentence, 130 after Ctrl-C."""
    return guarded(lambda: _run(sys.argv[1:] if argv is None else argv))


def _run(argv: Sequence[str]) -> int:
    arguments = _parser().parse_args(subcommand_first(argv, VALUED))
    code: int = arguments.command(arguments)
    return code


def _parser() -> Parser:
    parser = Parser(
        prog="python -m store",
        description="List, query, import, export and verify the runs of a store.",
        epilog="Options may stand before or after the command.  COMMAND --help tells more.\n\n"
        'example: python -m store sql "select experiment, count(*) from runs group by all"',
    )
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (_add_readers, _add_writers):
        add(subparsers)
    return parser


Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


def _command(
    subparsers: Commands, name: str, function: Callable[[argparse.Namespace], int], text: str, example: str
) -> argparse.ArgumentParser:
    epilog = f"example: python -m store {example}"
    command: argparse.ArgumentParser = subparsers.add_parser(name, help=text, description=text, epilog=epilog)
    command.set_defaults(command=function)
    add_store_argument(command)
    return command


def _add_readers(subparsers: Commands) -> None:
    listing = _command(
        subparsers, "ls", commands.ls, "List runs, running ones included.", "ls --where \"status='failed'\""
    )
    text = "Ask one SELECT over the store's tables; it can read them and nothing else."
    sql = _command(
        subparsers,
        "sql",
        commands.sql,
        text,
        'sql "select status, count(*) from runs group by all" --format json',
    )
    sql.add_argument("query", metavar="SELECT", help="one statement: SELECT, DESCRIBE, SHOW or SUMMARIZE")
    text = "List the tables, or one table's columns with types and units."
    describe = _command(subparsers, "describe", commands.describe, text, "describe cycles")
    describe.add_argument("table", nargs="?", metavar="TABLE")
    for command in (listing, sql, describe):
        add_selection_arguments(command)
        add_output_arguments(command)
    text = "Write one run in the study's raw form (gzip if FILE ends in .gz)."
    export = _command(subparsers, "export", commands.export, text, "export 0198c1f2 --out run.json.gz")
    export.add_argument("run_id", metavar="RUN", help="id of the run, or its beginning")
    add_out_argument(export)
    text = "Check every published run against its manifest; exit code 2 if one is damaged."
    add_output_arguments(_command(subparsers, "verify", commands.verify, text, "verify --format json"))


def _add_writers(subparsers: Commands) -> None:
    text = "Publish every run whose process died, and rebuild what is derived; prints the ids."
    refresh = _command(subparsers, "refresh", commands.refresh, text, "refresh --store data")
    text = "Publish the run of one spool directory; prints its id."
    adopting = _command(
        subparsers, "adopt", commands.adopt_, text, "adopt data/spool/0198c1f2-8a4e-7cc3-98c4-dc0c0c07398f"
    )
    adopting.add_argument("spool", type=Path, metavar="DIR", help="<store>/spool/<run id>")
    adopting.add_argument(
        "--force",
        action="store_true",
        help="also where the file system has no locks: the run must have ended",
    )
    text = "Bring raw result files of the study in, each as a run; prints the ids."
    importing = _command(
        subparsers, "import", commands.import_, text, "import results.json results.json.gz --experiment c255"
    )
    importing.add_argument("files", nargs="+", type=Path, metavar="FILE")
    importing.add_argument("--experiment", metavar="NAME", help="instead of the name that the file gives")
    text = "Add to runs what was not recorded with them, as a dated layer with its source; prints the ids."
    example = "enrich 0198c1f2 --set optimization=unoptimized --set seed=42"
    enriching = _command(subparsers, "enrich", commands.enrich, text, example)
    enriching.add_argument("runs", nargs="*", metavar="RUN", help="id of a run, or its beginning")
    how = enriching.add_mutually_exclusive_group(required=True)
    how.add_argument("--set", action="append", metavar="KEY=VALUE", help="a value; may be repeated")
    how.add_argument("--from", dest="from_file", type=Path, metavar="FILE", help="a JSON object of values")
    inferring = "what configuration, metadata and file name say of columns that are NULL"
    how.add_argument("--infer", action="store_true", help=inferring)
    add_selection_arguments(enriching)
    for command in (refresh, adopting, importing, enriching):
        add_output_arguments(command)


if __name__ == "__main__":
    sys.exit(main())
