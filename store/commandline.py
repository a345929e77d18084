"""What every command line here has in common: how it ends, and one sentence where something is wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable

from probes.streams import leave, muted, note, opened
from store import errors

__all__ = ["guarded", "leave", "muted", "note", "refused", "sentence"]


def guarded(run: Callable[[], int]) -> int:
    """Run a command and return its exit code: its own, 2 refused in one sentence, 130 after Ctrl-C.

    A closed stdout ends it quietly.
    """
    opened()
    try:
        code = run()
        sys.stdout.flush()
    except SystemExit as end:  # argparse's --help and errors
        code = end.code if isinstance(end.code, int) else 2
    except BrokenPipeError:  # the reader has seen enough
        code = 0
    except KeyboardInterrupt:
        code = refused("interrupted", 130)
    except RuntimeError as error:  # what DuckDB makes of a Ctrl-C while it works
        if str(error) != "Query interrupted":
            raise
        code = refused("interrupted", 130)
    except (ValueError, OSError) as error:
        code = refused(sentence(error), 2)
    return muted(code)


def refused(reason: str, code: int) -> int:
    """Say why on stderr and return ``code``."""
    note(reason)
    return code


def sentence(error: Exception) -> str:
    """Return what an exception says, in one line."""
    if isinstance(error, OSError):
        return errors.sentence(error)
    return " ".join(str(error).split()) or type(error).__name__
