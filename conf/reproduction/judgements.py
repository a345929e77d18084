"""Section 3: the five hypotheses, expected beside found, by all five published versions of the tests."""

from __future__ import annotations

from conf.reproduction.checks import Row, Section
from conf.reproduction.material import Material
from stats import judge
from stats.hypotheses import variants
from stats.judging import Entry, Judgement
from stats.report import verdict_table

NUMBER, TITLE = 3, "The five hypotheses, expected and found, in five versions of the tests"

PHASE2 = "experiment = 'phase2' and status = 'completed'"
IMPORTED = "status = 'imported'"
OPEN = "UNTESTABLE"

SENSORS = """
-- one row: how many readings hold a temperature, and how many a clock rate
select count(cpu_temp_celsius) as temperatures, count(cpu_freq_mhz) as rates
from samples
"""
EXPERIMENTS = """
-- one row per experiment of the selected runs: (experiment)
select distinct experiment from runs order by experiment
"""


def section(material: Material) -> Section:
    """Judge phase 2 by every version, and what was recorded by the default one."""
    catalog = material.catalog
    ids = catalog.select(where=[PHASE2], latest=True)
    if not ids:
        raise ValueError("phase2 left no completed run to judge; its log says why")
    found = {variant: judge(catalog, runs=ids, variant=variant) for variant in variants()}
    sensors = has_sensors(material, ids)
    rows = [each for variant, one in found.items() for each in _verdicts(variant, one, sensors)]
    tables = {f"phase2, variant {name}": verdict_table(one, style="markdown") for name, one in found.items()}
    return Section(
        number=NUMBER,
        name="judgements",
        title=TITLE,
        rows=tuple(rows),
        tables={**tables, **recorded(material)},
    )


def has_sensors(material: Material, ids: list[str]) -> bool:
    """Tell whether the machine told its probes a temperature and a clock rate."""
    [readings] = material.catalog.query(SENSORS, runs=ids)
    return bool(readings["temperatures"] and readings["rates"])


def recorded(material: Material) -> dict[str, str]:
    """Return the verdicts on the recorded runs, a table for each experiment: preliminary, most of them UNTESTABLE."""
    catalog = material.catalog
    ids = catalog.select(where=[IMPORTED])
    names = [each["experiment"] for each in catalog.query(EXPERIMENTS, runs=ids)] if ids else []
    judged = {name: judge(catalog, where=[IMPORTED, f"experiment = '{name}'"]) for name in names}
    return {f"recorded, {name}": verdict_table(one, style="markdown") for name, one in judged.items()}


def _verdicts(variant: str, found: Judgement, sensors: bool) -> list[Row]:
    return [_verdict(variant, entry, sensors) for entry in found.verdicts]


def _verdict(variant: str, entry: Entry, sensors: bool) -> Row:
    """Check that there is a verdict; which one is for the run to say.  Without a sensor there is none on H4."""
    finding = entry.finding
    lacking = entry.hypothesis == "h4" and not sensors
    judged, decided = finding.verdict != OPEN, finding.verdict in ("VALIDATED", "REFUTED")
    because = (
        "the machine has no sensor, so H4 must be UNTESTABLE" if lacking else "scaled: a verdict on this run"
    )
    return Row(
        quantity=f"{entry.hypothesis} on phase2, variant {variant}",
        published=entry.expected,
        expected=OPEN if lacking else "any verdict but UNTESTABLE",
        found=finding.verdict,
        holds=finding.verdict == entry.expected if decided else None,
        passed=judged is not lacking,
        how=f"{because}; {finding.reason}",
    )
