"""Section 2, the model: populations and visits under constant metrics, and samples a cycle."""

from __future__ import annotations

import statistics

from conf.reproduction.checks import Row, Section, row
from conf.reproduction.course import CYCLES, STUDY, course
from conf.reproduction.material import Material

NUMBER, TITLE = 2, "The model under constant metrics, and its samples a cycle"

SAMPLED_CYCLES = 12
"""The cap is reached after 7; a cycle at the cap takes 416 real psutil samples, 0.07 s."""


def section(_: Material) -> Section:
    """Run the reference trajectories and count samples."""
    rows = [*_heavy(), *_light(), *_samples()]
    return Section(number=NUMBER, name="model", title=TITLE, rows=tuple(rows))


def _heavy() -> list[Row]:
    rows = []
    for name, on, mean, visits in (
        ("without throttling", (), "99.842", 1_245_536),
        ("with throttling", ("spawn_throttling",), "94.6697", 1_672_836),
    ):
        found = course(on=on)
        how = f"heavy rules {name}, {CYCLES:,} cycles at the study's constant metrics"
        rows += [
            row(f"mean population {name}", expected=mean, found=statistics.fmean(found.population), how=how),
            row(f"visits in {CYCLES:,} cycles {name}", expected=visits, found=sum(found.visits), how=how),
        ]
    return rows


def _light() -> list[Row]:
    light = ("workload.rules=light",)
    sources = ("reality_sources",)
    elsewhere = (2.24, 65.0)
    rows = [
        row(
            f"light rules, {name}, cpu {metrics[0]} %, memory {metrics[1]} %: mean population",
            published=published,
            expected=expected,
            found=statistics.fmean(course(on=on, metrics=metrics, words=light).population),
            how=f"{CYCLES:,} cycles",
        )
        for name, on, metrics, published, expected in (
            ("OFF-OFF", (), STUDY, "13.974", "13.974"),
            ("OFF-ON", sources, STUDY, "99.7207", "99.7253"),
            ("OFF-ON", sources, elsewhere, "99.7207", "99.7207"),
            ("OFF-OFF", (), (0, 50), None, "99.6963"),
            ("OFF-OFF", (), (74, 76), None, "12.978"),
        )
    ]
    off = statistics.fmean(course(metrics=elsewhere, words=light).population)
    return [
        *rows,
        row(
            "one constant load gives both published means, OFF-OFF and OFF-ON",
            published=True,
            expected=False,
            found=rows[1].holds is True or abs(off - 13.974) < 5e-4,
            how=f"the load that gives OFF-ON gives OFF-OFF {off:.4f}; the load that gives OFF-OFF gives another OFF-ON",
        ),
    ]


def _samples() -> list[Row]:
    every_visit = ("optimization.sampling=per_visit",)
    sampled = course(cycles=SAMPLED_CYCLES, words=every_visit).last_samples
    throttled = course(on=("spawn_throttling",)).visits[-1]
    shared = course(cycles=SAMPLED_CYCLES).last_samples
    return [
        row(
            "samples a cycle at the cap, unoptimised",
            published="90",
            expected=416,
            found=sampled,
            how="counted calls: an agent is visited once for itself and once for each living ancestor",
        ),
        row(
            "samples a cycle at the cap, unoptimised, with throttling",
            published="90",
            expected=590,
            found=throttled,
            how="visits of the last cycle, in which none is born",
        ),
        row("samples a cycle, cached", published="1", expected=1, found=shared, how="counted calls"),
        row(
            "samples a cycle, as the study's optimised scripts were shipped",
            published="1",
            expected=317,
            found=_shipped("own"),
            how="optimization=cached_as_shipped without its waits: each visit of a descendant takes a fresh sample",
        ),
        row(
            "samples a cycle, in the script that hands the cycle's sample to nobody",
            published="1",
            expected=417,
            found=_shipped("none"),
            how="optimization=cached_as_shipped optimization.share=none without its waits",
        ),
    ]


def _shipped(share: str) -> int:
    waits = ("optimization.cpu_interval_s=null", "optimization.persist=none")
    words = ("optimization=cached_as_shipped", f"optimization.share={share}", *waits)
    return course(cycles=SAMPLED_CYCLES, words=words).last_samples
