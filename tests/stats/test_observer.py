"""Our own probes accused by our own verdict: a probe that waits for the disk at each reading, really run."""

import gc
import json
import time
from typing import NamedTuple

import pytest

from probes.identity import new_run_id
from probes.meters import Meters
from probes.recording import Recorder
from probes.running import Running
from stats import judge, observer
from store.adopting import adopt
from store.catalog import open_catalog


class Sample(NamedTuple):
    commits: int | None


class Journal:
    """Waits at each reading for as long as a few commits to a disk take, as no probe should.

    How long real ones take is anybody's guess: nothing in memory, a second where others write too.
    """

    every_s = None

    def __init__(self, every_cycles):
        self.every_cycles, self._commits = every_cycles, 0

    def read(self):
        time.sleep(0.01)
        self._commits += 1
        return Sample(self._commits)

    def close(self):
        pass


@pytest.fixture
def published(tmp_path):
    """Record and publish cycles of ``work``, with the journal read every so many."""

    def run(cycles, work=lambda: None, every_cycles=1, mode="auto"):
        spool = tmp_path / "store" / "spool" / new_run_id()
        spool.mkdir(parents=True)
        conditions = [{"name": "all", "position": 0, "cycles": cycles, "mechanisms": {}}]
        job = {"format": 1, "run_id": spool.name, "experiment": "own", "environment": {"host": "here"}}
        (spool / "job.json").write_text(json.dumps({**job, "conditions": conditions}))
        running, probes = Running(spool), {"journal": Journal(every_cycles)}
        # The heap of a test run is large: a collection in one of a few short cycles would be most of their time.
        gc.collect()
        gc.disable()
        try:
            with (
                Meters() as meters,
                Recorder(running, meters=meters, observables={}, probes=probes, accounts=mode) as recorder,
            ):
                recorder.begin(0)
                for _ in range(cycles):
                    work()
                    recorder.end_cycle(())
                recorder.end_condition()
        finally:
            gc.enable()
        running.end("completed", None)
        adopt(spool, own=True)
        with open_catalog(tmp_path / "store") as catalog:
            return judge(catalog)

    return run


def test_a_probe_that_commits_at_each_reading_is_the_level_and_named(published):
    found = published(5)
    assert found.level.account == "probe"
    assert "probe journal takes " in found.level.detail
    assert any(note.startswith("probe journal takes ") for note in found.notes)


def test_a_probe_that_was_lowered_is_named_with_what_it_would_have_taken(published):
    (note,) = [note for note in published(2000).notes if note.startswith("probe journal")]
    assert "at every_cycles=1 it took " in note
    assert "so it was lowered to every_cycles=" in note


def test_a_run_in_light_mode_has_its_level_from_the_windows(published):
    found = published(300, work=lambda: sum(range(20_000)), every_cycles=299, mode="light")
    assert found.level.account in ("cpu", "runq")
    assert "% cpu + " in found.level.detail
    assert "% off-CPU" in found.level.detail


def test_a_cheap_probe_is_not_accused():
    entry = {
        "reads": 10,
        "ns": 90,
        "cpu_ns": 90,
        "asked": {"every_cycles": 1},
        "in_effect": {"every_cycles": 1},
    }
    totals = {"r": {"wall": 10_000, "probe": 90}}
    assert observer.costs({"r": {"memory": entry, "loop": {"ns": 9999}}}, totals) == []


def test_rates_of_another_shape_cost_no_verdict():
    entry = {"reads": 2, "ns": 4000, "asked": 7, "in_effect": None, "share_as_asked": 0.5}
    (note,) = observer.notes({"r": {"memory": entry}}, {"r": {"wall": 10_000, "probe": 4000}})
    assert note.startswith("probe memory takes 40 % of the run")


def test_the_dearest_probe_stands_first():
    def entry(ns):
        rate = {"every_cycles": 1}
        return {"reads": 2, "ns": ns, "cpu_ns": ns // 10, "asked": rate, "in_effect": rate}

    totals = {"r": {"wall": 10_000_000, "probe": 1}}
    found = observer.costs({"r": {"a": entry(2_000_000), "b": entry(4_000_000)}}, totals)
    assert [cost.probe for cost in found] == ["b", "a"]
    said = "probe b takes 40 % of the run (2 ms a reading, 90% of it not on a CPU)"
    assert observer.dearest({"r": {"a": entry(2_000_000), "b": entry(4_000_000)}}, totals) == said


def test_of_runs_that_lowered_a_probe_differently_the_dearest_is_told_with_its_own_rates():
    def lowered(share, to):
        return {"reads": 2, "ns": 9, "asked": {"every_cycles": 1}, "in_effect": {"every_cycles": to}} | share

    totals = {name: {"wall": 1000, "probe": 9} for name in "ab"}
    ledgers = {"a": {"m": lowered({}, 1)}, "b": {"m": lowered({"share_as_asked": 0.41}, 60)}}
    (note,) = observer.notes(ledgers, totals)
    assert note.endswith(
        "at every_cycles=1 it took 41 % of one of 2 runs, so it was lowered to every_cycles=60"
    )


def test_the_parts_of_our_account_add_up():
    rate = {"every_cycles": 1}
    memory = {"reads": 3, "ns": 350, "baseline_ns": 150, "asked": rate, "in_effect": rate}
    ledger = {"memory": memory, "accounts": {"ns": 30}, "spool": {"ns": 610}, "loop": {"ns": 840}}
    named, parts = observer.notes({"r": ledger}, {"r": {"wall": 1000, "probe": 810}})
    assert named.startswith("probe memory takes 20 % of the run (0.0001 ms a reading)")
    assert parts.startswith(
        "our probes' 81 % = 20 % readings + 61 % the recorder's windows and segments; beside them"
    )
    assert parts.endswith("the end of each cycle, its clocks and its row, takes 3 %")
