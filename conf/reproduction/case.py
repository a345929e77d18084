"""Section 1, the case: the published excess, its rates, and the predicted gain, recomputed from their inputs."""

from __future__ import annotations

from conf.reproduction.checks import Row, Section, row
from conf.reproduction.material import Material
from store.checks import study
from store.checks.study import BASELINE_H, CPU_H

NUMBER, TITLE = 1, "The case, as published and recomputed"

ABSTRACT = "73"
RECOMPUTED = (
    # Of each milestone: its excess [%]; that per hour of the baseline, and per elapsed hour [%/h].
    ("49.3", "2.45", "1.64"),
    ("54.2", "2.70", "1.75"),
    ("71.1", "3.54", "2.07"),
    ("71.6", "3.56", "2.08"),
)
MILESTONES = tuple(zip(study.MILESTONES, RECOMPUTED, strict=True))
CYCLES = 12_000
SAMPLES_PER_CYCLE, UNIT_S, BARE_H = 90, 0.067, 0.5
SPEEDUPS = ((13, "160", "159"), (11, "190", "188"))


def section(_: Material) -> Section:
    """Recompute the numbers of the case."""
    rows = [*_excesses(), *_rates(), *_prediction(), *_overheads()]
    return Section(number=NUMBER, name="case", title=TITLE, rows=tuple(rows))


def excess(hours: float) -> float:
    """Return how far a duration lies above the baseline [%]."""
    return 100 * (hours / BASELINE_H - 1)


def _excesses() -> list[Row]:
    abstract = row(
        "excess in the abstract [%]",
        published=ABSTRACT,
        expected="71.6",
        found=excess(CPU_H),
        how=f"{CPU_H} / {BASELINE_H} - 1, the paper's own figures; the unit of {CPU_H} is another matter, see §7",
    )
    return [
        abstract,
        *(
            row(
                f"excess, {said.name}, at {said.cpu_h} h [%]",
                published=said.excess,
                expected=expected,
                found=excess(said.cpu_h),
                how=f"{said.cpu_h} / {BASELINE_H} - 1",
            )
            for said, (expected, _, _) in MILESTONES
        ),
    ]


def _rates() -> list[Row]:
    rows = []
    for said, (_, by_constant, by_elapsed) in MILESTONES:
        rows.append(
            row(
                f'published "rate", {said.name} [%/h]',
                published=said.rate,
                expected=by_constant,
                found=excess(said.cpu_h) / BASELINE_H,
                how=f"the excess divided by the constant {BASELINE_H}: it rises with the excess by construction",
            )
        )
        rows.append(
            row(
                f"rate per elapsed hour, {said.name} [%/h]",
                published=said.rate,
                expected=by_elapsed,
                found=excess(said.cpu_h) / said.cpu_h,
                how="the excess divided by the hours that had passed",
            )
        )
    return rows


def _prediction() -> list[Row]:
    rows = [
        row(
            "samples in all",
            published="1,080,000",
            expected=1_080_000,
            found=SAMPLES_PER_CYCLE * CYCLES,
            how=f"{SAMPLES_PER_CYCLE} a cycle, as published, times {CYCLES:,} cycles; see §2 for the true count",
            holds=False,
        ),
        row(
            "predicted duration of the optimised run [min]",
            published="11–13",
            expected="13.4",
            found=BASELINE_H * 60 / SAMPLES_PER_CYCLE,
            how=f"{BASELINE_H} h divided by {SAMPLES_PER_CYCLE}: arithmetic, never measured",
            holds=None,
        ),
    ]
    for minutes, published, expected in SPEEDUPS:
        rows.append(
            row(
                f"predicted speedup to {minutes} min",
                published=published,
                expected=expected,
                found=CPU_H * 60 / minutes,
                how=f"{CPU_H * 60:,.0f} min divided by {minutes} min: never measured",
                holds=None,
            )
        )
    return rows


def _overheads() -> list[Row]:
    return [
        row(
            f"predicted overhead factor at {calls:,} samples",
            published=published,
            expected=expected,
            found=calls * UNIT_S / 3600 / BARE_H,
            how=f"{calls:,} × {1000 * UNIT_S:.0f} ms over {60 * BARE_H:.0f} min: arithmetic, never measured",
            holds=None,
        )
        for calls, published, expected in (
            (SAMPLES_PER_CYCLE * CYCLES, "40", "40.2"),
            (CYCLES, "0.5", "0.447"),
        )
    ]
