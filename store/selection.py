"""Which runs a command is about, and the options that all commands share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from store.catalog import Catalog
from store.output import FORMATS

DEFAULT_STORE = Path("data")
DEFAULT_TIMEOUT_S = 60.0

VALUED = ("--store", "--where", "--run", "--tag", "--last", "--timeout-s", "--format", "--out")
"""Common options that take a value."""


class Parser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Print the message and exit with code 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What the command line asks of the runs; nothing asked selects all."""

    where: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    latest: bool = False
    last: int | None = None

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Selection:
        """Return the selection that parsed arguments hold."""
        return cls(
            where=tuple(arguments.where),
            runs=tuple(arguments.run),
            tags=tuple(arguments.tag),
            latest=arguments.latest,
            last=arguments.last,
        )

    def ids(self, catalog: Catalog, *, running: bool | None = None) -> list[str]:
        """Return the ids of the selected runs, oldest first.

        Raises
        ------
        ValueError
            If a predicate is wrong or a run is unknown.
        """
        return catalog.select(
            self.where, self.runs, self.tags, latest=self.latest, last=self.last, running=running
        )

    def __bool__(self) -> bool:
        """Tell whether anything was asked."""
        return bool(self.where or self.runs or self.tags or self.latest or self.last)


def add_store_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--store``."""
    parser.add_argument(
        "--store", type=_path, default=DEFAULT_STORE, metavar="DIR", help="the store (default %(default)s)"
    )


def add_selection_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose runs."""
    group = parser.add_argument_group("which runs")
    where = "SQL over table runs, such as \"experiment='c256'\"; repeated ones must all hold"
    group.add_argument("--where", action="append", default=[], metavar="PREDICATE", help=where)
    run = "this run, by id or its beginning; may be repeated"
    group.add_argument("--run", action="append", default=[], metavar="ID", help=run)
    tag = "only runs with this tag, by its name or as name=value; repeated ones must all be there"
    group.add_argument("--tag", action="append", default=[], metavar="T", help=tag)
    latest = "only the newest run of each experiment, configuration, seed and replicate"
    group.add_argument("--latest", action="store_true", help=latest)
    group.add_argument("--last", type=count, metavar="N", help="only the N newest runs")
    live = "count running runs in, with their rows so far"
    group.add_argument("--live", action="store_true", help=live)
    limit = "limit of a query or predicate (default %(default)g)"
    group.add_argument("--timeout-s", type=_seconds, default=DEFAULT_TIMEOUT_S, metavar="N", help=limit)


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--format`` and ``--out``."""
    group = parser.add_argument_group("output")
    group.add_argument("--format", choices=FORMATS, help="default: by the suffix of --out, else table")
    add_out_argument(group)


def add_out_argument(parser: argparse._ActionsContainer) -> None:
    """Add ``--out``."""
    parser.add_argument("--out", type=_path, metavar="FILE", help="write there instead of stdout")


def subcommand_first(argv: Sequence[str], valued: Sequence[str] = VALUED) -> list[str]:
    """Return the words as argparse takes them: the subcommand, options, the rest; they may stand in any order.

    ``valued`` names the options that take a value, which is no subcommand.  Without one only a wish for help
    is left.
    """
    for position, word in enumerate(argv):
        before = argv[position - 1] if position else ""
        if not word.startswith("-") and before not in valued:
            return [word, *_options_first([*argv[:position], *argv[position + 1 :]], valued)]
    return [word for word in argv if word in ("-h", "--help")]


def _options_first(words: Sequence[str], valued: Sequence[str]) -> Sequence[str]:
    if words and words[-1] in valued:  # else it would take a run for its value
        return words
    options: list[str] = []
    names: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            names += [word, *rest]
        elif word in valued:
            options += [word, next(rest)]
        else:
            (options if word.startswith("-") and word != "-" else names).append(word)
    return [*options, *names]


def _path(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("an empty path names nothing")
    return Path(text)


def whole(text: str) -> int:
    """Return a whole number of 0 or more.

    Raises
    ------
    argparse.ArgumentTypeError
        If the text is none.
    """
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


def count(text: str) -> int:
    """Return a whole number of 1 or more.

    Raises
    ------
    argparse.ArgumentTypeError
        If the text is none.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = float("nan")
    if not 0 < seconds < 1e7:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds
