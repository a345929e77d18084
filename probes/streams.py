"""The standard streams of a command, and how its process ends; closed, full or left by the reader, its code stays."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

MODES = {"stdin": "r", "stdout": "w", "stderr": "w"}


def opened() -> None:
    """Open those that are closed, on the null device.

    Python holds None for one, and the next file gets its number: what a library says on 2 would go into a run's rows.
    """
    for name in MODES:
        if getattr(sys, name) is None:
            _silence(name)


def note(text: str) -> None:
    """Say one sentence on stderr: stdout is for results."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"{text}\n")


def muted(code: int) -> int:
    """Return ``code``; nothing more goes to a stream that cannot take it, which the interpreter flushes at exit."""
    for name in ("stdout", "stderr"):
        try:
            getattr(sys, name).flush()
        except (OSError, ValueError):
            _silence(name)
    return code


def leave(code: int) -> NoReturn:
    """End this process with ``code``, as a child of multiprocessing does: without tearing the interpreter down.

    A thread of Arrow's that lets go of a buffer of Python's meanwhile is ended within a destructor, which aborts the
    process with 134: 44 of 500 that ended right after reading one, on a busy machine (pyarrow 26.0.1, Python 3.11).
    Ctrl-C would kill it in that time, too.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    atexit._run_exitfuncs()
    os._exit(muted(code))


def _silence(name: str) -> None:
    setattr(sys, name, open(os.devnull, MODES[name], encoding="utf-8"))  # noqa: SIM115 - lives until exit
