"""The shell in a terminal of its own: lines, completion, history, Ctrl-C, Ctrl-D, and the lock of ``sql``."""

from __future__ import annotations

import io
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from store import output, schema
from store.__main__ import main
from store.catalog import Catalog
from store.commands import shell
from store.commands.line_editing import completer
from store.commands.shell import split

PROMPT = "driftlab> "
ENDLESS = "select count(*) from range(10000000000) a, range(1000000000) b;"


class Terminal:
    """A shell on the other side of a pseudo-terminal."""

    def __init__(self, store: Path, state: Path) -> None:
        self.end, other = pty.openpty()
        self.shown = ""
        own = {"XDG_STATE_HOME": str(state), "TERM": "dumb", "INPUTRC": os.devnull}
        command = [sys.executable, "-m", "store", "shell", "--store", str(store)]
        self.process = subprocess.Popen(
            command, stdin=other, stdout=other, stderr=other, env=os.environ | own, start_new_session=True,
            preexec_fn=lambda: os.login_tty(other) if hasattr(os, "login_tty") else None,
        )  # fmt: skip
        os.close(other)

    def type(self, text: str) -> None:
        os.write(self.end, text.encode())

    def until(self, text: str, *, seconds: float = 60) -> str:
        """Return what is shown up to ``text``; what comes after it is left for the next."""
        give_up = time.monotonic() + seconds
        while text not in self.shown:
            ready, _, _ = select.select([self.end], [], [], max(0, give_up - time.monotonic()))
            if not ready:
                raise AssertionError(f"{text!r} is not in {self.shown!r}")
            self.shown += os.read(self.end, 65536).decode()
        seen, _, self.shown = self.shown.partition(text)
        return seen + text

    def cancel(self) -> None:
        """Press Ctrl-C at the prompt, until a new one is there.

        Python's readline misses a signal that comes after it has echoed a letter and before it waits for the
        next: no person is as quick as that, a test on a busy machine was 3 of 6 times.
        """
        while PROMPT not in self.shown:
            while psutil.Process(self.process.pid).status() != psutil.STATUS_SLEEPING:
                time.sleep(0.01)
            self.type("\x03")
            with suppress(AssertionError):
                self.until(PROMPT, seconds=3)
                return


@pytest.fixture
def terminal(tmp_path: Path, make_run: Callable[..., str]) -> Iterator[Terminal]:
    make_run(tmp_path / "store", cycles={"wall_ns": [5, 6, 7]})
    shell = Terminal(tmp_path / "store", tmp_path / "state")
    yield shell
    shell.process.kill()
    shell.process.wait()
    os.close(shell.end)


def test_a_person_asks_completes_cancels_and_leaves(terminal: Terminal, tmp_path: Path) -> None:
    assert "1 runs" in terminal.until(PROMPT)
    terminal.type("select sum(wall_ns)\n")
    terminal.until("...> ")
    terminal.type("as total from cycles;\n")
    assert "18" in terminal.until(PROMPT)
    terminal.type("select involuntary_sw\t from cyc\t where false;\n")
    assert "involuntary_switches" in terminal.until(PROMPT)
    terminal.type("drop view samples;\n")
    assert "type DROP is not allowed" in terminal.until(PROMPT)
    terminal.type("with x as (copy runs to 'evil.csv') select * from x;\n")
    terminal.until(PROMPT)
    used = psutil.Process(terminal.process.pid)
    before = sum(used.cpu_times()[:2])
    terminal.type(ENDLESS + "\n")
    while sum(used.cpu_times()[:2]) < before + 0.5:
        time.sleep(0.02)
    terminal.type("\x03")
    assert "interrupted" in terminal.until(PROMPT)
    terminal.type("select 'unfinished")
    terminal.until("unfinished")
    terminal.cancel()
    terminal.type("select 40 + 2 as answer;\n")
    terminal.until("42")
    terminal.until(PROMPT)
    terminal.type("\x04")
    assert terminal.process.wait(60) == 0
    history = (tmp_path / "state" / "driftlab" / "store_history").read_text()
    assert "as total from cycles;" in history
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["runs"]


def test_runs_published_meanwhile_are_seen(
    terminal: Terminal, tmp_path: Path, make_run: Callable[..., str]
) -> None:
    terminal.until(PROMPT)
    make_run(tmp_path / "store", cycles={"wall_ns": [100]})
    terminal.type("select sum(wall_ns) from cycles;\n")
    assert "118" in terminal.until(PROMPT)


@pytest.mark.parametrize(
    ("script", "code", "out"),
    [
        ("select 1 as a; select 2 as b;\n", 0, "a\n1\nb\n2\n"),
        ("select 1 as a\n", 0, "a\n1\n"),
        ("nonsense; select 2 as b;\n", 2, "b\n2\n"),
        ("", 0, ""),
    ],
    ids=["two", "without-end", "one-fails", "nothing"],
)
def test_a_script_is_answered_statement_by_statement(
    script: str,
    code: int,
    out: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(script))
    assert main(["shell", "--store", str(tmp_path), "--format", "csv"]) == code
    assert capsys.readouterr().out == out


@pytest.mark.parametrize("error", [BrokenPipeError, MemoryError], ids=["a reader left", "anything else"])
def test_a_shell_that_breaks_off_closes_its_connection(
    error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*rows: object, **options: object) -> None:
        raise error

    opened: list[Catalog] = []
    closed: list[Catalog] = []
    really, close = shell.open_catalog, Catalog.close
    monkeypatch.setattr(shell, "open_catalog", lambda *a, **k: opened.append(really(*a, **k)) or opened[-1])
    monkeypatch.setattr(Catalog, "close", lambda catalog: closed.append(catalog) or close(catalog))
    monkeypatch.setattr(output, "write_rows", broken)
    monkeypatch.setattr(sys, "stdin", io.StringIO("select 1;"))
    with suppress(BrokenPipeError, MemoryError):
        main(["shell", "--store", str(tmp_path)])
    assert [any(one is other for other in closed) for one in opened] == [True]


@pytest.mark.parametrize(
    ("text", "whole", "rest"),
    [
        ("select 1;", ["select 1"], ""),
        ("select 1; select 2", ["select 1"], " select 2"),
        ("select ';' as a;", ["select ';' as a"], ""),
        ("select 'it''s;", [], "select 'it''s;"),
        ('select ";" from x;', ['select ";" from x'], ""),
        ("select 1 -- one;\n", [], "select 1 -- one;\n"),
        ("select 1 /* ; */ ;", ["select 1 /* ; */ "], ""),
        ("select 1 /* ;", [], "select 1 /* ;"),
        ("select $$;$$;", ["select $$;$$"], ""),
        ("select $a$;$$;$a$;", ["select $a$;$$;$a$"], ""),
        ("select $a$;$$;", [], "select $a$;$$;"),
        (r"select E'\';';", [r"select E'\';'"], ""),
        ("/* a /* b */ ; */ select 1;", ["/* a /* b */ ; */ select 1"], ""),
        ("select 'é;' as é; select", ["select 'é;' as é"], " select"),
        (";;\n", [], ""),
        ("-- nothing;\n", [], "-- nothing;\n"),
    ],
)
def test_a_statement_ends_at_a_semicolon_of_its_own(text: str, whole: list[str], rest: str) -> None:
    assert split(text) == (whole, rest)


def test_completion_knows_tables_columns_and_words() -> None:
    complete = completer({name: schema.arrow(name) for name in schema.TABLES})

    def all_of(text: str) -> list[str]:
        return [word for i in range(99) if (word := complete(text, i)) is not None]

    assert all_of("probe_pym") == ["probe_pymalloc"]
    assert "cycles" in all_of("CYC")
    assert all_of("cycles.wall") == ["cycles.wall_ns"]
    assert all_of("nothing_like_it") == []
