from __future__ import annotations

from typing import Any

import pytest

from stats import gates

VERDICT: dict[str, Any] = {
    "variant": "protocol",
    "verdicts": [
        {
            "hypothesis": name,
            "verdict": verdict,
            "statistics": statistics,
            "p_adjusted": None,
            "n_runs": 2,
            "n_cycles": 80,
            "reason": "n = 2; no memory_percent was recorded",
        }
        for name, verdict, statistics in [
            ("h1", "VALIDATED", {"r_cpu": 0.5, "p_cpu": 1e-6}),
            ("h2", "UNTESTABLE", {}),
            ("h5", "VALIDATED", {"slope": 0.02, "r2": 0.5, "p": 1e-9}),
        ]
    ],
    "level": {"account": "offcpu", "share": 0.94, "detail": None, "reason": "largest"},
}
COMPARISON: dict[str, Any] = {
    "a": {"where": [], "runs": []},
    "speedup": {"value": 3.5, "low": 3.1, "high": None, "reason": "n = 1 in A: no interval"},
    "call_reduction": {"value": None, "reason": "not recorded in A"},
    "overhead_factor": {"value": 20.0, "b": {"value": 0.5}},
    "h2_h3_validated": {"supplement": None, "script": False},
    "elimination": [],
}
SYNERGY: dict[str, Any] = {"experiment": "c255", "synergy": -85.684, "classification": "ANTAGONISTIC"}
NAMES = {
    **gates.comparison_names(COMPARISON),
    **gates.verdict_names(VERDICT),
    **gates.synergy_names(SYNERGY),
}


def trips(text: str) -> list[str]:
    return gates.tripped([gates.parse(text)], [("", NAMES)])


@pytest.mark.parametrize(
    "text",
    [
        "speedup<4",
        "speedup <= 3.5",
        "speedup.low>3",
        "speedup!=1",
        "overhead_factor.b.value>=0.5",
        "h5=VALIDATED",
        "h5.slope>0.01",
        "h2!=VALIDATED",
        "level.account=offcpu",
        "level.share>9e-1",
        "h2_h3_validated.script=false",
        "classification=ANTAGONISTIC",
        "synergy<-0.1",
    ],
)
def test_gate_trips_where_its_condition_holds(text):
    (sentence,) = trips(text)
    assert sentence.startswith("--fail-if")


@pytest.mark.parametrize(
    "text",
    ["speedup<2", "h5=REFUTED", "h5.p>0.05", "h2=VALIDATED", "h2_h3_validated.script=true", "synergy>0.1"],
)
def test_gate_stays_shut_where_its_condition_does_not_hold(text):
    assert not trips(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("call_reduction<0.5", "not recorded in A"),
        ("speedup.high>9", "n = 1 in A"),
        ("h2.delta_r2>0.1", "n = 2"),
        ("h2_h3_validated.supplement=true", "counts as failed"),
        ("h1.r_mem>0.3", "no memory_percent was recorded"),
    ],
)
def test_gate_on_what_is_unknown_trips_and_says_why(text, reason):
    (sentence,) = trips(text)
    assert "cannot be told" in sentence
    assert reason in sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("speedup", "is no condition"),
        ("speedup<", "is no condition"),
        ("<2", "is no condition"),
        ("speedup==2", "is no number"),
        ("speedup<fast", "is no number"),
        ("speedup<nan", "--fail-if speedup<nan: 'nan' is no number; speedup is compared with one"),
        ("h2.delta_r2<nan", "'nan' is no number"),
        ("speedupp<2", r"'speedupp' is unknown; did you mean speedup\? use one of speedup"),
        ("h2.r_mem<2", "'h2.r_mem' is unknown; did you mean"),
        ("h6=VALIDATED", "'h6' is unknown"),
        ("h5.slop>0", r"'h5.slop' is unknown; did you mean h5.slope\? use one of h5.slope, h5.r2"),
        ("h5=VALID", "by = or != with VALIDATED or REFUTED"),
        ("h5=DRIFT", "VALIDATED or REFUTED or INCONCLUSIVE or UNTESTABLE"),
        ("h5>VALIDATED", "by = or !="),
        ("h2_h3_validated.script=maybe", "true or false"),
        ("classification=BIG", "SYNERGISTIC or"),
    ],
)
def test_gate_that_makes_no_sense_is_refused(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        trips(text)


def test_sentence_names_the_judgement_where_there_are_several():
    gate = gates.parse("h5=VALIDATED")
    assert gates.tripped([gate], [("run 1", NAMES), ("run 2", NAMES)])[1].endswith("in run 2")
