"""Section 7, what really happened: the readings of the real process."""

from __future__ import annotations

from collections.abc import Sequence

from conf.reproduction.checks import Row, Section, left_out, row
from conf.reproduction.material import LEFT_OUT, RECORDED, Material
from stats.kernels import quadratic
from stats.kernels.quadratic import Parabola

NUMBER, TITLE = 7, "What really happened: a line, and memory that fell"

RSS = """
-- one row per reading of the resident set, in order: (wall_h, rss [1,000 KiB, which the notes call MB])
select t_ns / 3.6e12 as wall_h, rss_bytes / 1024e3 as rss
from probe_memory
order by t_ns
"""
FIT = """
-- one row per reading up to `until` hours: (grp, x = wall time [h], y = CPU time [min])
with reading as (
    select
        t_ns / 3.6e12 as x,
        sum(process_cpu_ns) over (order by t_ns, process_cpu_ns desc rows unbounded preceding) / 6e10 as y,
        requoted
    from windows
)
select 'all' as grp, x::double as x, y::double as y from reading where x < $until
union all
select 'once' as grp, x::double as x, y::double as y from reading where x < $until and not requoted
"""
FIT_RSS = """
-- one row per reading of the resident set: (grp, x = wall time [h], y = RSS [1,000 KiB])
select 'rss' as grp, (t_ns / 3.6e12)::double as x, (rss_bytes / 1024e3)::double as y from probe_memory
"""
FINE_UNTIL_H = 27.2
"""The readings after it are coarser: whole or tenth minutes."""


def section(material: Material) -> Section:
    """Judge the readings of the real C256."""
    return Section(number=NUMBER, name="readings", title=TITLE, rows=tuple(_readings(material)))


def _readings(material: Material) -> list[Row]:
    ids = material.catalog.select(where=[RECORDED])
    if not ids:
        return [
            left_out("CPU time over wall time, 42 readings: R² of a line", expected="0.998", how=LEFT_OUT),
            left_out("resident set at the last of 4 readings [1,000 KiB]", expected="27.2", how=LEFT_OUT),
        ]
    return [*_line(material, ids), *_rss(material, ids)]


def _line(material: Material, ids: Sequence[str]) -> list[Row]:
    params = {"until": FINE_UNTIL_H}
    fits = {
        each["grp"]: quadratic.fit(each)
        for each in material.catalog.reduce(quadratic.SQL, FIT, params, runs=ids)
    }
    rows = []
    for grp, n, r2, gain in (("all", 42, "0.998", "0.0002"), ("once", 40, "0.9993", "0.0005")):
        fit = fits[grp]
        if not isinstance(fit, Parabola):
            raise ValueError(f"the readings of C256 have no line: {fit.reason}")
        how = f"{fit.n} readings of {n} to {FINE_UNTIL_H} h, " + (
            "2 quoted again" if grp == "all" else "none twice"
        )
        rows += [
            row(f"CPU time over wall time, {n} readings: how many", expected=n, found=fit.n, how=how),
            row(
                f"CPU time over wall time, {n} readings: R² of a line",
                expected=r2,
                found=fit.r2_linear,
                how=how,
            ),
            row(
                f"CPU time over wall time, {n} readings: ΔR² of a parabola",
                expected=gain,
                found=fit.delta_r2,
                how=how,
            ),
            row(
                f"CPU time over wall time, {n} readings: it accelerates",
                published=True,
                expected=False,
                found=fit.c2 > 0,
                how=f"{how}; curvature {fit.c2:.2g} min/h²",
            ),
        ]
    return rows


def _rss(material: Material, ids: Sequence[str]) -> list[Row]:
    sizes = [each["rss"] for each in material.catalog.query(RSS, runs=ids)]
    [moments] = material.catalog.reduce(quadratic.SQL, FIT_RSS, runs=ids)
    fit = quadratic.fit(moments)
    how = f"resident set {', '.join(f'{size:.1f}' for size in sizes)} × 1,000 KiB, n = {len(sizes)}"
    if not isinstance(fit, Parabola):
        raise ValueError(f"the resident sets of C256 have no parabola: {fit.reason}")
    return [
        row(
            "resident set grows with time (H2)",
            published=True,
            expected=False,
            found=sizes[-1] > sizes[0],
            how=how,
        ),
        row("resident set at the last reading [1,000 KiB]", expected="27.2", found=sizes[-1], how=how),
        row("readings of the resident set", expected=4, found=len(sizes), how=how),
        row(
            "resident set, ΔR² of a parabola (H2 asks for 0.1)", expected="0.06", found=fit.delta_r2, how=how
        ),
    ]
