"""What the study published about its intervention: the gains it predicted, and its criteria for H2 and H3 together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stats.quantity import Quantity
from stats.remarks import STUDY, Record

# "H2 and H3 together were the cause", in the study's three published forms.  Its script's window is two-sided: a
# speedup above 190, better than predicted, fails.
SUPPLEMENT_SPEEDUP, SUPPLEMENT_EXCESS = 150, 0.90
MANUSCRIPT_P, MANUSCRIPT_VARIANCE = 0.05, 0.80
SCRIPT_SPEEDUP = (160, 190)

PREDICTED: Mapping[str, Mapping[str, float]] = {
    "speedup": {"low": 160, "high": 190},
    "t_test": {"p_max": 0.001},
    "effect_size": {"low": 2.0},
    "levene": {"p_max": MANUSCRIPT_P},
    "variance_reduction": {"low": MANUSCRIPT_VARIANCE},
    "excess_reduction": {"excess_a": 0.73, "excess_b_max": 0.05},
    "call_reduction": {"ratio": 90, "calls_a": 1_080_000, "calls_b": 12_000},
    "overhead_factor": {"value": 80, "a": 40, "b": 0.5},
}
"""Of C256 unoptimised (34.5 h) against its optimised successors (11 to 13 min), none of which was ever measured."""

# Files of the archive do not say how they sampled; the protocol does.
RECORDED_AS_OPTIMISED = {
    "c255": False,
    "c256": False,
    **dict.fromkeys(("c257", "c258", "c259", "c260"), True),
}


def predicted(a: Sequence[Record], b: Sequence[Record]) -> Mapping[str, Mapping[str, float]]:
    """Return the prediction for each quantity where unoptimised runs of the study stand against optimised ones."""
    asked = all(_optimised(run) is False for run in a) and all(_optimised(run) for run in b)
    return PREDICTED if asked else {}


def studied(runs: Iterable[Mapping[str, Any]]) -> bool:
    """Tell whether the study's hypotheses and criteria are about any of these rows of ``runs``."""
    return any(
        run["workload"] == "nrm" or run["status"] == "imported" or run["experiment"] in STUDY for run in runs
    )


def joint_verdict(found: Mapping[str, Quantity]) -> dict[str, bool | None]:
    """Judge "H2 and H3 together were the cause" in the study's three forms; None where a part is unknown."""
    speedup = found["speedup"]
    return {
        "supplement": _all(
            speedup.above(SUPPLEMENT_SPEEDUP), found["excess_reduction"].above(SUPPLEMENT_EXCESS)
        ),
        "manuscript": _all(
            found["levene"].significant(MANUSCRIPT_P), found["variance_reduction"].above(MANUSCRIPT_VARIANCE)
        ),
        "script": None if speedup.value is None else SCRIPT_SPEEDUP[0] <= speedup.value <= SCRIPT_SPEEDUP[1],
    }


def with_prediction(found: Quantity, prediction: Mapping[str, float] | None) -> dict[str, Any]:
    """Return a quantity's JSON, the study's prediction beside it where there is one."""
    return {**found.to_json(), **({"predicted": dict(prediction)} if prediction else {})}


def _optimised(run: Record) -> bool | None:
    """Tell whether a run of the study sampled in an optimised way; None of other runs."""
    if run.experiment not in STUDY:
        return None
    if run.optimization is None:
        return RECORDED_AS_OPTIMISED.get(run.experiment)
    return run.optimization != "unoptimized"


def _all(*claims: bool | None) -> bool | None:
    if False in claims:
        return False
    return None if None in claims else True
