"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def words(line):
    """Split a line as a shell does: what bash would not take is an error here too."""
    printed = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, text=True, check=True
    )
    first, *rest = printed.stdout.split("\0")[:-1]
    assert first == "python"
    return [str(ROOT / word) if word == "run.py" else word for word in rest]


def block(containing):
    return next(text for _, text in BLOCKS if containing in text)


@pytest.mark.timeout(400)  # nine runs and a dozen processes: 13 s alone, 240 s beside ten others on one CPU
def test_the_script_of_ten_lines_compares_two_experiments(done, finished):
    for line, run in zip(block("name=before").strip().splitlines(), (finished, done), strict=True):
        code, out, err = run(*words(line), "progress=false")
        assert code == 0, err
        assert all(f"h{number}" in out for number in range(1, 6))
    script = block("from stats import compare, judge")
    assert len([line for line in script.splitlines() if line.strip()]) <= 12
    code, out, err = finished("-c", script)
    assert code == 0, err
    assert "sampling" in out or "off-CPU" in out
    first, *others = block("python -m store ls").strip().splitlines()
    for line, run in [(first, finished), *((line, done) for line in others)]:
        code, out, err = run(*words(line))
        assert code == 0, err
        assert out.strip()
    gate = re.search(r"`(python -m stats compare .*?)`", README).group(1)
    assert finished(*words(gate))[0] == 0
    assert done(*words(gate.replace("speedup<2", "speedup<1e9")))[0] == 1


def test_a_loop_of_ones_own_is_tracked_and_judged(done, finished):
    script = block("from probes import track").replace("12_000", "200")
    script = f"def simulate(cycle):\n    sum(range(2000))\n\n{script}"
    code, _, err = finished("-c", script)
    assert code == 0, err
    code, out, err = done("-m", "stats", "verdict", "--where", "experiment='mine'")
    assert code == 0, err
    assert all(f"h{number}" in out for number in range(1, 6))


def test_the_recorded_file_gives_the_published_synergy(done, archive):
    file = archive / "cycle255_h1h2_lightweight_results.json"
    store = ("--store", "imported")
    assert done("-m", "store", "import", str(file), *store)[0] == 0
    code, out, err = done("-m", "stats", "synergy", "--where", "experiment='c255'", *store)
    assert code == 0, err
    assert "-85.684" in out
    assert "ANTAGONISTIC" in out
    code, out, err = done(
        "-m", "stats", "verdict", "--where", "experiment='c255'", "--format", "json", *store
    )
    assert code == 0, err
    assert out.count("UNTESTABLE") >= 5
