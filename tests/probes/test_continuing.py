import json

import pytest

from probes import identity
from probes.tracking import track


def test_a_run_goes_on_where_a_killed_one_left_off(script, tmp_path, unpublished, read_rows):
    done = script(
        """
        t = tracked()
        for c in t:
            if c == 3:
                print(t.run_id, flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    killed = done.stdout.strip()
    rest = track(range(3, 8), experiment="mine", store=unpublished, start=3, continues=killed)
    for _ in rest:
        pass
    rows = read_rows(unpublished / "spool" / rest.run_id, "cycles")
    assert [row["cycle"] for row in rows] == [3, 4, 5, 6, 7]
    windows = read_rows(unpublished / "spool" / rest.run_id, "windows")
    assert (windows[0]["first_cycle"], windows[-1]["last_cycle"]) == (3, 7)
    job = json.loads((unpublished / "spool" / rest.run_id / "job.json").read_text())
    assert job["continues"] == killed


def test_a_run_can_continue_a_published_one_of_its_store_only(make_run, tmp_path):
    run_id = make_run(tmp_path, cycles={"wall_ns": [1, 2]})
    assert track([], experiment="mine", store=tmp_path, continues=run_id, start=2) is not None
    for wrong in (identity.new_run_id(), "..", "", 5):
        with pytest.raises(ValueError, match=r"is no run of .*choose one of: python -m store ls"):
            track([], experiment="mine", store=tmp_path, continues=wrong)


def test_a_run_under_way_cannot_be_continued(unpublished, loop):
    tracked = loop(unpublished, 1)
    for _ in tracked:
        with pytest.raises(ValueError, match="is a run that has not ended"):
            loop(unpublished, continues=tracked.run_id)


@pytest.mark.parametrize("start", [-1, 1.5, True, 2**63, "3"], ids=str)
def test_cycles_are_counted_from_a_whole_number(start):
    with pytest.raises(ValueError, match="is no cycle's number; give 0 or more"):
        track([], experiment="mine", start=start)
