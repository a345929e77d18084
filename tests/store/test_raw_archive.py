"""Every recorded result file becomes ordinary runs, with the numbers that stand in it."""

import json

import pytest

from store import open_catalog
from store.raw import NotImportable, import_file

RUNS = {
    "c265_critical_phenomena.json": ("c265", 450),
    "c277_critical_phenomena_results.json": ("c277", 150),
    "cycle148_temporal_regime_boundary_mapping.json": ("c148", 53),
    "cycle264_parameter_sensitivity_h1h2_results.json": ("c264", 64),
}


@pytest.fixture(scope="module")
def store(archive, tmp_path_factory):
    """Return a catalog of everything that the archive holds but its table of unit costs."""
    root = tmp_path_factory.mktemp("archive")
    notes = {}
    for path in sorted(archive.iterdir()):
        if path.name != "c256_cost_model.json":
            notes[path.name] = import_file(path, root).notes
    with open_catalog(root) as catalog:
        yield catalog, notes


@pytest.fixture
def ask(store):
    """Return a function that asks the store one statement."""
    catalog, _ = store
    return lambda sql: [tuple(row.values()) for row in catalog.query(sql)]


def test_every_file_is_there_as_imported_runs(ask):
    found = ask("select experiment, count(*) from runs where status = 'imported' group by all order by all")
    assert found == [
        ("c148", 53),
        ("c255", 2),
        ("c256", 1),
        ("c257", 1),
        ("c262", 1),
        ("c264", 64),
        ("c265", 450),
        ("c271", 1),
        ("c277", 150),
        ("exp_1761109706_cycles", 1),
        ("exp_1761109737_cycles", 1),
        ("exp_1761109952_cycles", 1),
    ]


def test_a_table_of_unit_costs_is_no_run(archive, tmp_path):
    with pytest.raises(NotImportable, match="is an object with per_cycle_contention_free_s, unit_costs_s"):
        import_file(archive / "c256_cost_model.json", tmp_path)


@pytest.mark.parametrize("number", ["1761109706", "1761109737", "1761109952"])
def test_a_list_of_cycles_keeps_durations_times_and_observables(archive, ask, number):
    name = f"exp_{number}_cycles"
    recorded = json.loads((archive / f"{name}.json").read_text())
    rows = ask(f"""
        select cycle, wall_ns, net_ns, t_ns, decisions, patterns_discovered, reality_score
        from cycles join runs using (run_id) where experiment = '{name}' order by cycle""")
    assert [row[0] for row in rows] == list(range(20))
    walls = [round(cycle["duration"] * 1e9) for cycle in recorded]
    assert [row[1] for row in rows] == [row[2] for row in rows] == walls
    ends = [cycle["timestamp"] - recorded[0]["timestamp"] for cycle in recorded]
    assert [(row[3] - walls[0]) / 1e9 for row in rows] == pytest.approx(ends, abs=1e-6)
    observed = [(c["decisions"], c["patterns_discovered"], c["reality_score"]) for c in recorded]
    assert [row[4:] for row in rows] == observed
    [(wall_s, n_cycles)] = ask(f"select wall_s, n_cycles from runs where experiment = '{name}'")
    assert (wall_s, n_cycles) == (pytest.approx(sum(walls) / 1e9, abs=2e-4), 20)


def test_a_history_of_times_gives_the_time_of_every_cycle_but_the_first(ask):
    rows = ask("""
        select wall_ns, t_ns, active_agents, pattern_diversity, total_energy
        from cycles join runs using (run_id) where experiment = 'c271' order by cycle""")
    assert len(rows) == 1000
    assert rows[0] == (None, 0, 10, 50, 1000.0)
    assert rows[1][:2] == (391_322_900, 391_322_900)
    assert sum(row[0] for row in rows[1:]) == rows[-1][1] == 87_337_348_900
    assert rows[-1][2:] == (10, 42, 1000.0)
    assert ask("select wall_s, n_cycles from runs where experiment = 'c271'") == [(87.3373489, 1000)]


@pytest.mark.parametrize("name", RUNS)
def test_a_sequence_of_run_times_keeps_times_order_seeds_and_parameters(archive, ask, name):
    experiment, n = RUNS[name]
    document = json.loads((archive / name).read_text())
    entries = document.get("results") or [*document["conditions"].values()]
    rows = ask(f"""
        select wall_s, seed, sweep_index, n_cycles, config, condition_wall_s, condition_cycles
        from runs join conditions using (run_id) where experiment = '{experiment}' order by run_id""")
    walls = [entry.get("runtime_seconds", entry.get("duration")) for entry in entries]
    assert len(rows) == n
    assert [row[0] for row in rows] == [row[5] for row in rows] == walls
    assert [row[1] for row in rows] == [entry.get("seed") for entry in entries]
    assert [row[2] for row in rows] == list(range(n))
    assert [row[3] for row in rows] == [entry.get("cycles", 1000) for entry in entries]
    configs = [json.loads(row[4]) for row in rows]
    assert [{**config["parameters"], **config["results"]} for config in configs] == entries


def test_the_runs_of_one_file_share_its_checksum_and_have_a_configuration_each(ask):
    found = ask("""
        select experiment, count(distinct source ->> 'sha256'), count(distinct source ->> 'entry'),
            count(distinct config_id)
        from runs where experiment in ('c265', 'c277', 'c148', 'c264') group by all order by all""")
    assert found == [("c148", 1, 53, 18), ("c264", 1, 64, 64), ("c265", 1, 450, 9), ("c277", 1, 150, 5)]


def test_an_entry_that_says_when_it_ended_has_a_start(ask):
    [first, last] = ask("""
        select started_at::varchar, ended_at::varchar from runs where experiment = 'c265'
        and sweep_index in (0, 449) order by run_id""")
    assert first == ("2025-11-09 19:52:20.936648+00", "2025-11-09 19:52:21.38334+00")
    assert last[1] == "2025-11-09 19:59:37.534138+00"
    assert ask("select count(started_at) from runs where experiment in ('c148', 'c264', 'c277')") == [(0,)]


def test_a_list_that_is_shorter_than_announced_is_noted(store):
    _, notes = store
    assert (
        "the file announces 54 runs and holds 53" in notes["cycle148_temporal_regime_boundary_mapping.json"]
    )


def test_cells_of_the_sensitivity_file_are_named_by_their_flags(ask):
    found = ask("""
        select condition, count(*), avg(population_mean), min(mechanisms)
        from runs join conditions using (run_id) where experiment = 'c264' group by all order by all""")
    assert [row[:2] for row in found] == [("OFF-OFF", 16), ("OFF-ON", 16), ("ON-OFF", 16), ("ON-ON", 16)]
    off, sources, pooling, both = (row[2] for row in found)
    # The file's own mean_synergy.
    assert off + both - sources - pooling == pytest.approx(-85.5966875)
    assert json.loads(found[1][3]) == {"energy_pooling": False, "reality_sources": True}


def test_the_readings_of_a_process_become_windows_without_cycles(ask):
    found = ask("""
        select experiment, count(*), sum(w.wall_ns) / 3.6e12, sum(w.cpu_ns) / 6e10, max(t_ns) / 3.6e12,
            count(first_cycle), count(*) filter (where requoted)
        from windows w join runs using (run_id) group by all order by all""")
    assert found == [
        ("c255", 9, 62.8947, pytest.approx(194 + 32.69 / 60), 62.8947, 0, 0),
        ("c256", 51, 66.51, 191.0, 66.51, 0, 2),
        ("c257", 30, 39.954, 70.0, 39.954, 0, 0),
    ]
    early = ask("""
        select count(*), count(*) filter (where not requoted)
        from windows join runs using (run_id) where experiment = 'c256' and t_ns < 27.2 * 3.6e12""")
    assert early == [(42, 40)]


def test_the_time_field_of_ps_is_minutes_and_seconds(ask, store):
    [(at, cpu_ns)] = ask("""
        select t_ns, cpu_ns from windows join runs using (run_id)
        where experiment = 'c256' order by t_ns limit 1""")
    assert (at, cpu_ns) == (236_880_000_000, 4_070_000_000)
    [(process, wall_s, cpu_s, started)] = ask("""
        select sum(process_cpu_ns) / 1e9, wall_s, runs.cpu_s, started_at::varchar
        from windows join runs using (run_id) where experiment = 'c256' group by all""")
    assert (process, wall_s, cpu_s) == (11_460.0, 239_436.0, 11_460.0)
    assert started == "2025-10-30 02:44:00+00"
    _, notes = store
    assert any("is minutes:seconds" in note for note in notes["ps_readings_c255_c256_c257.csv"])
    assert "c256: 2 readings quote older ones" in " ".join(notes["ps_readings_c255_c256_c257.csv"])


def test_resident_sets_are_readings_of_the_memory_probe(ask):
    found = ask("""
        select rss_bytes / 1024 from probe_memory join runs using (run_id)
        where experiment = 'c256' order by t_ns""")
    assert found == [(44_848,), (33_824,), (29_056,), (27_248,)]
    samples = "select count(*), count(cycle) from samples join runs using (run_id) where experiment = 'c256'"
    assert ask(samples) == [(4, 0)]


def test_the_same_bytes_are_skipped_and_a_part_that_is_missing_is_added(archive, tmp_path):
    path = archive / "ps_readings_c255_c256_c257.csv"
    first = import_file(path, tmp_path)
    again = import_file(path, tmp_path)
    assert (len(first.run_ids), first.skipped) == (3, False)
    assert (again.run_ids, again.skipped) == (first.run_ids, True)
    assert again.notes == (f"{path.name} is in the store already, as 3 runs of experiment c255, c256, c257",)
    (tmp_path / "runs" / f"run_id={first.run_ids[1]}").rename(tmp_path / "lost")
    mended = import_file(path, tmp_path)
    assert not mended.skipped
    assert mended.run_ids[::2] == first.run_ids[::2]
    assert mended.run_ids[1] not in first.run_ids
    with pytest.raises(ValueError, match="the file holds 3 runs, not one; use run_ids"):
        _ = mended.run_id


def test_an_experiment_s_name_holds_for_every_run_of_a_file(archive, tmp_path):
    path = archive / "ps_readings_c255_c256_c257.csv"
    found = import_file(path, tmp_path, experiment="readings")
    assert import_file(path, tmp_path, experiment="readings").run_ids == found.run_ids
    with open_catalog(tmp_path) as catalog:
        assert catalog.runs()["experiment"].to_pylist() == ["readings"] * 3
