"""``python -m conf.reproduction``: run the scaled phases, judge, and write every table of the study again."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from conf.reproduction import (
    case,
    comparison,
    costs,
    experiments,
    files,
    judgements,
    model,
    readings,
    synergies,
    tables,
    timelines,
    unit_error,
)
from conf.reproduction.checks import Section, passed, row
from conf.reproduction.material import EXPERIMENTS, REVIEW, Material, bring_in, run
from store import open_catalog
from store.commandline import guarded, leave


class Part(Protocol):
    """A module of a section."""

    __name__: str
    NUMBER: int
    TITLE: str

    def section(self, material: Material, /) -> Section:
        """Compute its rows."""


PARTS: tuple[Part, ...] = (
    case,
    experiments,
    model,
    synergies,
    judgements,
    comparison,
    files,
    unit_error,
    readings,
    timelines,
    costs,
)
LEFT_OUT = "The recorded files were left out: give ARCHIVE=DIR (--archive DIR) to import and check them."


def main(argv: Sequence[str] | None = None) -> int:
    """Reproduce; return 0 if all that can be checked passes, 1 if not, 2 if the command is wrong."""
    return guarded(lambda: _reproduce(_parser().parse_args(argv)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m conf.reproduction",
        description="Run the study's experiments scaled, judge them, and write each of its tables: published, "
        "expected, found.",
        epilog="Runs that the store holds completed are not run again; remove it to start anew.  "
        "example: python -m conf.reproduction --archive recorded/ --out out",
    )
    parser.add_argument("--archive", type=Path, metavar="DIR", help="directory of the study's recorded files")
    parser.add_argument("--store", type=Path, metavar="DIR", help="where runs are kept (default OUT/store)")
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="tables (default out)")
    return parser


def _reproduce(arguments: argparse.Namespace) -> int:
    out, archive = arguments.out.absolute(), arguments.archive
    store = (arguments.store or out / "store").absolute()
    if archive is not None and not archive.is_dir():
        raise ValueError(f"{archive} is no directory; name the one that holds the study's recorded files")
    remarks = [] if archive else [LEFT_OUT]
    _say(remarks)
    imported, refused = bring_in(archive, store, lambda line: _say([line])) if archive else ({}, {})
    codes: dict[str, int] = {}
    for name in [*([REVIEW] if archive else []), *EXPERIMENTS]:
        _say([f"--- {name}"])
        codes[name] = run(name, store, out / "logs" / f"{name}.txt")
        if codes[name] > 128:  # stopped by a signal
            return codes[name]
    with open_catalog(store) as catalog:
        material = Material(catalog=catalog, archive=archive, codes=codes, imported=imported, refused=refused)
        sections = [section(part, material) for part in PARTS]
    tables.write(out, sections, remarks)
    print("\n".join(tables.checklist(sections, remarks)))
    print(f"tables: {out / 'index.md'}")
    return 0 if passed(sections) else 1


def section(part: Part, material: Material) -> Section:
    """Compute a section; what keeps it from being computed becomes a check that fails."""
    try:
        return part.section(material)
    except (ValueError, OSError) as error:
        name = part.__name__.rpartition(".")[2]
        failed = row(f"{name} can be computed", expected=True, found=False, holds=None, how=str(error))
        return Section(number=part.NUMBER, name=name, title=part.TITLE, rows=(failed,))


def _say(lines: Sequence[str]) -> None:
    for line in lines:
        print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    leave(main())
