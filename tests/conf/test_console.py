"""driftlab outside a clone."""

from __future__ import annotations

import pytest

from conf.console import COMMANDS, main


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself_with_an_example(command, capsys):
    assert main([command, "--help"]) == 0
    assert "usage:" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["stat"]], ids=["nothing", "typo"])
def test_an_unknown_command_is_exit_2(words, capsys):
    assert main(words) == 2
    assert "store" in capsys.readouterr().err


def test_help_names_every_command(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)
