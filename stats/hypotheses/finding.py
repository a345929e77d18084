"""What a hypothesis is made of, what it finds in one run, and what several runs say together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any, Literal, NamedTuple, Protocol

from stats.kernels.linear import Line
from stats.kernels.quadratic import Parabola
from stats.kernels.spearman import Correlation
from stats.kernels.usable import Unfit

Verdict = Literal["VALIDATED", "REFUTED", "INCONCLUSIVE", "UNTESTABLE"]
VERDICTS: tuple[Verdict, ...] = ("VALIDATED", "REFUTED", "INCONCLUSIVE", "UNTESTABLE")

# Below five readings even perfect order is not significant: its exact two-sided probability is 2 / n!, 0.083 at
# n = 4, where the t approximation that the protocol uses says 0.
FEWEST = 5

MEDIANS = "statistics are medians over the runs"

LEAST_P = 1e-300
"""Below this a probability is on its way out of double precision."""

RANGES = {
    "rho_min": (0.0, 1.0),
    "rho_temp_min": (0.0, 1.0),
    "rho_freq_max": (-1.0, 0.0),
    "p_max": (0.0, 1.0),
    "r2_min": (0.0, 1.0),
    "delta_r2_min": (0.0, 1.0),
}
"""What a threshold may be, by its name in any hypothesis; one that is not named here is 0 or more."""

Row = Mapping[str, Any]
Fit = Line | Parabola | Correlation | Unfit


class Bound(NamedTuple):
    """What a criterion asks of one number: to lie above its limit, or below."""

    what: str
    value: float
    limit: float
    unit: str = ""
    below: bool = False

    @property
    def met(self) -> bool:
        """Tell whether the number does; one that is not known does not."""
        return self.value < self.limit if self.below else self.value > self.limit

    @property
    def side(self) -> str:
        return f"not {'below' if self.below else 'above'} {self.limit:g}{self.unit and f' {self.unit}'}"

    def shown(self) -> str:
        """Return the value with the digits that tell it from its limit; what rounding left of nothing is 0."""
        value = 0.0 if abs(self.value) < 1e-12 * abs(self.limit) else self.value
        texts = (f"{value:.{digits}g}" for digits in range(3, 18))
        return next((text for text in texts if float(text) != self.limit), f"{value:.3g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A verdict on one run, or on several, with the numbers and the sentence behind it."""

    verdict: Verdict
    reason: str
    statistics: Mapping[str, float] = field(default_factory=dict)
    remedy: str = ""
    """What would have recorded a signal that is missing."""
    failed: tuple[Bound, ...] = ()
    """What the criterion asks and the run does not meet."""
    caveat: str = ""
    """What the criterion does not look at, where it tells against the verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One published version of a test: what it reads, how SQL reduces it, and the decision."""

    rule: str
    """When it is VALIDATED, with the thresholds' names in braces."""
    sample: str
    """Static SQL: relation (grp = run_id/signal, x, y), with at least one row, of NULLs if need be, per run."""
    kernel: str
    """Static SQL over ``sample``: one row per grp."""
    thresholds: Mapping[str, float]
    """The published limits, by the names of ``judge``'s keyword arguments."""
    statistics: tuple[str, ...]
    """Every statistic that ``judge`` may find, whether or not a run recorded what it takes."""
    judge: Callable[..., Finding]
    """Decide on one run from its kernel rows by signal and, by keyword, the thresholds."""
    pairs: str = ""
    """What ``store.reduced.pairs`` calls these signals, whose sums are then in every run's digest."""


class Observation(NamedTuple):
    """Whether a run bears out an aside (None where it cannot tell), and the numbers of it."""

    holds: bool | None
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """What the study says besides its tests: printed with every verdict, never deciding one."""

    claim: str
    sample: str
    """Static SQL: relation (grp = run_id/signal, x, y); a run may have no row in it."""
    kernel: str
    observe: Callable[[Mapping[str, Row]], Observation | None]
    """Look at one run's kernel rows by signal; None where it recorded nothing to look at."""
    always: bool = True
    """Whether it is worth a word where no run bears it out."""
    pairs: str = ""
    """As of ``Criterion``."""


class Hypothesis(Protocol):
    """A module ``stats.hypotheses.hN``."""

    CLAIM: str
    EXPECTED: Verdict
    VARIANTS: Mapping[str, Criterion]
    ASIDES: Sequence[Aside]
    Thresholds: Callable[..., Any]


def decided(
    ways: Sequence[Sequence[Bound]], reason: str, caveat: str = "", /, **statistics: float
) -> Finding:
    """Return VALIDATED where all bounds of one way are met, else REFUTED, with the bounds that are not.

    ``caveat`` is said of a VALIDATED alone.
    """
    if any(all(bound.met for bound in way) for way in ways):
        said = f"{reason}; {caveat}" if caveat else reason
        return Finding(verdict="VALIDATED", reason=said, statistics=statistics, caveat=caveat)
    failed = tuple(bound for way in ways for bound in way if not bound.met)
    unmet = ", ".join(f"{bound.what} {bound.shown()} is {bound.side}" for bound in failed)
    return Finding(verdict="REFUTED", reason=f"{reason}; {unmet}", statistics=statistics, failed=failed)


def significance(p: float) -> str:
    """Return ``p = …``; what double precision cannot tell from 0 is below something."""
    return f"p = {p:.2g}" if p >= LEAST_P or p != p else f"p < {LEAST_P:g}"


def line_bounds(
    fit: Line, p: float, *, slope_min: float, r2_min: float, p_max: float, unit: str
) -> list[Bound]:
    """Return what is asked of a line; an infinite limit asks nothing."""
    asked = [
        Bound("slope", fit.slope, slope_min, unit),
        Bound("R²", fit.r2, r2_min),
        Bound("p", p, p_max, below=True),
    ]
    return [bound for bound in asked if math.isfinite(bound.limit)]


def undecided(fit: Fit, *, x: str, y: str, source: str = "") -> Finding:
    """Return why a run says nothing about ``y`` and ``x``.

    ``source`` says what records ``y``.
    """
    if isinstance(fit, Unfit):
        if fit.n_y and not fit.n_x and x == "cycle":
            said = (
                f"{y} was recorded {fit.n_y} times, but without a cycle: `stats timeline` judges it over time"
            )
            return Finding(verdict="UNTESTABLE", reason=said)
        for name, readings in ((y, fit.n_y), (x, fit.n_x)):
            if not readings:
                return Finding(verdict="UNTESTABLE", reason=f"no {name} was recorded", remedy=source)
    return Finding(verdict="INCONCLUSIVE", reason=too_little(fit, f"{y} with {x}"))


def explained(finding: Finding, *, imported: bool) -> Finding:
    """Return a finding whose reason says what a missing signal takes, which is nothing that a file could be asked."""
    if not finding.remedy:
        return finding
    said = "the imported file does not hold it" if imported else finding.remedy
    return replace(finding, reason=f"{finding.reason} ({said})", remedy="")


def too_little(fit: Fit, what: str) -> str:
    if fit.n >= FEWEST and isinstance(fit, Unfit):
        return fit.reason
    return f"n = {fit.n} readings of {what}; at least {FEWEST} are needed"


def combine(findings: Sequence[Finding]) -> Finding:
    """Join the findings of several runs into one.

    Parameters
    ----------
    findings : one per run
        Those of a single run are returned as they are.

    Returns
    -------
    Finding
        VALIDATED or REFUTED where every run in which the signal was recorded says so, UNTESTABLE where it was
        recorded in none, else INCONCLUSIVE.  Each statistic is the median over the runs that have it: one run
        that went astray does not move it.
    """
    if len(findings) == 1:
        return findings[0]
    if not findings:
        return Finding(verdict="UNTESTABLE", reason="no run is selected")
    testable = [finding for finding in findings if finding.verdict != "UNTESTABLE"]
    verdicts = {finding.verdict for finding in testable}
    verdict: Verdict = verdicts.pop() if len(verdicts) == 1 else "INCONCLUSIVE" if testable else "UNTESTABLE"
    names = dict.fromkeys(name for finding in testable for name in finding.statistics)
    return Finding(
        verdict=verdict,
        reason=_counted(findings, bool(names)),
        statistics={
            name: median(f.statistics[name] for f in testable if name in f.statistics) for name in names
        },
    )


def _counted(findings: Sequence[Finding], has_statistics: bool) -> str:
    counts = Counter(finding.verdict for finding in findings)
    said = [f"{counts[verdict]} of {len(findings)} runs {verdict}" for verdict in VERDICTS if counts[verdict]]
    open_reasons = dict.fromkeys(f.reason for f in findings if f.verdict in ("INCONCLUSIVE", "UNTESTABLE"))
    parts = [", ".join(said), *list(open_reasons)[:1], *_unmet(findings), *_caveats(findings)]
    if has_statistics:
        parts.append(MEDIANS)
    return "; ".join(parts)


def _unmet(findings: Sequence[Finding]) -> list[str]:
    """Return each bound that some runs do not meet, with the span of their values."""
    bounds: dict[tuple[str, str], list[Bound]] = {}
    for bound in (bound for finding in findings for bound in finding.failed):
        bounds.setdefault((bound.what, bound.side), []).append(bound)
    said = []
    for (what, side), of in bounds.items():
        ends = [min(of, key=lambda b: b.value).shown(), max(of, key=lambda b: b.value).shown()]
        said.append(
            f"{what} {' to '.join(dict.fromkeys(ends))} is {side} in {len(of)} run{'s' * (len(of) > 1)}"
        )
    return said


def _caveats(findings: Sequence[Finding]) -> list[str]:
    counts = Counter(finding.caveat for finding in findings if finding.caveat)
    return [f"in {n} of {len(findings)} runs {caveat}" for caveat, n in counts.items()]


def tell(claim: str, observations: Sequence[Observation]) -> str:
    """Return what one run, or several together, say to an aside."""
    if len(observations) == 1:
        holds, said = observations[0]
        return f"{claim}: {_ANSWERS[holds]}, {said}"
    counts = Counter(observation.holds for observation in observations)
    said = ", ".join(f"{_ANSWERS[holds]} in {counts[holds]}" for holds in _ANSWERS if counts[holds])
    return f"{claim}: {said} of {len(observations)} runs"


_ANSWERS = {True: "yes", False: "no", None: "cannot be told"}


def check(hypothesis: str, limits: Mapping[str, object]) -> None:
    """Refuse a threshold that is no number in its range.

    Raises
    ------
    ValueError
        Naming the key, the value and the range.
    """
    for name, value in limits.items():
        low, high = RANGES.get(name, (0.0, math.inf))
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
        if not (low <= number <= high and math.isfinite(number)):
            span = f"of {low:g} or more" if math.isinf(high) else f"in [{low:g}, {high:g}]"
            raise ValueError(f"{hypothesis}.{name}={value!r} is out of range; give a number {span}")
