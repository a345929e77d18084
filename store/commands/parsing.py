"""The words and options of ``python -m store``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from store import exporting, selection
from store.commands import asking, changing
from store.selection import (
    Parser,
    add_out_argument,
    add_output_arguments,
    add_selection_arguments,
    add_store_argument,
    count,
    whole,
)

VALUED = (
    *selection.VALUED,
    *("--experiment", "--map", "--set", "--from", "--sort", "--columns"),
    *("--file", "-f", "--param", "--limit", "--memory-limit"),
)
"""Options that take a value, which is then no command."""

SHELL_ROWS = 1000

Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


def parser() -> Parser:
    """Return the parser of all commands."""
    whole = Parser(
        prog="python -m store",
        description="List, query, import, export, tag, remove and verify the runs of a store.",
        epilog="Options may stand before or after the command.  COMMAND --help tells more.\n\n"
        'example: python -m store sql "select experiment, count(*) from runs group by all"',
    )
    subparsers = whole.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (
        _add_ls, _add_sql, _add_shell, _add_describe, _add_import, _add_export, _add_enrich, _add_tag, _add_rm,
        _add_refresh, _add_adopt, _add_compact, _add_verify,
    ):  # fmt: skip
        add(subparsers)
    return whole


def _command(
    subparsers: Commands, name: str, function: Callable[[argparse.Namespace], int], text: str, *examples: str
) -> argparse.ArgumentParser:
    epilog = "\n".join(f"example: python -m store {example}" for example in examples)
    command: argparse.ArgumentParser = subparsers.add_parser(name, help=text, description=text, epilog=epilog)
    command.set_defaults(command=function)
    add_store_argument(command)
    return command


def _add_ls(subparsers: Commands) -> None:
    text = "List runs, running ones included."
    example = "ls --where \"status='failed'\" --sort 'wall_s desc'"
    command = _command(
        subparsers, "ls", asking.ls, text, example, "ls --columns run_id,seed,tags --tag baseline"
    )
    sort = "columns of runs, each with asc or desc if wanted, such as 'wall_s desc, seed' (default by start)"
    command.add_argument("--sort", metavar="COLUMNS", help=sort)
    command.add_argument("--columns", metavar="COLUMNS", help="these columns of runs, by commas, or all")
    add_selection_arguments(command)
    add_output_arguments(command)


def _add_sql(subparsers: Commands) -> None:
    text = "Ask one SELECT over the store's tables; it can read them and nothing else."
    command = _command(
        subparsers, "sql", asking.sql, text,
        'sql "select status, count(*) from runs group by all" --format json',
        'sql -f slopes.sql --param experiment=c256 --out slopes.csv',
    )  # fmt: skip
    statement = "one statement: SELECT, DESCRIBE, SHOW or SUMMARIZE; without it, or as -, stdin holds it"
    command.add_argument("query", nargs="?", metavar="SELECT", help=statement)
    command.add_argument("-f", "--file", type=Path, metavar="FILE", help="a file that holds the statement")
    param = "value of $NAME, as JSON or text; may be repeated"
    command.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help=param)
    limit = "only the first N rows; 0: none, the columns alone"
    command.add_argument("--limit", type=whole, metavar="N", help=limit)
    _add_memory_limit(command)
    add_selection_arguments(command)
    add_output_arguments(command)


def _add_shell(subparsers: Commands) -> None:
    text = "Ask one statement after another, with history and completion."
    command = _command(subparsers, "shell", asking.shell, text, "shell --where \"experiment='c256'\"")
    shown = "rows shown of an answer (default %(default)s)"
    command.add_argument("--limit", type=count, default=SHELL_ROWS, metavar="N", help=shown)
    _add_memory_limit(command)
    add_selection_arguments(command)
    formats = ("table", "json", "csv", "markdown")
    command.add_argument("--format", choices=formats, help="how answers are written (default table)")


def _add_describe(subparsers: Commands) -> None:
    text = "List the tables, or one table's columns with types and units."
    command = _command(subparsers, "describe", asking.describe, text, "describe cycles")
    command.add_argument("table", nargs="?", metavar="TABLE")
    add_selection_arguments(command)
    add_output_arguments(command)


def _add_import(subparsers: Commands) -> None:
    text = "Bring result files, tables of cycles, stores or trees of them in; prints the ids of the runs."
    command = _command(
        subparsers, "import", changing.import_, text,
        "import results.json results.json.gz --experiment c255",
        "import mine.csv --map wall_ns=duration:ms --map cycle=step --map population=alive",
        "import mine.parquet --map wall_ns=seconds:s",
        "import ../other-store",
    )  # fmt: skip
    command.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="a file, plain or gzip, or a directory"
    )
    command.add_argument(
        "--experiment", type=_name, metavar="NAME", help="instead of the name that the file gives"
    )
    columns = (
        "of a table of cycles, CSV or Parquet: COLUMN of cycles, or an observable, is NAME there, in UNIT (ns us ms s; "
        "B kB KiB ...); may be repeated"
    )
    command.add_argument("--map", action="append", default=[], metavar="COLUMN=NAME[:UNIT]", help=columns)
    add_output_arguments(command)


def _add_export(subparsers: Commands) -> None:
    text = "Write runs in the study's raw form (gzip if FILE ends in .gz), or as they are, into a store of their own."
    command = _command(
        subparsers, "export", changing.export, text,
        "export 0198c1f2 --out run.json.gz",
        "export --where \"experiment='c256'\" --format parquet --out c256-store",
    )  # fmt: skip
    _add_runs(command)
    add_selection_arguments(command)
    formats = "json: the raw form, some of a run; parquet: all of it, for import (default %(default)s)"
    command.add_argument("--format", choices=exporting.FORMATS, default="json", help=formats)
    add_out_argument(command)


def _add_enrich(subparsers: Commands) -> None:
    text = "Add to runs what was not recorded with them, as a dated layer with its source; prints the ids."
    example = "enrich 0198c1f2 --set optimization=unoptimized --set seed=42"
    command = _command(subparsers, "enrich", changing.enrich, text, example)
    _add_runs(command)
    how = command.add_mutually_exclusive_group(required=True)
    how.add_argument("--set", action="append", metavar="KEY=VALUE", help="a value; may be repeated")
    how.add_argument("--from", dest="from_file", type=Path, metavar="FILE", help="a JSON object of values")
    inferring = "what configuration, metadata and file name say of columns that are NULL"
    how.add_argument("--infer", action="store_true", help=inferring)
    add_selection_arguments(command)
    add_output_arguments(command)


def _add_tag(subparsers: Commands) -> None:
    text = "Give runs a label, or take it back; prints the ids of the runs that changed."
    command = _command(
        subparsers, "tag", changing.tag, text,
        "tag 0198c1f2 baseline",
        "tag phase=2 --where \"experiment='c256'\"",
        "tag --remove baseline --tag baseline",
    )  # fmt: skip
    _add_runs(command)
    command.add_argument("label", metavar="LABEL", help="NAME or NAME=VALUE, which replaces another value")
    command.add_argument("--remove", action="store_true", help="take the label back; NAME takes any value")
    add_selection_arguments(command)
    add_output_arguments(command)


def _add_rm(subparsers: Commands) -> None:
    text = "Show which runs would be removed and what they take; with --yes they go for good."
    command = _command(subparsers, "rm", changing.rm, text, "rm --where \"status='failed'\" --yes")
    _add_runs(command)
    command.add_argument("--yes", action="store_true", help="remove them")
    add_selection_arguments(command)
    add_output_arguments(command)


def _add_compact(subparsers: Commands) -> None:
    text = "Merge the rows of all runs into a cache, where many short runs make questions slow; prints rows by table."
    add_output_arguments(_command(subparsers, "compact", changing.compact, text, "compact --store data"))


def _add_refresh(subparsers: Commands) -> None:
    text = "Publish runs whose process died, rebuild what is derived; prints the ids; exit code 2 if one could not be."
    add_output_arguments(_command(subparsers, "refresh", changing.refresh, text, "refresh --store data"))


def _add_adopt(subparsers: Commands) -> None:
    text = "Publish the run of one spool directory; prints its id."
    example = "adopt data/spool/0198c1f2-8a4e-7cc3-98c4-dc0c0c07398f"
    command = _command(subparsers, "adopt", changing.adopt_, text, example)
    command.add_argument("spool", type=Path, metavar="DIR", help="<store>/spool/<run id>")
    force = "also where the file system has no locks: the run must have ended"
    command.add_argument("--force", action="store_true", help=force)
    add_output_arguments(command)


def _add_verify(subparsers: Commands) -> None:
    text = "Check every published run against its manifest; exit code 2 if one is damaged."
    command = _command(subparsers, "verify", asking.verify, text, "verify --format json", "verify --repair")
    repair = "move damaged runs out of runs/ into quarantine/; nothing is deleted"
    command.add_argument("--repair", action="store_true", help=repair)
    add_output_arguments(command)


def _add_runs(command: argparse.ArgumentParser) -> None:
    command.add_argument("runs", nargs="*", default=(), metavar="RUN", help="id of a run, or its beginning")


def _add_memory_limit(command: argparse.ArgumentParser) -> None:
    limit = (
        "memory that the query may take, such as 2GB or 50%% (default 50%% of the machine's), the answer's own "
        "rows apart"
    )
    command.add_argument("--memory-limit", type=_memory, metavar="SIZE", help=limit)


def _name(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError(f"{text!r} names no experiment")
    return text


def _memory(text: str) -> str:
    if not re.fullmatch(r"\d+(\.\d+)?\s?([KMGT]i?B|%)", text) or not float(re.split(r"[^\d.]", text)[0]):
        raise argparse.ArgumentTypeError(f"{text!r} is no size of memory such as 500MB, 2GiB or 50%")
    return text
