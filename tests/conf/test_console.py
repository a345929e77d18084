"""driftlab outside a clone."""

from __future__ import annotations

import io
import runpy
import sys
from pathlib import Path

import pytest

from conf.console import COMMANDS, main, script

ROOT = Path(__file__).resolve().parents[2]


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


@pytest.mark.parametrize(
    "entry", ["run.py", "store/__main__.py", "stats/__main__.py", "conf/reproduction/__main__.py"]
)
def test_a_command_that_is_a_process_leaves_with_its_code(entry, monkeypatch):
    left = []
    monkeypatch.setattr("probes.streams.leave", left.append)
    monkeypatch.setattr("store.commandline.leave", left.append)
    monkeypatch.setattr("sys.argv", [entry, "--no-such-option"])
    runpy.run_path(str(ROOT / entry), run_name="__main__")
    assert left == [2]


def test_the_installed_command_leaves_with_its_code(monkeypatch):
    left = []
    monkeypatch.setattr("conf.console.leave", left.append)
    monkeypatch.setattr("sys.argv", ["driftlab", "probes", "run", "no-such-job.json"])
    script()
    assert left == [2]


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["run", "+typo=3"], 2),
        (["run", "experiment=smoke", "--cfg", "job"], 0),
        (["store", "sql", "select bad"], 2),
        (["store", "shell"], 0),
        (["stats", "verdict", "--fail-if", "h5=VALIDATED"], 2),
        (["probes", "run", "no-such-job.json"], 2),
    ],
    ids=lambda words: words if isinstance(words, int) else " ".join(words[:2]),
)
def test_a_closed_stream_changes_no_exit_code(stream, words, code, tmp_path, monkeypatch):
    store = ["--store", str(tmp_path)] if words[0] in ("store", "stats") else []
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.setattr(sys, stream, None)
    assert main([*words, *store]) == code
    getattr(sys, stream).close()
