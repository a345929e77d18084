"""A command typed with a Python that lacks what it needs: one sentence instead of a traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from probes.streams import note

OWN = ("benchmarks", "conf", "nrm", "probes", "stats", "store", "workloads")
LEAST = (3, 11)


@contextmanager
def explained(*, typed: bool) -> Iterator[None]:
    """Import within the block; what is not installed ends a command that was ``typed`` with exit code 2."""
    version = ".".join(map(str, sys.version_info[:2]))
    if typed and sys.version_info[:2] < LEAST:
        _end(f"this is Python {version}, older than 3.11")
    try:
        yield
    except KeyboardInterrupt:
        if not typed:
            raise
        note("interrupted")
        # `python -m` ends by the signal itself after a Ctrl-C in text that was executed, as a dataclass is, unless
        # more text is (CPython's unhandled_keyboard_interrupt).
        exec("")  # noqa: S102
        raise SystemExit(130) from None
    except ModuleNotFoundError as error:
        name = str(error.name).partition(".")[0]
        if not typed or name in OWN:
            raise
        _end(f"{name} is not installed for {sys.executable}")


def as_module() -> bool:
    """Tell whether ``python -m`` is importing the package of the command that was typed."""
    return sys.argv[0] == "-m" or sys.argv[0].endswith("__main__.py")


def _end(reason: str) -> None:
    note(f"{reason}; run `make setup`, then `. .venv/bin/activate`")
    raise SystemExit(2)
