"""Section 5: the recorded files become ordinary runs, and a run goes out and comes back unchanged."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from conf.reproduction.checks import Row, Section, left_out, row
from conf.reproduction.material import LEFT_OUT, REVIEW, Material
from store import open_catalog, raw
from store.catalog import Catalog

NUMBER, TITLE = 5, "Recorded files, and the way out and back"

ROUND_TRIP = {
    "conditions": """
-- one row per condition of the run: what the raw form holds of it
select condition, position, condition_cycles, population_mean, population_sd, population_final, condition_wall_s
from conditions
order by position
""",
    "cycles": """
-- one row per cycle of the run: what the raw form holds of it
select condition, cycle, process, wall_ns, sampling_calls, population, visits, energy
from cycles
order by cycle, process
""",
}


def section(material: Material) -> Section:
    """Report every file and every experiment's exit code, and take a run through export and import."""
    rows = [*_imports(material), *_ran(material), *_round_trip(material)]
    return Section(number=NUMBER, name="files", title=TITLE, rows=tuple(rows))


def _imports(material: Material) -> list[Row]:
    if material.archive is None:
        return [left_out("recorded files", expected=True, how=LEFT_OUT)]
    taken = [
        row(
            f"{name} becomes ordinary runs",
            expected=True,
            found=bool(ids),
            how=f"runs in the store: {len(ids)}",
        )
        for name, ids in material.imported.items()
    ]
    return [
        *taken,
        *(
            row(f"{name} becomes ordinary runs", expected=True, found=False, how=why)
            for name, why in material.refused.items()
        ),
    ]


def _ran(material: Material) -> list[Row]:
    rows = [
        row(f"python run.py experiment={name}: exit code", expected=0, found=code, how=f"logs/{name}.txt")
        for name, code in material.codes.items()
    ]
    if REVIEW not in material.codes:
        rows.append(left_out(f"python run.py experiment={REVIEW}: exit code", expected=0, how=LEFT_OUT))
    return rows


def _round_trip(material: Material) -> list[Row]:
    """Export one run made here, import the file elsewhere, and compare what the form holds row by row."""
    ids = material.catalog.select(where=["status = 'completed' and optimization = 'cached'"], last=1)
    if not ids:
        raise ValueError("no cached run was completed here, so none can be exported; the logs say why")
    document = raw.export_run(material.catalog, ids[0])
    with TemporaryDirectory() as directory:
        path, other = Path(directory) / "run_results.json", Path(directory) / "store"
        path.write_text(raw.json_text(document), encoding="utf-8")
        back = raw.import_file(path, other).run_id
        with open_catalog(other) as catalog:
            again = raw.json_text(raw.export_run(catalog, back)).replace(back, ids[0]) == raw.json_text(
                document
            )
            return [*_equal(material.catalog, ids[0], catalog, back), _same_text(again)]


def _equal(before: Catalog, run_id: str, after: Catalog, back: str) -> list[Row]:
    rows = []
    for table, sql in ROUND_TRIP.items():
        ours, theirs = before.query(sql, runs=[run_id]), after.query(sql, runs=[back])
        rows.append(
            row(
                f"export and import: rows of {table} that are equal to the last digit",
                expected=len(ours),
                found=sum(a == b for a, b in zip(ours, theirs, strict=False)),
                how=f"run {run_id}, what the raw form holds of each row",
            )
        )
    return rows


def _same_text(again: bool) -> Row:
    how = "the imported run, exported again, against the first export; only the run id differs"
    return row("export, import, export: the same text", expected=True, found=again, how=how)
