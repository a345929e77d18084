"""driftlab run|store|stats|probes …: the commands of a clone, from anywhere."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

from probes.streams import leave

COMMANDS = {
    "run": "conf",
    "store": "store.__main__",
    "stats": "stats.__main__",
    "probes": "probes.__main__",
}
USAGE = """usage: driftlab {run,store,stats,probes} …

  run     run what an experiment declares, keep it, judge it
  store   list, query, import, export and verify runs
  stats   verdicts, comparisons, synergy, timelines
  probes  tell what this machine can measure; run one job

`driftlab COMMAND --help` tells more.  Example: driftlab run experiment=smoke
"""


def script() -> NoReturn:
    """Be the process of ``driftlab``."""
    leave(main())


def main(argv: Sequence[str] | None = None) -> int:
    """Hand the command line to one of the commands; return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in ("-h", "--help"):
        sys.stdout.write(USAGE)
        return 0
    if not words:
        sys.stderr.write(USAGE)
        return 2
    if words[0] not in COMMANDS:
        sys.stderr.write(f"driftlab: {words[0]} is no command; give one of {', '.join(COMMANDS)}\n")
        return 2
    # Imported here: `driftlab store sql` must not wait for Hydra and SciPy.
    command = importlib.import_module(COMMANDS[words[0]])
    return int(command.main(words[1:]))
