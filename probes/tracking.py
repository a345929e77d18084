"""Record a user's own loop: one line around it, and it ends as an ordinary run.

It lives in the user's process, so it installs no handler and never raises into the loop.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from operator import length_hint
from pathlib import Path
from typing import Any, Generic, TypeVar

from probes import build, environment, identity, leaving, ownership, parent, sources
from probes.leaving import Departure
from probes.meters import Meters
from probes.recording import SEGMENT_ROWS, Recorder
from probes.running import Running, write_note

T = TypeVar("T")

PROBES: Mapping[str, Mapping[str, Any]] = {
    "memory": {"_target_": "probes.memory.Probe", "every_cycles": 10},
    "garbage": {"_target_": "probes.garbage.Probe", "every_cycles": 10},
    "system": {"_target_": "probes.system.Probe", "every_s": 1.0},
}
"""Read unless they would take more than 1 % of the loop."""


def track(
    iterable: Iterable[T],
    *,
    experiment: str,
    store: str | os.PathLike[str] = "data",
    seed: int | None = None,
    condition: str = "all",
) -> Tracked[T]:
    """Record each turn of a loop as one cycle: ``for item in track(items, experiment="mine"): ...``.

    A cycle is the making of the item and the loop's body.  The run is published when the loop ends: as
    ``completed`` at its end or at ``break`` (the cycle broken off is no row), as ``failed`` if an exception leaves
    it, as ``interrupted`` at KeyboardInterrupt or ``sys.exit``.

    Parameters
    ----------
    iterable : iterable
        What to loop over.
    experiment : str
        The run's name in ``runs.experiment``.
    store : path
        The store's directory; made if missing.
    seed : int, optional
        Recorded, not used.
    condition : str
        The name of the only condition.

    Returns
    -------
    iterable
        The same items; every loop over it is a run.

    Raises
    ------
    ValueError
        If ``experiment`` or ``condition`` is empty.
    RuntimeError
        When the loop begins, if another one is being recorded in this process.
    OSError
        When the loop begins, if the store cannot be written.
    """
    for name, value in (("experiment", experiment), ("condition", condition)):
        if not isinstance(value, str) or not value:
            raise ValueError(f"{name}={value!r} names nothing; give a non-empty string")
    return Tracked(iterable, experiment=experiment, store=Path(store), seed=seed, condition=condition)


class Tracked(Generic[T]):
    """What ``track`` returns.

    Not itself the iterator: that one is held by the loop alone, and so is dropped in the moment in which the loop
    is left, also where this object has a name.
    """

    def __init__(
        self, iterable: Iterable[T], *, experiment: str, store: Path, seed: int | None, condition: str
    ) -> None:
        self._iterable = iterable
        self._experiment, self._store, self._seed, self._condition = experiment, store, seed, condition

    def __iter__(self) -> Iterator[T]:
        # In a generator an interrupt that arrives between two cycles lands in this try.
        consumer = sys._getframe(1).f_code
        cycles = length_hint(self._iterable, 0)
        # A length is no promise (range(10**9), left by break): only one that fits a segment is planned for.
        planned = cycles if 0 < cycles <= SEGMENT_ROWS else None
        recording = Recording(self._store, self._job(cycles), planned)
        before = leaving.pending()
        try:
            for item in self._iterable:
                before = leaving.pending()
                yield item
                recording.end_cycle()
        except GeneratorExit:
            recording.end(leaving.departure(sys._getframe().f_back, consumer, before))
            raise
        except BaseException as error:
            recording.end(leaving.by(error))
            raise
        recording.end(Departure("completed", None))

    def _job(self, cycles: int) -> dict[str, Any]:
        spools = self._store / "spool"
        conditions = [{"name": self._condition, "position": 0, "cycles": cycles, "mechanisms": {}}]
        return {
            "format": 1,
            "run_id": identity.new_run_id(),
            "experiment": self._experiment,
            "config_id": identity.config_id({"conditions": [self._condition], "probe": PROBES}),
            "sweep_id": None,
            "sweep_index": None,
            "optimization": None,
            "workload": None,
            "seed": self._seed,
            "replicate": None,
            "continues": None,
            "concurrent_runs": ownership.live(spools),
            "traced": sources.traced(PROBES, here=True),
            "sensor_source": sources.sensor_source(PROBES),
            "started_at": None,
            "environment": environment.facts(_script_directory()),
            "config": None,
            "conditions": conditions,
            "build": None,
            "probe_budget": "lower",
        }


class Recording:
    """The recorder of one loop; after the first trouble of its own it does nothing more."""

    def __init__(self, store: Path, job: Mapping[str, Any], cycles: int | None) -> None:
        self._meters = Meters()
        self._meters.__enter__()  # first: a second recording at the same time leaves nothing behind
        try:
            self._spool = (store / "spool" / job["run_id"]).absolute()
            parent.write_job(self._spool, job)
            self._running = Running(self._spool)
            self._recorder = self._open(cycles)
            self._recorder.begin(0)
        except BaseException:
            self._meters.__exit__(None, None, None)
            raise
        self._trouble: str | None = None
        self._ended = False
        atexit.register(self._at_exit)

    def end_cycle(self) -> None:
        """Write the cycle that has just ended."""
        if self._trouble is None and self._running.owned:
            try:
                self._recorder.end_cycle(())
            except Exception as error:
                self._stop(error)

    def end(self, how: Departure) -> None:
        """Write the end and have the run published; a second call, or a forked child's, does nothing."""
        if self._ended or not self._running.owned:
            return
        self._ended = True
        atexit.unregister(self._at_exit)
        try:
            self._finish(how)
        except Exception as error:
            self._stop(error)
        finally:
            self._meters.__exit__(None, None, None)
        if self._spool.exists():
            self._publish()

    def _open(self, cycles: int | None) -> Recorder:
        try:
            probes = build.probes(PROBES, self._meters)
            return Recorder(self._running, meters=self._meters, observables={}, probes=probes, cycles=cycles)
        except Exception as error:
            self._running.end("failed", str(error))
            raise

    def _finish(self, how: Departure) -> None:
        try:
            if self._trouble is None and how.status == "completed":
                self._recorder.end_condition()
            self._recorder.__exit__(None, None, None)
        except Exception as error:
            self._stop(error)
        finally:
            if self._trouble is None:
                self._running.end(*how)
            else:
                self._running.end("failed", self._trouble)

    def _stop(self, error: Exception) -> None:
        if self._trouble is None:
            self._trouble = str(error)
            write_note(f"nothing more is recorded: {error}")

    def _publish(self) -> None:
        adopt = [sys.executable, "-P", "-m", "store", "adopt", str(self._spool)]
        try:
            # A session of its own: a second Ctrl-C must not take the run with it.
            done = subprocess.run(
                adopt,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=parent.package_environment(),
                start_new_session=True,
                check=False,
            )
            published = done.returncode == 0
        except (OSError, KeyboardInterrupt):
            published = False
        if not published:
            store = self._spool.parent.parent
            write_note(
                f"the run stays in {self._spool}; python -m store refresh --store {store} publishes it"
            )

    def _at_exit(self) -> None:
        self.end(leaving.at_exit())


def _script_directory() -> Path:
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(main).resolve().parent if main else Path.cwd()
