"""How a command ends."""

from __future__ import annotations

import pytest

from probes.missing import explained
from store.commandline import guarded


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


def test_ctrl_c_while_a_command_imports_is_one_word_and_130(capsys):
    with pytest.raises(SystemExit) as end, explained(typed=True):
        raise KeyboardInterrupt
    assert (end.value.code, capsys.readouterr().err) == (130, "interrupted\n")
    with pytest.raises(KeyboardInterrupt), explained(typed=False):
        raise KeyboardInterrupt
