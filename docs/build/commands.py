"""The reference of commands, from the command line's own definition."""

import importlib
import importlib.util

MODULE = "pruning_oracle.command_line"


def commands() -> str:
    """Every command with its help, as Markdown; before the one command exists, a sentence that says so."""
    if importlib.util.find_spec(MODULE) is None:
        return (
            "The single command is not in this version: `python -m pruning_oracle.STAGE --help` prints what each stage takes."
        )
    import typer.main  # noqa: PLC0415 (not needed before)

    app = importlib.import_module(MODULE).app
    return described(typer.main.get_command(app), "pruning-oracle")


def described(command: object, name: str, depth: int = 2) -> str:
    """A command of click's, and the commands below it, as Markdown."""
    import click  # noqa: PLC0415 (as above)

    assert isinstance(command, click.Command)
    context = click.Context(command, info_name=name)
    parts = [f"{'#' * depth} {name}", (command.help or "").replace("\b\n", "").strip()]
    if isinstance(command, click.Group):
        below = [(sub, command.get_command(context, sub)) for sub in command.list_commands(context)]
        parts += [described(sub, f"{name} {called}", 3) for called, sub in below if sub is not None and not sub.hidden]
    else:
        parts += [f"```text\n{' '.join([name, *command.collect_usage_pieces(context)])}\n```", options(command, context)]
    return "\n\n".join(part for part in parts if part)


def options(command: object, context: object) -> str:
    """A table of a command's arguments and options."""
    rows = []
    for parameter in command.params:  # type: ignore[attr-defined]
        record = parameter.get_help_record(context)
        name, text = record or (parameter.human_readable_name, getattr(parameter, "help", "") or "")
        rows.append(f"| `{name}` | {' '.join(text.split())} |".replace("[", "\\["))
    return "| option | |\n|:--|:--|\n" + "\n".join(rows) if rows else ""
