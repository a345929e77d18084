"""driftlab outside a clone."""

from __future__ import annotations

import pytest

from conf.console import COMMANDS, main


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself_with_an_example(command, capsys):
    assert main([command, "--help"]) == 0
    printed = capsys.readouterr().out
    assert "usage:" in printed
    assert "example" in printed


@pytest.mark.parametrize(
    ("called", "run", "store"),
    [("/usr/bin/driftlab", "driftlab run", "driftlab store"), ("run.py", "python run.py", "python -m store")],
    ids=["installed", "in a clone"],
)
def test_examples_name_the_command_as_it_was_called(called, run, store, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", [called])
    assert main(["run", "--help"]) == 0
    printed = capsys.readouterr().out
    assert f"    {run} experiment=demo" in printed
    assert f"    {store} sql" in printed


def test_an_unknown_command_is_exit_2(capsys):
    assert main(["stat"]) == 2
    assert "stat is no command; give one of run, store" in capsys.readouterr().err


def test_without_a_command_the_help_is_shown(capsys):
    assert main([]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "driftlab run experiment=smoke" in printed.err


def test_help_names_every_command(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)
