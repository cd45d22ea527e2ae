"""The reference of commands, from the command line's own definition."""

from typing import Any

from typer import Context
from typer.core import TyperGroup
from typer.main import get_command

from pruning_oracle.command_line.app import application


def commands() -> str:
    """Every command with its help, as Markdown."""
    return described(get_command(application()), "pruning-oracle")


def described(command: Any, name: str, depth: int = 2) -> str:
    """A command, and the commands below it, as Markdown."""
    context = Context(command, info_name=name)
    parts = [f"{'#' * depth} {name}", (command.help or "").replace("\b\n", "").strip()]
    if isinstance(command, TyperGroup):
        below = [(sub, command.get_command(context, sub)) for sub in command.list_commands(context)]
        parts += [described(sub, f"{name} {called}", 3) for called, sub in below if sub is not None and not sub.hidden]
    else:
        parts += [f"```text\n{' '.join([name, *command.collect_usage_pieces(context)])}\n```", options(command, context)]
    return "\n\n".join(part for part in parts if part)


def options(command: Any, context: Context) -> str:
    """A table of a command's arguments and options."""
    rows = []
    for parameter in command.params:
        record = parameter.get_help_record(context)
        name, text = record or (parameter.human_readable_name, getattr(parameter, "help", "") or "")
        words = " ".join(text.split()).replace("[", "\\[").replace("|", "\\|")
        rows.append(f"| `{name}` | {words} |")
    return "| option | |\n|:--|:--|\n" + "\n".join(rows) if rows else ""
