"""How a loop over a generator was left: by ``break``, or by an exception, and by which kind.

The generator sees ``GeneratorExit`` in both cases, and ``sys.exc_info()`` in it is empty: an exception on its way
out of a frame is in no handler yet.  What tells them apart, tried on CPython 3.11.7, 3.12.1 and 3.13.0: the frame
that drops the generator stands at the instruction that raised, and a traceback object knows that frame and that
instruction.  Looking for it visits every object of the process once, at the end of a run.
"""

from __future__ import annotations

import _thread
import gc
import linecache
import opcode
import signal
import sys
import threading
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import NamedTuple

from probes.environment import shown
from probes.running import Status

_OURS = str(Path(__file__).parent / "_").removesuffix("_")
_AT_YIELD = ("YIELD_VALUE", "RESUME", "SEND")
_RAISING = ("RAISE_VARARGS", "RERAISE")
_FORGETTING = ("POP_EXCEPT", "STORE_", "DELETE_")


class Departure(NamedTuple):
    """The status that a way of leaving means, and the sentence for ``error``."""

    status: Status
    error: str | None


class Pending(NamedTuple):
    """References to the two exception types that do not mean failure, counted while nothing is raised.

    Until 3.11 an exception on its way is a bare reference to its type; often there is no instance yet.  Since
    3.12 there is always one, and these counts are constant.
    """

    keyboard_interrupt: int
    system_exit: int


COUNTED = (sys.getrefcount, KeyboardInterrupt, SystemExit)
"""What counts, and the types that it counts references to, for the loop to hold as long as it lasts."""


def departure(frame: FrameType | None, consumer: CodeType, before: Pending) -> Departure:
    """Tell how the loop was left whose generator is being closed.

    Parameters
    ----------
    frame : frame or None
        Where the generator's reference was dropped.
    consumer : code
        What asked for the first item.
    before : Pending
        The counts at the last item.
    """
    now = Pending(sys.getrefcount(KeyboardInterrupt), sys.getrefcount(SystemExit))
    frame = _skip_generators(frame)
    if frame is None:
        return Departure("completed", None)
    instruction = _instruction(frame)
    traces = [one for one in gc.get_referrers(frame) if isinstance(one, TracebackType)]
    raised = [one for one in traces if one.tb_lasti == frame.f_lasti]
    if not raised and instruction in _RAISING:
        raised = traces[-1:]  # raised again: the traceback stands at the first time
    if raised:
        return _by_exception(raised, before, now)
    if frame.f_code is not consumer and instruction.startswith(_FORGETTING):
        # A comprehension's traceback keeps its iterator until the exception is forgotten, somewhere else.
        return Departure("failed", "an exception left the loop")
    return Departure("completed", None)


def at_exit() -> Departure:
    """Tell how a loop was left that is still open when the interpreter exits."""
    kind, value = getattr(sys, "last_type", None), getattr(sys, "last_value", None)
    if kind is None or issubclass(kind, KeyboardInterrupt):
        return Departure("interrupted", "the interpreter ended within the loop")
    return Departure("failed", f"{kind.__name__}: {value}")


def by(error: BaseException) -> Departure:
    """Tell what an exception means."""
    interrupted = isinstance(error, KeyboardInterrupt | SystemExit)
    return Departure("interrupted" if interrupted else "failed", f"{type(error).__name__}: {error}")


def interrupt_soon() -> None:
    """Interrupt the main thread in a moment: what is raised within a generator that is dropped goes nowhere."""
    later = threading.Timer(0.05, _interrupt)
    later.daemon = True
    later.start()


def _interrupt() -> None:
    main = threading.main_thread().ident
    if main is not None and hasattr(signal, "pthread_kill"):
        # Unlike interrupt_main() it wakes a thread that sleeps.
        signal.pthread_kill(main, signal.SIGINT)
    else:
        _thread.interrupt_main()


def _by_exception(raised: list[TracebackType], before: Pending, now: Pending) -> Departure:
    for trace in raised:
        for holder in gc.get_referrers(trace):
            if isinstance(holder, BaseException) and holder.__traceback__ is trace:
                return by(holder)
    where = _where(raised[-1])
    if now.keyboard_interrupt > before.keyboard_interrupt:
        return Departure("interrupted", f"KeyboardInterrupt at {where}")
    if now.system_exit > before.system_exit:
        return Departure("interrupted", f"SystemExit at {where}")
    return Departure("failed", f"an exception at {where}")


def _where(trace: TracebackType) -> str:
    """Return the innermost line that is not ours: ``observe`` refuses what its caller wrote."""
    last: TracebackType | None = trace
    while last is not None:
        if not last.tb_frame.f_code.co_filename.startswith(_OURS):
            trace = last
        last = last.tb_next
    path, line = trace.tb_frame.f_code.co_filename, trace.tb_lineno
    return f"{shown(path)}:{line}: {linecache.getline(path, line).strip()}"


def _skip_generators(frame: FrameType | None) -> FrameType | None:
    """Go out of generators that are being closed around the loop (a progress bar is one)."""
    while frame is not None and _instruction(frame) in _AT_YIELD:
        frame = frame.f_back
    return frame


def _instruction(frame: FrameType) -> str:
    return opcode.opname[frame.f_code.co_code[frame.f_lasti]]
