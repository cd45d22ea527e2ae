"""Checks command lines that a page shows without running them: their commands, options, targets and modules must exist."""

import importlib.util
import re
import shlex
import subprocess
import sys
from typing import Any

import typer

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.command_line import app

ELSEWHERE = {"cd", "git", "pip"}  # programs of others, of which only the syntax is checked
BETWEEN = {"&&", "||", "|", ";", "&"}


def words_of(block: str) -> list[list[str]]:
    """The commands in a shell's block, each as its words; comments, assignments and redirections are left out."""
    found = []
    for line in block.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(re.sub(r"\$\w+", "0", line), posix=True, punctuation_chars="&|;")
        lexer.whitespace_split = True
        command: list[str] = []
        for word in [*lexer, ";"]:
            if word in BETWEEN:
                found += [command] if command else []
                command = []
            else:
                command.append(word)
    return [command[1:] if command[0] == "srun" else command for command in found]


def command_of_suite(name: str) -> Any:
    """The command `pruning-oracle NAME`; AssertionError if there is none."""
    commands = typer.main.get_command(app.application()).commands  # type: ignore[attr-defined]
    assert name in commands, f"pruning-oracle has no command {name!r}"
    return commands[name]


def check(command: list[str], getoption: Any) -> None:
    """AssertionError if a command line cannot be meant; `getoption` is pytest's, which knows the plugin's options."""
    program, *rest = command
    if program == "pruning-oracle":
        name, *words = rest
        try:
            command_of_suite(name).make_context(name, app.spread(words))
        except (app.MISTAKE, BadInput) as error:
            said = str(error) if isinstance(error, BadInput) else error.format_message()
            raise AssertionError(f"{shlex.join(command)}: {said}") from error
    elif program == "make":
        done = subprocess.run(["make", "-n", *rest, f"PYTHON={sys.executable}"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{shlex.join(command)}: {done.stderr}"
    elif program == "pytest":
        for option in (word.split("=")[0] for word in rest if word.startswith("--")):
            getoption(option)
    elif program == "python" and rest[:1] == ["-m"]:
        assert importlib.util.find_spec(rest[1]), f"there is no module {rest[1]}"
    else:
        assert program in ELSEWHERE, f"nothing checks {shlex.join(command)}"


def check_mention(text: str) -> None:
    """AssertionError if a command that a sentence mentions, or one of its options, does not exist; values may be anything."""
    _, name, *words = text.split()
    if not re.fullmatch(r"[a-z][a-z-]*", name):  # as in `pruning-oracle COMMAND --help`
        return
    known = {option for parameter in command_of_suite(name).params for option in parameter.opts} | {"--help", "-h"}
    for option in (word.split("=")[0].rstrip(".,…") for word in words if word.startswith("--")):
        assert option in known, f"{text}: there is no {option}"
