"""The recording of one loop in the user's own process: it may raise before the loop, never into it."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import get_ident
from typing import Any

from probes import build, environment, leaving, parent
from probes.charging import active
from probes.leaving import Departure
from probes.meters import Meters
from probes.observing import Observed
from probes.recording import Recorder
from probes.room import SpoolLost
from probes.running import Running, write_note


class CannotRecord(OSError):  # noqa: N818 - reads as the sentence it is
    """The store takes no run, said before the loop begins."""


def refusal(store: Path, error: OSError) -> CannotRecord:
    """Return the one sentence that says why a store takes no run."""
    return CannotRecord(
        f"store {store} cannot be written ({error.strerror or error}); give track() another store"
    )


class LoopMeters(Meters):
    """Meters that know the process they count in, and whether somebody tried to record within their loop."""

    __slots__ = ("intruded", "pid")

    def __init__(self) -> None:
        super().__init__()
        self.pid, self.intruded = os.getpid(), False


class Recording:
    """The recorder of one loop; after the first trouble of its own it does nothing more.

    Parameters
    ----------
    job : mapping
        What ``job.json`` is to hold; ``build.probe`` are the probes' leaves.
    store : Path
        The store's directory.
    planned : int, optional
        Cycles to make room for.
    start : int
        Number of the first cycle.
    private : bool
        Leave the user's name out of the error.
    """

    def __init__(
        self, job: Mapping[str, Any], *, store: Path, planned: int | None, start: int, private: bool
    ) -> None:
        self.run_id = str(job["run_id"])
        self._private = private
        self._trouble: str | None = None
        self._ended = False
        # Nothing more is written; a forked child, of which the recorder knows, need not be told.
        self._over = False
        self._meters = _entered()  # first: a second recording at the same time leaves nothing behind
        try:
            self._open(job, (store / "spool" / self.run_id).absolute(), planned, start)
        except BaseException as error:
            self._meters.__exit__(None, None, None)
            if isinstance(error, OSError) and not isinstance(error, SpoolLost):
                raise refusal(store, error) from None
            raise
        atexit.register(self._at_exit)

    def end_cycle(self) -> None:
        """Write the cycle that has just ended."""
        if self._over:
            return
        try:
            if self._thread != get_ident():
                raise RuntimeError("a cycle ended in another thread than the first; loop in one thread")
            self._end_cycle()
        except Exception as error:
            self._stop(error)

    def observe(self, values: Mapping[str, object]) -> None:
        """Set observables of the cycle under way; see ``Observed``."""
        if not self._over:
            self._observed.observe(values)

    def end(self, how: Departure) -> None:
        """Write the end and have the run published; a second call, or a forked child's, does nothing."""
        if self._ended or not self._running.owned:
            return
        self._ended = self._over = True
        atexit.unregister(self._at_exit)
        try:
            self._finish(how)
        except Exception as error:
            self._stop(error)
        finally:
            self._meters.__exit__(None, None, None)
        if self._meters.intruded and how.status == "failed" and not self._recorder.cycles:
            self._discard()
        elif self._spool.exists():
            self._publish()
        elif self._trouble is None and not self._adopted():
            write_note(f"{self._spool} is gone, and with it the run; look who removed it")

    def _open(self, job: Mapping[str, Any], spool: Path, planned: int | None, start: int) -> None:
        parent.write_job(spool, job)
        self._spool = spool
        self._running = Running(spool)
        with ExitStack() as begun:
            begun.push(self._not_begun)
            self._recorder = begun.enter_context(
                Recorder(
                    self._running,
                    meters=self._meters,
                    observables={},
                    probes=build.probes(job["build"]["probe"], self._meters),
                    cycles=planned,
                    first_cycle=start,
                )
            )
            self._recorder.begin(0)
            begun.pop_all()
        self._observed = Observed(self._recorder, self._meters)
        self._end_cycle, self._thread = self._observed.end_cycle, self._meters.thread

    def _not_begun(self, _type: object, error: BaseException | None, _where: object) -> None:
        if error is not None:
            self._running.end(leaving.by(error).status, str(error) or type(error).__name__)

    def _finish(self, how: Departure) -> None:
        try:
            if self._trouble is None and how.status == "completed":
                self._recorder.end_condition()
                self._note_leftover()
            self._recorder.__exit__(None, None, None)
        except Exception as error:
            self._stop(error)
        finally:
            status, error_text = how if self._trouble is None else Departure("failed", self._trouble)
            if self._private and error_text:
                error_text = environment.without_names(error_text)
            self._running.end(status, error_text)

    def _note_leftover(self) -> None:
        if self._observed.pending:
            self._running.notes.append(
                "what was observed behind the last cycle stands in no row; observe() before the cycle ends"
            )

    def _stop(self, error: Exception) -> None:
        self._over = True
        if self._trouble is None:
            self._trouble = str(error)
            write_note(f"nothing more is recorded: {error}")

    def _discard(self) -> None:
        """Remove a run in which nothing happened but the attempt to begin another one."""
        write_note(f"run {self.run_id} is not kept: another recording was begun within its first cycle")
        with suppress(OSError):
            for path in self._spool.iterdir():
                path.unlink()
            self._spool.rmdir()

    def _publish(self) -> None:
        # --force: where there are no locks, nobody but us can know that the run has ended.
        adopt = [sys.executable, "-P", "-m", "store", "adopt", str(self._spool), "--force"]
        published = False
        try:
            with suppress(OSError):
                child = subprocess.Popen(
                    adopt,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    env=parent.package_environment(),
                    start_new_session=True,
                )
                published = _exit_code(child) == 0
        finally:
            if not published and self._spool.exists():
                write_note(
                    f"the run stays in {self._spool}; "
                    f"python -m store refresh --store {self._spool.parent.parent} publishes it"
                )

    def _adopted(self) -> bool:
        """Whether somebody else published the run: ``adopt --force`` may, and from the unlocking on anybody."""
        return (self._spool.parent.parent / "runs" / f"run_id={self.run_id}").exists()

    def _at_exit(self) -> None:
        self.end(leaving.at_exit())


def _exit_code(publisher: subprocess.Popen[bytes]) -> int:
    """Wait for the publisher, after Ctrl-C too: that does not reach a session of its own, and it is short."""
    try:
        return publisher.wait()
    except BaseException:
        write_note("interrupted; the run is published first")
        publisher.wait()
        raise


def _entered() -> LoopMeters:
    """Return meters that count from now on.

    Raises
    ------
    RuntimeError
        If this process is being recorded already.
    """
    known = active()
    if isinstance(known, LoopMeters) and known.pid != os.getpid():
        known.__exit__(None, None, None)  # a forked child has them from its parent, whose loop is not its own
        known = active()
    meters = LoopMeters()
    try:
        meters.__enter__()
    except RuntimeError:
        if isinstance(known, LoopMeters):
            known.intruded = True
        raise
    return meters
