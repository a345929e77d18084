"""What every command line here has in common: how it ends, and one sentence where something is wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from store import errors


def guarded(run: Callable[[], int]) -> int:
    """Run a command and return its exit code: its own, 2 refused in one sentence, 130 after Ctrl-C.

    A closed stdout ends it quietly.
    """
    try:
        code = run()
        if sys.stdout is not None:
            sys.stdout.flush()
    except SystemExit as end:  # argparse's --help and errors
        return muted(end.code if isinstance(end.code, int) else 2)
    except BrokenPipeError:  # the reader has seen enough
        return muted(0)
    except KeyboardInterrupt:
        return refused("interrupted", 130)
    except RuntimeError as error:  # what DuckDB makes of a Ctrl-C while it works
        if str(error) != "Query interrupted":
            raise
        return refused("interrupted", 130)
    except (ValueError, OSError) as error:
        return refused(sentence(error), 2)
    return code


def refused(reason: str, code: int) -> int:
    """Say why on stderr and return ``code``."""
    note(reason)
    return muted(code)


def muted(code: int) -> int:
    """Let nothing more go to a stdout that is closed or full: the interpreter flushes it at exit."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - lives until exit
    return code


def note(text: str) -> None:
    """Say one sentence on stderr: stdout is for results."""
    sys.stderr.write(f"{text}\n")


def sentence(error: Exception) -> str:
    """Return what an exception says, in one line."""
    if isinstance(error, OSError):
        return errors.sentence(error)
    return " ".join(str(error).split()) or type(error).__name__
