"""Section 1, the case: the published excess, its rates, and the predicted gain, recomputed from their inputs."""

from __future__ import annotations

from conf.reproduction.checks import Row, Section, row
from conf.reproduction.material import Material

NUMBER, TITLE = 1, "The case, as published and recomputed"

BASELINE_H, C256_H, ABSTRACT = 20.1, 34.5, "73"
MILESTONES = (
    # Name, hours and printed excess [%]; excess recomputed; per hour of the baseline; per elapsed hour.
    ("early", 30.0, "49.3", "49.3"),
    ("middle", 31.0, "54.2", "54.2"),
    ("late", 34.4, "71.1", "71.1"),
    ("end", 34.5, "71.6", "71.6"),
)
RATES = (
    ("early", 30.0, "2.45", "2.45", "1.64"),
    ("middle", 31.0, "2.71", "2.70", "1.75"),
    ("late", 34.4, "3.56", "3.54", "2.07"),
    ("end", 34.5, "3.56", "3.56", "2.08"),
)
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
        found=excess(C256_H),
        how=f"{C256_H} / {BASELINE_H} - 1, the paper's own figures; the unit of {C256_H} is another matter, see §7",
    )
    return [
        abstract,
        *(
            row(
                f"excess, {name}, at {hours} h [%]",
                published=published,
                expected=expected,
                found=excess(hours),
                how=f"{hours} / {BASELINE_H} - 1",
            )
            for name, hours, published, expected in MILESTONES
        ),
    ]


def _rates() -> list[Row]:
    rows = []
    for name, hours, published, by_constant, by_elapsed in RATES:
        rows.append(
            row(
                f'published "rate", {name} [%/h]',
                published=published,
                expected=by_constant,
                found=excess(hours) / BASELINE_H,
                how=f"the excess divided by the constant {BASELINE_H}: it rises with the excess by construction",
            )
        )
        rows.append(
            row(
                f"rate per elapsed hour, {name} [%/h]",
                published=published,
                expected=by_elapsed,
                found=excess(hours) / hours,
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
                found=C256_H * 60 / minutes,
                how=f"{C256_H * 60:,.0f} min divided by {minutes} min: never measured",
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
