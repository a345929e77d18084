"""Words of a command line that Hydra refuses in its own terms, said in one sentence that names the word."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from hydra.core.override_parser.types import Override

from conf.compose import GROUPS, ConfigurationError, leaves

SEVERAL = ("mechanism", "probe", "hypothesis")
"""Groups of which a run has any number of leaves."""


def unreadable(argument: str, error: Exception) -> ConfigurationError:
    """Return what is wrong with a word that Hydra's grammar does not know, and how to write it."""
    key, equals, value = argument.partition("=")
    said = [str(each).splitlines()[0] for each in (error.__cause__, error) if each is not None]
    detail = next(line for line in said if line != "None")
    if not (key and equals):
        return ConfigurationError(f"{argument} is not an override of the form key=value")
    if not detail.startswith("Lexer") and not {"'", "="} & set(value):
        return ConfigurationError(f"{argument} is not an override of the form key=value: {detail}")
    quoted = "{}='{}'".format(key, value.replace("'", r"\'"))
    return ConfigurationError(
        f"{argument} holds a character that needs quotes around the value; give {in_shell(quoted)}"
    )


def refuse_no_leaf(overrides: Iterable[Override]) -> None:
    """Refuse a word that takes a whole group away, or names something that is no leaf of it.

    Raises
    ------
    ConfigurationError
        Naming the word, and what to give instead.
    """
    for override in overrides:
        key, word = str(override.key_or_group), str(override.input_line)
        if not key:
            raise ConfigurationError(f"{word} names no key; give key=value")
        if key not in GROUPS or word == "~experiment":
            continue
        if override.is_delete():
            raise ConfigurationError(
                f"{word} takes a whole group away, which every run needs; {_instead(key)}"
            )
        if override.is_add() and key != "experiment":
            raise ConfigurationError(f"{word} adds to a group that has its leaf already; leave the + out")
        if not override.is_sweep_override() and not isinstance(override.value(), str | list):
            raise ConfigurationError(f"{word} names no leaf of group {key}; {_instead(key)}")


def in_shell(word: str) -> str:
    """Return a word as a shell takes it: between double quotes, where they change nothing in it."""
    # No shell knows a variable of the name of a full stop, and JSON paths begin with $.
    risky = set('"$`!') & set(word.replace("$.", "")) or "\\\\" in word or word.endswith("\\")
    if shlex.quote(word) == word or risky:
        return shlex.quote(word)
    return f'"{word}"'


def _instead(group: str) -> str:
    known = ", ".join(leaves(group))
    if group in SEVERAL:
        return f"give {group}=[] for none, or some of {group}=[{known}]"
    return f"give one of {known}"
