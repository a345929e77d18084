"""How a command ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from probes.missing import explained
from store.commandline import guarded

ROOT = Path(__file__).resolve().parents[2]


def interrupted(error):
    def run():
        raise error

    return run


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), RuntimeError("Query interrupted")], ids=["python", "duckdb"]
)
def test_ctrl_c_is_one_word_and_130_wherever_it_arrives(error, capsys):
    assert guarded(interrupted(error)) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_another_runtime_error_is_not_taken_for_ctrl_c():
    with pytest.raises(RuntimeError, match="ours"):
        guarded(interrupted(RuntimeError("ours")))


def test_ctrl_c_while_a_dataclass_is_imported_does_not_end_the_command_by_the_signal(tmp_path):
    importing = "with explained(typed=True):\n    exec('raise KeyboardInterrupt')\n"
    (tmp_path / "command.py").write_text(f"from probes.missing import explained\n{importing}")
    search = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    words = [sys.executable, "-m", "command"]
    done = subprocess.run(words, env=os.environ | search, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_ctrl_c_while_a_command_imports_is_one_word_and_130(capsys):
    with pytest.raises(SystemExit) as end, explained(typed=True):
        raise KeyboardInterrupt
    assert (end.value.code, capsys.readouterr().err) == (130, "interrupted\n")
    with pytest.raises(KeyboardInterrupt), explained(typed=False):
        raise KeyboardInterrupt
