"""``python -m store``: list, query, describe, publish, import, enrich, tag, export, remove and verify runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from probes.missing import explained

with explained(typed=True):
    from store.commandline import guarded, leave
    from store.commands import parsing
    from store.selection import subcommand_first


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 2 refused in one sentence, 130 after Ctrl-C."""
    return guarded(lambda: _run(sys.argv[1:] if argv is None else argv))


def _run(argv: Sequence[str]) -> int:
    arguments = parsing.parser().parse_args(subcommand_first(argv, parsing.VALUED))
    code: int = arguments.command(arguments)
    return code


if __name__ == "__main__":
    leave(main())
