"""Section 2: the synergy of factors, of the recorded files and of the light C255 run again."""

from __future__ import annotations

import statistics

from conf.reproduction.cap import capped, raised
from conf.reproduction.checks import Row, Section, left_out, row
from conf.reproduction.material import LEFT_OUT, Material
from stats import synergy
from stats.factorial import Entry
from stats.report import synergy_table

NUMBER, TITLE = 2, "The synergy of the factors"

RECORDED = "experiment = '{}' and status = 'imported' and n_cycles > 0"
LIGHT = "experiment = 'c255_light' and status = 'completed'"
THREE_WAY = "energy_pooling×reality_sources×energy_recovery"

POPULATIONS = """
-- one row per condition and cycle of a run, in order: (run_id, condition, population)
select run_id, condition, population
from cycles
order by run_id, cycle
"""


def section(material: Material) -> Section:
    """Compute the published synergies, from the files and from a run made here."""
    ids = material.catalog.select(where=[f"({LIGHT}) or status = 'imported'"], latest=True)
    if not material.catalog.select(where=[LIGHT]):
        raise ValueError("c255_light left no completed run; its log says why")
    tables = {
        "Synergy of the factorials": synergy_table(synergy(material.catalog, runs=ids), style="markdown")
    }
    rows = [*_light(material), raised(), *_recorded(material)]
    return Section(number=NUMBER, name="synergies", title=TITLE, rows=tuple(rows), tables=tables)


def _light(material: Material) -> list[Row]:
    means = _synergy(material, LIGHT)
    how = "c255_light run here, 4 × 3,000 cycles at the study's constant metrics"
    rows = [
        row(
            f"C255 light, {cell}: mean population",
            published=published,
            expected=expected,
            found=means[cell],
            how=how,
        )
        for cell, published, expected in (("OFF-OFF", "13.974", "13.974"), ("OFF-ON", "99.7207", "99.7253"))
    ]
    # Angles are drawn: over seeds 0 to 59 the study's rules give these means, with these standard deviations.
    for cell, published, mean, sd in (
        ("ON-OFF", "99.6907", 99.699, 0.023),
        ("ON-ON", "99.7533", 99.759, 0.010),
    ):
        rows.append(
            row(
                f"C255 light, {cell}: mean population",
                published=published,
                expected=mean,
                found=means[cell],
                within=3 * sd,
                holds=abs(means[cell] - float(published)) <= 3 * sd,
                how=f"{how}; random angles, {mean} ± {sd} (sd) over 60 seeds, ± 3 sd taken for equal",
            )
        )
    return [*rows, *capped("C255 light run here", means, within=0.1)]


def _recorded(material: Material) -> list[Row]:
    if material.archive is None:
        return [
            left_out("C255 recorded: synergy", published="-85.684", expected="-85.684", how=LEFT_OUT),
            left_out(
                "C255 recorded and run here: OFF-OFF, all 3,000 values equal", expected=True, how=LEFT_OUT
            ),
            left_out("C262 recorded: three-way interaction", published="0.0", expected="0.0", how=LEFT_OUT),
        ]
    return [*_c255(material), *_c262(material)]


def _c255(material: Material) -> list[Row]:
    means = _synergy(material, RECORDED.format("c255"))
    recorded = _history(material, RECORDED.format("c255"), "OFF-OFF")
    ours = _history(material, LIGHT, "OFF-OFF")
    same = row(
        "C255 recorded and run here: OFF-OFF, values of 3,000 that are equal",
        expected=3000,
        found=sum(a == b for a, b in zip(recorded, ours, strict=False)),
        how="population of every cycle, the file's against c255_light's",
    )
    mean = row(
        "C255 recorded, OFF-OFF: mean population",
        published="13.974",
        expected="13.974",
        found=statistics.fmean(recorded),
        how="mean of the recorded populations",
    )
    return [mean, same, *capped("C255 recorded", means, within=0.0)]


def _c262(material: Material) -> list[Row]:
    entry = _entry(material, RECORDED.format("c262"))
    return [
        row(
            f"C262 recorded: {name}",
            published=said,
            expected=said,
            found=entry.effects[name],
            how="synergy of the file",
        )
        for name, said in (
            (THREE_WAY, "0.0"),
            ("reality_sources×energy_recovery", "-0.9663"),
            ("energy_pooling", "0"),
            ("reality_sources", "0.9663"),
            ("energy_recovery", "0.9663"),
        )
    ]


def _synergy(material: Material, where: str) -> dict[str, float]:
    entry = _entry(material, where)
    return {**entry.cells, "synergy": entry.synergy}


def _entry(material: Material, where: str) -> Entry:
    found = synergy(material.catalog, where=where, latest=True)
    if len(found.entries) != 1:
        raise ValueError(f"{len(found.entries)} factorials where {where}, not one; import all recorded files")
    return found.entries[0]


def _history(material: Material, where: str, condition: str) -> list[int]:
    ids = material.catalog.select(where=[where], latest=True)
    rows = material.catalog.query(POPULATIONS, runs=ids)
    return [each["population"] for each in rows if each["condition"] == condition]
